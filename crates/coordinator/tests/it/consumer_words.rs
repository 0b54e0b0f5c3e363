//! The words of stories about consumer groups.

use std::collections::BTreeMap;

use andiron_coordinator::record::membership::{Change, GroupChange};
use andiron_metadata::image::Image;
use andiron_metadata::records::{PartitionRecord, RemoveTopicRecord, TopicRecord};
use andiron_protocol::messages::consumer_group_describe_response::Assignment as Described;
use andiron_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use andiron_protocol::messages::{
    ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use uuid::Uuid;

use crate::stage::{Words, code, group, text};

/// The id of a topic in stories: its name is enough to know it.
pub fn topic_id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[0] = 0x70;
    for (at, byte) in name.bytes().take(15).enumerate() {
        bytes[at + 1] = byte;
    }
    Uuid::from_bytes(bytes)
}

fn topic_name(id: Uuid) -> String {
    id.as_bytes()[1..].iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

/// The topics of the cluster, with how many partitions, as a new image; and which have changed, and whether one has come.
pub fn image(before: &Image, topics: &BTreeMap<String, i32>) -> (Image, Vec<String>, bool) {
    let mut image = before.clone();
    let (mut changed, mut grown) = (Vec::new(), false);
    let put = |image: &mut Image, record: andiron_metadata::records::Record| {
        image.apply(image.offset() + 1, &record).unwrap();
    };
    for topic in before.topics().filter(|topic| !topics.contains_key(&*topic.name)) {
        put(&mut image, RemoveTopicRecord { topic_id: topic.id }.into());
        changed.push(topic.name.to_string());
    }
    for (name, count) in topics {
        let known = before.topic(name).map_or(0, |topic| topic.partitions.len() as i32);
        if before.topic(name).is_none() {
            put(&mut image, TopicRecord { name: name.clone(), topic_id: topic_id(name) }.into());
            grown = true;
        }
        for partition_id in known..*count {
            let topic_id = topic_id(name);
            put(&mut image, PartitionRecord { partition_id, topic_id, ..Default::default() }.into());
        }
        if known != *count {
            changed.push(name.clone());
        }
    }
    (image, changed, grown)
}

/// `t:0.1,u:0` as partitions by topic id; `-` for none.
fn places(list: &str) -> Vec<(Uuid, Vec<i32>)> {
    let topics = list.split(',').filter(|topic| topic.contains(':')).map(|topic| {
        let (name, partitions) = topic.split_once(':').unwrap();
        (topic_id(name), partitions.split('.').map(|partition| partition.parse().unwrap()).collect())
    });
    topics.collect()
}

/// A heartbeat: `epoch=0` joins with what a first request must say, other epochs say only what is named.
pub fn heartbeat(words: &Words<'_>) -> ConsumerGroupHeartbeatRequest {
    let epoch = words.number("epoch", 0);
    let joins = epoch == 0;
    let topics = words.named.get("topics").map(|_| words.list("topics"));
    let topics = topics.or_else(|| (joins && !words.named.contains_key("regex")).then(Vec::new));
    let owned = words.named.get("owns").copied().or(joins.then_some("-"));
    let owned = owned.map(|owned| {
        let of = |(id, partitions)| TopicPartitions::default().with_topic_id(id).with_partitions(partitions);
        places(owned).into_iter().map(of).collect()
    });
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group(words))
        .with_member_id(words.text("as").unwrap_or_default())
        .with_member_epoch(epoch)
        .with_instance_id(words.text("instance"))
        .with_rack_id(words.text("rack"))
        .with_rebalance_timeout_ms(words.number("rebalance", if joins { 60_000 } else { -1 }))
        .with_subscribed_topic_names(
            topics.map(|all| all.into_iter().filter(|name| !name.is_empty()).map(|name| text(name).into()).collect()),
        )
        .with_subscribed_topic_regex(words.text("regex"))
        .with_server_assignor(words.text("assignor"))
        .with_topic_partitions(owned)
}

fn listed<'a>(topics: impl Iterator<Item = (Uuid, &'a [i32])>) -> String {
    let mut said: Vec<String> = topics
        .map(|(id, partitions)| {
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            format!("{}:{}", topic_name(id), partitions.join("."))
        })
        .collect();
    said.sort();
    if said.is_empty() { "-".to_owned() } else { said.join(",") }
}

