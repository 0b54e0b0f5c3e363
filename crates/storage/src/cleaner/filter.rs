//! What compaction leaves of one batch: the batch as it is, a batch of fewer records, an empty one that keeps its producer's
//! sequence or the log's last offset, or nothing (MemoryRecords.filterTo with Cleaner's filter).

use std::collections::HashMap;

use andiron_protocol::batch::{
    Attributes, Batch, BatchBuilder, BatchError, BatchHeader, BatchOptions, HEADER_BYTES, LOG_OVERHEAD_BYTES, Record,
    patch_crc,
};

use super::offset_map::OffsetMap;
use super::transactions::Transactions;

/// What a producer that is still known wrote last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastRecord {
    /// Offset of its last record; none when only a marker is known of it.
    pub data_offset: Option<i64>,
    /// Its epoch.
    pub epoch: i16,
}

/// What decides.
pub(super) struct Filter<'c> {
    pub now: i64,
    pub delete_retention_ms: i64,
    pub map: &'c OffsetMap,
    pub producers: &'c HashMap<i64, LastRecord>,
    /// The batch that ends here stays, empty if need be, so that the offset behind it is not forgotten.
    pub upper_bound: i64,
}

impl Filter<'_> {
    /// Appends what is left of `batch` to `out`: its header, and how many records it has; None when nothing is left.
    pub fn keep(
        &self,
        batch: &Batch<'_>,
        transactions: &mut Transactions,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<BatchHeader>, BatchError> {
        let header = &batch.header;
        let control = header.attributes.is_control();
        let needless = if control { transactions.on_control(batch) } else { transactions.on_data(header) };
        let discard = needless && (!control || header.delete_horizon().is_some_and(|horizon| horizon <= self.now));
        let keep_empty = self.is_last_of_producer(header) || header.next_offset() == self.upper_bound;
        if discard {
            return Ok(keep_empty.then(|| put_empty(header, out)));
        }
        let mut kept: Vec<Record<'_>> = Vec::with_capacity(header.record_count.max(0) as usize % 65_536);
        let mut whole = true;
        let mut tombstones = false;
        for record in batch.records(scratch)? {
            let record = record?;
            if control || self.keeps(header, &record) {
                tombstones |= record.value.is_none();
                kept.push(record);
            } else {
                whole = false;
            }
        }
        if kept.is_empty() {
            return Ok(keep_empty.then(|| put_empty(header, out)));
        }
        let sets_horizon = (tombstones || (needless && control)) && header.delete_horizon().is_none();
        if whole && !sets_horizon {
            out.extend_from_slice(batch.bytes);
            return Ok(Some(*header));
        }
        let horizon = if sets_horizon {
            Some(self.now.saturating_add(self.delete_retention_ms))
        } else {
            header.delete_horizon()
        };
        rebuild(header, kept, horizon, out).map(Some)
    }

    /// Whether a record is the last of its key, and no tombstone whose time is over.
    fn keeps(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        if record.offset > self.map.latest {
            return true;
        }
        // A compacted log takes none without a key; those of before it was one go.
        let Some(key) = record.key else { return false };
        record.offset >= self.map.get(key)
            && (record.value.is_some() || header.delete_horizon().is_none_or(|horizon| self.now < horizon))
    }

    /// Whether the batch has the last sequence number (or else the epoch) of a producer that may come back.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        header.has_producer_id()
            && self.producers.get(&header.producer_id).is_some_and(|last| match last.data_offset {
                Some(offset) => header.last_offset() == offset,
                None => header.attributes.is_control() && header.producer_epoch == last.epoch,
            })
    }
}

fn rebuild(
    header: &BatchHeader,
    records: Vec<Record<'_>>,
    horizon: Option<i64>,
    out: &mut Vec<u8>,
) -> Result<BatchHeader, BatchError> {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: header.attributes.codec()?,
        level: None,
        base_offset: header.base_offset,
        partition_leader_epoch: header.partition_leader_epoch,
        timestamp_type: header.attributes.timestamp_type(),
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.attributes.is_transactional(),
        control: header.attributes.is_control(),
    });
    if let Some(horizon) = horizon {
        builder.set_delete_horizon(horizon);
    }
    for record in records {
        let delta = i32::try_from(record.offset.wrapping_sub(header.base_offset))
            .map_err(|_| BatchError::Records("Found invalid record structure: an offset outside its batch"))?;
        let headers = record.headers.clone().collect::<Result<Vec<_>, _>>()?;
        builder.append_at(delta, record.timestamp, record.key, record.value, headers);
    }
    builder.set_last_offset_delta(header.last_offset_delta);
    let start = out.len();
    builder.build_into(out)?;
    BatchHeader::read(&out[start..])
}

/// The batch without its records.
fn put_empty(header: &BatchHeader, out: &mut Vec<u8>) -> BatchHeader {
    let attributes = Attributes::default()
        .with_timestamp_type(header.attributes.timestamp_type())
        .with_transactional(header.attributes.is_transactional())
        .with_control(header.attributes.is_control());
    let mut empty = BatchHeader {
        batch_length: (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32,
        attributes,
        base_timestamp: header.max_timestamp,
        record_count: 0,
        ..*header
    };
    let start = out.len();
    out.extend_from_slice(&empty.to_bytes());
    patch_crc(&mut out[start..]);
    if let Ok(written) = BatchHeader::read(&out[start..]) {
        empty.crc = written.crc;
    }
    empty
}
