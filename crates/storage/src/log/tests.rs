//! A log on the machine's own disk: what is appended is read back, across segments, closes and crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_protocol::batch::{
    BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, TimestampType, control_key,
};
use andiron_protocol::compression::Codec;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::AbortedTransaction;
use crate::config::CompressionType;
use crate::disk::{OpenMode, RealDisk};
use crate::types::{AppendError, AppendOrigin, ReadError, Recovered};

const NOW: i64 = 1_700_000_000_000;

fn small() -> LogConfig {
    LogConfig {
        segment_bytes: 4_000,
        index_interval_bytes: 300,
        segment_index_bytes: 4_096,
        transaction_verification: false,
        ..LogConfig::default()
    }
}

struct Place {
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap(), disk: Arc::new(RealDisk::with_open_files_max(8)) }
    }

    fn open(&self, config: LogConfig, clean: bool, recovery_point: i64) -> (Log, Recovered) {
        let open = OpenLog {
            dir: self.dir.path().join("t-0"),
            config,
            topic_id: Some(Uuid::from_u128(7)),
            log_start_offset: 0,
            recovery_point,
            clean_shutdown: clean,
            journal: None,
            now: NOW,
        };
        Log::open(self.disk.clone(), TopicPartition::new("t", 0), open).unwrap()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("t-0").join(name)
    }
}

fn batch_of(options: BatchOptions, first: i64, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for i in first..first + count {
        builder.append(NOW + i, Some(format!("k{i}").as_bytes()), Some(format!("value of {i}").as_bytes()));
    }
    builder.build().unwrap()
}

fn batch(first: i64, count: i64) -> Bytes {
    batch_of(BatchOptions::default(), first, count)
}

fn append(log: &mut Log, batch: &[u8]) -> i64 {
    log.append_as_leader(batch, 3, AppendOrigin::Client, NOW).unwrap().base_offset
}

fn fill(log: &mut Log, batches: i64) {
    for _ in 0..batches {
        let next = log.log_end_offset();
        assert_eq!(append(log, &batch(next, 10)), next);
    }
}

/// A folder that claims a clean end and was damaged: found by fuzzing.
#[test]
fn an_index_that_points_past_the_end_sends_nobody_there() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 9);
    log.close_clean().unwrap();
    let index = place.file("00000000000000000000.index");
    let mut bytes = std::fs::read(&index).unwrap();
    // A last entry that cannot be has the index made anew.
    let last = bytes.len() - 8;
    assert!(last >= 16, "several entries");
    bytes[..last].chunks_mut(8).for_each(|entry| entry[4..].copy_from_slice(&i32::MAX.to_be_bytes()));
    std::fs::write(&index, bytes).unwrap();
    let (log, _) = place.open(small(), true, 90);
    for at in [0, 25, 45, 89] {
        assert_eq!(log.offset_for_timestamp(NOW + at).unwrap().map(|found| found.offset), Some(at));
        assert!(log.read(at, 100, 90, true).unwrap().len > 0);
    }
}

#[test]
fn offsets_at_the_end_of_what_there_can_be_do_not_overflow() {
    // Names that no log gets by itself, and a time index that points beyond the last offset: found by fuzzing.
    let place = Place::new();
    std::fs::create_dir(place.dir.path().join("t-0")).unwrap();
    let last = |suffix: &str| place.file(&format!("{:020}.{suffix}", i64::MAX));
    std::fs::write(last("log.swap"), b"").unwrap();
    let (log, _) = place.open(small(), false, 0);
    assert_eq!(log.log_end_offset(), i64::MAX);
    drop(log);
    std::fs::write(last("timeindex"), [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 5]).unwrap();
    let (log, _) = place.open(small(), true, 0);
    assert!(log.max_timestamp().is_ok() && log.offset_for_timestamp(1).is_ok());
}

