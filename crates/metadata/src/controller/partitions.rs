//! Who leads a partition as brokers come and go, and new partitions of topics that exist.

use std::collections::BTreeSet;

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use andiron_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use andiron_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::topics::{check_manual_replicas, new_partition, place};
use super::{Refusal, words};
use crate::image::{Image, NO_LEADER, Partition};
use crate::limits::PARTITIONS_PER_REQUEST_MAX;
use crate::records::{PartitionChangeRecord, Record};

/// The broker may lead no more: each partition that it led or was in sync for goes on without it. The last one in sync
/// stays on record as the one who may lead again: in the ISR, or with eligible leader replicas in those.
pub(super) fn leave(image: &Image, broker: i32, records: &mut Vec<Record>) {
    let active = |id: i32| id != broker && image.broker(id).is_some_and(|b| b.is_active());
    for topic in image.topics() {
        for (number, partition) in (0..).zip(&topic.partitions) {
            if partition.leader != broker && !partition.isr.contains(&broker) {
                continue;
            }
            let mut change = Partition::no_change(topic.id, number);
            let isr: Vec<i32> = partition.isr.iter().copied().filter(|id| *id != broker).collect();
            if partition.leader == broker {
                let next = partition.replicas.iter().copied().find(|id| isr.contains(id) && active(*id));
                change.leader = next.unwrap_or(NO_LEADER);
            }
            if !isr.is_empty() {
                change.isr = Some(isr);
            } else if image.elr_enabled() {
                change.isr = Some(isr);
                change.eligible_leader_replicas = Some(vec![broker]);
                change.last_known_elr = Some(vec![broker]);
            }
            records.push(change.into());
        }
    }
}

/// The broker may lead again: it leads what nobody leads, if it is the one who may.
pub(super) fn come(image: &Image, broker: i32, records: &mut Vec<Record>) {
    for topic in image.topics() {
        for (number, partition) in (0..).zip(&topic.partitions) {
            if partition.leader == NO_LEADER
                && let Some(change) = lead(topic.id, number, partition, broker)
            {
                records.push(change.into());
            }
        }
    }
}

fn lead(
    topic: andiron_protocol::Uuid,
    number: i32,
    partition: &Partition,
    broker: i32,
) -> Option<PartitionChangeRecord> {
    let mut change = PartitionChangeRecord { leader: broker, ..Partition::no_change(topic, number) };
    if partition.isr.contains(&broker) {
        return Some(change);
    }
    if !partition.isr.is_empty() {
        return None;
    }
    change.isr = Some(vec![broker]);
    if partition.elr.contains(&broker) {
        change.eligible_leader_replicas = Some(Vec::new());
    } else if partition.elr.is_empty() && partition.last_known_elr.contains(&broker) {
        // Nobody is known to have everything; the last one who had is as good as there will be.
        change.leader_recovery_state = 1;
    } else {
        return None;
    }
    if !partition.last_known_elr.is_empty() {
        change.last_known_elr = Some(Vec::new());
    }
    Some(change)
}

pub(super) fn create(image: &Image, request: &CreatePartitionsRequest) -> (Vec<Record>, CreatePartitionsResponse) {
    let mut records = Vec::new();
    let mut results = Vec::new();
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<&str> =
        request.topics.iter().filter(|topic| !seen.insert(topic.name.as_str())).map(|t| t.name.as_str()).collect();
    let mut told = BTreeSet::new();
    for topic in &request.topics {
        let outcome = if twice.contains(topic.name.as_str()) {
            if !told.insert(topic.name.as_str()) {
                continue;
            }
            Err((ErrorCode::InvalidRequest, Some("Duplicate topic name.".into())))
        } else {
            create_one(image, topic, records.len())
        };
        let (code, message) = match outcome {
            Ok(new) => {
                if !request.validate_only {
                    records.extend(new);
                }
                (ErrorCode::None, None)
            }
            Err(refusal) => refusal,
        };
        let result = CreatePartitionsTopicResult::default()
            .with_name(topic.name.clone())
            .with_error_code(code.code())
            .with_error_message(words(message));
        results.push(result);
    }
    (records, CreatePartitionsResponse::default().with_results(results))
}

fn create_one(image: &Image, request: &CreatePartitionsTopic, before: usize) -> Result<Vec<Record>, Refusal> {
    let topic = image.topic(&request.name).ok_or((ErrorCode::UnknownTopicOrPartition, None))?;
    let now = topic.partitions.len();
    let invalid = |message: String| (ErrorCode::InvalidPartitions, Some(message));
    let wanted = usize::try_from(request.count).unwrap_or(0);
    if wanted == now {
        return Err(invalid(format!("Topic already has {now} partition(s).")));
    }
    if wanted < now {
        return Err(invalid(format!(
            "The topic {} currently has {now} partition(s); {} would not be an increase.",
            topic.name, request.count
        )));
    }
    let more = wanted - now;
    if before + more > PARTITIONS_PER_REQUEST_MAX {
        // Kafka has a complaint of its own for CreateTopics, but stumbles here.
        return Err((ErrorCode::UnknownServerError, None));
    }
    let replicas_of_first = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    let placements = match &request.assignments {
        Some(assignments) => {
            if assignments.len() != more {
                let message = format!(
                    "Attempted to add {more} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                );
                return Err((ErrorCode::InvalidReplicaAssignment, Some(message)));
            }
            let lists = assignments.iter().map(|a| a.broker_ids.iter().map(|id| id.0).collect::<Vec<i32>>());
            let lists: Vec<Vec<i32>> = lists.collect();
            for replicas in &lists {
                check_manual_replicas(image, replicas, Some(replicas_of_first))?;
            }
            lists
        }
        None => place(image, now, more, replicas_of_first).map_err(|message| {
            let message = format!("Unable to replicate the partition {replicas_of_first} time(s): {message}");
            (ErrorCode::InvalidReplicationFactor, Some(message))
        })?,
    };
    let mut records = Vec::with_capacity(more);
    for (number, replicas) in (now as i32..).zip(placements) {
        records.push(new_partition(image, topic.id, number, replicas)?.into());
    }
    Ok(records)
}
