//! What members of a classic group say to one another: the bytes of `ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`, and the sticky assignors' user data. The coordinator passes them on unread.
//!
//! They come from other members, so every length is held against the bytes that follow it. A newer version is read as
//! the newest that is known here: fields are only ever added at the end.

use std::sync::Arc;

use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Message, SchemaError};

use crate::cluster::TopicPartition;

message! {
    /// What a member wants and holds.
    pub struct Subscription(versions 0..=3) {
        /// The topics wanted.
        topics: Vec<String> [0..],
        /// The assignor's own.
        user_data: Option<Bytes> [0..],
        /// What the member holds (cooperative rebalances).
        owned_partitions: Vec<OfTopic> [1..],
        /// The generation it holds them by.
        generation_id: i32 [2..] = -1,
        /// `client.rack`.
        rack_id: Option<String> [3..],
    }
    /// What a member is given.
    pub struct Assignment(versions 0..=3) {
        /// The partitions.
        assigned_partitions: Vec<OfTopic> [0..],
        /// The assignor's own.
        user_data: Option<Bytes> [0..],
    }
    /// Partitions of one topic.
    pub struct OfTopic(part) {
        /// The topic.
        topic: String [0..],
        /// Its partitions.
        partitions: Vec<i32> [0..],
    }
    /// `StickyAssignor`'s user data: what its member held, since an eager member holds nothing while it joins.
    pub struct StickyUserData(versions 1..=1) {
        /// The partitions.
        previous_assignment: Vec<OfTopic> [0..],
        /// The generation it held them by.
        generation: i32 [1..] = -1,
    }
}

/// The version written; it is in front of the structure.
const NEWEST: i16 = 3;
/// Cooperative user data are a bare generation.
const GENERATION_BYTES: usize = 4;

/// Partitions grouped by topic, each list in order.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<OfTopic> {
    let mut sorted: Vec<&TopicPartition> = partitions.iter().collect();
    sorted.sort();
    let mut topics: Vec<OfTopic> = Vec::new();
    for partition in sorted {
        match topics.last_mut() {
            Some(last) if last.topic == *partition.topic => last.partitions.push(partition.partition),
            _ => topics.push(OfTopic { topic: partition.topic.to_string(), partitions: vec![partition.partition] }),
        }
    }
    topics
}

/// The opposite of [`by_topic`].
pub(crate) fn flatten(topics: &[OfTopic]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for of_topic in topics {
        let topic: Arc<str> = Arc::from(of_topic.topic.as_str());
        partitions.extend(of_topic.partitions.iter().map(|p| TopicPartition::new(topic.clone(), *p)));
    }
    partitions
}

/// A structure behind the version that it is written in.
pub(crate) fn write(message: &impl Message) -> Result<Bytes, SchemaError> {
    message.to_vec_with_version(NEWEST).map(Bytes::from)
}

/// Reads what [`write`] wrote, here or in another client.
pub(crate) fn read<M: Message>(bytes: &[u8]) -> Result<M, SchemaError> {
    let mut from = bytes;
    let version = i16::from_be_bytes(andiron_protocol::schema::take(&mut from)?);
    if version < 0 {
        return Err(SchemaError::Version { name: M::NAME, version: i32::from(version) });
    }
    M::decode(version.min(NEWEST), &mut from)
}

/// An assignment; an empty one, as a leader gives to members it knows nothing for, may be no bytes at all.
pub(crate) fn read_assignment(bytes: &[u8]) -> Result<Vec<TopicPartition>, SchemaError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(flatten(&read::<Assignment>(bytes)?.assigned_partitions))
}

/// The user data of `StickyAssignor`.
pub(crate) fn write_sticky(held: &[TopicPartition], generation: i32) -> Result<Bytes, SchemaError> {
    let data = StickyUserData { previous_assignment: by_topic(held), generation };
    data.to_vec(1).map(Bytes::from)
}

/// What a member of `StickyAssignor` held; nothing if the user data are not its own. Before version 1 no generation was written.
pub(crate) fn read_sticky(user_data: &[u8]) -> (Vec<TopicPartition>, i32) {
    let mut from = user_data;
    if let Ok(data) = StickyUserData::decode(1, &mut from) {
        return (flatten(&data.previous_assignment), data.generation);
    }
    (Vec::new(), -1)
}

/// The user data of `CooperativeStickyAssignor`.
pub(crate) fn write_generation(generation: i32) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// The generation in the user data of `CooperativeStickyAssignor`, from members whose subscription has no field for it.
pub(crate) fn read_generation(user_data: &[u8]) -> Option<i32> {
    user_data.first_chunk::<GENERATION_BYTES>().map(|bytes| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
