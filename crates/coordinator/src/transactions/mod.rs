//! The transaction coordinator: which producer a transactional id belongs to, which partitions its transaction has, and how
//! it ends. One [`TransactionCoordinator`] is the machine of one partition of `__transaction_state`. Pure, as the group
//! coordinator is: that a transaction is prepared is a record; that its markers are to be written is said with the answer
//! [`Response::WriteMarkers`] once that record is committed, to nobody who asked ([`Ticket::UNASKED`]); that they are written
//! is told by [`Request::Completed`].
//!
//! All of the state is durable but who waits for a transaction to complete. Apache Kafka's pending states do not exist here: a
//! decision is replayed the moment it is in the log, so none is ever made on a state that is about to change, and answers wait
//! until what they rest on is committed. So `PrepareEpochFence`, which Kafka knows as a pending state only, and `Dead` are names
//! that clients may ask for, and nothing is ever in them.
//!
//! [`Ticket::UNASKED`]: andiron_replication::machine::Ticket::UNASKED

pub mod config;
pub mod effects;
pub mod error;
pub mod limits;
mod machine;
pub mod record;
pub mod state;

pub use config::TransactionConfig;
pub use effects::{
    AddPartitions, Call, Described, Effects, EndTransaction, InitProducerId, ListFilter, Listed, Markers, Partition,
    Producer, Request, Response,
};
pub use error::TransactionError;
pub use machine::TransactionCoordinator;
pub use record::TransactionRecord;
pub use state::{Transaction, TransactionState};
