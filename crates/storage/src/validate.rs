//! What is checked of batches before they are appended, and what of them is changed: offsets in the header always, timestamps and
//! compression when the topic asks. A batch that is not changed beyond its header is never copied.

use andiron_protocol::batch::{
    Batch, BatchBuilder, BatchError, BatchHeader, BatchOptions, Batches, HEADER_BYTES, NO_TIMESTAMP, TimestampType,
    patch_crc, walk_records,
};
use andiron_protocol::compression::{Codec, CompressionError};
use bytes::Bytes;

use crate::config::{CompressionType, LogConfig};
use crate::limits::RECORD_ERRORS_MAX;
use crate::types::{AppendError, AppendOrigin, RecordError, TopicPartition};

/// A batch that may be appended: its header to be patched, and its records as they came or anew.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub header: BatchHeader,
    body: Body<'a>,
}

#[derive(Debug)]
enum Body<'a> {
    AsCame(&'a [u8]),
    Rebuilt(Bytes),
}

impl Checked<'_> {
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::AsCame(bytes) => bytes,
            Body::Rebuilt(bytes) => &bytes[HEADER_BYTES..],
        }
    }
}

fn invalid(message: impl Into<String>) -> AppendError {
    AppendError::InvalidRecord { message: message.into(), records: Vec::new() }
}

fn broken(error: BatchError) -> AppendError {
    match error {
        BatchError::Records(message) => invalid(message),
        BatchError::Compression(CompressionError::UnknownCodec(id)) => {
            AppendError::UnsupportedCompression(CompressionError::UnknownCodec(id).to_string())
        }
        BatchError::Compression(CompressionError::TooLarge { limit }) => {
            invalid(CompressionError::TooLarge { limit }.to_string())
        }
        other => AppendError::Corrupt(other),
    }
}

/// Checks the batches of one append.
pub(crate) fn check<'a>(
    bytes: &'a [u8],
    partition: &TopicPartition,
    config: &LogConfig,
    origin: AppendOrigin,
    end_offset: i64,
    now: i64,
) -> Result<Vec<Checked<'a>>, AppendError> {
    let mut checked = Vec::with_capacity(1);
    let mut batches = Batches::new(bytes);
    let mut offset = end_offset;
    for batch in batches.by_ref() {
        let batch = batch.map_err(broken)?;
        let one = check_one(&batch, partition, config, origin, offset, now)?;
        offset += i64::from(one.header.last_offset_delta) + 1;
        checked.push(one);
    }
    if !batches.rest().is_empty() {
        let (have, need) = (batches.rest().len(), HEADER_BYTES);
        return Err(AppendError::Corrupt(
            Batch::first(batches.rest()).err().unwrap_or(BatchError::Short { have, need }),
        ));
    }
    if checked.is_empty() {
        return Err(invalid("there must be at least one record batch per partition"));
    }
    if checked.len() > 1 && checked.iter().any(|c| c.header.has_producer_id()) {
        return Err(invalid("an idempotent append may hold exactly one record batch per partition"));
    }
    Ok(checked)
}

fn check_one<'a>(
    batch: &Batch<'a>,
    partition: &TopicPartition,
    config: &LogConfig,
    origin: AppendOrigin,
    offset: i64,
    now: i64,
) -> Result<Checked<'a>, AppendError> {
    let mut header = batch.header;
    let size = batch.bytes.len();
    let too_large = |size| AppendError::TooLarge { partition: partition.clone(), size, max: config.max_message_bytes };
    if origin == AppendOrigin::Client && size > config.max_message_bytes as usize {
        return Err(too_large(size));
    }
    // The one pass over the bytes that the checksum needs.
    batch.check_crc().map_err(broken)?;
    let attributes = header.attributes;
    let codec = attributes.codec().map_err(|e| broken(e.into()))?;
    if origin == AppendOrigin::Client {
        if attributes.is_control() {
            return Err(invalid("Clients are not allowed to write control records"));
        }
        if header.has_producer_id() && header.base_sequence < 0 {
            return Err(invalid(format!(
                "Invalid sequence number {} in record batch with producerId {}",
                header.base_sequence, header.producer_id
            )));
        }
        if attributes.is_transactional() && !header.has_producer_id() {
            return Err(invalid("Transactional messages need a producer id"));
        }
        if attributes.has_delete_horizon() {
            return Err(invalid("Clients are not allowed to set a delete horizon"));
        }
    }
    let facts = walk_records(batch).map_err(broken)?;
    if facts.count <= 0 {
        return Err(invalid(format!(
            "Record batch for partition {partition} at offset {offset} has invalid base offset or record count {}",
            facts.count
        )));
    }
    if config.compact && !attributes.is_control() && facts.first_without_key.is_some() {
        return Err(without_keys(batch, partition).unwrap_or_else(broken));
    }
    let target = match config.compression_type {
        CompressionType::Codec(target, level) if target != codec && !attributes.is_control() => Some((target, level)),
        _ => None,
    };
    let append_time = config.message_timestamp_type == TimestampType::LogAppendTime && origin == AppendOrigin::Client;
    let mut stale_crc = false;
    if append_time {
        header.max_timestamp = now;
        header.attributes = attributes.with_timestamp_type(TimestampType::LogAppendTime);
        stale_crc = true;
    } else {
        check_times(facts.min_timestamp, facts.max_timestamp, config, origin, offset, now)?;
        if facts.max_timestamp != header.max_timestamp || attributes.timestamp_type() != TimestampType::CreateTime {
            header.max_timestamp = facts.max_timestamp;
            header.attributes = attributes.with_timestamp_type(TimestampType::CreateTime);
            stale_crc = true;
        }
    }
    if let Some((target, level)) = target {
        let rebuilt = rebuild(batch, &header, target, level).map_err(broken)?;
        if rebuilt.len() > config.max_message_bytes as usize {
            return Err(too_large(rebuilt.len()));
        }
        let header = BatchHeader::read(&rebuilt).map_err(broken)?;
        return Ok(Checked { header, body: Body::Rebuilt(rebuilt) });
    }
    if stale_crc {
        header.crc = crc_of(&header, batch.body());
    }
    Ok(Checked { header, body: Body::AsCame(batch.body()) })
}

