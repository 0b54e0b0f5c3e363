//! The JSON files of `kafka-reassign-partitions`: what is read from them, what is wrong with them, and how they are written.

use std::collections::BTreeMap;
use std::fmt;

use andiron_client::TopicPartition;
use serde_json::{Value, json};

use super::{ADMIN_OPERATION, failed, joined};
use crate::tools::failure::Thrown;
use crate::tools::java::{hash_order, in_hash_order, partition_hash, string_hash};
use crate::tools::json::{array, as_int, expected, field, int, maybe, text};

/// The directory of which the broker decides itself.
const ANY_DIR: &str = "any";
const PARSE: &str = "com.fasterxml.jackson.core.JsonParseException";
const END_OF_INPUT: &str = "com.fasterxml.jackson.core.io.JsonEOFException";
/// What Jackson prints in place of the text that it was reading.
const SOURCE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";

/// A partition on one of its brokers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    // In this order they are sorted where the tool prints them.
    pub(super) broker: i32,
    pub(super) partition: TopicPartition,
}

impl Replica {
    pub(super) fn new(partition: &TopicPartition, broker: i32) -> Replica {
        Replica { broker, partition: partition.clone() }
    }

    /// `TopicPartitionReplica.hashCode`.
    pub(super) fn hash(&self) -> i32 {
        let hash = 31i32.wrapping_add(string_hash(&self.partition.topic));
        hash.wrapping_mul(31).wrapping_add(self.partition.partition).wrapping_mul(31).wrapping_add(self.broker)
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// What a file of reassignments asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The replicas that each partition is to have, in the order of the file.
    pub(super) partitions: Vec<(TopicPartition, Vec<i32>)>,
    /// The directories in which replicas are to be, of those for which one is named.
    pub(super) dirs: BTreeMap<Replica, String>,
}

impl Plan {
    /// Reads a file for `--verify` and `--cancel`, which take what `--execute` does not.
    pub(super) fn read(file: &str) -> Result<Plan, Thrown> {
        let root = first_value(file)?;
        version(&root)?;
        let mut plan = Plan::default();
        let Some(partitions) = maybe(&root, "partitions")? else { return Ok(plan) };
        for entry in array(partitions)? {
            let topic = text(entry, "topic")?;
            let partition = TopicPartition::new(topic, int(entry, "partition")?);
            let replicas =
                array(field(entry, "replicas")?)?.iter().map(as_int).collect::<Result<Vec<i32>, Thrown>>()?;
            let dirs = match maybe(entry, "log_dirs")? {
                Some(dirs) => array(dirs)?.iter().map(as_text).collect::<Result<Vec<&str>, Thrown>>()?,
                None => vec![ANY_DIR; replicas.len()],
            };
            if dirs.len() != replicas.len() {
                return Err(failed(format!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {partition}",
                    joined(&replicas, ", "),
                    dirs.join(", ")
                )));
            }
            for (broker, dir) in replicas.iter().zip(dirs) {
                if dir != ANY_DIR {
                    plan.dirs.insert(Replica::new(&partition, *broker), dir.to_owned());
                }
            }
            plan.partitions.push((partition, replicas));
        }
        Ok(plan)
    }

    /// Reads a file for `--execute`.
    pub(super) fn read_to_execute(file: &str) -> Result<Plan, Thrown> {
        let plan = Plan::read(file)?;
        if plan.partitions.is_empty() {
            return Err(failed("Partition reassignment list cannot be empty"));
        }
        if plan.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(failed("Partition replica list cannot be empty"));
        }
        let named: Vec<&TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition).collect();
        let twice = hash_order(duplicates(named), |p| partition_hash(&p.topic, p.partition));
        if !twice.is_empty() {
            let twice = joined(twice, ",");
            return Err(failed(format!("Partition reassignment contains duplicate topic partitions: {twice}")));
        }
        let mut wrong = Vec::new();
        for (partition, replicas) in &plan.partitions {
            let twice = duplicates(replicas.clone());
            if !twice.is_empty() {
                let twice = joined(hash_order(twice, |id| *id), ",");
                wrong.push(format!("{partition} contains multiple entries for {twice}"));
            }
        }
        if !wrong.is_empty() {
            let wrong = wrong.join(". ");
            return Err(failed(format!("Partition replica lists may not contain duplicate entries: {wrong}")));
        }
        Ok(plan)
    }
}

