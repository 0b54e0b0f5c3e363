//! The APIs of groups, of both protocols. Each finds the coordinator that keeps the group and hands the request to it; the
//! answer comes when the coordinator gives it, which for a join may be when the last member has come.

use andiron_coordinator::{GroupOffsets, Request, Response};
use andiron_metadata::features;
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use andiron_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use andiron_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, OffsetDeleteRequest, OffsetDeleteResponse, consumer_group_describe_response,
};
use andiron_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, SyncGroupRequest, SyncGroupResponse,
};
use andiron_protocol::messages::{delete_groups_response, describe_groups_response};

use super::named::Order;
use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::gather::Gather;
use crate::groups::{self, Asked};

/// Hands a request about one group to its coordinator; `refuse` makes the answer when there is none.
fn ask<A>(
    call: &Call<'_>,
    group: &GroupId,
    request: Request,
    owed: Owed,
    pick: fn(Response) -> Option<A>,
    refuse: fn(ErrorCode) -> A,
) where
    A: andiron_protocol::kafka::protocol::Encodable + andiron_protocol::kafka::protocol::HeaderVersion + 'static,
{
    if !authorize(&call.session.principal, Operation::Read, Resource::Group(group)) {
        owed.send(&refuse(ErrorCode::GroupAuthorizationFailed));
        return;
    }
    let answer = move |asked: Asked| match asked {
        Ok(response) => match pick(response) {
            Some(answer) => owed.send(&answer),
            None => tracing::error!("the group coordinator answered another question"),
        },
        Err(error) => owed.send(&refuse(error)),
    };
    groups::ask(call, group, request, Box::new(answer));
}

macro_rules! picked {
    ($kind:ident) => {
        |response| match response {
            Response::$kind(answer) => Some(answer),
            _ => None,
        }
    };
}

pub(super) fn join(call: &Call<'_>, request: JoinGroupRequest, owed: Owed) {
    let group = request.group_id.clone();
    ask(call, &group, Request::JoinGroup(request), owed, picked!(JoinGroup), |error| {
        JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1)
    });
}

pub(super) fn sync(call: &Call<'_>, request: SyncGroupRequest, owed: Owed) {
    let group = request.group_id.clone();
    ask(call, &group, Request::SyncGroup(request), owed, picked!(SyncGroup), |error| {
        SyncGroupResponse::default().with_error_code(error.code())
    });
}

pub(super) fn heartbeat(call: &Call<'_>, request: HeartbeatRequest, owed: Owed) {
    let group = request.group_id.clone();
    ask(call, &group, Request::Heartbeat(request), owed, picked!(Heartbeat), |error| {
        HeartbeatResponse::default().with_error_code(error.code())
    });
}

pub(super) fn leave(call: &Call<'_>, request: LeaveGroupRequest, owed: Owed) {
    let group = request.group_id.clone();
    ask(call, &group, Request::LeaveGroup(request), owed, picked!(LeaveGroup), |error| {
        LeaveGroupResponse::default().with_error_code(error.code())
    });
}

pub(super) fn offset_commit(call: &Call<'_>, mut request: OffsetCommitRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    for topic in &mut request.topics {
        // The id is stored with the offset, as Apache Kafka 4.3 does, though no version offered here carries it.
        topic.topic_id = snapshot.topic(&topic.name).map(|known| known.id).unwrap_or_default();
    }
    let mut order = Order::of(&request.topics);
    let answer = |topics| OffsetCommitResponse::default().with_topics(topics);
    let group = request.group_id.clone();
    if !authorize(&call.session.principal, Operation::Read, Resource::Group(&group)) {
        owed.send(&answer(order.all(ErrorCode::GroupAuthorizationFailed)));
        return;
    }
    order.sort(call, &snapshot, &mut request.topics);
    if request.topics.is_empty() {
        owed.send(&answer(order.all(ErrorCode::None)));
        return;
    }
    let answered = move |asked: Asked| match asked {
        Ok(Response::OffsetCommit(told)) => owed.send(&answer(order.merged(&told.topics))),
        Ok(_) => tracing::error!("the group coordinator answered another question"),
        Err(error) => owed.send(&answer(order.all(error))),
    };
    groups::ask(call, &group, Request::OffsetCommit(request), Box::new(answered));
}

