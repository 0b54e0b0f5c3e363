//! The segmented log in Kafka's own bytes over a small [`Disk`]: append, read as file ranges, truncate, retention, recovery,
//! producer state, leader epochs, and the files of a log directory. Synchronous; no clock (`now` comes in), no threads.

pub mod config;
pub mod disk;
pub mod limits;
pub mod log;
pub mod log_dir;
pub mod types;

pub use config::{CompressionType, LogConfig};
pub use disk::{DirEntry, DirLock, Disk, DiskFile, FileRange, OpenMode, RealDisk};
pub use log::{Log, OpenLog};
pub use log_dir::{LogDir, LogDirError, MetaProperties};
pub use types::{
    AppendError, AppendOrigin, Appended, DeletedFiles, LogError, ReadError, ReadOutcome, RecordError, Recovered,
    SyncTicket, TimestampAndOffset, TopicPartition,
};
