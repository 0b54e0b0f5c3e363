//! One partition: its log and its place in replication, stepped together under one lock. What a step asks for (answers to
//! pay, readers to wake, a machine to tell) is done after the lock is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

use andiron_protocol::ErrorCode;
use andiron_replication::partition::{Acks, Effect, Event, Leadership, Partition, Refusal};
use andiron_storage::{
    AppendError, AppendOrigin, Appended, CleanError, CleanJob, Cleanable, CleanedGroup, DeletedFiles, Log, LogConfig,
    LogError, ProducerEntry, ReadError, Tail, TimestampAndOffset, TopicPartition, TransactionProof, Unsynced,
    VerificationGuard,
};

use crate::answer::Part;
use crate::handlers::DelayedFetch;
use crate::journal::DirJournal;
use crate::limits::{FETCH_WAITERS_MAX, RETIREMENT_HURRY};
use crate::sync::SyncQueue;

/// Somebody who waits for appends to be committed, each at a place of its own.
pub(crate) trait AwaitsCommit: Send + Sync {
    /// The append is committed.
    fn committed(&self, place: usize);
    /// The append may or may not survive.
    fn failed(&self, place: usize, error: ErrorCode);
}

/// Who waits for an append to be committed.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) waiter: Arc<dyn AwaitsCommit>,
    pub(crate) place: usize,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({})", self.place)
    }
}

/// A state machine whose log this partition is.
pub(crate) trait Hosted: Send + Sync {
    /// The log is committed up to here.
    fn committed(&self, high_watermark: i64);
    /// The log failed: nothing that waits for it will ever be committed.
    fn lost(&self);
}

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Up to the high watermark.
    Uncommitted,
    /// Up to the first open transaction.
    Committed,
}

/// Where a partition begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_end: i64,
    pub(crate) leader_epoch: i32,
    /// The high watermark is not yet where the last leader's, or the last run's, may have been.
    pub(crate) lags: bool,
}

/// What a read found.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bounds: Bounds,
    pub(crate) parts: Vec<Part>,
    /// (producer id, first offset) of transactions that were aborted among what was read, for readers of committed records.
    pub(crate) aborted: Option<Vec<(i64, i64)>>,
}

/// Why an append was refused.
#[derive(Debug)]
pub(crate) enum AppendRefused {
    Partition(Refusal),
    Log(AppendError),
    Gone,
}

/// Why a read was refused.
#[derive(Debug)]
pub(crate) enum ReadRefused {
    NotLeader,
    /// The reader's epoch is older, or newer, than this leader's.
    Epoch(ErrorCode),
    Log(ReadError),
}

pub(crate) struct Shard {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// Whether the next round of syncs has it; [`SyncQueue`] alone changes it.
    pub(crate) sync_is_due: AtomicBool,
    /// The journal's file in which this partition is listed; [`DirJournal`] alone changes it.
    pub(crate) journal_file: AtomicU64,
    syncs: Option<Arc<SyncQueue>>,
    /// Held by whoever removes or replaces segments, for as long as that takes: compaction and retention keep out of each
    /// other's way.
    maintenance: Mutex<()>,
    /// The topic is gone.
    retired: AtomicBool,
    /// A compaction failed; none is tried again.
    uncleanable: AtomicBool,
    core: Mutex<Core>,
}

struct Core {
    /// None once the topic is deleted.
    log: Option<Log>,
    replica: Partition<Token>,
    readers: Vec<Weak<DelayedFetch>>,
    hosted: Option<Weak<dyn Hosted>>,
    /// None too once the log lies in another directory than at the start.
    journal: Option<Arc<DirJournal>>,
    /// Whether there is anything that a clean end has to bring to the disk.
    touched: bool,
}

/// What is left to do after a step, without the lock.
#[derive(Default)]
struct After {
    replies: Vec<Token>,
    abandoned: Vec<Token>,
    readers: Vec<Weak<DelayedFetch>>,
    committed: Option<(Weak<dyn Hosted>, i64)>,
    lost: Option<Weak<dyn Hosted>>,
}