/// Offsets and keys from `from` on, read in bites.
fn records(log: &Log, from: i64, below: i64) -> Vec<(i64, String)> {
    let mut out = Vec::new();
    let mut at = from;
    loop {
        let outcome = log.read(at, 1_500, below, true).unwrap();
        if outcome.len == 0 {
            return out;
        }
        let bytes = outcome.to_vec().unwrap();
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            for record in batch.records(&mut Vec::new()).unwrap() {
                let record = record.unwrap();
                if record.offset >= at {
                    out.push((record.offset, String::from_utf8(record.key.unwrap().to_vec()).unwrap()));
                    at = record.offset + 1;
                }
            }
        }
    }
}

fn expect_records(log: &Log, from: i64, below: i64) {
    let expected: Vec<_> = (from..below).map(|i| (i, format!("k{i}"))).collect();
    assert_eq!(records(log, from, below), expected);
}

fn sync(log: &mut Log) {
    if let Some(ticket) = log.sync_ticket() {
        ticket.run().unwrap();
        log.synced(&ticket);
    }
}

#[test]
fn what_is_appended_is_read_across_segments_and_after_a_clean_close() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 60);
    assert!(log.segment_count() > 3);
    expect_records(&log, 0, 600);
    expect_records(&log, 333, 600);
    expect_records(&log, 5, 50);
    assert_eq!(log.read(600, 10, i64::MAX, true).unwrap().len, 0);
    assert!(matches!(log.read(601, 10, i64::MAX, true), Err(ReadError::OffsetOutOfRange { .. })));
    log.close_clean().unwrap();
    assert!(log.append_as_leader(&batch(0, 1), 3, AppendOrigin::Client, NOW).is_err());
    let (mut log, recovered) = place.open(small(), true, 600);
    assert_eq!(recovered, Recovered::default());
    assert_eq!((log.log_end_offset(), log.synced_offset(), log.latest_epoch()), (600, 600, Some(3)));
    expect_records(&log, 0, 600);
    fill(&mut log, 5);
    expect_records(&log, 590, 650);
}

#[test]
fn a_torn_tail_is_cut_off_and_nothing_else() {
    for cut in [1, 30, 61, 100, 400] {
        let place = Place::new();
        let (mut log, _) = place.open(small(), true, 0);
        fill(&mut log, 25);
        sync(&mut log);
        let base = log.segments.last().unwrap().base;
        let size = log.segments.last().unwrap().size;
        drop(log);
        let path = place.file(&format!("{base:020}.log"));
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(u64::from(size) - cut).unwrap();
        let (mut log, recovered) = place.open(small(), false, 0);
        assert!(recovered.scanned && recovered.truncated_bytes > 0, "{recovered:?}");
        assert_eq!(log.log_end_offset(), if cut < 300 { 240 } else { 230 }, "cut {cut}");
        let end = log.log_end_offset();
        expect_records(&log, 0, end);
        fill(&mut log, 3);
        expect_records(&log, 0, end + 30);
    }
}

#[test]
fn missing_and_corrupt_indexes_are_built_again() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 60);
    log.close_clean().unwrap();
    let read = |name: &str| std::fs::read(place.file(name)).unwrap();
    let (index, time) = (read("00000000000000000000.index"), read("00000000000000000000.timeindex"));
    assert!(!index.is_empty() && !time.is_empty());
    std::fs::remove_file(place.file("00000000000000000000.index")).unwrap();
    std::fs::write(place.file("00000000000000000000.timeindex"), b"xyz").unwrap();
    let (log, recovered) = place.open(small(), true, 600);
    assert_eq!(recovered.rebuilt_indexes, [0]);
    assert_eq!(read("00000000000000000000.index"), index);
    assert_eq!(read("00000000000000000000.timeindex"), time);
    expect_records(&log, 0, 600);
}

