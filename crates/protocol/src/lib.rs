//! Kafka's bytes: frames, versions, record-batch views, error codes. Pure: no socket, no clock, no file.

pub mod batch;
pub mod compression;
pub mod crc;

pub use kafka_protocol as kafka;
pub use kafka_protocol::messages;
pub use uuid::Uuid;

pub mod api;
pub mod consumer_protocol;
pub mod error;
pub mod frame;
pub mod guard;
mod kafka_uuid;
pub mod limits;
pub mod schema;
pub mod scram;

pub use error::ErrorCode;
pub use kafka_uuid::KafkaUuid;
