//! A compacted log in the made-up world: what its writers know of it, and how what a reader sees is held against that.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, control_key};
use andiron_protocol::compression::Codec;
use andiron_simulator::SimClock;
use andiron_storage::{
    AppendOrigin, CleanerSettings, DeletedFiles, Disk, Log, LogConfig, LogDir, OpenLog, TopicPartition, remove_deleted,
};
use uuid::Uuid;

use crate::stop::{Phases, Stop};

pub(crate) const ROOT: &str = "/log";
pub(crate) const EPOCH: i32 = 4;
/// A map that holds every key.
pub(crate) const MAP_BYTES: usize = 1 << 16;
pub(crate) const RETENTION: i64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Compact,
    CompactAndDelete,
}

pub(crate) fn config(policy: Policy) -> LogConfig {
    LogConfig {
        // Who appends here asks no coordinator.
        transaction_verification: false,
        segment_bytes: 900,
        segment_index_bytes: 1_024,
        index_interval_bytes: 150,
        compact: true,
        delete: policy == Policy::CompactAndDelete,
        retention_bytes: 400,
        retention_ms: -1,
        delete_retention_ms: RETENTION,
        ..LogConfig::default()
    }
}

pub(crate) fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// A record that was appended.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    /// When, and the time that the record itself says.
    pub(crate) at: i64,
    pub(crate) timestamp: i64,
    /// The transaction it is in, by number.
    pub(crate) transaction: Option<usize>,
}

/// A transaction that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) producer: i64,
    pub(crate) first: i64,
    /// Where its marker stands and whether it commits.
    pub(crate) marker: Option<(i64, bool)>,
}

/// All that was appended, as its clients know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) records: BTreeMap<i64, Written>,
    pub(crate) transactions: Vec<Transaction>,
    /// Producer -> offset -> the last sequence number of the batch that begins there.
    pub(crate) sequences: BTreeMap<i64, BTreeMap<i64, i32>>,
    /// What was removed at some time: truncated offsets are given again.
    pub(crate) end: i64,
}

impl Model {
    /// What is left when everything from `end` on is lost.
    pub(crate) fn cut(&self, end: i64) -> Model {
        let mut cut = self.clone();
        cut.records.split_off(&end);
        for transaction in &mut cut.transactions {
            transaction.marker = transaction.marker.filter(|(at, _)| *at < end);
            if transaction.first >= end {
                // Its offset will be another's.
                transaction.first = i64::MAX;
            }
        }
        for of_one in cut.sequences.values_mut() {
            of_one.split_off(&end);
        }
        cut.end = end;
        cut
    }

    /// The transactions that have begun and not ended.
    pub(crate) fn open(&self) -> impl Iterator<Item = (usize, &Transaction)> {
        self.transactions.iter().enumerate().filter(|(_, t)| t.marker.is_none() && t.first < self.end)
    }

    pub(crate) fn last_stable(&self) -> i64 {
        self.open().map(|(_, t)| t.first).min().unwrap_or(self.end)
    }

    pub(crate) fn committed(&self, offset: i64) -> Option<&Written> {
        let written = self.records.get(&offset)?;
        match written.transaction {
            None => Some(written),
            Some(number) => matches!(self.transactions[number].marker, Some((_, true))).then_some(written),
        }
    }

    /// Key -> offset of its last committed record from `start` to below `end`.
    pub(crate) fn last(&self, start: i64, end: i64) -> BTreeMap<&str, i64> {
        let range = self.records.range(start..end.max(start));
        let committed = range.filter_map(|(offset, _)| Some((*offset, self.committed(*offset)?)));
        committed.map(|(offset, written)| (written.key.as_str(), offset)).collect()
    }
}

/// What the story did so far.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) model: Model,
    /// Before a truncation that is under way.
    pub(crate) before: Option<Model>,
    pub(crate) durable: i64,
    pub(crate) start: i64,
    pub(crate) serial: usize,
    /// By how much the clock of those who append is wrong.
    pub(crate) skew: i64,
    /// A mistake made on purpose: what no transaction has decided yet counts as stable when the log is cleaned.
    pub(crate) believes: bool,
    /// What may be removed from the disk.
    pub(crate) deleted: Vec<DeletedFiles>,
    pub(crate) phases: Phases,
}

pub(crate) struct Story {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: SimClock,
    pub(crate) dir: LogDir,
    pub(crate) log: Log,
}

pub(crate) fn open(disk: &Arc<dyn Disk>, clock: &SimClock, policy: Policy, from_scratch: bool) -> Result<Story, Stop> {
    open_with(disk, clock, config(policy), from_scratch)
}

