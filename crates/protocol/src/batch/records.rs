//! Records as slices of the (unfolded) body of a batch; headers are walked only when asked for.

use super::varint::{read_i32, read_i64};
use super::{BatchError, BatchHeader, TimestampType};

/// A header of a record: its key and its value.
pub type RecordHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// For appending records without headers.
pub const NO_HEADERS: [RecordHeader<'static>; 0] = [];

/// One record.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, of the batch's timestamp type.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; None is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
    /// Its bytes in the batch, its own length included.
    pub size: usize,
}

/// The headers of a record, walked. Bytes that are no headers end the walk with an error.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl<'a> Headers<'a> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.left as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<RecordHeader<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut at = 0;
        let header = (|| {
            let key = take(self.bytes, &mut at)??;
            let value = take(self.bytes, &mut at)?;
            Some((key, value))
        })();
        match header {
            Some(header) => {
                self.bytes = &self.bytes[at..];
                Some(Ok(header))
            }
            None => {
                self.left = 0;
                Some(Err(BatchError::Records("Found invalid record structure: a header is cut short")))
            }
        }
    }
}

/// A length and so many bytes; a negative length is null.
fn take<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let length = read_i32(bytes, at)?;
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let end = at.checked_add(length)?;
    let slice = bytes.get(*at..end)?;
    *at = end;
    Some(Some(slice))
}

/// Walks the records of an unfolded body. After an error the walk is over; a body that holds more or fewer records than the
/// header says is an error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    body: &'a [u8],
    at: usize,
    left: i32,
    base_offset: i64,
    base_timestamp: i64,
    append_time: Option<i64>,
}

impl<'a> Records<'a> {
    /// A walk over `body`, the unfolded bytes behind `header`.
    pub fn new(header: &BatchHeader, body: &'a [u8]) -> Self {
        let append_time =
            (header.attributes.timestamp_type() == TimestampType::LogAppendTime).then_some(header.max_timestamp);
        Records {
            body,
            at: 0,
            left: header.record_count.max(0),
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            append_time,
        }
    }

    fn read(&mut self) -> Result<Record<'a>, BatchError> {
        const CUT: BatchError = BatchError::Records("Found invalid record structure");
        let start = self.at;
        let mut at = start;
        let length = read_i32(self.body, &mut at).and_then(|l| usize::try_from(l).ok()).ok_or(CUT)?;
        let end = at.checked_add(length).ok_or(CUT)?;
        let record = self.body.get(at..end).ok_or(CUT)?;
        let mut at = 1; // the record's attributes have no bit in use
        let timestamp_delta = read_i64(record, &mut at).ok_or(CUT)?;
        let offset_delta = read_i32(record, &mut at).ok_or(CUT)?;
        let key = take(record, &mut at).ok_or(CUT)?;
        let value = take(record, &mut at).ok_or(CUT)?;
        let count = read_i32(record, &mut at).and_then(|c| u32::try_from(c).ok()).ok_or(CUT)?;
        let rest = record.get(at..).ok_or(CUT)?;
        // Each header takes two bytes or more.
        if count as usize > rest.len() / 2 || (count == 0 && !rest.is_empty()) {
            return Err(CUT);
        }
        self.at = end;
        Ok(Record {
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp: self.append_time.unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
            headers: Headers { bytes: rest, left: count },
            size: end - start,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.at < self.body.len() {
                self.at = self.body.len();
                return Some(Err(BatchError::Records(
                    "Incorrect declared batch size, records still remaining in file",
                )));
            }
            return None;
        }
        self.left -= 1;
        let record = self.read();
        if record.is_err() {
            self.left = 0;
            self.at = self.body.len();
        }
        Some(record)
    }
}