pub(super) fn offset_fetch(call: &Call<'_>, request: OffsetFetchRequest, owed: Owed) {
    let require_stable = request.require_stable;
    let asked = if call.version >= 8 {
        request.groups
    } else {
        let topics = request.topics.map(|topics| {
            let topic = |t: andiron_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| {
                OffsetFetchRequestTopics::default().with_name(t.name).with_partition_indexes(t.partition_indexes)
            };
            topics.into_iter().map(topic).collect()
        });
        vec![OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics)]
    };
    let gather = Gather::new(asked.len(), move |groups: Vec<OffsetFetchResponseGroup>| {
        if owed.version >= 8 {
            owed.send(&OffsetFetchResponse::default().with_groups(groups));
        } else {
            let version = owed.version;
            owed.send(&single_group(groups.into_iter().next().unwrap_or_default(), version));
        }
    });
    for (place, group) in asked.into_iter().enumerate() {
        let (id, gather) = (group.group_id.clone(), gather.clone());
        let name = id.clone();
        let refused = move |error: ErrorCode| {
            OffsetFetchResponseGroup::default().with_group_id(name).with_error_code(error.code())
        };
        if !authorize(&call.session.principal, Operation::Describe, Resource::Group(&id)) {
            gather.put(place, refused(ErrorCode::GroupAuthorizationFailed));
            continue;
        }
        let answer = move |asked: Asked| match asked {
            Ok(Response::OffsetFetch(answer)) => gather.put(place, answer),
            Ok(_) => gather.put(place, refused(ErrorCode::UnknownServerError)),
            Err(error) => gather.put(place, refused(error)),
        };
        groups::ask(call, &id, Request::OffsetFetch(GroupOffsets { group, require_stable }), Box::new(answer));
    }
}

/// The shape of the answer before version 8, when a request named one group.
fn single_group(group: OffsetFetchResponseGroup, version: i16) -> OffsetFetchResponse {
    let topics = group.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_committed_offset(p.committed_offset)
                .with_committed_leader_epoch(p.committed_leader_epoch)
                .with_metadata(p.metadata)
                .with_error_code(p.error_code)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    let answer = OffsetFetchResponse::default().with_topics(topics.collect());
    if version >= 2 { answer.with_error_code(group.error_code) } else { answer }
}

pub(super) fn describe(call: &Call<'_>, request: DescribeGroupsRequest, owed: Owed) {
    let operations = request.include_authorized_operations;
    let gather = Gather::new(request.groups.len(), move |groups: Vec<describe_groups_response::DescribedGroup>| {
        owed.send(&DescribeGroupsResponse::default().with_groups(groups));
    });
    for (place, group) in request.groups.into_iter().enumerate() {
        let (gather, name) = (gather.clone(), group.clone());
        let refused = move |error: ErrorCode| {
            describe_groups_response::DescribedGroup::default().with_group_id(name).with_error_code(error.code())
        };
        if !authorize(&call.session.principal, Operation::Describe, Resource::Group(&group)) {
            gather.put(place, refused(ErrorCode::GroupAuthorizationFailed));
            continue;
        }
        let answer = move |asked: Asked| match asked {
            Ok(Response::DescribeGroups(mut answer)) => {
                let described = answer.groups.pop().unwrap_or_else(|| refused(ErrorCode::UnknownServerError));
                gather.put(place, described);
            }
            Ok(_) => gather.put(place, refused(ErrorCode::UnknownServerError)),
            Err(error) => gather.put(place, refused(error)),
        };
        let one = DescribeGroupsRequest::default()
            .with_groups(vec![group.clone()])
            .with_include_authorized_operations(operations);
        groups::ask(call, &group, Request::DescribeGroups(one), Box::new(answer));
    }
}

pub(super) fn delete(call: &Call<'_>, request: DeleteGroupsRequest, owed: Owed) {
    let gather =
        Gather::new(request.groups_names.len(), move |results: Vec<delete_groups_response::DeletableGroupResult>| {
            owed.send(&DeleteGroupsResponse::default().with_results(results));
        });
    for (place, group) in request.groups_names.into_iter().enumerate() {
        let (gather, name) = (gather.clone(), group.clone());
        let refused = move |error: ErrorCode| {
            delete_groups_response::DeletableGroupResult::default().with_group_id(name).with_error_code(error.code())
        };
        if !authorize(&call.session.principal, Operation::Delete, Resource::Group(&group)) {
            gather.put(place, refused(ErrorCode::GroupAuthorizationFailed));
            continue;
        }
        let answer = move |asked: Asked| match asked {
            Ok(Response::DeleteGroups(mut answer)) => {
                let result = answer.results.pop().unwrap_or_else(|| refused(ErrorCode::UnknownServerError));
                gather.put(place, result);
            }
            Ok(_) => gather.put(place, refused(ErrorCode::UnknownServerError)),
            Err(error) => gather.put(place, refused(error)),
        };
        let one = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
        groups::ask(call, &group, Request::DeleteGroups(one), Box::new(answer));
    }
}

/// Whether groups of KIP-848 may be kept: the cluster has agreed on it, and this broker is set to.
fn consumer_groups_on(call: &Call<'_>) -> bool {
    let settings = &call.node.config().settings;
    call.node.snapshot().image.feature(features::GROUP_VERSION) >= 1
        && settings.list("group.coordinator.rebalance.protocols").iter().any(|protocol| protocol == "consumer")
}