pub(crate) fn open_with(
    disk: &Arc<dyn Disk>,
    clock: &SimClock,
    config: LogConfig,
    from_scratch: bool,
) -> Result<Story, Stop> {
    let dir = LogDir::open(disk.clone(), Path::new(ROOT))?;
    let point = |offsets: BTreeMap<TopicPartition, i64>| offsets.get(&partition()).copied().unwrap_or(0);
    let (recovery_point, log_start_offset) = (point(dir.recovery_points()?), point(dir.log_start_offsets()?));
    let open = OpenLog {
        dir: dir.partition_dir(&partition()),
        config,
        topic_id: Some(Uuid::from_u128(5)),
        log_start_offset,
        recovery_point: if from_scratch { 0 } else { recovery_point },
        clean_shutdown: dir.was_clean() && !from_scratch,
        journal: None,
        now: clock.now(),
    };
    let (log, _) = Log::open(disk.clone(), partition(), open)?;
    Ok(Story { disk: disk.clone(), clock: clock.clone(), dir, log })
}

impl Story {
    /// One batch of these keys; keys behind a minus are tombstones.
    pub(crate) fn append(
        &mut self,
        told: &mut Told,
        producer: i64,
        codec: Codec,
        txn: Option<usize>,
        keys: &[&str],
    ) -> Result<(), Stop> {
        let at = self.log.log_end_offset();
        let mut options = BatchOptions { codec, transactional: txn.is_some(), ..BatchOptions::default() };
        if producer >= 0 {
            let of_one = told.model.sequences.entry(producer).or_default();
            let sequence = of_one.last_key_value().map_or(0, |(_, last)| last + 1);
            of_one.insert(at, sequence + keys.len() as i32 - 1);
            options = BatchOptions { producer_id: producer, producer_epoch: 0, base_sequence: sequence, ..options };
        }
        let mut builder = BatchBuilder::new(options);
        for (offset, key) in (at..).zip(keys) {
            let (key, value) = match key.strip_prefix('-') {
                Some(key) => (key.to_owned(), None),
                None => ((*key).to_owned(), Some(format!("{}-{}", told.serial, "v".repeat(30)))),
            };
            let at = self.clock.now();
            let timestamp = at + told.skew;
            builder.append(timestamp, Some(key.as_bytes()), value.as_deref().map(str::as_bytes));
            told.model.records.insert(offset, Written { key, value, at, timestamp, transaction: txn });
            told.serial += 1;
        }
        if let Some(number) = txn
            && number == told.model.transactions.len()
        {
            told.model.transactions.push(Transaction { producer, first: at, marker: None });
        }
        self.write(told, &builder.build().unwrap(), AppendOrigin::Client)
    }

    pub(crate) fn end(&mut self, told: &mut Told, producer: i64, number: usize, commit: bool) -> Result<(), Stop> {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: producer,
            producer_epoch: 0,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        let kind = if commit { ControlType::Commit } else { ControlType::Abort };
        let value = EndTxnMarker { coordinator_epoch: 1 }.to_bytes();
        builder.append(self.clock.now(), Some(&control_key(kind)), Some(&value));
        told.model.transactions[number].marker = Some((self.log.log_end_offset(), commit));
        self.write(told, &builder.build().unwrap(), AppendOrigin::Coordinator)
    }

    pub(crate) fn write(&mut self, told: &mut Told, batch: &[u8], origin: AppendOrigin) -> Result<(), Stop> {
        self.clock.advance(10);
        let appended = self.log.append_as_leader(batch, EPOCH, origin, self.clock.now());
        let last_record = told.model.records.last_key_value().map(|(at, _)| *at);
        let markers = told.model.transactions.iter().filter_map(|t| t.marker.map(|(at, _)| at));
        told.model.end = markers.chain(last_record).max().map_or(0, |at| at + 1);
        appended?;
        assert_eq!(self.log.log_end_offset(), told.model.end);
        Ok(())
    }

    pub(crate) fn sync(&mut self, told: &mut Told) -> Result<(), Stop> {
        if let Some(ticket) = self.log.sync_ticket() {
            ticket.run()?;
            self.log.synced(&ticket);
            self.log.on_high_watermark(ticket.end_offset());
        }
        told.durable = told.durable.max(self.log.synced_offset());
        Ok(())
    }

    pub(crate) fn checkpoint(&self) -> Result<(), Stop> {
        self.dir.write_recovery_points(&[(partition(), self.log.synced_offset())].into())?;
        self.dir.write_log_start_offsets(&[(partition(), self.log.log_start_offset())].into())?;
        Ok(())
    }

    /// Cleans as far as a map of so many bytes reaches; gives the offset up to which the log is clean.
    pub(crate) fn clean(&mut self, told: &mut Told, map_bytes: usize) -> Result<i64, Stop> {
        let settings = CleanerSettings { map_bytes, load_factor: 0.9, buffer_bytes: 300, secret: 3 };
        self.clean_by(told, &settings)
    }

