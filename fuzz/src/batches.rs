//! Record batches as a producer sends them: headers, checksums, the walk over records in every codec, the checks of an
//! append, and what a reader gets back of an append that was accepted.

use std::path::PathBuf;
use std::sync::Arc;

use andiron_protocol::batch::{
    Batch, BatchError, BatchHeader, Batches, HEADER_BYTES, NO_TIMESTAMP, TimestampType, patch_crc, walk_records,
};
use andiron_protocol::compression::{Codec, DECOMPRESSED_BATCH_BYTES_MAX, ZSTD_WINDOW_LOG_MAX};
use andiron_simulator::SimDisk;
use andiron_storage::{AppendOrigin, CompressionType, Log, LogConfig, OpenLog, TopicPartition};

use crate::memory::{Allowance, within};

/// What refusals say, and the small things beside the records.
const SAID_BYTES: usize = 4 << 10;
/// Records that unfold to more are only walked, as a broker does: the fuzzer would be busy with nothing else.
const UNFOLDED_BYTES_MAX: usize = 1 << 20;
const NOW: i64 = 1_700_000_000_000;

/// What a codec's reader keeps, whatever it is given.
fn window(codec: Codec, packed: usize) -> usize {
    match codec {
        Codec::None => 0,
        // The state of inflate with its 32 KiB, and a header's fields of up to 64 KiB.
        Codec::Gzip => 128 << 10,
        // A block is unfolded whole, and no copy of three bytes makes more than 64.
        Codec::Snappy => packed * 22,
        // Two blocks and a window; a block is at most 8 MiB (the old frame format; 4 MiB in the new one).
        Codec::Lz4 => (16 << 20) + (128 << 10),
        // The window that the frame asks for, reserved but not touched before there is output for it.
        Codec::Zstd => (1 << ZSTD_WINDOW_LOG_MAX) + (1 << 20),
    }
}

/// What looking at `batch` may take.
fn allowance(batch: &Batch<'_>) -> Allowance {
    let codec = batch.header.attributes.codec().unwrap_or_default();
    let window = window(codec, batch.bytes.len());
    Allowance { single: window + SAID_BYTES, total: 2 * window + SAID_BYTES }
}

/// A record, for comparing.
type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// Reads `data` as a few bits of settings and the records of a partition in a Produce request.
pub fn batches(data: &[u8]) {
    let Some((&[settings, codecs], bytes)) = data.split_first_chunk::<2>() else { return };
    let mut bytes = bytes.to_vec();
    if settings & 1 != 0 {
        seal(&mut bytes);
    }
    if cfg!(feature = "planted") {
        unbounded(&bytes);
    }
    let mut unfolded = 0usize;
    let mut batches = Batches::new(&bytes);
    for batch in batches.by_ref().flatten() {
        unfolded = unfolded.saturating_add(look_at(&batch));
    }
    assert!(batches.position() + batches.rest().len() == bytes.len());
    if unfolded <= UNFOLDED_BYTES_MAX {
        append(settings, codecs, &bytes, unfolded);
    }
}

/// Gives every batch the checksum that it ought to have: few mutations would come further than that.
pub(crate) fn seal(bytes: &mut [u8]) {
    let mut at = 0;
    while let Ok(batch) = Batch::first(&bytes[at..]) {
        let end = at + batch.bytes.len();
        patch_crc(&mut bytes[at..end]);
        at = end;
    }
}

/// The mistake to be found: a length is believed.
fn unbounded(bytes: &[u8]) {
    if let Ok(header) = BatchHeader::read(bytes) {
        std::hint::black_box(&bytes[HEADER_BYTES..header.size()]);
    }
}

/// Walks one batch's records twice, as a broker and as a reader, and returns how many bytes they unfold to.
fn look_at(batch: &Batch<'_>) -> usize {
    let header = batch.header;
    let crc = batch.header.crc.to_be_bytes();
    assert_eq!(header.to_bytes()[..17], batch.bytes[..17]);
    assert_eq!([&crc, &header.to_bytes()[21..]].concat(), batch.bytes[17..HEADER_BYTES]);
    let allowed = allowance(batch);
    let _ = within(allowed, || batch.check_crc());
    let Ok(facts) = within(allowed, || walk_records(batch)) else { return 0 };
    assert_eq!(facts.count, header.record_count);
    assert!(facts.unfolded_bytes <= DECOMPRESSED_BATCH_BYTES_MAX);
    if facts.unfolded_bytes > UNFOLDED_BYTES_MAX {
        return facts.unfolded_bytes;
    }
    let mut scratch = Vec::new();
    // Grows as output appears, at most doubling.
    let kept = 2 * facts.unfolded_bytes + (1 << 20).min(3 * batch.bytes.len());
    let more = Allowance { single: allowed.single + kept, total: allowed.total + 2 * kept };
    let Ok(records) = within(more, || batch.records(&mut scratch)) else {
        panic!("the walk unfolds what the reader cannot");
    };
    let records: Result<Vec<_>, BatchError> = records.collect();
    let Ok(records) = records else { panic!("the walk takes what a reader cannot read: {records:?}") };
    assert_eq!(records.len(), facts.count as usize);
    assert_eq!(records.iter().map(|r| r.size).sum::<usize>(), facts.unfolded_bytes);
    assert_eq!(records.iter().position(|r| r.key.is_none()).map(|at| at as i32), facts.first_without_key);
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record.offset, header.base_offset.wrapping_add(at as i64));
        assert!(record.headers.clone().all(|header| header.is_ok()), "a header that was walked cannot be read");
    }
    if header.attributes.timestamp_type() == TimestampType::CreateTime {
        let times = || records.iter().map(|r| r.timestamp);
        assert_eq!(times().max().unwrap_or(NO_TIMESTAMP).max(NO_TIMESTAMP), facts.max_timestamp);
        let min = times().filter(|t| *t != NO_TIMESTAMP).min().unwrap_or(NO_TIMESTAMP);
        assert!(min == facts.min_timestamp || min == i64::MAX);
    }
    facts.unfolded_bytes
}

