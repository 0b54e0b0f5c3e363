//! Records that a query should have read and that Kafka no longer has: by Spark's error classes, and what
//! `failOnDataLoss` makes of them.

use std::collections::BTreeSet;

use super::{TopicPartition, set_text};

/// Something is gone. `Display` is Spark's reason text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataLoss {
    /// A partition that appeared while the query ran had already lost its beginning.
    #[error("Added partition {at} starts from {start} instead of 0.")]
    AddedPartitionDoesNotStartFromOffsetZero {
        /// The partition.
        at: TopicPartition,
        /// Its earliest offset.
        start: i64,
    },
    /// Records of a batch's range are gone.
    #[error("Could not read records in offset [{start}, {end}) for topic partition {at}\nwith consumer group {group}.")]
    CouldNotReadOffsetRange {
        /// The partition.
        at: TopicPartition,
        /// The first offset that could not be read.
        start: i64,
        /// The end of what could not be read.
        end: i64,
        /// The source's group id.
        group: String,
    },
    /// New partitions went away before their first offset was known.
    #[error("Cannot find initial offsets for partitions {}. They may have been deleted.", set_text(.0))]
    InitialOffsetNotFoundForPartitions(BTreeSet<TopicPartition>),
    /// Partitions of the batch before are no longer there.
    #[error("Partitions {} have been deleted.", set_text(.0))]
    PartitionsDeleted(BTreeSet<TopicPartition>),
    /// A partition ends before the place where the batch should start.
    #[error("Partition {at} offset was changed from {from} to {to}.")]
    PartitionOffsetChanged {
        /// The partition.
        at: TopicPartition,
        /// Where the query stands.
        from: i64,
        /// Where the partition ends now.
        to: i64,
    },
    /// A starting offset does not exist.
    #[error("Starting offset for {at} was reset from {from} to {to}.")]
    StartOffsetReset {
        /// The partition.
        at: TopicPartition,
        /// The wanted offset.
        from: i64,
        /// The offset that Kafka gave.
        to: i64,
    },
}

/// Losses carry this SQLSTATE.
pub const DATA_LOSS_SQL_STATE: &str = "22000";

impl DataLoss {
    /// Spark's error class.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::AddedPartitionDoesNotStartFromOffsetZero { .. } => {
                "KAFKA_DATA_LOSS.ADDED_PARTITION_DOES_NOT_START_FROM_OFFSET_ZERO"
            }
            Self::CouldNotReadOffsetRange { .. } => "KAFKA_DATA_LOSS.COULD_NOT_READ_OFFSET_RANGE",
            Self::InitialOffsetNotFoundForPartitions(_) => "KAFKA_DATA_LOSS.INITIAL_OFFSET_NOT_FOUND_FOR_PARTITIONS",
            Self::PartitionsDeleted(_) => "KAFKA_DATA_LOSS.PARTITIONS_DELETED",
            Self::PartitionOffsetChanged { .. } => "KAFKA_DATA_LOSS.PARTITION_OFFSET_CHANGED",
            Self::StartOffsetReset { .. } => "KAFKA_DATA_LOSS.START_OFFSET_RESET",
        }
    }

    /// The message of the failure when `failOnDataLoss` is true, without its class.
    #[must_use]
    pub fn failure(&self) -> String {
        format!(
            "Some data may have been lost because they are not available in Kafka any more;\n\
             either the data was aged out by Kafka or the topic may have been deleted before all the data in the\n\
             topic was processed.\n\
             If you don't want your streaming query to fail on such cases, set the source option failOnDataLoss to false.\n\
             Reason:\n{self}"
        )
    }

    /// The warning that is logged when `failOnDataLoss` is false.
    #[must_use]
    pub fn warning(&self) -> String {
        format!(
            "{self} Some data may have been lost because they are not available in Kafka any more; either the data was \
             aged out by Kafka or the topic may have been deleted before all the data in the topic was processed. If you \
             want your streaming query to fail on such cases, set the source option \"failOnDataLoss\" to \"true\"."
        )
    }
}
