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
    /// A consumer group does not take it in.
    #[error("the consumer group answers {0}")]
    Consumer(ErrorCode),
}

impl From<ConsumerGroupError> for JoinError {
    fn from(error: ConsumerGroupError) -> Self {
        Self::Consumer(error.code())
    }
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
            Self::Consumer(code) => code,
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
    /// The member of a consumer group has moved on to another epoch.
    #[error("the epoch is not the member's")]
    StaleEpoch,
    /// A member of a consumer group commits in a version that cannot tell it so.
    #[error("OffsetCommit version 9 or above must be used by members using the consumer group protocol")]
    UnsupportedVersion,
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
            Self::StaleEpoch => ErrorCode::StaleMemberEpoch,
            Self::UnsupportedVersion => ErrorCode::UnsupportedVersion,
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

/// Why a ConsumerGroupHeartbeat or ConsumerGroupDescribe is refused; the text goes to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerGroupError {
    /// The request contradicts itself.
    #[error("{0}")]
    InvalidRequest(String),
    /// An assignor that the broker does not have.
    #[error("ServerAssignor {name} is not supported. Supported assignors: {known}.")]
    UnsupportedAssignor {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// There is no such group, or it is of another kind and cannot become one of this.
    #[error("{0}")]
    NotFound(String),
    /// The group has no such member.
    #[error("Member {member} is not a member of group {group}.")]
    UnknownMember {
        /// Who asked.
        member: String,
        /// The group.
        group: String,
    },
    /// The group has no such static member.
    #[error("Instance id {0} is unknown.")]
    UnknownInstance(String),
    /// Another process has taken over this static member.
    #[error("Static member {member} with instance id {instance} was fenced by member {owner}.")]
    FencedInstance {
        /// Who asked.
        member: String,
        /// For which instance id.
        instance: String,
        /// Who has it.
        owner: String,
    },
    /// The static member is there already.
    #[error(
        "Static member {member} with instance id {instance} cannot join the group because the instance id is owned by {owner} member."
    )]
    UnreleasedInstance {
        /// Who asked.
        member: String,
        /// For which instance id.
        instance: String,
        /// Who has it.
        owner: String,
    },
    /// The member is in another epoch than it thinks.
    #[error(
        "The consumer group member has a {than} member epoch ({asked}) than the one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin."
    )]
    FencedEpoch {
        /// `greater` or `smaller`.
        than: &'static str,
        /// The epoch it named.
        asked: i32,
        /// The epoch it has.
        known: i32,
    },
    /// The log has a state of the member that is not known.
    #[error("The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")]
    UnknownState,
    /// `group.consumer.max.size`.
    #[error("The consumer group has reached its maximum capacity of {0} members.")]
    Full(i32),
    /// A pattern that cannot be read.
    #[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}.")]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The assignor gave up.
    #[error("Failed to compute a new target assignment for epoch {epoch}: {error}")]
    Assignor {
        /// The epoch of the group.
        epoch: i32,
        /// What it said.
        error: String,
    },
}

impl ConsumerGroupError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidRequest(_) => ErrorCode::InvalidRequest,
            Self::UnsupportedAssignor { .. } => ErrorCode::UnsupportedAssignor,
            Self::NotFound(_) => ErrorCode::GroupIdNotFound,
            Self::UnknownMember { .. } | Self::UnknownInstance(_) => ErrorCode::UnknownMemberId,
            Self::FencedInstance { .. } => ErrorCode::FencedInstanceId,
            Self::UnreleasedInstance { .. } => ErrorCode::UnreleasedInstanceId,
            Self::FencedEpoch { .. } | Self::UnknownState => ErrorCode::FencedMemberEpoch,
            Self::Full(_) => ErrorCode::GroupMaxSizeReached,
            Self::InvalidPattern { .. } => ErrorCode::InvalidRegularExpression,
            Self::Assignor { .. } => ErrorCode::UnknownServerError,
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
