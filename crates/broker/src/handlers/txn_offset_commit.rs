//! TxnOffsetCommit: offsets that count when a producer's transaction commits. As with Produce, the partition that keeps the group
//! must be in the transaction.

use std::sync::Arc;

use andiron_coordinator::transactions::Producer;
use andiron_coordinator::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::batch::NO_SEQUENCE;
use andiron_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::named::Order;
use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::groups::{self, Asked, OFFSETS_TOPIC};
use crate::transactions::verify::{Asking, Support, vouch};

pub(super) fn handle(call: &Call<'_>, mut request: TxnOffsetCommitRequest, owed: Owed) {
    let mut order = Order::of(&request.topics);
    let answer = |topics| TxnOffsetCommitResponse::default().with_topics(topics);
    let principal = &call.session.principal;
    let whole = if !authorize(principal, Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        Some(ErrorCode::TransactionalIdAuthorizationFailed)
    } else if !authorize(principal, Operation::Read, Resource::Group(&request.group_id)) {
        Some(ErrorCode::GroupAuthorizationFailed)
    } else {
        None
    };
    if let Some(error) = whole {
        owed.send(&answer(order.all(error)));
        return;
    }
    let snapshot = call.node.snapshot();
    order.sort(call, &snapshot, &mut request.topics);
    if request.topics.is_empty() {
        owed.send(&answer(order.all(ErrorCode::None)));
        return;
    }
    let found = groups::partition_of(call.node, &request.group_id).and_then(|partition| {
        let shard = snapshot.topic(OFFSETS_TOPIC)?.shard(partition)?;
        Some((partition, Arc::clone(shard)))
    });
    let Some((partition, shard)) = found else {
        owed.send(&answer(order.all(ErrorCode::NotCoordinator)));
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
        Ok(Response::TxnOffsetCommit(told)) => owed.send(&answer(order.merged(&told.topics))),
        Ok(_) => tracing::error!("the group coordinator answered another question"),
        Err(error) => owed.send(&answer(order.all(error))),
    };
    vouch(asking, vec![(shard, NO_SEQUENCE)], move |mut vouched| {
        match vouched.pop().unwrap_or(Err(ErrorCode::UnknownServerError)) {
            Ok(proof) => groups::ask_in_transaction(&node, partition, now, group_call, proof, Box::new(answered)),
            Err(error) => answered(Err(error)),
        }
    });
}
