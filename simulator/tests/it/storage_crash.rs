//! Whatever file operation a crash falls on, by kill or by power loss: everything that was synced is there, nothing torn is seen,
//! indexes and producers' state are what the log itself says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, control_key};
use andiron_protocol::compression::Codec;
use andiron_simulator::{Loss, Operation, SimClock, SimDisk};
use andiron_storage::{
    AppendError, AppendOrigin, DeletedFiles, Disk, Log, LogConfig, LogDir, LogDirError, OpenLog, OpenMode, Recovered,
    TopicPartition, remove_deleted,
};
use uuid::Uuid;

use crate::stop::{Phases, Stop, summary, tell};

const ROOT: &str = "/log";

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 1_500,
        segment_index_bytes: 1_024,
        index_interval_bytes: 200,
        retention_bytes: 9_000,
        retention_ms: -1,
        transaction_verification: false,
        ..LogConfig::default()
    }
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// What the story did so far, as its client knows it.
#[derive(Default)]
struct Told {
    /// Keys that were ever appended at an offset; after a truncation there may be several.
    appended: BTreeMap<i64, Vec<String>>,
    /// Everything below is promised.
    durable: i64,
    /// Nothing is promised below.
    start: i64,
    /// A truncation to this offset was begun: what is at and above may be there or not.
    truncating: Option<i64>,
    /// The log was closed clean and its directory marked.
    closed: bool,
    serial: u64,
    sequences: BTreeMap<i64, i32>,
    phases: Phases,
}

struct Story {
    disk: Arc<dyn Disk>,
    clock: SimClock,
    dir: LogDir,
    log: Log,
}

fn open(disk: &Arc<dyn Disk>, clock: &SimClock, from_scratch: bool) -> Result<(Story, Recovered), Stop> {
    let dir = LogDir::open(disk.clone(), Path::new(ROOT))?;
    let point = |offsets: BTreeMap<TopicPartition, i64>| offsets.get(&partition()).copied().unwrap_or(0);
    let (recovery_point, log_start_offset) = (point(dir.recovery_points()?), point(dir.log_start_offsets()?));
    let open = OpenLog {
        dir: dir.partition_dir(&partition()),
        config: config(),
        topic_id: Some(Uuid::from_u128(5)),
        log_start_offset,
        recovery_point: if from_scratch { 0 } else { recovery_point },
        clean_shutdown: dir.was_clean() && !from_scratch,
        journal: None,
        now: clock.now(),
    };
    let (log, recovered) = Log::open(disk.clone(), partition(), open)?;
    Ok((Story { disk: disk.clone(), clock: clock.clone(), dir, log }, recovered))
}

impl Story {
    fn append(&mut self, told: &mut Told, producer: i64, codec: Codec, transactional: bool) -> Result<(), Stop> {
        let sequence = told.sequences.entry(producer).or_insert(0);
        let mut options = BatchOptions { codec, transactional, ..BatchOptions::default() };
        if producer >= 0 {
            options = BatchOptions { producer_id: producer, producer_epoch: 0, base_sequence: *sequence, ..options };
        }
        let mut builder = BatchBuilder::new(options);
        let keys: Vec<String> = (0..7).map(|i| format!("{}-{i}", told.serial)).collect();
        told.serial += 1;
        for (i, key) in keys.iter().enumerate() {
            builder.append(self.clock.now() + i as i64, Some(key.as_bytes()), Some(&[b'v'; 40]));
        }
        *sequence += 7;
        self.write(told, &builder.build().unwrap(), keys, AppendOrigin::Client)
    }

