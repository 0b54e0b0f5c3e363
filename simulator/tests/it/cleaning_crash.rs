//! Whatever file operation of a roll, a clean, a swap, a truncation, a DeleteRecords or a retention a crash falls on, by kill or by
//! power loss: of each key the last committed value that was promised is there, at its offset, no aborted one is seen, producers
//! are where they were, and what the checkpoint calls clean is clean.

use std::path::Path;
use std::sync::Arc;

use andiron_protocol::compression::Codec;
use andiron_simulator::{Loss, Operation, SimClock, SimDisk};
use andiron_storage::Disk;

use crate::cleaning::{MAP_BYTES, Policy, RETENTION, ROOT, Told, compare, compare_producers, open, partition};
use crate::stop::{Stop, summary, tell};

/// The story that is cut off at every operation.
fn story(disk: &Arc<dyn Disk>, clock: &SimClock, policy: Policy, told: &mut Told) -> Result<(), Stop> {
    told.phases.begin("start");
    let mut s = open(disk, clock, policy, false)?;
    told.phases.begin("append and sync");
    if policy == Policy::CompactAndDelete {
        // Retention takes what it likes, and says so only when it is done.
        told.start = i64::MAX;
    }
    for round in 0..3 {
        let number = told.model.transactions.len();
        s.append(told, -1, Codec::ALL[round], None, &["a", "b", "a", "once"])?;
        s.append(told, 1, Codec::Lz4, None, &["b", "c", "-d"])?;
        s.append(told, 7, Codec::None, Some(number), &["a", "t"])?;
        s.append(told, -1, Codec::None, None, &["e", if round == 1 { "-once" } else { "f" }])?;
        s.append(told, 7, Codec::Zstd, Some(number), &["c", "u"])?;
        s.end(told, 7, number, round == 1)?;
        s.append(told, 2, Codec::None, None, &["g"])?;
        told.phases.begin("roll");
        s.log.roll(clock.now())?;
        told.phases.begin("append and sync");
        s.append(told, 1, Codec::None, None, &["a"])?;
        s.sync(told)?;
        if round == 1 {
            s.checkpoint()?;
        }
        s.remove(told)?;
        s.clean(told, MAP_BYTES)?;
        clock.advance(RETENTION);
    }
    // A follower's log that must give way above what is committed.
    s.append(told, 1, Codec::None, None, &["a", "b"])?;
    s.append(told, 1, Codec::None, None, &["z"])?;
    s.log.roll(clock.now())?;
    s.append(told, 1, Codec::None, None, &["z", "y"])?;
    let to = s.log.log_end_offset() - 3;
    s.sync(told)?;
    told.durable = to;
    told.before = Some(told.model.clone());
    told.model = told.model.cut(to);
    told.phases.begin("truncation");
    s.log.truncate_to(to, clock.now())?;
    told.phases.begin("append and sync");
    told.before = None;
    s.checkpoint()?;
    s.append(told, 1, Codec::Gzip, None, &["y", "x", "-g"])?;
    s.sync(told)?;
    s.log.roll(clock.now())?;
    s.sync(told)?;
    // DeleteRecords, and what retention makes of it.
    let to = s.log.log_start_offset().max(12);
    told.start = told.start.max(to);
    told.phases.begin("delete-records");
    s.log.delete_records(to)?;
    s.checkpoint()?;
    s.retain(told)?;
    s.clean(told, MAP_BYTES)?;
    s.remove(told)?;
    s.append(told, 7, Codec::None, Some(told.model.transactions.len()), &["open"])?;
    s.sync(told)?;
    // A clean end and a new begin.
    told.phases.begin("clean stop");
    s.log.close_clean()?;
    s.checkpoint()?;
    s.dir.mark_clean(1)?;
    drop(s);
    told.phases.begin("start");
    let mut s = open(disk, clock, policy, false)?;
    told.phases.begin("append and sync");
    s.append(told, 1, Codec::None, None, &["x", "a"])?;
    let number = told.model.transactions.len() - 1;
    s.end(told, 7, number, true)?;
    s.log.roll(clock.now())?;
    s.sync(told)?;
    s.retain(told)?;
    s.clean(told, MAP_BYTES)?;
    s.remove(told)?;
    s.append(told, 1, Codec::None, None, &["a"])?;
    s.sync(told)
}

