//! What a record of `__consumer_offsets` says: the type is the first two bytes of its key, the version the first two
//! of its value, and no value means that what the key names is gone.
//!
//! Groups of both protocols and committed offsets are understood. The records of other kinds of groups (share, streams)
//! are told apart and otherwise left alone: they stay in the log for the program that wrote them.

pub mod classic;
pub mod consumer;
pub mod json;
pub mod membership;
pub mod share;
pub mod share_state;
pub mod streams;
pub mod transaction_log;
mod types;

use andiron_protocol::batch::{ControlType, EndTxnMarker, control_key};
use andiron_protocol::schema::{Message, SchemaError};
use bytes::Bytes;

pub use transaction_log::transaction_to_json;
pub use types::{round_trip, to_json, type_name};

use crate::effects::EndOfTransaction;
use classic::{GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitKey, OffsetCommitKey, OffsetCommitValue};
use membership::GroupChange;

/// A record of a coordinator's partition.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Key types 0 and 1: a committed offset.
    OffsetCommit {
        /// Whose offset of which partition.
        key: OffsetCommitKey,
        /// The offset, or none if it is deleted or expired.
        value: Option<OffsetCommitValue>,
    },
    /// The same in a batch of a producer's transaction: it counts when the transaction commits.
    OffsetInTransaction {
        /// The producer.
        producer_id: i64,
        /// Its epoch.
        producer_epoch: i16,
        /// Whose offset of which partition.
        key: OffsetCommitKey,
        /// The offset.
        value: OffsetCommitValue,
    },
    /// A control record: the marker that ends a producer's transaction.
    EndOfTransaction(EndOfTransaction),
    /// Key type 2: a classic group as of its last completed rebalance.
    GroupMetadata {
        /// The group.
        group: String,
        /// The generation and its members, or none if the group is deleted.
        value: Option<GroupMetadataValue>,
    },
    /// Key types 3 to 8 and 16: a consumer group.
    ConsumerGroup(GroupChange),
    /// Any other key type, as it lies in the log.
    Other {
        /// The first two bytes of the key.
        key_type: i16,
        /// The whole key.
        key: Bytes,
        /// The whole value.
        value: Option<Bytes>,
    },
}

/// Why bytes are no record of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Records of this topic have keys.
    #[error("a record of __consumer_offsets without a key")]
    NoKey,
    /// The key does not follow its schema.
    #[error("the key of a record of type {key_type}: {error}")]
    Key {
        /// The first two bytes of the key.
        key_type: i16,
        /// What is wrong.
        error: SchemaError,
    },
    /// The value does not follow its schema.
    #[error("the value of a record of type {key_type}: {error}")]
    Value {
        /// The first two bytes of the key.
        key_type: i16,
        /// What is wrong.
        error: SchemaError,
    },
}

/// Key type of a commit of brokers before 0.9.
const LEGACY_OFFSET_COMMIT: i16 = 0;
/// Key type of a committed offset.
const OFFSET_COMMIT: i16 = 1;
/// Key type of a classic group.
const GROUP_METADATA: i16 = 2;

/// The version that classic groups are written in.
const GROUP_VALUE_VERSION: i16 = 3;
/// The version that offsets are written in.
const OFFSET_VALUE_VERSION: i16 = 4;
/// An offset with an expiry of its own: only this version has the field.
const OFFSET_VALUE_VERSION_WITH_EXPIRY: i16 = 1;

impl Record {
    /// A committed offset is gone.
    pub fn offset_tombstone(group: &str, topic: &str, partition: i32) -> Self {
        Self::OffsetCommit { key: OffsetCommitKey::new(group, topic, partition), value: None }
    }

    /// A group is gone.
    pub fn group_tombstone(group: &str) -> Self {
        Self::GroupMetadata { group: group.into(), value: None }
    }