#[test]
fn a_compaction_cut_off_is_finished() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 60);
    let second = log.segments[1].base;
    log.close_clean().unwrap();
    // Apache Kafka had merged the first two segments and was killed before the names were changed.
    let name = |base: i64, suffix: &str| place.file(&format!("{base:020}.{suffix}"));
    let mut merged = std::fs::read(name(0, "log")).unwrap();
    merged.extend(std::fs::read(name(second, "log")).unwrap());
    std::fs::write(name(0, "log.swap"), merged).unwrap();
    std::fs::write(name(0, "index.swap"), b"").unwrap();
    std::fs::write(name(0, "timeindex.swap"), b"").unwrap();
    let (log, _) = place.open(small(), false, 600);
    assert_eq!(log.segments[0].base, 0);
    assert!(log.segments[1].base > second);
    expect_records(&log, 0, 600);
    assert!(!name(second, "log").exists() && !name(0, "log.swap").exists() && !name(0, "timeindex.swap").exists());
}

#[test]
fn duplicates_are_answered_and_gaps_refused_also_after_a_restart() {
    let place = Place::new();
    let idempotent = |sequence: i32, first: i64| {
        batch_of(
            BatchOptions { producer_id: 9, producer_epoch: 0, base_sequence: sequence, ..BatchOptions::default() },
            first,
            10,
        )
    };
    let (mut log, _) = place.open(small(), true, 0);
    for i in 0..20 {
        assert_eq!(append(&mut log, &idempotent(i * 10, i64::from(i) * 10)), i64::from(i) * 10);
    }
    let check = |log: &mut Log| {
        let again = log.append_as_leader(&idempotent(190, 190), 3, AppendOrigin::Client, NOW).unwrap();
        assert!(again.duplicate && again.base_offset == 190 && again.last_offset == 199);
        let gap = log.append_as_leader(&idempotent(210, 0), 3, AppendOrigin::Client, NOW);
        assert!(matches!(gap, Err(AppendError::OutOfOrderSequence(_))), "{gap:?}");
        assert_eq!(log.log_end_offset(), 200);
    };
    check(&mut log);
    let state = log.producers();
    sync(&mut log);
    drop(log);
    let (mut log, _) = place.open(small(), false, 0);
    assert_eq!(log.producers()[0].1.batches.last(), state[0].1.batches.last());
    check(&mut log);
    log.close_clean().unwrap();
    let (mut log, recovered) = place.open(small(), true, 200);
    assert!(!recovered.scanned);
    check(&mut log);
}

/// A snapshot has the last batch of each producer only, as Apache Kafka's; a producer may have five under way.
#[test]
fn five_batches_under_way_are_duplicates_across_rolls_and_stops() {
    let idempotent = |number: i32| {
        let base_sequence = number * 10;
        let options = BatchOptions { producer_id: 9, producer_epoch: 0, base_sequence, ..BatchOptions::default() };
        batch_of(options, i64::from(base_sequence), 10)
    };
    for (what, rolls_before, clean) in [
        ("a roll between them", &[4][..], false),
        ("two", &[3, 5], false),
        ("a clean stop", &[], true),
        ("all", &[2, 4, 6], true),
    ] {
        let place = Place::new();
        let (mut log, _) = place.open(small(), true, 0);
        for number in 0..7 {
            if rolls_before.contains(&number) {
                log.roll(NOW).unwrap();
            }
            append(&mut log, &idempotent(number));
        }
        if clean {
            log.close_clean().unwrap();
        } else {
            sync(&mut log);
        }
        drop(log);
        let (mut log, _) = place.open(small(), clean, 70);
        for number in 2..7 {
            let again = log.append_as_leader(&idempotent(number), 3, AppendOrigin::Client, NOW);
            let again = again.unwrap_or_else(|error| panic!("{what}: batch {number}: {error}"));
            assert!(again.duplicate && again.base_offset == i64::from(number) * 10, "{what}: {again:?}");
        }
        let forgotten = log.append_as_leader(&idempotent(1), 3, AppendOrigin::Client, NOW);
        assert!(matches!(forgotten, Err(AppendError::OutOfOrderSequence(_))), "{what}: {forgotten:?}");
        assert_eq!(append(&mut log, &idempotent(7)), 70);
    }
}

