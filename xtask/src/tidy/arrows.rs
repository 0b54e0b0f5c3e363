//! Which crate may use which. The arrows point downwards and are transitive; the table is the one of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

/// A crate of the workspace and the names of its normal and build dependencies.
pub struct Member {
    pub name: String,
    pub uses: Vec<String>,
}

/// (room, the rooms it may use directly; what those may use follows).
const ARROWS: [(&str, &[&str]); 16] = [
    ("protocol", &[]),
    ("storage", &["protocol"]),
    ("replication", &["protocol"]),
    ("metadata", &["replication"]),
    ("coordinator", &["metadata"]),
    ("registry", &["replication"]),
    ("broker", &["storage", "coordinator", "registry"]),
    ("client", &["protocol"]),
    ("plan", &[]),
    ("streaming", &[]),
    ("engine", &["plan", "streaming", "client", "registry"]),
    ("server", &["broker", "engine", "client"]),
    ("cli", &["server", "client", "storage"]),
    ("simulator", &["broker", "client", "plan", "streaming"]),
    ("fuzz", &["simulator"]),
    ("xtask", &[]),
];

/// What only some rooms may know: (what a dependency's name is or begins with, the rooms that may, why).
const WALLS: [(&[&str], &[&str], &str); 2] = [
    (
        &["tokio", "tonic", "axum", "hyper", "reqwest"],
        &["client", "engine", "server", "cli"],
        "the thinking is a library; only client, engine, server and cli know a runtime",
    ),
    (
        &["datafusion", "deltalake", "arrow", "parquet", "ballista"],
        &["engine"],
        "DataFusion and Arrow are known to engine only, so that the broker half builds without them",
    ),
];

/// Every dependency that points the wrong way or through a wall, as a sentence.
pub fn check(members: &[Member]) -> Vec<String> {
    let table: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut refusals = Vec::new();
    for member in members {
        let room = room(&member.name);
        let Some(direct) = table.get(room) else {
            refusals.push(format!(
                "crate {room} is not in the table of arrows (xtask/src/tidy/arrows.rs); say what it may use"
            ));
            continue;
        };
        let allowed = reach(&table, direct);
        for used in &member.uses {
            if let Some(other) = used.strip_prefix("andiron-")
                && !allowed.contains(other)
            {
                refusals.push(format!("{room} uses {other}: no arrow {other} -> {room} in the design"));
            }
            for (names, rooms, why) in WALLS {
                if names.iter().any(|n| used == n || used.starts_with(&format!("{n}-"))) && !rooms.contains(&room) {
                    refusals.push(format!("{room} depends on {used}: {why}"));
                }
            }
        }
    }
    refusals
}

fn room(package: &str) -> &str {
    package.strip_prefix("andiron-").unwrap_or(package)
}

fn reach<'a>(table: &BTreeMap<&'a str, &'a [&'a str]>, from: &[&'a str]) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut todo: Vec<&str> = from.to_vec();
    while let Some(next) = todo.pop() {
        if seen.insert(next) {
            todo.extend(table.get(next).copied().unwrap_or_default());
        }
    }
    seen
}
