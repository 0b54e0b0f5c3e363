//! Any story of transactions: producers that mostly know their id and epoch, markers that come late, time, a log that refuses,
//! restarts; and what must hold of all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_coordinator::transactions::{
    AddPartitions, EndTransaction, InitProducerId, ListFilter, Markers, Producer, Request, Transaction,
    TransactionConfig, TransactionRecord, TransactionState,
};
use andiron_coordinator::{StateMachine, transactions::TransactionCoordinator};
use andiron_simulator::Choices;

use crate::transaction_stage::{NEEDS_ID, Stage, partitions};

const STEPS_MAX: usize = 400;
const IDS: [&str; 2] = ["tx", "ty"];
/// How often all markers are written in the end: a transaction that goes on makes new ones, but nobody goes on.
const ROUNDS_MAX: usize = 3;

/// Tells the story that these bytes make, and returns it. `believes`: with a mistake in it, an append that fails counts as done.
pub fn run(bytes: &[u8], believes: bool) -> String {
    let mut choices = Choices::new(bytes);
    let mut stage = Stage::new(i16::from(choices.below(3)));
    stage.config = TransactionConfig { id_expiration_ms: 150_000, expiry_check_interval_ms: 20_000, ..stage.config };
    stage.restart();
    stage.believes = believes;
    let mut told = Told::default();
    for _ in 0..STEPS_MAX {
        if choices.are_over() {
            break;
        }
        told.step(&mut stage, &mut choices);
        told.read(&stage);
    }
    told.agrees(&stage);
    told.ends(&mut stage);
    told.story
}

/// What has happened, as those outside know it.
#[derive(Default)]
struct Told {
    story: String,
    read: usize,
    /// The last record of each id.
    last: BTreeMap<Arc<str>, Transaction>,
    /// How the last transaction of each id that was decided ends.
    decisions: BTreeMap<Arc<str>, bool>,
    /// The producer ids that each transactional id has had.
    producers: BTreeMap<Arc<str>, BTreeSet<i64>>,
    /// The last epoch of each producer id that anybody was told.
    epochs: BTreeMap<i64, i16>,
    /// What was answered to the end of a transaction that only one epoch could end.
    ended: BTreeMap<(i64, i16), bool>,
    waiting: BTreeSet<u64>,
}

impl Told {
    fn step(&mut self, s: &mut Stage, c: &mut Choices<'_>) {
        let id: Arc<str> = c.one_of(&["tx", "tx", "tx", "ty"]).into();
        match c.below(20) {
            0..=2 => self.init(s, &id, None, timeout(c)),
            3 => {
                let expected = producer(s, &id, c);
                self.init(s, &id, Some(expected), timeout(c));
            }
            4..=7 => {
                let client_version = c.one_of(&[0, 2]);
                let request = AddPartitions {
                    transactional_id: id.clone(),
                    producer: producer(s, &id, c),
                    partitions: partitions(&[("t", c.below(3).into()), (c.one_of(&["t", "u"]), c.below(2).into())]),
                    client_version,
                    verify_only: c.once_in(8),
                    patient: client_version >= 2,
                };
                self.ask(s, Request::AddPartitions(request));
            }
            8..=11 => {
                let from = producer(s, &id, c);
                self.end(s, &id, from, c.once_in(2), c.one_of(&[0, 2]));
            }
            12 => self.write_markers(s, 1),
            13 => self.write_markers(s, usize::MAX),
            14..=15 => {
                let ms = c.one_of(&[1, 99, 100, 5_000, 10_000, 60_000, 70_001, 160_000]);
                self.story.push_str(&format!("{ms} ms pass\n"));
                s.pass(ms);
            }
            16 => {
                self.agrees(s);
                s.version = i16::from(c.below(3));
                self.restart(s);
            }
            17 => {
                s.refuses = c.once_in(2);
                self.story.push_str(&format!("the log refuses: {}\n", s.refuses));
            }
            18 => {
                s.held = c.once_in(2);
                self.story.push_str(&format!("the log is held: {}\n", s.held));
                if !s.held {
                    s.commit();
                }
            }
            _ => self.wear_or_look(s, &id, c),
        }
    }

    /// Asks, and says what is answered now.
    fn ask(&mut self, s: &mut Stage, request: Request) -> String {
        self.story.push_str(&format!("{request:?}\n"));
        let answer = s.ask(request);
        if answer == "waits" {
            self.waiting.insert(s.next_ticket);
        }
        self.story.push_str(&format!("  {answer}\n"));
        answer
    }