    fn end_transaction(&mut self, told: &mut Told, producer: i64, kind: ControlType) -> Result<(), Stop> {
        let options = BatchOptions {
            producer_id: producer,
            producer_epoch: 0,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        let value = EndTxnMarker { coordinator_epoch: 1 }.to_bytes();
        builder.append(self.clock.now(), Some(&control_key(kind)), Some(&value));
        let key = String::from_utf8_lossy(&control_key(kind)).into_owned();
        self.write(told, &builder.build().unwrap(), vec![key], AppendOrigin::Coordinator)
    }

    fn write(&mut self, told: &mut Told, batch: &[u8], keys: Vec<String>, origin: AppendOrigin) -> Result<(), Stop> {
        self.clock.advance(10);
        let at = self.log.log_end_offset();
        for (i, key) in keys.into_iter().enumerate() {
            told.appended.entry(at + i as i64).or_default().push(key);
        }
        let appended = self.log.append_as_leader(batch, 4, origin, self.clock.now())?;
        assert_eq!((appended.base_offset, appended.duplicate), (at, false));
        Ok(())
    }

    fn sync(&mut self, told: &mut Told) -> Result<(), Stop> {
        if let Some(ticket) = self.log.sync_ticket() {
            if let Err(error) = ticket.run() {
                self.log.set_offline();
                return Err(error.into());
            }
            self.log.synced(&ticket);
            told.durable = self.log.synced_offset();
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), Stop> {
        self.dir.write_recovery_points(&[(partition(), self.log.synced_offset())].into())?;
        self.dir.write_log_start_offsets(&[(partition(), self.log.log_start_offset())].into())?;
        Ok(())
    }

    fn close(mut self, told: &mut Told) -> Result<(), Stop> {
        self.log.close_clean()?;
        told.durable = self.log.log_end_offset();
        self.checkpoint()?;
        self.dir.mark_clean(1)?;
        told.closed = true;
        Ok(())
    }
}

/// The story that is cut off at every operation.
fn story(disk: &Arc<dyn Disk>, clock: &SimClock, told: &mut Told) -> Result<(), Stop> {
    told.phases.begin("first start");
    let (mut s, _) = open(disk, clock, false)?;
    s.log.assign_epoch(4, 0)?;
    told.phases.begin("append and sync");
    for round in 0..3 {
        for (i, codec) in Codec::ALL.into_iter().enumerate() {
            s.append(told, -1, codec, false)?;
            s.append(told, 1, codec, false)?;
            if i == 2 {
                s.append(told, 2, Codec::None, true)?;
            }
        }
        s.sync(told)?;
        let kind = if round == 1 { ControlType::Commit } else { ControlType::Abort };
        s.end_transaction(told, 2, kind)?;
        s.append(told, 1, Codec::None, false)?;
        if round == 1 {
            s.sync(told)?;
            told.phases.begin("checkpoints");
            s.checkpoint()?;
            told.phases.begin("append and sync");
        }
    }
    s.sync(told)?;
    told.phases.begin("delete-records");
    // DeleteRecords and retention.
    told.start = s.log.delete_records(30)?;
    s.checkpoint()?;
    told.phases.begin("retention");
    let deleted = s.log.delete_old_segments(s.log.synced_offset(), clock.now())?;
    told.start = told.start.max(s.log.log_start_offset());
    if let Some(deleted) = deleted {
        forget(&s, &deleted)?;
    }
    s.checkpoint()?;
    told.phases.begin("clean stop");
    s.append(told, 1, Codec::Lz4, false)?;
    s.close(told)?;

    // A restart, and as a follower that must give way.
    told.closed = false;
    told.phases.begin("start");
    let (mut s, recovered) = open(disk, clock, false)?;
    assert!(!recovered.scanned, "a clean close needs no recovery");
    told.phases.begin("append and sync");
    s.append(told, 1, Codec::None, false)?;
    s.append(told, 3, Codec::None, true)?;
    s.sync(told)?;
    let to = s.log.log_end_offset() - 21;
    told.truncating = Some(to);
    told.durable = told.durable.min(to);
    told.phases.begin("truncation");
    s.log.truncate_to(to, clock.now())?;
    told.phases.begin("append and sync");
    // What producer 1 and 3 wrote last is gone.
    let sequences: Vec<_> = s.log.producers().iter().map(|(id, e)| (*id, e.last_sequence() + 1)).collect();
    told.sequences = sequences.into_iter().collect();
    s.checkpoint()?;
    for _ in 0..4 {
        s.append(told, 1, Codec::None, false)?;
        s.append(told, 3, Codec::Zstd, true)?;
    }
    s.sync(told)?;
    s.append(told, 1, Codec::None, false)?;
    told.phases.begin("roll");
    s.log.roll(clock.now())?;
    told.phases.begin("append and sync");
    s.append(told, 1, Codec::None, false)?;
    told.phases.begin("clean stop");
    s.close(told)
}

fn forget(s: &Story, deleted: &DeletedFiles) -> Result<(), Stop> {
    Ok(remove_deleted(&*s.disk, deleted)?)
}

type Producers = Vec<(i64, i16, i32, Option<i64>, i32, i64)>;

fn producers(log: &Log) -> Producers {
    let one = |(id, e): (i64, andiron_storage::ProducerEntry)| {
        (id, e.epoch, e.last_sequence(), e.current_txn_first_offset, e.coordinator_epoch, e.last_timestamp)
    };
    log.producers().into_iter().map(one).collect()
}

/// Every record of the log, by offset; batches must be whole and in order.
fn records(log: &Log, at_crash: &str) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    let mut at = log.log_start_offset();
    while at < log.log_end_offset() {
        let bytes = log.read_batches(at, 700).unwrap();
        assert!(!bytes.is_empty(), "{at_crash}: nothing at {at}");
        for batch in Batches::new(&bytes) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap_or_else(|e| panic!("{at_crash}: {e}"));
            assert!(at == log.log_start_offset() || batch.header.base_offset == at, "{at_crash}: a hole at {at}");
            for record in batch.records(&mut Vec::new()).unwrap() {
                let record = record.unwrap();
                // The batch that holds the log's start begins before it.
                if record.offset < log.log_start_offset() {
                    continue;
                }
                found.insert(record.offset, String::from_utf8_lossy(record.key.unwrap()).into_owned());
            }
            at = batch.header.next_offset();
        }
    }
    found
}

