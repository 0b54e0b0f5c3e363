//! `.txnindex`: the aborted transactions that end in a segment, for readers of committed records only.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, OpenMode};

/// Bytes of an entry.
const ENTRY_BYTES: usize = 34;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its marker.
    pub last_offset: i64,
    /// The last stable offset after it ended.
    pub last_stable_offset: i64,
}

impl AbortedTransaction {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES]; // version 0 in front
        bytes[2..10].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[10..18].copy_from_slice(&self.first_offset.to_be_bytes());
        bytes[18..26].copy_from_slice(&self.last_offset.to_be_bytes());
        bytes[26..34].copy_from_slice(&self.last_stable_offset.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Self {
        let long = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(-1, i64::from_be_bytes);
        AbortedTransaction {
            producer_id: long(2),
            first_offset: long(10),
            last_offset: long(18),
            last_stable_offset: long(26),
        }
    }
}

/// Appends one entry to the file at `path`, created when missing, and returns the file, to be synced.
pub(crate) fn append(disk: &dyn Disk, path: &Path, aborted: &AbortedTransaction) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(path, OpenMode::Create)?;
    let end = file.size()?;
    file.write_at(&[IoSlice::new(&aborted.to_bytes())], end - end % ENTRY_BYTES as u64)?;
    Ok(file)
}

/// Writes a file of these entries and returns it, to be synced.
pub(crate) fn write_all(disk: &dyn Disk, path: &Path, all: &[AbortedTransaction]) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.open(path, OpenMode::Truncate)?;
    let bytes: Vec<u8> = all.iter().flat_map(|aborted| aborted.to_bytes()).collect();
    file.write_at(&[IoSlice::new(&bytes)], 0)?;
    Ok(file)
}

/// All whole entries of the file; none when it does not exist.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<AbortedTransaction>> {
    let bytes = crate::disk::read_small(disk, path)?.unwrap_or_default();
    Ok(entries(&bytes).map(|(_, aborted)| aborted).collect())
}

/// The whole entries of the file's bytes, each with its version.
pub(crate) fn entries(bytes: &[u8]) -> impl Iterator<Item = (i16, AbortedTransaction)> {
    let version = |entry: &[u8]| entry.first_chunk().map_or(0, |b| i16::from_be_bytes(*b));
    bytes.chunks_exact(ENTRY_BYTES).map(move |entry| (version(entry), AbortedTransaction::read(entry)))
}

/// Keeps the entries of transactions that ended below `offset`.
pub(crate) fn truncate(disk: &dyn Disk, path: &Path, offset: i64) -> io::Result<()> {
    let entries = read(disk, path)?;
    let keep = entries.iter().take_while(|e| e.last_offset < offset).count();
    if keep < entries.len() {
        disk.open(path, OpenMode::Write)?.set_len((keep * ENTRY_BYTES) as u64)?;
    }
    Ok(())
}
