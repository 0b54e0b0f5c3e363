//! `kafka-reassign-partitions` (`org.apache.kafka.tools.reassign.ReassignPartitionsCommand`).

mod moves;
mod placement;
mod plan;
mod throttles;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};

use andiron_client::admin::{Reassignment, TopicDescription};
use andiron_client::{Admin, TopicPartition};
use andiron_protocol::error::ErrorCode;
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::java::{hash_order, in_hash_order, partition_hash};
use super::java_random::JavaRandom;
use super::options::{Given, Spec, flag, maybe_value, value};
use super::print::{Rows, say, write};
use super::session::{admin, block_on, load_properties, read_file, with};
use placement::Usable;
use plan::{Plan, Replica};
use throttles::Moves;

const ADMIN_OPERATION: &str = "org.apache.kafka.tools.AdminOperationException";
const TERSE: &str = "org.apache.kafka.tools.TerseException";
const UNKNOWN: &str = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException";
/// Partitions asked for at once.
const PARTITIONS_PER_ANSWER: i32 = 2000;

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-reassign-partitions",
    about: "This tool helps to move topic partitions between replicas.",
    json: true,
    flags: &[
        flag("verify", "Tell how far the reassignment of the file is; take throttles back when nothing is under way."),
        flag("generate", "Print a reassignment of topics to brokers, without carrying it out."),
        flag("execute", "Begin the reassignment of the file."),
        flag("cancel", "End the reassignment of the file where it is under way."),
        flag("list", "List all reassignments that are under way."),
        maybe_value(
            "bootstrap-server",
            "host:port,...",
            "Where the cluster is. This or --bootstrap-controller is required.",
        ),
        maybe_value("bootstrap-controller", "host:port,...", "Where its controllers are, for --cancel and --list."),
        value("command-config", "file", "Properties for the admin client."),
        value(
            "reassignment-json-file",
            "file",
            "{\"version\": 1, \"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"replicas\": [1, 2], \"log_dirs\": [\"any\", \"/d\"]}]}; log_dirs may be left out.",
        ),
        value(
            "topics-to-move-json-file",
            "file",
            "{\"version\": 1, \"topics\": [{\"topic\": \"t\"}]}, for --generate.",
        ),
        value("broker-list", "id,...", "The brokers that get the replicas, for --generate."),
        flag("disable-rack-aware", "Place replicas without regard to racks."),
        value("throttle", "bytes a second", "At most this much from broker to broker; --verify takes it back."),
        value("replica-alter-log-dirs-throttle", "bytes a second", "At most this much from directory to directory."),
        value("timeout", "ms", "How long moves between directories may take to begin; 10000 if not given."),
        flag("additional", "Execute besides other reassignments, or change the throttle of one under way."),
        flag("preserve-throttles", "Leave throttles as they are."),
        flag("disallow-replication-factor-change", "Refuse what would change the number of a partition's replicas."),
    ],
};

/// What the tool can be asked for; what each must have, and what else it may have.
const ACTIONS: &[(&str, &[&str], &[&str])] = &[
    (
        "generate",
        &["topics-to-move-json-file", "broker-list"],
        &["bootstrap-server", "command-config", "disable-rack-aware"],
    ),
    (
        "execute",
        &["reassignment-json-file"],
        &[
            "additional",
            "bootstrap-server",
            "command-config",
            "throttle",
            "replica-alter-log-dirs-throttle",
            "timeout",
            "disallow-replication-factor-change",
        ],
    ),
    ("verify", &["reassignment-json-file"], &["bootstrap-server", "command-config", "preserve-throttles"]),
    (
        "cancel",
        &["reassignment-json-file"],
        &["bootstrap-server", "bootstrap-controller", "command-config", "preserve-throttles", "timeout"],
    ),
    ("list", &[], &["bootstrap-server", "bootstrap-controller", "command-config"]),
];