/// What is to be generated: the brokers of `--broker-list` and the topics of `--topics-to-move-json-file`.
pub(super) fn generation(brokers: &str, file: &str) -> Result<(Vec<i32>, Vec<String>), Thrown> {
    let number = |text: &str| {
        let wrong = || Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""));
        text.parse::<i32>().map_err(|_| wrong())
    };
    // Java's split leaves empty words out at the end, unless there is nothing else.
    let words = brokers.trim_end_matches(',');
    let words = if words.is_empty() && !brokers.is_empty() { Vec::new() } else { words.split(',').collect() };
    let brokers = words.into_iter().map(number).collect::<Result<Vec<i32>, Thrown>>()?;
    let twice = duplicates(brokers.clone());
    if !twice.is_empty() {
        let twice = joined(hash_order(twice, |id| *id), ", ");
        return Err(failed(format!("Broker list contains duplicate entries: [{twice}]")));
    }
    let topics = topics(file)?;
    let twice = duplicates(topics.clone());
    if !twice.is_empty() {
        let twice = in_hash_order(twice).join(", ");
        return Err(failed(format!("List of topics to reassign contains duplicate entries: [{twice}]")));
    }
    Ok((brokers, topics))
}

fn topics(file: &str) -> Result<Vec<String>, Thrown> {
    let wrong = || Thrown::new(ADMIN_OPERATION, "The input string is not a valid JSON");
    let root = first_value(file).map_err(|_| wrong())?;
    version(&root)?;
    let Some(topics) = maybe(&root, "topics")? else { return Ok(Vec::new()) };
    array(topics)?.iter().map(|entry| text(entry, "topic").map(str::to_owned)).collect()
}

/// The file that asks for these replicas, in these directories where they are known.
pub(super) fn write(partitions: &[(TopicPartition, Vec<i32>)], dirs: &BTreeMap<Replica, String>) -> String {
    let mut sorted: Vec<&(TopicPartition, Vec<i32>)> = partitions.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let entry = |(partition, replicas): &&(TopicPartition, Vec<i32>)| {
        let dir = |broker: &i32| dirs.get(&Replica::new(partition, *broker)).map_or(ANY_DIR, String::as_str);
        let dirs: Vec<&str> = replicas.iter().map(dir).collect();
        json!({"topic": *partition.topic, "partition": partition.partition, "replicas": replicas, "log_dirs": dirs})
    };
    let partitions: Vec<Value> = sorted.iter().map(entry).collect();
    json!({"version": 1, "partitions": partitions}).to_string()
}

fn as_text(value: &Value) -> Result<&str, Thrown> {
    value.as_str().ok_or_else(|| expected("String", value))
}

fn version(root: &Value) -> Result<(), Thrown> {
    match maybe(root, "version")?.map(as_int).transpose()? {
        None | Some(1) => Ok(()),
        Some(other) => Err(Thrown::new(ADMIN_OPERATION, format!("Not supported version field value {other}"))),
    }
}

/// Those that stand there more than once, each once.
fn duplicates<T: PartialEq>(things: Vec<T>) -> Vec<T> {
    let (mut once, mut twice): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    for thing in things {
        if !once.contains(&thing) {
            once.push(thing);
        } else if !twice.contains(&thing) {
            twice.push(thing);
        }
    }
    twice
}

/// The JSON value at the beginning of a text; what stands behind it is not looked at. Jackson's words for the commonest of
/// what can be wrong.
fn first_value(file: &str) -> Result<Value, Thrown> {
    let wrong = |class: &str, message: String| {
        let cause = Some(Box::new(Thrown::new(class, message.clone())));
        Thrown { cause, ..Thrown::new(ADMIN_OPERATION, message) }
    };
    if file.is_empty() {
        let message = "The input string shouldn't be empty\n at [Source: UNKNOWN; byte offset: #UNKNOWN]";
        return Err(wrong(PARSE, message.to_owned()));
    }
    match serde_json::Deserializer::from_str(file).into_iter::<Value>().next() {
        Some(Ok(value)) => Ok(value),
        None => Ok(Value::String(String::new())),
        Some(Err(error)) if error.is_eof() => {
            let open = innermost_open(file);
            let kind = if file[open..].starts_with('[') { "Array" } else { "Object" };
            let message = format!(
                "Unexpected end-of-input: expected close marker for {kind} (start marker at {})\n at {}",
                place(file, open),
                place(file, file.len())
            );
            Err(wrong(END_OF_INPUT, message))
        }
        Some(Err(_)) => {
            let start = file.len() - file.trim_start().len();
            let rest = &file[start..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
            let message = format!(
                "Unrecognized token '{}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
                 'false')\n at {}",
                &rest[..end],
                place(file, start)
            );
            Err(wrong(PARSE, message))
        }
    }
}

