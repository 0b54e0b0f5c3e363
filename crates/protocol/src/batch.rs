//! Record batches of magic 2 as views over the bytes they came in: the broker patches a header and never touches a record,
//! a reader walks records as slices, and only a producer builds one.

mod builder;
mod control;
mod header;
mod records;
#[cfg(test)]
mod tests;
pub mod varint;
mod walk;

pub use builder::{BatchBuilder, BatchOptions};
pub use control::{ControlType, END_TXN_MARKER_VERSION_MAX, EndTxnMarker, control_key};
pub use header::{
    Attributes, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, TimestampType, increment_sequence, patch_crc,
    patch_max_timestamp, patch_offset, patch_producer,
};
pub use records::{Headers, NO_HEADERS, Record, RecordHeader, Records};
pub use walk::{RecordFacts, walk_records};

use crate::compression::CompressionError;

/// No timestamp.
pub const NO_TIMESTAMP: i64 = -1;
/// No idempotent producer.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No sequence number.
pub const NO_SEQUENCE: i32 = -1;
/// No leader epoch.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;

/// What can be wrong with bytes that should be a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or the batch's own length say.
    #[error("the batch is cut short: {have} bytes of {need}")]
    Short {
        /// Bytes there.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A length that no batch can have.
    #[error("Record batch is corrupted (the size {0} is smaller than the minimum allowed overhead 49)")]
    Length(i32),
    /// Not magic 2.
    #[error("unsupported record batch magic {0}")]
    Magic(i8),
    /// The checksum does not match.
    #[error("Record is corrupt (stored crc = {stored}, computed crc = {computed})")]
    Crc {
        /// As the batch says.
        stored: u32,
        /// As its bytes say.
        computed: u32,
    },
    /// The records do not add up to what the header says.
    #[error("{0}")]
    Records(&'static str),
    /// The compressed records cannot be unfolded.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// One whole batch: its header and all its bytes (header included).
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The header, read.
    pub header: BatchHeader,
    /// All bytes of the batch.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch of `bytes`, whole; its checksum is not looked at.
    pub fn first(bytes: &'a [u8]) -> Result<Batch<'a>, BatchError> {
        let header = BatchHeader::read(bytes)?;
        let size = header.size();
        match bytes.get(..size) {
            Some(bytes) => Ok(Batch { header, bytes }),
            None => Err(BatchError::Short { have: bytes.len(), need: size }),
        }
    }

    /// The bytes behind the header: the records, compressed as the attributes say.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Compares the checksum with the bytes.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = header::compute_crc(self.bytes);
        if computed == self.header.crc { Ok(()) } else { Err(BatchError::Crc { stored: self.header.crc, computed }) }
    }

    /// Walks the records. Compressed ones are unfolded into `scratch`, which is emptied first and can be used again for the
    /// next batch; uncompressed ones are slices of the batch itself.
    pub fn records<'b>(&self, scratch: &'b mut Vec<u8>) -> Result<Records<'b>, BatchError>
    where
        'a: 'b,
    {
        let codec = self.header.attributes.codec()?;
        if codec == crate::compression::Codec::None {
            return Ok(Records::new(&self.header, self.body()));
        }
        scratch.clear();
        codec.decompress(self.body(), scratch, crate::compression::DECOMPRESSED_BATCH_BYTES_MAX)?;
        Ok(Records::new(&self.header, scratch))
    }
}

/// Walks the batches of a buffer. A batch cut off at the end (as the last one of a Fetch answer may be) ends the walk without
/// an error; `position` then says where it began. After an error the walk is over.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    at: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// A walk over `bytes`, which begin with a batch.
    pub fn new(bytes: &'a [u8]) -> Self {
        Batches { bytes, at: 0, failed: false }
    }

    /// Where the next batch begins: the count of bytes walked.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes not walked yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::first(self.rest()) {
            Ok(batch) => {
                self.at += batch.bytes.len();
                Some(Ok(batch))
            }
            Err(BatchError::Short { .. }) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
