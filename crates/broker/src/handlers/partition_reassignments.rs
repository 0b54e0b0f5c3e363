//! AlterPartitionReassignments and ListPartitionReassignments: replicas that move, and those that are on their way.

use andiron_metadata::controller::{Request, Response};
use andiron_metadata::image::Topic;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use andiron_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, TopicName,
};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn alter(call: &Call<'_>, request: AlterPartitionReassignmentsRequest, owed: Owed) {
    let failed = |error: ErrorCode| {
        AlterPartitionReassignmentsResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(error.message())))
    };
    if !authorize(&call.session.principal, Operation::Alter, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let version = call.version;
    let answer = move |answered| match answered {
        Response::AlterPartitionReassignments(answer) => Some(if version >= 1 {
            answer.with_error_message(None)
        } else {
            answer.with_error_message(None).with_allow_replication_factor_change(true)
        }),
        _ => None,
    };
    forward(call, Request::AlterPartitionReassignments(request), owed, answer, failed);
}

pub(super) fn list(call: &Call<'_>, request: ListPartitionReassignmentsRequest, owed: Owed) {
    let answer = ListPartitionReassignmentsResponse::default();
    if !authorize(&call.session.principal, Operation::Describe, Resource::Cluster) {
        owed.send(&answer.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()));
        return;
    }
    let snapshot = call.node.snapshot();
    let topics: Vec<OngoingTopicReassignment> = match &request.topics {
        Some(asked) => {
            let named = asked.iter().filter_map(|asked| {
                let topic = snapshot.image.topic(&asked.name)?;
                moving(topic, &mut asked.partition_indexes.iter().copied())
            });
            named.collect()
        }
        None => snapshot.image.topics().filter_map(|topic| moving(topic, &mut (0..count(topic)))).collect(),
    };
    owed.send(&answer.with_error_message(None).with_topics(topics));
}

fn count(topic: &Topic) -> i32 {
    i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)
}

/// Those of the partitions whose replicas are on their way, if there are any.
fn moving(topic: &Topic, numbers: &mut dyn Iterator<Item = i32>) -> Option<OngoingTopicReassignment> {
    let ids = |ids: &[i32]| ids.iter().map(|id| BrokerId(*id)).collect::<Vec<_>>();
    let partitions = numbers.filter_map(|number| {
        let partition = topic.partition(number)?;
        (!partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty()).then(|| {
            OngoingPartitionReassignment::default()
                .with_partition_index(number)
                .with_replicas(ids(&partition.replicas))
                .with_adding_replicas(ids(&partition.adding_replicas))
                .with_removing_replicas(ids(&partition.removing_replicas))
        })
    });
    let partitions: Vec<_> = partitions.collect();
    let name = TopicName(StrBytes::from_string(topic.name.to_string()));
    (!partitions.is_empty()).then(|| OngoingTopicReassignment::default().with_name(name).with_partitions(partitions))
}
