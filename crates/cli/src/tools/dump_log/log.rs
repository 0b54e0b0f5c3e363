//! Data logs and snapshots of the metadata log: their batches, and the records in them.

use std::io::Write;
use std::path::Path;

use andiron_protocol::batch::{
    Batch, ControlType, EndTxnMarker, NO_SEQUENCE, Record, TimestampType, increment_sequence,
};
use andiron_replication::quorum::ControlRecord;

use super::batches::{Batches, refused};
use super::decoder::Decoder;
use super::{Findings, Options, Thrown, base_offset, not_a_number, written};

/// `.log` and `.checkpoint`
pub(super) fn dump(
    path: &Path,
    options: &Options<'_>,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), Thrown> {
    let decoder = options.decoder()?;
    let max_bytes = options.max_bytes()?;
    let print = options.print_data_log();
    let deep = options.has("deep-iteration") || print;
    heading(path, out)?;
    let mut batches = Batches::open(path, u64::from(max_bytes.unsigned_abs()))?;
    let (mut valid, mut last_offset) = (0, -1);
    let mut scratch = Vec::new();
    while let Some(at) = batches.next()? {
        batch_line(&at.batch, at.position, out)?;
        valid = at.position + at.batch.bytes.len() as u64;
        if deep {
            let skip_metadata = options.has("skip-record-metadata");
            let mut records = Records { path, decoder, print, skip_metadata, last_offset: &mut last_offset };
            records.dump(&at.batch, &mut scratch, out, findings)?;
        }
    }
    let trailing = batches.size() - valid;
    if trailing > 0 && max_bytes == i32::MAX {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        written(writeln!(out, "Found {trailing} invalid bytes at the end of {name}"))?;
    }
    Ok(())
}

fn heading(path: &Path, out: &mut dyn Write) -> Result<(), Thrown> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".log") {
        return written(writeln!(out, "Log starting offset: {}", base_offset(path)?));
    }
    if name == "bootstrap.checkpoint" {
        return written(writeln!(out, "KRaft bootstrap snapshot"));
    }
    let number = |text: Option<&str>| text.map(|digits| (digits.to_owned(), digits.parse::<i64>()));
    match (number(name.get(..20)), number(name.get(21..31))) {
        (Some((_, Ok(offset))), Some((_, Ok(epoch)))) => {
            written(writeln!(out, "Snapshot end offset: {offset}, epoch: {epoch}"))
        }
        (Some((text, Err(_))), _) | (Some(_), Some((text, _))) => Err(not_a_number(&text)),
        _ => Err(Thrown::new(
            "java.lang.StringIndexOutOfBoundsException",
            format!("Range [0, 20) out of bounds for length {}", name.len()),
        )),
    }
}

