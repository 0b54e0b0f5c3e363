//! The Kafka client: connections, metadata, offsets, fetches, a producer, a consumer and a small admin.
//!
//! It exists so that the engine's source and sink, the replica fetchers and the shell tools share one connection code,
//! and so that record batches reach Arrow as the bytes that came from the socket: nothing but the group consumer, which
//! hands out records as Java's does, decodes one.
//!
//! What it does not know: Arrow, Spark, the broker's insides. The bytes travel through [`transport::Transport`], which
//! a socket implements here and which the server implements over a broker in the same process.

pub mod admin;
mod backoff;
pub mod client;
pub mod cluster;
pub mod config;
pub mod consume;
pub mod consumer;
mod coordinator;
pub mod error;
mod fetch;
pub mod limits;
mod metadata;
mod offsets;
mod pool;
pub mod producer;
mod reader;
mod session;
pub mod transport;
mod visible;
mod wire;

pub use admin::Admin;
pub use client::Client;
pub use cluster::{PartitionInfo, TopicInfo, TopicPartition, Topics};
pub use config::{Acks, ClientConfig, Compression, ConfigError, Isolation};
pub use consume::{BatchRun, Fetched, ListedOffset, OffsetSpec, PartitionReader, ReadRange};
pub use consumer::{
    Assignor, CommitError, Consumer, ConsumerError, ConsumerRecord, ConsumerRecords, GroupMetadata, OffsetAndMetadata,
    RebalanceListener,
};
pub use error::{
    AdminError, Determinacy, FetchError, ListOffsetsError, MetadataError, ProduceError, SendError, TransactionError,
};
pub use producer::{Delivery, Header, Producer, ProducerRecord, RecordMetadata};
pub use transport::{Address, Connection, Transport, TransportError};