/// Starts again on what the crash left and holds it against what was told.
fn check(left: &SimDisk, clock: &SimClock, policy: Policy, told: &Told, at_crash: &str) {
    let disk: Arc<dyn Disk> = Arc::new(left.clone());
    let mut s = open(&disk, clock, policy, false).unwrap_or_else(|e| panic!("{at_crash}: {e:?}"));
    let (start, end) = (s.log.log_start_offset(), s.log.log_end_offset());
    assert!(end >= told.durable, "{at_crash}: {end} of {} are lost", told.durable);
    assert!(start <= told.start, "{at_crash}: begins at {start}, not at {}", told.start);
    let model = told.before.as_ref().unwrap_or(&told.model).cut(end);
    let clean = s.dir.cleaner_offsets().unwrap().get(&partition()).copied().unwrap_or(0);
    compare(&s.log, &model, clean, at_crash);
    compare_producers(&s.log, &model, at_crash);
    for entry in disk.list(&s.dir.partition_dir(&partition())).unwrap() {
        let name = &entry.name;
        let rest = [".cleaned", ".swap", ".deleted"].iter().any(|stage| name.ends_with(stage));
        assert!(!rest, "{at_crash}: {name} is left");
    }

    // Closed clean and opened again it is the same.
    let mut later = Told::default();
    s.sync(&mut later).unwrap();
    s.log.close_clean().unwrap();
    s.checkpoint().unwrap();
    s.dir.mark_clean(1).unwrap();
    drop(s);
    let s = open(&disk, clock, policy, false).unwrap();
    assert_eq!((s.log.log_start_offset(), s.log.log_end_offset()), (start, end), "{at_crash}");
    compare(&s.log, &model, clean, at_crash);
    compare_producers(&s.log, &model, at_crash);
    drop(s);

    // From the log alone too.
    let dir = Path::new(ROOT).join("t-0");
    for entry in disk.list(&dir).unwrap() {
        if entry.name.ends_with("index") || entry.name.ends_with(".snapshot") {
            disk.remove_file(&dir.join(entry.name)).unwrap();
        }
    }
    let mut s = open(&disk, clock, policy, true).unwrap();
    assert_eq!((s.log.log_start_offset(), s.log.log_end_offset()), (start, end), "{at_crash}");
    if start == 0 {
        compare(&s.log, &model, clean, at_crash);
        compare_producers(&s.log, &model, at_crash);
    }

    // And it goes on: what could not be cleaned before is cleaned now.
    s.log.roll(clock.now()).unwrap();
    s.sync(&mut later).unwrap();
    clock.advance(2 * RETENTION);
    let clean = s.clean(&mut later, MAP_BYTES).unwrap();
    if start == 0 {
        assert_eq!(clean, model.last_stable().min(s.log.log_end_offset()).min(clean), "{at_crash}");
        compare(&s.log, &model, clean, at_crash);
    }
    s.remove(&mut later).unwrap();
}

fn run(crash_at: Option<u64>, seed: u64, policy: Policy) -> (SimDisk, SimClock, Told) {
    tell(
        crash_at,
        seed,
        |phases| Told { phases, ..Told::default() },
        |disk, clock, told| story(disk, clock, policy, told),
    )
}

fn crash_everywhere(policy: Policy) {
    let (whole, clock, told) = run(None, 1, policy);
    let mut tally = whole.tally();
    // Without the policy `delete` there is nothing for retention to do.
    tally.retain(|(name, _)| policy == Policy::CompactAndDelete || *name != "retention");
    check(&whole.restart(Loss::Power), &clock, policy, &told, "no crash");
    let operations = whole.operations();
    let seeds = 2;
    for at in 1..=operations {
        for seed in 0..seeds {
            let loss = if seed == 0 { Loss::Process } else { Loss::Power };
            let (disk, clock, told) = run(Some(at), at * seeds + seed, policy);
            let at_crash = format!("{policy:?}, crash at operation {at} of {operations}, seed {seed}, {loss:?}");
            check(&disk.restart(loss), &clock, policy, &told, &at_crash);
        }
    }
    let every = [Operation::Create, Operation::Write, Operation::SetLen, Operation::Sync, Operation::Rename];
    summary(&format!("{policy:?}"), &tally, seeds, &[&every[..], &[Operation::Remove, Operation::SyncDir]].concat());
}

#[test]
fn a_crash_at_any_file_operation_of_a_compacted_log() {
    crash_everywhere(Policy::Compact);
}

#[test]
fn a_crash_at_any_file_operation_of_a_log_that_is_compacted_and_deleted() {
    crash_everywhere(Policy::CompactAndDelete);
}
