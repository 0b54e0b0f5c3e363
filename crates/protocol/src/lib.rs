//! Kafka's bytes: frames, versions, record-batch views, error codes. Pure: no socket, no clock, no file.

pub use kafka_protocol as kafka;
pub use kafka_protocol::messages;