impl After {
    fn run(self, shard: &Shard, now: i64) {
        for token in self.replies {
            token.waiter.committed(token.place);
        }
        for token in self.abandoned {
            token.waiter.failed(token.place, ErrorCode::NotLeaderOrFollower);
        }
        if let Some((hosted, high_watermark)) = self.committed
            && let Some(hosted) = hosted.upgrade()
        {
            hosted.committed(high_watermark);
        }
        if let Some(hosted) = self.lost.and_then(|lost| lost.upgrade()) {
            hosted.lost();
        }
        for reader in self.readers {
            if let Some(reader) = reader.upgrade() {
                reader.try_complete(shard, now);
            }
        }
    }
}

impl Core {
    fn step(&mut self, now: i64, event: Event<Token>, after: &mut After) {
        let mut effects = Vec::new();
        self.replica.step(now, event, &mut effects);
        for effect in effects {
            match effect {
                Effect::HighWatermark(high_watermark) => {
                    if let Some(log) = &mut self.log {
                        log.on_high_watermark(high_watermark);
                    }
                    after.readers.append(&mut self.readers);
                    if let Some(hosted) = &self.hosted {
                        after.committed = Some((Weak::clone(hosted), high_watermark));
                    }
                }
                Effect::Reply { token } => after.replies.push(token),
                Effect::Abandon { token } => after.abandoned.push(token),
                // There is one replica: nobody follows, and the in-sync set is what it is.
                Effect::WakeFetchers | Effect::AlterIsr { .. } => {}
            }
        }
    }

    /// A log that failed serves nobody until the next start.
    fn online(&self) -> Result<(), LogError> {
        match &self.log {
            Some(log) if log.is_offline() => Err(LogError::Offline(log.partition().clone())),
            _ => Ok(()),
        }
    }

    fn bounds(&self) -> Option<Bounds> {
        let log = self.log.as_ref()?;
        let high_watermark = self.replica.high_watermark();
        Some(Bounds {
            log_start: log.log_start_offset(),
            high_watermark,
            last_stable: log.last_stable_offset(high_watermark),
            log_end: log.log_end_offset(),
            leader_epoch: self.replica.leader_epoch()?,
            lags: self.replica.epoch_start().is_some_and(|start| high_watermark < start),
        })
    }
}

impl Shard {
    /// A partition whose log has been opened; it leads nothing yet. Without a queue nothing waits for fdatasync. A log that is
    /// not `touched` lies on the disk as a clean end left it, or is new and empty. Its `journal` is that of its directory.
    pub(crate) fn new(
        log: Log,
        replica: Partition<Token>,
        syncs: Option<Arc<SyncQueue>>,
        journal: Option<Arc<DirJournal>>,
        touched: bool,
    ) -> Arc<Shard> {
        let name = log.partition().clone();
        Arc::new(Shard {
            topic: name.topic,
            partition: name.partition,
            sync_is_due: AtomicBool::new(false),
            journal_file: AtomicU64::new(0),
            syncs,
            maintenance: Mutex::new(()),
            retired: AtomicBool::new(false),
            uncleanable: AtomicBool::new(false),
            core: Mutex::new(Core { log: Some(log), replica, readers: Vec::new(), hosted: None, journal, touched }),
        })
    }

    /// This node leads from now on. What is in the log and not known to be on disk counts when it is. The log notes the
    /// epoch with the first record of it, so that a start with many partitions writes nothing.
    pub(crate) fn lead(self: &Arc<Self>, now: i64, leadership: Leadership, checkpointed: i64) {
        let mut after = After::default();
        {
            let mut core = self.core.lock();
            let Some(log) = core.log.as_ref() else { return };
            let log_end = log.log_end_offset();
            let durable = log.durable_offset();
            let high_watermark = checkpointed.max(log.log_start_offset());
            core.step(now, Event::Lead { leadership, log_end, durable, high_watermark }, &mut after);
        }
        after.run(self, now);
        self.ask_for_sync();
    }

    /// Another node leads, or none.
    pub(crate) fn resign(&self, now: i64) {
        let mut after = After::default();
        self.core.lock().step(now, Event::Resign, &mut after);
        after.run(self, now);
    }

