//! `--describe`: offsets with their lag, members, state.

use std::collections::BTreeMap;

use andiron_client::admin::{GroupDescription, GroupMember};
use andiron_client::{Admin, OffsetSpec, TopicPartition};
use serde_json::{Value, json};

use super::{MISSING, chosen, error, partitions};
use crate::tools::failure::{Stop, Thrown};
use crate::tools::options::Given;
use crate::tools::print::{Rows, complain, pad, say, write};

pub(super) async fn describe(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let groups = chosen(given, admin).await?;
    let mut described: BTreeMap<String, GroupDescription> = BTreeMap::new();
    for (group, found) in groups.iter().zip(admin.describe_groups(&groups).await?) {
        let found = found.map_err(|refusal| Thrown::from(refusal).in_execution())?;
        if !(found.protocol_type.is_empty() || found.protocol_type == "consumer") {
            let message = format!("GroupId {group} is not a consumer group ({}).", found.protocol_type);
            return Err(Thrown::illegal(message).in_execution().into());
        }
        described.insert(group.clone(), found);
    }
    let mut rows = Rows::default();
    let verbose = given.has("verbose");
    for group in described.values() {
        if given.has("members") {
            if given.json() { json_members(&mut rows, group) } else { members(group, verbose)? }
        } else if given.has("state") {
            if given.json() { json_state(&mut rows, group) } else { state(group, verbose)? }
        } else {
            let lines = offset_lines(admin, group).await?;
            if given.json() { json_offsets(&mut rows, &lines) } else { offsets(group, &lines, verbose)? }
        }
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}

/// Says what is to be said of a group's state; whether its `count` rows are shown.
fn show(group: &GroupDescription, count: usize) -> Result<bool, Thrown> {
    let id = &group.group;
    match group.state.as_str() {
        "Dead" => error(format_args!("Consumer group '{id}' does not exist.")),
        "Empty" => complain(format_args!("\nConsumer group '{id}' has no active members.")),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            complain(format_args!("\nWarning: Consumer group '{id}' is rebalancing."));
        }
        "Stable" => {}
        other => {
            let message = format!("Expected a valid consumer group state, but found '{other}'.");
            return Err(Thrown::new("org.apache.kafka.common.KafkaException", message));
        }
    }
    Ok(group.state != "Dead" && count > 0)
}

/// One line of the offsets: a partition with what is known of it.
struct Line<'a> {
    group: &'a str,
    partition: TopicPartition,
    epoch: Option<i32>,
    offset: Option<i64>,
    end: Option<i64>,
    member: Option<&'a GroupMember>,
}

impl Line<'_> {
    fn lag(&self) -> Option<i64> {
        Some(self.end? - self.offset?)
    }
}

async fn offset_lines<'a>(admin: &Admin, group: &'a GroupDescription) -> Result<Vec<Line<'a>>, Stop> {
    let committed = admin.group_offsets(&group.group).await.map_err(|error| Thrown::from(error).in_runtime())?;
    let committed = committed.map_err(|refusal| Thrown::from(refusal).in_runtime())?;
    let mut members: Vec<&GroupMember> = group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let assigned = |partition: &TopicPartition| members.iter().any(|member| member.assignment.contains(partition));
    let unassigned: Vec<TopicPartition> = committed.keys().filter(|partition| !assigned(partition)).cloned().collect();
    let owned = members.iter().map(|member| (Some(*member), member.assignment.clone()));
    let free = (!unassigned.is_empty()).then_some((None, unassigned));
    let mut lines = Vec::new();
    for (member, mut of_member) in owned.chain(free) {
        of_member.sort();
        let leaderless = partitions::leaderless(admin, &of_member).await?;
        let led: Vec<TopicPartition> = of_member.iter().filter(|p| !leaderless.contains(p)).cloned().collect();
        let ends = partitions::offsets(admin, &led, OffsetSpec::Latest).await?;
        for partition in of_member {
            let end = ends.iter().find(|(known, _)| *known == partition).and_then(|(_, end)| *end);
            let commit = committed.get(&partition);
            let (offset, epoch) = (commit.map(|c| c.offset), commit.and_then(|c| c.leader_epoch));
            lines.push(Line { group: &group.group, partition, epoch, offset, end, member });
        }
    }
    Ok(lines)
}

