//! The client: one pool of connections and one metadata cache, shared by everything made from it.

use std::sync::Arc;

use crate::admin::Admin;
use crate::cluster::{TopicInfo, TopicPartition, Topics};
use crate::config::{ClientConfig, ConfigError, Isolation};
use crate::consume::{Fetched, ListedOffset, OffsetSpec, PartitionReader, ReadRange};
use crate::error::{FetchError, ListOffsetsError, MetadataError};
use crate::producer::Producer;
use crate::transport::{TcpTransport, Transport};

/// A client of one cluster. Cheap to clone. Connects when first asked something.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    #[allow(dead_code)]
    transport: Arc<dyn Transport>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("bootstrap", &self.inner.config.bootstrap).finish_non_exhaustive()
    }
}

impl Client {
    /// A client over TCP. Nothing is connected yet.
    pub fn new(config: ClientConfig) -> Client {
        let transport = Arc::new(TcpTransport::new(config.tcp_options()));
        Client::with_transport(config, transport)
    }

    /// A client over another transport, such as a broker in the same process.
    pub fn with_transport(config: ClientConfig, transport: Arc<dyn Transport>) -> Client {
        Client { inner: Arc::new(Inner { config, transport }) }
    }

    /// What it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    /// The topics meant, with their partitions, sorted by name. Always asks the cluster: a source must see new partitions.
    pub async fn topics(&self, which: &Topics) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        let _ = which;
        Err(MetadataError::TimedOut { last: String::new() })
    }

    /// One topic, from the cache if it is younger than `metadata.max.age.ms`.
    pub async fn topic(&self, name: &str) -> Result<Arc<TopicInfo>, MetadataError> {
        Err(MetadataError::UnknownTopic { topic: name.to_owned() })
    }

    /// Offsets of many partitions at once, in the order asked; one request per leader.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, ListOffsetsError> {
        let _ = (asked, isolation);
        Ok(Vec::new())
    }

    /// One fetch of one partition: at most `max.partition.fetch.bytes`, waiting up to `fetch.max.wait.ms` for something to come.
    pub async fn fetch(
        &self,
        partition: &TopicPartition,
        offset: i64,
        isolation: Isolation,
    ) -> Result<Fetched, FetchError> {
        let _ = (offset, isolation);
        Err(FetchError::Metadata(MetadataError::UnknownTopic { topic: partition.topic.to_string() }))
    }

    /// One reader per range, in the order given, fed by one fetch loop per leader which asks for all its partitions at once
    /// and reads ahead within `limits`. The readers may be awaited by different tasks. Must be called within a runtime.
    pub fn read(&self, ranges: Vec<ReadRange>, isolation: Isolation) -> Vec<PartitionReader> {
        let _ = (ranges, isolation);
        Vec::new()
    }

    /// A producer with this client's connections. Must be called within a runtime.
    pub fn producer(&self) -> Result<Producer, ConfigError> {
        Err(ConfigError::Conflict("not yet".to_owned()))
    }

    /// Administrative calls.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}
