//! The records of `__share_group_state`, from the facts of Kafka 4.3's schemas. No coordinator here writes them: they are
//! for reading what Apache Kafka wrote.

use andiron_protocol::message;
use andiron_protocol::schema::Uuid;

use super::json::{PrintError, PrintedRecord, print, split_key};

message! {
    /// The key of both record types.
    pub struct SharePartitionKey(versions 0..=0) {
        /// The group.
        group_id: String [0..],
        /// The topic.
        topic_id: Uuid [0..],
        /// The partition.
        partition: i32 [0..],
    }
    /// The value of record type 0: all that is known of a share partition.
    pub struct ShareSnapshotValue(versions 0..=0, flexible 0..) {
        /// Raised with each snapshot.
        snapshot_epoch: i32 [0..],
        /// Raised when the group begins anew.
        state_epoch: i32 [0..],
        /// The epoch of the share partition's leader.
        leader_epoch: i32 [0..],
        /// The first offset that is not done with.
        start_offset: i64 [0..],
        /// Records from there on that are done with; -1 if not counted.
        delivery_complete_count: i32 [0.., tag 0] = -1,
        /// When the state was made, in ms.
        create_timestamp: i64 [0..],
        /// When it was written, in ms.
        write_timestamp: i64 [0..],
        /// The records that were delivered.
        state_batches: Vec<StateBatch> [0..],
    }
    /// The value of record type 1: what changed since the snapshot.
    pub struct ShareUpdateValue(versions 0..=0, flexible 0..) {
        /// The snapshot's epoch.
        snapshot_epoch: i32 [0..],
        /// The epoch of the share partition's leader.
        leader_epoch: i32 [0..],
        /// The first offset that is not done with; -1: as before.
        start_offset: i64 [0..],
        /// Records from there on that are done with; -1 if not counted.
        delivery_complete_count: i32 [0.., tag 0] = -1,
        /// The records whose state changed.
        state_batches: Vec<StateBatch> [0..],
    }
    /// Records of one state.
    pub struct StateBatch(part) {
        /// The first.
        first_offset: i64 [0..],
        /// The last.
        last_offset: i64 [0..],
        /// 0 available, 2 acknowledged, 4 archived.
        delivery_state: i8 [0..],
        /// How often they were delivered.
        delivery_count: i16 [0..],
    }
}

/// Reads a record of `__share_group_state` to be printed.
pub fn to_json(key: &[u8], value: Option<&[u8]>) -> Result<PrintedRecord, PrintError> {
    let (key_type, fields) = split_key(key)?;
    match key_type {
        0 => print::<SharePartitionKey, ShareSnapshotValue>(key_type, fields, value),
        1 => print::<SharePartitionKey, ShareUpdateValue>(key_type, fields, value),
        _ => Err(PrintError::UnknownType(key_type)),
    }
}
