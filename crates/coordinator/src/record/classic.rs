//! The records of classic groups and of committed offsets, in the notation of `protocol::schema`.

use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Uuid};

message! {
    /// The key of record type 0.
    pub struct LegacyOffsetCommitKey(versions 0..=0) {
        /// The group.
        group: String [0..],
        /// The topic.
        topic: String [0..],
        /// The partition.
        partition: i32 [0..],
    }
    /// The value of record type 0.
    pub struct LegacyOffsetCommitValue(versions 0..=0) {
        /// Where the group goes on reading.
        offset: i64 [0..],
        /// Text that the client wants back with the offset.
        metadata: String [0..],
        /// When it was committed, in ms.
        commit_timestamp: i64 [0..],
    }
    /// The key of record type 1.
    pub struct OffsetCommitKey(versions 0..=0) {
        /// The group.
        group: String [0..],
        /// The topic.
        topic: String [0..],
        /// The partition.
        partition: i32 [0..],
    }
    /// The value of record type 1.
    pub struct OffsetCommitValue(versions 0..=4, flexible 4..) {
        /// Where the group goes on reading.
        offset: i64 [0..],
        /// The leader epoch of the last record read, or -1.
        leader_epoch: i32 [3..] = -1,
        /// Text that the client wants back with the offset.
        metadata: String [0..],
        /// When it was committed, in ms.
        commit_timestamp: i64 [0..],
        /// When the offset expires if the client asked for a time of its own, or -1.
        expire_timestamp: i64 [1..=1] = -1,
        /// The topic's id.
        topic_id: Uuid [4.., tag 0],
    }
    /// The key of record type 2.
    pub struct GroupMetadataKey(versions 0..=0) {
        /// The group.
        group: String [0..],
    }
    /// The value of record type 2.
    pub struct GroupMetadataValue(versions 0..=4, flexible 4..) {
        /// `consumer`, `connect` or what else the members share out by; empty before the first of them.
        protocol_type: String [0..],
        /// Counts the completed rebalances.
        generation: i32 [0..],
        /// The assignment strategy chosen.
        protocol: Option<String> [0..],
        /// The member that makes the assignment.
        leader: Option<String> [0..],
        /// Since when the group is in its state, in ms.
        current_state_timestamp: i64 [2..] = -1,
        /// The members.
        members: Vec<GroupMetadataMemberMetadata> [0..],
    }
    /// Part of the value.
    pub struct GroupMetadataMemberMetadata(part) {
        /// The member.
        member_id: String [0..],
        /// The name a static member keeps over restarts.
        group_instance_id: Option<String> [3..],
        /// Its `client.id`.
        client_id: String [0..],
        /// Its address, as Java prints one.
        client_host: String [0..],
        /// How long it may take to join again, in ms; -1 in old records: its session timeout.
        rebalance_timeout: i32 [1..] = -1,
        /// Its session timeout in ms.
        session_timeout: i32 [0..],
        /// What it gave with the chosen strategy when it joined.
        subscription: Bytes [0..],
        /// What the leader gave it.
        assignment: Bytes [0..],
    }
}

impl OffsetCommitKey {
    /// The offset of a group in a partition.
    pub fn new(group: &str, topic: &str, partition: i32) -> Self {
        OffsetCommitKey { group: group.to_owned(), topic: topic.to_owned(), partition }
    }
}
