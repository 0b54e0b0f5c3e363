//! A whole node on a disk that loses what was not synced: its power goes at any disk operation, also while it recovers from the
//! last time, and its clients go on as clients do. What they were told is held against what is there after each start.
//!
//! `ANDIRON_SEED` repeats a run, `ANDIRON_CRASHES` asks for more of them.

mod clients;
mod mover;
mod operator;
mod transactional;
mod truth;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use andiron_broker::Node;
use andiron_broker::config::BrokerConfig;
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use andiron_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest, ProduceRequest};
use andiron_simulator::{Loss, SimClock, SimDisk};
use andiron_storage::disk::Disk as _;
use bytes::Bytes;

use clients::{Client, Committer, Idempotent, Reader, produced};
use mover::{DIRS, Mover, to_move};
use operator::{Operator, record};
use transactional::Transactional;
use truth::{Outcome, PARTITIONS, TOPIC, Truth};
use wire::{Draw, Wire, decode, text, topic};

const START: i64 = 1_700_000_000_000;
/// So many crashes are of one story; more of them are more stories, so that no log grows too long to be read each time.
const CRASHES_A_STORY: u64 = 25;
/// Disk operations between a start that was checked and the next crash at most.
const OPERATIONS_MAX: u64 = 500;
/// Steps that the clients may take to come to an end.
const PATIENCE: usize = 20_000;

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    crashes: u64,
    /// Of them, those before the node was open again.
    in_recovery: u64,
    /// Stops in good order in between.
    stops: u64,
    acknowledged: u64,
    offsets: u64,
    committed: u64,
    aborted: u64,
    unknown: u64,
    read: u64,
    topics_deleted: u64,
    /// Partitions that were found in another log directory than before.
    moved: u64,
    operations: u64,
}

fn config() -> BrokerConfig {
    let settings = [
        ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("log.dirs", &DIRS.join(",")),
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("log.roll.ms", "900"),
        ("andiron.journal.bytes", "1500"),
        ("log.index.interval.bytes", "200"),
        ("log.index.size.max.bytes", "4096"),
        ("log.segment.delete.delay.ms", "300"),
        ("log.retention.check.interval.ms", "700"),
        ("log.initial.task.delay.ms", "100"),
        ("log.flush.offset.checkpoint.interval.ms", "500"),
        ("log.flush.start.offset.checkpoint.interval.ms", "500"),
        ("replica.high.watermark.checkpoint.interval.ms", "400"),
        ("log.cleaner.min.cleanable.ratio", "0.1"),
        ("metadata.log.max.record.bytes.between.snapshots", "2000"),
    ];
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    BrokerConfig::from_properties(None, settings).unwrap()
}

fn config_of(name: &str, value: &str) -> CreatableTopicConfig {
    CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
}

struct World {
    wire: Wire,
    clock: SimClock,
    clients: Vec<Box<dyn Client>>,
    truth: Truth,
    /// In which log directory a partition was found the last time.
    homes: BTreeMap<String, &'static str>,
    counts: Counts,
}

impl World {
    fn new(seed: u64) -> World {
        let (disk, clock) = (SimDisk::new(seed), SimClock::new(START));
        let node = Node::open(config(), Arc::new(disk.clone()), clock.now()).unwrap();
        let clients: Vec<Box<dyn Client>> = vec![
            Box::new(Idempotent::new("i0")),
            Box::new(Idempotent::new("i1")),
            Box::new(Transactional::new("t1", false)),
            Box::new(Transactional::new("t2", true)),
            Box::new(Transactional::new("t3", true)),
            Box::new(Committer::new("g")),
            Box::new(Reader::default()),
            Box::new(Operator::default()),
            Box::new(Mover::default()),
        ];
        let wire = Wire::new(node, disk, clock.now(), Draw::new(seed ^ 0xa5a5));
        let mut world =
            World { wire, clock, clients, truth: Truth::default(), homes: BTreeMap::new(), counts: Counts::default() };
        world.create_topics();
        world
    }

