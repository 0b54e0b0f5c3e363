//! Why a request about a transaction is refused, and for each the one place where it becomes Kafka's code.

use andiron_protocol::ErrorCode;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// An empty transactional id.
    #[error("the transactional id is empty")]
    EmptyId,
    /// Not positive, or longer than `transaction.max.timeout.ms`.
    #[error("the transaction timeout is out of range")]
    InvalidTimeout,
    /// No such transactional id, or it has another producer id.
    #[error("the producer id is not the transactional id's")]
    UnknownMapping,
    /// Another producer has taken the transactional id over, or its transaction timed out.
    #[error("the producer has an old epoch")]
    Fenced,
    /// The transaction before has not completed.
    #[error("another transaction of the producer is completing")]
    Concurrent,
    /// What is asked for does not follow from the state.
    #[error("the transaction's state does not allow it")]
    InvalidState,
    /// The partition is not in the transaction, which can only be aborted.
    #[error("the partition was not added to the transaction")]
    NotAdded,
    /// There is no such transactional id.
    #[error("there is no such transactional id")]
    NotFound,
    /// The pattern of a ListTransactions cannot be used.
    #[error("the pattern is no regular expression")]
    InvalidPattern,
    /// The coordinator's log refused the record.
    #[error("the record could not be written: {0:?}")]
    NotWritten(ErrorCode),
}

impl TransactionError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::EmptyId => ErrorCode::InvalidRequest,
            Self::InvalidTimeout => ErrorCode::InvalidTransactionTimeout,
            Self::UnknownMapping => ErrorCode::InvalidProducerIdMapping,
            Self::Fenced => ErrorCode::ProducerFenced,
            Self::Concurrent => ErrorCode::ConcurrentTransactions,
            Self::InvalidState => ErrorCode::InvalidTxnState,
            Self::NotAdded => ErrorCode::TransactionAbortable,
            Self::NotFound => ErrorCode::TransactionalIdNotFound,
            Self::InvalidPattern => ErrorCode::InvalidRegularExpression,
            Self::NotWritten(code) => code,
        }
    }
}
