//! `kafka-topics` (`org.apache.kafka.tools.TopicCommand`).

use std::collections::{BTreeSet, HashMap};

use andiron_client::admin::{
    ConfigEntry, ConfigKind, ConfigResource, NewPartitions, NewTopic, PartitionDescription, Reassignment,
    TopicDescription,
};
use andiron_client::{Admin, AdminError, TopicPartition};
use andiron_protocol::KafkaUuid as _;
use andiron_protocol::Uuid;
use andiron_protocol::error::ErrorCode;
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::java_base64::{Alphabet, decode};
use super::options::{Given, Spec, flag, value};
use super::print::{Rows, complain, log_error, say};
use super::session::{admin_of, block_on};
use super::topic_filter::{TopicFilter, is_internal};

const LOGGER: &str = "org.apache.kafka.tools.TopicCommand";
/// Partitions asked for at once when nothing else is said.
const PARTITIONS_PER_ANSWER: i32 = 2000;
const ACTIONS: &[&str] = &["create", "list", "alter", "describe", "delete"];
const REPORTS: &[&str] =
    &["under-replicated-partitions", "under-min-isr-partitions", "at-min-isr-partitions", "unavailable-partitions"];

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-topics",
    about: "This tool helps to create, delete, describe, or change a topic.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required."),
        value("command-config", "file", "Properties for the admin client."),
        flag("list", "List topics."),
        flag("create", "Create a topic."),
        flag("delete", "Delete topics."),
        flag("alter", "Give topics more partitions."),
        flag("describe", "Show topics and their partitions."),
        value("topic", "name", "The topic; a regular expression but with --create."),
        value("topic-id", "id", "The id of the topic to describe."),
        value("config", "name=value", "A config of the new topic; may be repeated."),
        value("delete-config", "name", "Has no effect any more."),
        value("partitions", "number", "How many partitions the topic gets."),
        value("replication-factor", "number", "How many replicas each partition gets."),
        value("replica-assignment", "1:2,2:3,...", "The brokers of each partition."),
        flag("under-replicated-partitions", "Describe only partitions with a replica out of sync."),
        flag("unavailable-partitions", "Describe only partitions whose leader is not available."),
        flag("under-min-isr-partitions", "Describe only partitions with fewer in sync than min.insync.replicas."),
        flag("at-min-isr-partitions", "Describe only partitions with just min.insync.replicas in sync."),
        flag("topics-with-overrides", "Describe only topics with configs of their own."),
        flag("if-exists", "Alter, delete or describe only if the topic exists."),
        flag("if-not-exists", "Do not fail if the topic exists already."),
        flag("exclude-internal", "Leave internal topics out."),
        value("partition-size-limit-per-response", "number", "Partitions asked for in one request."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    // The properties and the client are made before the work begins: what goes wrong there is told in another way.
    let ready = prepare(args).and_then(|given| Ok((admin_of(&given)?, given)));
    let (admin, given) = match ready {
        Ok(ready) => ready,
        Err(stop) => return SPEC.end(Err(stop), Thrown::told),
    };
    let outcome = block_on(act(&given, &admin)).unwrap_or_else(|thrown| Err(thrown.into()));
    SPEC.end(outcome, |thrown| {
        say(format_args!("Error while executing topic command : {}", thrown.text()));
        log_error(LOGGER, format_args!("{}\n", thrown.trace()));
        1
    })
}

fn prepare(args: &[String]) -> Result<Given, Stop> {
    let given = SPEC.parse(args)?;
    if args.is_empty() {
        return Err(Stop::Usage("Create, delete, describe, or change a topic.".to_owned()));
    }
    SPEC.begin(&given)?;
    if given.count(ACTIONS) != 1 {
        return Err(Stop::Usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete".to_owned(),
        ));
    }
    if given.has("delete-config") {
        complain(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.",
        );
    }
    check_required(&given)?;
    check_combinations(&given)?;
    Ok(given)
}