    fn create_topics(&mut self) {
        let topic = CreatableTopic::default()
            .with_name(topic(TOPIC))
            .with_num_partitions(PARTITIONS as i32)
            .with_replication_factor(1)
            .with_configs(vec![config_of("retention.ms", "-1")]);
        let create = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        self.wire.send(0, 0, 7, &create);
        for (kind, key) in [(0, "g"), (1, "t1")] {
            let find = FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![text(key)]);
            self.wire.send(0, 1, 4, &find);
        }
        while self.wire.node.sync_due(self.wire.now) {}
        let created = self.wire.arrived().into_iter().find(|answer| answer.what == 0).unwrap();
        assert_eq!(decode::<CreateTopicsRequest>(7, &created.frame).topics[0].error_code, 0);
    }

    /// The next crash is so many disk operations away, or none is to come.
    fn crash_within(&mut self, operations: Option<u64>) {
        let to = operations.map_or(u64::MAX, |within| self.wire.disk.operations() + 1 + self.wire.draw.below(within));
        self.wire.disk.crash_at(to);
    }

    /// Something happens: somebody acts, the disk is synced, time passes.
    fn step(&mut self) {
        self.wire.now = self.clock.advance(self.wire.draw.below(6) as i64);
        let now = self.wire.now;
        match self.wire.draw.below(100) {
            0..70 => {
                let at = self.wire.draw.below(self.clients.len() as u64) as usize;
                self.clients[at].act(at, &mut self.wire, &mut self.truth);
            }
            70..88 => _ = self.wire.node.sync_due(now),
            88..95 => _ = self.wire.node.tick(now),
            95..99 => {
                self.wire.node.keep_house(now);
                if !self.wire.disk.crashed() {
                    self.check_homes();
                }
            }
            _ => _ = self.wire.node.clean_dirtiest(&|| now),
        }
        self.deliver();
        if self.wire.disk.crashed() {
            self.restart();
        }
    }

    fn deliver(&mut self) {
        for answer in self.wire.arrived() {
            let client = &mut self.clients[answer.client];
            client.answered(answer.what, &answer.frame, &mut self.wire, &mut self.truth);
        }
    }

    /// The power has gone. Starts again, however often it takes, and checks what is there.
    fn restart(&mut self) {
        self.counts.crashes += 1;
        self.counts.operations += self.wire.disk.operations();
        let mut disk = self.wire.disk.restart(Loss::Power);
        self.wire.node.stop();
        let node = loop {
            // A start takes some hundred operations.
            let crashes_again = self.wire.draw.one_in(3);
            if crashes_again {
                disk.crash_at(1 + self.wire.draw.below(100));
            }
            self.clock.advance(50);
            match Node::open(config(), Arc::new(disk.clone()), self.clock.now()) {
                Ok(node) if !disk.crashed() => break node,
                opened => {
                    assert!(disk.crashed(), "the node does not start: {:?}", opened.err());
                    self.counts.crashes += 1;
                    self.counts.in_recovery += 1;
                    self.counts.operations += disk.operations();
                    disk = disk.restart(Loss::Power);
                }
            }
        };
        self.wire.reconnect(node, disk);
        self.go_on();
    }

    /// A node has started where one was: its clients connect again. Before they do, everything is checked, but not always: a
    /// crash may come as soon.
    fn go_on(&mut self) {
        self.truth.check_ends(&mut self.wire, false);
        if self.wire.draw.one_in(4) {
            self.crash_within(Some(40));
        } else {
            self.crash_within(None);
            self.check();
            self.crash_within(Some(OPERATIONS_MAX));
        }
        for client in &mut self.clients {
            client.cut_off(&mut self.wire, &mut self.truth);
        }
    }

    /// What the node had prepared is finished; then everything is held against what clients know.
    fn check(&mut self) {
        for _ in 0..3 {
            while self.wire.node.sync_due(self.wire.now) {}
            self.wire.now = self.clock.advance(100);
            self.wire.node.tick(self.wire.now);
        }
        self.truth.check(&mut self.wire);
        self.check_homes();
    }

    /// Each partition lies in one log directory.
    fn check_homes(&mut self) {
        let mut homes = BTreeMap::new();
        for dir in DIRS {
            let listed = self.wire.disk.list(Path::new(dir)).unwrap();
            for entry in listed.into_iter().filter(|entry| entry.is_dir && !entry.name.contains('.')) {
                let there = homes.insert(entry.name.clone(), dir);
                assert_eq!(there, None, "{} is in {dir} too", entry.name);
            }
        }
        let moved = homes.iter().filter(|(name, dir)| self.homes.get(*name).is_some_and(|before| before != *dir));
        self.counts.moved += moved.count() as u64;
        self.homes = homes;
    }

    /// Stops the node in good order, unless the power goes meanwhile, and starts it again.
    fn stop(&mut self) {
        let now = self.wire.now;
        self.wire.node.drain(now);
        self.deliver();
        self.wire.node.stop();
        while self.wire.node.sync_due(now) {}
        self.wire.node.close(now);
        if self.wire.disk.crashed() {
            return self.restart();
        }
        self.counts.stops += 1;
        self.counts.operations += self.wire.disk.operations();
        let disk = self.wire.disk.restart(Loss::Power);
        let node = Node::open(config(), Arc::new(disk.clone()), self.clock.advance(50)).unwrap();
        self.wire.reconnect(node, disk);
        self.go_on();
    }

    /// Lets the clients come to an end and checks for the last time.
    fn finish(mut self) -> Counts {
        self.crash_within(None);
        for _ in 0..PATIENCE {
            self.step();
            if self.clients.iter_mut().map(|client| client.finish()).fold(true, |all, one| all & one) {
                self.check();
                return self.tell();
            }
        }
        panic!("the clients do not come to an end");
    }

    fn tell(mut self) -> Counts {
        self.counts.acknowledged = self.truth.acknowledged.iter().map(|all| all.len() as u64).sum();
        self.counts.offsets = self.truth.offsets.values().map(|(acknowledged, _)| *acknowledged as u64 + 1).sum();
        self.counts.read = self.truth.seen.iter().map(|all| all.len() as u64).sum();
        self.counts.topics_deleted = self.truth.scratch.deleted;
        self.counts.operations += self.wire.disk.operations();
        for transaction in self.truth.transactions.values().flat_map(|all| all.values()) {
            match transaction.outcome {
                Outcome::Committed => self.counts.committed += 1,
                Outcome::Aborted => self.counts.aborted += 1,
                Outcome::Unknown => self.counts.unknown += 1,
                Outcome::Open => panic!("a transaction is open at the end: {transaction:?}"),
            }
        }
        self.wire.node.stop();
        self.counts
    }
}