/// As kafkajs writes what is not idempotent: no producer, and yet epoch 0 and sequence 0.
#[test]
fn a_sequence_number_without_a_producer_means_nothing() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    let options = BatchOptions { producer_epoch: 0, base_sequence: 0, ..BatchOptions::default() };
    for first in [0, 10] {
        assert_eq!(append(&mut log, &batch_of(options.clone(), first, 10)), first);
    }
    expect_records(&log, 0, 20);
    assert!(log.producers().is_empty());
}

#[test]
fn a_followers_batches_too_far_apart_for_a_segment_leave_nothing() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    let far = i64::from(i32::MAX) + 10;
    let bytes =
        [batch(0, 3).to_vec(), batch_of(BatchOptions { base_offset: far, ..BatchOptions::default() }, 3, 3).to_vec()]
            .concat();
    let refused = log.append_as_follower(&bytes, NOW);
    assert!(
        matches!(&refused, Err(AppendError::InvalidRecord { message, .. }) if message.contains("overflow")),
        "{refused:?}"
    );
    assert_eq!((log.log_end_offset(), log.size()), (0, 0));
}

#[test]
fn refusals_say_what_is_wrong_and_append_nothing() {
    let place = Place::new();
    let config = LogConfig { max_message_bytes: 900, compact: true, ..small() };
    let (mut log, _) = place.open(config, true, 0);
    let mut bad_crc = batch(0, 3).to_vec();
    bad_crc[80] ^= 1;
    let keyless = {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(NOW, None, Some(b"v"));
        builder.build().unwrap()
    };
    let future = {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(NOW + 3_600_001, Some(b"k"), Some(b"v"));
        builder.build().unwrap()
    };
    let mut torn = batch(0, 3).to_vec();
    torn.pop();
    let control = batch_of(BatchOptions { control: true, ..BatchOptions::default() }, 0, 1);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("crc", bad_crc, "Record is corrupt"),
        ("size", batch(0, 60).to_vec(), "exceeds the maximum configured value of 900"),
        (
            "key",
            keyless.to_vec(),
            "due to 1 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=0, message='Compacted topic cannot accept message without key in topic partition t-0')]",
        ),
        ("time", future.to_vec(), "is out of range. The timestamp should be within ["),
        ("torn", torn, "cut short"),
        ("empty", vec![], "at least one record batch"),
        ("control", control.to_vec(), "Clients are not allowed to write control records"),
        ("garbage", vec![0xff; 100], "magic"),
    ];
    for (name, bytes, message) in cases {
        let error = log.append_as_leader(&bytes, 3, AppendOrigin::Client, NOW).unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(!error.may_have_happened());
    }
    assert_eq!((log.log_end_offset(), log.size()), (0, 0));
}

#[test]
fn log_append_time_and_compression_as_the_topic_asks() {
    let place = Place::new();
    let config = LogConfig {
        message_timestamp_type: TimestampType::LogAppendTime,
        compression_type: CompressionType::Codec(Codec::Zstd, None),
        ..small()
    };
    let (mut log, _) = place.open(config, true, 0);
    for codec in Codec::ALL {
        let appended = log
            .append_as_leader(
                &batch_of(BatchOptions { codec, ..BatchOptions::default() }, 0, 5),
                3,
                AppendOrigin::Client,
                NOW + 99,
            )
            .unwrap();
        assert_eq!(appended.log_append_time, NOW + 99);
    }
    let bytes = log.read_batches(0, 1 << 20).unwrap();
    let mut count = 0;
    for batch in Batches::new(&bytes) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        assert_eq!(batch.header.attributes.codec().unwrap(), Codec::Zstd);
        for record in batch.records(&mut Vec::new()).unwrap() {
            assert_eq!(record.unwrap().timestamp, NOW + 99);
            count += 1;
        }
    }
    assert_eq!(count, 25);
}

