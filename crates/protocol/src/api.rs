//! Which APIs this broker offers, and in which versions: those for which both the request and the response can be
//! decoded and encoded here. `ApiKey::valid_versions` claims more than the messages do, so it is not asked.

use crate::kafka::protocol::{Message, Request};
use crate::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterClientQuotasRequest, AlterConfigsRequest,
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, AlterUserScramCredentialsRequest, ApiKey,
    ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, CreateAclsRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeClientQuotasRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeQuorumRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest,
    DescribeUserScramCredentialsRequest, ElectLeadersRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest,
    HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListConfigResourcesRequest, ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest,
    ListTransactionsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, SyncGroupRequest, TxnOffsetCommitRequest, UnregisterBrokerRequest,
    UpdateFeaturesRequest, WriteTxnMarkersRequest,
};

/// An API and the versions of it that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// The API.
    pub key: ApiKey,
    /// The oldest version whose request is decoded.
    pub min: i16,
    /// The newest version.
    pub max: i16,
}

impl Offered {
    const fn of<R: Request>(key: ApiKey) -> Offered {
        let (request, response) = (R::VERSIONS, <R::Response as Message>::VERSIONS);
        Offered {
            key,
            min: if request.min > response.min { request.min } else { response.min },
            max: if request.max < response.max { request.max } else { response.max },
        }
    }

    /// The oldest version to name in an ApiVersions answer: librdkafka takes a broker for ancient unless Produce starts
    /// at 0, so Kafka says 0 there and so does this broker, though neither decodes a Produce below 3.
    pub const fn advertised_min(&self) -> i16 {
        if matches!(self.key, ApiKey::Produce) { 0 } else { self.min }
    }

