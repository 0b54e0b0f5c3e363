//! A state machine on a partition: requests go through the harness, records into the partition's log, answers out when the
//! high watermark has passed them. The controller and every group coordinator live here, and nothing in this file knows
//! which of them it keeps.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_replication::machine::{Decision, Harness, Outcome, StateMachine, Ticket};
use andiron_storage::AppendOrigin;

use crate::errors;
use crate::shard::{Hosted, Shard};

/// How a machine's record lies in its log: key and value.
pub(crate) type Encode<M> = fn(&<M as StateMachine>::Record) -> Result<(Option<Bytes>, Option<Bytes>), String>;

/// Whom an answer is for.
pub(crate) type Waiter<A> = Box<dyn FnOnce(Result<A, ErrorCode>) + Send>;

/// What is to happen when the committed view has changed, before the answers that waited for it go out.
pub(crate) type Published<V> = Box<dyn Fn(&V) + Send + Sync>;

/// A machine, its harness and its log.
pub(crate) struct Host<M: StateMachine> {
    shard: Arc<Shard>,
    origin: AppendOrigin,
    encode: Encode<M>,
    published: Option<Published<M::View>>,
    harness: Mutex<Harness<M>>,
    waiting: Mutex<HashMap<Ticket, Waiter<M::Response>>>,
    next_ticket: AtomicU64,
    next_deadline: AtomicI64,
    now: AtomicI64,
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
    ) -> Arc<Host<M>> {
        let host = Arc::new(Host {
            shard,
            origin,
            encode,
            published,
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
        let ticket = Ticket(self.next_ticket.fetch_add(1, Ordering::Relaxed));
        self.waiting.lock().insert(ticket, waiter);
        let mut harness = self.harness.lock();
        let outcome = harness.request(now, ticket, request, |records| self.append(now, records));
        self.finish(harness, now, outcome);
    }

    /// Lets the machine do what is due.
    pub(crate) fn deadline(&self, now: i64) {
        if self.next_deadline() > now {
            return;
        }
        let mut harness = self.harness.lock();
        match harness.deadline(now, |records| self.append(now, records)) {
            Some(outcome) => self.finish(harness, now, outcome),
            None => self.note_deadline(&harness),
        }
    }

    /// Lets the machine decide on something that is no request.
    pub(crate) fn decide(&self, now: i64, decide: impl FnOnce(&mut M) -> Decision<M::Record, M::Response>) {
        let mut harness = self.harness.lock();
        let decision = decide(harness.latest_mut());
        let outcome = harness.carry_out(now, decision, |records| self.append(now, records));
        self.finish(harness, now, outcome);
    }

    /// Tells the machine something that decides nothing.
    pub(crate) fn tell_machine(&self, tell: impl FnOnce(&mut M)) {
        tell(self.harness.lock().latest_mut());
    }

    fn append(&self, now: i64, records: &[M::Record]) -> Result<i64, ErrorCode> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for record in records {
            let (key, value) = (self.encode)(record).map_err(|error| {
                tracing::error!(topic = %self.shard.topic, %error, "a record that cannot be written");
                ErrorCode::UnknownServerError
            })?;
            builder.append(now, key.as_deref(), value.as_deref());
        }
        let batch = builder.build().map_err(|error| {
            tracing::error!(topic = %self.shard.topic, %error, "a batch that cannot be written");
            ErrorCode::UnknownServerError
        })?;
        match self.shard.append(now, &batch, self.origin, 1, None) {
            Ok(appended) => Ok(appended.base_offset),
            Err(refused) => {
                tracing::error!(topic = %self.shard.topic, partition = self.shard.partition, ?refused, "cannot append");
                Err(errors::append(&refused).0)
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
