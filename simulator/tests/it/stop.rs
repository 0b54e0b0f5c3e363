//! What ends a story before its time, and what it was at.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_simulator::{Operation, SimClock, SimDisk, Tally};
use andiron_storage::Disk;

/// What ended a story early.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) error: Box<dyn std::error::Error>,
}

impl<E: std::error::Error + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop { error: Box::new(error) }
    }
}

/// Tells the disk what the story is at, so that its operations can be counted by that.
#[derive(Default)]
pub(crate) struct Phases(Option<SimDisk>);

impl Phases {
    pub(crate) fn of(disk: &SimDisk) -> Phases {
        Phases(Some(disk.clone()))
    }

    pub(crate) fn begin(&self, name: &'static str) {
        if let Some(disk) = &self.0 {
            disk.begin_phase(name);
        }
    }
}

/// Tells a story on a new disk, up to the operation at which everything stops, if any. `told` begins what is told in it.
pub(crate) fn tell<T>(
    crash_at: Option<u64>,
    seed: u64,
    told: impl FnOnce(Phases) -> T,
    story: impl FnOnce(&Arc<dyn Disk>, &SimClock, &mut T) -> Result<(), Stop>,
) -> (SimDisk, SimClock, T) {
    let disk = SimDisk::new(seed);
    if let Some(at) = crash_at {
        disk.crash_at(at);
    }
    let clock = SimClock::new(1_700_000_000_000);
    let mut told = told(Phases::of(&disk));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let ended = story(&shared, &clock, &mut told);
    assert_eq!(ended.is_err(), crash_at.is_some(), "{ended:?}");
    (disk, clock, told)
}

/// One line: at how many operations of each phase a crash was tried, and of which kinds they are. Every kind of `wanted` must be
/// among them, and every phase must have some.
pub(crate) fn summary(what: &str, tally: &Tally, crashes_each: u64, wanted: &[Operation]) {
    let mut kinds: BTreeMap<Operation, u64> = BTreeMap::new();
    for (operation, count) in tally.iter().flat_map(|(_, phase)| phase) {
        *kinds.entry(*operation).or_default() += count;
    }
    let phases: Vec<String> =
        tally.iter().map(|(name, phase)| format!("{name} {}", phase.values().sum::<u64>())).collect();
    let of_kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect();
    let points: u64 = kinds.values().sum();
    let crashes = points * crashes_each;
    println!("{what}: {points} crash points, {crashes} crashes; {}; {}", phases.join(", "), of_kinds.join(", "));
    for operation in wanted {
        assert!(kinds.contains_key(operation), "{what}: no {operation:?} is reached");
    }
    for (name, phase) in tally {
        assert!(!phase.is_empty(), "{what}: {name} changes nothing");
    }
}
