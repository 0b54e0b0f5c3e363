//! The replicas of a partition move to other brokers, or stop moving.

use andiron_protocol::ErrorCode;
use andiron_protocol::Uuid;
use andiron_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use andiron_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use andiron_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use super::topics::{check_manual_replicas, home};
use super::{Refusal, words};
use crate::image::{Image, Partition, Topic};
use crate::records::{PartitionChangeRecord, Record};

pub(super) fn alter(
    image: &Image,
    request: &AlterPartitionReassignmentsRequest,
) -> (Vec<Record>, AlterPartitionReassignmentsResponse) {
    let mut records = Vec::new();
    let mut responses = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let outcome = alter_one(image, &topic.name, asked, request.allow_replication_factor_change);
            let (code, message) = match outcome {
                Ok(change) => {
                    records.extend(change.map(Record::from));
                    (ErrorCode::None, None)
                }
                Err(refusal) => refusal,
            };
            let response = ReassignablePartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code.code())
                .with_error_message(words(message));
            partitions.push(response);
        }
        responses.push(ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions));
    }
    let response = AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(request.allow_replication_factor_change)
        .with_responses(responses);
    (records, response)
}

fn alter_one(
    image: &Image,
    name: &str,
    asked: &ReassignablePartition,
    may_change_factor: bool,
) -> Result<Option<PartitionChangeRecord>, Refusal> {
    let unknown = |message: String| (ErrorCode::UnknownTopicOrPartition, Some(message));
    let number = asked.partition_index;
    let topic = image.topic(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let partition =
        topic.partition(number).ok_or_else(|| unknown(format!("Unable to find partition {name}:{number}.")))?;
    match &asked.replicas {
        None => cancel(image, topic, number, partition).map(Some),
        Some(replicas) => {
            let wanted: Vec<i32> = replicas.iter().map(|id| id.0).collect();
            check_manual_replicas(image, &wanted, None)?;
            let before = at_rest(partition).len();
            if !may_change_factor && wanted.len() != before {
                let message = format!("The replication factor is changed from {before} to {}", wanted.len());
                return Err((ErrorCode::InvalidReplicationFactor, Some(message)));
            }
            Ok(change(image, topic, number, partition, &wanted))
        }
    }
}

/// The replicas without those that only a move brings.
fn at_rest(partition: &Partition) -> Vec<i32> {
    partition.replicas.iter().copied().filter(|id| !partition.adding_replicas.contains(id)).collect()
}

fn is_moving(partition: &Partition) -> bool {
    !partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty()
}

fn cancel(image: &Image, topic: &Topic, number: i32, partition: &Partition) -> Result<PartitionChangeRecord, Refusal> {
    if !is_moving(partition) {
        return Err((ErrorCode::NoReassignmentInProgress, None));
    }
    let back = at_rest(partition);
    let isr: Vec<i32> = partition.isr.iter().copied().filter(|id| back.contains(id)).collect();
    if isr.is_empty() {
        let message = "Unable to revert partition assignment, because none of the replicas are in the ISR.".to_string();
        return Err((ErrorCode::InvalidReplicaAssignment, Some(message)));
    }
    let mut record = Partition::no_change(topic.id, number);
    lead_from(image, &mut record, partition, &back, &isr);
    place(image, &mut record, partition, back);
    record.isr = (isr != partition.isr).then_some(isr);
    record.adding_replicas = (!partition.adding_replicas.is_empty()).then(Vec::new);
    record.removing_replicas = (!partition.removing_replicas.is_empty()).then(Vec::new);
    Ok(record)
}

fn change(
    image: &Image,
    topic: &Topic,
    number: i32,
    partition: &Partition,
    wanted: &[i32],
) -> Option<PartitionChangeRecord> {
    let now = at_rest(partition);
    let adding: Vec<i32> = wanted.iter().copied().filter(|id| !now.contains(id)).collect();
    let removing: Vec<i32> = now.iter().copied().filter(|id| !wanted.contains(id)).collect();
    let mut record = Partition::no_change(topic.id, number);
    let unchanged = record.clone();
    let isr: Vec<i32> = partition.isr.iter().copied().filter(|id| wanted.contains(id)).collect();
    let differs = |new: &Vec<i32>, old: &Vec<i32>| (new != old).then(|| new.clone());
    if !isr.is_empty() && adding.iter().all(|id| isr.contains(id)) {
        // Whoever is to come is there already: the move is over before it begins.
        lead_from(image, &mut record, partition, wanted, &isr);
        record.isr = differs(&isr, &partition.isr);
        record.adding_replicas = differs(&Vec::new(), &partition.adding_replicas);
        record.removing_replicas = differs(&Vec::new(), &partition.removing_replicas);
        place(image, &mut record, partition, wanted.to_vec());
    } else {
        let mut all = wanted.to_vec();
        all.extend(removing.iter().copied());
        record.adding_replicas = differs(&adding, &partition.adding_replicas);
        record.removing_replicas = differs(&removing, &partition.removing_replicas);
        place(image, &mut record, partition, all);
    }
    (record != unchanged).then_some(record)
}

/// Names a leader among those who stay, if the one there is does not.
fn lead_from(image: &Image, record: &mut PartitionChangeRecord, partition: &Partition, stay: &[i32], isr: &[i32]) {
    if !stay.contains(&partition.leader) {
        let active = |id: &&i32| isr.contains(id) && image.broker(**id).is_some_and(|broker| broker.is_active());
        record.leader = stay.iter().find(active).copied().unwrap_or(crate::image::NO_LEADER);
    }
}

/// Puts the replicas where they are or, if they are new, where their broker has them.
fn place(image: &Image, record: &mut PartitionChangeRecord, partition: &Partition, replicas: Vec<i32>) {
    if replicas == partition.replicas {
        return;
    }
    let directories: Vec<Uuid> =
        replicas.iter().map(|id| partition.directory(*id).unwrap_or_else(|| home(image, *id))).collect();
    record.directories = (directories != partition.directories).then_some(directories);
    record.replicas = Some(replicas);
}
