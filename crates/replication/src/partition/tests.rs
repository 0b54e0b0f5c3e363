//! Runs the directive files under `testdata/partition`: a directive, four dashes, what the machine says to it. UPDATE=1
//! writes down what it says now.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::*;

struct Directive<'a> {
    name: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Directive<'a> {
    fn read(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        Self { name, values: words.map(|word| word.split_once('=').unwrap()).collect() }
    }

    fn number(&self, key: &str) -> i64 {
        self.values.get(key).map_or(0, |value| value.parse().unwrap())
    }

    fn ids(&self, key: &str) -> Vec<i32> {
        self.values[key].split(',').map(|id| id.parse().unwrap()).collect()
    }

    fn acks(&self) -> Acks {
        if self.values["acks"] == "all" { Acks::All } else { Acks::Leader }
    }
}

fn run(partition: &mut Option<Partition<String>>, line: &str) -> String {
    let directive = Directive::read(line);
    if directive.name == "lead" && partition.is_none() {
        let relaxed = directive.values.get("durability") == Some(&"appended");
        let durability = if relaxed { Durability::Appended } else { Durability::Synced };
        *partition = Some(Partition::new(directive.number("node") as i32, durability));
    }
    let partition = partition.as_mut().unwrap();
    let event = match directive.name {
        "lead" => Event::Lead {
            leadership: Leadership {
                epoch: directive.number("epoch") as i32,
                partition_epoch: directive.number("partition_epoch") as i32,
                replicas: directive.ids("replicas"),
                isr: directive.ids("isr"),
            },
            log_end: directive.number("end"),
            durable: directive.number("durable"),
            high_watermark: directive.number("checkpoint"),
        },
        "append" => {
            let token = (directive.acks() == Acks::All).then(|| directive.values["id"].to_string());
            Event::Appended { end: partition.log_end() + directive.number("count"), token }
        }
        "synced" => Event::Synced { to: directive.number("to") },
        "fetch" => {
            Event::FollowerFetch { replica: directive.number("replica") as i32, offset: directive.number("offset") }
        }
        "isr-refused" => Event::IsrRefused,
        "tick" => Event::Tick { lag_time_ms_max: directive.number("lag_time_ms_max") },
        "resign" => Event::Resign,
        "check" => {
            return match partition.check_append(directive.acks(), directive.number("min") as usize) {
                Ok(epoch) => format!("may append in epoch {epoch}\n"),
                Err(refusal) => format!("{refusal}\n"),
            };
        }
        other => panic!("no directive {other}"),
    };
    let mut effects = Vec::new();
    partition.step(directive.number("now"), event, &mut effects);
    let mut said = String::new();
    for effect in effects {
        match effect {
            Effect::WakeFetchers => said.push_str("wake fetchers\n"),
            Effect::HighWatermark(offset) => _ = writeln!(said, "high_watermark={offset}"),
            Effect::Reply { token } => _ = writeln!(said, "reply {token}"),
            Effect::Abandon { token } => _ = writeln!(said, "abandon {token}"),
            Effect::AlterIsr { isr, partition_epoch } => {
                _ = writeln!(said, "alter-isr isr={isr:?} partition_epoch={partition_epoch}");
            }
        }
    }
    _ = writeln!(
        said,
        "end={} high_watermark={} waiting={}",
        partition.log_end(),
        partition.high_watermark(),
        partition.waiting()
    );
    said
}

/// The file as it would be if the machine were right.
fn rewritten(text: &str) -> String {
    let mut partition = None;
    let mut out = String::new();
    let mut expected = false;
    for line in text.lines() {
        if expected && !line.is_empty() {
            continue;
        }
        expected = false;
        let is_directive = !line.is_empty() && !line.starts_with('#') && line != "----";
        out.push_str(line);
        out.push('\n');
        if is_directive {
            out.push_str("----\n");
            out.push_str(&run(&mut partition, line));
            expected = true;
        }
    }
    out
}

#[test]
fn the_machine_says_what_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/partition");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let now = rewritten(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, now).unwrap();
        } else {
            assert_eq!(text, now, "{}: UPDATE=1 writes down what the machine says now", file.display());
        }
    }
}
