//! Compaction in stories: what a reader sees of a log before and after, across producers, transactions, tombstones and crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, control_key};
use andiron_protocol::compression::Codec;
use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::disk::RealDisk;
use crate::log::{Log, OpenLog};
use crate::types::{AppendOrigin, Recovered};

mod crash_states;
mod stories;

const START: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

fn compacted() -> LogConfig {
    LogConfig {
        // Who appends here asks no coordinator.
        transaction_verification: false,
        segment_bytes: 2_000,
        index_interval_bytes: 200,
        segment_index_bytes: 4_096,
        compact: true,
        delete: false,
        retention_ms: -1,
        producer_id_expiration_ms: i64::MAX,
        ..LogConfig::default()
    }
}

fn settings() -> CleanerSettings {
    CleanerSettings { map_bytes: 1 << 20, load_factor: 0.9, buffer_bytes: 512, secret: 42 }
}

/// A record as a reader of committed records sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    key: String,
    value: Option<String>,
    timestamp: i64,
}

/// A compacted topic's one log, with a clock.
struct Topic {
    dir: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    log: Log,
    config: LogConfig,
    now: i64,
    checkpoint: Option<i64>,
    stats: CleanStats,
    sequences: BTreeMap<i64, i32>,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Plain,
    Idempotent(i64),
    Transactional(i64),
}

