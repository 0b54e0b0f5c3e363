//! The journal of a log directory: what was appended to its logs last, once more, one after the other in one file. One
//! fdatasync of it makes the newest batches of many logs durable, where their own files would need one each; and as its blocks
//! are written over again and again, that fdatasync has no sizes and no places of blocks to write.
//!
//! The logs stay whole in themselves: a journal is read only after a crash, by [`crate::Log::open`], which puts behind a log's
//! last whole batch what the journal has of its next ones. Nothing that stands in a log is ever written over.
//!
//! Files: `andiron-journal-N`, N counting up. Each is a row of entries, big-endian: magic (u32), CRC-32C of what follows (u32),
//! N (u64), topic id (16 bytes), partition (i32), length (u32), and as many bytes of whole batches. A file that is full stays
//! until the logs themselves are durable; then it gets the next name and is written from its begin again, and whatever of
//! its old entries is left carries another N. Apache Kafka takes no notice of files beside the partitions' directories.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use andiron_protocol::crc::crc32c;

use crate::disk::{Disk, DiskFile, FileRange, OpenMode};
use crate::index::word;

const NAME: &str = "andiron-journal-";
const MAGIC: u32 = u32::from_be_bytes(*b"ANDJ");
const HEADER_BYTES: usize = 40;
const CRC_AT: usize = 4;
const CRC_FROM: usize = 8;

/// The end of a log that is written and not durable yet. Made under the log's lock by [`crate::Log::unsynced`], written to
/// the journal without it, told of by [`crate::Log::journaled`].
#[derive(Clone, Debug)]
pub struct Tail {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) segment: i64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) begin_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) generation: u64,
}

impl Tail {
    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// Everything below this offset is durable already.
    pub fn begin_offset(&self) -> i64 {
        self.begin_offset
    }

    /// Everything below this offset is durable once the journal has it.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }
}

/// What of a log is not durable.
#[derive(Debug)]
pub enum Unsynced {
    /// Nothing.
    Nothing,
    /// Only batches at its end, which a journal can take.
    Tail(Tail),
    /// Names, other files or closed segments: that takes a [`crate::SyncTicket`].
    More,
}

#[derive(Debug)]
struct Written {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    number: u64,
    at: u64,
}

/// The journal that is written.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_bytes: u64,
    next: u64,
    current: Option<Written>,
    previous: Option<Written>,
    /// Entries that wait to be written.
    entries: Vec<u8>,
}

impl Journal {
    /// The journal of a directory, in files of so many bytes, and what the run before has left in its own. After a clean end
    /// the logs need nothing of it, and it is removed.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, file_bytes: u64, clean: bool) -> io::Result<(Journal, Leftover)> {
        let mut files = Vec::new();
        for entry in disk.list(dir)?.into_iter().filter(|entry| !entry.is_dir) {
            if let Some(number) = entry.name.strip_prefix(NAME).and_then(|number| number.parse::<u64>().ok()) {
                files.push((number, dir.join(entry.name)));
            }
        }
        files.sort_unstable();
        let next = files.last().map_or(0, |(number, _)| number.saturating_add(1));
        let mut left = Leftover { disk: Arc::clone(&disk), paths: Vec::new(), entries: BTreeMap::new() };
        for (number, path) in files {
            if !clean {
                left.read(number, &path)?;
            }
            left.paths.push(path);
        }
        if clean {
            left.remove()?;
        }
        let journal = Journal {
            disk,
            dir: dir.to_path_buf(),
            file_bytes,
            next,
            current: None,
            previous: None,
            entries: Vec::new(),
        };
        Ok((journal, left))
    }

    /// Reads a log's tail, to be written with the next [`Journal::write`]. After an error (the file is gone, or was cut) it is
    /// not among them.
    pub fn add(&mut self, tail: &Tail) -> io::Result<()> {
        let number = self.current.as_ref().map_or(self.next, |current| current.number);
        let start = self.entries.len();
        self.entries.resize(start + HEADER_BYTES + tail.bytes(), 0);
        let (header, body) = self.entries[start..].split_at_mut(HEADER_BYTES);
        if let Err(error) = tail.file.read_exact_at(body, u64::from(tail.from)) {
            self.entries.truncate(start);
            return Err(error);
        }
        header[..4].copy_from_slice(&MAGIC.to_be_bytes());
        header[8..16].copy_from_slice(&number.to_be_bytes());
        header[16..32].copy_from_slice(tail.topic_id.as_bytes());
        header[32..36].copy_from_slice(&tail.partition.to_be_bytes());
        header[36..40].copy_from_slice(&(tail.to - tail.from).to_be_bytes());
        let crc = crc32c(&self.entries[start + CRC_FROM..]);
        self.entries[start + CRC_AT..start + CRC_FROM].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }

    /// Whether another `bytes` of tails, in `count` of them, are too much for the file at hand: [`Journal::turn`] must come first.
    pub fn is_full(&self, count: usize, bytes: usize) -> bool {
        let more = self.entries.len() + count * HEADER_BYTES + bytes;
        self.current.as_ref().is_some_and(|file| file.at > 0 && file.at + more as u64 > self.file_bytes)
    }

    /// Goes on in another file: the one before the last, whose entries are given up. Only to be called when everything that it
    /// had is durable in the logs.
    pub fn turn(&mut self) -> io::Result<()> {
        let oldest = self.previous.take();
        self.previous = self.current.take();
        if let Some(oldest) = oldest {
            let path = self.path(self.next);
            self.disk.rename(&oldest.path, &path)?;
            oldest.file.moved(&path);
            self.disk.sync_dir(&self.dir)?;
            self.current = Some(Written { path, number: self.next, at: 0, ..oldest });
            self.next += 1;
        }
        Ok(())
    }

    /// Writes what was added, durably. After an error the journal must not be used any more.
    pub fn write(&mut self) -> io::Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        if self.current.is_none() {
            let path = self.path(self.next);
            let file = self.disk.open(&path, OpenMode::Truncate)?;
            self.disk.sync_dir(&self.dir)?;
            self.current = Some(Written { file, path, number: self.next, at: 0 });
            self.next += 1;
        }
        if let Some(current) = &mut self.current {
            current.file.write_at(&[IoSlice::new(&self.entries)], current.at)?;
            current.file.sync_data()?;
            current.at += self.entries.len() as u64;
        }
        self.entries.clear();
        Ok(())
    }

    /// Removes the files: the logs have been closed.
    pub fn remove(&mut self) -> io::Result<()> {
        for file in [self.current.take(), self.previous.take()].into_iter().flatten() {
            file.file.close();
            self.disk.remove_file(&file.path)?;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{NAME}{number}"))
    }
}

