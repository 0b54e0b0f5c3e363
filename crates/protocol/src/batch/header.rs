//! The 61 bytes in front of a batch's records. Base offset, length and leader epoch stand outside the checksum, which is why a
//! broker can assign an offset without reading the rest.

use super::BatchError;
use crate::compression::{Codec, CompressionError};
use crate::crc::crc32c;

/// Bytes of a batch's header.
pub const HEADER_BYTES: usize = 61;
/// Bytes of base offset and length, which the length does not count.
pub const LOG_OVERHEAD_BYTES: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

/// Whose clock a batch's timestamps are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's at append: one for the whole batch, its max timestamp.
    LogAppendTime,
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    const TIMESTAMP_TYPE: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records.
    pub fn codec(self) -> Result<Codec, CompressionError> {
        Codec::from_id(self.0 & 7)
    }

    /// Whose clock the timestamps are from.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::TIMESTAMP_TYPE == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are for brokers only (transaction markers, quorum records).
    pub fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is the time from which tombstones may be removed.
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// These bits with another codec.
    pub fn with_codec(self, codec: Codec) -> Self {
        Attributes(self.0 & !7 | codec.id())
    }

    /// These bits with another timestamp type.
    pub fn with_timestamp_type(self, kind: TimestampType) -> Self {
        self.with(Self::TIMESTAMP_TYPE, kind == TimestampType::LogAppendTime)
    }

    /// These bits with the transactional bit set or cleared.
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// These bits with the control bit set or cleared.
    pub fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    /// These bits with the delete horizon bit set or cleared.
    pub fn with_delete_horizon(self, on: bool) -> Self {
        self.with(Self::DELETE_HORIZON, on)
    }

    fn with(self, bit: i16, on: bool) -> Self {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// A batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record (of the first there ever was, after compaction).
    pub base_offset: i64,
    /// Bytes behind this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch.
    pub partition_leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control, delete horizon.
    pub attributes: Attributes,
    /// Last offset minus base offset.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from (or the delete horizon).
    pub base_timestamp: i64,
    /// Greatest timestamp of the records, or the time of append.
    pub max_timestamp: i64,
    /// Idempotent producer's id, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// How many records there are.
    pub record_count: i32,
}

fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Only the length's lower bound and the magic are checked.
    pub fn read(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let have = bytes.len();
        // Magic stands at the same place in every version: an old batch is named as such even when it is shorter than 61 bytes.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic != 2
        {
            return Err(BatchError::Magic(magic as i8));
        }
        let Some(b) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Short { have, need: HEADER_BYTES });
        };
        let batch_length = i32::from_be_bytes(array(b, 8));
        if (batch_length as i64) < (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i64 {
            return Err(BatchError::Length(batch_length));
        }
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(array(b, 0)),
            batch_length,
            partition_leader_epoch: i32::from_be_bytes(array(b, 12)),
            crc: u32::from_be_bytes(array(b, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(array(b, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(array(b, 23)),
            base_timestamp: i64::from_be_bytes(array(b, 27)),
            max_timestamp: i64::from_be_bytes(array(b, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(array(b, 43)),
            producer_epoch: i16::from_be_bytes(array(b, 51)),
            base_sequence: i32::from_be_bytes(array(b, 53)),
            record_count: i32::from_be_bytes(array(b, 57)),
        })
    }

    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut b = [0; HEADER_BYTES];
        b[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        b[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        b[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        b[16] = 2;
        b[17..21].copy_from_slice(&self.crc.to_be_bytes());
        b[21..23].copy_from_slice(&self.attributes.0.to_be_bytes());
        b[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        b[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        b[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        b[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        b[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        b[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        b[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        b
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        LOG_OVERHEAD_BYTES + self.batch_length.max(0) as usize
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset behind the last record.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether an idempotent producer sent it.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > super::NO_PRODUCER_ID
    }

    /// From when on compaction may remove the tombstones and markers in the batch, in milliseconds, if that was set (KIP-534).
    pub fn delete_horizon(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Sequence number of the last record; numbers wrap from 2^31-1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == super::NO_SEQUENCE {
            return super::NO_SEQUENCE;
        }
        increment_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// A sequence number moved on by `by`, wrapping behind 2^31-1.
pub fn increment_sequence(sequence: i32, by: i32) -> i32 {
    let moved = i64::from(sequence) + i64::from(by);
    (moved % (1 << 31)) as i32
}

/// The checksum a whole batch ought to have.
pub(super) fn compute_crc(batch: &[u8]) -> u32 {
    crc32c(batch.get(ATTRIBUTES_AT..).unwrap_or_default())
}

/// Writes base offset and leader epoch into a batch's bytes: all that a leader changes, outside the checksum. Bytes shorter
/// than a header are left alone.
pub fn patch_offset(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    if batch.len() >= HEADER_BYTES {
        batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
        batch[12..16].copy_from_slice(&leader_epoch.to_be_bytes());
    }
}

/// Writes max timestamp and timestamp type into a batch's bytes. The checksum is stale until [`patch_crc`].
pub fn patch_max_timestamp(batch: &mut [u8], max_timestamp: i64, kind: TimestampType) {
    if batch.len() >= HEADER_BYTES {
        let attributes =
            Attributes(i16::from_be_bytes([batch[ATTRIBUTES_AT], batch[ATTRIBUTES_AT + 1]])).with_timestamp_type(kind);
        batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.0.to_be_bytes());
        batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&max_timestamp.to_be_bytes());
    }
}

/// Writes an idempotent producer's id, epoch and first sequence into a batch's bytes, as it does when it sends the batch and
/// not when it builds it. The checksum is stale until [`patch_crc`].
pub fn patch_producer(batch: &mut [u8], producer_id: i64, producer_epoch: i16, base_sequence: i32) {
    if batch.len() >= HEADER_BYTES {
        batch[43..51].copy_from_slice(&producer_id.to_be_bytes());
        batch[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
        batch[53..57].copy_from_slice(&base_sequence.to_be_bytes());
    }
}

/// Computes the checksum of one whole batch anew and writes it.
pub fn patch_crc(batch: &mut [u8]) {
    if batch.len() >= HEADER_BYTES {
        let crc = compute_crc(batch);
        batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    }
}
