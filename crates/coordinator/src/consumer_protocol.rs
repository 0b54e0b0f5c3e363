//! What consumers of the classic protocol say to each other through the broker: the topics they want, and what they are
//! given. The broker reads it to know what a group is subscribed to, and to keep classic members in a consumer group.

use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Message, SchemaError};

message! {
    /// What a consumer says when it joins (Kafka: ConsumerProtocolSubscription).
    pub struct Subscription(versions 0..=3) {
        /// The topics it wants.
        topics: Vec<String> [0..],
        /// Bytes that only its assignor understands.
        user_data: Option<Bytes> [0..],
        /// What it has.
        owned_partitions: Vec<OwnedPartitions> [1..],
        /// In which generation it got that.
        generation_id: i32 [2..] = -1,
        /// The rack it is in.
        rack_id: Option<String> [3..],
    }
    /// Part of it.
    pub struct OwnedPartitions(part) {
        /// The topic.
        topic: String [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
    /// What a consumer is given (Kafka: ConsumerProtocolAssignment).
    pub struct Assignment(versions 0..=3) {
        /// The partitions.
        assigned_partitions: Vec<AssignedPartitions> [0..],
        /// Bytes that only its assignor understands.
        user_data: Option<Bytes> [0..],
    }
    /// Part of it.
    pub struct AssignedPartitions(part) {
        /// The topic.
        topic: String [0..],
        /// The partitions.
        partitions: Vec<i32> [0..],
    }
}

/// The newest version that is known; a newer one is read as this one, as its beginning is the same.
const NEWEST: i16 = 3;

/// The version before the bytes, within what is known.
pub(crate) fn version(bytes: &[u8]) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    (version >= 0).then(|| version.min(NEWEST))
}

fn read<M: Message>(bytes: &[u8]) -> Option<M> {
    let version = version(bytes)?;
    M::decode(version, &mut bytes.get(2..)?).ok()
}

/// What a member wants, if it can be read.
pub(crate) fn subscription(bytes: &[u8]) -> Option<Subscription> {
    read(bytes)
}

/// What a member was given, if it can be read.
pub(crate) fn assignment(bytes: &[u8]) -> Option<Assignment> {
    read(bytes)
}

impl Assignment {
    /// The bytes in a version, with the version before them.
    pub(crate) fn to_bytes(&self, version: i16) -> Result<Bytes, SchemaError> {
        self.to_vec_with_version(version).map(Bytes::from)
    }
}
