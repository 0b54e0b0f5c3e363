//! The records of a consumer group (KIP-848), key types 3 to 8 and 16: the group, who belongs to it, who is to have what,
//! and who has it.

use andiron_protocol::schema::{Message, SchemaError};
use bytes::Bytes;

use super::consumer::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey, ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue, ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue, ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
};
use super::{RecordError, with_type};

/// What a record says; no value means that it is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Key type 3: the epoch of the group.
    Epoch(Option<ConsumerGroupMetadataValue>),
    /// Key type 4: the topics as Kafka before 4.1 wrote them down; only ever removed here.
    Topics(Option<ConsumerGroupPartitionMetadataValue>),
    /// Key type 5: a member and what it wants.
    Member(String, Option<ConsumerGroupMemberMetadataValue>),
    /// Key type 6: for which epoch the target assignment was made.
    TargetEpoch(Option<ConsumerGroupTargetAssignmentMetadataValue>),
    /// Key type 7: what a member is to have.
    Target(String, Option<ConsumerGroupTargetAssignmentMemberValue>),
    /// Key type 8: what a member has.
    Current(String, Option<ConsumerGroupCurrentMemberAssignmentValue>),
    /// Key type 16: the topics that a pattern matches.
    Pattern(String, Option<ConsumerGroupRegularExpressionValue>),
}

/// A record of one consumer group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupChange {
    /// The group.
    pub group: String,
    /// What is said of it.
    pub change: Change,
}

/// Values of these records have one version only.
const VERSION: i16 = 0;

fn bytes<V: Message>(value: Option<&V>) -> Result<Option<Bytes>, SchemaError> {
    Ok(value.map(|value| value.to_vec_with_version(VERSION)).transpose()?.map(Bytes::from))
}

impl GroupChange {
    /// Whether a key of this type belongs to a consumer group.
    pub(super) fn has_type(key_type: i16) -> bool {
        matches!(key_type, 3..=8 | 16)
    }

    /// The bytes of key and value.
    pub(super) fn encode(&self) -> Result<(Bytes, Option<Bytes>), SchemaError> {
        let group_id = self.group.clone();
        Ok(match &self.change {
            Change::Epoch(value) => (with_type(3, &ConsumerGroupMetadataKey { group_id })?, bytes(value.as_ref())?),
            Change::Topics(value) => {
                (with_type(4, &ConsumerGroupPartitionMetadataKey { group_id })?, bytes(value.as_ref())?)
            }
            Change::Member(member_id, value) => {
                let key = ConsumerGroupMemberMetadataKey { group_id, member_id: member_id.clone() };
                (with_type(5, &key)?, bytes(value.as_ref())?)
            }
            Change::TargetEpoch(value) => {
                (with_type(6, &ConsumerGroupTargetAssignmentMetadataKey { group_id })?, bytes(value.as_ref())?)
            }
            Change::Target(member_id, value) => {
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: member_id.clone() };
                (with_type(7, &key)?, bytes(value.as_ref())?)
            }
            Change::Current(member_id, value) => {
                let key = ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: member_id.clone() };
                (with_type(8, &key)?, bytes(value.as_ref())?)
            }
            Change::Pattern(pattern, value) => {
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: pattern.clone() };
                (with_type(16, &key)?, bytes(value.as_ref())?)
            }
        })
    }

    /// Reads a record whose key has one of these types.
    pub(super) fn decode(key_type: i16, key: &mut &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        fn key_of<K: Message>(key_type: i16, key: &mut &[u8]) -> Result<K, RecordError> {
            K::decode(0, key).map_err(|error| RecordError::Key { key_type, error })
        }
        fn value_of<V: Message>(key_type: i16, value: Option<&[u8]>) -> Result<Option<V>, RecordError> {
            let read = value.map(V::from_slice_with_version).transpose();
            Ok(read.map_err(|error| RecordError::Value { key_type, error })?.map(|(_, value)| value))
        }
        let (group, change) = match key_type {
            3 => {
                let key: ConsumerGroupMetadataKey = key_of(key_type, key)?;
                (key.group_id, Change::Epoch(value_of(key_type, value)?))
            }
            4 => {
                let key: ConsumerGroupPartitionMetadataKey = key_of(key_type, key)?;
                (key.group_id, Change::Topics(value_of(key_type, value)?))
            }
            5 => {
                let key: ConsumerGroupMemberMetadataKey = key_of(key_type, key)?;
                (key.group_id, Change::Member(key.member_id, value_of(key_type, value)?))
            }
            6 => {
                let key: ConsumerGroupTargetAssignmentMetadataKey = key_of(key_type, key)?;
                (key.group_id, Change::TargetEpoch(value_of(key_type, value)?))
            }
            7 => {
                let key: ConsumerGroupTargetAssignmentMemberKey = key_of(key_type, key)?;
                (key.group_id, Change::Target(key.member_id, value_of(key_type, value)?))
            }
            8 => {
                let key: ConsumerGroupCurrentMemberAssignmentKey = key_of(key_type, key)?;
                (key.group_id, Change::Current(key.member_id, value_of(key_type, value)?))
            }
            _ => {
                let key: ConsumerGroupRegularExpressionKey = key_of(key_type, key)?;
                (key.group_id, Change::Pattern(key.regular_expression, value_of(key_type, value)?))
            }
        };
        Ok(Self { group, change })
    }
}
