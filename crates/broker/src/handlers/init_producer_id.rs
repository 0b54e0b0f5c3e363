//! InitProducerId: an id for an idempotent producer, from a block that the controller gave this node; or, for a transactional id,
//! the next epoch of the one it has, from its coordinator.

use std::sync::Arc;

use andiron_coordinator::transactions::{InitProducerId, Producer, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::transactions;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 4;

pub(super) fn handle(call: &Call<'_>, request: InitProducerIdRequest, owed: Owed) {
    let refused = |error: ErrorCode| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    let given = |id: i64, epoch: i16| {
        InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(epoch)
    };
    let Some(transactional_id) = request.transactional_id else {
        if !authorize(&call.session.principal, Operation::IdempotentWrite, Resource::Cluster) {
            owed.send(&refused(ErrorCode::ClusterAuthorizationFailed));
            return;
        }
        call.node.next_producer_id(
            call.now,
            Box::new(move |id| match id {
                Ok(id) => owed.send(&given(id, 0)),
                Err(error) => owed.send(&refused(error)),
            }),
        );
        return;
    };
    if !authorize(&call.session.principal, Operation::Write, Resource::TransactionalId(&transactional_id)) {
        owed.send(&refused(ErrorCode::TransactionalIdAuthorizationFailed));
        return;
    }
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => {
            owed.send(&refused(ErrorCode::InvalidRequest));
            return;
        }
        (id, epoch) => Some(Producer { id, epoch }),
    };
    let (version, timeout_ms) = (call.version, request.transaction_timeout_ms);
    let transactional_id: Arc<str> = Arc::from(transactional_id.as_str());
    let id = transactional_id.clone();
    let ask = move |fresh_producer_id| {
        let transactional_id = transactional_id.clone();
        Request::InitProducerId(InitProducerId { transactional_id, timeout_ms, expected, fresh_producer_id })
    };
    let answer = move |answer: Result<Response, ErrorCode>| {
        let error = match answer {
            Ok(Response::InitProducerId(Ok(producer))) => return owed.send(&given(producer.id, producer.epoch)),
            Ok(Response::InitProducerId(Err(error))) => error.code(),
            Ok(_) => ErrorCode::UnknownServerError,
            Err(error) => error,
        };
        let old = error == ErrorCode::ProducerFenced && version < PRODUCER_FENCED_FROM;
        owed.send(&refused(if old { ErrorCode::InvalidProducerEpoch } else { error }));
    };
    transactions::ask_with_producer_id(call.node, id, call.now, ask, Box::new(answer));
}
