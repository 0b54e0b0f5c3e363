//! The producer: records are appended straight into their partition's batch, batches travel many to a request.
//!
//! `send` copies key, value and headers once, into the batch's buffer, and returns a [`Delivery`] that shares the
//! batch's outcome: nothing is allocated for a record. One task per producer sends; see `sender`.

mod delivery;
mod partitioner;
mod queue;
mod request;
mod sender;
mod shared;
#[cfg(test)]
mod tests;
mod transaction;
mod transactional;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::client::Client;
use crate::config::ConfigError;
use crate::error::{MetadataError, ProduceError, SendError};
pub use delivery::Delivery;
pub use partitioner::{murmur2, partition_for_key};
use shared::{Shared, Step};
use transactional::Transactions;

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

/// A producer. Clone it to share it; when the last clone goes, what was sent is still delivered, and then it ends.
#[derive(Debug, Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    client: Client,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.shut();
    }
}

impl Producer {
    pub(crate) fn start(client: &Client) -> Result<Producer, ConfigError> {
        let config = client.config();
        let transactions = match &config.transactional_id {
            Some(_) if !config.idempotence => {
                let what = "Cannot set a transactional.id without also enabling idempotence.";
                return Err(ConfigError::Conflict(what.to_owned()));
            }
            id => id.as_deref().map(|id| Arc::new(Transactions::new(client, id))),
        };
        let shared = Arc::new(Shared::new(config, transactions));
        tokio::spawn(sender::run(client.clone(), shared.clone()));
        Ok(Producer { handle: Arc::new(Handle { shared, client: client.clone() }) })
    }

    /// Appends the record to its batch. Waits, up to `max.block.ms`, only for metadata or for `buffer.memory`.
    /// Records of one task reach a partition in the order of their sends.
    pub async fn send(&self, record: &ProducerRecord<'_>) -> Result<Delivery, SendError> {
        match self.handle.shared.append(record, now_ms(), None)? {
            Step::Done(delivery) => Ok(delivery),
            step => self.send_slowly(record, step).await,
        }
    }

    /// As `send`, without ever waiting: `None` when metadata or memory would have to be waited for.
    pub fn try_send(&self, record: &ProducerRecord<'_>) -> Option<Result<Delivery, SendError>> {
        match self.handle.shared.append(record, now_ms(), None) {
            Ok(Step::Done(delivery)) => Some(Ok(delivery)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }

    async fn send_slowly(&self, record: &ProducerRecord<'_>, first: Step) -> Result<Delivery, SendError> {
        let max_block_ms = self.handle.client.config().max_block_ms;
        let deadline = Instant::now() + Duration::from_millis(max_block_ms.max(0).unsigned_abs());
        let mut step = first;
        loop {
            let memory = match step {
                Step::Done(delivery) => return Ok(delivery),
                Step::Topic { partitions_known } => {
                    self.learn_topic(record, partitions_known, deadline).await?;
                    None
                }
                Step::Memory(size) => Some(self.handle.shared.memory(size, deadline).await?),
            };
            step = self.handle.shared.append(record, now_ms(), memory)?;
        }
    }

    /// Waits until the topic, and the partition if one is named, is in the metadata.
    async fn learn_topic(
        &self,
        record: &ProducerRecord<'_>,
        partitions_known: usize,
        deadline: Instant,
    ) -> Result<(), SendError> {
        let client = &self.handle.client;
        let max_block_ms = client.config().max_block_ms.max(0).unsigned_abs();
        let names = [record.topic.to_owned()];
        let auto_create = client.config().allow_auto_create_topics;
        let mut known = partitions_known;
        let mut failures = 0;
        loop {
            // Java's producer asks for creation always; here `allow.auto.create.topics=false` may say no.
            match client.metadata().topics(client.pool(), &names, auto_create, deadline).await {
                Ok(topics) => {
                    for topic in &topics {
                        known = topic.partitions.len();
                        self.handle.shared.learn(topic);
                    }
                    if record.partition.is_none_or(|wanted| (wanted.max(0) as usize) < known) {
                        return Ok(());
                    }
                }
                Err(MetadataError::TimedOut { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            failures += 1;
            let wait = client.metadata().backoff().after(failures);
            if Instant::now() + wait >= deadline {
                let topic = record.topic.to_owned();
                return Err(match record.partition {
                    Some(partition) if known > 0 => {
                        SendError::PartitionMissing { topic, partition, count: known as i32, max_block_ms }
                    }
                    _ => SendError::TopicMissing { topic, max_block_ms },
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends what is batched without lingering and waits for every record sent before the call.
    /// The first failure since the last `flush` is the result, so that a sink needs to keep no deliveries.
    pub async fn flush(&self) -> Result<(), ProduceError> {
        self.handle.shared.flush().await
    }

    /// Flushes within `timeout`, then gives up what is left. Later sends fail. A transaction that is still open is aborted.
    pub async fn close(&self, timeout: Duration) -> Result<(), ProduceError> {
        let shared = &self.handle.shared;
        let is_open = shared.transactions.as_ref().is_some_and(|of| of.machine.lock().is_open());
        if is_open {
            tracing::info!("Aborting incomplete transaction due to shutdown");
            // Whether it goes well or not, the coordinator ends the transaction when its time is over.
            let _ = tokio::time::timeout(timeout, self.abort_transaction()).await;
        }
        shared.shut();
        match tokio::time::timeout(timeout, shared.flush()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                shared.abort();
                shared.flush().await
            }
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
