//! One pass over a batch's records without keeping or allocating any: whether there are as many as the header says, with the
//! offsets it says, and the few facts an append needs of them. A compressed batch streams through a small window.

use std::io::Read;

use super::varint::{read_i32, read_i64};
use super::{Batch, BatchError, NO_TIMESTAMP};
use crate::compression::{Codec, CompressionError, DECOMPRESSED_BATCH_BYTES_MAX};

/// Bytes of the window a compressed batch streams through; a record's fixed part always fits.
const WINDOW_BYTES: usize = 16 << 10;
/// Attributes, timestamp delta, offset delta and key length at their longest, with the length in front of them.
const RECORD_FIXED_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5;
/// A length or a count at its longest.
const VARINT_BYTES_MAX: usize = 5;

/// What an append needs to know of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// How many there are.
    pub count: i32,
    /// Greatest timestamp (-1 when none has one).
    pub max_timestamp: i64,
    /// Least timestamp but -1 (-1 when none has one).
    pub min_timestamp: i64,
    /// The first record without a key, counted from 0.
    pub first_without_key: Option<i32>,
    /// Bytes of the records, unfolded.
    pub unfolded_bytes: usize,
}

/// Walks the records of `batch` once and checks that their lengths fill the body exactly, that what each holds (key, value,
/// headers) fills its length exactly, that their offsets count up by one from the base offset, and that they are as many as the
/// header says; as Apache Kafka's DefaultRecord does on its way into a log.
pub fn walk_records(batch: &Batch<'_>) -> Result<RecordFacts, BatchError> {
    let header = &batch.header;
    let mut facts = RecordFacts {
        count: 0,
        max_timestamp: NO_TIMESTAMP,
        min_timestamp: i64::MAX,
        first_without_key: None,
        unfolded_bytes: 0,
    };
    let codec = header.attributes.codec()?;
    if codec == Codec::None {
        let body = batch.body();
        let mut at = 0;
        while at < body.len() {
            let fixed = facts.one(header.base_timestamp, body, at)?;
            let record = body.get(..fixed.end).ok_or(CUT)?;
            if fields(record, fixed.at, fixed.key).ok_or(CUT)? != fixed.end {
                return Err(SIZE);
            }
            at = fixed.end;
        }
        facts.unfolded_bytes = body.len();
    } else {
        stream(batch, codec, &mut facts)?;
    }
    if facts.count != header.record_count {
        return Err(BatchError::Records("the batch holds another number of records than its header says"));
    }
    if i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        return Err(BatchError::Records(
            "Inconsistent batch offset range: the last offset delta is not the record count less one",
        ));
    }
    if facts.min_timestamp == i64::MAX {
        facts.min_timestamp = NO_TIMESTAMP;
    }
    Ok(facts)
}

const CUT: BatchError = BatchError::Records("Found invalid record structure");
const SIZE: BatchError = BatchError::Records("Invalid record size: key, value and headers do not fill the record");

/// What stands in front of a record's key.
struct Fixed {
    /// Where the key begins.
    at: usize,
    /// Its length; negative when there is none.
    key: i32,
    /// Where the record ends.
    end: usize,
}

impl RecordFacts {
    /// Looks at the record that begins at `at`. Only its fixed part is read, which has to be there.
    #[inline]
    fn one(&mut self, base_timestamp: i64, bytes: &[u8], mut at: usize) -> Result<Fixed, BatchError> {
        let length = read_i32(bytes, &mut at).ok_or(CUT)?;
        let body = at;
        let length = usize::try_from(length).map_err(|_| CUT)?;
        at += 1;
        let timestamp_delta = read_i64(bytes, &mut at).ok_or(CUT)?;
        let offset_delta = read_i32(bytes, &mut at).ok_or(CUT)?;
        let key = read_i32(bytes, &mut at).ok_or(CUT)?;
        if at - body > length {
            return Err(CUT);
        }
        if offset_delta != self.count {
            return Err(BatchError::Records("the offsets of the batch's records do not count up by one"));
        }
        if key < 0 && self.first_without_key.is_none() {
            self.first_without_key = Some(self.count);
        }
        let timestamp = base_timestamp.wrapping_add(timestamp_delta);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if timestamp != NO_TIMESTAMP {
            self.min_timestamp = self.min_timestamp.min(timestamp);
        }
        self.count = self.count.checked_add(1).ok_or(CUT)?;
        Ok(Fixed { at, key, end: body.checked_add(length).ok_or(CUT)? })
    }
}

/// Where a field of this length ends; a negative length is that of no field.
#[inline]
fn behind(at: usize, length: i32) -> Option<usize> {
    at.checked_add(usize::try_from(length).unwrap_or(0))
}

