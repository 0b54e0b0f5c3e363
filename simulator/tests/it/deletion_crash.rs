//! Whatever file operation of a topic's deletion, and of the making of another of its name, a crash falls on: the old one is whole
//! until its deletion was promised and never comes back after; the new one has all that it promised, whatever the checkpoints
//! of the old one said.

use std::path::Path;
use std::sync::Arc;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_simulator::{Loss, Operation, SimDisk};
use andiron_storage::{AppendOrigin, Disk, Log, LogConfig, LogDir, OpenLog, TopicPartition};
use uuid::Uuid;

use crate::stop::{Phases, Stop, summary};

const ROOT: &str = "/log";
const OLD: Uuid = Uuid::from_u128(1);
const NEW: Uuid = Uuid::from_u128(2);
const START: i64 = 1_700_000_000_000;

/// What was promised.
#[derive(Default)]
struct Told {
    old_end: i64,
    /// The deletion was begun, and has been promised.
    deleting: bool,
    deleted: bool,
    new_end: i64,
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// Opens the partition as a topic of this id, by what the checkpoints say.
fn open(disk: &Arc<dyn Disk>, dir: &LogDir, id: Uuid, now: i64) -> Result<Log, Stop> {
    let config = LogConfig { segment_bytes: 300, segment_index_bytes: 1_024, ..LogConfig::default() };
    let open = OpenLog {
        dir: dir.partition_dir(&partition()),
        config,
        topic_id: Some(id),
        log_start_offset: dir.log_start_offsets()?.get(&partition()).copied().unwrap_or(0),
        recovery_point: dir.recovery_points()?.get(&partition()).copied().unwrap_or(0),
        clean_shutdown: dir.was_clean(),
        journal: None,
        now,
    };
    Ok(Log::open(disk.clone(), partition(), open)?.0)
}

/// Appends records, syncs them and returns the end that is promised.
fn write(log: &mut Log, batches: usize, sequence: i32) -> Result<i64, Stop> {
    for at in 0..batches as i32 {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id: 1,
            producer_epoch: 0,
            base_sequence: sequence + at,
            ..BatchOptions::default()
        });
        builder.append(START, None, Some(b"a value of some forty bytes, more or less"));
        log.append_as_leader(&builder.build().unwrap(), 0, AppendOrigin::Client, START)?;
    }
    if let Some(ticket) = log.sync_ticket() {
        ticket.run()?;
        log.synced(&ticket);
    }
    Ok(log.synced_offset())
}

fn story(disk: &SimDisk, told: &mut Told) -> Result<(), Stop> {
    let phases = Phases::of(disk);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    phases.begin("start");
    let dir = LogDir::open(shared.clone(), Path::new(ROOT))?;
    phases.begin("the old topic");
    let mut log = open(&shared, &dir, OLD, START)?;
    told.old_end = write(&mut log, 12, 0)?;
    log.delete_records(9)?;
    dir.write_recovery_points(&[(partition(), told.old_end)].into())?;
    dir.write_log_start_offsets(&[(partition(), 9)].into())?;
    dir.write_cleaner_offsets(&[(partition(), 9)].into())?;
    phases.begin("topic deletion");
    told.deleting = true;
    let gone = log.mark_deleted(Uuid::from_u128(7))?;
    // The checkpoints forget the topic before another may have its name.
    dir.write_recovery_points(&[].into())?;
    dir.write_log_start_offsets(&[].into())?;
    dir.write_cleaner_offsets(&[].into())?;
    told.deleted = true;
    phases.begin("the new topic");
    let mut log = open(&shared, &dir, NEW, START)?;
    told.new_end = write(&mut log, 3, 0)?;
    phases.begin("removal of the old topic's files");
    shared.remove_dir_all(&gone)?;
    shared.sync_dir(Path::new(ROOT))?;
    phases.begin("the new topic");
    told.new_end = write(&mut log, 3, 3)?;
    phases.begin("clean stop");
    log.close_clean()?;
    dir.write_recovery_points(&[(partition(), told.new_end)].into())?;
    dir.mark_clean(1)?;
    Ok(())
}

fn check(left: &SimDisk, told: &Told, at_crash: &str) {
    let disk: Arc<dyn Disk> = Arc::new(left.clone());
    let dir = LogDir::open(disk.clone(), Path::new(ROOT)).unwrap();
    let there = disk.exists(&dir.partition_dir(&partition()));
    if told.deleted {
        // Nothing of the old topic is taken for the new one.
        let log = open(&disk, &dir, NEW, START).unwrap_or_else(|e| panic!("{at_crash}: {e:?}"));
        assert_eq!(log.log_start_offset(), 0, "{at_crash}");
        assert!(
            log.log_end_offset() >= told.new_end && log.log_end_offset() <= 6,
            "{at_crash}: {}",
            log.log_end_offset()
        );
        let sequence = log.producer(1).map_or(-1, |producer| i64::from(producer.last_sequence()));
        assert_eq!(
            sequence,
            log.log_end_offset() - 1,
            "{at_crash}: what producers wrote to the old topic is forgotten"
        );
    } else if there {
        let log = open(&disk, &dir, OLD, START).unwrap_or_else(|e| panic!("{at_crash}: {e:?}"));
        assert!(log.log_end_offset() >= told.old_end, "{at_crash}: {} of {}", log.log_end_offset(), told.old_end);
    } else {
        assert!(told.deleting || told.old_end == 0, "{at_crash}: the topic is gone and nobody deleted it");
        let marked = dir.deleted_dirs().unwrap().len();
        assert_eq!(marked, usize::from(told.deleting), "{at_crash}: what is to be deleted can be found");
    }
}

#[test]
fn a_crash_at_any_file_operation_of_a_topic_that_is_deleted_and_made_anew() {
    let whole = SimDisk::new(1);
    let mut told = Told::default();
    story(&whole, &mut told).unwrap();
    let (operations, tally, seeds) = (whole.operations(), whole.tally(), 6);
    check(&whole.restart(Loss::Power), &told, "no crash");
    for at in 1..=operations {
        for seed in 0..seeds {
            let loss = if seed == 0 { Loss::Process } else { Loss::Power };
            let (disk, mut told) = (SimDisk::new(at * seeds + seed), Told::default());
            disk.crash_at(at);
            assert!(story(&disk, &mut told).is_err());
            let at_crash = format!("crash at operation {at} of {operations}, seed {seed}, {loss:?}");
            check(&disk.restart(loss), &told, &at_crash);
        }
    }
    summary("a topic's deletion", &tally, seeds, &[Operation::Rename, Operation::RemoveDir, Operation::SyncDir]);
}