fn check_required(given: &Given) -> Result<(), Stop> {
    if !given.has("bootstrap-server") {
        return Err(Thrown::illegal("--bootstrap-server must be specified").into());
    }
    if given.has("describe") && given.has("if-exists") {
        if !given.any(&["topic", "topic-id"]) {
            return Err(Stop::Usage("--topic or --topic-id is required to describe a topic".to_owned()));
        }
        if given.has("topic") && given.has("topic-id") {
            say(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
            );
        }
    }
    if !given.any(&["list", "describe"]) {
        given.require(&["topic"])?;
    }
    if given.has("alter") {
        if given.has("config") {
            return Err(Stop::Usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter topic configurations, the kafka-configs tool can be used.)"
                    .to_owned(),
            ));
        }
        given.require(&["partitions"])?;
    }
    Ok(())
}

fn check_combinations(given: &Given) -> Result<(), Stop> {
    let but = |allowed: &[&str]| -> Vec<&str> { ACTIONS.iter().copied().filter(|a| !allowed.contains(a)).collect() };
    given.forbid("config", &but(&["alter", "create"]))?;
    given.forbid("partitions", &but(&["alter", "create"]))?;
    given.forbid("replication-factor", &but(&["create"]))?;
    given.forbid("replica-assignment", &but(&["alter", "create"]))?;
    if given.has("create") {
        given.forbid("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        given.forbid(report, &[but(&["describe"]), vec!["topics-with-overrides"]].concat())?;
    }
    given.forbid("topics-with-overrides", &[but(&["describe"]), REPORTS.to_vec()].concat())?;
    given.forbid("if-exists", &but(&["alter", "delete", "describe"]))?;
    given.forbid("if-not-exists", &but(&["create"]))?;
    given.forbid("exclude-internal", &but(&["list", "describe"]))
}

async fn act(given: &Given, admin: &Admin) -> Result<(), Stop> {
    if given.has("create") {
        create(given, admin).await
    } else if given.has("alter") {
        alter(given, admin).await
    } else if given.has("list") {
        list(given, admin).await
    } else if given.has("describe") {
        describe(given, admin).await
    } else {
        delete(given, admin).await
    }
}

/// `1:2,2:3`: the brokers of partition 0, of partition 1, and so on.
fn assignment(text: &str) -> Result<Vec<Vec<i32>>, Thrown> {
    let mut all: Vec<Vec<i32>> = Vec::new();
    for (partition, list) in text.split(',').enumerate() {
        let number = |id: &str| {
            let id = id.trim();
            id.parse::<i32>()
                .map_err(|_| Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{id}\"")))
        };
        let brokers = list.split(':').map(number).collect::<Result<Vec<i32>, Thrown>>()?;
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<i32> = brokers.iter().copied().filter(|broker| !seen.insert(*broker)).collect();
        if !twice.is_empty() {
            let message =
                format!("Partition replica lists may not contain duplicate entries: {}", joined(twice.iter()));
            return Err(Thrown::new("org.apache.kafka.tools.AdminCommandFailedException", message));
        }
        if all.first().is_some_and(|first| first.len() != brokers.len()) {
            let ids: Vec<String> = brokers.iter().map(i32::to_string).collect();
            let message = format!("Partition {partition} has different replication factor: [{}]", ids.join(", "));
            return Err(Thrown::new("org.apache.kafka.tools.AdminOperationException", message));
        }
        all.push(brokers);
    }
    Ok(all)
}

fn assignments(given: &Given) -> Result<Vec<Vec<i32>>, Thrown> {
    match given.one("replica-assignment")? {
        None | Some("") => Ok(Vec::new()),
        Some(text) => assignment(text),
    }
}

fn configs(given: &Given) -> Result<Vec<(String, String)>, Thrown> {
    let mut configs = Vec::new();
    for text in given.all("config") {
        // Java's split leaves empty pieces at the end out, so a name without a value is no pair.
        let pieces: Vec<&str> = text.split('=').map(str::trim).collect();
        match pieces.as_slice() {
            [name, value] if !value.is_empty() => configs.push(((*name).to_owned(), (*value).to_owned())),
            _ => {
                return Err(Thrown::illegal(
                    "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
                ));
            }
        }
    }
    Ok(configs)
}

