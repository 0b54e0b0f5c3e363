//! The records of streams groups (KIP-1071). They are read so that a log of Apache Kafka can be understood.

use andiron_protocol::message;

message! {
    /// The key of record type 17.
    pub struct StreamsGroupMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 17.
    pub struct StreamsGroupMetadataValue(versions 0..=0, flexible 0..) {
        /// The epoch of the group.
        epoch: i32 [0..],
        /// A hash over the topics the group reads, to see them change.
        metadata_hash: i64 [0..],
        /// The topology epoch whose topics were found to exist.
        validated_topology_epoch: i32 [0.., tag 0] = -1,
        /// Settings that the last assignment was made with.
        last_assignment_configs: Option<Vec<StreamsGroupMetadataLastAssignmentConfig>> [0.., tag 1] = Some(Vec::new()),
    }
    /// Part of the value.
    pub struct StreamsGroupMetadataLastAssignmentConfig(part) {
        /// The setting.
        key: String [0..],
        /// Its value.
        value: String [0..],
    }
    /// The key of record type 19.
    pub struct StreamsGroupMemberMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 19.
    pub struct StreamsGroupMemberMetadataValue(versions 0..=0, flexible 0..) {
        /// The name a static member keeps over restarts.
        instance_id: Option<String> [0..],
        /// The rack the member is in.
        rack_id: Option<String> [0..],
        /// Its `client.id`.
        client_id: String [0..],
        /// Its address, as Java prints one.
        client_host: String [0..],
        /// How long it may take to give partitions up.
        rebalance_timeout_ms: i32 [0..] = -1,
        /// The topology the member runs.
        topology_epoch: i32 [0..],
        /// The process it lives in.
        process_id: String [0..],
        /// Where it answers interactive queries.
        user_endpoint: Option<StreamsGroupMemberMetadataEndpoint> [0..],
        /// Tags for rack-aware assignment.
        client_tags: Vec<StreamsGroupMemberMetadataKeyValue> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupMemberMetadataEndpoint(part) {
        /// The host.
        host: String [0..],
        /// The port.
        port: u16 [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupMemberMetadataKeyValue(part) {
        /// The setting.
        key: String [0..],
        /// Its value.
        value: String [0..],
    }
    /// The key of record type 20.
    pub struct StreamsGroupTargetAssignmentMetadataKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 20.
    pub struct StreamsGroupTargetAssignmentMetadataValue(versions 0..=0, flexible 0..) {
        /// The group epoch that the assignment was made for.
        assignment_epoch: i32 [0..],
        /// When the assignment was ready, in ms.
        assignment_timestamp: i64 [0.., tag 0],
    }
    /// The key of record type 21.
    pub struct StreamsGroupTargetAssignmentMemberKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 21.
    pub struct StreamsGroupTargetAssignmentMemberValue(versions 0..=0, flexible 0..) {
        /// Tasks that it processes.
        active_tasks: Vec<StreamsGroupTargetAssignmentMemberTaskIds> [0..],
        /// Tasks whose state it keeps in reserve.
        standby_tasks: Vec<StreamsGroupTargetAssignmentMemberTaskIds> [0..],
        /// Tasks whose state it is building up.
        warmup_tasks: Vec<StreamsGroupTargetAssignmentMemberTaskIds> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupTargetAssignmentMemberTaskIds(part) {
        /// The subtopology.
        subtopology_id: String [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// The key of record type 22.
    pub struct StreamsGroupCurrentMemberAssignmentKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The member.
        member_id: String [0..],
    }
    /// The value of record type 22.
    pub struct StreamsGroupCurrentMemberAssignmentValue(versions 0..=0, flexible 0..) {
        /// The epoch that the member has reached.
        member_epoch: i32 [0..],
        /// The epoch before it, with which a member that missed the change may still ask.
        previous_member_epoch: i32 [0..],
        /// Where the member stands in its reconciliation.
        state: i8 [0..],
        /// Tasks that it processes.
        active_tasks: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
        /// Tasks whose state it keeps in reserve.
        standby_tasks: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
        /// Tasks whose state it is building up.
        warmup_tasks: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
        /// Active tasks that it must give up first.
        active_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
        /// Standby tasks that it must give up first.
        standby_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
        /// Warm-up tasks that it must give up first.
        warmup_tasks_pending_revocation: Vec<StreamsGroupCurrentMemberAssignmentTaskIds> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupCurrentMemberAssignmentTaskIds(part) {
        /// The subtopology.
        subtopology_id: String [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
        /// Since which epoch each partition is the member's, in the order of `partitions`.
        assignment_epochs: Option<Vec<i32>> [0.., tag 0] = Some(Vec::new()),
    }
    /// The key of record type 23.
    pub struct StreamsGroupTopologyKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
    }
    /// The value of record type 23.
    pub struct StreamsGroupTopologyValue(versions 0..=0, flexible 0..) {
        /// The epoch of the topology.
        epoch: i32 [0..],
        /// The parts of the application that run on their own.
        subtopologies: Vec<StreamsGroupTopologySubtopology> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupTopologySubtopology(part) {
        /// The subtopology.
        subtopology_id: String [0..],
        /// Topics it reads; in a copartition group their places in the list above.
        source_topics: Vec<String> [0..],
        /// Patterns of topics it reads; in a copartition group their places in the list above.
        source_topic_regex: Vec<String> [0..],
        /// Topics that back its state.
        state_changelog_topics: Vec<StreamsGroupTopologyTopicInfo> [0..],
        /// Repartition topics it writes.
        repartition_sink_topics: Vec<String> [0..],
        /// Repartition topics it reads; in a copartition group their places in the list above.
        repartition_source_topics: Vec<StreamsGroupTopologyTopicInfo> [0..],
        /// Source topics that must be cut into the same partitions.
        copartition_groups: Vec<StreamsGroupTopologyCopartitionGroup> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupTopologyTopicConfig(part) {
        /// The setting.
        key: String [0..],
        /// Its value.
        value: String [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupTopologyTopicInfo(part) {
        /// The name.
        name: String [0..],
        /// How many partitions, or 0 for no fixed number.
        partitions: i32 [0..],
        /// Replicas, or 0 for the default.
        replication_factor: i16 [0..],
        /// Settings of the topic.
        topic_configs: Vec<StreamsGroupTopologyTopicConfig> [0..],
    }
    /// Part of the value.
    pub struct StreamsGroupTopologyCopartitionGroup(part) {
        /// Topics it reads; in a copartition group their places in the list above.
        source_topics: Vec<i16> [0..],
        /// Patterns of topics it reads; in a copartition group their places in the list above.
        source_topic_regex: Vec<i16> [0..],
        /// Repartition topics it reads; in a copartition group their places in the list above.
        repartition_source_topics: Vec<i16> [0..],
    }
}
