//! The records of share groups (KIP-932). They are read so that a log of Apache Kafka can be understood.

use andiron_protocol::message;
use andiron_protocol::schema::Uuid;

message! {
    /// The key of record type 10.
    pub struct ShareGroupMemberMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 10.
    pub struct ShareGroupMemberMetadataValue(versions 0..=0, flexible 0..) {
        /// The rack the member is in.
        rack_id: Option<String> [0..],
        /// Its `client.id`.
        client_id: String [0..],
        /// Its address, as Java prints one.
        client_host: String [0..],
        /// Topics it wants.
        subscribed_topic_names: Vec<String> [0..],
    }
    /// The key of record type 11.
    pub struct ShareGroupMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 11.
    pub struct ShareGroupMetadataValue(versions 0..=0, flexible 0..) {
        /// The epoch of the group.
        epoch: i32 [0..],
        /// A hash over the topics the group reads, to see them change.
        metadata_hash: i64 [0..],
    }
    /// The key of record type 12.
    pub struct ShareGroupTargetAssignmentMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 12.
    pub struct ShareGroupTargetAssignmentMetadataValue(versions 0..=0, flexible 0..) {
        /// The group epoch that the assignment was made for.
        assignment_epoch: i32 [0..],
        /// When the assignment was ready, in ms.
        assignment_timestamp: i64 [0.., tag 0],
    }
    /// The key of record type 13.
    pub struct ShareGroupTargetAssignmentMemberKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 13.
    pub struct ShareGroupTargetAssignmentMemberValue(versions 0..=0, flexible 0..) {
        /// The partitions assigned.
        topic_partitions: Vec<ShareGroupTargetAssignmentMemberTopicPartition> [0..],
    }
    /// Part of the value.
    pub struct ShareGroupTargetAssignmentMemberTopicPartition(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// The key of record type 14.
    pub struct ShareGroupCurrentMemberAssignmentKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 14.
    pub struct ShareGroupCurrentMemberAssignmentValue(versions 0..=0, flexible 0..) {
        /// The epoch that the member has reached.
        member_epoch: i32 [0..],
        /// The epoch before it, with which a member that missed the change may still ask.
        previous_member_epoch: i32 [0..],
        /// Where the member stands in its reconciliation.
        state: i8 [0..],
        /// Partitions it owns.
        assigned_partitions: Vec<ShareGroupCurrentMemberAssignmentTopicPartitions> [0..],
    }
    /// Part of the value.
    pub struct ShareGroupCurrentMemberAssignmentTopicPartitions(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// The key of record type 15.
    pub struct ShareGroupStatePartitionMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 15.
    pub struct ShareGroupStatePartitionMetadataValue(versions 0..=0, flexible 0..) {
        /// Partitions whose share state is being set up.
        initializing_topics: Vec<ShareGroupStatePartitionMetadataTopicPartitionsInfo> [0..],
        /// Partitions whose share state stands.
        initialized_topics: Vec<ShareGroupStatePartitionMetadataTopicPartitionsInfo> [0..],
        /// Topics whose share state is going.
        deleting_topics: Vec<ShareGroupStatePartitionMetadataTopicInfo> [0..],
    }
    /// Part of the value.
    pub struct ShareGroupStatePartitionMetadataTopicPartitionsInfo(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The topic's name.
        topic_name: String [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// Part of the value.
    pub struct ShareGroupStatePartitionMetadataTopicInfo(part) {
        /// The topic's id.
        topic_id: Uuid [0..],
        /// The topic's name.
        topic_name: String [0..],
    }
}