/// Why a compacted log refuses a batch: every record without a key is named.
fn without_keys(batch: &Batch<'_>, partition: &TopicPartition) -> Result<AppendError, BatchError> {
    let message = format!("Compacted topic cannot accept message without key in topic partition {partition}");
    let (mut scratch, mut count, mut records) = (Vec::new(), 0usize, Vec::new());
    for (batch_index, record) in (0..).zip(batch.records(&mut scratch)?) {
        if record?.key.is_none() {
            count += 1;
            if records.len() < RECORD_ERRORS_MAX {
                records.push(RecordError { batch_index, message: message.clone() });
            }
        }
    }
    let first: Vec<String> = records
        .iter()
        .take(3)
        .map(|e| format!("RecordError(batchIndex={}, message='{}')", e.batch_index, e.message))
        .collect();
    let message = format!(
        "One or more records have been rejected due to {count} record errors in total, and only showing the first three errors at most: [{}]",
        first.join(", ")
    );
    Ok(AppendError::InvalidRecord { message, records })
}

/// The checksum over a patched header and a body that stands elsewhere.
fn crc_of(header: &BatchHeader, body: &[u8]) -> u32 {
    let mut digest = andiron_protocol::crc::Crc32c::new();
    digest.update(&header.to_bytes()[21..]);
    digest.update(body);
    digest.finish()
}

fn check_times(
    min: i64,
    max: i64,
    config: &LogConfig,
    origin: AppendOrigin,
    offset: i64,
    now: i64,
) -> Result<(), AppendError> {
    if origin != AppendOrigin::Client || max == NO_TIMESTAMP {
        return Ok(());
    }
    let earliest = now.saturating_sub(config.message_timestamp_before_max_ms);
    let latest = now.saturating_add(config.message_timestamp_after_max_ms);
    let bad = if min != NO_TIMESTAMP && min < earliest {
        min
    } else if max > latest {
        max
    } else {
        return Ok(());
    };
    let message = format!(
        "Timestamp {bad} of message with offset {offset} is out of range. The timestamp should be within [{earliest}, {latest}]"
    );
    Err(AppendError::InvalidTimestamp {
        records: vec![RecordError { batch_index: 0, message: message.clone() }],
        message: "One or more records have been rejected due to invalid timestamp: ".to_owned() + &message,
    })
}

/// The same records with another codec.
fn rebuild(batch: &Batch<'_>, header: &BatchHeader, codec: Codec, level: Option<i32>) -> Result<Bytes, BatchError> {
    let mut scratch = Vec::new();
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        level,
        base_offset: header.base_offset,
        partition_leader_epoch: header.partition_leader_epoch,
        timestamp_type: header.attributes.timestamp_type(),
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.attributes.is_transactional(),
        control: false,
    });
    for record in batch.records(&mut scratch)? {
        let record = record?;
        let headers = record.headers.clone().collect::<Result<Vec<_>, _>>()?;
        builder.append_with_headers(record.timestamp, record.key, record.value, headers);
    }
    let mut bytes = builder.build()?.to_vec();
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        andiron_protocol::batch::patch_max_timestamp(&mut bytes, header.max_timestamp, TimestampType::LogAppendTime);
        patch_crc(&mut bytes);
    }
    Ok(Bytes::from(bytes))
}