#[test]
fn timestamps_are_found() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    assert_eq!(log.max_timestamp().unwrap(), None);
    fill(&mut log, 60);
    for wanted in [0, 1, 9, 10, 11, 255, 599] {
        let found = log.offset_for_timestamp(NOW + wanted).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp, found.leader_epoch), (wanted, NOW + wanted, Some(3)));
    }
    assert_eq!(log.offset_for_timestamp(0).unwrap().unwrap().offset, 0);
    assert_eq!(log.offset_for_timestamp(NOW + 600).unwrap(), None);
    assert_eq!(log.max_timestamp().unwrap().unwrap().offset, 599);
    log.delete_records(300).unwrap();
    assert_eq!(log.offset_for_timestamp(0).unwrap().unwrap().offset, 300);
}

#[test]
fn truncation_leaves_a_whole_prefix() {
    for to in [599, 505, 500, 301, 77, 10, 3, 0] {
        let place = Place::new();
        let (mut log, _) = place.open(small(), true, 0);
        fill(&mut log, 60);
        log.truncate_to(to, NOW).unwrap();
        let end = to - to % 10;
        assert_eq!(log.log_end_offset(), end, "to {to}");
        expect_records(&log, 0, end);
        fill(&mut log, 20);
        expect_records(&log, 0, end + 200);
        log.close_clean().unwrap();
        let (log, recovered) = place.open(small(), true, 0);
        assert!(!recovered.scanned);
        expect_records(&log, 0, end + 200);
    }
}

#[test]
fn beginning_again_somewhere_else() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 30);
    log.truncate_fully_and_start_at(1_000, NOW).unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.segment_count()), (1_000, 1_000, 1));
    fill(&mut log, 30);
    expect_records(&log, 1_000, 1_300);
    let mut names: Vec<_> = std::fs::read_dir(place.file("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names[0], "00000000000000001000.index");
}

#[test]
fn retention_by_size_time_and_log_start() {
    let place = Place::new();
    let (mut log, _) = place.open(LogConfig { retention_bytes: 8_000, retention_ms: -1, ..small() }, true, 0);
    fill(&mut log, 60);
    assert_eq!(log.delete_old_segments(5, NOW).unwrap(), None, "nothing is wholly below the high watermark");
    let deleted = log.delete_old_segments(600, NOW).unwrap().unwrap();
    assert!(log.size() >= 8_000 && log.size() < 12_000 + 400, "{}", log.size());
    assert!(deleted.paths.iter().all(|p| p.exists() && p.to_string_lossy().ends_with(".deleted")));
    assert_eq!(deleted.remove_at, NOW + 60_000);
    remove_deleted(&*place.disk, &deleted).unwrap();
    assert!(deleted.paths.iter().all(|p| !p.exists()));
    let start = log.log_start_offset();
    assert!(start > 0);
    expect_records(&log, start, 600);
    assert!(log.read(start - 1, 10, 600, true).is_err());

    log.set_config(LogConfig { retention_ms: 1_000, ..small() });
    assert_eq!(log.delete_old_segments(600, NOW + 500).unwrap(), None);
    log.delete_old_segments(600, NOW + 2_000).unwrap().unwrap();
    assert_eq!((log.log_start_offset(), log.log_end_offset(), log.size(), log.segment_count()), (600, 600, 0, 1));
    fill(&mut log, 30);

    log.set_config(LogConfig { delete: false, compact: true, ..small() });
    log.delete_records(800).unwrap();
    log.delete_old_segments(900, NOW).unwrap().unwrap();
    assert!(log.segments[0].base <= 800 && log.segments[1].base > 800);
    expect_records(&log, 800, 900);
}

#[test]
fn a_reader_goes_on_when_its_segment_is_deleted() {
    let place = Place::new();
    let (mut log, _) = place.open(LogConfig { retention_bytes: 0, ..small() }, true, 0);
    fill(&mut log, 40);
    let outcome = log.read(0, 3_000, 400, true).unwrap();
    let before = outcome.to_vec().unwrap();
    log.delete_old_segments(400, NOW).unwrap().unwrap();
    outcome.ranges[0].file.close();
    assert_eq!(outcome.to_vec().unwrap(), before);
}

#[test]
fn a_ticket_says_how_far_the_log_is_durable() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    sync(&mut log);
    assert!(log.sync_ticket().is_none());
    fill(&mut log, 1);
    let first = log.sync_ticket().unwrap();
    assert_eq!((first.end_offset(), first.files.len()), (10, 2), "the log and the first epoch's file");
    fill(&mut log, 40);
    first.run().unwrap();
    log.synced(&first);
    assert_eq!(log.synced_offset(), 10);
    let second = log.sync_ticket().unwrap();
    assert!(second.files.len() > 5, "rolled segments with their indexes");
    second.run().unwrap();
    log.synced(&second);
    assert_eq!(log.synced_offset(), 410);
    assert!(log.sync_ticket().is_none());
    fill(&mut log, 1);
    let third = log.sync_ticket().unwrap();
    assert_eq!((third.files.len(), third.dirs.len()), (1, 0), "one fdatasync in the steady state");
    log.truncate_to(300, NOW).unwrap();
    log.synced(&third);
    assert_eq!(log.synced_offset(), 300, "a ticket from before a truncation says nothing");
    log.set_offline();
    assert!(log.append_as_leader(&batch(0, 1), 3, AppendOrigin::Client, NOW).unwrap_err().may_have_happened());
}