fn timestamp_type(batch: &Batch<'_>) -> &'static str {
    match batch.header.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(batch: &Batch<'_>, position: u64, out: &mut dyn Write) -> Result<(), Thrown> {
    let h = &batch.header;
    let horizon = match h.attributes.has_delete_horizon() {
        true => format!("OptionalLong[{}]", h.base_timestamp),
        false => "OptionalLong.empty".to_owned(),
    };
    written(write!(
        out,
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
        h.base_offset,
        h.last_offset(),
        h.record_count,
        h.base_sequence,
        h.last_sequence(),
        h.producer_id,
        h.producer_epoch,
        h.partition_leader_epoch,
        h.attributes.is_transactional(),
        h.attributes.is_control(),
    ))?;
    let unknown = |_| {
        let text = format!("Unknown compression type id: {}", h.attributes.0 & 7);
        Thrown::illegal(text)
    };
    let codec = h.attributes.codec().map_err(unknown)?;
    written(writeln!(
        out,
        " position: {position} {}: {} size: {} magic: 2 compresscodec: {codec} crc: {} isvalid: {}",
        timestamp_type(batch),
        h.max_timestamp,
        batch.bytes.len(),
        h.crc,
        batch.check_crc().is_ok(),
    ))
}

/// What is shown of the records of a file.
struct Records<'a> {
    path: &'a Path,
    decoder: Decoder,
    print: bool,
    skip_metadata: bool,
    last_offset: &'a mut i64,
}

impl Records<'_> {
    fn dump(
        &mut self,
        batch: &Batch<'_>,
        scratch: &mut Vec<u8>,
        out: &mut dyn Write,
        findings: &mut Findings,
    ) -> Result<(), Thrown> {
        if batch.header.record_count == 0 {
            return Ok(());
        }
        for record in batch.records(scratch).map_err(|e| refused(&e))? {
            let record = record.map_err(|e| refused(&e))?;
            if record.offset != self.last_offset.wrapping_add(1) {
                findings.non_consecutive(self.path, *self.last_offset, record.offset);
            }
            *self.last_offset = record.offset;
            let control = batch.header.attributes.is_control();
            if !self.skip_metadata {
                metadata(batch, &record, out)?;
                if control {
                    control_record(&record, out)?;
                }
            }
            if self.print && !control {
                self.contents(&record, out)?;
            }
            written(writeln!(out))?;
        }
        Ok(())
    }

    fn contents(&self, record: &Record<'_>, out: &mut dyn Write) -> Result<(), Thrown> {
        let (key, value) = self.decoder.show(record)?;
        let mut prefix = if self.skip_metadata { "| " } else { " " };
        if let Some(key) = key {
            written(write!(out, "{prefix}key: {key}"))?;
            prefix = " ";
        }
        if let Some(value) = value {
            written(write!(out, "{prefix}payload: {value}"))?;
        }
        Ok(())
    }
}

fn metadata(batch: &Batch<'_>, record: &Record<'_>, out: &mut dyn Write) -> Result<(), Thrown> {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let h = &batch.header;
    let sequence = match h.base_sequence {
        first if first >= 0 => increment_sequence(first, record.offset.wrapping_sub(h.base_offset) as i32),
        _ => NO_SEQUENCE,
    };
    let mut keys = Vec::new();
    for header in record.headers.clone() {
        let (key, _) = header.map_err(|e| refused(&e))?;
        keys.push(String::from_utf8_lossy(key).into_owned());
    }
    written(write!(
        out,
        "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        record.offset,
        timestamp_type(batch),
        record.timestamp,
        size(record.key),
        size(record.value),
        keys.join(","),
    ))
}

fn control_record(record: &Record<'_>, out: &mut dyn Write) -> Result<(), Thrown> {
    let invalid = |text: String| Thrown::new("org.apache.kafka.common.InvalidRecordException", text);
    let key = record.key.unwrap_or_default();
    let kind = ControlType::from_key(key).ok_or_else(|| {
        let found = key.len();
        invalid(format!(
            "Invalid value size found for control record key. Must have at least 4 bytes, but found only {found}"
        ))
    })?;
    let marker = |word: &str| -> Result<String, Thrown> {
        let read = EndTxnMarker::read(record.value.unwrap_or_default());
        let read = read.ok_or_else(|| invalid("Invalid end transaction marker".to_owned()))?;
        Ok(format!(" endTxnMarker: {word} coordinatorEpoch: {}", read.coordinator_epoch))
    };
    let quorum = |name: &str| -> Result<String, Thrown> {
        let read = ControlRecord::decode(record.key, record.value).map_err(|e| invalid(e.to_string()))?;
        Ok(format!(" {name} {}", read.to_json()))
    };
    let text = match kind {
        ControlType::Abort => marker("ABORT"),
        ControlType::Commit => marker("COMMIT"),
        ControlType::LeaderChange => quorum("LeaderChange:"),
        ControlType::SnapshotHeader => quorum("SnapshotHeader"),
        ControlType::SnapshotFooter => quorum("SnapshotFooter"),
        ControlType::KRaftVersion => quorum("KRaftVersion"),
        ControlType::KRaftVoters => quorum("KRaftVoters"),
        ControlType::Unknown(id) => Ok(format!(" controlType: UNKNOWN({id})")),
    }?;
    written(write!(out, "{text}"))
}
