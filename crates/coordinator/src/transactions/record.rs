//! What a record of `__transaction_state` says: the transactional id in the key, all that is known of it in the value, and no
//! value once it is forgotten. The schemas are those of `record::transaction_log`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_protocol::schema::{Message, SchemaError};
use bytes::Bytes;

use super::state::{NO_PRODUCER_EPOCH, Transaction, TransactionState};
use crate::record::transaction_log::{TransactionLogKey, TransactionLogValue, TransactionPartitions};

/// The record type of a transactional id, the only one of this topic.
const TRANSACTION_LOG: i16 = 0;

/// A record of a coordinator's partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionRecord {
    /// The id.
    pub transactional_id: Arc<str>,
    /// What is known of it, or none if it is forgotten.
    pub value: Option<Transaction>,
    /// The version that the value is written in: 1 from `transaction.version` 1 on.
    pub value_version: i16,
}

/// Why bytes are no record of `__transaction_state`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionRecordError {
    /// Records of this topic have keys.
    #[error("a record of __transaction_state without a key")]
    NoKey,
    /// The key is of a type that is not known.
    #[error("a record of type {0}, which is not known")]
    UnknownType(i16),
    /// Key or value do not follow their schema.
    #[error("{0}")]
    Schema(#[from] SchemaError),
    /// A state that Kafka does not have.
    #[error("unknown transaction state id {0}")]
    UnknownState(i8),
}

impl TransactionRecord {
    /// A step of a transaction at a level of `transaction.version`.
    pub fn new(transactional_id: &Arc<str>, value: Transaction, transaction_version: i16) -> Self {
        let value_version = i16::from(transaction_version >= 1);
        Self { transactional_id: transactional_id.clone(), value: Some(value), value_version }
    }

    /// The id is forgotten.
    pub fn tombstone(transactional_id: &Arc<str>) -> Self {
        Self { transactional_id: transactional_id.clone(), value: None, value_version: 0 }
    }

    /// The bytes of key and value, as Apache Kafka 4.3 writes them.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), SchemaError> {
        let mut key = TRANSACTION_LOG.to_be_bytes().to_vec();
        TransactionLogKey { transactional_id: self.transactional_id.to_string() }.encode(0, &mut key)?;
        let value = self.value.as_ref().map(|value| to_value(value).to_vec_with_version(self.value_version));
        Ok((key.into(), value.transpose()?.map(Bytes::from)))
    }

    /// Reads a record.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, TransactionRecordError> {
        let key = key.ok_or(TransactionRecordError::NoKey)?;
        let (type_bytes, mut rest) = key.split_first_chunk::<2>().ok_or(TransactionRecordError::NoKey)?;
        let key_type = i16::from_be_bytes(*type_bytes);
        if key_type != TRANSACTION_LOG {
            return Err(TransactionRecordError::UnknownType(key_type));
        }
        let transactional_id = TransactionLogKey::decode(0, &mut rest)?.transactional_id.into();
        let Some(value) = value else { return Ok(Self { transactional_id, value: None, value_version: 0 }) };
        let (value_version, value) = TransactionLogValue::from_slice_with_version(value)?;
        Ok(Self { transactional_id, value: Some(from_value(value)?), value_version })
    }
}

fn to_value(of: &Transaction) -> TransactionLogValue {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in &of.partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter();
    let partitions =
        topics.map(|(topic, partition_ids)| TransactionPartitions { topic: topic.to_owned(), partition_ids });
    TransactionLogValue {
        producer_id: of.producer_id,
        previous_producer_id: of.previous_producer_id,
        next_producer_id: of.next_producer_id,
        producer_epoch: of.producer_epoch,
        next_producer_epoch: of.next_producer_epoch,
        transaction_timeout_ms: of.timeout_ms,
        transaction_status: of.state.id(),
        transaction_partitions: (of.state != TransactionState::Empty).then(|| partitions.collect()),
        transaction_last_update_timestamp_ms: of.update_ms,
        transaction_start_timestamp_ms: of.start_ms,
        client_transaction_version: of.client_version,
    }
}

fn from_value(value: TransactionLogValue) -> Result<Transaction, TransactionRecordError> {
    let id = value.transaction_status;
    let mut partitions = BTreeSet::new();
    for topic in value.transaction_partitions.unwrap_or_default() {
        let name: Arc<str> = topic.topic.into();
        partitions.extend(topic.partition_ids.into_iter().map(|partition| (name.clone(), partition)));
    }
    Ok(Transaction {
        producer_id: value.producer_id,
        previous_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        producer_epoch: value.producer_epoch,
        last_producer_epoch: NO_PRODUCER_EPOCH,
        next_producer_epoch: value.next_producer_epoch,
        timeout_ms: value.transaction_timeout_ms,
        state: TransactionState::from_id(id).ok_or(TransactionRecordError::UnknownState(id))?,
        partitions,
        start_ms: value.transaction_start_timestamp_ms,
        update_ms: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    })
}
