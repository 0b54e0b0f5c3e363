//! The records of `__transaction_state`, from the facts of Kafka 4.3's schemas.

use andiron_protocol::message;

use super::json::{PrintError, PrintedRecord, print, split_key};

message! {
    /// The key of record type 0.
    pub struct TransactionLogKey(versions 0..=0) {
        /// The transactional id.
        transactional_id: String [0..],
    }
    /// The value of record type 0.
    pub struct TransactionLogValue(versions 0..=1, flexible 1..) {
        /// The producer id in use.
        producer_id: i64 [0..],
        /// The producer id before it.
        previous_producer_id: i64 [1.., tag 0] = -1,
        /// The producer id that the producer was told to use from now on.
        next_producer_id: i64 [1.., tag 1] = -1,
        /// The epoch in use.
        producer_epoch: i16 [0..],
        /// The epoch that goes with the next producer id.
        next_producer_epoch: i16 [1.., tag 3] = -1,
        /// After so long an open transaction is aborted.
        transaction_timeout_ms: i32 [0..],
        /// The number of the transaction's state.
        transaction_status: i8 [0..],
        /// Its partitions.
        transaction_partitions: Option<Vec<TransactionPartitions>> [0..] = Some(Vec::new()),
        /// When it last changed, in ms.
        transaction_last_update_timestamp_ms: i64 [0..],
        /// When it began, in ms.
        transaction_start_timestamp_ms: i64 [0..],
        /// The transaction version of the client.
        client_transaction_version: i16 [1.., tag 2],
    }
    /// Partitions of a topic that a transaction wrote to.
    pub struct TransactionPartitions(part) {
        /// The topic.
        topic: String [0..],
        /// Its partitions.
        partition_ids: Vec<i32> [0..],
    }
}

/// Reads a record of `__transaction_state` to be printed.
pub fn transaction_to_json(key: &[u8], value: Option<&[u8]>) -> Result<PrintedRecord, PrintError> {
    let (key_type, fields) = split_key(key)?;
    match key_type {
        0 => print::<TransactionLogKey, TransactionLogValue>(key_type, fields, value),
        _ => Err(PrintError::UnknownType(key_type)),
    }
}
