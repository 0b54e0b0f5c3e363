//! `meta.properties` of the log directories, as `kafka-storage` reads, checks and shows them.

use std::collections::BTreeMap;
use std::path::Path;

use andiron_protocol::{KafkaUuid as _, Uuid};

use crate::tools::failure::Thrown;
use crate::tools::java;
use crate::tools::print::{log_error, say};
use crate::tools::properties;

/// What one of them says. Version 0 is of ZooKeeper's days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) version: i32,
    pub(super) cluster_id: Option<String>,
    pub(super) node_id: Option<i32>,
    pub(super) directory_id: Option<Uuid>,
}

const RUNTIME: &str = "java.lang.RuntimeException";

/// The file in a directory.
pub(super) fn file(dir: &str) -> String {
    format!("{}/meta.properties", dir.trim_end_matches('/'))
}

impl Meta {
    /// Reads the text of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Meta, Thrown> {
        let given: BTreeMap<String, String> = properties::parse(bytes).into_iter().collect();
        let wrong = |text: &str| Thrown::new(RUNTIME, text);
        let version = match given.get("version").map_or("0", String::as_str).trim() {
            "0" => 0,
            "1" => 1,
            other => match other.parse::<i32>() {
                Ok(number) => return Err(wrong(&format!("Unknown meta.properties version number {number}"))),
                Err(_) => return Err(wrong(&format!("Invalid meta.properties version string '{other}'"))),
            },
        };
        let id = |name: &str| match given.get(name) {
            None => Err(wrong(&format!("Failed to find {name}"))),
            Some(text) => {
                text.parse().map(Some).map_err(|_| wrong(&format!("Unable to read {name} as a base-10 number.")))
            }
        };
        let node_id = match version {
            0 if !given.contains_key("broker.id") => None,
            0 => id("broker.id")?,
            _ => id("node.id")?,
        };
        let directory_id = match given.get("directory.id") {
            None => None,
            Some(text) => {
                let unreadable = || {
                    let text = format!(
                        "Unable to read directory.id as a Uuid: Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
                        text.len() * 3 / 4
                    );
                    Thrown::new(RUNTIME, text)
                };
                Some(Uuid::from_kafka(text).ok_or_else(unreadable)?)
            }
        };
        let cluster_id = given.get("cluster.id").cloned();
        if version > 0 && cluster_id.is_none() {
            return Err(wrong("cluster.id was not found."));
        }
        Ok(Meta { version, cluster_id, node_id, directory_id })
    }

    /// Names and values in the order of their names.
    fn shown(&self) -> String {
        let mut pairs = Vec::new();
        let node_name = if self.version == 0 { "broker.id" } else { "node.id" };
        let node = self.node_id.map(|id| format!("{node_name}={id}"));
        let cluster = self.cluster_id.as_ref().map(|id| format!("cluster.id={id}"));
        let directory = self.directory_id.map(|id| format!("directory.id={}", id.to_kafka()));
        pairs.extend([node, cluster, directory].into_iter().flatten());
        pairs.push(format!("version={}", self.version));
        pairs.sort();
        format!("{{{}}}", pairs.join(", "))
    }
}

/// Which directories are formatted, and how.
#[derive(Debug, Default)]
pub(super) struct Ensemble {
    pub(super) empty: Vec<String>,
    pub(super) broken: Vec<String>,
    pub(super) formatted: BTreeMap<String, Meta>,
}

impl Ensemble {
    /// Reads those of all directories.
    pub(super) fn load(dirs: &[String]) -> Ensemble {
        let mut found = Ensemble::default();
        for dir in dirs {
            let path = file(dir);
            let read = match std::fs::read(&path) {
                Ok(bytes) => Meta::parse(&bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    found.empty.push(dir.clone());
                    continue;
                }
                Err(error) => Err(Thrown::new("java.io.IOException", error.to_string())),
            };
            match read {
                Ok(meta) => drop(found.formatted.insert(dir.clone(), meta)),
                Err(error) => {
                    let text = format!("Error while reading meta.properties file {path}\n{}", error.trace());
                    log_error("org.apache.kafka.metadata.properties.MetaPropertiesEnsemble", text);
                    found.broken.push(dir.clone());
                }
            }
        }
        found
    }

