//! `kafka-leader-election` (`org.apache.kafka.tools.LeaderElectionCommand`).

use andiron_client::admin::Election;
use andiron_client::{Admin, AdminError, TopicPartition};
use andiron_protocol::error::ErrorCode;
use serde_json::{Value, json};

use super::failure::{Stop, Thrown};
use super::java::{hash_order, partition_hash};
use super::options::{Given, Spec, flag, value};
use super::print::{Rows, say};
use super::session::{admin, block_on, load_properties, read_file, with};

const FAILED: &str = "org.apache.kafka.tools.AdminCommandFailedException";
const OPERATION: &str = "org.apache.kafka.tools.AdminOperationException";
const TIMEOUT_MS: i32 = 30_000;

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-leader-election",
    about: "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are preferred replicas and unclean replicas.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
        value("admin.config", "file", "The old name of --command-config."),
        value("command-config", "file", "Properties for the admin client."),
        value("path-to-json-file", "file", "{\"partitions\": [{\"topic\": \"t\", \"partition\": 0}]}"),
        value("topic", "topic", "A topic, with --partition."),
        value("partition", "number", "The partition of --topic."),
        flag("all-topic-partitions", "All partitions that need it."),
        value("election-type", "type", "preferred or unclean. Required."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args).and_then(|(given, admin, election, partitions)| {
        block_on(elect(&given, &admin, election, partitions)).unwrap_or_else(|thrown| Err(thrown.into()))
    });
    SPEC.end(outcome, Thrown::told)
}

fn failed(message: impl Into<String>) -> Thrown {
    Thrown::new(FAILED, message)
}

type Prepared = (Given, Admin, Election, Option<Vec<TopicPartition>>);

