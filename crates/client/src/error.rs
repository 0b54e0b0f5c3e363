//! What can go wrong, one enum per operation, and whether it may have happened all the same.

use andiron_protocol::error::ErrorCode;

use crate::cluster::TopicPartition;
use crate::transport::TransportError;

/// Whether a failed write left a trace. Only what surely did not happen may be repeated blindly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Determinacy {
    /// Nothing was written.
    DidNotHappen,
    /// The broker may have written it; a repeat can make a duplicate.
    MayHaveHappened,
}

/// Why topics or partitions could not be learned.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataError {
    /// The broker knows no such topic.
    #[error("This server does not host this topic-partition: {topic}")]
    UnknownTopic {
        /// The name that was asked for.
        topic: String,
    },
    /// The name breaks Kafka's rules.
    #[error("Invalid topics: [{topic}]")]
    InvalidTopic {
        /// The name that was asked for.
        topic: String,
    },
    /// The pattern is not a regular expression.
    #[error("Invalid topic pattern {pattern:?}: {reason}")]
    InvalidPattern {
        /// The text as given.
        pattern: String,
        /// What the parser said.
        reason: String,
    },
    /// The broker answered with an error that no retry mends.
    #[error("{code} for topic {topic}")]
    Refused {
        /// The topic, empty if the whole request was refused.
        topic: String,
        /// Kafka's error.
        code: ErrorCode,
    },
    /// The time ran out; `last` is what the last attempt met.
    #[error("Timeout expired while fetching topic metadata ({last})")]
    TimedOut {
        /// The last attempt's trouble.
        last: String,
    },
    /// Bytes that are not an answer to what was asked.
    #[error("{0}")]
    Protocol(String),
}

/// Why offsets could not be listed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListOffsetsError {
    /// The leader could not be found.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The broker answered with an error that no retry mends.
    #[error("Failed to list offsets of {partition}: {code}")]
    Refused {
        /// The partition asked for.
        partition: TopicPartition,
        /// Kafka's error.
        code: ErrorCode,
    },
    /// The time ran out; `last` is what the last attempt met.
    #[error("Failed to get offsets by times in {timeout_ms}ms ({last})")]
    TimedOut {
        /// `default.api.timeout.ms`.
        timeout_ms: u64,
        /// The last attempt's trouble.
        last: String,
    },
    /// Bytes that are not an answer to what was asked.
    #[error("{0}")]
    Protocol(String),
}

/// Why a partition could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The offset is below the log start or above the end; what is there is in the error when the broker said it.
    #[error("Fetch position {offset} is out of range for partition {partition}")]
    OffsetOutOfRange {
        /// The partition read.
        partition: TopicPartition,
        /// The offset asked for.
        offset: i64,
        /// The first offset there is, -1 if unknown.
        log_start_offset: i64,
        /// The offset after the last readable record, -1 if unknown.
        high_watermark: i64,
    },
    /// The leader could not be found, or the topic is gone.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The broker answered with an error that no retry mends.
    #[error("Failed to fetch {partition}: {code}")]
    Refused {
        /// The partition read.
        partition: TopicPartition,
        /// Kafka's error.
        code: ErrorCode,
    },
    /// A batch whose frame is broken: wrong length, wrong version, wrong checksum.
    #[error("Record batch for partition {partition} at offset {offset} is invalid, cause: {reason}")]
    Corrupt {
        /// The partition read.
        partition: TopicPartition,
        /// Where the batch should have begun.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// No progress for the whole of the read's timeout.
    #[error("Timeout expired while reading {partition} from offset {offset} ({last})")]
    TimedOut {
        /// The partition read.
        partition: TopicPartition,
        /// The next offset wanted.
        offset: i64,
        /// The last attempt's trouble.
        last: String,
    },
    /// Bytes that are not an answer to what was asked.
    #[error("{0}")]
    Protocol(String),
}

/// Why a record was not even taken into a batch: it surely did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// Larger than a request may be.
    #[error(
        "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the max.request.size configuration."
    )]
    LargerThanRequest {
        /// Upper bound of the record's size in a batch.
        size: usize,
        /// `max.request.size`.
        limit: usize,
    },
    /// Larger than all the memory there is.
    #[error(
        "The message is {size} bytes when serialized which is larger than the total memory buffer you have configured with the buffer.memory configuration."
    )]
    LargerThanMemory {
        /// Upper bound of the record's size in a batch.
        size: usize,
    },
    /// `buffer.memory` stayed full for `max.block.ms`.
    #[error(
        "Failed to allocate {size} bytes within the configured max blocking time {max_block_ms} ms. Total memory: {total} bytes. Available memory: {available} bytes. Poolable size: {poolable} bytes"
    )]
    MemoryExhausted {
        /// What the batch would have taken.
        size: usize,
        /// `max.block.ms`.
        max_block_ms: u64,
        /// `buffer.memory`.
        total: usize,
        /// What was left.
        available: usize,
        /// `batch.size`.
        poolable: usize,
    },
    /// The topic did not show up in the metadata within `max.block.ms`.
    #[error("Topic {topic} not present in metadata after {max_block_ms} ms.")]
    TopicMissing {
        /// The record's topic.
        topic: String,
        /// `max.block.ms`.
        max_block_ms: u64,
    },
    /// The topic has fewer partitions than the record's number wants.
    #[error(
        "Partition {partition} of topic {topic} with partition count {count} is not present in metadata after {max_block_ms} ms."
    )]
    PartitionMissing {
        /// The record's topic.
        topic: String,
        /// The record's partition.
        partition: i32,
        /// How many there are.
        count: i32,
        /// `max.block.ms`.
        max_block_ms: u64,
    },
    /// A negative partition number.
    #[error("Invalid partition: {0}. Partition number should always be non-negative or null.")]
    InvalidPartition(i32),
    /// A negative timestamp.
    #[error("Invalid timestamp: {0}. Timestamp should always be non-negative or null.")]
    InvalidTimestamp(i64),
    /// The name breaks Kafka's rules, or the cluster refuses it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// `close` was called.
    #[error("Cannot perform operation after producer has been closed")]
    Closed,
    /// The transaction does not take it.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// An error that no later record can get past, such as a fenced producer.
    #[error("Cannot execute transactional method because we are in an error state: {0}")]
    Fatal(String),
}

