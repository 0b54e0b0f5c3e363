//! The outcome of a batch, shared by all that wait for its records.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::error::ProduceError;
use crate::producer::RecordMetadata;

/// Where a batch came to lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// The first record's offset, -1 if unknown.
    pub(crate) base_offset: i64,
    /// The broker's time of append, -1 if the records keep their own.
    pub(crate) append_time: i64,
}

/// The end of a batch, whichever.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Result<Placed, ProduceError>),
    /// It was too large and went on as two: so many records in the first, the rest in the second.
    Split(u32, [Arc<Completion>; 2]),
}

/// Set once, when the batch is acknowledged, split or given up.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    partition: i32,
    outcome: OnceLock<Outcome>,
    settled: Notify,
}

impl Completion {
    pub(crate) fn new(partition: i32) -> Self {
        Completion { partition, outcome: OnceLock::new(), settled: Notify::new() }
    }

    pub(crate) fn settle(&self, outcome: Result<Placed, ProduceError>) {
        self.end(Outcome::Done(outcome));
    }

    /// The batch goes on as two, of which the first holds `records`; their outcomes are its own.
    pub(crate) fn split(&self, records: u32) -> [Arc<Completion>; 2] {
        let halves = [0, 1].map(|_| Arc::new(Completion::new(self.partition)));
        self.end(Outcome::Split(records, halves.clone()));
        halves
    }

    fn end(&self, outcome: Outcome) {
        // The first word holds.
        let _ = self.outcome.set(outcome);
        self.settled.notify_waiters();
    }

    async fn ended(&self) -> &Outcome {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // Registered before looking, for `notify_waiters` wakes only who is registered.
            settled.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome;
            }
            settled.await;
        }
    }

    /// Waits until every record of the batch has its end.
    pub(crate) async fn wait(self: Arc<Self>) {
        let mut waiting = vec![self];
        while let Some(completion) = waiting.pop() {
            if let Outcome::Split(_, halves) = completion.ended().await {
                waiting.extend(halves.iter().cloned());
            }
        }
    }
}

/// What will become of a record: shares its batch's outcome, costs a reference count. May be dropped without a loss.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub(crate) completion: Arc<Completion>,
    pub(crate) index: u32,
    pub(crate) timestamp: i64,
}

impl Delivery {
    /// Waits until the batch is acknowledged or given up.
    pub async fn wait(&self) -> Result<RecordMetadata, ProduceError> {
        let (mut completion, mut index) = (self.completion.clone(), self.index);
        loop {
            let half = match completion.ended().await {
                Outcome::Done(outcome) => return self.record(outcome, index),
                Outcome::Split(first, halves) => half(halves, *first, &mut index),
            };
            completion = half;
        }
    }

    /// The outcome if it is known already.
    pub fn poll_outcome(&self) -> Option<Result<RecordMetadata, ProduceError>> {
        let (mut completion, mut index) = (self.completion.clone(), self.index);
        loop {
            let half = match completion.outcome.get()? {
                Outcome::Done(outcome) => return Some(self.record(outcome, index)),
                Outcome::Split(first, halves) => half(halves, *first, &mut index),
            };
            completion = half;
        }
    }

    fn record(&self, outcome: &Result<Placed, ProduceError>, index: u32) -> Result<RecordMetadata, ProduceError> {
        let placed = outcome.as_ref().map_err(Clone::clone)?;
        let known = placed.base_offset >= 0;
        Ok(RecordMetadata {
            partition: self.completion.partition,
            offset: if known { placed.base_offset + i64::from(index) } else { -1 },
            timestamp: if placed.append_time >= 0 { placed.append_time } else { self.timestamp },
        })
    }
}

/// The half that holds the record, which is counted anew in it.
fn half([first, second]: &[Arc<Completion>; 2], records: u32, index: &mut u32) -> Arc<Completion> {
    if *index < records {
        return first.clone();
    }
    *index -= records;
    second.clone()
}
