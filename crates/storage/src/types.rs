//! What goes into a log and comes out of it, and what can go wrong: one enum per operation.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use andiron_protocol::Uuid;
use andiron_protocol::batch::BatchError;

use crate::disk::{Disk, DiskFile, FileRange};

/// Bytes of a file's name (`NAME_MAX`).
const FILE_NAME_BYTES_MAX: usize = 255;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: &str, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }

    /// The name of its directory: `topic-partition`.
    pub fn dir_name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    /// The name of a directory that was its, or is to be: `topic-partition.UNIQUE-KIND` (`LocalLog.logDirNameWithSuffixCap`).
    pub fn dir_name_as(&self, kind: &str, unique: Uuid) -> String {
        let suffix = format!(".{}-{kind}", unique.simple());
        let mut name = self.dir_name();
        // A long topic name gives way to the suffix.
        while name.len() + suffix.len() > FILE_NAME_BYTES_MAX {
            name.pop();
        }
        name + &suffix
    }

    /// The partition whose directory has this name; None for names of other kinds (`-delete`, `-future`, `-stray`).
    pub fn from_dir_name(name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        if topic.is_empty() || partition.is_empty() || !partition.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(TopicPartition::new(topic, partition.parse().ok()?))
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Who made the batches that are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A client's Produce request: everything is checked.
    Client,
    /// A coordinator of this node: offsets, transaction markers.
    Coordinator,
    /// The leader of the metadata quorum.
    RaftLeader,
}

/// Names a question to the transaction coordinator, begun by [`crate::Log::start_verification`]. It is void once a
/// transaction of the producer has ended in the partition: what was verified before belongs to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerificationGuard(pub(crate) u64);

/// What is known of the transaction of a batch that is to be appended (KIP-890).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransactionProof {
    /// Nothing: a transaction must be under way in the partition.
    #[default]
    None,
    /// The coordinator said, to the question of this guard, that the partition is part of the transaction.
    Verified(VerificationGuard),
    /// The batch is a marker that ends a transaction of this `transaction.version`.
    Marker(i16),
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time of append when `message.timestamp.type` is LogAppendTime, else -1: what a Produce answer says.
    pub log_append_time: i64,
    /// Where the log begins.
    pub log_start_offset: i64,
    /// The batch had been appended before; nothing was written now.
    pub duplicate: bool,
    /// Records appended (0 for a duplicate).
    pub records: u32,
    /// Bytes appended (0 for a duplicate).
    pub bytes: u64,
}

/// A record that was refused, by its place in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Counted from 0.
    pub batch_index: i32,
    /// Why.
    pub message: String,
}

/// Why an append was refused. All but `Log` surely did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// CORRUPT_MESSAGE
    #[error("{0}")]
    Corrupt(BatchError),
    /// UNSUPPORTED_COMPRESSION_TYPE
    #[error("{0}")]
    UnsupportedCompression(String),
    /// MESSAGE_TOO_LARGE
    #[error(
        "The record batch size in the append to {partition} is {size} bytes which exceeds the maximum configured value of {max}."
    )]
    TooLarge {
        /// Where.
        partition: TopicPartition,
        /// Bytes of the batch.
        size: usize,
        /// `max.message.bytes`
        max: u32,
    },
    /// RECORD_LIST_TOO_LARGE
    #[error(
        "Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum configured segment size of {max}."
    )]
    LargerThanSegment {
        /// Where.
        partition: TopicPartition,
        /// Bytes of all batches.
        size: usize,
        /// `segment.bytes`
        max: u32,
    },
    /// INVALID_RECORD
    #[error("{message}")]
    InvalidRecord {
        /// Why.
        message: String,
        /// Which records, when it is about some.
        records: Vec<RecordError>,
    },
    /// INVALID_TIMESTAMP
    #[error("{message}")]
    InvalidTimestamp {
        /// Why.
        message: String,
        /// Which records.
        records: Vec<RecordError>,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER
    #[error("{0}")]
    OutOfOrderSequence(String),
    /// INVALID_PRODUCER_EPOCH
    #[error("{0}")]
    InvalidProducerEpoch(String),
    /// INVALID_TXN_STATE
    #[error("{0}")]
    InvalidTxnState(String),
    /// TRANSACTION_COORDINATOR_FENCED
    #[error("{0}")]
    TransactionCoordinatorFenced(String),
    /// KAFKA_STORAGE_ERROR: the append may have happened, and the log takes no more.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl AppendError {
    /// Whether the batch may be in the log all the same.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, AppendError::Log(_))
    }
}

