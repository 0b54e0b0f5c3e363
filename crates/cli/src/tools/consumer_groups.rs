//! `kafka-consumer-groups` (`org.apache.kafka.tools.consumer.group.ConsumerGroupCommand`). What fails at the cluster is told
//! on standard output and ends with 0, as in Java; only wrong words end with 1.

mod describe;
mod partitions;
mod plan_file;
mod reset;
mod when;

use std::collections::BTreeSet;

use andiron_client::admin::GroupListing;
use andiron_client::{Admin, TopicPartition};
use andiron_protocol::error::ErrorCode;
use serde_json::json;

use super::exceptions;
use super::failure::{ILLEGAL_ARGUMENT, Stop, Thrown};
use super::java::{hash_order, in_hash_order, string_hash};
use super::options::{Given, Spec, flag, maybe_value, value};
use super::print::{Rows, complain, pad, say, write};
use super::session::{admin, block_on, command_config, with};

/// What stands where there is no value.
const MISSING: &str = "-";
const TIMEOUT_MS: i64 = 30_000;
const PARTITIONS_PER_ANSWER: i32 = 2000;
const ACTIONS: &[&str] = &["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];
const SCENARIOS: &[&str] =
    &["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"];
const STATES: &[&str] =
    &["PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"];

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-consumer-groups",
    about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. Required but with --validate-regex."),
        value("command-config", "file", "Properties for the admin client."),
        value("timeout", "ms", "How long one call may take; 30000 if not given."),
        flag("list", "List consumer groups."),
        flag("describe", "Show groups: their offsets and lag, their members or their state."),
        flag("delete", "Delete groups."),
        flag("reset-offsets", "Plan new offsets for groups without members, and set them with --execute."),
        flag("delete-offsets", "Delete a group's offsets of topics."),
        value("validate-regex", "regex", "Say whether an RE2 expression is valid."),
        value("group", "group", "The group; may be repeated."),
        flag("all-groups", "All groups."),
        value("topic", "topic[:0,1]", "A topic, or some of its partitions; may be repeated."),
        flag("all-topics", "All topics that the group has offsets of."),
        flag("members", "Describe the members.").only_with(&["describe"]),
        flag("offsets", "Describe the offsets; so does --describe alone.").only_with(&["describe"]),
        maybe_value("state", "states", "Describe the state; with --list show it, and only groups in these states.")
            .only_with(&["describe", "list"]),
        maybe_value("type", "types", "With --list show the type, and only groups of these types.").only_with(&["list"]),
        flag("verbose", "Describe more.").only_with(&["describe"]),
        flag("dry-run", "Show new offsets without setting them."),
        flag("execute", "Set the new offsets."),
        flag("export", "Print the new offsets as CSV."),
        value("to-offset", "offset", "Reset to this offset."),
        value("from-file", "file", "Reset to the offsets of a CSV file."),
        value("to-datetime", "YYYY-MM-DDThh:mm:ss.sss", "Reset to the first record of this time."),
        value("by-duration", "PnDTnHnMnS", "Reset to the first record of so long ago."),
        flag("to-earliest", "Reset to the first record."),
        flag("to-latest", "Reset to the end."),
        flag("to-current", "Reset to where the group is."),
        value("shift-by", "number", "Reset by so many records on, or back if negative."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    let given = match SPEC.parse(args) {
        Ok(given) => given,
        Err(thrown) => return SPEC.end(Err(thrown.into()), Thrown::uncaught),
    };
    // Options that cannot be read are told with the help only once all are checked, uncaught before.
    if let Err(stop) = check(&given) {
        return SPEC.end(Err(stop), Thrown::uncaught);
    }
    match act(&given) {
        Err(Stop::Thrown(thrown)) if thrown.class == ILLEGAL_ARGUMENT => SPEC.usage(thrown.text()),
        outcome => SPEC.end(outcome, |thrown| {
            error(format_args!("Executing consumer group command failed due to {}", thrown.text()));
            thrown.print_trace();
            0
        }),
    }
}

/// `printError`: on standard output.
fn error(text: impl std::fmt::Display) {
    say(format_args!("\nError: {text}"));
}

fn usage(text: impl Into<String>) -> Stop {
    Stop::Usage(text.into())
}

fn check(given: &Given) -> Result<(), Stop> {
    SPEC.begin(given)?;
    if !given.has("validate-regex") {
        given.require(&["bootstrap-server"])?;
    }
    let of_groups = given.any(&["group", "all-groups"]);
    let takes_one =
        |action: &str| usage(format!("Option [{action}] takes one of these options: [all-groups], [group]"));
    if given.has("describe") {
        if !of_groups {
            return Err(takes_one("describe"));
        }
        if given.count(&["members", "offsets", "state"]) > 1 {
            return Err(usage("Option [describe] takes at most one of these options: [members], [offsets], [state]"));
        }
        if given.one("state")?.is_some() {
            return Err(usage("Option [describe] does not take a value for [state]"));
        }
    }
    if given.has("delete") {
        if !of_groups {
            return Err(takes_one("delete"));
        }
        if given.has("topic") {
            return Err(usage("The consumer does not support topic-specific offset deletion from a consumer group."));
        }
    }
    if given.has("delete-offsets") && !(given.has("group") && given.has("topic")) {
        return Err(usage("Option [delete-offsets] takes the following options: [topic], [group]"));
    }
    if given.has("reset-offsets") {
        if given.has("dry-run") && given.has("execute") {
            return Err(usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
        }
        if !given.any(&["dry-run", "execute"]) {
            complain(
                "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.",
            );
        }
        if !of_groups {
            return Err(takes_one("reset-offsets"));
        }
        for scenario in SCENARIOS {
            given.forbid(scenario, SCENARIOS)?;
        }
    }
    given.forbid("group", &["all-groups"])?;
    given.forbid("group", &["list"])?;
    given.forbid("topic", &["list", "describe"])
}

fn act(given: &Given) -> Result<(), Stop> {
    if given.count(ACTIONS) != 1 {
        let actions: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        return Err(usage(format!("Command must include exactly one action: {}", actions.join(", "))));
    }
    if let Some(regex) = given.one("validate-regex")? {
        match partitions::re2_complaint(regex) {
            None => say(format_args!("The regular expression `{regex}` is valid.")),
            Some(complaint) => say(format_args!("The regular expression `{regex}` is invalid: {complaint}.")),
        }
        return Ok(());
    }
    let timeout = given.long("timeout")?.unwrap_or(TIMEOUT_MS);
    let servers = given.one("bootstrap-server")?.unwrap_or_default();
    let properties =
        with(command_config(given).map_err(|e| e.within("java.lang.RuntimeException"))?, "bootstrap.servers", servers);
    let admin = admin(with(properties, "default.api.timeout.ms", &timeout.to_string()))?;
    block_on(async {
        if given.has("list") {
            list(given, &admin).await
        } else if given.has("describe") {
            describe::describe(given, &admin).await
        } else if given.has("delete") {
            delete(given, &admin).await
        } else if given.has("reset-offsets") {
            reset::reset(given, &admin).await
        } else {
            delete_offsets(given, &admin).await
        }
    })?
}

/// Consumer groups of either protocol, and those that only commit offsets.
async fn listed(admin: &Admin, states: &[String], types: &[String]) -> Result<Vec<GroupListing>, Thrown> {
    let both = ["Classic".to_owned(), "Consumer".to_owned()];
    let types = if types.is_empty() { &both[..] } else { types };
    let groups = admin.list_groups(states, types).await.map_err(|error| Thrown::from(error).in_execution())?;
    let groups = groups.into_iter().filter(|group| group.protocol == "consumer" || group.protocol.is_empty());
    Ok(hash_order(groups.collect(), |group| string_hash(&group.group)))
}

/// The groups that are meant, each once.
async fn chosen(given: &Given, admin: &Admin) -> Result<Vec<String>, Thrown> {
    if given.has("all-groups") {
        let groups = listed(admin, &[], &[]).await.map_err(|thrown| thrown.within("java.lang.RuntimeException"))?;
        return Ok(groups.into_iter().map(|group| group.group).collect());
    }
    let once: BTreeSet<&String> = given.all("group").iter().collect();
    Ok(in_hash_order(once.into_iter().cloned().collect()))
}

fn words(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').map(|word| word.trim().to_owned()).filter(|_| text != Some("")).collect()
}

fn states(given: &Given) -> Result<Vec<String>, Thrown> {
    let Some(text) = given.one("state")?.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let known = |word: &String| STATES.iter().find(|state| state.eq_ignore_ascii_case(word)).map(|s| (*s).to_owned());
    let wrong = || Thrown::illegal(format!("Invalid state list '{text}'. Valid states are: {}", STATES.join(", ")));
    words(Some(text)).iter().map(|word| known(word).ok_or_else(wrong)).collect()
}

fn types(given: &Given) -> Result<Vec<String>, Thrown> {
    let Some(text) = given.one("type")?.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let known =
        |word: &String| ["Classic", "Consumer"].iter().find(|t| t.eq_ignore_ascii_case(word)).map(|t| (*t).to_owned());
    let wrong = || Thrown::illegal(format!("Invalid types list '{text}'. Valid types are: Consumer, Classic"));
    words(Some(text)).iter().map(|word| known(word).ok_or_else(wrong)).collect()
}

async fn list(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let (show_type, show_state) = (given.has("type"), given.has("state"));
    let groups = if show_type || show_state {
        let (types, states) = (types(given)?, states(given)?);
        listed(admin, &states, &types).await?
    } else {
        listed(admin, &[], &[]).await.map_err(|thrown| thrown.within("java.lang.RuntimeException"))?
    };
    if given.json() {
        let mut rows = Rows::default();
        for group in &groups {
            let (of_type, state) = (json!(super::groups::shown_type(&group.group_type)), json!(group.state));
            rows.row([("group", json!(group.group)), ("type", of_type), ("state", state)]);
        }
        rows.print();
        return Ok(());
    }
    if !(show_type || show_state) {
        groups.iter().for_each(|group| say(&group.group));
        return Ok(());
    }
    let width = groups.iter().map(|group| group.group.encode_utf16().count()).max().unwrap_or(0).max(15) + 10;
    let line = |group: &str, of_type: &str, state: &str| {
        let mut line = pad(group, width);
        if show_type {
            line = format!("{line} {}", pad(of_type, 20));
        }
        if show_state {
            line = format!("{line} {}", pad(state, 20));
        }
        say(line);
    };
    line("GROUP", "TYPE", "STATE");
    for group in &groups {
        line(&group.group, super::groups::shown_type(&group.group_type), &group.state);
    }
    Ok(())
}

async fn delete(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let (mut gone, mut failed) = (Vec::new(), Vec::new());
    for group in chosen(given, admin).await? {
        match admin.delete_group(&group).await {
            Ok(Ok(())) => gone.push(group),
            Ok(Err(refusal)) => failed.push((group, Thrown::from(refusal))),
            Err(error) => failed.push((group, Thrown::from(error))),
        }
    }
    let quoted = |groups: &[String]| groups.iter().map(|g| format!("'{g}'")).collect::<Vec<String>>().join(", ");
    if given.json() {
        let mut rows = Rows::default();
        gone.iter().for_each(|group| rows.row([("group", json!(group)), ("error", json!(null))]));
        failed.iter().for_each(|(group, why)| rows.row([("group", json!(group)), ("error", json!(why.to_string()))]));
        rows.print();
    } else if failed.is_empty() {
        say(format_args!("Deletion of requested consumer groups ({}) was successful.", quoted(&gone)));
    } else {
        error("Deletion of some consumer groups failed:");
        failed
            .iter()
            .for_each(|(group, why)| say(format_args!("* Group '{group}' could not be deleted due to: {why}")));
        if !gone.is_empty() {
            say(format_args!("\nThese consumer groups were deleted successfully: {}", quoted(&gone)));
        }
    }
    Ok(())
}

async fn delete_offsets(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let group = given.one("group")?.unwrap_or_default();
    let mut outcomes: Vec<(TopicPartition, Option<String>)> = Vec::new();
    let (with_partitions, whole): (Vec<&String>, Vec<&String>) =
        given.all("topic").iter().partition(|topic| topic.contains(':'));
    let mut wanted = BTreeSet::new();
    for text in with_partitions {
        wanted.extend(partitions::parse(text)?);
    }
    let whole: Vec<String> = whole.into_iter().cloned().collect();
    for (name, topic) in admin.describe_topics(&whole, PARTITIONS_PER_ANSWER).await? {
        match topic {
            Ok(topic) => {
                wanted.extend(topic.partitions.iter().map(|p| TopicPartition::new(name.as_str(), p.partition)))
            }
            Err(refusal) => {
                let why = Thrown::from(refusal).in_execution().text().to_owned();
                outcomes.push((TopicPartition::new(name.as_str(), -1), Some(why)));
            }
        }
    }
    let wanted: Vec<TopicPartition> = wanted.into_iter().collect();
    let mut whole_call = ErrorCode::None;
    match admin.delete_group_offsets(group, &wanted).await? {
        Ok(each) => {
            for (partition, code) in each {
                if !code.is_none() {
                    whole_call = code;
                }
                outcomes.push((partition, (!code.is_none()).then(|| Thrown::of(code, "").to_string())));
            }
        }
        Err((code, words)) => {
            whole_call = code;
            let why = Thrown::of(code, &words).to_string();
            outcomes.extend(wanted.into_iter().map(|partition| (partition, Some(why.clone()))));
        }
    }
    outcomes.sort_by_key(|(partition, _)| format!("{}{}", partition.topic, partition.partition));
    if given.json() {
        let mut rows = Rows::default();
        for (partition, why) in &outcomes {
            let number = (partition.partition >= 0).then_some(partition.partition);
            rows.row([("topic", json!(*partition.topic)), ("partition", json!(number)), ("error", json!(why))]);
        }
        rows.print();
        return Ok(());
    }
    match whole_call {
        ErrorCode::None => say(format_args!("Request succeeded for deleting offsets from group {group}.")),
        ErrorCode::InvalidGroupId
        | ErrorCode::GroupIdNotFound
        | ErrorCode::GroupAuthorizationFailed
        | ErrorCode::NonEmptyGroup => error(exceptions::message(whole_call)),
        ErrorCode::GroupSubscribedToTopic
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::UnknownTopicOrPartition => {
            error("Encountered some partition-level error, see the follow-up details.");
        }
        code => error(format_args!("Encountered some unknown error: {code}")),
    }
    let width = outcomes.iter().map(|(p, _)| p.topic.encode_utf16().count()).max().unwrap_or(0).max(15);
    let line = |topic: &str, partition: &str, status: &str| {
        write(format_args!("\n{} {} {}", pad(topic, width), pad(partition, 10), pad(status, 15)));
    };
    line("TOPIC", "PARTITION", "STATUS");
    for (partition, why) in &outcomes {
        let number = if partition.partition >= 0 { partition.partition.to_string() } else { MISSING.to_owned() };
        let status = why.as_ref().map_or_else(|| "Successful".to_owned(), |why| format!("Error: {why}"));
        line(&partition.topic, &number, &status);
    }
    say("");
    Ok(())
}
