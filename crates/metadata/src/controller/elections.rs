//! ElectLeaders: the preferred replica of a partition is to lead it, or any at all.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use andiron_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};

use super::{Refusal, words};
use crate::image::{Image, NO_LEADER, Partition};
use crate::records::{PartitionChangeRecord, Record};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(super) fn elect(image: &Image, request: &ElectLeadersRequest) -> (Vec<Record>, ElectLeadersResponse) {
    let mut records = Vec::new();
    let mut results = Vec::new();
    if !matches!(request.election_type, PREFERRED | UNCLEAN) {
        let response = ElectLeadersResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
        return (records, response);
    }
    let mut ask = |topic: &str, number: i32| {
        let (code, message) = match elect_one(image, topic, number, request.election_type) {
            Ok(change) => {
                records.push(change.into());
                (ErrorCode::None, None)
            }
            Err(refusal) => refusal,
        };
        (
            code,
            PartitionResult::default()
                .with_partition_id(number)
                .with_error_code(code.code())
                .with_error_message(words(message)),
        )
    };
    let result = |topic: TopicName, partitions: Vec<PartitionResult>| {
        ReplicaElectionResult::default().with_topic(topic).with_partition_result(partitions)
    };
    match &request.topic_partitions {
        Some(topics) => {
            for topic in topics {
                let partitions = topic.partitions.iter().map(|number| ask(&topic.topic, *number).1).collect();
                results.push(result(topic.topic.clone(), partitions));
            }
        }
        // Asked for all, nothing is said of those that have whom they should.
        None => {
            for topic in image.topics() {
                let numbers = 0..i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                let told = numbers.map(|number| ask(&topic.name, number));
                let told: Vec<PartitionResult> = told
                    .filter(|(code, _)| *code != ErrorCode::ElectionNotNeeded)
                    .map(|(_, partition)| partition)
                    .collect();
                results.push(result(TopicName(StrBytes::from_string(topic.name.to_string())), told));
            }
        }
    }
    (records, ElectLeadersResponse::default().with_replica_election_results(results))
}

fn elect_one(image: &Image, name: &str, number: i32, kind: i8) -> Result<PartitionChangeRecord, Refusal> {
    let unknown = |message: String| (ErrorCode::UnknownTopicOrPartition, Some(message));
    let topic = image.topic(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
    let partition = topic.partition(number).ok_or_else(|| unknown(format!("No such partition as {name}-{number}")))?;
    let has_whom_it_should = match kind {
        PREFERRED => partition.replicas.first() == Some(&partition.leader),
        _ => partition.leader != NO_LEADER,
    };
    if has_whom_it_should {
        return Err((ErrorCode::ElectionNotNeeded, None));
    }
    let change = Partition::no_change(topic.id, number);
    let active = |id: &i32| image.broker(*id).is_some_and(|broker| broker.is_active());
    if kind == PREFERRED {
        let preferred = partition.replicas.first().filter(|id| partition.isr.contains(id) && active(id));
        return match preferred {
            Some(leader) => Ok(PartitionChangeRecord { leader: *leader, ..change }),
            None => Err((ErrorCode::PreferredLeaderNotAvailable, None)),
        };
    }
    // One in sync is better than one that is not.
    let in_sync = partition.replicas.iter().find(|id| partition.isr.contains(id) && active(id));
    match in_sync.or_else(|| partition.replicas.iter().find(|id| active(id))) {
        Some(leader) if partition.isr.contains(leader) => Ok(PartitionChangeRecord { leader: *leader, ..change }),
        Some(leader) => {
            let gone = |ids: &Vec<i32>| (!ids.is_empty()).then(Vec::new);
            Ok(PartitionChangeRecord {
                leader: *leader,
                isr: Some(vec![*leader]),
                leader_recovery_state: 1,
                eligible_leader_replicas: gone(&partition.elr),
                last_known_elr: gone(&partition.last_known_elr),
                ..change
            })
        }
        None => Err((ErrorCode::EligibleLeadersNotAvailable, None)),
    }
}