fn files(disk: &SimDisk, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<u8>> {
    let dir = Path::new(ROOT).join("t-0");
    let names = disk.list(&dir).unwrap().into_iter().map(|e| e.name).filter(|name| wanted(name));
    let read = |name: String| {
        let file = disk.open(&dir.join(&name), OpenMode::Read).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (name, bytes)
    };
    names.map(read).collect()
}

fn is_index(name: &str) -> bool {
    name.ends_with(".index") || name.ends_with(".timeindex") || name.ends_with(".txnindex")
}

/// Starts again on what the crash left and holds it against what was told.
fn check(left: &SimDisk, clock: &SimClock, told: &Told, at_crash: &str) {
    let disk: Arc<dyn Disk> = Arc::new(left.clone());
    let (s, recovered) = open(&disk, clock, false).unwrap_or_else(|e| panic!("{at_crash}: {e:?}"));
    let log = &s.log;
    if told.closed {
        assert!(!recovered.scanned, "{at_crash}: closed clean, yet {recovered:?}");
    }
    assert!(log.log_end_offset() >= told.durable, "{at_crash}: {} of {} are lost", log.log_end_offset(), told.durable);
    assert!(log.log_start_offset() <= told.start, "{at_crash}: begins at {}", log.log_start_offset());
    let found = records(log, at_crash);
    for (offset, key) in &found {
        let known = told.appended.get(offset).unwrap_or_else(|| panic!("{at_crash}: {offset} was never appended"));
        assert!(known.contains(key), "{at_crash}: {key} at {offset}");
        let promised = *offset < told.durable;
        let settled = promised && told.truncating.is_some_and(|to| *offset >= to);
        if promised && (settled || told.truncating.is_none()) {
            assert_eq!(known.last(), Some(key), "{at_crash}: offset {offset}");
        }
    }
    for offset in told.start..told.durable {
        assert!(found.contains_key(&offset), "{at_crash}: {offset} is lost");
    }
    if let Some(first) = found.keys().next() {
        let by_time = log.offset_for_timestamp(0).unwrap().unwrap();
        assert_eq!(by_time.offset, *first, "{at_crash}");
    }
    if log.log_end_offset() > 0 {
        assert_eq!(log.latest_epoch(), Some(4), "{at_crash}");
    }
    let (end, state) = (log.log_end_offset(), producers(log));
    let stable = log.last_stable_offset(end);
    let aborted = log.aborted_transactions(log.log_start_offset(), end).unwrap();

    // Closed clean it opens without recovery, the same.
    let mut closing = Told::default();
    s.close(&mut closing).unwrap();
    let indexes = files(left, is_index);
    let (s, recovered) = open(&disk, clock, false).unwrap();
    assert_eq!((recovered, s.log.log_end_offset()), (Recovered::default(), end), "{at_crash}");
    assert_eq!((producers(&s.log), s.log.last_stable_offset(end)), (state.clone(), stable), "{at_crash}");
    drop(s);

    // Built from the log alone it is the same again.
    let dir = Path::new(ROOT).join("t-0");
    for name in files(left, |name| is_index(name) || name.ends_with(".snapshot")).into_keys() {
        disk.remove_file(&dir.join(name)).unwrap();
    }
    let (s, _) = open(&disk, clock, true).unwrap();
    assert_eq!(s.log.log_end_offset(), end, "{at_crash}");
    if s.log.log_start_offset() == 0 {
        assert_eq!((producers(&s.log), s.log.last_stable_offset(end)), (state, stable), "{at_crash}");
        assert_eq!(s.log.aborted_transactions(0, end).unwrap(), aborted, "{at_crash}");
    }
    s.close(&mut closing).unwrap();
    let again = files(left, is_index);
    for (name, bytes) in &indexes {
        // Entries of transactions that began before the log does cannot be known from the log alone.
        if !name.ends_with(".txnindex") {
            assert_eq!(again.get(name), Some(bytes), "{at_crash}: {name}");
        }
    }

    // And it goes on.
    let (mut s, _) = open(&disk, clock, false).unwrap();
    let mut more = Told::default();
    s.append(&mut more, -1, Codec::None, false).unwrap();
    s.sync(&mut more).unwrap();
    assert_eq!(more.durable, end + 7, "{at_crash}");
}

fn run(crash_at: Option<u64>, seed: u64) -> (SimDisk, SimClock, Told) {
    tell(crash_at, seed, |phases| Told { phases, ..Told::default() }, story)
}

#[test]
fn a_crash_at_any_file_operation() {
    let (whole, clock, told) = run(None, 1);
    let tally = whole.tally();
    check(&whole.restart(Loss::Power), &clock, &told, "no crash");
    let operations = whole.operations();
    let seeds = 4;
    for at in 1..=operations {
        for seed in 0..seeds {
            let loss = if seed == 0 { Loss::Process } else { Loss::Power };
            let (disk, clock, told) = run(Some(at), at * seeds + seed);
            check(
                &disk.restart(loss),
                &clock,
                &told,
                &format!("crash at operation {at} of {operations}, seed {seed}, {loss:?}"),
            );
        }
    }
    let every = [Operation::Create, Operation::Write, Operation::SetLen, Operation::Sync, Operation::Rename];
    summary("a log", &tally, seeds, &[&every[..], &[Operation::Remove, Operation::SyncDir]].concat());
}

#[test]
fn an_aborted_transaction_that_recovery_indexed_again_is_known_after_the_next_crash() {
    for seed in 0..20 {
        let first = SimDisk::new(seed);
        let clock = SimClock::new(1_700_000_000_000);
        let mut told = Told::default();
        let shared: Arc<dyn Disk> = Arc::new(first.clone());
        let (mut s, _) = open(&shared, &clock, false).unwrap();
        s.append(&mut told, 1, Codec::None, true).unwrap();
        s.end_transaction(&mut told, 1, ControlType::Abort).unwrap();
        s.sync(&mut told).unwrap();
        s.checkpoint().unwrap();
        let end = s.log.log_end_offset();
        let second = first.restart(Loss::Power);
        let shared: Arc<dyn Disk> = Arc::new(second.clone());
        let (mut s, recovered) = open(&shared, &clock, false).unwrap();
        assert!(recovered.scanned);
        // The segment after it begins, and the power goes, before anything is synced.
        s.log.roll(clock.now()).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(second.restart(Loss::Power));
        let (s, _) = open(&shared, &clock, false).unwrap();
        let aborted = s.log.aborted_transactions(0, end).unwrap();
        let known: Vec<_> = aborted.iter().map(|t| (t.producer_id, t.first_offset)).collect();
        assert_eq!(known, [(1, 0)], "seed {seed}");
    }
}

#[test]
fn a_failed_sync_closes_the_log() {
    let disk = SimDisk::new(1);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock = SimClock::new(1_700_000_000_000);
    let mut told = Told::default();
    let (mut s, _) = open(&shared, &clock, false).unwrap();
    s.append(&mut told, 1, Codec::None, false).unwrap();
    disk.fail_next_sync();
    assert!(s.sync(&mut told).is_err());
    let refused = s.append(&mut told, 1, Codec::None, false);
    let refused = refused.unwrap_err().error.downcast::<AppendError>().unwrap();
    assert!(refused.may_have_happened());
    assert!(s.log.sync_ticket().is_none(), "a failed sync is never tried again");
    assert_eq!(told.durable, 0);
}

#[test]
fn a_directory_in_use_is_refused() {
    let shared: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let held = LogDir::open(shared.clone(), Path::new(ROOT)).unwrap();
    assert!(matches!(LogDir::open(shared.clone(), Path::new(ROOT)), Err(LogDirError::InUse(_))));
    drop(held);
    LogDir::open(shared, Path::new(ROOT)).unwrap();
}
