//! Walks the batches of a file as the original does: what is cut off at the end is left out, what no batch can be ends it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use andiron_protocol::batch::{Batch, BatchError};

use super::{Thrown, unreadable};

/// Bytes from a batch's begin to its magic.
const TO_MAGIC: u64 = 17;
/// Base offset and length.
const LOG_OVERHEAD: u64 = 12;
/// The least that a batch's length may say: the overhead of a record of magic 0.
const LENGTH_MIN: i32 = 14;
/// Bytes read at once.
const WINDOW: usize = 1 << 20;

/// A `.log` or `.checkpoint` file, or a stretch of it.
#[derive(Debug)]
pub(crate) struct Batches {
    file: File,
    path: PathBuf,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// A batch and where it begins in its file.
#[derive(Debug)]
pub(crate) struct At<'a> {
    pub(crate) position: u64,
    pub(crate) batch: Batch<'a>,
}

impl Batches {
    /// The first `limit` bytes of a file.
    pub(crate) fn open(path: &Path, limit: u64) -> Result<Batches, Thrown> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|about| (file, about.len())));
        let (file, size) = opened.map_err(|error| unreadable(path, &error))?;
        let end = size.min(limit);
        Ok(Batches { file, path: path.to_path_buf(), position: 0, end, window: Vec::new(), window_at: 0 })
    }

    /// Goes to a place in the file, and ends `limit` bytes behind it.
    pub(crate) fn seek(&mut self, position: u64, limit: u64) -> Result<(), Thrown> {
        let size = self.file.metadata().map_err(|error| unreadable(&self.path, &error))?.len();
        if position > size {
            let (file, whole) = (self.path.display(), i32::MAX);
            return Err(Thrown::illegal(format!(
                "Slice from position {position} exceeds end position of FileRecords(size={size}, file={file}, start=0, end={whole})"
            )));
        }
        self.position = position;
        self.end = size.min(position.saturating_add(limit));
        Ok(())
    }

    /// Bytes up to the end.
    pub(crate) fn size(&self) -> u64 {
        self.end
    }

    /// The next batch, whole.
    pub(crate) fn next(&mut self) -> Result<Option<At<'_>>, Thrown> {
        let position = self.position;
        if position + TO_MAGIC >= self.end {
            return Ok(None);
        }
        let head = self.bytes(position, TO_MAGIC as usize)?;
        let length = match head.get(8..12) {
            Some(&[a, b, c, d]) => i32::from_be_bytes([a, b, c, d]),
            _ => 0,
        };
        if length < LENGTH_MIN {
            return Err(Thrown::new(
                "org.apache.kafka.common.errors.CorruptRecordException",
                format!(
                    "Found record size {length} smaller than minimum record overhead ({LENGTH_MIN}) in file {}.",
                    self.path.display()
                ),
            ));
        }
        let size = LOG_OVERHEAD + u64::from(length.unsigned_abs());
        if position + size > self.end {
            return Ok(None);
        }
        self.position = position + size;
        let bytes = self.bytes(position, size as usize)?;
        match Batch::first(bytes) {
            Ok(batch) => Ok(Some(At { position, batch })),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Bytes that are known to be in the file.
    fn bytes(&mut self, at: u64, len: usize) -> Result<&[u8], Thrown> {
        let inside = at >= self.window_at && at + len as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            self.window.resize(len.max(WINDOW).min(left), 0);
            self.window_at = at;
            let read = self.file.read_exact_at(&mut self.window, at);
            read.map_err(|error: io::Error| unreadable(&self.path, &error))?;
        }
        let start = usize::try_from(at - self.window_at).unwrap_or(usize::MAX);
        Ok(self.window.get(start..start + len).unwrap_or_default())
    }
}

/// What cannot be read of a batch. Batches of magic 0 and 1 are of brokers before 0.11.
pub(crate) fn refused(error: &BatchError) -> Thrown {
    Thrown::new("org.apache.kafka.common.InvalidRecordException", error.to_string())
}
