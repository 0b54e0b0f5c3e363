//! What the members of a classic consumer group say to one another through the broker (Kafka: ConsumerProtocolSubscription,
//! ConsumerProtocolAssignment): the topics that they want, and what they are given. A version stands in front of each.
//!
//! It comes from other members, so every length is held against the bytes that follow it. A newer version is read as the newest
//! that is known here: fields are only ever added at the end.

use crate::message;
use crate::schema::{Bytes, Message, SchemaError, take};

message! {
    /// What a member says when it joins.
    pub struct Subscription(versions 0..=3) {
        /// The topics that it wants.
        topics: Vec<String> [0..],
        /// Bytes that only its assignor understands.
        user_data: Option<Bytes> [0..],
        /// What it holds (cooperative rebalances).
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
        /// Bytes that only its assignor understands.
        user_data: Option<Bytes> [0..],
    }
    /// Partitions of one topic.
    pub struct OfTopic(part) {
        /// The topic.
        topic: String [0..],
        /// Its partitions.
        partitions: Vec<i32> [0..],
    }
}

/// The newest version that is known.
pub const NEWEST: i16 = 3;

/// The version in front of the bytes, or the newest that is known; none where there is no version.
pub fn version(bytes: &[u8]) -> Option<i16> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    (version >= 0).then(|| version.min(NEWEST))
}

/// A structure behind the version that it is written in.
pub fn write(message: &impl Message, version: i16) -> Result<Bytes, SchemaError> {
    message.to_vec_with_version(version).map(Bytes::from)
}

/// Reads what [`write`] wrote, here or elsewhere.
pub fn read<M: Message>(bytes: &[u8]) -> Result<M, SchemaError> {
    let mut from = bytes;
    let said = i16::from_be_bytes(take(&mut from)?);
    let version = version(bytes).ok_or(SchemaError::Version { name: M::NAME, version: i32::from(said) })?;
    M::decode(version, &mut from)
}

#[cfg(test)]
#[path = "consumer_protocol_tests.rs"]
mod tests;