    /// Whether this node leads already, in this epoch and with these replicas.
    pub(crate) fn leadership_is(&self, leadership: &Leadership) -> bool {
        self.core.lock().replica.leader_epoch() == Some(leadership.epoch)
    }

    /// The machine that lives on this log.
    pub(crate) fn host(&self, hosted: Weak<dyn Hosted>) {
        self.core.lock().hosted = Some(hosted);
    }

    fn ask_for_sync(self: &Arc<Self>) {
        if let Some(syncs) = &self.syncs {
            syncs.push(self);
        }
    }

    /// Appends batches and, with acks=all, leaves `token` waiting for them to be committed.
    pub(crate) fn append(
        self: &Arc<Self>,
        now: i64,
        batches: &[u8],
        origin: AppendOrigin,
        isr_min: usize,
        token: Option<Token>,
    ) -> Result<Appended, AppendRefused> {
        self.append_in_transaction(now, batches, origin, TransactionProof::None, isr_min, token)
    }

    /// As `append`, with what is known of the transaction that the batch belongs to.
    pub(crate) fn append_in_transaction(
        self: &Arc<Self>,
        now: i64,
        batches: &[u8],
        origin: AppendOrigin,
        proof: TransactionProof,
        isr_min: usize,
        token: Option<Token>,
    ) -> Result<Appended, AppendRefused> {
        let mut after = After::default();
        let appended = {
            let mut core = self.core.lock();
            let acks = if token.is_some() { Acks::All } else { Acks::Leader };
            core.online().map_err(|error| AppendRefused::Log(AppendError::Log(error)))?;
            let epoch = core.replica.check_append(acks, isr_min).map_err(AppendRefused::Partition)?;
            let Some(log) = core.log.as_mut() else { return Err(AppendRefused::Gone) };
            let appended = log.append_in_transaction(batches, epoch, origin, proof, now).map_err(AppendRefused::Log)?;
            let end = log.log_end_offset();
            core.touched = true;
            core.step(now, Event::Appended { end, token }, &mut after);
            appended
        };
        self.ask_for_sync();
        if origin != AppendOrigin::Client {
            // The machine itself appends and asks for the high watermark when it is done; it cannot be told in between.
            after.committed = None;
        }
        after.run(self, now);
        Ok(appended)
    }

    /// Begins to verify that the partition belongs to a producer's transaction; none if that is under way here already.
    pub(crate) fn start_verification(
        &self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        epoch_bump: bool,
        now: i64,
    ) -> Option<VerificationGuard> {
        let mut core = self.core.lock();
        core.log.as_mut()?.start_verification(producer_id, epoch, sequence, epoch_bump, now)
    }

    /// The producers that the partition knows, by id; none if this node does not lead it.
    pub(crate) fn producers(&self) -> Option<Vec<(i64, ProducerEntry)>> {
        let core = self.core.lock();
        core.replica.leader_epoch()?;
        core.log.as_ref().map(Log::producers)
    }

    /// What of the log is not durable, with the journal that may take it.
    pub(crate) fn unsynced(self: &Arc<Self>, now: &dyn Fn() -> i64) -> (Unsynced, Option<Arc<DirJournal>>) {
        let (unsynced, journal) = {
            let core = self.core.lock();
            (core.log.as_ref().map_or(Unsynced::Nothing, Log::unsynced), core.journal.clone())
        };
        if matches!(unsynced, Unsynced::Nothing) {
            self.durable(now, |_| {});
        }
        (unsynced, journal)
    }

    /// The journal has the tail.
    pub(crate) fn journaled(self: &Arc<Self>, tail: &Tail, now: &dyn Fn() -> i64) {
        self.durable(now, |log| log.journaled(tail));
    }

    /// Notes what has become durable, and tells the partition how far the log is.
    fn durable(self: &Arc<Self>, now: &dyn Fn() -> i64, note: impl FnOnce(&mut Log)) {
        let mut after = After::default();
        {
            let mut core = self.core.lock();
            let to = core.log.as_mut().map_or(0, |log| {
                note(log);
                log.durable_offset()
            });
            core.step(now(), Event::Synced { to }, &mut after);
        }
        after.run(self, now());
    }

