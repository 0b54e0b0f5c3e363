//! What the engine asks of Kafka, and the client that answers it over a socket. Whoever holds a broker in the same process
//! may answer instead.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use andiron_client::{
    BatchRun, Client, ClientConfig, FetchError, Isolation, ListOffsetsError, ListedOffset, MetadataError, OffsetSpec,
    Producer, ReadRange, TopicInfo, TopicPartition, Topics,
};
use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::SparkError;
use crate::limits::KAFKA_CLIENTS_MAX;

/// Runs of whole batches of one range, in order.
pub type RunStream = BoxStream<'static, Result<BatchRun, FetchError>>;

/// One cluster as a source sees it.
#[async_trait]
pub trait KafkaAccess: Send + Sync + Debug {
    /// The topics meant, with their partitions as they are now.
    async fn topics(&self, which: &Topics) -> Result<Vec<Arc<TopicInfo>>, MetadataError>;

    /// Offsets of many partitions at once, in the order asked.
    async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, ListOffsetsError>;

    /// One stream per range, fetched ahead within the client's bounds. Must be called within a runtime.
    fn read(&self, ranges: Vec<ReadRange>, isolation: Isolation) -> Vec<RunStream>;
}

#[async_trait]
impl KafkaAccess for Client {
    async fn topics(&self, which: &Topics) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        Client::topics(self, which).await
    }

    async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, ListOffsetsError> {
        Client::list_offsets(self, asked, isolation).await
    }

    fn read(&self, ranges: Vec<ReadRange>, isolation: Isolation) -> Vec<RunStream> {
        Client::read(self, ranges, isolation)
            .into_iter()
            .map(|reader| {
                futures::stream::unfold(
                    reader,
                    |mut reader| async move { reader.next().await.map(|run| (run, reader)) },
                )
                .boxed()
            })
            .collect()
    }
}

/// Gives the access to a cluster by the client's properties (`bootstrap.servers` among them).
pub trait KafkaConnector: Send + Sync {
    /// For reading.
    fn access(&self, properties: &IndexMap<String, String>) -> Result<Arc<dyn KafkaAccess>, SparkError>;

    /// For writing.
    fn producer(&self, properties: &IndexMap<String, String>) -> Result<Producer, SparkError>;
}

/// Clients over sockets, one for each set of properties, kept so that batches and queries share connections.
#[derive(Default)]
pub struct Sockets {
    clients: Mutex<HashMap<Vec<(String, String)>, Client>>,
}

impl Sockets {
    fn client(&self, properties: &IndexMap<String, String>) -> Result<Client, SparkError> {
        let mut key: Vec<(String, String)> = properties.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        key.sort();
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let config =
            ClientConfig::from_properties(key.iter().map(|(k, v)| (k.clone(), v.clone()))).map_err(|e| refused(&e))?;
        if clients.len() >= KAFKA_CLIENTS_MAX {
            // Whoever still uses one of them keeps it; the next query makes its own again.
            clients.clear();
        }
        let client = Client::new(config);
        clients.insert(key, client.clone());
        Ok(client)
    }
}

impl KafkaConnector for Sockets {
    fn access(&self, properties: &IndexMap<String, String>) -> Result<Arc<dyn KafkaAccess>, SparkError> {
        Ok(Arc::new(self.client(properties)?))
    }

    fn producer(&self, properties: &IndexMap<String, String>) -> Result<Producer, SparkError> {
        self.client(properties)?.producer().map_err(|e| refused(&e))
    }
}

fn refused(error: &andiron_client::ConfigError) -> SparkError {
    SparkError::plain(crate::Exception::Spark, format!("org.apache.kafka.common.config.ConfigException: {error}"))
}