/// The answer to a heartbeat.
pub fn beaten(a: &ConsumerGroupHeartbeatResponse) -> String {
    if a.error_code != 0 {
        let message = a.error_message.as_deref().map(|message| format!(" \"{message}\"")).unwrap_or_default();
        return format!("beat {}{message}", code(a.error_code));
    }
    let has = a.assignment.as_ref().map(|assignment| {
        let topics = assignment.topic_partitions.iter().map(|topic| (topic.topic_id, &*topic.partitions));
        format!(" has={}", listed(topics))
    });
    let id = a.member_id.as_deref().unwrap_or("null");
    format!("beat ok member={id} epoch={}{}", a.member_epoch, has.unwrap_or_default())
}

/// The answer to ConsumerGroupDescribe.
pub fn described(a: &ConsumerGroupDescribeResponse) -> Vec<String> {
    let mut lines = Vec::new();
    let say = |assignment: &Described| {
        listed(assignment.topic_partitions.iter().map(|topic| (topic.topic_id, &*topic.partitions)))
    };
    for g in &a.groups {
        if g.error_code != 0 {
            let message = g.error_message.as_deref().unwrap_or("null");
            lines.push(format!("describe-consumer {} {} \"{message}\"", &**g.group_id, code(g.error_code)));
            continue;
        }
        lines.push(format!(
            "describe-consumer {} {} epoch={} target={} assignor={}",
            &**g.group_id, &*g.group_state, g.group_epoch, g.assignment_epoch, &*g.assignor_name
        ));
        for m in &g.members {
            let instance = m.instance_id.as_deref().map(|i| format!(" instance={i}")).unwrap_or_default();
            let topics: Vec<&str> = m.subscribed_topic_names.iter().map(|topic| topic.as_str()).collect();
            let regex = m.subscribed_topic_regex.as_deref().filter(|regex| !regex.is_empty());
            let regex = regex.map(|regex| format!(" regex={regex}")).unwrap_or_default();
            lines.push(format!(
                "  {}{instance} type={} epoch={} topics={}{regex} has={} target={}",
                &*m.member_id,
                m.member_type,
                m.member_epoch,
                topics.join(","),
                say(&m.assignment),
                say(&m.target_assignment)
            ));
        }
    }
    lines
}

/// A record of a consumer group.
pub fn record(said: &GroupChange) -> String {
    let (what, gone) = match &said.change {
        Change::Epoch(Some(value)) => (format!("epoch={}", value.epoch), false),
        Change::Epoch(None) => ("epoch".to_owned(), true),
        Change::Topics(value) => ("topics".to_owned(), value.is_none()),
        Change::Member(id, Some(value)) => {
            let regex = value.subscribed_topic_regex.as_deref().filter(|regex| !regex.is_empty());
            let regex = regex.map(|regex| format!(" regex={regex}")).unwrap_or_default();
            let classic = if value.classic_member_metadata.0.is_some() { " classic" } else { "" };
            (format!("member {id} topics={}{regex}{classic}", value.subscribed_topic_names.join(",")), false)
        }
        Change::Member(id, None) => (format!("member {id}"), true),
        Change::TargetEpoch(Some(value)) => (format!("target epoch={}", value.assignment_epoch), false),
        Change::TargetEpoch(None) => ("target epoch".to_owned(), true),
        Change::Target(id, Some(value)) => {
            let topics = value.topic_partitions.iter().map(|topic| (topic.topic_id, &*topic.partitions));
            (format!("target {id} {}", listed(topics)), false)
        }
        Change::Target(id, None) => (format!("target {id}"), true),
        Change::Current(id, Some(value)) => {
            let has = value.assigned_partitions.iter().map(|topic| (topic.topic_id, &*topic.partitions));
            let gives = value.partitions_pending_revocation.iter().map(|topic| (topic.topic_id, &*topic.partitions));
            let state = ["stable", "unrevoked", "unreleased"].get(value.state as usize).unwrap_or(&"unknown");
            let (from, to) = (value.previous_member_epoch, value.member_epoch);
            (format!("current {id} {state} {from}->{to} has={} gives={}", listed(has), listed(gives)), false)
        }
        Change::Current(id, None) => (format!("current {id}"), true),
        Change::Pattern(pattern, Some(value)) => {
            (format!("pattern {pattern} topics={}", value.topics.join(",")), false)
        }
        Change::Pattern(pattern, None) => (format!("pattern {pattern}"), true),
    };
    format!("{} {what}{}", said.group, if gone { " gone" } else { "" })
}
