//! What Java's tools call the errors of the protocol: the class of the exception, and what it says when the broker says
//! nothing. Scripts find both in what the tools print (`org.apache.kafka.common.protocol.Errors`).

use andiron_protocol::error::ErrorCode;

macro_rules! exceptions {
    ($($code:ident $class:literal $message:literal;)*) => {
        /// The class of a code's exception, with its package.
        pub(super) fn class(code: ErrorCode) -> String {
            let class = match code {
                $(ErrorCode::$code => $class,)*
                _ => "UnknownServerException",
            };
            if class.contains('.') { class.to_owned() } else { format!("org.apache.kafka.common.errors.{class}") }
        }

        /// What the exception says when the broker has no words of its own.
        pub(crate) fn message(code: ErrorCode) -> &'static str {
            match code {
                $(ErrorCode::$code => $message,)*
                _ => "The server experienced an unexpected error when processing the request.",
            }
        }
    };
}

exceptions! {
    UnknownServerError "UnknownServerException" "The server experienced an unexpected error when processing the request.";
    OffsetOutOfRange "OffsetOutOfRangeException" "The requested offset is not within the range of offsets maintained by the server.";
    CorruptMessage "CorruptRecordException" "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is otherwise corrupt.";
    UnknownTopicOrPartition "UnknownTopicOrPartitionException" "This server does not host this topic-partition.";
    InvalidFetchSize "InvalidFetchSizeException" "The requested fetch size is invalid.";
    LeaderNotAvailable "LeaderNotAvailableException" "There is no leader for this topic-partition as we are in the middle of a leadership election.";
    NotLeaderOrFollower "NotLeaderOrFollowerException" "For requests intended only for the leader, this error indicates that the broker is not the current leader. For requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.";
    RequestTimedOut "TimeoutException" "The request timed out.";
    BrokerNotAvailable "BrokerNotAvailableException" "The broker is not available.";
    ReplicaNotAvailable "ReplicaNotAvailableException" "The replica is not available for the requested topic-partition. Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.";
    MessageTooLarge "RecordTooLargeException" "The request included a message larger than the max message size the server will accept.";
    StaleControllerEpoch "ControllerMovedException" "The controller moved to another broker.";
    OffsetMetadataTooLarge "OffsetMetadataTooLarge" "The metadata field of the offset request was too large.";
    NetworkException "NetworkException" "The server disconnected before a response was received.";
    CoordinatorLoadInProgress "CoordinatorLoadInProgressException" "The coordinator is loading and hence can't process requests.";
    CoordinatorNotAvailable "CoordinatorNotAvailableException" "The coordinator is not available.";
    NotCoordinator "NotCoordinatorException" "This is not the correct coordinator.";
    InvalidTopicException "InvalidTopicException" "The request attempted to perform an operation on an invalid topic.";
    RecordListTooLarge "RecordBatchTooLargeException" "The request included message batch larger than the configured segment size on the server.";
    NotEnoughReplicas "NotEnoughReplicasException" "Messages are rejected since there are fewer in-sync replicas than required.";
    NotEnoughReplicasAfterAppend "NotEnoughReplicasAfterAppendException" "Messages are written to the log, but to fewer in-sync replicas than required.";
    InvalidRequiredAcks "InvalidRequiredAcksException" "Produce request specified an invalid value for required acks.";
    IllegalGeneration "IllegalGenerationException" "Specified group generation id is not valid.";
    InconsistentGroupProtocol "InconsistentGroupProtocolException" "The group member's supported protocols are incompatible with those of existing members or first group member tried to join with empty protocol type or empty protocol list.";
    InvalidGroupId "InvalidGroupIdException" "The group id is invalid.";
    UnknownMemberId "UnknownMemberIdException" "The coordinator is not aware of this member.";
    InvalidSessionTimeout "InvalidSessionTimeoutException" "The session timeout is not within the range allowed by the broker (as configured by group.min.session.timeout.ms and group.max.session.timeout.ms).";
    RebalanceInProgress "RebalanceInProgressException" "The group is rebalancing, so a rejoin is needed.";
    InvalidCommitOffsetSize "InvalidCommitOffsetSizeException" "The committing offset data size is not valid.";
    TopicAuthorizationFailed "TopicAuthorizationException" "Topic authorization failed.";
    GroupAuthorizationFailed "GroupAuthorizationException" "Group authorization failed.";
    ClusterAuthorizationFailed "ClusterAuthorizationException" "Cluster authorization failed.";
    InvalidTimestamp "InvalidTimestampException" "The timestamp of the message is out of acceptable range.";
    UnsupportedSaslMechanism "UnsupportedSaslMechanismException" "The broker does not support the requested SASL mechanism.";
    IllegalSaslState "IllegalSaslStateException" "Request is not valid given the current SASL state.";
    UnsupportedVersion "UnsupportedVersionException" "The version of API is not supported.";
    TopicAlreadyExists "TopicExistsException" "Topic with this name already exists.";
    InvalidPartitions "InvalidPartitionsException" "Number of partitions is below 1.";
    InvalidReplicationFactor "InvalidReplicationFactorException" "Replication factor is below 1 or larger than the number of available brokers.";
    InvalidReplicaAssignment "InvalidReplicaAssignmentException" "Replica assignment is invalid.";
    InvalidConfig "InvalidConfigurationException" "Configuration is invalid.";
    NotController "NotControllerException" "This is not the correct controller for this cluster.";
    InvalidRequest "InvalidRequestException" "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.";
    UnsupportedForMessageFormat "UnsupportedForMessageFormatException" "The message format version on the broker does not support the request.";
    PolicyViolation "PolicyViolationException" "Request parameters do not satisfy the configured policy.";
    OutOfOrderSequenceNumber "OutOfOrderSequenceException" "The broker received an out of order sequence number.";
    DuplicateSequenceNumber "DuplicateSequenceException" "The broker received a duplicate sequence number.";
    InvalidProducerEpoch "InvalidProducerEpochException" "Producer attempted to produce with an old epoch.";
    InvalidTxnState "InvalidTxnStateException" "The producer attempted a transactional operation in an invalid state.";
    InvalidProducerIdMapping "InvalidPidMappingException" "The producer attempted to use a producer id which is not currently assigned to its transactional id.";
    InvalidTransactionTimeout "InvalidTxnTimeoutException" "The transaction timeout is larger than the maximum value allowed by the broker (as configured by transaction.max.timeout.ms).";
    ConcurrentTransactions "ConcurrentTransactionsException" "The producer attempted to update a transaction while another concurrent operation on the same transaction was ongoing.";
    TransactionCoordinatorFenced "TransactionCoordinatorFencedException" "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current coordinator for a given producer.";
    TransactionalIdAuthorizationFailed "TransactionalIdAuthorizationException" "Transactional Id authorization failed.";
    SecurityDisabled "SecurityDisabledException" "Security features are disabled.";
    OperationNotAttempted "OperationNotAttemptedException" "The broker did not attempt to execute this operation. This may happen for batched RPCs where some operations in the batch failed, causing the broker to respond without trying the rest.";
    KafkaStorageError "KafkaStorageException" "Disk error when trying to access log file on the disk.";
    LogDirNotFound "LogDirNotFoundException" "The user-specified log directory is not found in the broker config.";
    SaslAuthenticationFailed "SaslAuthenticationException" "SASL Authentication failed.";
    UnknownProducerId "UnknownProducerIdException" "This exception is raised by the broker if it could not locate the producer metadata associated with the producerId in question. This could happen if, for instance, the producer's records were deleted because their retention time had elapsed. Once the last records of the producerId are removed, the producer's metadata is removed from the broker, and future appends by the producer will return this exception.";
    ReassignmentInProgress "ReassignmentInProgressException" "A partition reassignment is in progress.";
    DelegationTokenAuthDisabled "DelegationTokenDisabledException" "Delegation Token feature is not enabled.";
    DelegationTokenNotFound "DelegationTokenNotFoundException" "Delegation Token is not found on server.";
    DelegationTokenOwnerMismatch "DelegationTokenOwnerMismatchException" "Specified Principal is not valid Owner/Renewer.";
    DelegationTokenRequestNotAllowed "UnsupportedByAuthenticationException" "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation token authenticated channels.";
    DelegationTokenAuthorizationFailed "DelegationTokenAuthorizationException" "Delegation Token authorization failed.";
    DelegationTokenExpired "DelegationTokenExpiredException" "Delegation Token is expired.";
    InvalidPrincipalType "InvalidPrincipalTypeException" "Supplied principalType is not supported.";
    NonEmptyGroup "GroupNotEmptyException" "The group is not empty.";
    GroupIdNotFound "GroupIdNotFoundException" "The group id does not exist.";
    FetchSessionIdNotFound "FetchSessionIdNotFoundException" "The fetch session ID was not found.";
    InvalidFetchSessionEpoch "InvalidFetchSessionEpochException" "The fetch session epoch is invalid.";
    ListenerNotFound "ListenerNotFoundException" "There is no listener on the leader broker that matches the listener on which metadata request was processed.";
    TopicDeletionDisabled "TopicDeletionDisabledException" "Topic deletion is disabled.";
    FencedLeaderEpoch "FencedLeaderEpochException" "The leader epoch in the request is older than the epoch on the broker.";
    UnknownLeaderEpoch "UnknownLeaderEpochException" "The leader epoch in the request is newer than the epoch on the broker.";
    UnsupportedCompressionType "UnsupportedCompressionTypeException" "The requesting client does not support the compression type of given partition.";
    StaleBrokerEpoch "StaleBrokerEpochException" "Broker epoch has changed.";
    OffsetNotAvailable "OffsetNotAvailableException" "The leader high watermark has not caught up from a recent leader election so the offsets cannot be guaranteed to be monotonically increasing.";
    MemberIdRequired "MemberIdRequiredException" "The group member needs to have a valid member id before actually entering a consumer group.";
    PreferredLeaderNotAvailable "PreferredLeaderNotAvailableException" "The preferred leader was not available.";
    GroupMaxSizeReached "GroupMaxSizeReachedException" "The group has reached its maximum size.";
    FencedInstanceId "FencedInstanceIdException" "The broker rejected this static consumer since another consumer with the same group.instance.id has registered with a different member.id.";
    EligibleLeadersNotAvailable "EligibleLeadersNotAvailableException" "Eligible topic partition leaders are not available.";
    ElectionNotNeeded "ElectionNotNeededException" "Leader election not needed for topic partition.";
    NoReassignmentInProgress "NoReassignmentInProgressException" "No partition reassignment is in progress.";
    GroupSubscribedToTopic "GroupSubscribedToTopicException" "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.";
    InvalidRecord "org.apache.kafka.common.InvalidRecordException" "This record has failed the validation on broker and hence will be rejected.";
    UnstableOffsetCommit "UnstableOffsetCommitException" "There are unstable offsets that need to be cleared.";
    ThrottlingQuotaExceeded "ThrottlingQuotaExceededException" "The throttling quota has been exceeded.";
    ProducerFenced "ProducerFencedException" "There is a newer producer with the same transactionalId which fences the current one.";
    ResourceNotFound "ResourceNotFoundException" "A request illegally referred to a resource that does not exist.";
    DuplicateResource "DuplicateResourceException" "A request illegally referred to the same resource twice.";
    UnacceptableCredential "UnacceptableCredentialException" "Requested credential would not meet criteria for acceptability.";
    InconsistentVoterSet "InconsistentVoterSetException" "Indicates that the either the sender or recipient of a voter-only request is not one of the expected voters.";
    InvalidUpdateVersion "InvalidUpdateVersionException" "The given update version was invalid.";
    FeatureUpdateFailed "FeatureUpdateFailedException" "Unable to update finalized features due to an unexpected server error.";
    PrincipalDeserializationFailure "PrincipalDeserializationException" "Request principal deserialization failed during forwarding. This indicates an internal error on the broker cluster security setup.";
    SnapshotNotFound "SnapshotNotFoundException" "Requested snapshot was not found.";
    PositionOutOfRange "PositionOutOfRangeException" "Requested position is not greater than or equal to zero, and less than the size of the snapshot.";
    UnknownTopicId "UnknownTopicIdException" "This server does not host this topic ID.";
    DuplicateBrokerRegistration "DuplicateBrokerRegistrationException" "This broker ID is already in use.";
    BrokerIdNotRegistered "BrokerIdNotRegisteredException" "The given broker ID was not registered.";
    InconsistentTopicId "InconsistentTopicIdException" "The log's topic ID did not match the topic ID in the request.";
    InconsistentClusterId "InconsistentClusterIdException" "The clusterId in the request does not match that found on the server.";
    TransactionalIdNotFound "TransactionalIdNotFoundException" "The transactionalId could not be found.";
    FetchSessionTopicIdError "FetchSessionTopicIdException" "The fetch session encountered inconsistent topic ID usage.";
    IneligibleReplica "IneligibleReplicaException" "The new ISR contains at least one ineligible replica.";
    NewLeaderElected "NewLeaderElectedException" "The AlterPartition request successfully updated the partition state but the leader has changed.";
    OffsetMovedToTieredStorage "OffsetMovedToTieredStorageException" "The requested offset is moved to tiered storage.";
    FencedMemberEpoch "FencedMemberEpochException" "The member epoch is fenced by the group coordinator. The member must abandon all its partitions and rejoin.";
    UnreleasedInstanceId "UnreleasedInstanceIdException" "The instance ID is still used by another member in the consumer group. That member must leave first.";
    UnsupportedAssignor "UnsupportedAssignorException" "The assignor or its version range is not supported by the consumer group.";
    StaleMemberEpoch "StaleMemberEpochException" "The member epoch is stale. The member must retry after receiving its updated member epoch via the ConsumerGroupHeartbeat API.";
    MismatchedEndpointType "MismatchedEndpointTypeException" "The request was sent to an endpoint of the wrong type.";
    UnsupportedEndpointType "UnsupportedEndpointTypeException" "This endpoint type is not supported yet.";
    UnknownControllerId "UnknownControllerIdException" "This controller ID is not known.";
    UnknownSubscriptionId "UnknownSubscriptionIdException" "Client sent a push telemetry request with an invalid or outdated subscription ID.";
    TelemetryTooLarge "TelemetryTooLargeException" "Client sent a push telemetry request larger than the maximum size the broker will accept.";
    InvalidRegistration "InvalidRegistrationException" "The controller has considered the broker registration to be invalid.";
    TransactionAbortable "TransactionAbortableException" "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID.";
    InvalidRecordState "InvalidRecordStateException" "The record state is invalid. The acknowledgement of delivery could not be completed.";
    ShareSessionNotFound "ShareSessionNotFoundException" "The share session was not found.";
    InvalidShareSessionEpoch "InvalidShareSessionEpochException" "The share session epoch is invalid.";
    FencedStateEpoch "FencedStateEpochException" "The share coordinator rejected the request because the share-group state epoch did not match.";
    InvalidVoterKey "InvalidVoterKeyException" "The voter key doesn't match the receiving replica's key.";
    DuplicateVoter "DuplicateVoterException" "The voter is already part of the set of voters.";
    VoterNotFound "VoterNotFoundException" "The voter is not part of the set of voters.";
    InvalidRegularExpression "InvalidRegularExpression" "The regular expression is not valid.";
    RebootstrapRequired "RebootstrapRequiredException" "Client metadata is stale. The client should rebootstrap to obtain new metadata.";
    ShareSessionLimitReached "ShareSessionLimitReachedException" "The limit of share sessions has been reached.";
}
