//! Reading: offsets, raw batches, and readers that run through a range of offsets.
//!
//! Batches come out as slices of the socket's buffer. A reader yields whole batches: its first one may begin below the
//! range and its last one may end above it, because only who decodes can cut between two records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::cluster::TopicPartition;
use crate::error::FetchError;

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, or under `read_committed` the last stable offset.
    Latest,
    /// The first record whose timestamp is at or after this many ms since the epoch.
    Timestamp(i64),
    /// The record with the largest timestamp.
    MaxTimestamp,
}

/// An answer to an [`OffsetSpec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset, or `None` if no record is as young as the timestamp asked for.
    pub offset: Option<i64>,
    /// The timestamp of that record, -1 where none was asked for.
    pub timestamp: i64,
    /// The epoch of the leader that wrote it, -1 if unknown.
    pub leader_epoch: i32,
}

/// A transaction that was aborted: its records, from `first_offset` to the producer's next abort marker, are not to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: i64,
    /// Its first record in this partition.
    pub first_offset: i64,
}

/// One partition's part of a Fetch answer, as the broker gave it: nothing filtered, nothing decoded.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Record batches, the last one possibly cut; a slice of the response. Feed it to `protocol::batch::Batches`.
    pub records: Bytes,
    /// The offset after the last record that consumers may see.
    pub high_watermark: i64,
    /// The offset below which no transaction is open.
    pub last_stable_offset: i64,
    /// The first offset there is.
    pub log_start_offset: i64,
    /// Under `read_committed`, the aborted transactions that reach into `records`; else empty.
    pub aborted: Vec<AbortedTransaction>,
}

pub use crate::visible::{VisibleRun, visible_runs};

/// A range of offsets of one partition, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRange {
    /// The partition to read.
    pub partition: TopicPartition,
    /// The first offset wanted.
    pub start: i64,
    /// The offset to stop before; `i64::MAX` to follow the partition for ever.
    pub end: i64,
}

/// Whole batches that follow one another, all visible under the reader's isolation.
#[derive(Debug, Clone)]
pub struct BatchRun {
    /// One or more whole batches of data, or nothing when only offsets went by (markers, aborted or compacted records).
    /// Checksums have been compared if `check.crcs` is true. Records below `from` or at and above `until` are not wanted.
    pub records: Bytes,
    /// The first offset wanted of this run.
    pub from: i64,
    /// The offset where the reader goes on; every wanted record below it has been yielded.
    pub until: i64,
    /// The high watermark when this was fetched: `until` against it is the lag.
    pub high_watermark: i64,
}

/// Yields one partition's range, fetched ahead within a bound. Many share one fetch loop per broker; dropping it stops its part.
#[derive(Debug)]
pub struct PartitionReader {
    pub(crate) range: ReadRange,
    pub(crate) position: i64,
    pub(crate) runs: mpsc::Receiver<Result<BatchRun, FetchError>>,
    pub(crate) ahead: Arc<Ahead>,
}

/// What a reader holds and its fetch loop must not add to beyond the limit.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Bytes fetched and not yet taken.
    pub(crate) bytes: AtomicUsize,
    /// Wakes the fetch loops: something was taken. Shared by all readers of one `read`.
    pub(crate) taken: Arc<watch::Sender<u64>>,
}

impl PartitionReader {
    /// What it was asked to read.
    pub fn range(&self) -> &ReadRange {
        &self.range
    }

    /// The offset it has come to.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next batches, `None` once `end` is reached. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<BatchRun, FetchError>> {
        let run = self.runs.recv().await;
        if let Some(Ok(run)) = &run {
            self.position = run.until;
            self.ahead.bytes.fetch_sub(run.records.len(), Ordering::AcqRel);
            self.ahead.taken.send_modify(|times| *times += 1);
        }
        run
    }
}

impl Drop for PartitionReader {
    fn drop(&mut self) {
        self.runs.close();
        self.ahead.taken.send_modify(|times| *times += 1);
    }
}
