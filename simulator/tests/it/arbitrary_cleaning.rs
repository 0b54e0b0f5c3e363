//! Any story of a compacted log: appends of several producers in every codec, transactions, time, cleaning with maps and buffers of
//! several sizes, ends and power losses. What a reader sees is the last value of each key; of what is not cleaned, everything;
//! tombstones until their time is up.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::compression::Codec;
use andiron_simulator::{Choices, Loss, SimClock, SimDisk};
use andiron_storage::{CleanerSettings, CompressionType, Disk, Log, LogConfig};

use crate::cleaning::{Policy, RETENTION, Story, Told, compare, compare_producers, config, open_with, partition, seen};

const STEPS_MAX: usize = 150;
/// What one key takes in the map, in bytes, of which nine tenths may be taken. A batch has up to seven keys: none of the maps
/// is too small for one.
const KEY_BYTES: usize = 24;
const KEYS_MIN: usize = 9;

/// Tells the story that these bytes make, and returns it. `believes`: with a mistake in it, undecided transactions are cleaned.
pub(crate) fn run(bytes: &[u8], believes: bool) -> String {
    let mut choices = Choices::new(bytes);
    let config = settings(&mut choices);
    let mut world = World {
        disk: SimDisk::new(u64::from(choices.byte())),
        clock: SimClock::new(1_700_000_000_000),
        told: Told { believes, ..Told::default() },
        open: BTreeMap::new(),
        cleaned: 0,
        config,
    };
    let mut story = String::new();
    let mut s = world.begin();
    for _ in 0..STEPS_MAX {
        if choices.are_over() {
            break;
        }
        let what;
        (s, what) = world.step(s, &mut choices);
        story.push_str(&what);
        story.push('\n');
        // What is appended is looked at when something has happened to it.
        if ["clean", "restart", "crash", "delete"].iter().any(|verb| what.starts_with(verb)) {
            world.check(&s, &story);
        }
    }
    world.check(&s, &story);
    story
}

fn settings(c: &mut Choices<'_>) -> LogConfig {
    let policy = if c.once_in(3) { Policy::CompactAndDelete } else { Policy::Compact };
    LogConfig {
        segment_bytes: c.one_of(&[900, 600, 4_000]),
        delete_retention_ms: c.one_of(&[RETENTION, 0]),
        min_compaction_lag_ms: c.one_of(&[0, 0, 3_000]),
        compression_type: match Codec::ALL.get(usize::from(c.below(12))) {
            Some(codec) => CompressionType::Codec(*codec, None),
            None => CompressionType::Producer,
        },
        ..config(policy)
    }
}

struct World {
    disk: SimDisk,
    clock: SimClock,
    config: LogConfig,
    told: Told,
    /// The open transaction of each producer.
    open: BTreeMap<i64, usize>,
    /// Nothing was ever cleaned from here on.
    cleaned: i64,
}

impl World {
    fn begin(&self) -> Story {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        must(open_with(&disk, &self.clock, self.config.clone(), false))
    }

    /// The log was opened again: what was written and is not there is forgotten.
    fn found(&mut self, s: &mut Story) {
        let end = s.log.log_end_offset();
        assert!(end >= self.told.durable, "{end} of {} are lost", self.told.durable);
        self.told.model = self.told.model.cut(end);
        self.forget_deleted(&s.log);
        self.open = self.told.model.open().map(|(number, t)| (t.producer, number)).collect();
        self.cleaned = self.cleaned.min(end);
        // A producer of which DeleteRecords took everything begins anew, or where the log thinks it is: a snapshot may have
        // outlived the records.
        for (producer, of_one) in &mut self.told.model.sequences {
            if of_one.last_key_value().is_none_or(|(at, _)| *at < s.log.log_start_offset()) {
                *of_one =
                    s.log.producer(*producer).map(|known| (i64::MIN, known.last_sequence())).into_iter().collect();
            }
        }
        must(s.sync(&mut self.told));
    }

    /// A log that is opened again may know nothing of a transaction below its start, as with Apache Kafka: no snapshot from
    /// below the start is read (ProducerStateManager.truncateAndReload). What lies behind the start must be known.
    fn forget_deleted(&mut self, log: &Log) {
        let model = &mut self.told.model;
        let start = log.log_start_offset();
        let open: Vec<usize> = model.open().filter(|(_, t)| t.first < start).map(|(number, _)| number).collect();
        for number in open {
            let transaction = &mut model.transactions[number];
            let left = model.records.range(start..).find(|(_, written)| written.transaction == Some(number));
            let known = log.producer(transaction.producer).and_then(|p| p.current_txn_first_offset);
            match (known, left) {
                (Some(known), Some((left, _))) if known <= *left => transaction.first = transaction.first.max(known),
                (None, None) => transaction.first = i64::MAX,
                (Some(known), None) if known == transaction.first => {}
                _ => panic!("transaction {number} has {left:?} behind {start}, the log has it begin at {known:?}"),
            }
        }
    }

