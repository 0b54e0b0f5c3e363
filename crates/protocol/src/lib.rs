//! Kafka's bytes: frames, versions, record-batch views, error codes. Pure: no socket, no clock, no file.

pub mod api;
pub mod error;
pub mod frame;
pub mod guard;
pub mod limits;

pub use kafka_protocol as kafka;
pub use kafka_protocol::messages;
pub use uuid::Uuid;

mod kafka_uuid;
pub mod schema;

pub use kafka_uuid::KafkaUuid;