    /// The bytes of key and value, as Apache Kafka 4.3 writes them.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), SchemaError> {
        Ok(match self {
            Self::OffsetCommit { key, value } => {
                let value = value.as_ref().map(|value| value.to_vec_with_version(offset_value_version(value)));
                (with_type(OFFSET_COMMIT, key)?, value.transpose()?.map(Bytes::from))
            }
            Self::OffsetInTransaction { key, value, .. } => {
                let value = value.to_vec_with_version(offset_value_version(value))?;
                (with_type(OFFSET_COMMIT, key)?, Some(Bytes::from(value)))
            }
            Self::EndOfTransaction(end) => {
                let kind = if end.committed { ControlType::Commit } else { ControlType::Abort };
                let value = EndTxnMarker { coordinator_epoch: end.coordinator_epoch }.to_bytes();
                (Bytes::copy_from_slice(&control_key(kind)), Some(Bytes::copy_from_slice(&value)))
            }
            Self::GroupMetadata { group, value } => {
                let value = value.as_ref().map(|value| value.to_vec_with_version(GROUP_VALUE_VERSION));
                let key = GroupMetadataKey { group: group.clone() };
                (with_type(GROUP_METADATA, &key)?, value.transpose()?.map(Bytes::from))
            }
            Self::ConsumerGroup(change) => change.encode()?,
            Self::Other { key, value, .. } => (key.clone(), value.clone()),
        })
    }

    /// The record as one of a batch of a producer's transaction.
    pub fn in_transaction(self, producer_id: i64, producer_epoch: i16) -> Self {
        match self {
            Self::OffsetCommit { key, value: Some(value) } => {
                Self::OffsetInTransaction { producer_id, producer_epoch, key, value }
            }
            other => other,
        }
    }

    /// Reads a record of any age and of any kind of group.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, RecordError> {
        let whole_key = key.ok_or(RecordError::NoKey)?;
        let (type_bytes, mut rest) = whole_key.split_first_chunk::<2>().ok_or(RecordError::NoKey)?;
        let key_type = i16::from_be_bytes(*type_bytes);
        let bad_key = |error| RecordError::Key { key_type, error };
        let bad_value = |error| RecordError::Value { key_type, error };
        match key_type {
            LEGACY_OFFSET_COMMIT => {
                let key = LegacyOffsetCommitKey::decode(0, &mut rest).map_err(bad_key)?;
                let key = OffsetCommitKey { group: key.group, topic: key.topic, partition: key.partition };
                // Its value is version 0 of today's.
                let value = value.map(OffsetCommitValue::from_slice_with_version).transpose().map_err(bad_value)?;
                Ok(Self::OffsetCommit { key, value: value.map(|(_, value)| value) })
            }
            OFFSET_COMMIT => {
                let key = OffsetCommitKey::decode(0, &mut rest).map_err(bad_key)?;
                let value = value.map(OffsetCommitValue::from_slice_with_version).transpose().map_err(bad_value)?;
                Ok(Self::OffsetCommit { key, value: value.map(|(_, value)| value) })
            }
            GROUP_METADATA => {
                let key = GroupMetadataKey::decode(0, &mut rest).map_err(bad_key)?;
                let value = value.map(GroupMetadataValue::from_slice_with_version).transpose().map_err(bad_value)?;
                Ok(Self::GroupMetadata { group: key.group, value: value.map(|(_, value)| value) })
            }
            _ if GroupChange::has_type(key_type) => {
                Ok(Self::ConsumerGroup(GroupChange::decode(key_type, &mut rest, value)?))
            }
            _ => Ok(Self::Other {
                key_type,
                key: Bytes::copy_from_slice(whole_key),
                value: value.map(Bytes::copy_from_slice),
            }),
        }
    }
}

fn offset_value_version(value: &OffsetCommitValue) -> i16 {
    if value.expire_timestamp == -1 { OFFSET_VALUE_VERSION } else { OFFSET_VALUE_VERSION_WITH_EXPIRY }
}

fn with_type(key_type: i16, key: &impl Message) -> Result<Bytes, SchemaError> {
    let mut out = key_type.to_be_bytes().to_vec();
    key.encode(0, &mut out)?;
    Ok(out.into())
}
