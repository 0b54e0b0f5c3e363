//! DescribeQuorum: who votes on the metadata log, who leads it and how far everybody is.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::describe_quorum_request::TopicData as Asked;
use andiron_protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use andiron_protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::node::METADATA_TOPIC;

pub(super) fn handle(call: &Call<'_>, request: DescribeQuorumRequest, owed: Owed) {
    let answer = DescribeQuorumResponse::default();
    // What is wrong is said in words from version 2 on.
    let words = |error: ErrorCode| (call.version >= 2).then(|| StrBytes::from_string(error.message()));
    if !authorize(&call.session.principal, Operation::Describe, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        owed.send(&answer.with_error_code(error.code()).with_error_message(words(error)));
        return;
    }
    let asks_for_the_one = matches!(
        request.topics.as_slice(),
        [topic] if topic.topic_name.as_str() == METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [partition] if partition.partition_index == 0)
    );
    if !asks_for_the_one {
        let error = ErrorCode::UnknownTopicOrPartition;
        let topic = |topic: &Asked| {
            let partition = |p: &andiron_protocol::messages::describe_quorum_request::PartitionData| {
                PartitionData::default()
                    .with_partition_index(p.partition_index)
                    .with_error_code(error.code())
                    .with_error_message(words(error))
            };
            TopicData::default()
                .with_topic_name(topic.topic_name.clone())
                .with_partitions(topic.partitions.iter().map(partition).collect())
        };
        owed.send(&answer.with_topics(request.topics.iter().map(topic).collect()));
        return;
    }
    let quorum = call.node.quorum();
    let voter = |(id, directory): (i32, andiron_protocol::Uuid)| {
        let voter = ReplicaState::default().with_replica_id(BrokerId(id)).with_log_end_offset(quorum.log_end);
        let voter = if call.version >= 2 { voter.with_replica_directory_id(directory) } else { voter };
        if call.version >= 1 {
            voter.with_last_fetch_timestamp(call.now).with_last_caught_up_timestamp(call.now)
        } else {
            voter
        }
    };
    let partition = PartitionData::default()
        .with_partition_index(0)
        .with_error_message(None)
        .with_leader_id(BrokerId(quorum.leader))
        .with_leader_epoch(quorum.epoch)
        .with_high_watermark(quorum.high_watermark)
        .with_current_voters(quorum.voters.iter().copied().map(voter).collect());
    let topic = request.topics.into_iter().next().unwrap_or_default();
    let topic = TopicData::default().with_topic_name(topic.topic_name).with_partitions(vec![partition]);
    let mut answer = answer.with_error_message(None).with_topics(vec![topic]);
    if call.version >= 2 {
        let listener = |l: crate::config::Listener| {
            Listener::default()
                .with_name(StrBytes::from_string(l.name))
                .with_host(StrBytes::from_string(l.host))
                .with_port(l.port)
        };
        let listeners = call.node.config().endpoints(true).into_iter().map(listener).collect();
        answer =
            answer.with_nodes(vec![Node::default().with_node_id(BrokerId(quorum.leader)).with_listeners(listeners)]);
    }
    owed.send(&answer);
}