async fn create(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let name = given.one("topic")?.unwrap_or_default().to_owned();
    let (partitions, factor) = (given.int("partitions")?, given.int("replication-factor")?);
    let (assignments, configs) = (assignments(given)?, configs(given)?);
    if name.contains(['.', '_']) {
        say(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
        );
    }
    let replication_factor = match factor.map(i16::try_from) {
        None => None,
        Some(Ok(factor)) if factor >= 1 => Some(factor),
        Some(_) => return Err(Thrown::illegal("The replication factor must be between 1 and 32767 inclusive").into()),
    };
    if partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Thrown::illegal("The partitions must be greater than 0").into());
    }
    let topic = NewTopic { name: name.clone(), partitions, replication_factor, assignments, configs };
    for outcome in admin.create_topics(&[topic], false).await? {
        match outcome.result {
            Err((ErrorCode::TopicAlreadyExists, _)) if given.has("if-not-exists") => return Ok(()),
            Err((ErrorCode::TopicAlreadyExists, words)) if words.is_empty() => {
                return Err(
                    Thrown::of(ErrorCode::TopicAlreadyExists, &format!("Topic '{name}' already exists.")).into()
                );
            }
            result => result?,
        }
    }
    say(format_args!("Created topic {name}."));
    Ok(())
}

/// The topics that `--topic` means, sorted.
async fn chosen(given: &Given, admin: &Admin) -> Result<Vec<String>, Stop> {
    let all = admin.list_topics().await?.into_iter().map(|topic| topic.name);
    let hide = given.has("exclude-internal");
    let filter = given.one("topic")?.map(TopicFilter::new).transpose()?;
    let wanted =
        |name: &String| filter.as_ref().is_none_or(|filter| filter.allows(name)) && !(hide && is_internal(name));
    Ok(all.filter(wanted).collect())
}

fn must_exist(given: &Given, found: &[String]) -> Result<(), Stop> {
    match given.one("topic")? {
        Some(wanted) if !wanted.is_empty() && !given.has("if-exists") && found.is_empty() => {
            Err(Thrown::illegal(format!("Topic '{wanted}' does not exist as expected")).into())
        }
        _ => Ok(()),
    }
}

async fn list(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let topics = chosen(given, admin).await?;
    if given.json() {
        let mut rows = Rows::default();
        topics.iter().for_each(|topic| rows.row([("topic", json!(topic))]));
        rows.print();
    } else {
        say(topics.join("\n"));
    }
    Ok(())
}

async fn alter(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let count = given.int("partitions")?.unwrap_or_default();
    let all = assignments(given)?;
    let topics = chosen(given, admin).await?;
    must_exist(given, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for (topic, described) in admin.describe_topics(&topics, PARTITIONS_PER_ANSWER).await? {
        let assignments = if all.is_empty() {
            None
        } else {
            let there = described.map_err(Thrown::from)?.partitions.len();
            Some(all.iter().skip(there).cloned().collect())
        };
        wanted.push(NewPartitions { topic, count, assignments });
    }
    for outcome in admin.create_partitions(&wanted).await? {
        outcome.result?;
    }
    Ok(())
}

async fn delete(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let topics = chosen(given, admin).await?;
    must_exist(given, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    for outcome in admin.delete_topics(&topics).await? {
        outcome.result?;
    }
    Ok(())
}

/// What decides which partitions are shown.
struct Wanted<'a> {
    given: &'a Given,
    live: BTreeSet<i32>,
}

/// A partition with what is needed to judge it.
struct Judged<'a> {
    partition: &'a PartitionDescription,
    moving: Option<&'a Reassignment>,
    min_isr: usize,
}