pub(super) fn run(args: &[String]) -> u8 {
    let given = match prepare(args) {
        Ok(given) => given,
        Err(stop) => return SPEC.end(Err(stop), Thrown::uncaught),
    };
    let outcome = client(&given).and_then(|admin| block_on(act(&given, &admin))?).map_err(Stop::from);
    SPEC.end(outcome, |thrown| {
        if thrown.class == TERSE {
            say(thrown.text());
        } else {
            say(format_args!("Error: {}", thrown.text()));
            say(format_args!("{}\n", thrown.trace()));
        }
        1
    })
}

fn failed(message: impl Into<String>) -> Thrown {
    Thrown::new("org.apache.kafka.tools.AdminCommandFailedException", message)
}

fn terse(message: impl Into<String>) -> Thrown {
    Thrown::new(TERSE, message)
}

fn joined<T: Display>(things: impl IntoIterator<Item = T>, between: &str) -> String {
    things.into_iter().map(|thing| thing.to_string()).collect::<Vec<String>>().join(between)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn in_call(error: impl Into<Thrown>) -> Thrown {
    error.into().in_execution()
}

fn prepare(args: &[String]) -> Result<Given, Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    let mut asked = ACTIONS.iter().filter(|(action, _, _)| given.has(action));
    let (Some((action, required, allowed)), None) = (asked.next(), asked.next()) else {
        let actions = joined(ACTIONS.iter().map(|(action, _, _)| format!("--{action}")), ", ");
        return Err(Stop::Usage(format!("Command must include exactly one action: {actions}")));
    };
    match given.count(&["bootstrap-server", "bootstrap-controller"]) {
        0 => return Err(Stop::Usage("Please specify either --bootstrap-server or --bootstrap-controller".to_owned())),
        1 => {}
        _ => {
            let complaint = "Please don't specify both --bootstrap-server and --bootstrap-controller";
            return Err(Stop::Usage(complaint.to_owned()));
        }
    }
    given.require(required)?;
    let names: Vec<&str> = SPEC.flags.iter().map(|flag| flag.name).collect();
    let known = |name: &&str| name == action || required.contains(name) || allowed.contains(name);
    match given.in_order(&names).iter().find(|name| !known(name)) {
        Some(other) => Err(Stop::Usage(format!("Option \"[{other}]\" can't be used with action \"[{action}]\""))),
        None => Ok(given),
    }
}

fn client(given: &Given) -> Result<Admin, Thrown> {
    let mut properties = given.one("command-config")?.map_or_else(|| Ok(Vec::new()), load_properties)?;
    // Controllers are asked as brokers are.
    let place = if given.has("bootstrap-controller") { "bootstrap-controller" } else { "bootstrap-server" };
    let servers = given.one(place)?.ok_or_else(|| Thrown::bare("java.lang.NullPointerException"))?;
    properties = with(properties, "bootstrap.servers", servers);
    if !properties.iter().any(|(name, _)| name == "client.id") {
        properties = with(properties, "client.id", "reassign-partitions-tool");
    }
    admin(properties)
}

async fn act(given: &Given, admin: &Admin) -> Result<(), Thrown> {
    let file = |name: &str| read_file(given.one(name)?.unwrap_or_default());
    if given.has("verify") {
        verify(given, admin, &file("reassignment-json-file")?).await
    } else if given.has("generate") {
        generate(given, admin, &file("topics-to-move-json-file")?).await
    } else if given.has("execute") {
        execute(given, admin, &file("reassignment-json-file")?).await
    } else if given.has("cancel") {
        cancel(given, admin, &file("reassignment-json-file")?).await
    } else {
        list(given, admin).await
    }
}

