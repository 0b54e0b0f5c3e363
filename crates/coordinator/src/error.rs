//! Why a request to the coordinator is refused: one enum an operation, and for each the one place where it becomes
//! Kafka's code.

use andiron_protocol::ErrorCode;

/// Why a request does not come from a member of the generation it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The group has no such member, or there is no such group.
    #[error("the group has no such member")]
    UnknownMember,
    /// Another process has taken over this static member.
    #[error("another member now has this group instance id")]
    FencedInstance,
    /// The group has moved on to another generation.
    #[error("the generation is not the group's")]
    IllegalGeneration,
}

impl MemberError {
    fn kind(self) -> ErrorCode {
        match self {
            Self::UnknownMember => ErrorCode::UnknownMemberId,
            Self::FencedInstance => ErrorCode::FencedInstanceId,
            Self::IllegalGeneration => ErrorCode::IllegalGeneration,
        }
    }

    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        self.kind()
    }
}

/// Why a JoinGroup is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// An empty group id.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// Outside `group.min.session.timeout.ms` to `group.max.session.timeout.ms`.
    #[error("the session timeout is out of range")]
    InvalidSessionTimeout,
    /// No strategy that all members know, or another protocol type.
    #[error("the member shares no protocol with the others")]
    InconsistentProtocol,
    /// `group.max.size` is reached.
    #[error("the group is full")]
    GroupFull,
    /// The member must ask again under the id that the answer carries.
    #[error("the member must join with the id it is given")]
    MemberIdRequired,
    /// The same member has asked again, and that request will be answered.
    #[error("the member has asked again")]
    Superseded,
    /// The group is on another node now.
    #[error("the group has moved to another coordinator")]
    NotCoordinator,
    /// It is not the member it says it is.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl JoinError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            Self::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
            Self::GroupFull => ErrorCode::GroupMaxSizeReached,
            Self::MemberIdRequired => ErrorCode::MemberIdRequired,
            Self::Superseded => ErrorCode::RebalanceInProgress,
            Self::NotCoordinator => ErrorCode::NotCoordinator,
            Self::Member(error) => error.kind(),
        }
    }
}

/// Why a SyncGroup gets no assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// An empty group id.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// Another protocol than the one the group has settled on, or none where the version wants one.
    #[error("the protocol is not the group's")]
    InconsistentProtocol,
    /// The group is joining again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The group is on another node now.
    #[error("the group has moved to another coordinator")]
    NotCoordinator,
    /// It is not the member it says it is.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl SyncError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
            Self::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Self::NotCoordinator => ErrorCode::NotCoordinator,
            Self::Member(error) => error.kind(),
        }
    }
}

/// What a heartbeat is told when it is not told that all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// An empty group id.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// The member is to join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// It is not the member it says it is.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl HeartbeatError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Self::Member(error) => error.kind(),
        }
    }
}

/// Why an offset is not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A generation of a group that does not exist, asked by a client that knows this code (version 9).
    #[error("there is no such group")]
    GroupNotFound,
    /// The member has joined and has not got its assignment yet.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// `offset.metadata.max.bytes`.
    #[error("the text that goes with the offset is too long")]
    MetadataTooLarge,
    /// It is not the member it says it is.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl CommitError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::GroupNotFound => ErrorCode::GroupIdNotFound,
            Self::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            Self::MetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            Self::Member(error) => error.kind(),
        }
    }
}

/// Why a group or its offsets are not deleted, or not described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// An empty group id.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// There is no such group.
    #[error("there is no such group")]
    NotFound,
    /// The group has members.
    #[error("the group is not empty")]
    NotEmpty,
    /// A member still reads the topic.
    #[error("the group is subscribed to the topic")]
    Subscribed,
}

impl GroupError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::InvalidGroupId,
            Self::NotFound => ErrorCode::GroupIdNotFound,
            Self::NotEmpty => ErrorCode::NonEmptyGroup,
            Self::Subscribed => ErrorCode::GroupSubscribedToTopic,
        }
    }
}

/// What a client is told when the coordinator's own partition refused the records of its request: an error of that
/// partition means something else to a client that never named it.
pub(crate) fn of_failed_append(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}