    /// Makes what was appended durable in the log; says how many records that were and how often it took an fdatasync. Runs on a
    /// helper thread; the lock is free while the disk works.
    pub(crate) fn sync(self: &Arc<Self>, now: &dyn Fn() -> i64) -> (u64, u64) {
        let (ticket, durable) = match self.core.lock().log.as_mut() {
            Some(log) => (log.sync_ticket(), log.durable_offset()),
            None => return (0, 0),
        };
        let Some(ticket) = ticket else {
            // Nothing to write out, yet what the log knows to be durable may be news to the partition.
            self.durable(now, |_| {});
            return (0, 0);
        };
        match ticket.run() {
            Ok(()) => self.durable(now, |log| log.synced(&ticket)),
            Err(error) => {
                tracing::error!(topic = %self.topic, partition = self.partition, %error, "cannot sync the log; it takes no more");
                let mut after = After::default();
                {
                    let mut core = self.core.lock();
                    if let Some(log) = core.log.as_mut() {
                        log.set_offline();
                    }
                    core.step(now(), Event::Resign, &mut after);
                    after.lost.clone_from(&core.hosted);
                }
                after.run(self, now());
            }
        }
        (u64::try_from(ticket.end_offset() - durable).unwrap_or(0), ticket.files() as u64)
    }

    /// Whether the log failed. One that is gone did not.
    pub(crate) fn is_offline(&self) -> bool {
        self.core.lock().log.as_ref().is_some_and(Log::is_offline)
    }

    /// Whether the journal has what the log itself may not.
    pub(crate) fn is_journaled(&self) -> bool {
        self.core.lock().log.as_ref().is_some_and(|log| log.synced_offset() < log.durable_offset())
    }

    /// Reads from `offset` on.
    pub(crate) fn read(
        &self,
        offset: i64,
        bytes_max: usize,
        isolation: Isolation,
        at_least_one: bool,
        reader_epoch: Option<i32>,
    ) -> Result<Read, ReadRefused> {
        let core = self.core.lock();
        core.online().map_err(|error| ReadRefused::Log(ReadError::Log(error)))?;
        let (Some(log), Some(bounds)) = (core.log.as_ref(), core.bounds()) else { return Err(ReadRefused::NotLeader) };
        check_epoch(bounds.leader_epoch, reader_epoch).map_err(ReadRefused::Epoch)?;
        let below = match isolation {
            Isolation::Uncommitted => bounds.high_watermark,
            Isolation::Committed => bounds.last_stable,
        };
        let outcome = log.read(offset, bytes_max, below, at_least_one).map_err(ReadRefused::Log)?;
        let aborted = match isolation {
            Isolation::Uncommitted => None,
            Isolation::Committed if outcome.len == 0 => Some(Vec::new()),
            Isolation::Committed => {
                // What was read ends somewhere before the last stable offset: a few too many do no harm.
                let found = log.aborted_transactions(offset, bounds.last_stable);
                let found = found.map_err(|e| ReadRefused::Log(ReadError::Log(e)))?;
                Some(found.into_iter().map(|t| (t.producer_id, t.first_offset)).collect())
            }
        };
        let parts = outcome
            .ranges
            .into_iter()
            .map(|range| Part::File { file: range.file, position: range.position, len: range.len })
            .collect();
        Ok(Read { bounds, parts, aborted })
    }

    /// Bytes of the batches from `offset` on, for a machine that reads its own log.
    pub(crate) fn read_batches(&self, offset: i64, bytes_max: usize) -> Result<bytes::Bytes, ReadRefused> {
        let core = self.core.lock();
        let Some(log) = core.log.as_ref() else { return Err(ReadRefused::NotLeader) };
        log.read_batches(offset, bytes_max).map_err(ReadRefused::Log)
    }

    /// Has `reader` woken when more can be read. False when too many wait here already.
    pub(crate) fn wait(&self, reader: &Arc<DelayedFetch>) -> bool {
        let mut core = self.core.lock();
        if core.readers.len() >= FETCH_WAITERS_MAX {
            core.readers.retain(|waiting| waiting.strong_count() > 0);
            if core.readers.len() >= FETCH_WAITERS_MAX {
                return false;
            }
        }
        core.readers.push(Arc::downgrade(reader));
        true
    }

