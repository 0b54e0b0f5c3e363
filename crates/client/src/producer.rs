//! The producer: records are appended straight into their partition's batch, batches travel many to a request.
//!
//! `send` copies key, value and headers once, into the batch's buffer, and returns a [`Delivery`] that shares the
//! batch's outcome: nothing is allocated for a record.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{ProduceError, SendError};

/// A header of a record, borrowed for the time of `send`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name; not unique within a record.
    pub key: &'a str,
    /// The value, which may be null.
    pub value: Option<&'a [u8]>,
}

/// A record to send, borrowed for the time of `send`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProducerRecord<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition; without one the key decides (murmur2), without a key the sticky choice of KIP-794.
    pub partition: Option<i32>,
    /// Ms since the epoch; without one the clock's.
    pub timestamp: Option<i64>,
    /// The key, which may be null.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header<'a>],
}

/// Where a record came to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The partition it was written to.
    pub partition: i32,
    /// Its offset; -1 with acks=0, or when the broker recognised a repeat without knowing where the first one lies.
    pub offset: i64,
    /// Its timestamp: the producer's, or the broker's if the topic says LogAppendTime.
    pub timestamp: i64,
}

/// What will become of a record: shares its batch's outcome, costs a reference count. May be dropped without a loss.
#[derive(Debug, Clone)]
pub struct Delivery {
    _later: (),
}

impl Delivery {
    /// Waits until the batch is acknowledged or given up.
    pub async fn wait(&self) -> Result<RecordMetadata, ProduceError> {
        Err(ProduceError::Closed { determinacy: crate::error::Determinacy::DidNotHappen })
    }
}

/// A producer. Clone it to share it; the last clone's end closes it.
#[derive(Debug, Clone)]
pub struct Producer {
    _later: Arc<()>,
}

impl Producer {
    pub(crate) fn start(client: &crate::client::Client) -> Result<Producer, crate::config::ConfigError> {
        let _ = client.next_producer();
        Ok(Producer { _later: Arc::new(()) })
    }

    /// Appends the record to its batch. Waits, up to `max.block.ms`, only for metadata or for `buffer.memory`.
    /// Records of one task reach a partition in the order of their sends.
    pub async fn send(&self, record: &ProducerRecord<'_>) -> Result<Delivery, SendError> {
        let _ = record;
        Err(SendError::Closed)
    }

    /// As `send`, without ever waiting: `None` when metadata or memory would have to be waited for.
    pub fn try_send(&self, record: &ProducerRecord<'_>) -> Option<Result<Delivery, SendError>> {
        let _ = record;
        None
    }

    /// Sends what is batched without lingering and waits for every record sent before the call.
    /// The first failure since the last `flush` is the result, so that a sink needs to keep no deliveries.
    pub async fn flush(&self) -> Result<(), ProduceError> {
        Ok(())
    }

    /// Flushes within `timeout`, then gives up what is left. Later sends fail.
    pub async fn close(&self, timeout: Duration) -> Result<(), ProduceError> {
        let _ = timeout;
        Ok(())
    }
}