async fn list(given: &Given, admin: &Admin) -> Result<(), Thrown> {
    let mut found = admin.list_partition_reassignments(None).await.map_err(in_call)?;
    found.sort_by(|a, b| a.partition.cmp(&b.partition));
    if given.json() {
        let mut rows = Rows::default();
        for one in found {
            rows.row([
                ("topic", json!(*one.partition.topic)),
                ("partition", json!(one.partition.partition)),
                ("replicas", json!(one.replicas)),
                ("adding", json!(one.adding)),
                ("removing", json!(one.removing)),
            ]);
        }
        rows.print();
        return Ok(());
    }
    if found.is_empty() {
        say("No partition reassignments found.");
        return Ok(());
    }
    say("Current partition reassignments:");
    for one in found {
        let part = |what: &str, ids: &[i32]| match ids {
            [] => String::new(),
            ids => format!(" {what}: {}.", joined(ids, ",")),
        };
        let (adding, removing) = (part("adding", &one.adding), part("removing", &one.removing));
        say(format_args!("{}: replicas: {}.{adding}{removing}", one.partition, joined(&one.replicas, ",")));
    }
    Ok(())
}

/// How far the reassignment of a partition is.
struct State {
    partition: TopicPartition,
    current: Vec<i32>,
    target: Vec<i32>,
    done: bool,
}

impl State {
    fn told(&self) -> String {
        let partition = &self.partition;
        if !self.done {
            return format!("Reassignment of partition {partition} is still in progress.");
        }
        if self.current == self.target {
            return format!("Reassignment of partition {partition} is completed.");
        }
        let (current, target) = (joined(&self.current, ","), joined(&self.target, ","));
        format!(
            "There is no active reassignment of partition {partition}, but replica set is {current} rather than {target}."
        )
    }
}

async fn verify(given: &Given, admin: &Admin, file: &str) -> Result<(), Thrown> {
    let plan = Plan::read(file)?;
    let under_way = admin.list_partition_reassignments(None).await.map_err(in_call)?;
    let mut states = states(admin, &plan, &under_way).await?;
    states.sort_by(|a, b| a.partition.cmp(&b.partition));
    states.dedup_by(|a, b| a.partition == b.partition);
    if !given.json() {
        say("Status of partition reassignment:");
        states.iter().for_each(|state| say(state.told()));
    }
    let moves = moves::states(admin, &plan.dirs).await?;
    if given.json() {
        let mut rows = Rows::default();
        for state in &states {
            rows.row([
                ("topic", json!(*state.partition.topic)),
                ("partition", json!(state.partition.partition)),
                ("replicas", json!(state.current)),
                ("target", json!(state.target)),
                ("done", json!(state.done)),
                ("moves", json!(moves::told(&moves, Some(&state.partition)))),
            ]);
        }
        rows.print();
    } else {
        // An empty line where no directories are named.
        say(moves::told(&moves, None).join("\n"));
    }
    if under_way.is_empty() && !moves::any_under_way(&moves) && !given.has("preserve-throttles") {
        clear_throttles(admin, &plan, given.json()).await?;
    }
    Ok(())
}