/// Where the headers of a whole record end whose key, of this length, begins at `at`.
#[inline]
fn fields(record: &[u8], at: usize, key: i32) -> Option<usize> {
    let mut at = behind(at, key)?;
    let value = read_i32(record, &mut at)?;
    at = behind(at, value)?;
    let mut headers = read_i32(record, &mut at)?;
    if headers < 0 {
        return None;
    }
    while headers > 0 {
        // A header has a key, if only an empty one.
        let key = read_i32(record, &mut at)?;
        at = behind(at, key).filter(|_| key >= 0)?;
        let value = read_i32(record, &mut at)?;
        at = behind(at, value)?;
        headers -= 1;
    }
    Some(at)
}

fn stream(batch: &Batch<'_>, codec: Codec, facts: &mut RecordFacts) -> Result<(), BatchError> {
    let reader = codec.reader(batch.body())?;
    let mut unfolding =
        Unfolding { reader, codec, window: [0; WINDOW_BYTES], start: 0, end: 0, total: 0, ended: false };
    while unfolding.have(RECORD_FIXED_BYTES_MAX)? {
        // A batch cannot hold more records than it says; one that goes on is not unfolded to its end.
        if facts.count >= batch.header.record_count {
            return Err(BatchError::Records("the batch holds another number of records than its header says"));
        }
        let fixed = facts.one(batch.header.base_timestamp, unfolding.ahead(), 0)?;
        if let Some(record) = unfolding.ahead().get(..fixed.end) {
            if fields(record, fixed.at, fixed.key).ok_or(CUT)? != fixed.end {
                return Err(SIZE);
            }
            unfolding.start += fixed.end;
        } else {
            unfolding.start += fixed.at;
            unfolding.long_record(fixed.end - fixed.at, fixed.key)?;
        }
    }
    facts.unfolded_bytes = unfolding.total;
    Ok(())
}

/// A batch's records on their way through a small window.
struct Unfolding<R> {
    reader: R,
    codec: Codec,
    window: [u8; WINDOW_BYTES],
    /// What of the window is still to be looked at.
    start: usize,
    end: usize,
    /// Bytes that have come out so far.
    total: usize,
    ended: bool,
}

impl<R: Read> Unfolding<R> {
    fn ahead(&self) -> &[u8] {
        &self.window[self.start..self.end]
    }

    /// Unfolds until so many bytes are ahead or there are no more; says whether there is any.
    #[inline]
    fn have(&mut self, bytes: usize) -> Result<bool, BatchError> {
        while !self.ended && self.end - self.start < bytes {
            self.window.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.more()?;
        }
        Ok(self.start < self.end)
    }

    fn more(&mut self) -> Result<(), BatchError> {
        let read = self.reader.read(&mut self.window[self.end..]);
        let n = read.map_err(|source| self.codec.corrupt(source))?;
        self.ended = n == 0;
        self.end += n;
        self.total += n;
        if self.total > DECOMPRESSED_BATCH_BYTES_MAX {
            return Err(CompressionError::TooLarge { limit: DECOMPRESSED_BATCH_BYTES_MAX }.into());
        }
        Ok(())
    }

    /// Passes over a record that is not whole in the window, from its key on; `left` bytes are to come of it.
    fn long_record(&mut self, mut left: usize, key: i32) -> Result<(), BatchError> {
        self.skip(key, &mut left)?;
        self.field(&mut left)?;
        let headers = self.number(&mut left)?;
        if headers < 0 {
            return Err(CUT);
        }
        for _ in 0..headers {
            if self.field(&mut left)? < 0 {
                return Err(CUT);
            }
            self.field(&mut left)?;
        }
        if left == 0 { Ok(()) } else { Err(SIZE) }
    }

    fn field(&mut self, left: &mut usize) -> Result<i32, BatchError> {
        let length = self.number(left)?;
        self.skip(length, left)?;
        Ok(length)
    }

    fn number(&mut self, left: &mut usize) -> Result<i32, BatchError> {
        self.have(VARINT_BYTES_MAX)?;
        let mut at = 0;
        let number = read_i32(self.ahead(), &mut at).ok_or(CUT)?;
        *left = left.checked_sub(at).ok_or(CUT)?;
        self.start += at;
        Ok(number)
    }

    fn skip(&mut self, length: i32, left: &mut usize) -> Result<(), BatchError> {
        let mut skip = usize::try_from(length).unwrap_or(0);
        *left = left.checked_sub(skip).ok_or(CUT)?;
        loop {
            let n = skip.min(self.end - self.start);
            self.start += n;
            skip -= n;
            if skip == 0 {
                return Ok(());
            }
            if self.ended {
                return Err(CUT);
            }
            (self.start, self.end) = (0, 0);
            self.more()?;
        }
    }
}
