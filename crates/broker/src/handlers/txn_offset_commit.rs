//! TxnOffsetCommit: offsets that count when a producer's transaction commits. As with Produce, the partition that keeps the group
//! must be in the transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_coordinator::transactions::Producer;
use andiron_coordinator::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::batch::NO_SEQUENCE;
use andiron_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use andiron_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use andiron_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::groups::{self, Asked, OFFSETS_TOPIC};
use crate::transactions::verify::{Asking, Support, vouch};

/// An answer with a code for every partition.
fn answer(topics: &[TxnOffsetCommitRequestTopic], code: &dyn Fn(&str, i32) -> i16) -> TxnOffsetCommitResponse {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&topic.name, partition.partition_index))
        });
        TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

pub(super) fn handle(call: &Call<'_>, mut request: TxnOffsetCommitRequest, owed: Owed) {
    let order = request.topics.clone();
    let principal = &call.session.principal;
    let whole = if !authorize(principal, Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        Some(ErrorCode::TransactionalIdAuthorizationFailed)
    } else if !authorize(principal, Operation::Read, Resource::Group(&request.group_id)) {
        Some(ErrorCode::GroupAuthorizationFailed)
    } else {
        None
    };
    if let Some(error) = whole {
        owed.send(&answer(&order, &|_, _| error.code()));
        return;
    }
    let snapshot = call.node.snapshot();
    let mut refused: BTreeMap<(String, i32), i16> = BTreeMap::new();
    for topic in &mut request.topics {
        let name = topic.name.to_string();
        let allowed = authorize(principal, Operation::Read, Resource::Topic(&name));
        topic.partitions.retain(|partition| {
            let error = if !allowed {
                ErrorCode::TopicAuthorizationFailed
            } else if call.node.partition_exists(&snapshot, &name, partition.partition_index) {
                return true;
            } else {
                ErrorCode::UnknownTopicOrPartition
            };
            refused.insert((name.clone(), partition.partition_index), error.code());
            false
        });
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    let whole = move |code: &dyn Fn(&str, i32) -> i16| {
        answer(&order, &|topic, at| refused.get(&(topic.to_owned(), at)).copied().unwrap_or_else(|| code(topic, at)))
    };
    if request.topics.is_empty() {
        owed.send(&whole(&|_, _| 0));
        return;
    }
    let found = groups::partition_of(call.node, &request.group_id).and_then(|partition| {
        let shard = snapshot.topic(OFFSETS_TOPIC)?.shard(partition)?;
        Some((partition, Arc::clone(shard)))
    });
    let Some((partition, shard)) = found else {
        owed.send(&whole(&|_, _| ErrorCode::NotCoordinator.code()));
        return;
    };
    let asking = Asking {
        node: Arc::clone(call.node),
        transactional_id: Arc::from(request.transactional_id.as_str()),
        producer: Producer { id: request.producer_id.0, epoch: request.producer_epoch },
        support: Support::of_offset_commit(call.version),
        now: call.now,
    };
    let (node, now) = (Arc::clone(call.node), call.now);
    let group_call = groups::call(call, Request::TxnOffsetCommit(request));
    let answered = move |asked: Asked| match asked {
        Ok(Response::TxnOffsetCommit(answer)) => {
            let mut codes: BTreeMap<(String, i32), i16> = BTreeMap::new();
            for topic in &answer.topics {
                for partition in &topic.partitions {
                    codes.insert((topic.name.to_string(), partition.partition_index), partition.error_code);
                }
            }
            let missing = ErrorCode::UnknownServerError.code();
            owed.send(&whole(&|topic, at| codes.get(&(topic.to_owned(), at)).copied().unwrap_or(missing)));
        }
        Ok(_) => tracing::error!("the group coordinator answered another question"),
        Err(error) => owed.send(&whole(&|_, _| error.code())),
    };
    vouch(asking, vec![(shard, NO_SEQUENCE)], move |mut vouched| {
        match vouched.pop().unwrap_or(Err(ErrorCode::UnknownServerError)) {
            Ok(proof) => groups::ask_in_transaction(&node, partition, now, group_call, proof, Box::new(answered)),
            Err(error) => answered(Err(error)),
        }
    });
}
