//! What goes into the machine and what comes out of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_replication::machine::Decision;

use super::error::TransactionError;
use super::record::TransactionRecord;
use super::state::{Transaction, TransactionState};

/// A partition of a topic.
pub type Partition = (Arc<str>, i32);

/// A producer at one of its epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

impl Producer {
    /// What an answer says that names none.
    pub const NONE: Producer = Producer { id: -1, epoch: -1 };
}

/// A request, and what the cluster has agreed on when it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The finalised level of `transaction.version`: how records are written, and how the coordinator aborts.
    pub transaction_version: i16,
    /// What is asked.
    pub request: Request,
}

/// A request to the coordinator.
#[derive(Clone, Debug)]
pub enum Request {
    /// InitProducerId of a transactional producer.
    InitProducerId(InitProducerId),
    /// AddPartitionsToTxn of one transaction, AddOffsetsToTxn (the partition is the group's of `__consumer_offsets`), and what
    /// a Produce or a TxnOffsetCommit adds or has verified.
    AddPartitions(AddPartitions),
    /// EndTxn.
    EndTransaction(EndTransaction),
    /// The markers of a [`Response::WriteMarkers`] are written and committed.
    Completed {
        /// Whose.
        transactional_id: Arc<str>,
        /// The producer that the markers name.
        producer: Producer,
    },
    /// DescribeTransactions of one id.
    Describe(Arc<str>),
    /// ListTransactions.
    List(ListFilter),
}

/// What a producer says when it begins.
#[derive(Clone, Debug)]
pub struct InitProducerId {
    /// Its transactional id.
    pub transactional_id: Arc<str>,
    /// `transaction.timeout.ms`.
    pub timeout_ms: i32,
    /// The id and epoch that it has, if it goes on after an error (KIP-360).
    pub expected: Option<Producer>,
    /// A producer id that nobody has: not given at first, as it is rarely needed ([`Response::NeedsProducerId`]).
    pub fresh_producer_id: Option<i64>,
}

/// Partitions for a transaction.
#[derive(Clone, Debug)]
pub struct AddPartitions {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Who asks.
    pub producer: Producer,
    /// The partitions.
    pub partitions: BTreeSet<Partition>,
    /// The client's version of transactions.
    pub client_version: i16,
    /// Whether to say only if they are in the transaction.
    pub verify_only: bool,
    /// Whether to wait a little for the transaction before to complete, as a producer of version 2 does not know of it.
    pub patient: bool,
}

/// How a transaction is to end.
#[derive(Clone, Debug)]
pub struct EndTransaction {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// Who asks.
    pub producer: Producer,
    /// Whether it is to take effect.
    pub commit: bool,
    /// The client's version of transactions.
    pub client_version: i16,
    /// As in [`InitProducerId`]: for the transaction after the last epoch.
    pub fresh_producer_id: Option<i64>,
}

/// Which transactions are listed.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// In these states; in all if none is named.
    pub states: BTreeSet<TransactionState>,
    /// Of these producers; of all if none is named.
    pub producer_ids: BTreeSet<i64>,
    /// Begun longer ago than this many milliseconds; negative: whenever.
    pub duration_ms: i64,
    /// Of ids that this regular expression matches as a whole.
    pub pattern: Option<String>,
}

/// The markers that end a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    /// Whose transaction.
    pub transactional_id: Arc<str>,
    /// The producer and epoch that the markers carry.
    pub producer: Producer,
    /// Whether it took effect.
    pub commit: bool,
    /// Where to write them.
    pub partitions: BTreeSet<Partition>,
    /// The version of transactions by which a leader judges the epoch.
    pub transaction_version: i16,
}

/// A transaction as DescribeTransactions shows it.
pub type Described = Transaction;

/// A transaction as ListTransactions shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub transactional_id: Arc<str>,
    /// Its producer.
    pub producer_id: i64,
    /// Its state.
    pub state: TransactionState,
}

/// The answer to the request of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The producer, or why there is none.
    InitProducerId(Result<Producer, TransactionError>),
    /// The request needs a producer id: it is to be asked again with one. Nothing has happened.
    NeedsProducerId,
    /// The partitions are in the transaction; or those that are not, if they were to be verified.
    AddPartitions(Result<BTreeSet<Partition>, TransactionError>),
    /// The producer as it goes on; its epoch has changed from version 2 on, and none is named before.
    EndTransaction(Result<Producer, TransactionError>),
    /// The transaction is complete.
    Completed,
    /// The transaction.
    Describe(Result<Described, TransactionError>),
    /// The transactions.
    List(Result<Vec<Listed>, TransactionError>),
    /// Nobody asked: a transaction is prepared, and its markers are to be written.
    WriteMarkers(Markers),
}

impl Response {
    /// The same answer if nothing of it came to pass.
    pub(crate) fn failed(self, error: TransactionError) -> Self {
        match self {
            Self::InitProducerId(Ok(_)) => Self::InitProducerId(Err(error)),
            Self::AddPartitions(Ok(_)) => Self::AddPartitions(Err(error)),
            Self::EndTransaction(Ok(_)) => Self::EndTransaction(Err(error)),
            Self::Describe(Ok(_)) => Self::Describe(Err(error)),
            Self::List(Ok(_)) => Self::List(Err(error)),
            refused => refused,
        }
    }
}

/// What the machine wants done; the harness says in which order.
pub type Effects = Decision<TransactionRecord, Response>;