pub(super) fn consumer_heartbeat(call: &Call<'_>, request: ConsumerGroupHeartbeatRequest, owed: Owed) {
    let refuse = |error: ErrorCode| ConsumerGroupHeartbeatResponse::default().with_error_code(error.code());
    if !consumer_groups_on(call) {
        owed.send(&refuse(ErrorCode::UnsupportedVersion));
        return;
    }
    let topics = request.subscribed_topic_names.iter().flatten();
    let mut topics = topics.map(|topic| Resource::Topic(topic));
    if !topics.all(|topic| authorize(&call.session.principal, Operation::Describe, topic)) {
        owed.send(&refuse(ErrorCode::TopicAuthorizationFailed));
        return;
    }
    let group = request.group_id.clone();
    ask(call, &group, Request::ConsumerGroupHeartbeat(request), owed, picked!(ConsumerGroupHeartbeat), refuse);
}

pub(super) fn consumer_describe(call: &Call<'_>, request: ConsumerGroupDescribeRequest, owed: Owed) {
    type Described = consumer_group_describe_response::DescribedGroup;
    let on = consumer_groups_on(call);
    let gather = Gather::new(request.group_ids.len(), move |groups: Vec<Described>| {
        owed.send(&ConsumerGroupDescribeResponse::default().with_groups(groups));
    });
    for (place, group) in request.group_ids.into_iter().enumerate() {
        let (gather, name) = (gather.clone(), group.clone());
        let refused = move |error: ErrorCode| Described::default().with_group_id(name).with_error_code(error.code());
        if !on {
            gather.put(place, refused(ErrorCode::UnsupportedVersion));
            continue;
        }
        if !authorize(&call.session.principal, Operation::Describe, Resource::Group(&group)) {
            gather.put(place, refused(ErrorCode::GroupAuthorizationFailed));
            continue;
        }
        let answer = move |asked: Asked| match asked {
            Ok(Response::ConsumerGroupDescribe(mut answer)) => {
                let described = answer.groups.pop().unwrap_or_else(|| refused(ErrorCode::UnknownServerError));
                gather.put(place, described);
            }
            Ok(_) => gather.put(place, refused(ErrorCode::UnknownServerError)),
            Err(error) => gather.put(place, refused(error)),
        };
        let one = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group.clone()]);
        groups::ask(call, &group, Request::ConsumerGroupDescribe(one), Box::new(answer));
    }
}

pub(super) fn offset_delete(call: &Call<'_>, mut request: OffsetDeleteRequest, owed: Owed) {
    let refuse = |error: ErrorCode| OffsetDeleteResponse::default().with_error_code(error.code());
    let group = request.group_id.clone();
    if !authorize(&call.session.principal, Operation::Delete, Resource::Group(&group)) {
        owed.send(&refuse(ErrorCode::GroupAuthorizationFailed));
        return;
    }
    let mut order = Order::of(&request.topics);
    order.sort(call, &call.node.snapshot(), &mut request.topics);
    let answered = move |asked: Asked| match asked {
        Ok(Response::OffsetDelete(told)) if told.error_code != 0 => owed.send(&told),
        Ok(Response::OffsetDelete(told)) => {
            owed.send(&OffsetDeleteResponse::default().with_topics(order.merged(&told.topics)));
        }
        Ok(_) => tracing::error!("the group coordinator answered another question"),
        Err(error) => owed.send(&refuse(error)),
    };
    groups::ask(call, &group, Request::OffsetDelete(request), Box::new(answered));
}

/// Every coordinator lists its own groups.
pub(super) fn list(call: &Call<'_>, request: ListGroupsRequest, owed: Owed) {
    let coordinators = groups::coordinators(call.node);
    let gather = Gather::new(coordinators.len(), move |answers: Vec<ListGroupsResponse>| {
        let error = answers.iter().map(|a| a.error_code).find(|code| *code != 0).unwrap_or(0);
        let mut groups: Vec<_> = answers.into_iter().flat_map(|a| a.groups).collect();
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        owed.send(&ListGroupsResponse::default().with_error_code(error).with_groups(groups));
    });
    for (place, coordinator) in coordinators.into_iter().enumerate() {
        let gather = gather.clone();
        let answer = move |asked: Asked| match asked {
            Ok(Response::ListGroups(answer)) => gather.put(place, answer),
            Ok(_) => gather.put(place, ListGroupsResponse::default()),
            Err(error) => gather.put(place, ListGroupsResponse::default().with_error_code(error.code())),
        };
        groups::ask_one(&coordinator, call, Request::ListGroups(request.clone()), Box::new(answer));
    }
}
