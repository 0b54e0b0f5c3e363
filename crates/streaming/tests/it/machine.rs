//! `testdata/machine`: a query's run told act by act.

use andiron_streaming::checkpoint::{CommitMetadata, OffsetSeq};
use andiron_streaming::machine::{OffsetText, Settings};
use andiron_streaming::recovery::{self, Facts};
use andiron_streaming::trigger::Trigger;
use andiron_streaming::{Act, MicroBatch, Outcome};

use crate::directives::{Directive, run};

fn offsets(words: &[String]) -> Vec<OffsetText> {
    words.iter().map(|w| (w != "-").then(|| w.clone())).collect()
}

fn show(offsets: &[OffsetText]) -> String {
    let listed: Vec<&str> = offsets.iter().map(|o| o.as_deref().unwrap_or("-")).collect();
    format!("[{}]", listed.join(" "))
}

fn next(machine: &mut MicroBatch, now: i64) -> String {
    let step = machine.next(now);
    let act = match step.act {
        Act::AskSources { from } => format!("ask-sources from={}", show(&from)),
        Act::WriteOffsets { batch, end, prune_below } => {
            let prune = prune_below.map(|p| format!(" prune-below={p}")).unwrap_or_default();
            format!("write-offsets batch={batch} end={}{prune}", show(&end))
        }
        Act::RunBatch { batch, start, end, again } => {
            let again = if again { " again" } else { "" };
            format!("run-batch batch={batch} start={} end={}{again}", show(&start), show(&end))
        }
        Act::WriteCommit { batch } => format!("write-commit batch={batch}"),
        Act::Sleep { until } => format!("sleep until={until}"),
        Act::Stop => "stop".to_owned(),
    };
    format!("{}: {act}", step.number)
}

fn trigger(d: &Directive) -> Trigger {
    match d.args.get("trigger").map(String::as_str) {
        Some("available-now") => Trigger::AvailableNow,
        Some("once") => Trigger::Once,
        Some(ms) => Trigger::ProcessingTime { interval_ms: ms.parse().unwrap() },
        None => Trigger::default(),
    }
}

fn facts(d: &Directive, sources: usize) -> Facts {
    let mut facts = Facts { sources, ..Facts::default() };
    for line in &d.input {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let batch: i64 = words[0].split_once('/').unwrap().1.parse().unwrap();
        let seq = || OffsetSeq { metadata: None, sources: offsets(&words[1..]) };
        if words[0].starts_with("commits/") {
            facts.latest_commit = Some((batch, CommitMetadata::default()));
        } else {
            facts.previous_offsets = facts.latest_offsets.take().map(|(_, seq)| seq);
            facts.latest_offsets = Some((batch, seq()));
        }
    }
    facts
}

#[test]
fn stories() {
    run(
        "machine",
        || None::<MicroBatch>,
        |state, d| {
            let now: i64 = d.arg("now", 0);
            if d.name == "start" {
                let sources = d.arg("sources", 1);
                let start = match recovery::decide(facts(d, sources)) {
                    Ok(start) => start,
                    Err(refused) => return format!("refused: {refused}"),
                };
                let mut settings = Settings::new(trigger(d));
                settings.min_batches_to_retain = d.arg("retain", settings.min_batches_to_retain);
                let mut machine = MicroBatch::new(settings, start, sources);
                let said = next(&mut machine, now);
                *state = Some(machine);
                return said;
            }
            let machine = state.as_mut().unwrap();
            let outcome = match d.name.as_str() {
                "latest" => Outcome::Latest(offsets(&d.words)),
                "offsets-written" => Outcome::OffsetsWritten,
                "batch-done" => Outcome::BatchDone,
                "commit-written" => Outcome::CommitWritten,
                "woken" => Outcome::Woken,
                "next" => return next(machine, now),
                "stop" => {
                    machine.stop();
                    return next(machine, now);
                }
                other => panic!("no directive {other}"),
            };
            match machine.told(now, outcome) {
                Ok(()) => next(machine, now),
                Err(error) => error.to_string(),
            }
        },
    );
}