async fn states(admin: &Admin, plan: &Plan, under_way: &[Reassignment]) -> Result<Vec<State>, Thrown> {
    let moving: HashMap<&TopicPartition, &Reassignment> = under_way.iter().map(|one| (&one.partition, one)).collect();
    let still = plan.partitions.iter().filter(|(partition, _)| !moving.contains_key(partition));
    let names: BTreeSet<String> = still.map(|(partition, _)| partition.topic.to_string()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let described = admin.describe_topics(&names, PARTITIONS_PER_ANSWER).await.map_err(in_call)?;
    let described: HashMap<String, _> = described.into_iter().collect();
    let mut states = Vec::new();
    // Of two entries for a partition the last counts.
    for (partition, target) in plan.partitions.iter().rev() {
        let (current, done) = match moving.get(partition) {
            Some(moving) => (moving.replicas.clone(), false),
            None => match described.get(&*partition.topic) {
                Some(Ok(topic)) => (replicas_in(topic, partition.partition), true),
                Some(Err((code, words))) if *code != ErrorCode::UnknownTopicOrPartition => {
                    return Err(in_call((*code, words.clone())));
                }
                _ => (Vec::new(), true),
            },
        };
        states.push(State { partition: partition.clone(), current, target: target.clone(), done });
    }
    Ok(states)
}

fn replicas_in(topic: &TopicDescription, partition: i32) -> Vec<i32> {
    let found = topic.partitions.iter().find(|one| one.partition == partition);
    found.map(|found| found.replicas.clone()).unwrap_or_default()
}

async fn clear_throttles(admin: &Admin, plan: &Plan, quiet: bool) -> Result<(), Thrown> {
    let cluster = admin.describe_cluster(false).await.map_err(in_call)?;
    let mut brokers: BTreeSet<i32> = cluster.brokers.iter().map(|(broker, _)| broker.id).collect();
    brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas));
    let brokers = hash_order(brokers.into_iter().collect(), |id| *id);
    let told = |line: String| {
        if !quiet {
            say(line)
        }
    };
    told(format!("Clearing broker-level throttles on broker{} {}", plural(brokers.len()), joined(&brokers, ",")));
    throttles::clear_brokers(admin, &brokers).await?;
    let topics: BTreeSet<&str> = plan.partitions.iter().map(|(partition, _)| &*partition.topic).collect();
    let topics = in_hash_order(topics.into_iter().collect());
    told(format!("Clearing topic-level throttles on topic{} {}", plural(topics.len()), topics.join(",")));
    throttles::clear_topics(admin, &topics).await
}

/// The partitions of topics with their replicas.
async fn partitions_of(admin: &Admin, topics: Vec<String>) -> Result<Vec<(TopicPartition, Vec<i32>)>, Thrown> {
    let described = admin.describe_topics(&topics, PARTITIONS_PER_ANSWER).await.map_err(in_call)?;
    let mut found = Vec::new();
    for (name, topic) in described {
        match topic {
            Ok(topic) => found.extend(
                topic.partitions.into_iter().map(|p| (TopicPartition::new(name.as_str(), p.partition), p.replicas)),
            ),
            Err((ErrorCode::UnknownTopicOrPartition, _)) => {
                return Err(in_call(Thrown::new(UNKNOWN, format!("Topic {name} not found."))));
            }
            Err(refusal) => return Err(in_call(refusal)),
        }
    }
    Ok(found)
}

/// The directories in which replicas are, of those whose brokers live.
async fn dirs_of(
    admin: &Admin,
    partitions: &[(TopicPartition, Vec<i32>)],
    alive: &BTreeSet<i32>,
) -> Result<BTreeMap<Replica, String>, Thrown> {
    let all = partitions.iter().flat_map(|(partition, ids)| ids.iter().map(|id| Replica::new(partition, *id)));
    let there: BTreeSet<Replica> = all.filter(|replica| alive.contains(&replica.broker)).collect();
    let found = moves::dirs(admin, there.iter()).await?;
    Ok(found.into_iter().filter_map(|(replica, dirs)| Some((replica, dirs.current?))).collect())
}