fn or_missing(value: Option<impl ToString>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

fn widest<'a>(least: usize, texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.encode_utf16().count()).max().unwrap_or(0).max(least)
}

fn offsets(group: &GroupDescription, lines: &[Line<'_>], verbose: bool) -> Result<(), Thrown> {
    if !show(group, lines.len())? {
        return Ok(());
    }
    let of_member = |line: &Line<'_>, field: fn(&GroupMember) -> &str| line.member.map_or(MISSING, field).to_owned();
    let cells = |line: &Line<'_>| {
        [
            line.group.to_owned(),
            line.partition.topic.to_string(),
            line.partition.partition.to_string(),
            or_missing(line.epoch),
            or_missing(line.offset),
            or_missing(line.end),
            or_missing(line.lag()),
            of_member(line, |m| &m.member_id),
            of_member(line, |m| &m.client_host),
            of_member(line, |m| &m.client_id),
        ]
    };
    let rows: Vec<[String; 10]> = lines.iter().map(cells).collect();
    let width = |column: usize| widest(15, rows.iter().map(|row| row[column].as_str()));
    let widths = [width(0), width(1), 10, 15, 15, 15, 15, width(7), width(8)];
    let print = |row: &[String; 10]| {
        let kept = row.iter().zip(widths).enumerate().filter(|(column, _)| verbose || *column != 3);
        let cells: String = kept.map(|(_, (cell, width))| format!("{} ", pad(cell, width))).collect();
        write(format_args!("\n{cells}{}", row[9]));
    };
    print(
        &[
            "GROUP",
            "TOPIC",
            "PARTITION",
            "LEADER-EPOCH",
            "CURRENT-OFFSET",
            "LOG-END-OFFSET",
            "LAG",
            "CONSUMER-ID",
            "HOST",
            "CLIENT-ID",
        ]
        .map(str::to_owned),
    );
    rows.iter().for_each(print);
    say("");
    Ok(())
}

/// `t:0,1;u:2`, sorted.
fn assignment(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return MISSING.to_owned();
    }
    let mut of_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    partitions.iter().for_each(|p| of_topic.entry(&p.topic).or_default().push(p.partition));
    let text = |(topic, mut numbers): (&str, Vec<i32>)| {
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    };
    of_topic.into_iter().map(text).collect::<Vec<String>>().join(";")
}

fn members(group: &GroupDescription, verbose: bool) -> Result<(), Thrown> {
    let all = &group.members;
    // Java widens the columns, and looks for static members, only in a group that it shows.
    let seen: &[GroupMember] = if show(group, all.len())? { all } else { &[] };
    let is_static = seen.iter().any(|member| member.instance_id.as_ref().is_some_and(|id| !id.is_empty()));
    let upgraded = |what| seen.iter().any(|member| member.upgraded == Some(what));
    let mixed = upgraded(false) && upgraded(true);
    let target = |member: &GroupMember| assignment(member.target_assignment.as_deref().unwrap_or_default());
    let widths = [
        widest(15, seen.iter().map(|_| group.group.as_str())),
        widest(15, seen.iter().map(|member| member.member_id.as_str())),
        widest(17, seen.iter().map(|member| member.instance_id.as_deref().unwrap_or_default())),
        widest(15, seen.iter().map(|member| member.client_host.as_str())),
        widest(15, seen.iter().map(|member| member.client_id.as_str())),
        15,
        15,
        seen.iter().map(|member| assignment(&member.assignment).len()).max().unwrap_or(0).max(20),
        15,
        seen.iter().map(|member| target(member).len()).max().unwrap_or(0).max(20),
    ];
    let line = |cells: [String; 11]| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let shown = match column {
                2 => is_static,
                6.. => verbose,
                _ => true,
            };
            if shown {
                let gap = if column == 9 && !mixed { "" } else { " " };
                line.push_str(&format!("{}{gap}", pad(cell, width)));
            }
        }
        if verbose && mixed {
            line.push_str(&cells[10]);
        }
        say(line);
    };
    say("");
    line(
        [
            "GROUP",
            "CONSUMER-ID",
            "GROUP-INSTANCE-ID",
            "HOST",
            "CLIENT-ID",
            "#PARTITIONS",
            "CURRENT-EPOCH",
            "CURRENT-ASSIGNMENT",
            "TARGET-EPOCH",
            "TARGET-ASSIGNMENT",
            "UPGRADED",
        ]
        .map(str::to_owned),
    );
    for member in all {
        line([
            group.group.clone(),
            member.member_id.clone(),
            member.instance_id.clone().unwrap_or_default(),
            member.client_host.clone(),
            member.client_id.clone(),
            member.assignment.len().to_string(),
            or_missing(member.epoch),
            assignment(&member.assignment),
            or_missing(group.target_assignment_epoch),
            target(member),
            or_missing(member.upgraded),
        ]);
    }
    Ok(())
}