/// The log or its directory is not usable.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed; the log directory is to be given up.
    #[error("Error while {what} in {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier failure closed the log.
    #[error("The log of {0} is offline after a failed write or sync")]
    Offline(TopicPartition),
    /// Files that contradict each other in a way that must not be repaired silently.
    #[error("{path}: {message}")]
    Inconsistent {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Why a read was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE
    #[error(
        "Received request for offset {offset} for partition {partition}, but we only have log segments from offset {start} to {end}."
    )]
    OffsetOutOfRange {
        /// Where.
        partition: TopicPartition,
        /// Asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// KAFKA_STORAGE_ERROR
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a read found: stretches of files, in order, that hold batches from the one with the asked offset on. The last batch may
/// be cut off where the allowed bytes end, as Kafka does; nothing at or above the bound is among them.
#[derive(Clone, Debug, Default)]
pub struct ReadOutcome {
    /// The stretches.
    pub ranges: Vec<FileRange>,
    /// Bytes in all of them.
    pub len: usize,
    /// Only the first batch was larger than the bytes allowed, and is there whole.
    pub first_batch_exceeds: bool,
}

impl ReadOutcome {
    /// The bytes, copied: for coordinators and the quorum, which replay them.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.len);
        for range in &self.ranges {
            range.read_into(&mut out)?;
        }
        Ok(out)
    }
}

/// A timestamp found in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampAndOffset {
    /// The record's timestamp.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
    /// Epoch of the leader that appended it, if known.
    pub leader_epoch: Option<i32>,
}

/// What must reach the disk so that everything below an offset survives power loss. Made under the log's lock, run without it.
#[derive(Clone, Debug)]
pub struct SyncTicket {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) files: Vec<Arc<dyn DiskFile>>,
    pub(crate) dirs: Vec<PathBuf>,
    pub(crate) end_offset: i64,
    pub(crate) end_segment: i64,
    pub(crate) end_position: u32,
    pub(crate) generation: u64,
    pub(crate) pending: u64,
}

impl SyncTicket {
    /// Everything below this offset is durable once the ticket has run.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// How many files will be synced.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Syncs. Blocks; to be called on a helper thread. After an error the log directory must be given up: never run it again.
    pub fn run(&self) -> io::Result<()> {
        self.files.iter().try_for_each(|file| unless_gone(file.sync_data()))?;
        self.dirs.iter().try_for_each(|dir| unless_gone(self.disk.sync_dir(dir)))
    }
}

/// What was removed meanwhile (by retention, truncation, a topic's deletion) has nothing to be made durable.
pub(crate) fn unless_gone(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// What opening a log had to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The log was scanned because the last shutdown was not clean.
    pub scanned: bool,
    /// Bytes cut off behind the last whole batch.
    pub truncated_bytes: u64,
    /// Bytes of batches that were in the journal only.
    pub restored_bytes: u64,
    /// Base offset of the first segment that was scanned.
    pub first_scanned: Option<i64>,
    /// Base offsets of segments whose indexes were built anew.
    pub rebuilt_indexes: Vec<i64>,
    /// Base offsets of segments dropped because they stood behind a torn one.
    pub dropped_segments: Vec<i64>,
}

/// Files that stand renamed to `.deleted` and are to be removed after `file.delete.delay.ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedFiles {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// When they may go, in the log's time.
    pub remove_at: i64,
}
