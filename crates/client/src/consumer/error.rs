//! What can go wrong for a consumer, in the words of Java's.

use andiron_protocol::error::ErrorCode;

use crate::cluster::TopicPartition;
use crate::error::{FetchError, ListOffsetsError, MetadataError};

/// Why a consumer's call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumerError {
    /// `poll` without anything to read.
    #[error("Consumer is not subscribed to any topics or assigned any partitions")]
    NothingToRead,
    /// A call that does not fit what was called before.
    #[error("{0}")]
    IllegalState(String),
    /// An argument that the call cannot take.
    #[error("{0}")]
    InvalidArgument(String),
    /// A group call without `group.id`.
    #[error(
        "To use the group management or offset commit APIs, you must provide a valid group.id in the consumer configuration."
    )]
    NoGroup,
    /// No committed offset, and `auto.offset.reset=none`.
    #[error("Undefined offset with no reset policy for partitions: {}", list(partitions))]
    NoOffset {
        /// Where nothing says where to begin.
        partitions: Vec<TopicPartition>,
    },
    /// The position is not in the log, and `auto.offset.reset=none`.
    #[error("Offsets out of range with no configured reset policy for partitions: {{{partition}={offset}}}")]
    OffsetOutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// Where the consumer stood.
        offset: i64,
    },
    /// The log was cut behind the position, and `auto.offset.reset=none`.
    #[error("Detected truncated partitions: [{partition}]")]
    LogTruncation {
        /// The partition.
        partition: TopicPartition,
        /// Where the consumer stood.
        offset: i64,
        /// Up to where the log is what was read, if the leader knows.
        divergent_offset: Option<i64>,
    },
    /// The coordinator does not take this consumer as a member.
    #[error("{message}")]
    Group {
        /// Kafka's error.
        code: ErrorCode,
        /// What it means for this member.
        message: String,
    },
    /// Offsets were not committed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Topics could not be learned.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Offsets could not be listed.
    #[error(transparent)]
    ListOffsets(#[from] ListOffsetsError),
    /// Records could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The time ran out.
    #[error("Timeout of {timeout_ms}ms expired before {what}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        timeout_ms: u64,
    },
    /// `close` was called.
    #[error("This consumer has already been closed.")]
    Closed,
}

/// Why offsets were not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The member is no longer in the group: somebody else has the partitions (`CommitFailedException`).
    #[error(
        "Offset commit cannot be completed since the consumer is not part of an active group for auto partition assignment; it is likely that the consumer was kicked out of the group."
    )]
    NotAMember,
    /// A rebalance is under way; after the next `poll` it can be tried again (`RebalanceInProgressException`).
    #[error(
        "Offset commit cannot be completed since the consumer is undergoing a rebalance for auto partition assignment. You can try completing the rebalance by calling poll() and then retry the operation."
    )]
    Rebalancing,
    /// It may go well when tried again; `commit_sync` did so until its time was over (`RetriableCommitFailedException`).
    #[error(
        "Offset commit failed with a retriable exception. You should retry committing the latest consumed offsets. ({0})"
    )]
    Retriable(String),
    /// The coordinator said no.
    #[error("Offset commit failed: {code}{partition}")]
    Refused {
        /// Kafka's error.
        code: ErrorCode,
        /// The partition it is about with a leading ` for partition `, or nothing.
        partition: String,
    },
    /// The consumer ended before it was done.
    #[error("This consumer has already been closed.")]
    Closed,
}

impl ConsumerError {
    pub(crate) fn group(code: ErrorCode, group: &str) -> ConsumerError {
        let message = match code {
            ErrorCode::FencedInstanceId => {
                "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id.".to_owned()
            }
            ErrorCode::InconsistentGroupProtocol => {
                "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list.".to_owned()
            }
            ErrorCode::GroupMaxSizeReached => {
                format!("Consumer group {group} already has the configured maximum number of members.")
            }
            ErrorCode::InvalidSessionTimeout => {
                "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms).".to_owned()
            }
            ErrorCode::GroupAuthorizationFailed => format!("Not authorized to access group: {group}"),
            ErrorCode::InvalidGroupId => "The configured groupId is invalid.".to_owned(),
            ErrorCode::UnreleasedInstanceId => {
                "The instance ID is still used by another member in the consumer group. That member must leave first.".to_owned()
            }
            ErrorCode::UnsupportedVersion => {
                "The cluster does not support the new CONSUMER group protocol. Set group.protocol=classic on the consumer configs to revert to the CLASSIC protocol until the cluster is upgraded.".to_owned()
            }
            code => format!("{code} for group {group}"),
        };
        ConsumerError::Group { code, message }
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    let names: Vec<String> = partitions.iter().map(TopicPartition::to_string).collect();
    format!("[{}]", names.join(", "))
}
