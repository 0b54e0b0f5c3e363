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

/// Reads a snapshot's bytes; None when they are torn or of another version.
pub(crate) fn decode(bytes: &[u8]) -> Option<Vec<(i64, ProducerEntry)>> {
    let version = i16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    let crc = u32::from_be_bytes(bytes.get(2..6)?.try_into().ok()?);
    let body = bytes.get(ENTRIES_AT..)?;
    if version != VERSION || crc32c(body) != crc {
        return None;
    }
    let count = i32::from_be_bytes(body.get(..4)?.try_into().ok()?);
    let entries = &body[4..];
    if entries.len() != usize::try_from(count).ok()?.checked_mul(ENTRY_BYTES)? {
        return None;
    }
    let mut out = Vec::with_capacity(count as usize);
    for e in entries.chunks_exact(ENTRY_BYTES) {
        let long = |at: usize| Some(i64::from_be_bytes(e.get(at..at + 8)?.try_into().ok()?));
        let int = |at: usize| Some(i32::from_be_bytes(e.get(at..at + 4)?.try_into().ok()?));
        let epoch = i16::from_be_bytes(e.get(8..10)?.try_into().ok()?);
        let (last_sequence, last_offset, offset_delta, timestamp) = (int(10)?, long(14)?, int(22)?, long(26)?);
        let mut batches = Vec::new();
        // A producer may be known by a marker only.
        if last_offset >= 0 {
            batches.push(ProducerBatch { last_sequence, last_offset, offset_delta, timestamp });
        }
        let first = long(38)?;
        out.push((
            long(0)?,
            ProducerEntry {
                epoch,
                batches,
                last_timestamp: timestamp,
                coordinator_epoch: int(34)?,
                current_txn_first_offset: (first >= 0).then_some(first),
            },
        ));
    }
    Some(out)
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
    Ok(read_small(disk, path)?.and_then(|bytes| decode(&bytes)))
}
