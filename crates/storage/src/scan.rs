//! Walking batches in a file: headers only (lookups), or whole (recovery, timestamps, producer state).

use std::io;

use andiron_protocol::batch::{Batch, BatchHeader, HEADER_BYTES};

use crate::disk::DiskFile;
use crate::limits::SCAN_BUFFER_BYTES;

/// Bytes first read by a lookup: what lies between two index entries, and the header behind.
const LOOKUP_BYTES: usize = 4_096 + HEADER_BYTES;

/// Walks headers from `position` to `end` and gives the first for which `found` holds, with its position. A header that cannot be
/// one ends the walk.
pub(crate) fn find_header(
    file: &dyn DiskFile,
    mut position: u64,
    end: u64,
    mut found: impl FnMut(&BatchHeader, u64) -> bool,
) -> io::Result<Option<(u64, BatchHeader)>> {
    let mut window = [0u8; LOOKUP_BYTES];
    let (mut start, mut len) = (position, 0usize);
    while position + HEADER_BYTES as u64 <= end {
        if position < start || position + HEADER_BYTES as u64 > start + len as u64 {
            start = position;
            let want = LOOKUP_BYTES.min((end - position) as usize);
            len = 0;
            while len < want {
                match file.read_at(&mut window[len..want], start + len as u64)? {
                    0 => return Ok(None),
                    n => len += n,
                }
            }
        }
        let at = (position - start) as usize;
        let Ok(header) = BatchHeader::read(&window[at..len]) else {
            return Ok(None);
        };
        if position + header.size() as u64 > end {
            return Ok(None);
        }
        if found(&header, position) {
            return Ok(Some((position, header)));
        }
        position += header.size() as u64;
    }
    Ok(None)
}

/// Why a walk over whole batches stopped before the end.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The file cannot be read.
    Io(io::Error),
    /// The bytes there are no whole batch.
    Torn,
}

/// Walks whole batches of a file with one buffer.
pub(crate) struct Scan<'f> {
    file: &'f dyn DiskFile,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl<'f> Scan<'f> {
    pub fn new(file: &'f dyn DiskFile, position: u64, end: u64) -> Self {
        Scan { file, position, end, buffer: Vec::new(), start: 0, len: 0 }
    }

    /// Where the next batch is looked for.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next batch and its position; None at the end.
    pub fn next(&mut self) -> Result<Option<(u64, Batch<'_>)>, Stopped> {
        let left = self.end - self.position;
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER_BYTES as u64 {
            return Err(Stopped::Torn);
        }
        self.have(HEADER_BYTES)?;
        let header = BatchHeader::read(&self.buffer[self.start..self.start + self.len]).map_err(|_| Stopped::Torn)?;
        let size = header.size();
        if size as u64 > left {
            return Err(Stopped::Torn);
        }
        self.have(size)?;
        let at = self.position;
        let bytes = &self.buffer[self.start..self.start + size];
        self.position += size as u64;
        self.start += size;
        self.len -= size;
        Ok(Some((at, Batch { header, bytes })))
    }

    /// Makes the buffer hold `need` bytes from the position on; `need` has been compared with the end of the file.
    fn have(&mut self, need: usize) -> Result<(), Stopped> {
        if self.len >= need {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.start + self.len, 0);
        self.start = 0;
        let want = need.max(SCAN_BUFFER_BYTES).min((self.end - self.position) as usize);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        while self.len < need {
            let at = self.position + self.len as u64;
            match self.file.read_at(&mut self.buffer[self.len..want], at).map_err(Stopped::Io)? {
                0 => return Err(Stopped::Torn),
                n => self.len += n,
            }
        }
        Ok(())
    }
}