    /// Asks as a broker does: first without a producer id, then with one if it is needed.
    fn ask_with_id(&mut self, s: &mut Stage, request: impl Fn(Option<i64>) -> Request) -> String {
        let fresh = s.fresh();
        match self.ask(s, request(None)) {
            needs if needs == NEEDS_ID => self.ask(s, request(fresh)),
            answer => answer,
        }
    }

    fn init(&mut self, s: &mut Stage, id: &Arc<str>, expected: Option<Producer>, timeout_ms: i32) {
        let answer = self.ask_with_id(s, |fresh_producer_id| {
            let transactional_id = id.clone();
            Request::InitProducerId(InitProducerId { transactional_id, timeout_ms, expected, fresh_producer_id })
        });
        let Some(told) = parse(&answer) else { return };
        let before = self.epochs.insert(told.id, told.epoch);
        let grows = before.is_none_or(|before| before < told.epoch);
        // Who says that it goes on may be told the same once more.
        let same = expected.is_some() && before == Some(told.epoch);
        assert!(grows || same, "{told:?} was given before, up to {before:?}\n{}", self.story);
    }

    fn end(&mut self, s: &mut Stage, id: &Arc<str>, from: Producer, commit: bool, client_version: i16) {
        let answer = self.ask_with_id(s, |fresh_producer_id| {
            let transactional_id = id.clone();
            Request::EndTransaction(EndTransaction {
                transactional_id,
                producer: from,
                commit,
                client_version,
                fresh_producer_id,
            })
        });
        let Some(told) = parse(&answer) else { return };
        self.read(s);
        assert_eq!(self.decisions.get(id), Some(&commit), "it was answered that {id} ends so\n{}", self.story);
        if client_version >= 2 {
            let earlier = self.ended.insert((from.id, from.epoch), commit);
            assert!(earlier.is_none_or(|earlier| earlier == commit), "{from:?} ends both ways\n{}", self.story);
            let known = self.epochs.entry(told.id).or_insert(told.epoch);
            *known = told.epoch.max(*known);
        } else {
            // It leaves the epoch. Who asks again for the end of the transaction before is told of this one, as by Apache Kafka:
            // nobody should who goes back to an older version.
            self.ended.remove(&(from.id, from.epoch.wrapping_sub(1)));
        }
    }

    /// Some of the markers that are asked for are written, and it is said so, once more if the log refuses to hear it.
    fn write_markers(&mut self, s: &mut Stage, count: usize) {
        let asked: Vec<Markers> = s.to_write.drain(..count.min(s.to_write.len())).collect();
        for markers in asked {
            let (transactional_id, producer) = (markers.transactional_id.clone(), markers.producer);
            let ticket = s.next_ticket + 1;
            self.ask(s, Request::Completed { transactional_id, producer });
            if s.refuses {
                self.waiting.remove(&ticket);
                s.to_write.push(markers);
            }
        }
    }

    fn restart(&mut self, s: &mut Stage) {
        self.story.push_str(&format!("restart at version {}\n", s.version));
        self.waiting.clear();
        s.restart();
    }

    /// What takes 32,000 transactions in the world, and questions that change nothing.
    fn wear_or_look(&mut self, s: &mut Stage, id: &Arc<str>, c: &mut Choices<'_>) {
        match c.below(4) {
            0 => _ = self.ask(s, Request::Describe(id.clone())),
            1 => {
                let pattern = Some(c.one_of(&["t.", "tx", "(", "x{9999}", ""]).to_owned());
                let filter = ListFilter { pattern, duration_ms: c.number(), ..ListFilter::default() };
                self.ask(s, Request::List(filter));
            }
            _ => {
                let Some(known) = s.harness.latest().get(id).filter(|known| known.state.is_idle()) else { return };
                let epoch = i16::MAX - 1 - i16::from(c.below(3));
                if s.held || s.believes || known.producer_epoch >= epoch {
                    return;
                }
                let worn = Transaction { producer_epoch: epoch, ..known.clone() };
                self.last.insert(id.clone(), worn.clone());
                s.log.push(TransactionRecord::new(id, worn, 2));
                self.read = s.log.len();
                self.restart(s);
            }
        }
    }

