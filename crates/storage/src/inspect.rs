//! What stands in the files beside a log, for tools that show or check them without opening the log: every function takes a
//! file's bytes and changes nothing.

use crate::index::{Entry, OffsetEntry, TimeEntry};
use crate::producer_state::ProducerEntry;
use crate::producer_state::snapshot;
use crate::txn_index::{self, AbortedTransaction};

pub use crate::producer_state::snapshot::SnapshotFault;

/// An entry of `.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedOffset {
    /// The last offset of a batch.
    pub offset: i64,
    /// Where the batch begins in the `.log`.
    pub position: u32,
}

/// An entry of `.timeindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedTimestamp {
    /// The greatest timestamp so far.
    pub timestamp: i64,
    /// The last offset of the batch that has it.
    pub offset: i64,
}

/// Bytes of an entry of `.index`.
pub const OFFSET_ENTRY_BYTES: usize = OffsetEntry::BYTES;
/// Bytes of an entry of `.timeindex`.
pub const TIME_ENTRY_BYTES: usize = TimeEntry::BYTES;

/// All whole entries of an `.index`, the empty ones of a preallocated file included, for a segment that begins at `base_offset`.
pub fn offset_entries(bytes: &[u8], base_offset: i64) -> Vec<IndexedOffset> {
    let at = |entry: OffsetEntry| IndexedOffset {
        offset: base_offset.wrapping_add(i64::from(entry.relative_offset)),
        position: entry.position,
    };
    bytes.chunks_exact(OffsetEntry::BYTES).map(|b| at(OffsetEntry::read(b))).collect()
}

/// The same of a `.timeindex`.
pub fn time_entries(bytes: &[u8], base_offset: i64) -> Vec<IndexedTimestamp> {
    let at = |entry: TimeEntry| IndexedTimestamp {
        timestamp: entry.timestamp,
        offset: base_offset.wrapping_add(i64::from(entry.relative_offset)),
    };
    bytes.chunks_exact(TimeEntry::BYTES).map(|b| at(TimeEntry::read(b))).collect()
}

/// All whole entries of a `.txnindex`, each with its version (0 is the only one there is).
pub fn aborted_transactions(bytes: &[u8]) -> Vec<(i16, AbortedTransaction)> {
    txn_index::entries(bytes).collect()
}

/// The producers of a `.snapshot`, in the file's order.
pub fn producers(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, SnapshotFault> {
    snapshot::decode(bytes)
}