    /// Whether a request of this version can be answered.
    pub const fn has(&self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// Every API of the broker's listener, by key.
pub const BROKER: &[Offered] = &[
    Offered::of::<ProduceRequest>(ApiKey::Produce),
    Offered::of::<FetchRequest>(ApiKey::Fetch),
    Offered::of::<ListOffsetsRequest>(ApiKey::ListOffsets),
    Offered::of::<MetadataRequest>(ApiKey::Metadata),
    Offered::of::<OffsetCommitRequest>(ApiKey::OffsetCommit),
    Offered::of::<OffsetFetchRequest>(ApiKey::OffsetFetch),
    Offered::of::<FindCoordinatorRequest>(ApiKey::FindCoordinator),
    Offered::of::<JoinGroupRequest>(ApiKey::JoinGroup),
    Offered::of::<HeartbeatRequest>(ApiKey::Heartbeat),
    Offered::of::<LeaveGroupRequest>(ApiKey::LeaveGroup),
    Offered::of::<SyncGroupRequest>(ApiKey::SyncGroup),
    Offered::of::<DescribeGroupsRequest>(ApiKey::DescribeGroups),
    Offered::of::<ListGroupsRequest>(ApiKey::ListGroups),
    Offered::of::<ApiVersionsRequest>(ApiKey::ApiVersions),
    Offered::of::<CreateTopicsRequest>(ApiKey::CreateTopics),
    Offered::of::<DeleteTopicsRequest>(ApiKey::DeleteTopics),
    Offered::of::<DeleteRecordsRequest>(ApiKey::DeleteRecords),
    Offered::of::<InitProducerIdRequest>(ApiKey::InitProducerId),
    Offered::of::<OffsetForLeaderEpochRequest>(ApiKey::OffsetForLeaderEpoch),
    Offered::of::<AddPartitionsToTxnRequest>(ApiKey::AddPartitionsToTxn),
    Offered::of::<AddOffsetsToTxnRequest>(ApiKey::AddOffsetsToTxn),
    Offered::of::<EndTxnRequest>(ApiKey::EndTxn),
    Offered::of::<WriteTxnMarkersRequest>(ApiKey::WriteTxnMarkers),
    Offered::of::<TxnOffsetCommitRequest>(ApiKey::TxnOffsetCommit),
    Offered::of::<DescribeAclsRequest>(ApiKey::DescribeAcls),
    Offered::of::<CreateAclsRequest>(ApiKey::CreateAcls),
    Offered::of::<DeleteAclsRequest>(ApiKey::DeleteAcls),
    Offered::of::<DescribeConfigsRequest>(ApiKey::DescribeConfigs),
    Offered::of::<AlterConfigsRequest>(ApiKey::AlterConfigs),
    Offered::of::<AlterReplicaLogDirsRequest>(ApiKey::AlterReplicaLogDirs),
    Offered::of::<DescribeLogDirsRequest>(ApiKey::DescribeLogDirs),
    Offered::of::<CreatePartitionsRequest>(ApiKey::CreatePartitions),
    Offered::of::<DeleteGroupsRequest>(ApiKey::DeleteGroups),
    Offered::of::<ElectLeadersRequest>(ApiKey::ElectLeaders),
    Offered::of::<IncrementalAlterConfigsRequest>(ApiKey::IncrementalAlterConfigs),
    Offered::of::<AlterPartitionReassignmentsRequest>(ApiKey::AlterPartitionReassignments),
    Offered::of::<ListPartitionReassignmentsRequest>(ApiKey::ListPartitionReassignments),
    Offered::of::<OffsetDeleteRequest>(ApiKey::OffsetDelete),
    Offered::of::<DescribeClientQuotasRequest>(ApiKey::DescribeClientQuotas),
    Offered::of::<AlterClientQuotasRequest>(ApiKey::AlterClientQuotas),
    Offered::of::<DescribeUserScramCredentialsRequest>(ApiKey::DescribeUserScramCredentials),
    Offered::of::<AlterUserScramCredentialsRequest>(ApiKey::AlterUserScramCredentials),
    Offered::of::<DescribeQuorumRequest>(ApiKey::DescribeQuorum),
    Offered::of::<UpdateFeaturesRequest>(ApiKey::UpdateFeatures),
    Offered::of::<DescribeClusterRequest>(ApiKey::DescribeCluster),
    Offered::of::<DescribeProducersRequest>(ApiKey::DescribeProducers),
    Offered::of::<UnregisterBrokerRequest>(ApiKey::UnregisterBroker),
    Offered::of::<DescribeTransactionsRequest>(ApiKey::DescribeTransactions),
    Offered::of::<ListTransactionsRequest>(ApiKey::ListTransactions),
    Offered::of::<ConsumerGroupHeartbeatRequest>(ApiKey::ConsumerGroupHeartbeat),
    Offered::of::<ConsumerGroupDescribeRequest>(ApiKey::ConsumerGroupDescribe),
    Offered::of::<ListConfigResourcesRequest>(ApiKey::ListConfigResources),
    Offered::of::<DescribeTopicPartitionsRequest>(ApiKey::DescribeTopicPartitions),
];

/// What the controller's listener offers to operators, by key; what controllers say to each other is not among it.
pub const CONTROLLER: &[Offered] = &[
    Offered::of::<ApiVersionsRequest>(ApiKey::ApiVersions),
    Offered::of::<CreateTopicsRequest>(ApiKey::CreateTopics),
    Offered::of::<DeleteTopicsRequest>(ApiKey::DeleteTopics),
    Offered::of::<DescribeAclsRequest>(ApiKey::DescribeAcls),
    Offered::of::<CreateAclsRequest>(ApiKey::CreateAcls),
    Offered::of::<DeleteAclsRequest>(ApiKey::DeleteAcls),
    Offered::of::<DescribeConfigsRequest>(ApiKey::DescribeConfigs),
    Offered::of::<AlterConfigsRequest>(ApiKey::AlterConfigs),
    Offered::of::<CreatePartitionsRequest>(ApiKey::CreatePartitions),
    Offered::of::<ElectLeadersRequest>(ApiKey::ElectLeaders),
    Offered::of::<IncrementalAlterConfigsRequest>(ApiKey::IncrementalAlterConfigs),
    Offered::of::<AlterPartitionReassignmentsRequest>(ApiKey::AlterPartitionReassignments),
    Offered::of::<ListPartitionReassignmentsRequest>(ApiKey::ListPartitionReassignments),
    Offered::of::<AlterClientQuotasRequest>(ApiKey::AlterClientQuotas),
    Offered::of::<DescribeUserScramCredentialsRequest>(ApiKey::DescribeUserScramCredentials),
    Offered::of::<AlterUserScramCredentialsRequest>(ApiKey::AlterUserScramCredentials),
    Offered::of::<DescribeQuorumRequest>(ApiKey::DescribeQuorum),
    Offered::of::<UpdateFeaturesRequest>(ApiKey::UpdateFeatures),
    Offered::of::<DescribeClusterRequest>(ApiKey::DescribeCluster),
    Offered::of::<UnregisterBrokerRequest>(ApiKey::UnregisterBroker),
];

/// The entry of an API in a listener's table.
pub fn find(table: &'static [Offered], key: i16) -> Option<&'static Offered> {
    table.iter().find(|offered| offered.key as i16 == key)
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
