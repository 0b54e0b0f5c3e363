//! `kafka-get-offsets` (`org.apache.kafka.tools.GetOffsetShell`).

use std::collections::BTreeMap;

use andiron_client::{Admin, Isolation, ListOffsetsError, OffsetSpec, TopicPartition};
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, flag, value};
use super::print::{Rows, complain, say};
use super::session::{admin, block_on, command_config, valid_servers, with};
use super::topic_filter::{TopicFilter, is_internal};

/// An exception whose trace is not shown.
const TERSE: &str = "org.apache.kafka.tools.TerseException";
const PARTITIONS_PER_ANSWER: i32 = 2000;

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-get-offsets",
    about: "An interactive shell for getting topic-partition offsets.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
        value(
            "topic-partitions",
            "topic:partitions,...",
            "Topics by pattern, each with a partition, a range 1-3, 1- or -3, or all.",
        ),
        value("topic", "pattern", "The topics; all of them if not given."),
        value("partitions", "1,2,...", "The partitions; all of them if not given."),
        value(
            "time",
            "time",
            "Milliseconds since 1970, or -1 latest (the default), -2 earliest, -3 max-timestamp, -4 earliest-local, -5 latest-tiered, -6 earliest-pending-upload.",
        ),
        value("command-config", "file", "Properties for the admin client."),
        flag("exclude-internal-topics", "Leave internal topics out."),
    ],
};

fn terse(message: impl Into<String>) -> Thrown {
    Thrown::new(TERSE, message)
}

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args).and_then(|(given, time, rules, admin)| {
        block_on(offsets(&given, time, &rules, &admin)).unwrap_or_else(|thrown| Err(thrown.into()))
    });
    SPEC.end(outcome, |thrown| {
        complain(format_args!("Error occurred: {}", thrown.text()));
        if thrown.class != TERSE {
            complain(thrown.trace());
        }
        1
    })
}

fn prepare(args: &[String]) -> Result<(Given, OffsetSpec, Vec<Rule>, Admin), Stop> {
    if args.is_empty() {
        return Err(Stop::Usage(SPEC.about.to_owned()));
    }
    let given = SPEC.parse(args).map_err(|thrown| terse(thrown.text()))?;
    SPEC.begin(&given)?;
    given.require(&["bootstrap-server"])?;
    let servers = given.one("bootstrap-server")?.unwrap_or_default().to_owned();
    valid_servers(&servers)?;
    if given.has("topic-partitions") && given.any(&["topic", "partitions"]) {
        return Err(terse("--topic-partitions cannot be used with --topic or --partitions").into());
    }
    let time = time(given.one("time")?.unwrap_or("latest"))?;
    let rules = rules(&given)?;
    let properties = with(command_config(&given)?, "bootstrap.servers", &servers);
    let admin = admin(with(properties, "client.id", "GetOffsetShell"))?;
    Ok((given, time, rules, admin))
}

