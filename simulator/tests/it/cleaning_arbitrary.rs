//! Arbitrary logs, cleaned at arbitrary points, with ends and power losses in between: what a reader sees is the last value of
//! each key.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::compression::Codec;
use andiron_simulator::{Loss, SimClock, SimDisk};
use andiron_storage::Disk;
use proptest::prelude::*;

use crate::cleaning::{MAP_BYTES, Policy, RETENTION, Story, Told, compare, compare_producers, open, partition};

#[derive(Clone, Debug)]
enum Step {
    /// Keys by number; of some a tombstone.
    Append {
        writer: u8,
        codec: usize,
        keys: Vec<(u8, bool)>,
    },
    End {
        producer: u8,
        commit: bool,
    },
    Sync,
    Roll,
    Wait(i64),
    Clean {
        keys: usize,
    },
    Restart,
    Crash(Loss),
    DeleteRecords,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let keys = prop::collection::vec((0u8..12, prop::bool::weighted(0.2)), 1..8);
    let append = (0u8..5, 0..Codec::ALL.len(), keys);
    let step = prop_oneof![
        12 => append.prop_map(|(writer, codec, keys)| Step::Append { writer, codec, keys }),
        4 => (0u8..2, any::<bool>()).prop_map(|(producer, commit)| Step::End { producer, commit }),
        3 => Just(Step::Sync),
        4 => Just(Step::Roll),
        2 => (0..2 * RETENTION).prop_map(Step::Wait),
        // A batch has up to seven keys: no map is too small for one.
        4 => prop_oneof![Just(1_000usize), 9usize..40].prop_map(|keys| Step::Clean { keys }),
        1 => Just(Step::Restart),
        2 => prop_oneof![Just(Loss::Process), Just(Loss::Power)].prop_map(Step::Crash),
        1 => Just(Step::DeleteRecords),
    ];
    prop::collection::vec(step, 1..100)
}

struct World {
    disk: SimDisk,
    clock: SimClock,
    policy: Policy,
    told: Told,
    /// The open transaction of each producer.
    open: BTreeMap<i64, usize>,
}

impl World {
    fn begin(&self) -> Story {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        open(&disk, &self.clock, self.policy, false).unwrap()
    }

    /// The log was opened again: what was written and is not there is forgotten.
    fn found(&mut self, s: &mut Story) {
        let end = s.log.log_end_offset();
        assert!(end >= self.told.durable, "{end} of {} are lost", self.told.durable);
        self.told.model = self.told.model.cut(end);
        self.open = self.told.model.open().map(|(number, t)| (t.producer, number)).collect();
        // A producer of which DeleteRecords took everything begins anew, or where the log thinks it is.
        for (producer, of_one) in &mut self.told.model.sequences {
            if of_one.last_key_value().is_some_and(|(at, _)| *at < s.log.log_start_offset()) {
                *of_one =
                    s.log.producer(*producer).map(|known| (i64::MIN, known.last_sequence())).into_iter().collect();
            }
        }
        s.sync(&mut self.told).unwrap();
    }

    fn step(&mut self, s: Story, step: Step) -> Story {
        let mut s = s;
        let told = &mut self.told;
        match step {
            Step::Append { writer, codec, keys } => {
                let producer = [-1, 1, 2, 7, 8][usize::from(writer)];
                let next = told.model.transactions.len();
                let transaction = (producer >= 7).then(|| *self.open.entry(producer).or_insert(next));
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, tombstone)| format!("{}k{key}", if *tombstone { "-" } else { "" }))
                    .collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                s.append(told, producer, Codec::ALL[codec], transaction, &keys).unwrap();
            }
            Step::End { producer, commit } => {
                let producer = 7 + i64::from(producer);
                if let Some(number) = self.open.remove(&producer) {
                    s.end(told, producer, number, commit).unwrap();
                }
            }
            Step::Sync => s.sync(told).unwrap(),
            Step::Roll => _ = s.log.roll(self.clock.now()).unwrap(),
            Step::Wait(ms) => _ = self.clock.advance(ms),
            Step::Clean { keys } => {
                s.sync(told).unwrap();
                s.checkpoint().unwrap();
                // 24 bytes a key, of which nine tenths may be taken.
                s.clean(told, (keys * 24).min(MAP_BYTES)).unwrap();
                s.remove(told).unwrap();
            }
            Step::Restart => {
                s.log.close_clean().unwrap();
                told.durable = s.log.log_end_offset();
                s.checkpoint().unwrap();
                s.dir.mark_clean(1).unwrap();
                drop(s);
                s = self.begin();
                self.found(&mut s);
            }
            Step::Crash(loss) => {
                drop(s);
                self.disk = self.disk.restart(loss);
                s = self.begin();
                self.found(&mut s);
            }
            Step::DeleteRecords => {
                s.sync(told).unwrap();
                let stable = s.log.last_stable_offset(s.log.log_end_offset());
                s.log.delete_records((s.log.log_start_offset() + stable) / 2).unwrap();
                s.checkpoint().unwrap();
                s.retain(told).unwrap();
            }
        }
        s
    }
}

fn run(policy: Policy, seed: u64, steps: Vec<Step>) {
    let mut world = World {
        disk: SimDisk::new(seed),
        clock: SimClock::new(1_700_000_000_000),
        policy,
        told: Told::default(),
        open: BTreeMap::new(),
    };
    let mut s = world.begin();
    for (at, step) in steps.into_iter().enumerate() {
        let what = format!("after step {at}, {step:?}");
        s = world.step(s, step);
        let clean = s.dir.cleaner_offsets().unwrap().get(&partition()).copied().unwrap_or(0);
        compare(&s.log, &world.told.model, clean, &what);
        compare_producers(&s.log, &world.told.model, &what);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_reader_sees_is_the_last_value_of_each_key(seed: u64, delete: bool, steps in steps()) {
        run(if delete { Policy::CompactAndDelete } else { Policy::Compact }, seed, steps);
    }
}
