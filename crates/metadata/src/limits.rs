//! The named limits of this room.

/// Producer ids in one block, as Kafka gives them away.
pub const PRODUCER_ID_BLOCK: i32 = 1_000;

/// Partitions that one request may create, as in Kafka.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// Bytes that a topic's name may have.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Bytes of metadata records in a batch of a snapshot.
pub const SNAPSHOT_BATCH_BYTES_MAX: usize = 1 << 20;