/// Says at which crash of which seed a story failed.
struct Failing<'a>(u64, &'a std::cell::Cell<u64>);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("ANDIRON_SEED={} failed after {} crashes of its story", self.0, self.1.get());
        }
    }
}

fn story(seed: u64, crashes: u64) -> Counts {
    let so_far = std::cell::Cell::new(0);
    let _failing = Failing(seed, &so_far);
    let mut world = World::new(seed);
    world.crash_within(Some(OPERATIONS_MAX));
    while world.counts.crashes < crashes {
        world.step();
        if world.wire.draw.one_in(600) {
            world.stop();
        }
        so_far.set(world.counts.crashes);
    }
    world.finish()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn power_lost_again_and_again_loses_nothing_that_was_acknowledged() {
    let mut seed = setting("ANDIRON_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20);
    let wanted = setting("ANDIRON_CRASHES").unwrap_or(100);
    let (mut crashes, mut stories, mut moved) = (0, 0, 0);
    while crashes < wanted {
        let counts = story(seed, CRASHES_A_STORY.min(wanted - crashes));
        println!("ANDIRON_SEED={seed}: {counts:?}");
        crashes += counts.crashes;
        moved += counts.moved;
        stories += 1;
        seed += 1;
        assert!(counts.acknowledged > 0 && counts.committed > 0 && counts.offsets > 0 && counts.read > 0);
    }
    println!("{crashes} crashes in {stories} stories");
    assert!(moved > 0 || stories < 4);
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(story(7, 10), story(7, 10));
}

impl World {
    /// A record for a partition; the answer.
    fn send(&mut self, partition: usize, value: &str) -> Bytes {
        self.truth.sent.insert(value.to_owned());
        self.wire.send(0, u64::MAX, 9, &record(TOPIC, partition, None, value, self.wire.now));
        while self.wire.node.sync_due(self.wire.now) {}
        self.wire.arrived().into_iter().find(|answer| answer.what == u64::MAX).unwrap().frame
    }

    /// A record in a partition, acknowledged.
    fn append(&mut self, partition: usize, number: u64) {
        let value = format!("m:0:{number}");
        let answer = self.send(partition, &value);
        let offset = produced("the producer", 9, &answer).unwrap();
        self.truth.acknowledged[partition].insert(offset, value);
    }

    /// Has the first partition moved to the other directory, which is all that is done while the time stands.
    fn move_first(&mut self) {
        self.check_homes();
        let home = self.homes["orders-0"];
        let to = DIRS.into_iter().find(|dir| *dir != home).unwrap();
        let answer = self.wire.ask(2, &to_move(TOPIC, 0, to)).unwrap();
        assert_eq!(answer.results[0].partitions[0].error_code, 0);
        self.wire.node.keep_house(self.wire.now);
    }

    /// Everything is there after a loss of power.
    fn lose_power(&mut self) {
        self.restart();
        self.crash_within(None);
        self.check();
    }
}

/// The journal that a partition comes to writes its files again only when the partition's log has what they had.
#[test]
fn power_lost_long_after_a_partition_moved_loses_nothing_of_it() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        (0..4).for_each(|n| world.append(0, n));
        world.move_first();
        (4..40).for_each(|n| world.append(0, n));
        world.check_homes();
        assert_eq!(world.counts.moved, 1);
        world.lose_power();
        world.wire.node.stop();
    }
}