/// What a run that did not end cleanly has left in its journal. To be kept until all logs of the directory have been opened.
#[derive(Debug)]
pub struct Leftover {
    disk: Arc<dyn Disk>,
    paths: Vec<PathBuf>,
    /// Whole batches, by topic and partition, in the order of their writing.
    entries: BTreeMap<(Uuid, i32), Vec<FileRange>>,
}

impl Leftover {
    /// Takes stock of a file, up to where its entries are whole and its own.
    fn read(&mut self, number: u64, path: &Path) -> io::Result<()> {
        let file = self.disk.open(path, OpenMode::Read)?;
        let size = file.size()?;
        let mut at = 0;
        let mut entry = Vec::new();
        while size.saturating_sub(at) >= HEADER_BYTES as u64 {
            entry.resize(HEADER_BYTES, 0);
            file.read_exact_at(&mut entry, at)?;
            let len = word(&entry, 36) as usize;
            let whole = HEADER_BYTES as u64 + len as u64;
            let own = word(&entry, 0) == MAGIC && entry[8..16] == number.to_be_bytes();
            if !own || whole > size - at {
                break;
            }
            entry.resize(HEADER_BYTES + len, 0);
            file.read_exact_at(&mut entry[HEADER_BYTES..], at + HEADER_BYTES as u64)?;
            if word(&entry, CRC_AT) != crc32c(&entry[CRC_FROM..]) {
                break;
            }
            let mut topic_id = [0; 16];
            topic_id.copy_from_slice(&entry[16..32]);
            let log = (Uuid::from_bytes(topic_id), word(&entry, 32) as i32);
            let batches = FileRange { file: Arc::clone(&file), position: at + HEADER_BYTES as u64, len };
            self.entries.entry(log).or_default().push(batches);
            at += whole;
        }
        Ok(())
    }

    /// Stretches of whole batches of a log, in the order of their writing.
    pub(crate) fn of(&self, topic_id: Uuid, partition: i32) -> &[FileRange] {
        self.entries.get(&(topic_id, partition)).map_or(&[], Vec::as_slice)
    }

    /// The logs, by topic id and partition, of which there is something.
    pub fn logs(&self) -> impl Iterator<Item = (Uuid, i32)> {
        self.entries.keys().copied()
    }

    /// Removes the files: every log has been opened, and has what is its own.
    pub fn remove(&self) -> io::Result<()> {
        self.paths.iter().try_for_each(|path| match self.disk.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
    }
}