    pub(crate) fn clean_by(&mut self, told: &mut Told, settings: &CleanerSettings) -> Result<i64, Stop> {
        let now = self.clock.now();
        let cleaned = self.dir.cleaner_offsets()?.get(&partition()).copied();
        let synced = self.log.synced_offset();
        let stable = if told.believes { synced } else { self.log.last_stable_offset(synced) };
        let cleanable = self.log.cleanable(cleaned, stable, now)?;
        told.phases.begin("clean");
        let mut job = self.log.begin_clean(&cleanable, now)?;
        job.build_map(settings, &mut |_| true)?;
        while let Some(group) = job.clean_next(&mut |_| true)? {
            told.phases.begin("swap");
            told.deleted.push(self.log.swap_in(group, now)?);
            told.phases.begin("clean");
        }
        told.phases.begin("cleaner checkpoint");
        job.sync_names()?;
        self.dir.write_cleaner_offsets(&[(partition(), job.end_offset())].into())?;
        told.phases.begin("append and sync");
        Ok(job.end_offset())
    }

    /// Removes what was renamed to `.deleted`, as happens some time later.
    pub(crate) fn remove(&mut self, told: &mut Told) -> Result<(), Stop> {
        told.phases.begin("removal of what was replaced");
        for files in told.deleted.drain(..) {
            remove_deleted(&*self.disk, &files)?;
        }
        told.phases.begin("append and sync");
        Ok(())
    }

    pub(crate) fn retain(&mut self, told: &mut Told) -> Result<(), Stop> {
        told.phases.begin("retention");
        let deleted = self.log.delete_old_segments(self.log.synced_offset(), self.clock.now());
        told.start = told.start.max(self.log.log_start_offset());
        if let Some(deleted) = deleted? {
            told.start = told.start.max(self.log.log_start_offset());
            self.checkpoint()?;
            told.deleted.push(deleted);
        }
        Ok(())
    }
}

/// What a reader of committed records sees, by offset: key and value.
pub(crate) fn seen(log: &Log, at_crash: &str) -> BTreeMap<i64, (String, Option<String>)> {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let stable = log.last_stable_offset(end);
    let mut aborted = log.aborted_transactions(start, stable).unwrap();
    aborted.sort_by_key(|t| t.first_offset);
    let mut aborted = VecDeque::from(aborted);
    let mut aborting = HashSet::new();
    let mut found = BTreeMap::new();
    let (mut at, mut last) = (start, -1);
    while at < stable {
        let bytes = log.read(at, 500, stable, true).unwrap().to_vec().unwrap();
        let before = at;
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap_or_else(|e| panic!("{at_crash}: {e}"));
            let header = batch.header;
            assert!(header.base_offset > last, "{at_crash}: {} behind {last}", header.base_offset);
            (last, at) = (header.last_offset(), header.next_offset());
            while let Some(next) = aborted.pop_front_if(|t| t.first_offset <= header.last_offset()) {
                aborting.insert(next.producer_id);
            }
            let mut scratch = Vec::new();
            let records = batch.records(&mut scratch).unwrap();
            if header.attributes.is_control() {
                let abort = records.flatten().any(|r| r.key == Some(&control_key(ControlType::Abort)));
                if abort {
                    aborting.remove(&header.producer_id);
                }
            } else if !(header.attributes.is_transactional() && aborting.contains(&header.producer_id)) {
                for record in records {
                    let record = record.unwrap();
                    if record.offset >= start {
                        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                        found.insert(record.offset, (text(record.key.unwrap()), record.value.map(text)));
                    }
                }
            }
        }
        if at == before {
            break;
        }
    }
    found
}

/// Holds what a reader sees against what was written.
pub(crate) fn compare(log: &Log, model: &Model, clean: i64, at_crash: &str) {
    let found = seen(log, at_crash);
    let stable = log.last_stable_offset(log.log_end_offset());
    assert_eq!(stable, model.last_stable().max(log.log_start_offset()), "{at_crash}: last stable offset");
    for (offset, (key, value)) in &found {
        let written = model.committed(*offset);
        let written = written.unwrap_or_else(|| panic!("{at_crash}: {key} at {offset} was never committed"));
        assert_eq!((&written.key, &written.value), (key, value), "{at_crash}: offset {offset}");
    }
    for (key, offset) in model.last(log.log_start_offset(), stable) {
        if !found.contains_key(&offset) {
            let tombstone = model.records[&offset].value.is_none();
            let other = found.iter().find(|(_, (k, _))| k == key);
            assert!(tombstone && other.is_none(), "{at_crash}: {key} at {offset} is lost, there is {other:?}");
        }
    }
    let mut keys = BTreeSet::new();
    for (offset, (key, _)) in found.range(..clean.min(stable).max(0)) {
        assert!(keys.insert(key), "{at_crash}: {key} at {offset} is there twice below {clean}");
    }
}

/// Last sequence number of each producer, of those that wrote at or behind the log's start.
pub(crate) fn compare_producers(log: &Log, model: &Model, at_crash: &str) {
    for (producer, of_one) in &model.sequences {
        if let Some((at, sequence)) = of_one.last_key_value()
            && *at >= log.log_start_offset()
        {
            let known = log.producer(*producer).map(|p| p.last_sequence());
            assert_eq!(known, Some(*sequence), "{at_crash}: sequence of producer {producer}");
        }
    }
}