fn prepare(args: &[String]) -> Result<Prepared, Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    let missing: Vec<&str> =
        ["bootstrap-server", "election-type"].into_iter().filter(|name| !given.has(name)).collect();
    if !missing.is_empty() {
        return Err(failed(format!("Missing required option(s): {}", missing.join(", "))).into());
    }
    given.forbid("admin.config", &["command-config"])?;
    let ways = ["topic", "all-topic-partitions", "path-to-json-file"];
    if given.count(&ways) != 1 {
        let ways = ways.join(", ");
        return Err(failed(format!("One and only one of the following options is required: {ways}")).into());
    }
    if given.has("topic") && !given.has("partition") {
        return Err(failed("Missing required option(s): partition").into());
    }
    if !given.has("topic") && given.has("partition") {
        return Err(failed("Option partition is only allowed if topic is used").into());
    }
    let election = election(&given)?;
    let partitions = match given.one("path-to-json-file")? {
        Some(file) => Some(from_file(file)?),
        None => match (given.one("topic")?, given.int("partition")?) {
            (Some(topic), Some(partition)) => Some(vec![TopicPartition::new(topic, partition)]),
            _ => None,
        },
    };
    let old = given.one("admin.config")?;
    if old.is_some() {
        say(
            "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let file = old.or(given.one("command-config")?);
    let mut properties = file.map_or_else(|| Ok(Vec::new()), load_properties)?;
    for (name, ms) in [("default.api.timeout.ms", TIMEOUT_MS), ("request.timeout.ms", TIMEOUT_MS / 2)] {
        if !properties.iter().any(|(known, _)| known == name) {
            properties = with(properties, name, &ms.to_string());
        }
    }
    let admin = admin(with(properties, "bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default()))?;
    Ok((given, admin, election, partitions))
}

fn election(given: &Given) -> Result<Election, Thrown> {
    let text = given.one("election-type")?.unwrap_or_default();
    match text.to_ascii_uppercase().as_str() {
        "PREFERRED" => Ok(Election::Preferred),
        "UNCLEAN" => Ok(Election::Unclean),
        _ => Err(Thrown {
            cause: Some(Box::new(Thrown::new(
                "joptsimple.ValueConversionException",
                format!("Value [{text}] is not one of [[PREFERRED,UNCLEAN]]"),
            ))),
            ..Thrown::new(
                "joptsimple.OptionArgumentConversionException",
                format!("Cannot parse argument '{text}' of option election-type"),
            )
        }),
    }
}

fn from_file(file: &str) -> Result<Vec<TopicPartition>, Thrown> {
    let text = read_file(file).map_err(|thrown| thrown.within("java.lang.RuntimeException"))?;
    let empty = || Thrown::new(OPERATION, "Replica election data is empty");
    let file: Value = serde_json::from_str(&text).map_err(|_| empty())?;
    let missing = || Thrown::new(OPERATION, "Replica election data is missing \"partitions\" field");
    let list = file.get("partitions").ok_or_else(missing)?;
    let in_runtime = |thrown: Thrown| thrown.within("java.lang.RuntimeException");
    let mut partitions = Vec::new();
    for entry in super::json::array(list).map_err(in_runtime)? {
        let topic = super::json::text(entry, "topic").map_err(in_runtime)?;
        partitions.push(TopicPartition::new(topic, super::json::int(entry, "partition").map_err(in_runtime)?));
    }
    let mut once: Vec<TopicPartition> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for partition in partitions {
        if !once.contains(&partition) {
            once.push(partition);
        } else if !twice.contains(&partition.to_string()) {
            twice.push(partition.to_string());
        }
    }
    if !twice.is_empty() {
        let message = format!("Replica election data contains duplicate partitions: [{}]", twice.join(", "));
        return Err(Thrown::new(OPERATION, message));
    }
    Ok(once)
}

async fn elect(
    given: &Given,
    admin: &Admin,
    election: Election,
    partitions: Option<Vec<TopicPartition>>,
) -> Result<(), Stop> {
    let outcomes = match admin.elect_leaders(election, partitions.as_deref()).await {
        Ok(outcomes) => outcomes,
        Err(error @ AdminError::TimedOut { .. }) => {
            let message = "Timeout waiting for election results";
            say(message);
            return Err(Thrown { cause: Some(Box::new(error.into())), ..failed(message) }.into());
        }
        Err(AdminError::Refused { code: ErrorCode::ClusterAuthorizationFailed, .. }) => {
            let message = "Not authorized to perform leader election";
            say(message);
            return Err(failed(message).into());
        }
        Err(error) => return Err(Thrown::from(error).in_runtime().into()),
    };
    let kind = if election == Election::Preferred { "PREFERRED" } else { "UNCLEAN" };
    let outcomes = hash_order(outcomes, |o| partition_hash(&o.resource.topic, o.resource.partition));
    let (mut done, mut needless, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = Rows::default();
    for outcome in outcomes {
        let partition = outcome.resource;
        let why = outcome.result.err();
        rows.row([
            ("topic", json!(*partition.topic)),
            ("partition", json!(partition.partition)),
            ("error", json!(why.as_ref().map(|(code, _)| code.name()))),
        ]);
        match why {
            None => done.push(partition.to_string()),
            Some((ErrorCode::ElectionNotNeeded, _)) => needless.push(partition.to_string()),
            Some(refusal) => wrong.push((partition, Thrown::from(refusal))),
        }
    }
    if given.json() {
        rows.print();
    } else {
        if !done.is_empty() {
            let done = done.join(", ");
            say(format_args!("Successfully completed leader election ({kind}) for partitions {done}"));
        }
        if !needless.is_empty() {
            say(format_args!("Valid replica already elected for partitions {}", needless.join(", ")));
        }
        for (partition, why) in &wrong {
            say(format_args!("Error completing leader election ({kind}) for partition: {partition}: {why}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let rest = failed(format!("{} replica(s) could not be elected", wrong.len()));
    Err(Thrown { suppressed: wrong.into_iter().map(|(_, why)| why).collect(), ..rest }.into())
}