#[test]
fn transactions_hold_the_stable_offset_and_aborted_ones_are_indexed() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    let data = |id: i64, sequence: i32| {
        let o = BatchOptions {
            producer_id: id,
            base_sequence: sequence,
            producer_epoch: 0,
            transactional: true,
            ..BatchOptions::default()
        };
        batch_of(o, 0, 10)
    };
    let marker = |id: i64, kind: ControlType| {
        let o = BatchOptions {
            producer_id: id,
            producer_epoch: 0,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(o);
        builder.append(NOW, Some(&control_key(kind)), Some(&EndTxnMarker { coordinator_epoch: 0 }.to_bytes()));
        builder.build().unwrap()
    };
    append(&mut log, &data(1, 0));
    append(&mut log, &data(2, 0));
    assert_eq!(log.last_stable_offset(20), 0);
    log.append_as_leader(&marker(1, ControlType::Abort), 3, AppendOrigin::Coordinator, NOW).unwrap();
    assert_eq!(log.last_stable_offset(21), 10);
    log.append_as_leader(&marker(2, ControlType::Commit), 3, AppendOrigin::Coordinator, NOW).unwrap();
    assert_eq!((log.last_stable_offset(21), log.last_stable_offset(22)), (10, 22));
    append(&mut log, &data(1, 10));
    let expected =
        vec![AbortedTransaction { producer_id: 1, first_offset: 0, last_offset: 20, last_stable_offset: 10 }];
    assert_eq!(log.aborted_transactions(0, 22).unwrap(), expected);
    let (state, stable) = (log.producers(), log.last_stable_offset(32));
    assert_eq!(stable, 22);
    sync(&mut log);
    drop(log);
    for (clean, point) in [(false, 0), (false, 32), (true, 32)] {
        let (log, _) = place.open(small(), clean, point);
        assert_eq!(log.last_stable_offset(32), stable);
        assert_eq!(log.aborted_transactions(0, 22).unwrap(), expected, "clean {clean} from {point}");
        let now: Vec<_> = log
            .producers()
            .into_iter()
            .map(|(id, e)| (id, e.epoch, e.last_sequence(), e.current_txn_first_offset))
            .collect();
        let then: Vec<_> =
            state.iter().map(|(id, e)| (*id, e.epoch, e.last_sequence(), e.current_txn_first_offset)).collect();
        assert_eq!(now, then);
    }
}

#[test]
fn a_transaction_deleted_with_its_records_does_not_come_back() {
    let place = Place::new();
    let transactional =
        BatchOptions { producer_id: 9, producer_epoch: 0, base_sequence: 0, transactional: true, ..Default::default() };
    let (mut log, _) = place.open(small(), true, 0);
    append(&mut log, &batch_of(transactional, 0, 10));
    for _ in 0..2 {
        log.roll(NOW).unwrap();
        fill(&mut log, 1);
    }
    sync(&mut log);
    log.on_high_watermark(30);
    log.delete_records(10).unwrap();
    log.delete_old_segments(30, NOW).unwrap().unwrap();
    assert_eq!(log.last_stable_offset(30), 10);
    drop(log);
    // Read again from the log's start: no snapshot from before it counts. The one from offset 20 still had the transaction.
    let (log, _) = place.open(small(), false, 10);
    assert_eq!(log.last_stable_offset(30), 30);
    drop(log);
    let (log, _) = place.open(small(), false, 30);
    assert_eq!(log.last_stable_offset(30), 30);
}