/// While replicas are being added, they do not count.
fn replication_factor(partition: &PartitionDescription, moving: Option<&Reassignment>) -> usize {
    let is_moving = |moving: &&Reassignment| {
        partition.replicas.iter().any(|id| moving.adding.contains(id) || moving.removing.contains(id))
    };
    match moving.filter(is_moving) {
        Some(moving) => moving.replicas.len().saturating_sub(moving.adding.len()),
        None => partition.replicas.len(),
    }
}

impl Wanted<'_> {
    /// Without one of the four reports, everything is shown.
    fn all(&self) -> bool {
        !self.given.any(REPORTS)
    }

    fn shows(&self, judged: &Judged<'_>) -> bool {
        let (partition, has) = (judged.partition, |report| self.given.has(report));
        let in_sync = partition.isr.len();
        self.all()
            || has("under-replicated-partitions") && replication_factor(partition, judged.moving) > in_sync
            || has("unavailable-partitions") && partition.leader.is_none_or(|leader| !self.live.contains(&leader))
            || has("under-min-isr-partitions") && (partition.leader.is_none() || in_sync < judged.min_isr)
            || has("at-min-isr-partitions") && in_sync == judged.min_isr
    }
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<String>>().join(",")
}

async fn described(given: &Given, admin: &Admin) -> Result<Vec<TopicDescription>, Stop> {
    let id = given.one("topic-id")?.map(topic_id).transpose()?.filter(|id| !id.is_nil());
    if let Some(id) = id {
        let topics = admin.list_topics().await?;
        let known = topics.iter().any(|topic| topic.id == id && !(given.has("exclude-internal") && topic.internal));
        if !known && !given.has("if-exists") {
            let id = given.one("topic-id")?.unwrap_or_default();
            return Err(Thrown::illegal(format!("TopicId '{id}' does not exist as expected")).into());
        }
        return Ok(if known { vec![admin.describe_topic_by_id(id).await??] } else { Vec::new() });
    }
    let names = chosen(given, admin).await?;
    must_exist(given, &names)?;
    let limit = given.int("partition-size-limit-per-response")?.unwrap_or(PARTITIONS_PER_ANSWER);
    let mut topics = Vec::new();
    for (_, topic) in admin.describe_topics(&names, limit).await? {
        topics.push(topic?);
    }
    // The admin client's answer is a map made for as many topics as were asked for.
    Ok(super::java::hash_order_in(names.len(), topics, |topic| super::java::string_hash(&topic.name)))
}

/// `Uuid.fromString`.
pub(super) fn topic_id(text: &str) -> Result<Uuid, Thrown> {
    if text.len() > 24 {
        let shown: String = text.chars().take(24).collect();
        return Err(Thrown::illegal(format!(
            "Input string with prefix `{shown}` is too long to be decoded as a base64 UUID"
        )));
    }
    let decoded = decode(text, Alphabet::Url)?;
    let wrong = || {
        let length = decoded.len();
        Thrown::illegal(format!(
            "Input string `{text}` decoded as {length} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID"
        ))
    };
    Uuid::from_slice(&decoded).map_err(|_| wrong())
}

async fn describe(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let topics = described(given, admin).await?;
    let resource = |topic: &TopicDescription| ConfigResource { kind: ConfigKind::Topic, name: topic.name.clone() };
    let resources: Vec<ConfigResource> = topics.iter().map(resource).collect();
    let configs = admin.describe_configs(&resources, false).await?;
    let live = admin.describe_cluster(false).await?.brokers.iter().map(|(broker, _)| broker.id).collect();
    let wanted = Wanted { given, live };
    let moving = moving(admin, &topics).await?;
    let mut rows = Rows::default();
    for (topic, configs) in topics.iter().zip(configs) {
        let configs = configs?;
        let own: Vec<&ConfigEntry> = configs.iter().filter(|config| !config.is_default()).collect();
        let of = |partition: &PartitionDescription| {
            moving.get(&TopicPartition::new(topic.name.as_str(), partition.partition))
        };
        let min_isr = configs.iter().find(|config| config.name == "min.insync.replicas");
        let min_isr = min_isr.and_then(|config| config.value.as_deref()?.parse().ok()).unwrap_or(1);
        let show_head = wanted.all() && (!given.has("topics-with-overrides") || !own.is_empty());
        let judged = topic.partitions.iter().map(|partition| Judged { partition, moving: of(partition), min_isr });
        let shown: Vec<Judged<'_>> = if given.has("topics-with-overrides") {
            Vec::new()
        } else {
            judged.filter(|judged| wanted.shows(judged)).collect()
        };
        if given.json() {
            json_topic(&mut rows, topic, &own, show_head, &shown);
            continue;
        }
        if show_head {
            let first = topic.partitions.first();
            let factor = first.map_or(0, |first| replication_factor(first, of(first)));
            say(head_line(topic, factor, &own));
        }
        shown.iter().for_each(|judged| say(partition_line(&topic.name, judged)));
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}

