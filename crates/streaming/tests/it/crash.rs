//! Die before, in the middle of and after every numbered act, recover, and require the same output.

use std::collections::BTreeMap;

use andiron_streaming::checkpoint::{CommitMetadata, OffsetSeq};
use andiron_streaming::machine::{OffsetText, Settings};
use andiron_streaming::recovery::{self, Facts};
use andiron_streaming::trigger::Trigger;
use andiron_streaming::{Act, MicroBatch, Outcome};

/// What survives a crash: the checkpoint's two logs and a sink that remembers which batches it has.
#[derive(Default, Clone)]
struct Durable {
    offsets: BTreeMap<i64, String>,
    commits: BTreeMap<i64, String>,
    sink: BTreeMap<i64, (i64, i64)>,
    /// Batches that were handed to the sink more than once.
    repeats: usize,
}

impl Durable {
    fn facts(&self) -> Facts {
        let decode = |text: &String| OffsetSeq::decode(text).unwrap();
        let latest = self.offsets.iter().next_back().map(|(n, t)| (*n, decode(t)));
        Facts {
            previous_offsets: latest.as_ref().and_then(|(n, _)| self.offsets.get(&(n - 1))).map(decode),
            latest_offsets: latest,
            latest_commit: self.commits.iter().next_back().map(|(n, t)| (*n, CommitMetadata::decode(t).unwrap())),
            sources: 1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Death {
    /// The process dies before the act has any effect.
    Before,
    /// The act is done, but nobody heard of it.
    After,
}

fn number(text: &OffsetText) -> i64 {
    text.as_ref().map_or(0, |t| t.parse().unwrap())
}

/// One run until it stops or dies at act `at`; returns the number of acts.
fn run(durable: &mut Durable, trigger: Trigger, retain: i64, death: Option<(u64, Death)>) -> u64 {
    const STEP: i64 = 10;
    const ALL: i64 = 95;
    let start = recovery::decide(durable.facts()).unwrap();
    let mut settings = Settings::new(trigger);
    settings.min_batches_to_retain = retain;
    let mut machine = MicroBatch::new(settings, start, 1);
    let mut now = 1000;
    loop {
        let step = machine.next(now);
        now += 1;
        if death == Some((step.number, Death::Before)) {
            return step.number;
        }
        let outcome = match step.act {
            Act::AskSources { from } => Outcome::Latest(vec![Some((number(&from[0]) + STEP).min(ALL).to_string())]),
            Act::WriteOffsets { batch, end, prune_below } => {
                let sources = OffsetSeq { metadata: None, sources: end };
                let old = durable.offsets.insert(batch, sources.encode());
                assert!(old.is_none(), "the offsets of a batch are written once");
                if let Some(below) = prune_below {
                    durable.offsets.retain(|n, _| *n >= below);
                    durable.commits.retain(|n, _| *n >= below);
                }
                Outcome::OffsetsWritten
            }
            Act::RunBatch { batch, start, end, again } => {
                let range = (number(&start[0]), number(&end[0]));
                if let Some(had) = durable.sink.insert(batch, range) {
                    assert_eq!(had, range, "a batch has the same rows every time");
                    assert!(again, "only a batch that may be in the sink already is run twice");
                    durable.repeats += 1;
                }
                Outcome::BatchDone
            }
            Act::WriteCommit { batch } => {
                durable.commits.insert(batch, CommitMetadata::default().encode());
                Outcome::CommitWritten
            }
            Act::Sleep { until } => {
                now = until;
                Outcome::Woken
            }
            Act::Stop => return step.number,
        };
        if death == Some((step.number, Death::After)) {
            return step.number;
        }
        machine.told(now, outcome).unwrap();
    }
}

#[test]
fn a_crash_at_any_act_changes_nothing() {
    for retain in [1, 100] {
        let mut golden = Durable::default();
        let acts = run(&mut golden, Trigger::AvailableNow, retain, None);
        assert!(acts > 30, "{acts} acts are too few to say anything");
        assert_eq!(golden.sink.values().last(), Some(&(90, 95)));
        let mut repeats = 0;
        for at in 1..=acts {
            for death in [Death::Before, Death::After] {
                let mut durable = Durable::default();
                run(&mut durable, Trigger::AvailableNow, retain, Some((at, death)));
                run(&mut durable, Trigger::AvailableNow, retain, None);
                assert_eq!(durable.sink, golden.sink, "died {death:?} act {at}");
                assert_eq!(durable.offsets, golden.offsets, "died {death:?} act {at}");
                assert_eq!(durable.commits, golden.commits, "died {death:?} act {at}");
                assert!(durable.repeats <= 1, "at most the batch that was cut is repeated");
                repeats += durable.repeats;
            }
        }
        assert!(repeats > 0, "the loop never hit the gap between a batch and its commit");
    }
}

#[test]
fn a_query_that_dies_at_every_second_act_arrives_all_the_same() {
    let mut golden = Durable::default();
    run(&mut golden, Trigger::AvailableNow, 100, None);
    let mut durable = Durable::default();
    for n in 0..200 {
        let at = 2 + n % 4;
        let death = if n % 2 == 0 { Death::Before } else { Death::After };
        run(&mut durable, Trigger::AvailableNow, 100, Some((at, death)));
    }
    run(&mut durable, Trigger::AvailableNow, 100, None);
    assert_eq!(durable.sink, golden.sink);
}
