//! `--reset-offsets`: the plan, from one of eight scenarios, printed as a table or as CSV, and carried out on request.

use andiron_client::{Admin, OffsetSpec, TopicPartition};
use andiron_protocol::error::ErrorCode;
use serde_json::json;

use super::{chosen, error, partitions, plan_file, when};
use crate::tools::failure::{Stop, Thrown};
use crate::tools::java::{hash_order, partition_hash, string_hash};
use crate::tools::options::{Given, unreadable};
use crate::tools::print::{Rows, log_warn, pad, say, write};
use crate::tools::session::read_file;

const LOGGER: &str = "org.apache.kafka.tools.OffsetsUtils";

type Plan = Vec<(TopicPartition, i64)>;

pub(super) async fn reset(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let groups = chosen(given, admin).await?;
    let mut plans: Vec<(String, Plan)> = Vec::new();
    for (group, described) in groups.iter().zip(admin.describe_groups(&groups).await?) {
        let state = match described {
            Ok(described) => described.state,
            Err((ErrorCode::GroupIdNotFound, _)) => "Dead".to_owned(),
            Err(refusal) => return Err(Thrown::from(refusal).in_runtime().into()),
        };
        let plan = if matches!(state.as_str(), "Empty" | "Dead") {
            of_group(given, admin, group).await?
        } else {
            error(format_args!(
                "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            ));
            Plan::new()
        };
        plans.push((group.clone(), hash_order(plan, |(p, _)| partition_hash(&p.topic, p.partition))));
    }
    let plans = hash_order(plans, |(group, _)| string_hash(group));
    if given.has("export") {
        export(given, &plans);
    } else if given.json() {
        let mut rows = Rows::default();
        for (group, plan) in &plans {
            for (partition, offset) in plan {
                rows.row([
                    ("group", json!(group)),
                    ("topic", json!(*partition.topic)),
                    ("partition", json!(partition.partition)),
                    ("newOffset", json!(offset)),
                ]);
            }
        }
        rows.print();
    } else {
        table(&plans);
    }
    Ok(())
}

fn table(plans: &[(String, Plan)]) {
    let length = |text: &str| text.encode_utf16().count();
    let group_width = plans.iter().map(|(group, _)| length(group)).max().unwrap_or(0).max(15);
    let topics = plans.iter().flat_map(|(_, plan)| plan.iter().map(|(partition, _)| length(&partition.topic)));
    let topic_width = topics.max().unwrap_or(0).max(15);
    let line = |group: &str, topic: &str, partition: &str, offset: &str| {
        let (group, topic) = (pad(group, group_width), pad(topic, topic_width));
        write(format_args!("\n{group} {topic} {} {offset}", pad(partition, 10)));
    };
    if !plans.is_empty() {
        line("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET");
    }
    for (group, plan) in plans {
        for (partition, offset) in plan {
            line(group, &partition.topic, &partition.partition.to_string(), &offset.to_string());
        }
    }
    say("");
}

/// A CSV cell; names that hold what CSV means something by are quoted.
fn cell(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c) || !c.is_ascii());
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

fn export(given: &Given, plans: &[(String, Plan)]) {
    let single = given.all("group").len() == 1;
    let mut text = String::new();
    for (group, plan) in plans {
        for (partition, offset) in plan {
            if !single {
                text.push_str(&format!("{},", cell(group)));
            }
            text.push_str(&format!("{},{},{offset}\n", cell(&partition.topic), partition.partition));
        }
    }
    say(text);
}

async fn of_group(given: &Given, admin: &Admin, group: &str) -> Result<Plan, Stop> {
    let scope = scope(given, admin, group).await?;
    let plan = plan(given, admin, group, scope).await?;
    if given.has("execute") && !given.has("dry-run") {
        let outcomes = admin.alter_group_offsets(group, &plan).await?.map_err(Thrown::from)?;
        let failed: Vec<&(TopicPartition, ErrorCode)> = outcomes.iter().filter(|(_, code)| !code.is_none()).collect();
        if let Some((_, code)) = failed.first() {
            let names: Vec<String> = failed.iter().map(|(partition, _)| partition.to_string()).collect();
            let message = format!("Failed altering group offsets for the following partitions: [{}]", names.join(", "));
            return Err(Thrown::of(*code, &message).into());
        }
    }
    Ok(plan)
}

/// The partitions that are meant; none where the file is to name them.
async fn scope(given: &Given, admin: &Admin, group: &str) -> Result<Vec<TopicPartition>, Stop> {
    if given.has("all-topics") {
        return Ok(committed(admin, group).await?.into_iter().map(|(partition, _)| partition).collect());
    }
    if given.has("topic") {
        return Ok(partitions::of_topics(admin, given.all("topic")).await?);
    }
    if !given.has("from-file") {
        return Err(Stop::Usage("One of the reset scopes should be defined: --all-topics, --topic.".to_owned()));
    }
    Ok(Vec::new())
}

async fn committed(admin: &Admin, group: &str) -> Result<Plan, Thrown> {
    let offsets = admin.group_offsets(group).await.map_err(|error| Thrown::from(error).in_runtime())?;
    let offsets = offsets.map_err(|refusal| Thrown::from(refusal).in_runtime())?;
    let offsets: Plan = offsets.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect();
    Ok(hash_order(offsets, |(p, _)| partition_hash(&p.topic, p.partition)))
}

async fn plan(given: &Given, admin: &Admin, group: &str, scope: Vec<TopicPartition>) -> Result<Plan, Stop> {
    partitions::check(admin, &scope).await?;
    if given.has("to-offset") {
        let offset = first(given, "to-offset")?.unwrap_or_default();
        return Ok(within_range(admin, scope.into_iter().map(|partition| (partition, offset)).collect()).await?);
    }
    if given.has("to-earliest") {
        return at(admin, &scope, OffsetSpec::Earliest, "starting offset").await;
    }
    if given.has("to-latest") {
        return at(admin, &scope, OffsetSpec::Latest, "ending offset").await;
    }
    if let Some(shift) = given.long("shift-by")? {
        let current = committed(admin, group).await?;
        let mut wanted = Plan::new();
        for partition in scope {
            let Some((_, offset)) = current.iter().find(|(known, _)| *known == partition) else {
                return Err(Thrown::illegal(format!(
                    "Cannot shift offset for partition {partition} since there is no current committed offset"
                ))
                .into());
            };
            wanted.push((partition, offset.saturating_add(shift)));
        }
        return Ok(within_range(admin, wanted).await?);
    }
    if let Some(text) = given.all("to-datetime").first() {
        let at = when::datetime(text)?;
        return at_time(admin, &scope, at).await;
    }
    if let Some(text) = given.one("by-duration")? {
        let at = crate::tools::clock::now_ms().saturating_sub(when::duration(text)?);
        return at_time(admin, &scope, at).await;
    }
    if let Some(file) = given.all("from-file").first() {
        return from_file(given, admin, group, file).await;
    }
    if given.has("to-current") {
        let current = committed(admin, group).await?;
        let of = |partition: &TopicPartition| current.iter().find(|(known, _)| known == partition);
        let (with, without): (Vec<_>, Vec<_>) = scope.into_iter().partition(|partition| of(partition).is_some());
        let mut plan: Plan = with.iter().filter_map(of).cloned().collect();
        plan.extend(at(admin, &without, OffsetSpec::Latest, "ending offset").await?);
        return Ok(plan);
    }
    let scenarios =
        ["from-file", "to-earliest", "to-offset", "to-latest", "by-duration", "to-current", "shift-by", "to-datetime"];
    let scenarios: Vec<String> = scenarios.iter().map(|scenario| format!("[{scenario}]")).collect();
    Err(Stop::Usage(format!(
        "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
        scenarios.join(", ")
    )))
}

/// The first of an option's values, all of which must be numbers.
fn first(given: &Given, name: &str) -> Result<Option<i64>, Thrown> {
    let number = |text: &String| text.parse().map_err(|_| unreadable(name, text));
    let numbers: Vec<i64> = given.all(name).iter().map(number).collect::<Result<_, _>>()?;
    Ok(numbers.first().copied())
}

async fn at(admin: &Admin, scope: &[TopicPartition], spec: OffsetSpec, what: &str) -> Result<Plan, Stop> {
    let mut plan = Plan::new();
    for (partition, offset) in partitions::offsets(admin, scope, spec).await? {
        let missing = || Stop::Usage(format!("Error getting {what} of topic partition: {partition}"));
        let offset = offset.ok_or_else(missing)?;
        plan.push((partition, offset));
    }
    Ok(plan)
}

async fn at_time(admin: &Admin, scope: &[TopicPartition], time: i64) -> Result<Plan, Stop> {
    let (mut plan, mut later) = (Plan::new(), Vec::new());
    for (partition, offset) in partitions::offsets(admin, scope, OffsetSpec::Timestamp(time)).await? {
        match offset {
            Some(offset) => plan.push((partition, offset)),
            None => later.push(partition),
        }
    }
    let later = hash_order(later, |p| partition_hash(&p.topic, p.partition));
    for partition in &later {
        say(format_args!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
            partition.partition, partition.topic
        ));
    }
    plan.extend(at(admin, &later, OffsetSpec::Latest, "offset by timestamp").await?);
    Ok(plan)
}