impl Topic {
    fn new(config: LogConfig) -> Topic {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::with_open_files_max(16));
        let (log, _) = open(&disk, dir.path().join("t-0"), config.clone(), true, 0, START);
        Topic {
            dir,
            disk,
            log,
            config,
            now: START,
            checkpoint: None,
            stats: CleanStats::default(),
            sequences: BTreeMap::new(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("t-0")
    }

    /// Appends one batch; gives the offset of its first record.
    fn append(&mut self, writer: Writer, codec: Codec, records: &[(&str, Option<&str>)]) -> i64 {
        let mut options = BatchOptions { codec, ..BatchOptions::default() };
        if let Writer::Idempotent(id) | Writer::Transactional(id) = writer {
            let sequence = self.sequences.entry(id).or_insert(0);
            options = BatchOptions {
                producer_id: id,
                producer_epoch: 0,
                base_sequence: *sequence,
                transactional: matches!(writer, Writer::Transactional(_)),
                ..options
            };
            *sequence += records.len() as i32;
        }
        let mut builder = BatchBuilder::new(options);
        for (key, value) in records {
            self.now += 1;
            builder.append(self.now, Some(key.as_bytes()), value.map(str::as_bytes));
        }
        self.write(&builder.build().unwrap(), AppendOrigin::Client)
    }

    fn put(&mut self, records: &[(&str, &str)]) -> i64 {
        let records: Vec<_> = records.iter().map(|(k, v)| (*k, Some(*v))).collect();
        self.append(Writer::Plain, Codec::None, &records)
    }

    fn end(&mut self, producer: i64, kind: ControlType) -> i64 {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: producer,
            producer_epoch: 0,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        self.now += 1;
        let value = EndTxnMarker { coordinator_epoch: 1 }.to_bytes();
        builder.append(self.now, Some(&control_key(kind)), Some(&value));
        self.write(&builder.build().unwrap(), AppendOrigin::Coordinator)
    }

    fn write(&mut self, batch: &[u8], origin: AppendOrigin) -> i64 {
        self.log.append_as_leader(batch, 3, origin, self.now).unwrap().base_offset
    }

    fn sync(&mut self) {
        if let Some(ticket) = self.log.sync_ticket() {
            ticket.run().unwrap();
            self.log.synced(&ticket);
        }
    }

    /// Everything so far may be cleaned: it is durable, and in segments that are not active.
    fn roll(&mut self) {
        self.log.roll(self.now).unwrap();
        self.sync();
    }

    fn last_stable(&self) -> i64 {
        self.log.last_stable_offset(self.log.synced_offset())
    }

    fn cleanable(&mut self) -> Cleanable {
        let stable = self.last_stable();
        self.log.cleanable(self.checkpoint, stable, self.now).unwrap()
    }

    fn try_clean(&mut self, settings: &CleanerSettings) -> Result<(), CleanError> {
        let cleanable = self.cleanable();
        let mut job = self.log.begin_clean(&cleanable, self.now)?;
        let mut go_on = |_: u64| true;
        job.build_map(settings, &mut go_on)?;
        while let Some(group) = job.clean_next(&mut go_on)? {
            let deleted = self.log.swap_in(group, self.now)?;
            crate::log::remove_deleted(&*self.disk, &deleted)?;
        }
        job.sync_names()?;
        self.checkpoint = Some(job.end_offset());
        self.stats = job.stats();
        Ok(())
    }

    fn clean(&mut self) {
        self.try_clean(&settings()).unwrap();
    }

    /// Stops without a word and opens again.
    fn crash(&mut self) -> Recovered {
        let (log, recovered) = open(&self.disk, self.path(), self.config.clone(), false, 0, self.now);
        self.log = log;
        self.sync();
        recovered
    }

    /// Closes and opens again.
    fn restart(&mut self) -> Recovered {
        self.log.close_clean().unwrap();
        let end = self.log.log_end_offset();
        let (log, recovered) = open(&self.disk, self.path(), self.config.clone(), true, end, self.now);
        self.log = log;
        recovered
    }

    /// What a reader of committed records sees, as the Java consumer filters: by offset.
    fn seen(&self) -> BTreeMap<i64, Seen> {
        let stable = self.last_stable();
        let start = self.log.log_start_offset();
        let mut aborted = self.log.aborted_transactions(start, stable).unwrap();
        aborted.sort_by_key(|t| t.first_offset);
        let mut aborted = VecDeque::from(aborted);
        let mut aborting = std::collections::HashSet::new();
        let mut seen = BTreeMap::new();
        for (header, records) in self.batches(stable) {
            while let Some(next) = aborted.pop_front_if(|t| t.first_offset <= header.last_offset()) {
                aborting.insert(next.producer_id);
            }
            if header.attributes.is_control() {
                if records.first().is_some_and(|(_, key, _, _)| *key == control_key(ControlType::Abort)) {
                    aborting.remove(&header.producer_id);
                }
                continue;
            }
            if header.attributes.is_transactional() && aborting.contains(&header.producer_id) {
                continue;
            }
            for (offset, key, value, timestamp) in records {
                let key = String::from_utf8(key).unwrap();
                let value = value.map(|v| String::from_utf8(v).unwrap());
                assert!(seen.insert(offset, Seen { key, value, timestamp }).is_none());
            }
        }
        seen
    }

    /// All batches below an offset, read in bites; whole, in order.
    fn batches(&self, below: i64) -> Vec<(BatchHeader, Vec<RawRecord>)> {
        let mut all: Vec<(BatchHeader, Vec<RawRecord>)> = Vec::new();
        let mut at = self.log.log_start_offset();
        while at < below {
            let bytes = Bytes::from(self.log.read(at, 700, below, true).unwrap().to_vec().unwrap());
            let before = at;
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                assert!(all.last().is_none_or(|(last, _)| last.last_offset() < batch.header.base_offset));
                let mut scratch = Vec::new();
                let records = batch.records(&mut scratch).unwrap().map(|record| {
                    let r = record.unwrap();
                    (r.offset, r.key.unwrap().to_vec(), r.value.map(<[u8]>::to_vec), r.timestamp)
                });
                all.push((batch.header, records.collect()));
                at = batch.header.next_offset();
            }
            if at == before {
                break;
            }
        }
        all
    }

    /// Key -> value, as who reads from the begin has it at the end.
    fn table(&self) -> BTreeMap<String, String> {
        let mut table = BTreeMap::new();
        for seen in self.seen().into_values() {
            match seen.value {
                Some(value) => _ = table.insert(seen.key, value),
                None => _ = table.remove(&seen.key),
            }
        }
        table
    }

    fn offsets(&self) -> Vec<i64> {
        self.seen().into_keys().collect()
    }

    fn files(&self) -> Vec<String> {
        self.disk.list(&self.path()).unwrap().into_iter().map(|e| e.name).collect()
    }
}

/// Offset, key, value, timestamp.
type RawRecord = (i64, Vec<u8>, Option<Vec<u8>>, i64);

fn open(
    disk: &Arc<dyn Disk>,
    dir: PathBuf,
    config: LogConfig,
    clean_shutdown: bool,
    recovery_point: i64,
    now: i64,
) -> (Log, Recovered) {
    let topic_id = Some(Uuid::from_u128(7));
    let open =
        OpenLog { dir, config, topic_id, log_start_offset: 0, recovery_point, clean_shutdown, journal: None, now };
    Log::open(disk.clone(), TopicPartition::new("t", 0), open).unwrap()
}

fn table(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}
