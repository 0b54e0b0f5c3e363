//! One after the other what compaction keeps, drops and leaves alone.

use super::*;

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    for codec in Codec::ALL {
        let mut topic = Topic::new(compacted());
        for round in 0..20 {
            let value = format!("v{round}");
            topic.append(Writer::Plain, codec, &[("a", Some("x")), ("b", Some(&value)), ("a", Some(&value))]);
            if round % 4 == 0 {
                topic.log.roll(topic.now).unwrap();
            }
        }
        topic.put(&[("once", "kept")]);
        topic.roll();
        let (before, end) = (topic.seen(), topic.log.log_end_offset());
        let segments = topic.log.segment_count();
        assert!(segments > 4);
        topic.clean();
        assert_eq!(topic.offsets(), [58, 59, 60], "{codec:?}");
        for (offset, seen) in topic.seen() {
            assert_eq!(before.get(&offset), Some(&seen), "{codec:?}");
        }
        let kept: Vec<_> = topic.batches(end).iter().map(|(h, _)| (h.base_offset, h.last_offset())).collect();
        assert_eq!(kept, [(57, 59), (60, 60)], "a batch keeps the offsets it spans");
        assert_eq!((topic.log.log_end_offset(), topic.checkpoint), (end, Some(end)));
        assert!(topic.stats.segments_written < topic.stats.segments_read, "small segments become one");
        assert_eq!(topic.log.segment_count(), topic.stats.segments_written + 1);
        assert_eq!(topic.restart(), Recovered::default());
        assert_eq!(topic.offsets(), [58, 59, 60]);
        topic.crash();
        assert_eq!((topic.offsets(), topic.log.log_end_offset()), (vec![58, 59, 60], end));
        topic.put(&[("a", "later")]);
        topic.roll();
        topic.clean();
        assert_eq!(topic.offsets(), [58, 60, 61]);
    }
}

#[test]
fn a_batch_that_loses_nothing_is_copied_byte_by_byte() {
    for codec in Codec::ALL {
        let mut topic = Topic::new(compacted());
        topic.append(Writer::Idempotent(5), codec, &[("a", Some("1")), ("b", Some("2"))]);
        topic.append(Writer::Plain, codec, &[("c", Some("3")), ("d", Some("4"))]);
        topic.append(Writer::Plain, codec, &[("d", Some("5"))]);
        topic.roll();
        let before = topic.log.read_batches(0, 1 << 20).unwrap();
        topic.clean();
        let after = topic.log.read_batches(0, 1 << 20).unwrap();
        let (first, _) = topic.batches(4)[0];
        assert_eq!(after[..first.size()], before[..first.size()], "{codec:?}");
        let (second, records) = &topic.batches(4)[1];
        assert_eq!((second.last_offset(), records.len()), (3, 1), "the other lost a record and spans what it did");
        assert_eq!(second.attributes.codec().unwrap(), codec);
        assert_eq!(second.base_timestamp, START + 3);
        assert_eq!(second.max_timestamp, START + 3, "the greatest timestamp is that of what is left");
    }
}

