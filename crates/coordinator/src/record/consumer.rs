//! The records of KIP-848 groups, in the notation of `protocol::schema`.

use andiron_protocol::message;
use andiron_protocol::schema::{At, Bytes, Json, SchemaError, ToJson, Uuid, Wire, get_uvarint, put_uvarint};

message! {
    /// The key of record type 3.
    pub struct ConsumerGroupMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 3.
    pub struct ConsumerGroupMetadataValue(versions 0..=0, flexible 0..) {
        /// The epoch of the group.
        epoch: i32 [0..],
        /// A hash over the topics the group reads, to see them change.
        metadata_hash: i64 [0.., tag 0],
    }
    /// The key of record type 4.
    pub struct ConsumerGroupPartitionMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 4.
    pub struct ConsumerGroupPartitionMetadataValue(versions 0..=0, flexible 0..) {
        /// The topics.
        topics: Vec<ConsumerGroupPartitionMetadataTopicMetadata> [0..],
    }
    /// Part of the value.
    pub struct ConsumerGroupPartitionMetadataTopicMetadata(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The topic's name.
        topic_name: String [0..],
        /// How many partitions the topic has.
        num_partitions: i32 [0..],
        /// Racks by partition; empty since 4.0.
        partition_metadata: Vec<ConsumerGroupPartitionMetadataPartitionMetadata> [0..],
    }
    /// Part of the value.
    pub struct ConsumerGroupPartitionMetadataPartitionMetadata(part) {
        /// The partition.
        partition: i32 [0..],
        /// Racks with a replica.
        racks: Vec<String> [0..],
    }
    /// The key of record type 5.
    pub struct ConsumerGroupMemberMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 5.
    pub struct ConsumerGroupMemberMetadataValue(versions 0..=0, flexible 0..) {
        /// The name a static member keeps over restarts.
        instance_id: Option<String> [0..],
        /// The rack the member is in.
        rack_id: Option<String> [0..],
        /// Its `client.id`.
        client_id: String [0..],
        /// Its address, as Java prints one.
        client_host: String [0..],
        /// Topics it wants.
        subscribed_topic_names: Vec<String> [0..],
        /// A pattern of topics it wants.
        subscribed_topic_regex: Option<String> [0..],
        /// How long it may take to give partitions up.
        rebalance_timeout_ms: i32 [0..] = -1,
        /// The assignor it asks for.
        server_assignor: Option<String> [0..],
        /// Set if the member speaks the classic protocol.
        classic_member_metadata: MaybeClassicMember [0.., tag 0] = MaybeClassicMember::unset(),
    }
    /// Part of the value.
    pub struct ConsumerGroupMemberMetadataClassicMemberMetadata(part) {
        /// Its session timeout.
        session_timeout_ms: i32 [0..],
        /// The assignment strategies it knows, best first.
        supported_protocols: Vec<ConsumerGroupMemberMetadataClassicProtocol> [0..],
    }
    /// Part of the value.
    pub struct ConsumerGroupMemberMetadataClassicProtocol(part) {
        /// The name.
        name: String [0..],
        /// Bytes that only the clients understand.
        metadata: Bytes [0..],
    }
    /// The key of record type 6.
    pub struct ConsumerGroupTargetAssignmentMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 6.
    pub struct ConsumerGroupTargetAssignmentMetadataValue(versions 0..=0, flexible 0..) {
        /// The group epoch that the assignment was made for.
        assignment_epoch: i32 [0..],
        /// When the assignment was ready, in ms.
        assignment_timestamp: i64 [0.., tag 0],
    }
    /// The key of record type 7.
    pub struct ConsumerGroupTargetAssignmentMemberKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 7.
    pub struct ConsumerGroupTargetAssignmentMemberValue(versions 0..=0, flexible 0..) {
        /// The partitions assigned.
        topic_partitions: Vec<ConsumerGroupTargetAssignmentMemberTopicPartition> [0..],
    }
    /// Part of the value.
    pub struct ConsumerGroupTargetAssignmentMemberTopicPartition(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// The key of record type 8.
    pub struct ConsumerGroupCurrentMemberAssignmentKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 8.
    pub struct ConsumerGroupCurrentMemberAssignmentValue(versions 0..=0, flexible 0..) {
        /// The epoch that the member has reached.
        member_epoch: i32 [0..],
        /// The epoch before it, with which a member that missed the change may still ask.
        previous_member_epoch: i32 [0..],
        /// Where the member stands in its reconciliation.
        state: i8 [0..],
        /// Partitions it owns.
        assigned_partitions: Vec<ConsumerGroupCurrentMemberAssignmentTopicPartitions> [0..],
        /// Partitions it must give up first.
        partitions_pending_revocation: Vec<ConsumerGroupCurrentMemberAssignmentTopicPartitions> [0..],
    }
    /// Part of the value.
    pub struct ConsumerGroupCurrentMemberAssignmentTopicPartitions(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
        /// Since which epoch each partition is the member's, in the order of `partitions`.
        assignment_epochs: Option<Vec<i32>> [0.., tag 0] = Some(Vec::new()),
    }
    /// The key of record type 16.
    pub struct ConsumerGroupRegularExpressionKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The pattern.
        regular_expression: String [0..],
    }
    /// The value of record type 16.
    pub struct ConsumerGroupRegularExpressionValue(versions 0..=0, flexible 0..) {
        /// The topics that match it.
        topics: Vec<String> [0..],
        /// The metadata version they were matched at.
        version: i64 [0..],
        /// When, in ms.
        timestamp: i64 [0..],
    }
}

/// A classic member of a KIP-848 group, or none. As a tagged field that may be null it has a form of its own (a varint
/// says whether it is there), and it is left out for an empty structure, not for null.
#[derive(Clone, Debug, PartialEq)]
pub struct MaybeClassicMember(pub Option<ConsumerGroupMemberMetadataClassicMemberMetadata>);

impl MaybeClassicMember {
    /// What a record means that leaves it out.
    pub fn unset() -> Self {
        Self(Some(ConsumerGroupMemberMetadataClassicMemberMetadata::default()))
    }
}

impl Default for MaybeClassicMember {
    fn default() -> Self {
        Self::unset()
    }
}

impl ToJson for MaybeClassicMember {
    fn to_json(&self, version: i16) -> Json {
        self.0.to_json(version)
    }
}

impl Wire for MaybeClassicMember {
    fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        put_uvarint(u32::from(self.0.is_some()), out);
        self.0.as_ref().map_or(Ok(()), |member| member.put(at, out))
    }
    fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        Ok(Self(match get_uvarint(from)? {
            0 => None,
            _ => Some(ConsumerGroupMemberMetadataClassicMemberMetadata::get(at, from)?),
        }))
    }
}
