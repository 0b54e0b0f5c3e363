//! Three logs share a journal whose files are small, so that they are filled, turned and written again. Whatever file operation
//! a crash falls on, in the story or in the start after it: what was told to be durable is there, once and in order.

use std::path::Path;
use std::sync::Arc;

use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, control_key};
use andiron_simulator::{Loss, Operation, SimClock, SimDisk};
use andiron_storage::{
    AppendOrigin, Disk, Journal, Leftover, Log, LogConfig, LogDir, OpenLog, TopicPartition, Unsynced,
};
use uuid::Uuid;

use crate::stop::{Phases, Stop, summary, tell};

const ROOT: &str = "/log";
const LOGS: i32 = 3;
const JOURNAL_BYTES: u64 = 1_800;

/// What was told of a log.
#[derive(Clone, Default)]
struct Told {
    /// The key of each record, by offset.
    keys: Vec<String>,
    durable: i64,
    start: i64,
}

#[derive(Default)]
struct AllTold {
    logs: [Told; LOGS as usize],
    phases: Phases,
}

struct Story {
    clock: SimClock,
    dir: LogDir,
    journal: Journal,
    logs: Vec<Log>,
    /// The logs with records in the file of the journal that is written, and in the one before.
    current: Vec<usize>,
    previous: Vec<usize>,
}

fn name(log: i32) -> TopicPartition {
    TopicPartition::new("t", log)
}

/// Starts: what is left in the journal goes where every log is open.
fn open(disk: &Arc<dyn Disk>, clock: &SimClock, epoch: i32) -> Result<(Story, u64), Stop> {
    let dir = LogDir::open(disk.clone(), Path::new(ROOT))?;
    let (journal, leftover) = Journal::open(disk.clone(), dir.path(), JOURNAL_BYTES, dir.was_clean())?;
    let leftover: Arc<Leftover> = Arc::new(leftover);
    let (points, starts) = (dir.recovery_points()?, dir.log_start_offsets()?);
    let mut logs = Vec::new();
    let mut restored = 0;
    for at in 0..LOGS {
        let config = LogConfig {
            segment_bytes: 1_500,
            segment_index_bytes: 1_024,
            index_interval_bytes: 200,
            retention_bytes: 5_000,
            retention_ms: -1,
            transaction_verification: false,
            ..LogConfig::default()
        };
        let open = OpenLog {
            dir: dir.partition_dir(&name(at)),
            config,
            topic_id: Some(Uuid::from_u128(7)),
            log_start_offset: starts.get(&name(at)).copied().unwrap_or(0),
            recovery_point: points.get(&name(at)).copied().unwrap_or(0),
            clean_shutdown: dir.was_clean(),
            journal: Some(Arc::clone(&leftover)),
            now: clock.now(),
        };
        let (mut log, recovered) = Log::open(disk.clone(), name(at), open)?;
        restored += recovered.restored_bytes;
        log.assign_epoch(epoch, log.log_end_offset())?;
        logs.push(log);
    }
    leftover.remove()?;
    let story = Story { clock: clock.clone(), dir, journal, logs, current: Vec::new(), previous: Vec::new() };
    Ok((story, restored))
}

