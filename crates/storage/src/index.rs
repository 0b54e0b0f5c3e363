//! The sparse indexes of a segment: offset -> position and timestamp -> offset. Entries are of one size and sorted; the file is
//! preallocated while its segment is active and cut to its entries when it is not. The newest entries wait in memory, so that
//! an append does not pay a system call for eight bytes; what a crash takes, recovery builds anew from the log.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::limits::INDEX_TAIL_ENTRIES_MAX;

/// So many entries are read at once by a search in a file.
const SEARCH_ENTRIES: usize = 256;
/// The larger of the two kinds of entries.
const ENTRY_BYTES_MAX: usize = 12;

/// An entry of an index file.
pub(crate) trait Entry: Copy + std::fmt::Debug {
    /// Bytes on disk.
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, out: &mut Vec<u8>);
}

/// Entry of `.index`: a batch's last offset (relative to the segment's base) and where the batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub relative_offset: u32,
    pub position: u32,
}

/// Entry of `.timeindex`: the greatest timestamp so far and the last offset of the batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub timestamp: i64,
    pub relative_offset: u32,
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn read(bytes: &[u8]) -> Self {
        OffsetEntry { relative_offset: word(bytes, 0), position: word(bytes, 4) }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn read(bytes: &[u8]) -> Self {
        let timestamp = i64::from(word(bytes, 0)) << 32 | i64::from(word(bytes, 4));
        TimeEntry { timestamp, relative_offset: word(bytes, 8) }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }
}

/// An index file and the entries that are not in it yet.
#[derive(Debug)]
pub(crate) struct Index<E> {
    file: Arc<dyn DiskFile>,
    /// Bytes to extend the file to with the first entry written while its segment is active; 0 when that is done.
    preallocate: u64,
    on_file: usize,
    /// Written to since it was opened: what was not need not be trimmed or synced.
    touched: bool,
    tail: Vec<E>,
    last: Option<E>,
    /// What the last search of the file found: who reads on finds the next among the entries behind it.
    found: AtomicUsize,
}

impl<E: Entry> Index<E> {
    /// An empty index, to be preallocated to as many whole entries as `max_bytes` hold.
    pub fn create(disk: &dyn Disk, path: &Path, max_bytes: u32) -> io::Result<Self> {
        let file = disk.open(path, OpenMode::Truncate)?;
        Ok(Index {
            file,
            preallocate: whole::<E>(max_bytes),
            on_file: 0,
            touched: true,
            tail: Vec::new(),
            last: None,
            found: AtomicUsize::new(0),
        })
    }

    /// An index as a clean close or a roll left it: every whole entry of the file counts.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, OpenMode::Write)?;
        let on_file = (file.size()? / E::BYTES as u64) as usize;
        let mut index = Index {
            file,
            preallocate: 0,
            on_file,
            touched: false,
            tail: Vec::new(),
            last: None,
            found: AtomicUsize::new(0),
        };
        if on_file > 0 {
            index.last = Some(index.get(on_file - 1)?);
        }
        Ok(index)
    }

    /// The segment takes appends (again): the file is extended with the next entry.
    pub fn activate(&mut self, max_bytes: u32) {
        self.preallocate = whole::<E>(max_bytes);
    }

    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    pub fn len(&self) -> usize {
        self.on_file + self.tail.len()
    }

    pub fn last(&self) -> Option<E> {
        self.last
    }

    pub fn get(&self, at: usize) -> io::Result<E> {
        if let Some(entry) = at.checked_sub(self.on_file).and_then(|i| self.tail.get(i)) {
            return Ok(*entry);
        }
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::BYTES];
        self.file.read_exact_at(bytes, (at * E::BYTES) as u64)?;
        Ok(E::read(bytes))
    }

    pub fn push(&mut self, entry: E) -> io::Result<()> {
        self.tail.push(entry);
        self.last = Some(entry);
        if self.tail.len() >= INDEX_TAIL_ENTRIES_MAX { self.write_out() } else { Ok(()) }
    }

    /// Writes the waiting entries to the file.
    pub fn write_out(&mut self) -> io::Result<()> {
        if self.tail.is_empty() {
            return Ok(());
        }
        self.touched = true;
        if self.preallocate > 0 {
            self.file.set_len(self.preallocate.max(((self.on_file + self.tail.len()) * E::BYTES) as u64))?;
            self.preallocate = 0;
        }
        let mut bytes = Vec::with_capacity(self.tail.len() * E::BYTES);
        self.tail.iter().for_each(|e| e.write(&mut bytes));
        self.file.write_at(&[IoSlice::new(&bytes)], (self.on_file * E::BYTES) as u64)?;
        self.on_file += self.tail.len();
        self.tail.clear();
        Ok(())
    }

    /// Writes the waiting entries and cuts the file behind them.
    pub fn trim(&mut self) -> io::Result<()> {
        self.preallocate = 0;
        self.write_out()?;
        if self.touched { self.file.set_len((self.on_file * E::BYTES) as u64) } else { Ok(()) }
    }

    /// Whether the file was written to since it was opened.
    pub fn touched(&self) -> bool {
        self.touched
    }

    /// How many entries at the front satisfy `before` (which must hold for a prefix only).
    pub fn partition_point(&self, before: impl Fn(&E) -> bool) -> io::Result<usize> {
        // Most lookups are near the end, and there the entries are in memory.
        if let Some(first) = self.tail.first()
            && before(first)
        {
            return Ok(self.on_file + self.tail.partition_point(before));
        }
        let (mut low, mut high) = (0, self.on_file);
        let mut at = self.found.load(Ordering::Relaxed).saturating_sub(1);
        let mut block = [0u8; SEARCH_ENTRIES * ENTRY_BYTES_MAX];
        while low < high {
            at = at.clamp(low, high - 1);
            let block = &mut block[..(high - at).min(SEARCH_ENTRIES) * E::BYTES];
            self.file.read_exact_at(block, (at * E::BYTES) as u64)?;
            match block.chunks_exact(E::BYTES).take_while(|entry| before(&E::read(entry))).count() {
                0 => high = at,
                all if all * E::BYTES == block.len() => low = at + all,
                some => (low, high) = (at + some, at + some),
            }
            at = low + (high - low) / 2;
        }
        self.found.store(low, Ordering::Relaxed);
        Ok(low)
    }

    /// Keeps the first `count` entries.
    pub fn truncate(&mut self, count: usize) -> io::Result<()> {
        if count >= self.len() {
            return Ok(());
        }
        self.tail.truncate(count.saturating_sub(self.on_file));
        self.touched = true;
        if count < self.on_file {
            // What is behind must not be taken for entries when the file is opened again.
            let was = self.file.size()?;
            self.file.set_len((count * E::BYTES) as u64)?;
            self.file.set_len(was)?;
            self.on_file = count;
        }
        self.last = if count == 0 { None } else { Some(self.get(count - 1)?) };
        Ok(())
    }
}

fn whole<E: Entry>(bytes: u32) -> u64 {
    u64::from(bytes) - u64::from(bytes) % E::BYTES as u64
}

#[cfg(test)]
mod tests;