async fn moving(admin: &Admin, topics: &[TopicDescription]) -> Result<HashMap<TopicPartition, Reassignment>, Stop> {
    let of = |topic: &TopicDescription| {
        let name: std::sync::Arc<str> = topic.name.as_str().into();
        topic.partitions.iter().map(move |p| TopicPartition::new(name.clone(), p.partition)).collect::<Vec<_>>()
    };
    let partitions: Vec<TopicPartition> = topics.iter().flat_map(of).collect();
    if partitions.is_empty() {
        return Ok(HashMap::new());
    }
    match admin.list_partition_reassignments(Some(&partitions)).await {
        Ok(moving) => Ok(moving.into_iter().map(|moving| (moving.partition.clone(), moving)).collect()),
        Err(AdminError::Unsupported { .. }) => Ok(HashMap::new()),
        Err(AdminError::Refused { code: ErrorCode::ClusterAuthorizationFailed, .. }) => Ok(HashMap::new()),
        Err(error) => Err(error.into()),
    }
}

fn head_line(topic: &TopicDescription, factor: usize, own: &[&ConfigEntry]) -> String {
    let config = |config: &&ConfigEntry| format!("{}={}", config.name, config.value.as_deref().unwrap_or("null"));
    let id = if topic.id.is_nil() { String::new() } else { format!("\tTopicId: {}", topic.id.to_kafka()) };
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        joined(own.iter().map(config))
    )
}

fn partition_line(topic: &str, judged: &Judged<'_>) -> String {
    let partition = judged.partition;
    let moving = judged.moving.map(|moving| {
        format!("\tAdding Replicas: {}\tRemoving Replicas: {}", joined(&moving.adding), joined(&moving.removing))
    });
    let eligible = |nodes: &Option<Vec<i32>>| nodes.as_ref().map_or_else(|| "N/A".to_owned(), joined);
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}{}\tElr: {}\tLastKnownElr: {}",
        partition.partition,
        partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
        joined(&partition.replicas),
        joined(&partition.isr),
        moving.unwrap_or_default(),
        eligible(&partition.elr),
        eligible(&partition.last_known_elr),
    )
}

fn json_topic(rows: &mut Rows, topic: &TopicDescription, own: &[&ConfigEntry], head: bool, shown: &[Judged<'_>]) {
    if !head && shown.is_empty() {
        return;
    }
    let partition = |judged: &Judged<'_>| {
        let p = judged.partition;
        json!({"partition": p.partition, "leader": p.leader, "replicas": p.replicas, "isr": p.isr, "elr": p.elr,
            "lastKnownElr": p.last_known_elr, "addingReplicas": judged.moving.map(|m| &m.adding),
            "removingReplicas": judged.moving.map(|m| &m.removing)})
    };
    let configs: serde_json::Map<String, serde_json::Value> =
        own.iter().map(|config| (config.name.clone(), json!(config.value))).collect();
    rows.row([
        ("topic", json!(topic.name)),
        ("topicId", json!(topic.id.to_kafka())),
        ("partitionCount", json!(topic.partitions.len())),
        ("configs", configs.into()),
        ("partitions", shown.iter().map(partition).collect()),
    ]);
}