impl Story {
    fn append(&mut self, told: &mut AllTold, at: usize, epoch: i32, size: usize) -> Result<(), Stop> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let first = told.logs[at].keys.len();
        for i in 0..3 {
            let key = format!("{epoch}-{}", first + i);
            builder.append(self.clock.now(), Some(key.as_bytes()), Some(&vec![b'v'; size]));
            told.logs[at].keys.push(key);
        }
        self.write(at, &builder.build().unwrap(), epoch, AppendOrigin::Client)
    }

    /// A transaction of one record that is aborted: the log has more to sync than its end.
    fn abort(&mut self, told: &mut AllTold, at: usize, epoch: i32) -> Result<(), Stop> {
        let producer_id = i64::from(epoch) * 100 + told.logs[at].keys.len() as i64;
        for control in [false, true] {
            let options = BatchOptions {
                producer_id,
                producer_epoch: 0,
                base_sequence: if control { -1 } else { 0 },
                transactional: true,
                control,
                ..BatchOptions::default()
            };
            let mut builder = BatchBuilder::new(options);
            let marker = control_key(ControlType::Abort);
            let text = String::from_utf8_lossy(&marker).into_owned();
            let key = if control { text } else { format!("{epoch}-{}", told.logs[at].keys.len()) };
            let value = EndTxnMarker { coordinator_epoch: 1 }.to_bytes();
            builder.append(self.clock.now(), Some(key.as_bytes()), Some(&value));
            told.logs[at].keys.push(key);
            let origin = if control { AppendOrigin::Coordinator } else { AppendOrigin::Client };
            self.write(at, &builder.build().unwrap(), epoch, origin)?;
        }
        Ok(())
    }

    fn write(&mut self, at: usize, batch: &[u8], epoch: i32, origin: AppendOrigin) -> Result<(), Stop> {
        self.clock.advance(10);
        self.logs[at].append_as_leader(batch, epoch, origin, self.clock.now())?;
        Ok(())
    }

    fn sync_alone(&mut self, at: usize) -> Result<(), Stop> {
        if let Some(ticket) = self.logs[at].sync_ticket() {
            ticket.run()?;
            self.logs[at].synced(&ticket);
        }
        Ok(())
    }

    /// One round of syncs.
    fn round(&mut self, told: &mut AllTold) -> Result<(), Stop> {
        let mut tails = Vec::new();
        for at in 0..self.logs.len() {
            match self.logs[at].unsynced() {
                Unsynced::Nothing => {}
                Unsynced::Tail(tail) => tails.push((at, tail)),
                Unsynced::More => self.sync_alone(at)?,
            }
        }
        let bytes = tails.iter().map(|(_, tail)| tail.bytes()).sum();
        if self.journal.is_full(tails.len(), bytes) {
            for at in std::mem::take(&mut self.previous) {
                self.sync_alone(at)?;
            }
            self.journal.turn()?;
            self.previous = std::mem::take(&mut self.current);
        }
        for (_, tail) in &tails {
            self.journal.add(tail)?;
        }
        self.journal.write()?;
        for (at, tail) in &tails {
            self.logs[*at].journaled(tail);
            self.current.push(*at);
        }
        for (log, told) in self.logs.iter().zip(&mut told.logs) {
            told.durable = log.durable_offset();
            assert_eq!(told.durable, log.log_end_offset());
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), Stop> {
        let all = |of: fn(&Log) -> i64| (0..).map(name).zip(self.logs.iter().map(of)).collect();
        self.dir.write_recovery_points(&all(Log::synced_offset))?;
        self.dir.write_log_start_offsets(&all(Log::log_start_offset))?;
        Ok(())
    }

    fn close(mut self, told: &mut AllTold) -> Result<(), Stop> {
        for (log, told) in self.logs.iter_mut().zip(&mut told.logs) {
            log.close_clean()?;
            told.durable = log.log_end_offset();
        }
        self.checkpoint()?;
        self.journal.remove()?;
        self.dir.mark_clean(1)?;
        Ok(())
    }
}

fn story(disk: &Arc<dyn Disk>, clock: &SimClock, told: &mut AllTold) -> Result<(), Stop> {
    told.phases.begin("first start");
    let (mut s, _) = open(disk, clock, 1)?;
    told.phases.begin("rounds");
    for round in 0..14 {
        for at in 0..LOGS as usize {
            // The first log is busy, the last one rests now and then: its records stay in the journal only.
            if at == 0 || round % (at + 1) == 0 {
                s.append(told, at, 1, 40 + 20 * (round % 3))?;
            }
        }
        if round % 5 == 4 {
            s.abort(told, 1, 1)?;
        }
        s.round(told)?;
        if round == 6 {
            s.checkpoint()?;
        }
        if round == 9 {
            told.logs[0].start = s.logs[0].delete_records(12)?;
            s.checkpoint()?;
        }
    }
    told.phases.begin("clean stop");
    s.append(told, 2, 1, 30)?;
    s.close(told)?;
    told.phases.begin("start");
    let (mut s, restored) = open(disk, clock, 2)?;
    assert_eq!(restored, 0, "a clean stop leaves nothing in the journal");
    told.phases.begin("rounds");
    for _ in 0..6 {
        for at in 0..LOGS as usize {
            s.append(told, at, 2, 50)?;
        }
        s.round(told)?;
    }
    Ok(())
}

