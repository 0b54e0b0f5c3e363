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
    /// `segment.jitter.ms`: each segment is rolled earlier by some number below it.
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
    /// `delete.retention.ms`: how long compaction keeps tombstones and transaction markers that nothing needs any more
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: younger records are not compacted
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older ones must be
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`, 0 to 1
    pub min_cleanable_dirty_ratio: f64,
    /// `producer.id.expiration.ms`
    pub producer_id_expiration_ms: i64,
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
            delete_retention_ms: 86_400_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            producer_id_expiration_ms: 86_400_000,
        }
    }
}

impl LogConfig {
    /// How long a segment takes records at most, in milliseconds: `segment.ms`, and in a compacted log not longer than
    /// `max.compaction.lag.ms`, because an active segment is never compacted (KIP-354).
    pub fn roll_ms(&self) -> i64 {
        if self.compact { self.segment_ms.min(self.max_compaction_lag_ms) } else { self.segment_ms }
    }
}
