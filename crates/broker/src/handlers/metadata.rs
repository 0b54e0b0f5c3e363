//! Metadata: brokers, topics, leaders. A topic that is asked for and missing is created on the way, if the broker and the
//! client both want that; the answer then waits for the topic, so that the client need not ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_metadata::controller::invalid_topic_name;
use andiron_metadata::image::{NO_LEADER, Partition};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use andiron_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};

use super::{Call, Owed};
use crate::authorize::{self, NO_OPERATIONS, Operation, Resource, authorize};
use crate::node::Node;
use crate::session::Principal;
use crate::topics::{Snapshot, is_internal};

/// What is left of a call when its answer has to wait.
struct Question {
    request: MetadataRequest,
    listener: String,
    principal: Principal,
    version: i16,
}

pub(super) fn handle(call: &Call<'_>, request: MetadataRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let create =
        call.node.config().auto_create_topics_enable && (call.version < 4 || request.allow_auto_topic_creation);
    let mut missing = BTreeSet::new();
    if create && !asks_for_all(&request, call.version) {
        for name in request.topics.iter().flatten().filter_map(|topic| topic.name.as_ref()) {
            let wanted = snapshot.topic(name).is_none() && invalid_topic_name(name).is_none();
            if wanted && authorize(&call.session.principal, Operation::Create, Resource::Topic(name)) {
                missing.insert(name.to_string());
            }
        }
    }
    let question = Question {
        request,
        listener: call.session.listener.clone(),
        principal: call.session.principal.clone(),
        version: call.version,
    };
    if missing.is_empty() {
        owed.send(&answer(&snapshot, &question, &BTreeMap::new()));
        return;
    }
    let node = Arc::clone(call.node);
    call.node.create_automatically(
        missing.into_iter().collect(),
        call.now,
        Box::new(move |errors| owed.send(&answer(&Node::snapshot(&node), &question, &errors))),
    );
}

/// Version 0 asks for all topics with an empty list, later ones with none.
fn asks_for_all(request: &MetadataRequest, version: i16) -> bool {
    match &request.topics {
        None => true,
        Some(topics) => version == 0 && topics.is_empty(),
    }
}

fn answer(snapshot: &Snapshot, question: &Question, refused: &BTreeMap<String, ErrorCode>) -> MetadataResponse {
    let Question { request, listener, principal, version } = question;
    let image = &snapshot.image;
    let brokers = image.live_brokers().filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        let mut answer = MetadataResponseBroker::default()
            .with_node_id(BrokerId(broker.id))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port));
        if *version >= 1 {
            answer = answer.with_rack(broker.rack.clone().map(StrBytes::from_string));
        }
        Some(answer)
    });
    let brokers: Vec<MetadataResponseBroker> = brokers.collect();
    let operations = request.include_topic_authorized_operations;
    let described = |name: &str| {
        authorize(principal, Operation::Describe, Resource::Topic(name))
            .then(|| topic(snapshot, name, operations))
            .flatten()
    };
    let topics: Vec<MetadataResponseTopic> = if asks_for_all(request, *version) {
        image.topics().filter_map(|topic| described(&topic.name)).collect()
    } else {
        request.topics.iter().flatten().map(|asked| one(snapshot, asked, &described, refused)).collect()
    };
    // A client needs some broker to send its admin requests to; this one takes them all.
    let controller = image.controller_id().or_else(|| brokers.first().map(|b| b.node_id.0)).unwrap_or(-1);
    let mut answer = MetadataResponse::default().with_brokers(brokers).with_topics(topics);
    if *version >= 1 {
        answer = answer.with_controller_id(BrokerId(controller));
    }
    if *version >= 2 {
        answer = answer.with_cluster_id(Some(StrBytes::from_string(image.cluster_id().to_owned())));
    }
    if (8..=10).contains(version) && request.include_cluster_authorized_operations {
        answer = answer.with_cluster_authorized_operations(authorize::CLUSTER_OPERATIONS);
    }
    answer
}

fn one(
    snapshot: &Snapshot,
    asked: &MetadataRequestTopic,
    described: &dyn Fn(&str) -> Option<MetadataResponseTopic>,
    refused: &BTreeMap<String, ErrorCode>,
) -> MetadataResponseTopic {
    let blank = |error: ErrorCode| MetadataResponseTopic::default().with_error_code(error.code());
    let Some(name) = &asked.name else {
        let found = snapshot.topic_by_id(asked.topic_id).and_then(|entry| described(&entry.name));
        return found.unwrap_or_else(|| blank(ErrorCode::UnknownTopicId).with_name(None).with_topic_id(asked.topic_id));
    };
    described(name).unwrap_or_else(|| {
        let error = if invalid_topic_name(name).is_none() {
            refused.get(name.as_str()).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition)
        } else {
            ErrorCode::InvalidTopicException
        };
        blank(error).with_name(Some(name.clone())).with_is_internal(is_internal(name))
    })
}

fn topic(snapshot: &Snapshot, name: &str, operations: bool) -> Option<MetadataResponseTopic> {
    let topic = snapshot.image.topic(name)?;
    let partitions =
        (0..).zip(&topic.partitions).map(|(index, partition)| described_partition(snapshot, index, partition));
    let answer = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(topic.id)
        .with_is_internal(is_internal(name))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(if operations { authorize::TOPIC_OPERATIONS } else { NO_OPERATIONS });
    Some(answer)
}

fn described_partition(snapshot: &Snapshot, index: i32, partition: &Partition) -> MetadataResponsePartition {
    let error = if partition.leader == NO_LEADER { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
    MetadataResponsePartition::default()
        .with_error_code(error.code())
        .with_partition_index(index)
        .with_leader_id(BrokerId(partition.leader))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(ids(&partition.replicas))
        .with_isr_nodes(ids(&partition.isr))
        .with_offline_replicas(offline(snapshot, partition))
}

pub(super) fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// Replicas on brokers that are not there.
pub(super) fn offline(snapshot: &Snapshot, partition: &Partition) -> Vec<BrokerId> {
    let gone = |id: &&i32| snapshot.image.broker(**id).is_none_or(|broker| broker.fenced);
    partition.replicas.iter().filter(gone).copied().map(BrokerId).collect()
}