    fn step(&mut self, mut s: Story, c: &mut Choices<'_>) -> (Story, String) {
        let told = &mut self.told;
        let what = match c.below(34) {
            0..=11 => {
                let producer = c.one_of(&[-1, 1, 2, 7, 8]);
                let codec = c.one_of(&Codec::ALL);
                let next = told.model.transactions.len();
                let transaction = (producer >= 7).then(|| *self.open.entry(producer).or_insert(next));
                let key = |c: &mut Choices<'_>| {
                    let byte = c.byte();
                    format!("{}k{}", if byte >= 200 { "-" } else { "" }, byte % 12)
                };
                let keys: Vec<String> = (0..=c.below(7)).map(|_| key(c)).collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                must(s.append(told, producer, codec, transaction, &keys));
                format!("append {keys:?} of producer {producer}, {codec:?}, transaction {transaction:?}")
            }
            12..=15 => {
                let (producer, commit) = (c.one_of(&[7, 8]), c.once_in(2));
                if let Some(number) = self.open.remove(&producer) {
                    must(s.end(told, producer, number, commit));
                }
                format!("producer {producer} commits: {commit}")
            }
            16..=18 => {
                must(s.sync(told));
                "sync".to_owned()
            }
            19..=22 => {
                must(s.log.roll(self.clock.now()));
                "roll".to_owned()
            }
            23..=24 => {
                let ms = c.one_of(&[1, 1_000, 3_000, RETENTION, 2 * RETENTION]);
                self.clock.advance(ms);
                format!("{ms} ms pass")
            }
            25..=28 => {
                let keys = if c.once_in(2) { KEYS_MIN + usize::from(c.below(31)) } else { 1_000 };
                let buffer_bytes = c.one_of(&[300, 64, 5_000]);
                self.clean(&mut s, keys, buffer_bytes);
                format!("clean with a map for {keys} keys, a buffer of {buffer_bytes} bytes")
            }
            29 => {
                must(s.log.close_clean());
                told.durable = s.log.log_end_offset();
                must(s.checkpoint());
                must(s.dir.mark_clean(1));
                drop(s);
                s = self.begin();
                self.found(&mut s);
                "restart".to_owned()
            }
            30..=31 => {
                let loss = c.one_of(&[Loss::Process, Loss::Power]);
                drop(s);
                self.disk = self.disk.restart(loss);
                s = self.begin();
                self.found(&mut s);
                format!("crash: {loss:?}")
            }
            32 => {
                must(s.sync(told));
                let stable = s.log.last_stable_offset(s.log.log_end_offset());
                must(s.log.delete_records((s.log.log_start_offset() + stable) / 2));
                must(s.checkpoint());
                must(s.retain(told));
                "delete records up to the middle".to_owned()
            }
            _ => {
                // By less than a day: older producers are forgotten.
                told.skew = c.one_of(&[0, -100_000, 60_000, -80_000_000]);
                format!("clocks are wrong by {} ms", told.skew)
            }
        };
        (s, what)
    }

    fn clean(&mut self, s: &mut Story, keys: usize, buffer_bytes: usize) {
        let told = &mut self.told;
        must(s.sync(told));
        must(s.checkpoint());
        let young = self.clock.now() - self.config.min_compaction_lag_ms;
        let stable = s.log.last_stable_offset(s.log.synced_offset());
        let settings = CleanerSettings { map_bytes: keys * KEY_BYTES, load_factor: 0.9, buffer_bytes, secret: 3 };
        let end = must(s.clean_by(told, &settings));
        must(s.remove(told));
        assert!(end <= stable, "cleaned up to {end}, stable up to {stable}");
        if self.config.min_compaction_lag_ms > 0 {
            let from = self.cleaned.max(s.log.log_start_offset());
            let new = told.model.records.range(from..end.max(from));
            let too_young = new.map(|(_, record)| record.timestamp).find(|timestamp| *timestamp > young);
            assert_eq!(too_young, None, "cleaned up to {end}, which is younger than the lag allows");
        }
        self.cleaned = self.cleaned.max(end);
    }

    /// Holds what a reader sees against what was written in the story so far.
    fn check(&self, s: &Story, what: &str) {
        let checkpoints = must(s.dir.cleaner_offsets());
        let clean = checkpoints.get(&partition()).copied().unwrap_or(0);
        let model = &self.told.model;
        compare(&s.log, model, clean, what);
        compare_producers(&s.log, model, what);
        let found = seen(&s.log, what);
        let start = s.log.log_start_offset();
        let stable = s.log.last_stable_offset(s.log.log_end_offset());
        for (offset, record) in model.records.range(self.cleaned.max(start)..stable.max(self.cleaned).max(start)) {
            let is_there = found.contains_key(offset);
            assert_eq!(is_there, model.committed(*offset).is_some(), "{what}: {offset}, not cleaned: {record:?}");
        }
        // A tombstone stays for its time, and that begins when it is first cleaned.
        let horizon = self.clock.now() - self.config.delete_retention_ms;
        for (key, offset) in model.last(start, stable) {
            let record = &model.records[&offset];
            let early = record.value.is_none() && record.at > horizon;
            assert!(!early || found.contains_key(&offset), "{what}: the tombstone of {key} at {offset} is gone");
        }
    }
}

/// The disk has no faults: whatever fails is a finding.
fn must<T, E: std::fmt::Debug>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error:?}"))
}
