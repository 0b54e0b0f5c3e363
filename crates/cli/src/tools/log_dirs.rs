//! `kafka-log-dirs` (`org.apache.kafka.tools.LogDirsCommand`). Its own output is JSON; `--json` leaves only that.

use std::collections::BTreeSet;

use andiron_client::Admin;
use andiron_client::admin::{LogDir, ReplicaInfo};
use serde_json::{Value, json};

use super::failure::{Stop, Thrown};
use super::java::{hash_order, in_hash_order, partition_hash, string_hash};
use super::options::{Given, Spec, flag, value};
use super::print::{complain, say};
use super::session::{admin, block_on, command_config, with};

const TERSE: &str = "org.apache.kafka.tools.TerseException";

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-log-dirs",
    about: "This tool helps to query log directory usage on the specified brokers.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
        value("command-config", "file", "Properties for the admin client."),
        flag("describe", "Describe the log directories. Required."),
        value("topic-list", "topic,...", "Only replicas of these topics."),
        value("broker-list", "id,...", "Only these brokers."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args)
        .and_then(|(given, admin)| block_on(describe(&given, &admin)).unwrap_or_else(|thrown| Err(thrown.into())));
    SPEC.end(outcome, |thrown| {
        if thrown.class == TERSE {
            complain(thrown.text());
            return 1;
        }
        thrown.told()
    })
}

fn prepare(args: &[String]) -> Result<(Given, Admin), Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    given.require(&["bootstrap-server", "describe"])?;
    let mut properties = command_config(&given)?;
    if !properties.iter().any(|(name, _)| name == "client.id") {
        properties = with(properties, "client.id", "log-dirs-tool");
    }
    let admin = admin(with(properties, "bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default()))?;
    Ok((given, admin))
}

fn pieces<'a>(given: &'a Given, name: &str) -> Result<Vec<&'a str>, Thrown> {
    Ok(given.one(name)?.unwrap_or_default().split(',').filter(|piece| !piece.is_empty()).collect())
}

fn joined(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<String>>().join(",")
}

async fn describe(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let topics = pieces(given, "topic-list")?;
    let cluster = admin.describe_cluster(false).await.map_err(|error| Thrown::from(error).in_execution())?;
    let there: BTreeSet<i32> = cluster.brokers.iter().map(|(broker, _)| broker.id).collect();
    let number = |text: &&str| {
        let wrong = || Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{text}\""));
        text.parse::<i32>().map_err(|_| wrong())
    };
    let asked = pieces(given, "broker-list")?.iter().map(number).collect::<Result<BTreeSet<i32>, Thrown>>()?;
    let absent: BTreeSet<i32> = asked.difference(&there).copied().collect();
    if !absent.is_empty() {
        return Err(Thrown::new(
            TERSE,
            format!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                joined(&absent),
                joined(&there)
            ),
        )
        .into());
    }
    let brokers = if asked.is_empty() { there } else { asked };
    if !given.json() {
        say("Querying brokers for log directories information");
    }
    let mut described = Vec::new();
    for broker in &brokers {
        let dirs = admin.describe_log_dirs(*broker).await.map_err(|error| Thrown::from(error).in_execution())?;
        let dirs = hash_order(dirs, |dir| string_hash(&dir.path));
        let dirs: Vec<Value> = dirs.into_iter().map(|dir| json_dir(dir, &topics)).collect();
        described.push(json!({"broker": broker, "logDirs": dirs}));
    }
    if !given.json() {
        say(format_args!("Received log directory information from brokers {}", joined(&brokers)));
    }
    // The fields stand in the order of Java's hash maps.
    debug_assert_eq!(in_hash_order(vec!["version", "brokers"]), ["brokers", "version"]);
    say(json!({"brokers": described, "version": 1}));
    Ok(())
}

fn json_dir(dir: LogDir, topics: &[&str]) -> Value {
    let wanted = |replica: &ReplicaInfo| topics.is_empty() || topics.contains(&&*replica.partition.topic);
    let replicas: Vec<ReplicaInfo> = dir.replicas.into_iter().filter(wanted).collect();
    let replicas = hash_order(replicas, |r| partition_hash(&r.partition.topic, r.partition.partition));
    let replica = |replica: &ReplicaInfo| {
        json!({"partition": replica.partition.to_string(), "size": replica.size, "offsetLag": replica.offset_lag,
            "isFuture": replica.is_future})
    };
    let error = (!dir.error.is_none()).then(|| Thrown::of(dir.error, "").class);
    let replicas: Vec<Value> = replicas.iter().map(replica).collect();
    json!({"partitions": replicas, "error": error, "logDir": dir.path})
}