/// Offsets below the first or above the last record become these.
async fn within_range(admin: &Admin, wanted: Plan) -> Result<Plan, Thrown> {
    let wanted = hash_order(wanted, |(p, _)| partition_hash(&p.topic, p.partition));
    let all: Vec<TopicPartition> = wanted.iter().map(|(partition, _)| partition.clone()).collect();
    let starts = partitions::offsets(admin, &all, OffsetSpec::Earliest).await?;
    let ends = partitions::offsets(admin, &all, OffsetSpec::Latest).await?;
    let mut plan = Plan::new();
    for (((partition, offset), (_, start)), (_, end)) in wanted.into_iter().zip(starts).zip(ends) {
        let offset = match (start, end) {
            (_, Some(end)) if offset > end => {
                log_warn(
                    LOGGER,
                    format_args!(
                        "New offset ({offset}) is higher than latest offset for topic partition {partition}. Value will be set to {end}"
                    ),
                );
                end
            }
            (Some(start), _) if offset < start => {
                log_warn(
                    LOGGER,
                    format_args!(
                        "New offset ({offset}) is lower than earliest offset for topic partition {partition}. Value will be set to {start}"
                    ),
                );
                start
            }
            _ => offset,
        };
        plan.push((partition, offset));
    }
    Ok(plan)
}

async fn from_file(given: &Given, admin: &Admin, group: &str, file: &str) -> Result<Plan, Stop> {
    let text = read_file(file).map_err(|thrown| thrown.within("java.lang.RuntimeException"))?;
    let plan = plan_file::read(&text, (given.all("group").len() == 1).then_some(group))?;
    let of_group: Plan =
        plan.into_iter().filter(|(name, ..)| name == group).map(|(_, p, offset)| (p, offset)).collect();
    if of_group.is_empty() {
        error(format_args!("No reset plan for group {group} found"));
        return Ok(Plan::new());
    }
    Ok(within_range(admin, of_group).await?)
}
