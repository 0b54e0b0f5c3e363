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

/// Walks the records of `batch` once and checks that their lengths fill the body exactly, that their offsets count up by one
/// from the base offset, and that they are as many as the header says.
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
            let next = facts.one(header.base_timestamp, body, at)?;
            if next > body.len() {
                return Err(CUT);
            }
            at = next;
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

impl RecordFacts {
    /// Looks at the record that begins at `at` and returns where it ends. Only its fixed part is read.
    #[inline]
    fn one(&mut self, base_timestamp: i64, bytes: &[u8], mut at: usize) -> Result<usize, BatchError> {
        let length = read_i32(bytes, &mut at).ok_or(CUT)?;
        let body = at;
        let length = usize::try_from(length).map_err(|_| CUT)?;
        at += 1;
        let timestamp_delta = read_i64(bytes, &mut at).ok_or(CUT)?;
        let offset_delta = read_i32(bytes, &mut at).ok_or(CUT)?;
        let key = read_i32(bytes, &mut at).ok_or(CUT)?;
        if at - body > length || key < -1 || key as i64 > (length - (at - body)) as i64 {
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
        body.checked_add(length).ok_or(CUT)
    }
}

fn stream(batch: &Batch<'_>, codec: Codec, facts: &mut RecordFacts) -> Result<(), BatchError> {
    let mut reader = codec.reader(batch.body())?;
    let mut window = [0u8; WINDOW_BYTES];
    let (mut start, mut end) = (0, 0);
    let mut total = 0usize;
    // Bytes of the record under way that are still to come and to be passed over.
    let mut skip = 0usize;
    let mut ended = false;
    loop {
        if skip > 0 {
            let n = skip.min(end - start);
            start += n;
            skip -= n;
        }
        while !ended && (skip > 0 || end - start < RECORD_FIXED_BYTES_MAX) {
            if skip > 0 {
                (start, end) = (0, 0);
            } else {
                window.copy_within(start..end, 0);
                (start, end) = (0, end - start);
            }
            let n = reader.read(&mut window[end..]).map_err(|source| codec.corrupt(source))?;
            ended = n == 0;
            end += n;
            total += n;
            if total > DECOMPRESSED_BATCH_BYTES_MAX {
                return Err(CompressionError::TooLarge { limit: DECOMPRESSED_BATCH_BYTES_MAX }.into());
            }
            let n = skip.min(end - start);
            start += n;
            skip -= n;
        }
        if skip > 0 {
            return Err(CUT);
        }
        if start == end {
            facts.unfolded_bytes = total;
            return Ok(());
        }
        // A batch cannot hold more records than it says; one that goes on is not unfolded to its end.
        if facts.count >= batch.header.record_count {
            return Err(BatchError::Records("the batch holds another number of records than its header says"));
        }
        let next = facts.one(batch.header.base_timestamp, &window[..end], start)?;
        skip = next.saturating_sub(end);
        start = next.min(end);
    }
}