async fn generate(given: &Given, admin: &Admin, file: &str) -> Result<(), Thrown> {
    let (brokers, topics) = plan::generation(given.one("broker-list")?.unwrap_or_default(), file)?;
    let current = partitions_of(admin, topics).await?;
    let cluster = admin.describe_cluster(false).await.map_err(in_call)?;
    let alive = cluster.brokers.iter().map(|(broker, _)| broker.id).collect();
    let dirs = dirs_of(admin, &current, &alive).await?;
    let racks = !given.has("disable-rack-aware");
    let usable: Vec<Usable> = cluster
        .brokers
        .into_iter()
        .filter(|(broker, _)| brokers.contains(&broker.id))
        .map(|(broker, _)| Usable { id: broker.id, rack: broker.rack.filter(|_| racks) })
        .collect();
    let without = usable.iter().filter(|broker| broker.rack.is_none()).count();
    if racks && without != 0 && without != usable.len() {
        return Err(Thrown::new(
            ADMIN_OPERATION,
            "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment without rack information.",
        ));
    }
    // As in Java the start of the placement is another one each time.
    let mut random = JavaRandom::new(RandomState::new().hash_one(std::process::id()));
    let mut by_topic: BTreeMap<&str, Vec<&Vec<i32>>> = BTreeMap::new();
    let in_order: Vec<&(TopicPartition, Vec<i32>)> =
        hash_order(current.iter().collect(), |(p, _)| partition_hash(&p.topic, p.partition));
    for (partition, replicas) in in_order {
        by_topic.entry(&partition.topic).or_default().push(replicas);
    }
    let mut proposed = Vec::new();
    for (topic, partitions) in by_topic {
        // All partitions get as many replicas as one of them has.
        let factor = partitions.first().map_or(0, |replicas| replicas.len());
        let placed = placement::place(partitions.len(), factor, &usable, &mut random)?;
        proposed.extend((0..).zip(placed).map(|(number, ids)| (TopicPartition::new(topic, number), ids)));
    }
    say(format_args!("Current partition replica assignment\n{}\n", plan::write(&current, &dirs)));
    let proposed = plan::write(&proposed, &BTreeMap::new());
    say(format_args!("Proposed partition reassignment configuration\n{proposed}"));
    Ok(())
}

async fn execute(given: &Given, admin: &Admin, file: &str) -> Result<(), Thrown> {
    let rate = |name: &str| given.long(name).map(|rate| rate.unwrap_or(-1));
    let (throttle, dirs_throttle) = (rate("throttle")?, rate("replica-alter-log-dirs-throttle")?);
    let timeout = timeout(given)?;
    let plan = Plan::read_to_execute(file)?;
    let under_way = admin.list_partition_reassignments(None).await.map_err(in_call)?;
    if !given.has("additional") && !under_way.is_empty() {
        return Err(terse(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and create a new partition assignment in addition to the existing one. The --additional flag can also be used to change the throttle by resubmitting the current reassignment.",
        ));
    }
    let cluster = admin.describe_cluster(false).await.map_err(in_call)?;
    let alive: BTreeSet<i32> = cluster.brokers.iter().map(|(broker, _)| broker.id).collect();
    let named: BTreeSet<i32> = plan.partitions.iter().flat_map(|(_, replicas)| replicas.iter().copied()).collect();
    let named = hash_order(named.into_iter().collect(), |id| *id);
    if let Some(unknown) = named.iter().find(|id| !alive.contains(id)) {
        return Err(failed(format!("Unknown broker id {unknown}")));
    }
    let current = current_of(admin, &plan).await?;
    let dirs = dirs_of(admin, &current, &alive).await?;
    say(format_args!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during rollback",
        plan::write(&current, &dirs)
    ));
    if throttle >= 0 || dirs_throttle >= 0 {
        say(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.",
        );
    }
    if throttle >= 0 {
        let moves = Moves::new(&under_way, &plan.partitions, &current);
        throttles::between_brokers(admin, &moves, throttle).await?;
    }
    if dirs_throttle >= 0 {
        let brokers = plan.dirs.keys().map(|replica| replica.broker).collect();
        throttles::between_dirs(admin, &brokers, dirs_throttle).await?;
    }
    let wanted: Vec<_> =
        plan.partitions.iter().map(|(partition, ids)| (partition.clone(), Some(ids.clone()))).collect();
    let wrong = alter(admin, &wanted, !given.has("disallow-replication-factor-change")).await;
    if !wrong.is_empty() {
        return Err(terse(format!("Error reassigning partition(s):\n{}", wrong.join("\n"))));
    }
    let mut names: Vec<&TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition).collect();
    names.sort();
    let s = plural(names.len());
    say(format_args!("Successfully started partition reassignment{s} for {}", joined(names, ",")));
    if !plan.dirs.is_empty() {
        moves::execute(admin, plan.dirs, timeout).await?;
    }
    Ok(())
}

