//! DescribeTopicPartitions: topics and their partitions page by page, in the order of names.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use andiron_protocol::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};

use super::metadata::{ids, offline};
use super::{Call, Owed};
use crate::authorize::{Operation, Resource, TOPIC_OPERATIONS, authorize};
use crate::limits::DESCRIBE_PARTITIONS_MAX;
use crate::topics::{Snapshot, is_internal};

pub(super) fn handle(call: &Call<'_>, request: DescribeTopicPartitionsRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, DESCRIBE_PARTITIONS_MAX);
    let (first_name, first_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index.max(0)),
        None => (String::new(), 0),
    };
    let mut names: Vec<String> = if request.topics.is_empty() {
        snapshot.image.topics().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    names.sort_unstable();
    names.dedup();
    names.retain(|name| *name >= first_name);
    let mut answer = DescribeTopicPartitionsResponse::default();
    let mut left = limit;
    for name in names {
        if left == 0 {
            answer.next_cursor = Some(cursor(&name, 0));
            break;
        }
        if !authorize(&call.session.principal, Operation::Describe, Resource::Topic(&name)) {
            answer.topics.push(refused(&name, ErrorCode::TopicAuthorizationFailed));
            continue;
        }
        let from = if name == first_name { first_partition } else { 0 };
        let Some((topic, rest)) = described(&snapshot, &name, from, left) else {
            answer.topics.push(refused(&name, ErrorCode::UnknownTopicOrPartition));
            continue;
        };
        left -= topic.partitions.len();
        answer.topics.push(topic);
        if let Some(next) = rest {
            answer.next_cursor = Some(cursor(&name, next));
            break;
        }
    }
    owed.send(&answer);
}

fn cursor(name: &str, partition: i32) -> Cursor {
    Cursor::default().with_topic_name(TopicName(StrBytes::from_string(name.to_owned()))).with_partition_index(partition)
}

fn refused(name: &str, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(is_internal(name))
}

/// Partitions from `from` on, as many as there is room for, and where the next page begins.
fn described(
    snapshot: &Snapshot,
    name: &str,
    from: i32,
    room: usize,
) -> Option<(DescribeTopicPartitionsResponseTopic, Option<i32>)> {
    let topic = snapshot.image.topic(name)?;
    let skipped = usize::try_from(from).unwrap_or(0);
    let partitions: Vec<_> = (0..)
        .zip(&topic.partitions)
        .skip(skipped)
        .take(room)
        .map(|(index, partition)| {
            DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(partition.leader))
                .with_leader_epoch(partition.leader_epoch)
                .with_replica_nodes(ids(&partition.replicas))
                .with_isr_nodes(ids(&partition.isr))
                .with_eligible_leader_replicas(Some(ids(&partition.elr)))
                .with_last_known_elr(Some(ids(&partition.last_known_elr)))
                .with_offline_replicas(offline(snapshot, partition))
        })
        .collect();
    let next = skipped + partitions.len();
    let rest = (next < topic.partitions.len()).then(|| i32::try_from(next).unwrap_or(i32::MAX));
    let answer = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal(name))
        .with_partitions(partitions)
        .with_topic_authorized_operations(TOPIC_OPERATIONS);
    Some((answer, rest))
}