    /// `reader` waits no more.
    pub(crate) fn forget(&self, reader: &DelayedFetch) {
        let mut core = self.core.lock();
        core.readers.retain(|waiting| !std::ptr::eq(waiting.as_ptr(), reader));
    }

    /// Where the partition begins and ends; none if this node does not lead it.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        self.core.lock().bounds()
    }

    /// The same, or why the partition is not served.
    pub(crate) fn served(&self) -> Result<Bounds, ErrorCode> {
        let core = self.core.lock();
        core.online().map_err(|error| crate::errors::log(&error))?;
        core.bounds().ok_or(ErrorCode::NotLeaderOrFollower)
    }

    /// Everything before it is committed.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.core.lock().replica.high_watermark()
    }

    /// How many bytes the log has.
    pub(crate) fn size(&self) -> u64 {
        self.core.lock().log.as_ref().map_or(0, Log::size)
    }

    /// The end of the log.
    pub(crate) fn log_end(&self) -> i64 {
        self.core.lock().log.as_ref().map_or(0, Log::log_end_offset)
    }

    /// The first record at or after a point in time, or the one with the greatest timestamp.
    pub(crate) fn by_time(&self, timestamp: Option<i64>) -> Result<Option<TimestampAndOffset>, ReadRefused> {
        let core = self.core.lock();
        let Some(log) = core.log.as_ref() else { return Err(ReadRefused::NotLeader) };
        let found = match timestamp {
            Some(timestamp) => log.offset_for_timestamp(timestamp),
            None => log.max_timestamp(),
        };
        found.map_err(|e| ReadRefused::Log(ReadError::Log(e)))
    }

    /// (epoch, end offset) of the greatest epoch not above `epoch`.
    pub(crate) fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.core.lock().log.as_ref().and_then(|log| log.end_offset_for_epoch(epoch))
    }

    /// The epoch in which the record at `offset` was written, or the one that a record there would have.
    pub(crate) fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.core.lock().log.as_ref().and_then(|log| log.epoch_for_offset(offset))
    }

    /// Moves the log's start up to `offset`.
    pub(crate) fn delete_records(&self, offset: i64) -> Result<i64, LogError> {
        let mut core = self.core.lock();
        core.touched = true;
        match core.log.as_mut() {
            Some(log) => log.delete_records(offset),
            None => Ok(-1),
        }
    }

    /// New settings, effective at once.
    pub(crate) fn set_config(&self, config: LogConfig) {
        if let Some(log) = self.core.lock().log.as_mut()
            && *log.config() != config
        {
            log.set_config(config);
        }
    }

    /// Retention, and the forgetting of producers that are silent. A log that is being compacted is left for the next time.
    pub(crate) fn keep_house(&self, now: i64) -> Result<Option<DeletedFiles>, LogError> {
        let Some(_alone) = self.maintain_alone() else { return Ok(None) };
        let mut core = self.core.lock();
        let high_watermark = core.replica.high_watermark();
        let Some(log) = core.log.as_mut() else { return Ok(None) };
        log.expire_producers(now);
        let deleted = log.delete_old_segments(high_watermark, now);
        core.touched |= !matches!(deleted, Ok(None));
        deleted
    }

    /// Keeps everybody else from removing or replacing segments; none when somebody does already.
    pub(crate) fn maintain_alone(&self) -> Option<MutexGuard<'_, ()>> {
        self.maintenance.try_lock()
    }

    /// Whether `cleanup.policy` has `compact`.
    pub(crate) fn is_compacted(&self) -> bool {
        self.core.lock().log.as_ref().is_some_and(|log| log.config().compact)
    }

    /// What is dirty in a log that was compacted up to `checkpoint`, and whether it is to be compacted now. None when there is no
    /// log, or one that takes nothing more.
    pub(crate) fn cleanable(&self, checkpoint: Option<i64>, now: i64) -> Result<Option<(Cleanable, bool)>, LogError> {
        let mut core = self.core.lock();
        let high_watermark = core.replica.high_watermark();
        let Some(log) = core.log.as_mut().filter(|log| !log.is_offline()) else { return Ok(None) };
        let cleanable = log.cleanable(checkpoint, log.last_stable_offset(high_watermark), now)?;
        Ok(Some((cleanable, cleanable.is_due(log.config()))))
    }

    /// Begins to compact; to be called by whoever [`Shard::maintain_alone`] let through.
    pub(crate) fn begin_clean(&self, cleanable: &Cleanable, now: i64) -> Result<Option<CleanJob>, LogError> {
        let mut core = self.core.lock();
        core.log.as_mut().map(|log| log.begin_clean(cleanable, now)).transpose()
    }

    /// A cleaned segment takes the place of its sources.
    pub(crate) fn swap_in(&self, group: CleanedGroup, now: i64) -> Result<DeletedFiles, CleanError> {
        let mut core = self.core.lock();
        match core.log.as_mut() {
            Some(log) => log.swap_in(group, now),
            None => {
                drop(core);
                group.discard();
                Err(CleanError::Superseded)
            }
        }
    }

    /// Whether the topic is gone.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether a compaction failed.
    pub(crate) fn is_uncleanable(&self) -> bool {
        self.uncleanable.load(Ordering::Acquire)
    }

    /// A compaction failed: none is tried again.
    pub(crate) fn set_uncleanable(&self) {
        self.uncleanable.store(true, Ordering::Release);
    }

    /// (recovery point, high watermark, log start), for the checkpoints.
    pub(crate) fn checkpoint(&self) -> Option<(i64, i64, i64)> {
        let core = self.core.lock();
        let log = core.log.as_ref()?;
        Some((log.synced_offset(), core.replica.high_watermark(), log.log_start_offset()))
    }

    /// Brings everything to the disk at the end of a run.
    pub(crate) fn close(&self) -> Result<(), LogError> {
        let mut core = self.core.lock();
        let touched = core.touched;
        match core.log.as_mut() {
            Some(log) if touched => log.close_clean(),
            _ => Ok(()),
        }
    }

    /// Puts another log with the same records in the place of this one, which is handed back. `make` gets the old log and
    /// makes the new, which is durable, and the journal, which is to be that of its directory; what else it gives is handed back
    /// too. Nobody writes or reads meanwhile.
    pub(crate) fn exchange<T>(
        &self,
        make: impl FnOnce(&mut Log, &mut Option<Arc<DirJournal>>) -> Result<(Log, T), LogError>,
    ) -> Result<(Log, T), LogError> {
        let mut core = self.core.lock();
        let Core { log, replica, journal, touched, .. } = &mut *core;
        let Some(log) = log else {
            return Err(LogError::Offline(TopicPartition::new(&self.topic, self.partition)));
        };
        let (mut new, more) = make(log, journal)?;
        new.on_high_watermark(replica.high_watermark());
        *touched = true;
        Ok((std::mem::replace(log, new), more))
    }

    /// The topic is gone: whoever waits is told, and the log is handed out to be removed. Whoever compacts it is waited for, as
    /// a topic of the same name will have its files in the same place; `hurry` is called while that takes.
    pub(crate) fn retire(&self, now: i64, hurry: impl Fn()) -> Option<Log> {
        self.retired.store(true, Ordering::Release);
        let _alone = loop {
            hurry();
            if let Some(alone) = self.maintenance.try_lock_for(RETIREMENT_HURRY) {
                break alone;
            }
        };
        let mut after = After::default();
        let log = {
            let mut core = self.core.lock();
            core.step(now, Event::Resign, &mut after);
            after.readers.append(&mut core.readers);
            core.log.take()
        };
        after.run(self, now);
        log
    }
}

/// Kafka's fencing of readers by leader epoch.
pub(crate) fn check_epoch(ours: i32, theirs: Option<i32>) -> Result<(), ErrorCode> {
    match theirs {
        Some(theirs) if theirs >= 0 && theirs < ours => Err(ErrorCode::FencedLeaderEpoch),
        Some(theirs) if theirs > ours => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}