    /// Whether they all belong to this node of this cluster.
    pub(super) fn verify(&self, cluster_id: &str, node_id: i32) -> Result<(), Thrown> {
        let wrong = |text: String| Err(Thrown::new(RUNTIME, text));
        let mut seen: Vec<(Uuid, &String)> = Vec::new();
        for (dir, meta) in &self.formatted {
            let path = file(dir);
            if let Some(found) = meta.cluster_id.as_ref().filter(|found| *found != cluster_id) {
                return wrong(format!("Invalid cluster.id in: {path}. Expected {cluster_id}, but read {found}"));
            }
            if let Some(found) = meta.node_id.filter(|found| *found != node_id) {
                return wrong(format!(
                    "Stored node id {found} doesn't match previous node id {node_id} in {path}. If you moved your data, make sure your configured node id matches. If you intend to create a new node, you should remove all data in your data directories."
                ));
            }
            let Some(id) = meta.directory_id else { continue };
            // Kafka keeps the first hundred numbers for itself.
            if id.as_u128() < 100 {
                return wrong(format!("Invalid reserved directory ID {} found in {dir}", id.to_kafka()));
            }
            if let Some((_, other)) = seen.iter().find(|(known, _)| *known == id) {
                return wrong(format!(
                    "Duplicate directory ID Optional[{}] found. It was the ID of {other}, but also of {dir}",
                    id.to_kafka()
                ));
            }
            seen.push((id, dir));
        }
        Ok(())
    }

    /// The formatted directory that the original names first: it copies them into a `HashMap` that is just large enough.
    pub(super) fn first_formatted(&self) -> Option<&String> {
        let buckets = (self.formatted.len() * 4 / 3 + 1).next_power_of_two() as u32;
        self.formatted.keys().min_by_key(|dir| {
            let hash = java::string_hash(dir) as u32;
            (hash ^ (hash >> 16)) & (buckets - 1)
        })
    }
}

/// An id for a directory.
pub(super) fn new_id(taken: &[Uuid]) -> Uuid {
    loop {
        let id = Uuid::random();
        if !taken.contains(&id) {
            return id;
        }
    }
}

/// `kafka-storage info`
pub(super) fn info(dirs: &[String]) -> u8 {
    let (mut problems, mut found) = (Vec::new(), Vec::new());
    let mut first: Option<Meta> = None;
    for dir in dirs {
        let path = Path::new(dir);
        if !path.is_dir() {
            let what = if path.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{dir} {what}"));
            continue;
        }
        found.push(dir);
        let meta_path = file(dir);
        let Ok(bytes) = std::fs::read(&meta_path) else {
            problems.push(format!("{dir} is not formatted."));
            continue;
        };
        match (Meta::parse(&bytes), &first) {
            (Err(error), _) => {
                say(&error);
                problems.push(format!("Error loading {meta_path}: {}", error.text()));
            }
            (Ok(meta), None) => first = Some(meta),
            (Ok(meta), Some(first)) if first.cluster_id != meta.cluster_id => {
                problems.push("Mismatched cluster IDs between storage directories.".to_owned());
            }
            (Ok(meta), Some(first)) if first.node_id != meta.node_id => {
                problems.push("Mismatched node IDs between storage directories.".to_owned());
            }
            _ => {}
        }
    }
    if first.as_ref().is_some_and(|meta| meta.version == 0) {
        let text = "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for legacy mode.";
        problems.push(text.to_owned());
    }
    let list = |one: &str, many: &str, lines: &[String]| {
        if !lines.is_empty() {
            say(if lines.len() == 1 { one } else { many });
            lines.iter().for_each(|line| say(format_args!("  {line}")));
            say("");
        }
    };
    let found: Vec<String> = found.into_iter().cloned().collect();
    list("Found log directory:", "Found log directories:", &found);
    if let Some(meta) = first {
        say(format_args!("Found metadata: {}", meta.shown()));
        say("");
    }
    list("Found problem:", "Found problems:", &problems);
    u8::from(!problems.is_empty())
}
