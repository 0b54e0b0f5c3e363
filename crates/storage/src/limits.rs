//! The storage's named limits.

/// Files that a [`crate::RealDisk`] holds open at once when nothing else is asked: a machine may allow a process 20,000
/// descriptors, and connections want most of them.
pub const OPEN_FILES_MAX: usize = 4_000;
/// Index entries kept in memory before they are written to the index file of the active segment.
pub const INDEX_TAIL_ENTRIES_MAX: usize = 256;
/// Bytes read at once when batches are walked on disk (recovery, lookups by timestamp, rebuilding producer state).
pub const SCAN_BUFFER_BYTES: usize = 256 << 10;
/// A batch on disk that claims more than this is corrupt: nothing appended can be larger than a segment.
pub const BATCH_BYTES_MAX: usize = i32::MAX as usize;
/// Batches of each idempotent producer that are remembered to answer duplicates.
pub const PRODUCER_BATCHES_RETAINED: usize = 5;
/// How far before a snapshot of producers their batches before the last one are looked for.
pub const PRODUCER_RECALL_OFFSETS: i64 = 10_000;
/// And for how long after a producer's last batch: it gives up after `delivery.timeout.ms`, two minutes unless told otherwise.
pub const PRODUCER_RECALL_MS: i64 = 600_000;
/// Known (offset, position) pairs of recent syncs, so that a fetch up to the high watermark need not search.
pub const MARKS_MAX: usize = 32;
/// Bytes that are copied at once when a log moves to another directory.
pub const COPY_STEP_BYTES: usize = 1 << 20;
/// Bytes of a checkpoint or metadata text file that will be read.
pub const TEXT_FILE_BYTES_MAX: u64 = 64 << 20;
/// Producers of which a partition waits to hear whether it belongs to their transaction; the oldest question is forgotten
/// for a new one, and its records are refused.
pub const VERIFYING_PRODUCERS_MAX: usize = 10_000;
/// A cleaner tells of its progress, and may be stopped or slowed, every so many bytes.
pub const CLEANER_PROGRESS_BYTES: u64 = 64 << 10;
/// Records of a refused batch that are named one by one in the answer.
pub const RECORD_ERRORS_MAX: usize = 10_000;