/// Why a transactional call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransactionError {
    /// The producer has no `transactional.id`.
    #[error(
        "Cannot use transactional methods without enabling transactions by setting the transactional.id configuration property"
    )]
    NotTransactional,
    /// A call out of order.
    #[error("{0}")]
    IllegalState(String),
    /// Another producer of the same `transactional.id` has taken its place.
    #[error("There is a newer producer with the same transactionalId which fences the current producer.")]
    Fenced,
    /// The transaction can only be aborted; then the producer goes on.
    #[error("{0}")]
    Abortable(String),
    /// The producer can only be closed.
    #[error("{0}")]
    Fatal(String),
    /// `max.block.ms` passed; the call can be repeated.
    #[error("Timeout expired after {timeout_ms}ms while awaiting {what}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// `max.block.ms`.
        timeout_ms: u64,
    },
}

/// Why a batch that was taken did not become a written one.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    /// The leader said no.
    #[error("{code} for {partition}{detail}")]
    Refused {
        /// Where the batch should have gone.
        partition: TopicPartition,
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's own words, with a leading space, or nothing.
        detail: String,
        /// Whether an earlier attempt may have been written.
        determinacy: Determinacy,
    },
    /// `delivery.timeout.ms` passed.
    #[error("Expiring {records} record(s) for {partition}:{elapsed_ms} ms has passed since batch creation")]
    Expired {
        /// Where the batch should have gone.
        partition: TopicPartition,
        /// How many records shared the batch.
        records: u32,
        /// The batch's age.
        elapsed_ms: i64,
        /// Whether it was on its way at least once.
        determinacy: Determinacy,
    },
    /// The connection failed and no retry was left.
    #[error("{partition}: {cause}")]
    Transport {
        /// Where the batch should have gone.
        partition: TopicPartition,
        /// What happened to the connection.
        cause: TransportError,
        /// Whether an attempt may have been written.
        determinacy: Determinacy,
    },
    /// The producer was closed, or dropped, before the batch was sent.
    #[error("Producer is closed forcefully.")]
    Closed {
        /// Whether an attempt may have been written.
        determinacy: Determinacy,
    },
    /// The transaction it was part of was aborted before it was sent.
    #[error("Failing batch since transaction was aborted")]
    Aborted {
        /// Whether an attempt may have been written.
        determinacy: Determinacy,
    },
    /// The producer as a whole can go no further.
    #[error("{reason}")]
    Fatal {
        /// Kafka's words.
        reason: String,
        /// Whether an attempt may have been written.
        determinacy: Determinacy,
    },
}

impl ProduceError {
    /// Whether the batch may be in the log in spite of the error.
    pub fn determinacy(&self) -> Determinacy {
        match self {
            ProduceError::Refused { determinacy, .. }
            | ProduceError::Expired { determinacy, .. }
            | ProduceError::Transport { determinacy, .. }
            | ProduceError::Closed { determinacy }
            | ProduceError::Aborted { determinacy }
            | ProduceError::Fatal { determinacy, .. } => *determinacy,
        }
    }
}

/// Why an administrative call failed as a whole; errors of single resources are in its answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    /// The broker answered with an error for the whole call.
    #[error("{code}{detail}")]
    Refused {
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's own words, with a leading `: `, or nothing.
        detail: String,
    },
    /// Leaders could not be found.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// No broker, or not the right one, answered in time.
    #[error("Timed out waiting for a node assignment or an answer. Call: {call} ({last})")]
    TimedOut {
        /// The call's name.
        call: &'static str,
        /// The last attempt's trouble.
        last: String,
        /// Whether the change may have been made.
        determinacy: Determinacy,
    },
    /// The broker offers no version of the API that we speak.
    #[error("The node does not support {call}")]
    Unsupported {
        /// The call's name.
        call: &'static str,
    },
    /// Bytes that are not an answer to what was asked.
    #[error("{0}")]
    Protocol(String),
}