#[test]
fn epochs_say_where_a_leader_ended() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    for epoch in [0, 2, 5] {
        log.assign_epoch(epoch, log.log_end_offset()).unwrap();
        let first = log.log_end_offset();
        log.append_as_leader(&batch(first, 10), epoch, AppendOrigin::Client, NOW).unwrap();
    }
    let ends: Vec<_> = [0, 1, 2, 4, 5, 6].iter().map(|e| log.end_offset_for_epoch(*e)).collect();
    assert_eq!(ends, [Some((0, 10)), Some((0, 10)), Some((2, 20)), Some((2, 20)), Some((5, 30)), None]);
    log.truncate_to(15, NOW).unwrap();
    assert_eq!((log.latest_epoch(), log.log_end_offset()), (Some(0), 10));
    log.close_clean().unwrap();
    assert_eq!(std::fs::read_to_string(place.file("leader-epoch-checkpoint")).unwrap(), "0\n1\n0 0\n");
    let id = std::fs::read_to_string(place.file("partition.metadata")).unwrap();
    assert_eq!(id, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw");
}

#[test]
fn torn_epochs_are_gathered_without_touching_what_was_durable() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    for epoch in [1, 4] {
        fill(&mut log, 3);
        log.roll(NOW).unwrap();
        let next = log.log_end_offset();
        log.append_as_leader(&batch(next, 10), epoch, AppendOrigin::Client, NOW).unwrap();
    }
    let (end, ends) = (log.log_end_offset(), [1, 3, 4].map(|epoch| log.end_offset_for_epoch(epoch)));
    let ticket = log.sync_ticket().unwrap();
    ticket.run().unwrap();
    drop(log);
    for clean in [true, false] {
        std::fs::write(place.file("leader-epoch-checkpoint"), b"").unwrap();
        // A crash during this start may take the new index and leave the epochs: nobody would look for it again.
        std::fs::write(place.file("00000000000000000000.txnindex"), b"as it was").unwrap();
        let (log, recovered) = place.open(small(), clean, end);
        assert_eq!([1, 3, 4].map(|epoch| log.end_offset_for_epoch(epoch)), ends);
        assert_eq!(recovered.first_scanned.is_none(), clean);
        assert_eq!(std::fs::read(place.file("00000000000000000000.txnindex")).unwrap(), b"as it was");
    }
}

#[test]
fn another_topics_directory_is_refused() {
    let place = Place::new();
    drop(place.open(small(), true, 0));
    let open = OpenLog {
        dir: place.file(""),
        config: small(),
        topic_id: Some(Uuid::from_u128(8)),
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: true,
        journal: None,
        now: NOW,
    };
    let refused = Log::open(place.disk.clone(), TopicPartition::new("t", 0), open).unwrap_err();
    assert!(refused.to_string().contains("but log already contained topic ID AAAAAAAAAAAAAAAAAAAABw"), "{refused}");
}

#[test]
fn descriptors_stay_within_the_pool() {
    let place = Place { dir: tempfile::tempdir().unwrap(), disk: Arc::new(RealDisk::with_open_files_max(8)) };
    let real = RealDisk::with_open_files_max(8);
    let place = Place { disk: Arc::new(real.clone()), ..place };
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 200);
    expect_records(&log, 0, 2_000);
    assert!(real.open_files() <= 8, "{}", real.open_files());
    let file = place.disk.open(&place.file("partition.metadata"), OpenMode::Read).unwrap();
    assert!(file.lend().unwrap().is_some());
}

