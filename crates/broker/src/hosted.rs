//! A state machine on a partition: requests go through the harness, records into the partition's log, answers out when the
//! high watermark has passed them. The controller and every group coordinator live here, and nothing in this file knows
//! which of them it keeps.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard, RwLock};

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchHeader, BatchOptions, Batches, Record};
use andiron_replication::machine::{Decision, Harness, Outcome, StateMachine, Ticket};
use andiron_storage::{AppendOrigin, TransactionProof};

use crate::errors;
use crate::limits::REPLAY_STEP_BYTES;
use crate::shard::{Hosted, Shard};

/// How the records of one decision lie in a machine's log: as one batch, made at this time.
pub(crate) type Encode<M> = fn(i64, &[<M as StateMachine>::Record]) -> Result<Bytes, String>;

/// Key and value of a record.
pub(crate) type KeyAndValue = (Option<Bytes>, Option<Bytes>);

/// Whom an answer is for.
pub(crate) type Waiter<A> = Box<dyn FnOnce(Result<A, ErrorCode>) + Send>;

/// What is to happen when the committed view has changed, before the answers that waited for it go out.
pub(crate) type Published<V> = Box<dyn Fn(&V) + Send + Sync>;

/// What is to happen when a machine says something that nobody asked for ([`Ticket::UNASKED`]), once it is committed.
pub(crate) type Unasked<A> = Box<dyn Fn(A) + Send + Sync>;

/// A machine, its harness and its log.
pub(crate) struct Host<M: StateMachine> {
    shard: Arc<Shard>,
    origin: AppendOrigin,
    encode: Encode<M>,
    published: Option<Published<M::View>>,
    unasked: Option<Unasked<M::Response>>,
    harness: Mutex<Harness<M>>,
    waiting: Mutex<HashMap<Ticket, Waiter<M::Response>>>,
    next_ticket: AtomicU64,
    next_deadline: AtomicI64,
    now: AtomicI64,
}

/// One batch of these records.
pub(crate) fn batch<E: ToString>(
    now: i64,
    options: BatchOptions,
    records: impl Iterator<Item = Result<KeyAndValue, E>>,
) -> Result<Bytes, String> {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let (key, value) = record.map_err(|error| error.to_string())?;
        builder.append(now, key.as_deref(), value.as_deref());
    }
    builder.build().map_err(|error| error.to_string())
}

