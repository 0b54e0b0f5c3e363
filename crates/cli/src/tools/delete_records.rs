//! `kafka-delete-records` (`org.apache.kafka.tools.DeleteRecordsCommand`).

use andiron_client::{Admin, TopicPartition};
use serde_json::{Value, json};

use super::failure::{Stop, Thrown};
use super::java::{hash_order, partition_hash};
use super::options::{Given, Spec, value};
use super::print::{Rows, say};
use super::session::{admin_of, block_on, read_file};

const ADMIN_OPERATION: &str = "org.apache.kafka.tools.AdminOperationException";

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-delete-records",
    about: "This tool helps to delete records of the given partitions down to the specified offset.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
        value(
            "offset-json-file",
            "file",
            "{\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"offset\": 5}], \"version\": 1}; offset -1 is the high watermark. Required.",
        ),
        value("command-config", "file", "Properties for the admin client."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    SPEC.end(act(args), Thrown::told)
}

fn act(args: &[String]) -> Result<(), Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    given.require(&["bootstrap-server", "offset-json-file"])?;
    let admin = admin_of(&given)?;
    let text = read_file(given.one("offset-json-file")?.unwrap_or_default())?;
    let below = below(&text)?;
    block_on(delete(&given, &admin, below))?
}

fn wrong(message: impl Into<String>) -> Thrown {
    Thrown::new(ADMIN_OPERATION, message)
}

fn below(text: &str) -> Result<Vec<(TopicPartition, i64)>, Thrown> {
    let file: Value = serde_json::from_str(text).map_err(|_| wrong("The input string is not a valid JSON"))?;
    let version = match file.get("version") {
        None => 1,
        Some(version) => version.as_i64().ok_or_else(|| super::json::expected("int", version))?,
    };
    if version != 1 {
        return Err(wrong(format!("Not supported version field value {version}")));
    }
    let partitions = file.get("partitions").ok_or_else(|| wrong("Missing partitions field"))?;
    let mut below: Vec<(TopicPartition, i64)> = Vec::new();
    let mut twice = Vec::new();
    for entry in super::json::array(partitions)? {
        let partition = TopicPartition::new(super::json::text(entry, "topic")?, super::json::int(entry, "partition")?);
        let offset = super::json::long(entry, "offset")?;
        if below.iter().any(|(known, _)| *known == partition) {
            twice.push(partition);
        } else {
            below.push((partition, offset));
        }
    }
    if !twice.is_empty() {
        twice.dedup();
        let twice = hash_order(twice, |p| partition_hash(&p.topic, p.partition));
        let names: Vec<String> = twice.iter().map(TopicPartition::to_string).collect();
        return Err(Thrown::new(
            "org.apache.kafka.tools.AdminCommandFailedException",
            format!("Offset json file contains duplicate topic partitions: {}", names.join(",")),
        ));
    }
    Ok(hash_order(below, |(p, _)| partition_hash(&p.topic, p.partition)))
}

async fn delete(given: &Given, admin: &Admin, below: Vec<(TopicPartition, i64)>) -> Result<(), Stop> {
    let mut rows = Rows::default();
    if !given.json() {
        say("Executing records delete operation");
        say("Records delete operation completed:");
    }
    for (partition, outcome) in admin.delete_records(&below).await? {
        let outcome = outcome.map_err(|code| Thrown::of(code, "").in_execution());
        if given.json() {
            let (low, error) = (outcome.as_ref().ok(), outcome.as_ref().err().map(Thrown::text));
            rows.row([
                ("topic", json!(*partition.topic)),
                ("partition", json!(partition.partition)),
                ("lowWatermark", json!(low)),
                ("error", json!(error)),
            ]);
            continue;
        }
        match outcome {
            Ok(low) => say(format_args!("partition: {partition}\tlow_watermark: {low}")),
            Err(thrown) => say(format_args!("partition: {partition}\terror: {}", thrown.text())),
        }
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}