fn timeout(given: &Given) -> Result<i64, Thrown> {
    const TIMEOUT_MS: i64 = 10_000;
    Ok(given.long("timeout")?.unwrap_or(TIMEOUT_MS))
}

/// The replicas that the partitions of a plan have now; all of them must be there.
async fn current_of(admin: &Admin, plan: &Plan) -> Result<Vec<(TopicPartition, Vec<i32>)>, Thrown> {
    let wanted: BTreeSet<&TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition).collect();
    let topics: BTreeSet<String> = wanted.iter().map(|partition| partition.topic.to_string()).collect();
    let mut current = partitions_of(admin, topics.into_iter().collect()).await?;
    current.retain(|(partition, _)| wanted.contains(partition));
    let missing: Vec<&TopicPartition> =
        wanted.into_iter().filter(|wanted| !current.iter().any(|(partition, _)| partition == *wanted)).collect();
    if missing.is_empty() {
        return Ok(current);
    }
    let missing = joined(hash_order(missing, |p| partition_hash(&p.topic, p.partition)), ", ");
    Err(in_call(Thrown::new(UNKNOWN, format!("Unable to find partition: {missing}"))))
}

/// Begins or ends reassignments; what went wrong, a line for each partition, sorted by partition.
async fn alter(admin: &Admin, wanted: &[(TopicPartition, Option<Vec<i32>>)], may_change_factor: bool) -> Vec<String> {
    let mut wrong: Vec<(TopicPartition, Thrown)> =
        match admin.alter_partition_reassignments(wanted, may_change_factor).await {
            Ok(outcomes) => {
                let wrong = |refusal: (ErrorCode, String)| Thrown::from(refusal);
                outcomes.into_iter().filter_map(|one| Some((one.resource, one.result.err().map(wrong)?))).collect()
            }
            // What the whole call met, each of its partitions met.
            Err(error) => {
                let thrown = Thrown::from(error);
                wanted.iter().map(|(partition, _)| (partition.clone(), thrown.clone())).collect()
            }
        };
    wrong.sort_by(|a, b| a.0.cmp(&b.0));
    wrong.into_iter().map(|(partition, thrown)| format!("{partition}: {}", thrown.text())).collect()
}

async fn cancel(given: &Given, admin: &Admin, file: &str) -> Result<(), Thrown> {
    let timeout = timeout(given)?;
    let plan = Plan::read(file)?;
    let named: BTreeSet<TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition.clone()).collect();
    let named: Vec<TopicPartition> = named.into_iter().collect();
    let found = admin.list_partition_reassignments(Some(&named)).await.map_err(in_call)?;
    let under_way = found.into_iter().filter(|one| !one.adding.is_empty() || !one.removing.is_empty());
    let under_way: BTreeSet<TopicPartition> = under_way.map(|one| one.partition).collect();
    if under_way.is_empty() {
        say("None of the specified partition reassignments are active.");
    } else {
        let ended: Vec<_> = under_way.iter().map(|partition| (partition.clone(), None)).collect();
        let wrong = alter(admin, &ended, true).await;
        if !wrong.is_empty() {
            let (s, wrong) = (plural(wrong.len()), wrong.join("\n"));
            return Err(terse(format!("Error cancelling partition reassignment{s} for:\n{wrong}")));
        }
        let (s, names) = (plural(under_way.len()), joined(&under_way, ","));
        say(format_args!("Successfully cancelled partition reassignment{s} for: {names}"));
    }
    let back = moves::back(&moves::states(admin, &plan.dirs).await?);
    if back.is_empty() {
        // Without an end of line, as scripts have come to know it.
        write("None of the specified partition moves are active.");
    } else {
        moves::execute(admin, back, timeout).await?;
    }
    if !given.has("preserve-throttles") {
        clear_throttles(admin, &plan, false).await?;
    }
    Ok(())
}
