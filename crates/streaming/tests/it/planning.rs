//! `testdata/planning`: where a batch ends, which ranges it has, where a query starts.

use std::collections::{BTreeMap, BTreeSet};

use andiron_streaming::kafka::planning::{self, Admission};
use andiron_streaming::kafka::starting::{self, Ask};
use andiron_streaming::kafka::{KafkaSourceOptions, Mode, Offsets, TopicPartition, offsets_from_json, offsets_to_json};

use crate::directives::{Directive, run};

fn offsets(d: &Directive, name: &str) -> Offsets {
    d.args.get(name).map(|t| offsets_from_json(t).unwrap()).unwrap_or_default()
}

fn options(d: &Directive, mode: Mode) -> Result<KafkaSourceOptions, String> {
    let pairs: Vec<(String, String)> = d
        .input
        .iter()
        .filter(|l| !l.trim().is_empty())
        .map(|l| {
            l.split_once('=').map_or((l.clone(), String::new()), |(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
        })
        .collect();
    KafkaSourceOptions::read(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())), mode).map_err(|e| e.to_string())
}

fn mode(d: &Directive) -> Mode {
    if d.words.iter().any(|w| w == "batch") { Mode::Batch } else { Mode::Stream }
}

fn assigned(d: &Directive) -> BTreeSet<TopicPartition> {
    offsets(d, "assigned").into_keys().collect()
}

fn resolve(d: &Directive) -> String {
    let options = match options(d, mode(d)) {
        Ok(options) => options,
        Err(error) => return error,
    };
    let rule = if d.words.iter().any(|w| w == "end") { &options.ending } else { &options.starting };
    let asks = match starting::asks(rule, &assigned(d)) {
        Ok(asks) => asks,
        Err(error) => return error.to_string(),
    };
    let (earliest, latest, timed) = (offsets(d, "earliest"), offsets(d, "latest"), offsets(d, "timed"));
    let answers: BTreeMap<TopicPartition, Option<i64>> = asks
        .iter()
        .map(|(at, ask)| {
            let answer = match ask {
                Ask::Earliest => earliest.get(at),
                Ask::Latest => latest.get(at),
                Ask::At(_) => timed.get(at),
                Ask::Known(_) => None,
            };
            (at.clone(), answer.copied())
        })
        .collect();
    match starting::settle(&asks, &answers, options.on_no_match, &latest) {
        Ok(offsets) => offsets_to_json(&offsets),
        Err(error) => error.to_string(),
    }
}

fn plan(d: &Directive) -> String {
    let plan = planning::ranges(&offsets(d, "from"), &offsets(d, "until"), &offsets(d, "earliest"));
    let min = d.args.get("min-partitions").map(|n| n.parse().unwrap());
    let max = d.args.get("max-records").map(|n| n.parse().unwrap());
    let mut out = String::new();
    for range in planning::divide(plan.ranges, min, max) {
        out.push_str(&format!("{} [{}, {})\n", range.at, range.start, range.end));
    }
    for loss in plan.losses {
        out.push_str(&format!("{}: {loss}\n", loss.class()));
    }
    if out.is_empty() { "nothing".to_owned() } else { out }
}

#[test]
fn tables() {
    run("planning", Admission::default, |admission, d| match d.name.as_str() {
        "limits" => {
            let number = |name: &str| d.args.get(name).map(|n| n.parse().unwrap());
            *admission = Admission::new(number("max"), number("min"), d.arg("delay", 900_000));
            "ok".to_owned()
        }
        "available-now" => {
            admission.prepare_available_now(offsets(d, "latest"));
            "ok".to_owned()
        }
        "end-of-batch" => {
            let (from, latest) = (offsets(d, "from"), offsets(d, "latest"));
            let end = admission.end_of_batch(&from, &latest, &offsets(d, "earliest"), d.arg("now", 1_000_000));
            end.map_or("nothing to read".to_owned(), |end| offsets_to_json(&end))
        }
        "verify-available-now" => match planning::verify_available_now(&offsets(d, "end"), &offsets(d, "latest")) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{}: {error}", error.class()),
        },
        "ranges" => plan(d),
        "resolve" => resolve(d),
        "options" => match options(d, mode(d)) {
            Ok(options) => format!("{options:#?}"),
            Err(error) => error,
        },
        "lag" => {
            let consumed = d.args.contains_key("consumed").then(|| offsets(d, "consumed"));
            format!("{:?}", planning::lag(consumed.as_ref(), &offsets(d, "latest")))
        }
        other => panic!("no directive {other}"),
    });
}
