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

/// Set once, when the batch is acknowledged or given up.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    partition: i32,
    outcome: OnceLock<Result<Placed, ProduceError>>,
    settled: Notify,
}

impl Completion {
    pub(crate) fn new(partition: i32) -> Self {
        Completion { partition, outcome: OnceLock::new(), settled: Notify::new() }
    }

    pub(crate) fn settle(&self, outcome: Result<Placed, ProduceError>) {
        // The first word holds.
        let _ = self.outcome.set(outcome);
        self.settled.notify_waiters();
    }

    pub(crate) async fn wait(&self) -> &Result<Placed, ProduceError> {
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
        self.completion.wait().await.as_ref().map(|placed| self.record(placed)).map_err(Clone::clone)
    }

    /// The outcome if it is known already.
    pub fn poll_outcome(&self) -> Option<Result<RecordMetadata, ProduceError>> {
        let outcome = self.completion.outcome.get()?;
        Some(outcome.as_ref().map(|placed| self.record(placed)).map_err(Clone::clone))
    }

    fn record(&self, placed: &Placed) -> RecordMetadata {
        let known = placed.base_offset >= 0;
        RecordMetadata {
            partition: self.completion.partition,
            offset: if known { placed.base_offset + i64::from(self.index) } else { -1 },
            timestamp: if placed.append_time >= 0 { placed.append_time } else { self.timestamp },
        }
    }
}
