//! `.snapshot`: the producers' state up to the offset in the file's name, so that a start need not read the whole log. Version 1
//! of Kafka's ProducerSnapshot: the last batch of each producer only.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use andiron_protocol::crc::crc32c;

use super::{ProducerBatch, ProducerEntry};
use crate::disk::{Disk, DiskFile, OpenMode, read_small};

const VERSION: i16 = 1;
const ENTRIES_AT: usize = 6;
const ENTRY_BYTES: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

/// The file of the snapshot at `offset`.
pub(crate) fn path(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}.snapshot"))
}

/// The bytes of a snapshot. Producers stand in the order of their ids: the same state is the same bytes.
pub(crate) fn encode(producers: &HashMap<i64, ProducerEntry>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + producers.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(producers.len() as i32).to_be_bytes());
    let mut ids: Vec<&i64> = producers.keys().collect();
    ids.sort_unstable();
    for (id, entry) in ids.into_iter().filter_map(|id| producers.get(id).map(|e| (id, e))) {
        let last = entry.batches.last();
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |b| b.last_sequence).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |b| b.last_offset).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |b| b.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.current_txn_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = crc32c(&bytes[ENTRIES_AT..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Why bytes are no snapshot of producers; the texts are Apache Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// A version that is not known.
    #[error("Snapshot failed schema validation: Snapshot contained an unknown file version {0}")]
    Version(i16),
    /// The file ends before its entries do, or goes on behind them.
    #[error("Snapshot failed schema validation: {have} bytes of entries where {need} were expected")]
    Size {
        /// Bytes there.
        have: usize,
        /// Bytes that the count of entries asks for.
        need: usize,
    },
    /// The checksum does not match.
    #[error("Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}")]
    Crc {
        /// As the file says.
        stored: u32,
        /// As its bytes say.
        computed: u32,
    },
}

/// Reads a snapshot's bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, ProducerEntry)>, SnapshotFault> {
    let short = SnapshotFault::Size { have: bytes.len(), need: ENTRIES_AT + 4 };
    let (Some([v0, v1, c0, c1, c2, c3]), Some(body)) = (bytes.first_chunk(), bytes.get(ENTRIES_AT..)) else {
        return Err(short);
    };
    let version = i16::from_be_bytes([*v0, *v1]);
    if version != VERSION {
        return Err(SnapshotFault::Version(version));
    }
    let Some((count, entries)) = body.split_first_chunk() else { return Err(short) };
    let need = usize::try_from(i32::from_be_bytes(*count)).unwrap_or(0).saturating_mul(ENTRY_BYTES);
    if entries.len() < need {
        return Err(SnapshotFault::Size { have: entries.len(), need });
    }
    let (stored, computed) = (u32::from_be_bytes([*c0, *c1, *c2, *c3]), crc32c(body));
    if stored != computed {
        return Err(SnapshotFault::Crc { stored, computed });
    }
    if entries.len() != need {
        return Err(SnapshotFault::Size { have: entries.len(), need });
    }
    Ok(entries.chunks_exact(ENTRY_BYTES).map(entry).collect())
}

fn entry(e: &[u8]) -> (i64, ProducerEntry) {
    let long = |at: usize| e.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(-1, i64::from_be_bytes);
    let int = |at: usize| e.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(-1, i32::from_be_bytes);
    let epoch = e.get(8..10).and_then(|b| b.try_into().ok()).map_or(-1, i16::from_be_bytes);
    let (last_sequence, last_offset, offset_delta, timestamp) = (int(10), long(14), int(22), long(26));
    let mut batches = Vec::new();
    // A producer may be known by a marker only.
    if last_offset >= 0 {
        batches.push(ProducerBatch { last_sequence, last_offset, offset_delta, timestamp });
    }
    let first = long(38);
    let known = ProducerEntry {
        epoch,
        batches,
        last_timestamp: timestamp,
        coordinator_epoch: int(34),
        current_txn_first_offset: (first >= 0).then_some(first),
    };
    (long(0), known)
}

/// Writes a snapshot and returns its file, to be synced later: a torn one is recognised and passed over.
pub(crate) fn write(
    disk: &dyn Disk,
    path: &Path,
    producers: &HashMap<i64, ProducerEntry>,
) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(path, OpenMode::Truncate)?;
    file.write_at(&[IoSlice::new(&encode(producers))], 0)?;
    Ok(file)
}

/// Reads the snapshot file at `path`; None when it is missing or torn.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<(i64, ProducerEntry)>>> {
    Ok(read_small(disk, path)?.and_then(|bytes| decode(&bytes).ok()))
}