/// Where the last bracket stands that is not closed.
fn innermost_open(file: &str) -> usize {
    let (mut open, mut quoted, mut escaped) = (Vec::new(), false, false);
    for (at, c) in file.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => open.push(at),
            '}' | ']' if !quoted => drop(open.pop()),
            _ => {}
        }
    }
    open.last().copied().unwrap_or(0)
}

fn place(file: &str, at: usize) -> String {
    let before = &file[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{SOURCE}; line: {line}, column: {column}]")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    fn one(topic: &str, partition: i32, replicas: &[i32]) -> (TopicPartition, Vec<i32>) {
        (TopicPartition::new(topic, partition), replicas.to_vec())
    }

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        let text = r#"{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[1,2],"log_dirs":["any","/d"]},{"topic":"b","partition":3,"replicas":[2],"log_dirs":["any"]}]}"#;
        let plan = Plan::read_to_execute(text).unwrap();
        assert_eq!(plan.partitions, [one("a", 0, &[1, 2]), one("b", 3, &[2])]);
        let dirs: Vec<String> = plan.dirs.iter().map(|(replica, dir)| format!("{replica} {dir}")).collect();
        assert_eq!(dirs, ["a-0-2 /d"]);
        assert_eq!(write(&plan.partitions, &plan.dirs), text);
    }

    #[test]
    fn directories_and_the_version_may_be_left_out() {
        let plan = Plan::read(r#"{"partitions":[{"topic":"a","partition":0,"replicas":[1]}]} more"#).unwrap();
        assert_eq!((plan.partitions.len(), plan.dirs.len()), (1, 0));
        assert_eq!(Plan::read("{}").unwrap(), Plan::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |file: &str| Plan::read_to_execute(file).map(|_| ()).unwrap_err().text().to_owned();
        let of = |entries: &str| message(&format!("{{\"partitions\":[{entries}]}}"));
        let entry = r#"{"topic":"a","partition":0,"replicas":[1]}"#;
        assert_eq!(of(""), "Partition reassignment list cannot be empty");
        assert_eq!(of(&format!("{entry},{entry}")), "Partition reassignment contains duplicate topic partitions: a-0");
        assert_eq!(of(r#"{"topic":"a","partition":0,"replicas":[]}"#), "Partition replica list cannot be empty");
        assert_eq!(
            of(r#"{"topic":"a","partition":0,"replicas":[2,1,1,2]}"#),
            "Partition replica lists may not contain duplicate entries: a-0 contains multiple entries for 1,2"
        );
        assert_eq!(
            of(r#"{"topic":"a","partition":0,"replicas":[1,2],"log_dirs":["any"]}"#),
            "Size of replicas list [1, 2] is different from size of log dirs list [any] for partition a-0"
        );
        assert_eq!(of(r#"{"topic":"a","partition":0}"#), "No such field exists: `replicas`");
        assert_eq!(message(r#"{"version":2}"#), "Not supported version field value 2");
        assert!(message("{").starts_with("Unexpected end-of-input: expected close marker for Object (start marker at"));
        assert!(message("{").ends_with("line: 1, column: 2]"));
        assert!(message(" garbage").starts_with("Unrecognized token 'garbage': was expecting"));
    }

    #[test]
    fn what_is_to_be_generated_is_read_or_refused() {
        let topics = r#"{"topics":[{"topic":"a"},{"topic":"b"}],"version":1}"#;
        assert_eq!(generation("1,2", topics).unwrap(), (vec![1, 2], vec!["a".to_owned(), "b".to_owned()]));
        let message = |brokers: &str, topics: &str| generation(brokers, topics).unwrap_err().text().to_owned();
        assert_eq!(message("1,x", topics), "For input string: \"x\"");
        assert_eq!(message("2,1,1,2", topics), "Broker list contains duplicate entries: [1, 2]");
        assert_eq!(
            message("1", r#"{"topics":[{"topic":"a"},{"topic":"a"}]}"#),
            "List of topics to reassign contains duplicate entries: [a]"
        );
        assert_eq!(message("1", "{"), "The input string is not a valid JSON");
    }
}