#[test]
fn a_tombstone_goes_when_its_time_is_over_and_not_before() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1"), ("b", "1")]);
    topic.append(Writer::Plain, Codec::Lz4, &[("a", None)]);
    topic.put(&[("c", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(topic.offsets(), [1, 2, 3], "the tombstone stays to be seen");
    let horizon = topic.batches(4)[1].0.delete_horizon();
    assert_eq!(horizon, Some(topic.now + DAY), "and from now on it has a day");
    assert_eq!(topic.seen()[&2].timestamp, START + 3, "its timestamp is what it was");
    topic.now += DAY - 1_000;
    topic.put(&[("d", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(topic.offsets(), [1, 2, 3, 4]);
    assert_eq!(topic.batches(4)[1].0.delete_horizon(), horizon, "a second clean does not give it another");
    topic.now += 1_000;
    topic.put(&[("e", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(topic.offsets(), [1, 3, 4, 5]);
    assert_eq!(topic.table(), table(&[("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")]));
}

#[test]
fn aborted_records_go_and_their_marker_when_nothing_needs_it() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "committed")]);
    topic.append(Writer::Transactional(7), Codec::None, &[("a", Some("aborted")), ("x", Some("aborted"))]);
    topic.append(Writer::Transactional(8), Codec::None, &[("b", Some("committed"))]);
    topic.end(7, ControlType::Abort);
    topic.end(8, ControlType::Commit);
    topic.append(Writer::Transactional(7), Codec::None, &[("c", Some("committed"))]);
    topic.end(7, ControlType::Commit);
    topic.append(Writer::Transactional(8), Codec::None, &[("d", Some("committed"))]);
    topic.end(8, ControlType::Commit);
    topic.roll();
    let expected = table(&[("a", "committed"), ("b", "committed"), ("c", "committed"), ("d", "committed")]);
    assert_eq!(topic.table(), expected);
    topic.clean();
    assert_eq!(topic.table(), expected);
    assert_eq!(topic.offsets(), [0, 3, 6, 8], "no record of the aborted transaction is left");
    let markers = |topic: &Topic| -> Vec<(i64, bool)> {
        let all = topic.batches(topic.log.log_end_offset());
        let control = all.into_iter().filter(|(h, _)| h.attributes.is_control());
        control.map(|(h, _)| (h.base_offset, h.delete_horizon().is_some())).collect()
    };
    assert_eq!(markers(&topic), [(4, false), (5, false), (7, false), (9, false)], "the walk met their records");
    assert_eq!(topic.log.aborted_transactions(0, 10).unwrap().len(), 1);
    // The next walk meets none of the aborted ones: the marker gets its horizon, the index forgets the transaction.
    topic.put(&[("e", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(markers(&topic), [(4, true), (5, false), (7, false), (9, false)]);
    assert!(topic.log.aborted_transactions(0, 10).unwrap().is_empty());
    // And when the records of a committed one are superseded, its marker goes the same way.
    topic.now += DAY;
    topic.put(&[("b", "2")]);
    topic.roll();
    topic.clean();
    assert_eq!(markers(&topic), [(5, false), (7, false), (9, false)]);
    topic.put(&[("f", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(markers(&topic), [(5, true), (7, false), (9, false)]);
    topic.now += DAY;
    topic.put(&[("g", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(markers(&topic), [(7, false), (9, false)]);
    topic.crash();
    assert_eq!(topic.table()["c"], "committed");
}

#[test]
fn nothing_is_cleaned_above_an_open_transaction_or_what_is_not_durable() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1")]);
    topic.put(&[("a", "2")]);
    topic.log.roll(topic.now).unwrap();
    assert_eq!(topic.cleanable().first_uncleanable, 0, "nothing is durable yet");
    topic.sync();
    assert_eq!(topic.cleanable().first_uncleanable, 2);
    topic.append(Writer::Transactional(7), Codec::None, &[("a", Some("3"))]);
    topic.roll();
    topic.put(&[("a", "4")]);
    topic.roll();
    assert_eq!(topic.cleanable().first_uncleanable, 2, "the transaction is open");
    topic.clean();
    assert_eq!(topic.offsets(), [1]);
    topic.end(7, ControlType::Commit);
    topic.sync();
    let high_watermark = topic.log.synced_offset();
    topic.log.on_high_watermark(high_watermark);
    assert_eq!(topic.cleanable().first_uncleanable, 4);
    topic.clean();
    assert_eq!(topic.offsets(), [3]);
}

#[test]
fn a_producer_that_may_come_back_finds_its_sequence_though_nothing_else_is_left_of_it() {
    let mut topic = Topic::new(compacted());
    topic.append(Writer::Idempotent(5), Codec::Zstd, &[("a", Some("1")), ("b", Some("1"))]);
    topic.append(Writer::Idempotent(5), Codec::Zstd, &[("a", Some("2")), ("b", Some("2"))]);
    topic.put(&[("a", "3"), ("b", "3")]);
    topic.roll();
    topic.clean();
    let left: Vec<_> = topic.batches(6).iter().map(|(h, records)| (h.base_offset, records.len())).collect();
    assert_eq!(left, [(2, 0), (4, 2)], "its last batch is there, empty");
    let (empty, _) = topic.batches(6)[0];
    assert_eq!((empty.producer_id, empty.base_sequence, empty.last_offset(), empty.size()), (5, 2, 3, 61));
    assert_eq!(empty.max_timestamp, START + 4);
    let known = topic.log.producer(5).unwrap().last_sequence();
    for name in topic.files().into_iter().filter(|name| name.ends_with(".snapshot")) {
        topic.disk.remove_file(&topic.path().join(name)).unwrap();
    }
    topic.crash();
    assert_eq!(topic.log.producer(5).unwrap().last_sequence(), known);
    topic.append(Writer::Idempotent(5), Codec::None, &[("c", Some("1"))]);
    // It has written something later: the empty batch is needed no more.
    topic.roll();
    topic.clean();
    assert_eq!(topic.batches(7).first().unwrap().0.base_offset, 4);
}

#[test]
fn the_end_of_what_was_cleaned_is_not_forgotten() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1")]);
    topic.append(Writer::Plain, Codec::None, &[("a", None)]);
    topic.roll();
    topic.clean();
    topic.now += DAY;
    topic.put(&[("b", "1")]);
    topic.roll();
    topic.clean();
    assert_eq!(topic.offsets(), [2]);
    topic.append(Writer::Plain, Codec::None, &[("b", None)]);
    topic.roll();
    topic.clean();
    topic.now += 2 * DAY;
    let again = topic.cleanable();
    assert_eq!((again.first_dirty, again.cleanable_bytes), (4, 0));
    topic.append(Writer::Plain, Codec::None, &[("c", None)]);
    topic.roll();
    topic.clean();
    topic.now += 2 * DAY;
    topic.crash();
    assert_eq!(topic.log.log_end_offset(), 5);
}

#[test]
fn young_records_wait_and_old_ones_do_not() {
    let lag = LogConfig { min_compaction_lag_ms: 1_000, max_compaction_lag_ms: 5_000, ..compacted() };
    let mut topic = Topic::new(lag);
    topic.put(&[("a", "1")]);
    topic.put(&[("a", "2")]);
    topic.roll();
    assert_eq!(topic.cleanable().first_uncleanable, 0, "younger than min.compaction.lag.ms");
    topic.now += 1_001;
    let due = topic.cleanable();
    assert_eq!((due.first_uncleanable, due.overdue, due.ratio()), (2, false, 1.0));
    topic.clean();
    for i in 0..5 {
        topic.put(&[(
            ["c", "d", "e", "f", "g"][i],
            "a value that is kept and makes the log's clean part the larger one",
        )]);
    }
    topic.roll();
    topic.now += 1_001;
    topic.clean();
    topic.put(&[("a", "3")]);
    topic.roll();
    topic.now += 3_000;
    let due = topic.cleanable();
    assert!(!due.is_due(topic.log.config()) && due.cleanable_bytes > 0, "{due:?}");
    topic.now += 3_000;
    assert!(topic.cleanable().is_due(topic.log.config()), "older than max.compaction.lag.ms");
    // The active segment is never cleaned: it is not active longer than that.
    topic.put(&[("a", "4")]);
    let segments = topic.log.segment_count();
    topic.now += 5_002;
    topic.put(&[("a", "5")]);
    assert_eq!(topic.log.segment_count(), segments + 1);
}

#[test]
fn a_map_that_is_full_cleans_as_far_as_it_reaches() {
    let mut topic = Topic::new(compacted());
    for i in 0..40 {
        topic.put(&[("same", "1"), (&format!("k{i}"), "1")]);
    }
    topic.roll();
    let small = CleanerSettings { map_bytes: 20 * offset_map::SLOT_BYTES, load_factor: 0.5, ..settings() };
    topic.try_clean(&small).unwrap();
    let end = topic.checkpoint.unwrap();
    assert_eq!(end, 18, "ten keys: nine of their own and the one of all");
    let same: Vec<_> = topic.seen().into_iter().filter(|(_, s)| s.key == "same").map(|(o, _)| o).collect();
    assert_eq!(same[0], 18 - 2 + 2, "of what the map knows only the last is left: {same:?}");
    while topic.checkpoint < Some(80) {
        topic.try_clean(&small).unwrap();
    }
    assert_eq!(topic.table().len(), 41);
    assert_eq!(topic.offsets().len(), 41);
    topic.put(&[("x1", ""), ("x2", ""), ("x3", "")]);
    topic.roll();
    let tiny = CleanerSettings { map_bytes: 3 * offset_map::SLOT_BYTES, ..settings() };
    assert!(matches!(topic.try_clean(&tiny), Err(CleanError::MapTooSmall(2))));
}

#[test]
fn a_log_that_changed_meanwhile_is_left_alone() {
    let mut topic = Topic::new(compacted());
    for _ in 0..30 {
        topic.put(&[("a", "1"), ("b", "1")]);
    }
    topic.roll();
    let cleanable = topic.cleanable();
    let mut job = topic.log.begin_clean(&cleanable, topic.now).unwrap();
    let mut go_on = |_: u64| true;
    job.build_map(&settings(), &mut go_on).unwrap();
    let group = job.clean_next(&mut go_on).unwrap().unwrap();
    topic.log.truncate_to(40, topic.now).unwrap();
    assert!(matches!(topic.log.swap_in(group, topic.now), Err(CleanError::Superseded)));
    assert!(topic.files().iter().all(|name| !name.ends_with(".cleaned")), "{:?}", topic.files());
    assert_eq!(topic.offsets(), (0..40).collect::<Vec<_>>());
    // Stopped, it leaves nothing behind either.
    topic.roll();
    let cleanable = topic.cleanable();
    let mut job = topic.log.begin_clean(&cleanable, topic.now).unwrap();
    job.work.unreported = CLEANER_PROGRESS_BYTES;
    assert!(matches!(job.build_map(&settings(), &mut |_| false), Err(CleanError::Stopped)));
}

#[test]
fn a_corrupt_batch_stops_the_cleaner_and_stays_where_it_is() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1")]);
    topic.put(&[("a", "2")]);
    topic.roll();
    let path = topic.path().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = topic.try_clean(&settings()).unwrap_err();
    assert!(matches!(error, CleanError::Corrupt { segment: 0, .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(topic.files().iter().all(|name| !name.ends_with(".cleaned")), "{:?}", topic.files());
}

#[test]
fn a_checkpoint_outside_the_log_begins_at_its_start() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1"), ("a", "2")]);
    topic.roll();
    for wrong in [5, i64::MAX] {
        topic.checkpoint = Some(wrong);
        let found = topic.cleanable();
        assert_eq!((found.first_dirty, found.checkpoint_was_invalid), (0, true));
    }
    topic.put(&[("a", "3")]);
    topic.sync();
    topic.log.delete_records(2).unwrap();
    topic.checkpoint = Some(0);
    assert_eq!((topic.cleanable().first_dirty, topic.cleanable().checkpoint_was_invalid), (2, true));
}

#[test]
fn segments_are_grouped_by_bytes() {
    let mut topic = Topic::new(compacted());
    for i in 0..12 {
        topic.put(&[(&format!("k{i}"), &"v".repeat(500))]);
        topic.roll();
    }
    assert_eq!(topic.log.segment_count(), 13);
    topic.clean();
    assert_eq!((topic.stats.segments_read, topic.stats.segments_written), (12, 4), "three of them are 2,000 bytes");
    let snapshots = topic.files().into_iter().filter(|name| name.ends_with(".snapshot")).count();
    assert_eq!(snapshots, 4, "of those that are gone none is left: {:?}", topic.files());
    assert_eq!(topic.table().len(), 12);
    assert_eq!(topic.restart(), Recovered::default());
    assert_eq!(topic.table().len(), 12);
}

#[test]
fn a_rewritten_segment_is_as_old_as_what_it_is_made_of() {
    let mut topic = Topic::new(compacted());
    topic.put(&[("a", "1")]);
    topic.put(&[("a", "2")]);
    topic.roll();
    let log = topic.path().join("00000000000000000000.log");
    topic.disk.set_modified_ms(&log, START - DAY).unwrap();
    topic.clean();
    assert_eq!(topic.disk.modified_ms(&log).unwrap(), START - DAY);
    assert_eq!(topic.log.offset_for_timestamp(0).unwrap().unwrap().offset, 1);
}

#[test]
fn segments_roll_earlier_by_some_jitter() {
    let config = LogConfig { segment_ms: 1_000, segment_jitter_ms: 900, segment_bytes: 1 << 20, ..compacted() };
    let mut ages = std::collections::BTreeSet::new();
    let mut topic = Topic::new(config);
    let (mut first, mut segments) = (topic.now, topic.log.segment_count());
    for _ in 0..20_000 {
        topic.put(&[("a", "1")]);
        if topic.log.segment_count() > segments {
            segments = topic.log.segment_count();
            ages.insert(topic.now - first);
            first = topic.now;
        }
    }
    assert!(ages.iter().all(|age| (100..=1_002).contains(age)), "{ages:?}");
    assert!(ages.len() > 10, "{ages:?}");
}