/// A journal that is all that has some records durable is not written again.
#[test]
fn power_lost_after_a_log_could_not_be_synced_loses_nothing_of_it() {
    for seed in 0..8 {
        let mut world = World::new(seed);
        world.check_homes();
        let home = world.homes["orders-0"];
        let other = (1..PARTITIONS).find(|other| world.homes[&format!("orders-{other}")] == home).unwrap();
        (0..4).for_each(|n| world.append(0, n));
        // The log is to be synced for its recovery point.
        world.wire.now = world.clock.advance(600);
        world.wire.disk.fail_next_sync();
        world.wire.node.keep_house(world.wire.now);
        let refused = decode::<ProduceRequest>(9, &world.send(0, "m:0:4"));
        let code = refused.responses[0].partition_responses[0].error_code;
        assert_eq!(ErrorCode::from_code(code), Some(ErrorCode::KafkaStorageError));
        (5..45).for_each(|n| world.append(other, n));
        world.lose_power();
        world.wire.node.stop();
    }
}

#[test]
fn power_lost_at_any_operation_of_a_move_loses_nothing_and_the_partition_lies_in_one_place() {
    let mut points = 0;
    for seed in 0..4 {
        for at in 1.. {
            let mut world = World::new(seed);
            (0..4).for_each(|n| world.append(0, n));
            world.wire.disk.crash_at(world.wire.disk.operations() + at);
            world.move_first();
            let crashed = world.wire.disk.crashed();
            points += u64::from(crashed);
            world.lose_power();
            (4..8).for_each(|n| world.append(0, n));
            world.lose_power();
            // A move that was cut off goes on, unless it had not begun.
            world.wire.node.keep_house(world.wire.now);
            (8..12).for_each(|n| world.append(0, n));
            world.lose_power();
            world.wire.node.stop();
            if !crashed {
                break;
            }
        }
    }
    println!("a move: {points} crash points of four seeds");
    assert!(points > 100, "{points}");
}