#[test]
fn a_deleted_topic_leaves_under_another_name() {
    let place = Place::new();
    let (mut log, _) = place.open(small(), true, 0);
    fill(&mut log, 5);
    let outcome = log.read(0, 3_000, 50, true).unwrap();
    let to = log.mark_deleted(Uuid::from_u128(1)).unwrap();
    assert!(to.ends_with("t-0.00000000000000000000000000000001-delete"));
    outcome.ranges[0].file.close();
    outcome.to_vec().unwrap();
    assert_eq!(TopicPartition::from_dir_name("t-0.00000000000000000000000000000001-delete"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_read_is_the_right_stretch(
        counts in proptest::collection::vec((1i64..40, 0i16..5), 1..60),
        reads in proptest::collection::vec((0i64..1000, 1usize..5000, 0i64..1000), 20),
        segment in 1_000u32..20_000,
    ) {
        let place = Place::new();
        let config = LogConfig { segment_bytes: segment.max(2_500), index_interval_bytes: 200, ..small() };
        let (mut log, _) = place.open(config.clone(), true, 0);
        let mut bounds = vec![0];
        for (count, codec) in counts {
            let first = log.log_end_offset();
            let options = BatchOptions { codec: Codec::from_id(codec).unwrap(), ..BatchOptions::default() };
            prop_assert_eq!(append(&mut log, &batch_of(options, first, count)), first);
            bounds.push(first + count);
        }
        let end = log.log_end_offset();
        log.close_clean().unwrap();
        let (log, _) = place.open(config, true, end);
        for (offset, max_bytes, below) in reads {
            let offset = offset % (end + 1);
            // High watermarks stand between batches.
            let below = *bounds.iter().rfind(|b| **b <= below % (end + 1)).unwrap();
            let bytes = log.read(offset, max_bytes, below, true).unwrap().to_vec().unwrap();
            let headers: Vec<_> = Batches::new(&bytes).map(|b| b.unwrap().header).collect();
            if offset >= below {
                prop_assert!(bytes.is_empty());
                continue;
            }
            prop_assert!(headers[0].base_offset <= offset && headers[0].last_offset() >= offset);
            prop_assert!(headers.windows(2).all(|w| w[1].base_offset == w[0].next_offset()));
            prop_assert!(headers.iter().all(|h| h.last_offset() < below));
            prop_assert!(bytes.len() <= max_bytes || headers.len() == 1);
        }
    }

    #[test]
    fn damaged_files_are_no_panic_and_no_wrong_record(damage in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u8>()), 1..6), cut in 0u32..400) {
        let place = Place::new();
        let (mut log, _) = place.open(small(), true, 0);
        fill(&mut log, 40);
        log.close_clean().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(place.file("")).unwrap().map(|e| e.unwrap().path()).collect();
        names.retain(|p| !p.ends_with("partition.metadata"));
        names.sort();
        for (file, at, byte) in damage {
            let path = &names[file as usize % names.len()];
            let mut bytes = std::fs::read(path).unwrap();
            if !bytes.is_empty() {
                let mut at = at as usize % bytes.len();
                if path.extension().is_some_and(|e| e == "log") {
                    // A base offset stands outside the checksum: nothing can tell that it was changed.
                    let mut starts = Batches::new(&bytes);
                    let mut start = 0;
                    while starts.next().is_some() && starts.position() <= at {
                        start = starts.position();
                    }
                    if at < start + 8 {
                        at = (start + 8).min(bytes.len() - 1);
                    }
                }
                bytes[at] = byte;
                bytes.truncate(bytes.len() - (cut as usize).min(bytes.len()) * usize::from(byte % 3 == 0));
                std::fs::write(path, bytes).unwrap();
            }
        }
        let (log, _) = place.open(small(), false, 0);
        let end = log.log_end_offset();
        prop_assert!(end <= 400);
        expect_records(&log, 0, end);
        for t in [0, NOW + 100, NOW + 399] {
            log.offset_for_timestamp(t).unwrap();
        }
        log.max_timestamp().unwrap();
    }
}