/// Hands every record of a machine's log to `each`, with the header of its batch; returns the log's end.
pub(crate) fn read_log(shard: &Arc<Shard>, mut each: impl FnMut(&BatchHeader, &Record<'_>)) -> Result<i64, String> {
    let mut scratch = Vec::new();
    let (mut at, end) = shard.bounds().map_or((0, 0), |b| (b.log_start, b.log_end));
    while at < end {
        let bytes = shard.read_batches(at, REPLAY_STEP_BYTES).map_err(|e| format!("{e:?}"))?;
        let before = at;
        for batch in Batches::new(&bytes) {
            let batch = batch.map_err(|e| e.to_string())?;
            at = at.max(batch.header.next_offset());
            for record in batch.records(&mut scratch).map_err(|e| e.to_string())? {
                each(&batch.header, &record.map_err(|e| e.to_string())?);
            }
        }
        if at == before {
            return Err(format!("the log of {}-{} cannot be read at {at}", shard.topic, shard.partition));
        }
    }
    Ok(end)
}

/// The machines of a topic that this node keeps, by partition.
pub(crate) struct Hosts<M: StateMachine> {
    by_partition: RwLock<HashMap<i32, Arc<Host<M>>>>,
}

impl<M: StateMachine> Default for Hosts<M> {
    fn default() -> Self {
        Hosts { by_partition: RwLock::new(HashMap::new()) }
    }
}

impl<M> Hosts<M>
where
    M: StateMachine + Send + 'static,
    M::Response: Send,
    M::Record: Send,
    M::View: Send,
{
    /// The machine of a partition begins.
    pub(crate) fn insert(&self, partition: i32, host: Arc<Host<M>>) {
        self.by_partition.write().insert(partition, host);
    }

    /// The machine of a partition, if this node keeps it.
    pub(crate) fn get(&self, partition: i32) -> Option<Arc<Host<M>>> {
        self.by_partition.read().get(&partition).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Host<M>>> {
        self.by_partition.read().values().cloned().collect()
    }

    /// Whether the machine of a partition has begun.
    pub(crate) fn has(&self, partition: i32) -> bool {
        self.by_partition.read().contains_key(&partition)
    }

    /// This node leads the partition no more: whoever waits is told to look elsewhere.
    pub(crate) fn end(&self, partition: i32) {
        let ended = self.by_partition.write().remove(&partition);
        if let Some(host) = ended {
            host.abandon(ErrorCode::NotCoordinator);
        }
    }

    /// The first deadline of all.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.by_partition.read().values().map(|host| host.next_deadline()).min()
    }

    /// Lets every machine do what is due.
    pub(crate) fn deadline(&self, now: i64) {
        let due: Vec<_> =
            self.by_partition.read().values().filter(|host| host.next_deadline() <= now).cloned().collect();
        for host in due {
            host.deadline(now);
        }
    }

    /// Whoever waits is told to ask elsewhere: this node stops.
    pub(crate) fn abandon(&self) {
        let all: Vec<_> = self.by_partition.write().drain().map(|(_, host)| host).collect();
        for host in all {
            host.abandon(ErrorCode::NotCoordinator);
        }
    }
}

/// No deadline.
pub(crate) const NEVER: i64 = i64::MAX;

impl<M> Host<M>
where
    M: StateMachine + Send + 'static,
    M::Response: Send,
    M::Record: Send,
    M::View: Send,
{
    /// Keeps a machine that has been replayed, and is told by the partition when its log is committed further.
    pub(crate) fn new(
        shard: Arc<Shard>,
        harness: Harness<M>,
        origin: AppendOrigin,
        encode: Encode<M>,
        published: Option<Published<M::View>>,
        unasked: Option<Unasked<M::Response>>,
    ) -> Arc<Host<M>> {
        let host = Arc::new(Host {
            shard,
            origin,
            encode,
            published,
            unasked,
            next_deadline: AtomicI64::new(harness.next_deadline().unwrap_or(NEVER)),
            harness: Mutex::new(harness),
            waiting: Mutex::new(HashMap::new()),
            next_ticket: AtomicU64::new(1),
            now: AtomicI64::new(0),
        });
        let weak: Weak<Host<M>> = Arc::downgrade(&host);
        host.shard.host(weak);
        host
    }

    /// When `deadline` is to be called next.
    pub(crate) fn next_deadline(&self) -> i64 {
        self.next_deadline.load(Ordering::Acquire)
    }

    /// The offset behind the last record of the state.
    pub(crate) fn end(&self) -> i64 {
        self.harness.lock().end()
    }

    /// Asks the machine. `waiter` is called once, perhaps before this returns, perhaps much later on another thread.
    pub(crate) fn ask(&self, now: i64, request: M::Request, waiter: Waiter<M::Response>) {
        self.ask_in_transaction(now, request, TransactionProof::None, waiter);
    }

    /// As `ask`, with what is known of the transaction that the records belong to.
    pub(crate) fn ask_in_transaction(
        &self,
        now: i64,
        request: M::Request,
        proof: TransactionProof,
        waiter: Waiter<M::Response>,
    ) {
        let ticket = Ticket(self.next_ticket.fetch_add(1, Ordering::Relaxed));
        self.waiting.lock().insert(ticket, waiter);
        let mut harness = self.harness.lock();
        let outcome = harness.request(now, ticket, request, |records| self.append(now, records, proof));
        self.finish(harness, now, outcome);
    }

    /// Lets the machine do what is due.
    pub(crate) fn deadline(&self, now: i64) {
        if self.next_deadline() > now {
            return;
        }
        let mut harness = self.harness.lock();
        match harness.deadline(now, |records| self.append(now, records, TransactionProof::None)) {
            Some(outcome) => self.finish(harness, now, outcome),
            None => self.note_deadline(&harness),
        }
    }

    /// Lets the machine decide on something that is no request.
    pub(crate) fn decide(&self, now: i64, decide: impl FnOnce(&mut M) -> Decision<M::Record, M::Response>) {
        let mut harness = self.harness.lock();
        let decision = decide(harness.latest_mut());
        let outcome = harness.carry_out(now, decision, |records| self.append(now, records, TransactionProof::None));
        self.finish(harness, now, outcome);
    }

    /// Tells the machine something that decides nothing.
    pub(crate) fn tell_machine(&self, tell: impl FnOnce(&mut M)) {
        tell(self.harness.lock().latest_mut());
    }

    fn append(&self, now: i64, records: &[M::Record], proof: TransactionProof) -> Result<i64, ErrorCode> {
        let batch = (self.encode)(now, records).map_err(|error| {
            tracing::error!(topic = %self.shard.topic, %error, "a record that cannot be written");
            ErrorCode::UnknownServerError
        })?;
        match self.shard.append_in_transaction(now, &batch, self.origin, proof, 1, None) {
            Ok(appended) => Ok(appended.base_offset),
            Err(refused) => {
                let (topic, partition) = (&self.shard.topic, self.shard.partition);
                let (code, ..) = errors::append(&refused);
                if code == ErrorCode::KafkaStorageError {
                    tracing::error!(%topic, partition, ?refused, "cannot append");
                } else {
                    tracing::warn!(%topic, partition, ?refused, "an append was refused");
                }
                Err(code)
            }
        }
    }

    fn note_deadline(&self, harness: &Harness<M>) {
        self.next_deadline.store(harness.next_deadline().unwrap_or(NEVER), Ordering::Release);
    }

    /// Takes in what is committed by now, and lets go of the harness before anybody is told anything.
    fn finish(&self, mut harness: MutexGuard<'_, Harness<M>>, now: i64, outcome: Outcome<M::Response>) {
        self.now.fetch_max(now, Ordering::Relaxed);
        let before = harness.high_watermark();
        let committed = harness.committed(self.shard.high_watermark());
        self.note_deadline(&harness);
        let changed = (harness.high_watermark() > before).then(|| harness.view().clone());
        // The view is published under the harness lock, so that an older one can never overtake a newer one.
        if let (Some(view), Some(published)) = (changed, &self.published) {
            published(&view);
        }
        drop(harness);
        let Outcome { replies, failed, .. } = outcome;
        self.tell(replies.into_iter().chain(committed));
        if let Some((error, tickets)) = failed {
            for ticket in tickets {
                if let Some(waiter) = self.waiting.lock().remove(&ticket) {
                    waiter(Err(error));
                }
            }
        }
    }

    fn tell(&self, answers: impl Iterator<Item = (Ticket, M::Response)>) {
        for (ticket, answer) in answers {
            if ticket == Ticket::UNASKED {
                if let Some(unasked) = &self.unasked {
                    unasked(answer);
                }
                continue;
            }
            let waiter = self.waiting.lock().remove(&ticket);
            if let Some(waiter) = waiter {
                waiter(Ok(answer));
            }
        }
    }

    /// Nobody will get an answer any more: everybody is told so.
    pub(crate) fn abandon(&self, error: ErrorCode) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for waiter in waiting.into_values() {
            waiter(Err(error));
        }
    }
}

impl<M> Hosted for Host<M>
where
    M: StateMachine + Send + 'static,
    M::Response: Send,
    M::Record: Send,
    M::View: Send,
{
    fn lost(&self) {
        self.abandon(ErrorCode::KafkaStorageError);
    }

    fn committed(&self, _high_watermark: i64) {
        let harness = self.harness.lock();
        let nothing = Outcome { replies: Vec::new(), appended: false, failed: None };
        self.finish(harness, self.now.load(Ordering::Relaxed), nothing);
    }
}