fn state(group: &GroupDescription, verbose: bool) -> Result<(), Thrown> {
    if !show(group, 1)? {
        return Ok(());
    }
    let address = &group.coordinator.address;
    let coordinator = format!("{}:{}  ({})", address.host, address.port, group.coordinator.id);
    let assignor = if group.assignor.is_empty() { MISSING } else { &group.assignor };
    let widths = [
        widest(15, [group.group.as_str()].into_iter()),
        widest(25, [coordinator.as_str()].into_iter()),
        20,
        20,
        15,
        25,
    ];
    let line = |cells: [&str; 7]| {
        let kept = cells.iter().zip(widths).enumerate().filter(|(column, _)| verbose || *column < 4);
        let line: String = kept.map(|(_, (cell, width))| format!("{} ", pad(cell, width))).collect();
        write(format_args!("\n{line}{}", cells[6]));
    };
    line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]);
    let (epoch, target) = (or_missing(group.epoch), or_missing(group.target_assignment_epoch));
    let count = group.members.len().to_string();
    line([&group.group, &coordinator, assignor, &group.state, &epoch, &target, &count]);
    say("");
    Ok(())
}

fn json_offsets(rows: &mut Rows, lines: &[Line<'_>]) {
    for line in lines {
        rows.row([
            ("group", json!(line.group)),
            ("topic", json!(*line.partition.topic)),
            ("partition", json!(line.partition.partition)),
            ("leaderEpoch", json!(line.epoch)),
            ("currentOffset", json!(line.offset)),
            ("logEndOffset", json!(line.end)),
            ("lag", json!(line.lag())),
            ("consumerId", json!(line.member.map(|member| &member.member_id))),
            ("host", json!(line.member.map(|member| &member.client_host))),
            ("clientId", json!(line.member.map(|member| &member.client_id))),
        ]);
    }
}

fn json_members(rows: &mut Rows, group: &GroupDescription) {
    let partitions = |all: &[TopicPartition]| -> Value {
        all.iter().map(|p| json!({"topic": *p.topic, "partition": p.partition})).collect()
    };
    for member in &group.members {
        rows.row([
            ("group", json!(group.group)),
            ("consumerId", json!(member.member_id)),
            ("groupInstanceId", json!(member.instance_id)),
            ("host", json!(member.client_host)),
            ("clientId", json!(member.client_id)),
            ("currentEpoch", json!(member.epoch)),
            ("currentAssignment", partitions(&member.assignment)),
            ("targetEpoch", json!(group.target_assignment_epoch)),
            ("targetAssignment", member.target_assignment.as_deref().map_or(Value::Null, partitions)),
            ("upgraded", json!(member.upgraded)),
        ]);
    }
}

fn json_state(rows: &mut Rows, group: &GroupDescription) {
    rows.row([
        ("group", json!(group.group)),
        ("coordinator", json!(group.coordinator.address.to_string())),
        ("coordinatorId", json!(group.coordinator.id)),
        ("assignmentStrategy", json!(group.assignor)),
        ("state", json!(group.state)),
        ("groupEpoch", json!(group.epoch)),
        ("targetAssignmentEpoch", json!(group.target_assignment_epoch)),
        ("members", json!(group.members.len())),
    ]);
}
