//! What goes wrong below, in Kafka's codes: one exhaustive match for each kind, so that a new variant asks for its code.

use andiron_protocol::ErrorCode;
use andiron_replication::partition::Refusal;
use andiron_storage::{AppendError, LogError, ReadError, RecordError};

use crate::shard::{AppendRefused, ReadRefused};

/// The code of a refused append, what to say about it, and which records are to blame.
pub(crate) fn append(refused: &AppendRefused) -> (ErrorCode, Option<String>, Vec<RecordError>) {
    match refused {
        AppendRefused::Partition(refusal) => {
            let code = match refusal {
                Refusal::NotLeader => ErrorCode::NotLeaderOrFollower,
                Refusal::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
                Refusal::Busy => ErrorCode::ThrottlingQuotaExceeded,
            };
            (code, None, Vec::new())
        }
        AppendRefused::Gone => (ErrorCode::UnknownTopicOrPartition, None, Vec::new()),
        AppendRefused::Log(error) => log_append(error),
    }
}

fn log_append(error: &AppendError) -> (ErrorCode, Option<String>, Vec<RecordError>) {
    let code = match error {
        AppendError::Corrupt(_) => ErrorCode::CorruptMessage,
        AppendError::UnsupportedCompression(_) => ErrorCode::UnsupportedCompressionType,
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
        AppendError::InvalidRecord { message, records } => {
            return (ErrorCode::InvalidRecord, Some(message.clone()), records.clone());
        }
        AppendError::InvalidTimestamp { message, records } => {
            return (ErrorCode::InvalidTimestamp, Some(message.clone()), records.clone());
        }
        AppendError::OutOfOrderSequence(_) => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::InvalidProducerEpoch(_) => ErrorCode::InvalidProducerEpoch,
        AppendError::InvalidTxnState(_) => ErrorCode::InvalidTxnState,
        AppendError::TransactionCoordinatorFenced(_) => ErrorCode::TransactionCoordinatorFenced,
        AppendError::Log(error) => return (log(error), None, Vec::new()),
    };
    (code, None, Vec::new())
}

/// The code of a refused read.
pub(crate) fn read(refused: &ReadRefused) -> ErrorCode {
    match refused {
        ReadRefused::NotLeader => ErrorCode::NotLeaderOrFollower,
        ReadRefused::Epoch(code) => *code,
        ReadRefused::Log(ReadError::OffsetOutOfRange { .. }) => ErrorCode::OffsetOutOfRange,
        ReadRefused::Log(ReadError::Log(error)) => log(error),
    }
}

/// The code of a log that does not work.
pub(crate) fn log(error: &LogError) -> ErrorCode {
    match error {
        LogError::Io { .. } | LogError::Offline(_) | LogError::Inconsistent { .. } => ErrorCode::KafkaStorageError,
    }
}
