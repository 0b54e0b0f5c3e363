//! Builds a batch: what a producer, a coordinator or a quorum leader does. Records are laid down uncompressed in one buffer and
//! compressed, counted and sealed at the end.

use bytes::{Bytes, BytesMut};

use super::header::{HEADER_BYTES, LOG_OVERHEAD_BYTES, patch_crc};
use super::varint::{size_i32, size_i64, write_i32, write_i64};
use super::{
    Attributes, BatchError, BatchHeader, NO_HEADERS, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID,
    NO_SEQUENCE, NO_TIMESTAMP, RecordHeader, TimestampType,
};
use crate::compression::Codec;

/// Everything of a batch that is not its records.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// How to compress.
    pub codec: Codec,
    /// The codec's level, if not its own default.
    pub level: Option<i32>,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Leader's epoch.
    pub partition_leader_epoch: i32,
    /// Whose clock.
    pub timestamp_type: TimestampType,
    /// Idempotent producer's id, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub transactional: bool,
    /// For brokers only.
    pub control: bool,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            codec: Codec::None,
            level: None,
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            timestamp_type: TimestampType::CreateTime,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
        }
    }
}

/// A batch under construction.
#[derive(Debug)]
pub struct BatchBuilder {
    /// What the header will say; may be changed until [`BatchBuilder::build`].
    pub options: BatchOptions,
    /// Records, uncompressed.
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    delete_horizon: Option<i64>,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> Self {
        BatchBuilder {
            options,
            records: Vec::new(),
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            last_offset_delta: -1,
            delete_horizon: None,
        }
    }

    /// Appends a record without headers.
    pub fn append(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.append_with_headers(timestamp, key, value, NO_HEADERS);
    }

    /// Appends a record.
    pub fn append_with_headers<'h, H>(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: H)
    where
        H: IntoIterator<Item = RecordHeader<'h>>,
        H::IntoIter: ExactSizeIterator + Clone,
    {
        self.append_at(self.last_offset_delta + 1, timestamp, key, value, headers);
    }

    /// Appends a record `offset_delta` behind the base offset: what compaction leaves has gaps.
    pub fn append_at<'h, H>(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) where
        H: IntoIterator<Item = RecordHeader<'h>>,
        H::IntoIter: ExactSizeIterator + Clone,
    {
        if self.count == 0 {
            self.base_timestamp = self.delete_horizon.unwrap_or(timestamp);
        }
        let headers = headers.into_iter();
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let size = record_body_size(timestamp_delta, offset_delta, key, value, headers.clone());
        let out = &mut self.records;
        write_i32(size as i32, out);
        out.push(0);
        write_i64(timestamp_delta, out);
        write_i32(offset_delta, out);
        put(key, out);
        put(value, out);
        write_i32(headers.len() as i32, out);
        for (key, value) in headers {
            put(Some(key), out);
            put(value, out);
        }
        self.count += 1;
        self.last_offset_delta = offset_delta;
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }

    /// How many records it holds.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch if it were sealed now without compression.
    pub fn uncompressed_size(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The greatest timestamp so far, -1 when there is none.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Makes the batch claim offsets up to `offset_delta` though its last record stands before: compaction keeps a batch's last offset.
    pub fn set_last_offset_delta(&mut self, offset_delta: i32) {
        self.last_offset_delta = offset_delta;
    }

    /// From when on tombstones and markers of the batch may be removed: stands where the base timestamp does (KIP-534), so it is
    /// to be set before the first record.
    pub fn set_delete_horizon(&mut self, horizon: i64) {
        self.delete_horizon = Some(horizon);
    }

    /// Seals the batch and empties the builder, whose buffer is kept for the next.
    pub fn build(&mut self) -> Result<Bytes, BatchError> {
        let mut out = Vec::new();
        self.build_into(&mut out)?;
        Ok(Bytes::from(out))
    }

    /// Seals the batch behind what `out` holds and empties the builder.
    pub fn build_into(&mut self, out: &mut Vec<u8>) -> Result<(), BatchError> {
        let start = out.len();
        let o = &self.options;
        out.reserve(if o.codec == Codec::None {
            HEADER_BYTES + self.records.len()
        } else {
            HEADER_BYTES + self.records.len() / 2
        });
        out.resize(start + HEADER_BYTES, 0);
        o.codec.compress(o.level, &self.records, out)?;
        let length = i32::try_from(out.len() - start - LOG_OVERHEAD_BYTES)
            .map_err(|_| BatchError::Records("the batch is larger than 2 GiB"))?;
        let header = BatchHeader {
            base_offset: o.base_offset,
            batch_length: length,
            partition_leader_epoch: o.partition_leader_epoch,
            crc: 0,
            attributes: Attributes::default()
                .with_codec(o.codec)
                .with_timestamp_type(o.timestamp_type)
                .with_transactional(o.transactional)
                .with_control(o.control)
                .with_delete_horizon(self.delete_horizon.is_some()),
            last_offset_delta: self.last_offset_delta.max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: o.producer_id,
            producer_epoch: o.producer_epoch,
            base_sequence: o.base_sequence,
            record_count: self.count,
        };
        out[start..start + HEADER_BYTES].copy_from_slice(&header.to_bytes());
        patch_crc(&mut out[start..]);
        self.clear();
        Ok(())
    }

    /// Seals the batch as bytes that may still be patched.
    pub fn build_mut(&mut self) -> Result<BytesMut, BatchError> {
        Ok(BytesMut::from(self.build()?))
    }

    /// Forgets the records; options stay.
    pub fn clear(&mut self) {
        self.records.clear();
        self.count = 0;
        self.base_timestamp = NO_TIMESTAMP;
        self.max_timestamp = NO_TIMESTAMP;
        self.last_offset_delta = -1;
        self.delete_horizon = None;
    }

    /// Upper bound of the bytes a record would add.
    pub fn record_size_max<'h, H>(key: Option<&[u8]>, value: Option<&[u8]>, headers: H) -> usize
    where
        H: IntoIterator<Item = RecordHeader<'h>>,
        H::IntoIter: ExactSizeIterator + Clone,
    {
        5 + record_body_size(i64::MIN, i32::MAX, key, value, headers.into_iter())
    }
}

fn record_body_size<'h>(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = RecordHeader<'h>>,
) -> usize {
    1 + size_i64(timestamp_delta)
        + size_i32(offset_delta)
        + nullable_size(key)
        + nullable_size(value)
        + size_i32(headers.len() as i32)
        + headers.map(|(key, value)| nullable_size(Some(key)) + nullable_size(value)).sum::<usize>()
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |b| size_i32(b.len() as i32) + b.len())
}

fn put(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            write_i32(bytes.len() as i32, out);
            out.extend_from_slice(bytes);
        }
        None => write_i32(-1, out),
    }
}
