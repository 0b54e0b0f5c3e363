//! The settings of one log, by Kafka's names and defaults (see each field). The values come from topic and broker configs.

use andiron_protocol::batch::TimestampType;
use andiron_protocol::compression::Codec;

/// What `compression.type` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CompressionType {
    /// Keep what the producer chose.
    #[default]
    Producer,
    /// This codec (at this level), whatever the producer chose.
    Codec(Codec, Option<i32>),
}

/// The settings of one log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`, already drawn for this segment.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `max.message.bytes`
    pub max_message_bytes: u32,
    /// `message.timestamp.type`
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub message_timestamp_after_max_ms: i64,
    /// `compression.type`
    pub compression_type: CompressionType,
    /// `cleanup.policy` contains `delete`
    pub delete: bool,
    /// `cleanup.policy` contains `compact`
    pub compact: bool,
    /// `retention.ms`, -1 for ever
    pub retention_ms: i64,
    /// `retention.bytes`, -1 for no bound
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
    /// `transaction.partition.verification.enable`: whether a transaction that is not under way in the partition must have
    /// been verified ([`crate::TransactionProof`]).
    pub transaction_verification: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4_096,
            max_message_bytes: 1_048_588,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 3_600_000,
            compression_type: CompressionType::Producer,
            delete: true,
            compact: false,
            retention_ms: 7 * 24 * 3_600_000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: 86_400_000,
            transaction_verification: true,
        }
    }
}