    /// Takes in what was written and which markers are asked for.
    fn read(&mut self, s: &Stage) {
        for record in &s.log[self.read..] {
            let id = &record.transactional_id;
            let Some(now) = &record.value else {
                self.last.remove(id);
                continue;
            };
            let had = self.producers.entry(id.clone()).or_default();
            let is_new = had.insert(now.producer_id);
            if let Some(before) = self.last.insert(id.clone(), now.clone()) {
                assert!(now.state.may_follow(before.state), "{now:?} after {before:?}\n{}", self.story);
                let follows = match now.producer_id == before.producer_id {
                    true => now.producer_epoch >= before.producer_epoch,
                    false => is_new && now.producer_epoch == 0,
                };
                assert!(follows, "{now:?} after {before:?}\n{}", self.story);
            } else {
                assert!(is_new, "{now:?}: a producer id comes back\n{}", self.story);
            }
            match now.state {
                TransactionState::PrepareCommit => _ = self.decisions.insert(id.clone(), true),
                TransactionState::PrepareAbort => _ = self.decisions.insert(id.clone(), false),
                TransactionState::CompleteCommit => assert!(self.decisions[id], "{}", self.story),
                TransactionState::CompleteAbort => assert!(!self.decisions[id], "{}", self.story),
                _ => {}
            }
        }
        self.read = s.log.len();
        for markers in &s.to_write {
            let known = &self.last[&markers.transactional_id];
            let decided = (known.producer(), known.state == TransactionState::PrepareCommit, &known.partitions);
            // Those that were said to be written already are no news.
            if known.state.is_prepared() {
                let asked = (markers.producer, markers.commit, &markers.partitions);
                assert_eq!(asked, decided, "the markers, and what was decided\n{}", self.story);
            }
        }
    }

    /// A coordinator that reads the log knows what this one does.
    fn agrees(&self, s: &Stage) {
        let mut again = TransactionCoordinator::new(s.config.clone(), s.version);
        for (offset, record) in s.log.iter().enumerate() {
            again.replay(offset as i64, &written(record));
        }
        for id in IDS {
            let live = s.harness.latest().get(id).map(|live| {
                let last =
                    s.log.iter().rfind(|record| &*record.transactional_id == id).map(|record| record.value_version);
                let record = TransactionRecord {
                    value_version: last.unwrap_or(0),
                    ..TransactionRecord::new(&id.into(), live.clone(), 0)
                };
                written(&record).value
            });
            assert_eq!(
                live.flatten().as_ref(),
                again.get(id),
                "{id}: what is known, and what the log says\n{}",
                self.story
            );
        }
    }

    /// Whatever was decided is finished, and nobody waits for ever.
    fn ends(&mut self, s: &mut Stage) {
        (s.refuses, s.held) = (false, false);
        s.commit();
        for _ in 0..ROUNDS_MAX {
            self.write_markers(s, usize::MAX);
        }
        self.read(s);
        let stuck = self.last.values().find(|last| last.state.is_prepared());
        assert!(stuck.is_none(), "{stuck:?} is never completed\n{}", self.story);
        s.pass(1_000);
        assert_eq!(s.harness.waiting(), 0);
        for ticket in std::mem::take(&mut self.waiting) {
            assert_ne!(s.answer_to(ticket), "waits", "request {ticket} has no answer\n{}", self.story);
        }
    }
}

/// A record as it comes back from its bytes.
fn written(record: &TransactionRecord) -> TransactionRecord {
    let bytes = record.encode().ok();
    let decoded = bytes.and_then(|(key, value)| TransactionRecord::decode(Some(&key), value.as_deref()).ok());
    decoded.unwrap_or_else(|| panic!("{record:?} cannot be written"))
}

fn timeout(c: &mut Choices<'_>) -> i32 {
    match c.below(8) {
        0 => c.narrow(),
        _ => c.one_of(&[60_000, 1_000]),
    }
}

/// A producer that is mostly the one of the id.
fn producer(s: &Stage, id: &str, c: &mut Choices<'_>) -> Producer {
    let known = s.harness.latest().get(id).map_or(Producer { id: 8, epoch: 0 }, Transaction::producer);
    match c.below(10) {
        0 => Producer { id: c.number(), epoch: c.narrow() },
        1 => Producer { epoch: known.epoch.saturating_sub(1), ..known },
        2 => Producer { epoch: known.epoch.saturating_add(1), ..known },
        3 => Producer { id: known.id - 1, epoch: i16::MAX - 1 },
        _ => known,
    }
}

/// The producer of an answer that names one.
fn parse(answer: &str) -> Option<Producer> {
    let (id, epoch) = answer.split_once(' ')?;
    Some(Producer { id: id.parse().ok()?, epoch: epoch.parse().ok()? })
}
