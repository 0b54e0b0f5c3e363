//! The client: one pool of connections and one metadata cache, shared by everything made from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::admin::Admin;
use crate::cluster::{BrokerInfo, TopicInfo, TopicPartition, Topics};
use crate::config::{ClientConfig, ConfigError, Isolation};
use crate::consume::{Fetched, ListedOffset, OffsetSpec, PartitionReader, ReadRange};
use crate::consumer::Consumer;
use crate::error::{FetchError, ListOffsetsError, MetadataError};
use crate::metadata::{Leader, Metadata};
use crate::pool::Pool;
use crate::producer::Producer;
use crate::transport::{TcpTransport, Transport};
use crate::{fetch, offsets, reader};

/// A client of one cluster. Cheap to clone. Connects when first asked something.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    pool: Pool,
    metadata: Metadata,
    numbers: AtomicU64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("bootstrap", &self.inner.config.bootstrap).finish_non_exhaustive()
    }
}

impl Client {
    /// A client over TCP. Nothing is connected yet.
    pub fn new(config: ClientConfig) -> Client {
        let transport: Arc<dyn Transport> = Arc::new(TcpTransport::new(config.tcp_options()));
        Client::with_transport(config, transport)
    }

    /// A client over another transport, such as a broker in the same process.
    pub fn with_transport(config: ClientConfig, transport: Arc<dyn Transport>) -> Client {
        let (pool, metadata) = (Pool::new(&config, transport), Metadata::new(&config));
        Client { inner: Arc::new(Inner { config, pool, metadata, numbers: AtomicU64::new(0) }) }
    }

    /// What it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// Tells producers and consumers of one client apart.
    pub(crate) fn next_number(&self) -> u64 {
        self.inner.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// `default.api.timeout.ms` from now.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(u64::from(self.inner.config.default_api_timeout_ms.unsigned_abs()))
    }

    /// The topics meant, with their partitions, sorted by name. Always asks the cluster: a source must see new partitions.
    /// Never creates a topic.
    pub async fn topics(&self, which: &Topics) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        let deadline = self.deadline();
        let mut topics = match which {
            Topics::Names(names) if names.is_empty() => Vec::new(),
            Topics::Names(names) => self.metadata().topics(self.pool(), names, false, deadline).await?,
            Topics::Pattern(pattern) => {
                let matches = whole_match(pattern)?;
                let hide_internal = self.config().exclude_internal_topics;
                let mut topics = self.all_topics(deadline).await?;
                topics.retain(|topic| !(topic.internal && hide_internal) && matches(&topic.name));
                topics
            }
            Topics::All => self.all_topics(deadline).await?,
        };
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics.dedup_by(|a, b| a.name == b.name);
        Ok(topics)
    }

    async fn all_topics(&self, deadline: Instant) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        let mut failures = 0;
        loop {
            match self.metadata().ask(self.pool(), None, false).await {
                Ok(view) => return Ok(view.topics.into_values().filter_map(Result::ok).collect()),
                Err(error) => {
                    failures += 1;
                    let wait = self.metadata().backoff().after(failures);
                    if Instant::now() + wait >= deadline {
                        return Err(MetadataError::TimedOut { last: error.to_string() });
                    }
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One topic, from the cache if it is younger than `metadata.max.age.ms`.
    pub async fn topic(&self, name: &str) -> Result<Arc<TopicInfo>, MetadataError> {
        if let Some(topic) = self.metadata().cached(name) {
            return Ok(topic);
        }
        let mut topics = self.metadata().topics(self.pool(), &[name.to_owned()], false, self.deadline()).await?;
        topics.pop().ok_or_else(|| MetadataError::UnknownTopic { topic: name.to_owned() })
    }

    /// The brokers of the cluster, asked afresh, sorted by node id.
    pub async fn brokers(&self) -> Result<Vec<BrokerInfo>, MetadataError> {
        let asked = self.metadata().ask(self.pool(), Some(&[]), false).await;
        let view = asked.map_err(|error| MetadataError::TimedOut { last: error.to_string() })?;
        let mut brokers: Vec<BrokerInfo> = view.brokers.into_values().collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(brokers)
    }

    /// The leader of a partition, asked for if it is not known. `None` while the partition has none.
    pub(crate) async fn leader(&self, partition: &TopicPartition) -> Result<Option<Leader>, MetadataError> {
        if let Some(leader) = self.metadata().leader(partition) {
            return Ok(Some(leader));
        }
        self.metadata().invalidate(&partition.topic);
        let topic = self.topic(&partition.topic).await?;
        if usize::try_from(partition.partition).is_ok_and(|at| at < topic.partitions.len()) {
            return Ok(self.metadata().leader(partition));
        }
        Err(MetadataError::UnknownTopic { topic: partition.to_string() })
    }

    /// Offsets of many partitions at once, in the order asked; one request per leader.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, ListOffsetsError> {
        offsets::list(self, asked, isolation).await
    }

    /// One fetch of one partition: at most `max.partition.fetch.bytes`, waiting up to `fetch.max.wait.ms` for something to
    /// come. Under `read_committed` nothing is filtered: use [`crate::consume::visible_runs`], or a reader.
    pub async fn fetch(
        &self,
        partition: &TopicPartition,
        offset: i64,
        isolation: Isolation,
    ) -> Result<Fetched, FetchError> {
        fetch::once(self, partition, offset, isolation).await
    }

    /// One reader per range, in the order given, fed by one fetch loop per leader which asks for all its partitions at once
    /// and reads ahead within `limits`. The readers may be awaited by different tasks. Must be called within a runtime.
    pub fn read(&self, ranges: Vec<ReadRange>, isolation: Isolation) -> Vec<PartitionReader> {
        reader::start(self, ranges, isolation)
    }

    /// A producer with this client's metadata and connections of its own. Must be called within a runtime.
    pub fn producer(&self) -> Result<Producer, ConfigError> {
        Producer::start(self)
    }

    /// A consumer with this client's metadata and connections of its own. Must be called within a runtime.
    pub fn consumer(&self) -> Result<Consumer, ConfigError> {
        Consumer::start(self)
    }

    /// Administrative calls.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

/// Java's `Pattern.matches`: the whole name must match.
pub(crate) fn whole_match(pattern: &str) -> Result<impl Fn(&str) -> bool, MetadataError> {
    let regex = fancy_regex::Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|e| MetadataError::InvalidPattern { pattern: pattern.to_owned(), reason: e.to_string() })?;
    Ok(move |name: &str| regex.is_match(name).unwrap_or(false))
}