/// The records of whole batches, if every one can be read.
fn read(bytes: &[u8]) -> Option<Vec<Owned>> {
    let mut all = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.ok()?;
        for record in batch.records(&mut Vec::new()).ok()? {
            let record = record.ok()?;
            let headers: Result<Vec<_>, BatchError> =
                record.headers.map(|h| h.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))).collect();
            let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
            all.push((record.offset, record.timestamp, key, value, headers.ok()?));
        }
    }
    Some(all)
}

fn config(settings: u8, codecs: u8) -> LogConfig {
    LogConfig {
        segment_index_bytes: 1_024,
        index_interval_bytes: 200,
        compact: settings & 2 != 0,
        message_timestamp_type: if settings & 4 != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        // A third of the inputs is compressed anew.
        compression_type: match Codec::ALL.get(usize::from(codecs % 15)) {
            Some(codec) => CompressionType::Codec(*codec, None),
            None => CompressionType::Producer,
        },
        message_timestamp_after_max_ms: if settings & 8 != 0 { 3_600_000 } else { i64::MAX },
        ..LogConfig::default()
    }
}

fn open(disk: &SimDisk, config: &LogConfig, clean: bool) -> Log {
    let open = OpenLog {
        dir: PathBuf::from("/log/t-0"),
        config: config.clone(),
        topic_id: None,
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: clean,
        journal: None,
        now: NOW,
    };
    match Log::open(Arc::new(disk.clone()), TopicPartition::new("t", 0), open) {
        Ok((log, _)) => log,
        Err(error) => panic!("{error}"),
    }
}

/// Appends the bytes to an empty log; what it takes must come out again.
fn append(settings: u8, codecs: u8, bytes: &[u8], unfolded: usize) {
    let disk = SimDisk::new(1);
    let config = config(settings, codecs);
    let mut log = open(&disk, &config, true);
    let largest = Batches::new(bytes).flatten().map(|b| allowance(&b).single).max().unwrap_or(0);
    let (single, total) = match config.compression_type {
        CompressionType::Producer => (largest, 2 * largest),
        // Unfolded, built anew, compressed: zstd's compressor takes some megabytes.
        CompressionType::Codec(..) => (largest + 4 * unfolded + (4 << 20), 2 * largest + 16 * unfolded + (16 << 20)),
    };
    // The disk keeps what it is given several times, and its lists.
    let allowed =
        Allowance { single: single + 4 * bytes.len() + SAID_BYTES, total: total + 16 * bytes.len() + 4 * SAID_BYTES };
    let follower = settings & 16 != 0;
    let origin = if settings & 32 != 0 { AppendOrigin::Coordinator } else { AppendOrigin::Client };
    let appended = within(allowed, || {
        if follower { log.append_as_follower(bytes, NOW) } else { log.append_as_leader(bytes, 3, origin, NOW) }
    });
    let Ok(appended) = appended else {
        assert_eq!((log.log_end_offset(), log.size()), (0, 0), "a refused append has left something");
        return;
    };
    let end = log.log_end_offset();
    if follower && appended.bytes == 0 {
        assert_eq!(end, 0);
        return;
    }
    assert_eq!(appended.last_offset, end - 1);
    let mut out = Vec::new();
    let mut at = log.log_start_offset();
    while at < end {
        let Ok(some) = log.read_batches(at, usize::MAX) else { panic!("offset {at} of {end} cannot be read") };
        let last = Batches::new(&some).flatten().last().map(|b| b.header.next_offset());
        let Some(next) = last.filter(|next| *next > at) else { panic!("nothing at offset {at} of {end}") };
        at = next;
        out.extend_from_slice(&some);
    }
    for batch in Batches::new(&out) {
        assert!(batch.is_ok_and(|b| b.check_crc().is_ok()), "what is read has another checksum");
    }
    if follower {
        assert_eq!(out, bytes[..out.len()], "a follower's bytes are the leader's");
    } else {
        compare(bytes, &out, &config, origin);
    }
    let by_time = (log.max_timestamp(), log.offset_for_timestamp(0));
    assert!(by_time.0.is_ok() && by_time.1.is_ok());
    assert!(log.aborted_transactions(0, end).is_ok());
    assert!(log.close_clean().is_ok());
    drop(log);
    for clean in [true, false] {
        assert_eq!(open(&disk, &config, clean).log_end_offset(), end, "opened again, clean: {clean}");
    }
}

/// The records that were sent are those that are read, with the log's offsets and perhaps its time.
fn compare(sent: &[u8], read_back: &[u8], config: &LogConfig, origin: AppendOrigin) {
    let Some(mut wanted) = read(sent) else { return };
    let own_time = config.message_timestamp_type == TimestampType::LogAppendTime && origin == AppendOrigin::Client;
    for (at, record) in wanted.iter_mut().enumerate() {
        record.0 = at as i64;
        if own_time {
            record.1 = NOW;
        }
    }
    let Some(mut found) = read(read_back) else { panic!("what was sent can be read, what was appended cannot") };
    if !own_time {
        // A batch that claims the broker's clock and comes from a client is given the client's again.
        let claims = |b: Batch<'_>| b.header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        if Batches::new(sent).flatten().any(claims) {
            wanted.iter_mut().chain(&mut found).for_each(|record| record.1 = 0);
        }
    }
    assert_eq!(wanted, found, "other records than were sent");
}