/// Starts on what a crash left and holds it against what was told. Gives how much only the journal had.
fn check(left: &SimDisk, clock: &SimClock, told: &AllTold, at_crash: &str) -> u64 {
    let disk: Arc<dyn Disk> = Arc::new(left.clone());
    let (mut s, restored) = open(&disk, clock, 9).unwrap_or_else(|e| panic!("{at_crash}: {e:?}"));
    for (log, told) in s.logs.iter().zip(&told.logs) {
        let name = log.partition();
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        assert!(end >= told.durable, "{at_crash}: {name}: {end} of {}", told.durable);
        assert!(start <= told.start, "{at_crash}: {name} begins at {start}");
        let mut at = start;
        while at < end {
            let bytes = log.read_batches(at, 700).unwrap();
            assert!(!bytes.is_empty(), "{at_crash}: {name}: nothing at {at}");
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap_or_else(|e| panic!("{at_crash}: {name}: {e}"));
                assert!(at == start || batch.header.base_offset == at, "{at_crash}: {name}: a hole at {at}");
                for record in batch.records(&mut Vec::new()).unwrap() {
                    let record = record.unwrap();
                    let key = String::from_utf8_lossy(record.key.unwrap()).into_owned();
                    assert_eq!(
                        told.keys.get(record.offset as usize),
                        Some(&key),
                        "{at_crash}: {name}: {}",
                        record.offset
                    );
                }
                at = batch.header.next_offset();
            }
        }
    }
    // And it goes on, in a journal of its own.
    let mut more = AllTold::default();
    for at in 0..LOGS as usize {
        more.logs[at].keys.resize(s.logs[at].log_end_offset() as usize, String::new());
        s.append(&mut more, at, 9, 20).unwrap();
    }
    s.round(&mut more).unwrap();
    restored
}

fn run(crash_at: Option<u64>, seed: u64) -> (SimDisk, SimClock, AllTold) {
    tell(crash_at, seed, |phases| AllTold { phases, ..AllTold::default() }, story)
}

#[test]
fn a_crash_at_any_file_operation() {
    let (whole, clock, told) = run(None, 1);
    let (tally, operations) = (whole.tally(), whole.operations());
    assert!(check(&whole.restart(Loss::Power), &clock, &told, "no crash") > 0, "the journal was not needed");
    let seeds = 4;
    let mut restored = 0;
    for at in 1..=operations {
        for seed in 0..seeds {
            let loss = if seed == 0 { Loss::Process } else { Loss::Power };
            let (disk, clock, told) = run(Some(at), at * seeds + seed);
            let at_crash = format!("crash at operation {at} of {operations}, seed {seed}, {loss:?}");
            let left = disk.restart(loss);
            // The power goes once more, while what is left is put in its place.
            left.crash_at(left.operations() + 1 + (at * 7 + seed) % 40);
            let shared: Arc<dyn Disk> = Arc::new(left.clone());
            drop(open(&shared, &clock, 8));
            restored += check(&left.restart(loss), &clock, &told, &at_crash);
        }
    }
    println!("a journal: {restored} bytes were in the journal only");
    assert!(restored > 0);
    let every = [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename];
    summary("a journal", &tally, seeds, &[&every[..], &[Operation::Remove, Operation::SyncDir]].concat());
}
