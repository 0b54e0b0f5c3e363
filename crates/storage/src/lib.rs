//! The segmented log in Kafka's own bytes over a small [`Disk`]: append, read as file ranges, truncate, retention, recovery,
//! producer state, leader epochs, and the files of a log directory. Synchronous; no clock (`now` comes in), no threads.

mod checkpoint;
pub mod cleaner;
pub mod config;
pub mod disk;
mod index;
pub mod inspect;
pub mod journal;
mod leader_epoch;
pub mod limits;
pub mod log;
pub mod log_dir;
mod producer_state;
mod scan;
mod segment;
mod txn_index;
pub mod types;
mod validate;

pub use cleaner::{CleanError, CleanJob, CleanStats, Cleanable, CleanedGroup, CleanerSettings};
pub use config::{CompressionType, LogConfig};
pub use disk::{DirEntry, DirLock, Disk, DiskFile, FileRange, OpenMode, RealDisk};
pub use journal::{Journal, Leftover, Tail, Unsynced};
pub use log::{Log, OpenLog, remove_deleted};
pub use log_dir::{LogDir, LogDirError, MetaProperties};
pub use producer_state::{ProducerBatch, ProducerEntry};
pub use txn_index::AbortedTransaction;
pub use types::{
    AppendError, AppendOrigin, Appended, DeletedFiles, LogError, ReadError, ReadOutcome, RecordError, Recovered,
    SyncTicket, TimestampAndOffset, TopicPartition, TransactionProof, VerificationGuard,
};