fn time(text: &str) -> Result<OffsetSpec, Thrown> {
    let number = match text {
        "latest" => -1,
        "earliest" => -2,
        "max-timestamp" => -3,
        "earliest-local" => -4,
        "latest-tiered" => -5,
        "earliest-pending-upload" => -6,
        text => text.parse().map_err(|_| {
            terse(format!(
                "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            ))
        })?,
    };
    Ok(match number {
        -1 => OffsetSpec::Latest,
        -2 => OffsetSpec::Earliest,
        -3 => OffsetSpec::MaxTimestamp,
        number => OffsetSpec::Timestamp(number),
    })
}

/// Some topics, and the partitions of them that are meant.
struct Rule {
    topics: TopicFilter,
    partitions: Partitions,
}

enum Partitions {
    /// All if it is empty.
    These(Vec<i32>),
    /// The first, and the one after the last.
    Range(i32, i32),
}

impl Partitions {
    fn has(&self, partition: i32) -> bool {
        match self {
            Partitions::These(these) => these.is_empty() || these.contains(&partition),
            Partitions::Range(from, to) => (*from..*to).contains(&partition),
        }
    }
}

fn rules(given: &Given) -> Result<Vec<Rule>, Thrown> {
    if let Some(text) = given.one("topic-partitions")? {
        return text.split(',').map(rule).collect();
    }
    let topics = TopicFilter::new(given.one("topic")?.unwrap_or(".*"))?;
    let text = given.one("partitions")?.unwrap_or_default();
    let numbers: Result<Vec<i32>, _> = text.split(',').filter(|_| !text.is_empty()).map(str::parse).collect();
    let wrong = |_| {
        terse(format!("--partitions expects a comma separated list of numeric partition ids, but received: {text}"))
    };
    Ok(vec![Rule { topics, partitions: Partitions::These(numbers.map_err(wrong)?) }])
}

/// `topic`, `topic:1`, `topic:1-3`, `topic:1-`, `topic:-3`; without a topic all of them.
fn rule(text: &str) -> Result<Rule, Thrown> {
    let (topic, partitions) = text.split_once(':').unwrap_or((text, "-"));
    let wrong = || terse(format!("Invalid rule specification: {text}")).within("java.lang.RuntimeException");
    let number = |text: &str, default| match text {
        "" => Ok(default),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<i32>().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let partitions = match partitions.split_once('-') {
        None if partitions.is_empty() => Partitions::Range(0, i32::MAX),
        None => Partitions::These(vec![number(partitions, 0)?]),
        Some((from, to)) => Partitions::Range(number(from, 0)?, number(to, i32::MAX)?),
    };
    Ok(Rule { topics: TopicFilter::new(if topic.is_empty() { ".*" } else { topic })?, partitions })
}

async fn offsets(given: &Given, time: OffsetSpec, rules: &[Rule], admin: &Admin) -> Result<(), Stop> {
    let hide = given.has("exclude-internal-topics");
    let all = admin.list_topics().await.map_err(|error| Thrown::from(error).in_execution())?;
    let wanted = |topic: &String| !(hide && is_internal(topic)) && rules.iter().any(|rule| rule.topics.allows(topic));
    let topics: Vec<String> = all.into_iter().map(|topic| topic.name).filter(wanted).collect();
    let mut partitions = Vec::new();
    for (name, topic) in admin.describe_topics(&topics, PARTITIONS_PER_ANSWER).await? {
        let topic = topic.map_err(|refusal| Thrown::from(refusal).in_execution())?;
        let numbers = topic.partitions.iter().map(|partition| partition.partition);
        let wanted = |number: &i32| rules.iter().any(|rule| rule.topics.allows(&name) && rule.partitions.has(*number));
        partitions.extend(numbers.filter(wanted).map(|number| TopicPartition::new(name.as_str(), number)));
    }
    if partitions.is_empty() {
        return Err(terse("Could not match any topic-partitions with the specified filters").into());
    }
    let mut found: BTreeMap<String, (TopicPartition, i64)> = BTreeMap::new();
    for (partition, offset) in list(admin, &partitions, time).await {
        match offset {
            Ok(Some(offset)) => {
                found.insert(partition.to_string(), (partition, offset));
            }
            Ok(None) => {}
            Err(thrown) => complain(format_args!(
                "Skip getting offsets for topic-partition {partition} due to error: {}",
                thrown.in_execution().text()
            )),
        }
    }
    let mut rows = Rows::default();
    for (partition, offset) in found.into_values() {
        if given.json() {
            rows.row([
                ("topic", json!(*partition.topic)),
                ("partition", json!(partition.partition)),
                ("offset", json!(offset)),
            ]);
        } else {
            say(format_args!("{}:{}:{offset}", partition.topic, partition.partition));
        }
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}

type Offset = Result<Option<i64>, Thrown>;

/// All at once; one that is refused makes each be asked for alone, so that the others are not lost with it.
async fn list(admin: &Admin, partitions: &[TopicPartition], time: OffsetSpec) -> Vec<(TopicPartition, Offset)> {
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        partitions.iter().map(|partition| (partition.clone(), time)).collect();
    match admin.client().list_offsets(&asked, Isolation::ReadUncommitted).await {
        Ok(listed) => partitions.iter().cloned().zip(listed.into_iter().map(|listed| Ok(listed.offset))).collect(),
        Err(error) if partitions.len() == 1 || !matches!(error, ListOffsetsError::Refused { .. }) => {
            let thrown = Thrown::from(error);
            partitions.iter().map(|partition| (partition.clone(), Err(thrown.clone()))).collect()
        }
        Err(_) => {
            let mut all = Vec::with_capacity(partitions.len());
            for one in partitions {
                all.extend(Box::pin(list(admin, std::slice::from_ref(one), time)).await);
            }
            all
        }
    }
}
