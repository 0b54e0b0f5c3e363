//! DescribeProducers: the producers that partitions know, and where their open transactions begin.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use andiron_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use andiron_storage::ProducerEntry;

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn handle(call: &Call<'_>, request: DescribeProducersRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let topics = request.topics.into_iter().map(|topic| {
        let entry = if authorize(&call.session.principal, Operation::Read, Resource::Topic(&topic.name)) {
            snapshot.topic(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
        } else {
            Err(ErrorCode::TopicAuthorizationFailed)
        };
        let partitions = topic.partition_indexes.into_iter().map(|index| {
            let answer = PartitionResponse::default().with_partition_index(index);
            let producers = entry.and_then(|entry| {
                let shard = entry.shard(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
                shard.producers().ok_or(ErrorCode::NotLeaderOrFollower)
            });
            match producers {
                Ok(producers) => answer.with_active_producers(producers.iter().map(shown).collect()),
                Err(error) => answer.with_error_code(error.code()),
            }
        });
        TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    owed.send(&DescribeProducersResponse::default().with_topics(topics.collect()));
}

fn shown((id, entry): &(i64, ProducerEntry)) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(*id))
        .with_producer_epoch(i32::from(entry.epoch))
        .with_last_sequence(entry.last_sequence())
        .with_last_timestamp(entry.last_timestamp)
        .with_coordinator_epoch(entry.coordinator_epoch)
        .with_current_txn_start_offset(entry.current_txn_first_offset.unwrap_or(-1))
}
