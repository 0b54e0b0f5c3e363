//! What members of a classic group say to one another: partitions in the structures of [`consumer_protocol`], and the sticky
//! assignors' user data.

use std::sync::Arc;

use andiron_protocol::consumer_protocol::{self, NEWEST};
pub(crate) use andiron_protocol::consumer_protocol::{Assignment, OfTopic, Subscription, read};
use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Message, SchemaError};

use crate::cluster::TopicPartition;

message! {
    /// `StickyAssignor`'s user data: what its member held, since an eager member holds nothing while it joins.
    pub struct StickyUserData(versions 1..=1) {
        /// The partitions.
        previous_assignment: Vec<OfTopic> [0..],
        /// The generation it held them by.
        generation: i32 [1..] = -1,
    }
}

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

/// A structure in the newest version.
pub(crate) fn write(message: &impl Message) -> Result<Bytes, SchemaError> {
    consumer_protocol::write(message, NEWEST)
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
