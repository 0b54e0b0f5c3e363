//! EndTxn: a transaction is to take effect, or none. It is answered when that is decided for good; the markers follow.

use std::sync::Arc;

use andiron_coordinator::transactions::{EndTransaction, Producer, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::transactions;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 2;

/// The first version of clients whose epoch is bumped with every transaction.
const EPOCH_BUMP_FROM: i16 = 5;

pub(super) fn handle(call: &Call<'_>, request: EndTxnRequest, owed: Owed) {
    let version = call.version;
    let answered = move |error: ErrorCode, producer: Producer| {
        let old = error == ErrorCode::ProducerFenced && version < PRODUCER_FENCED_FROM;
        let error = if old { ErrorCode::InvalidProducerEpoch } else { error };
        let answer = EndTxnResponse::default().with_error_code(error.code());
        if version < EPOCH_BUMP_FROM {
            return answer;
        }
        answer.with_producer_id(ProducerId(producer.id)).with_producer_epoch(producer.epoch)
    };
    if !authorize(&call.session.principal, Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        owed.send(&answered(ErrorCode::TransactionalIdAuthorizationFailed, Producer::NONE));
        return;
    }
    let transactional_id: Arc<str> = Arc::from(request.transactional_id.as_str());
    let id = transactional_id.clone();
    let producer = Producer { id: request.producer_id.0, epoch: request.producer_epoch };
    let client_version = if version >= EPOCH_BUMP_FROM { 2 } else { 0 };
    let ask = move |fresh_producer_id| {
        Request::EndTransaction(EndTransaction {
            transactional_id: transactional_id.clone(),
            producer,
            commit: request.committed,
            client_version,
            fresh_producer_id,
        })
    };
    let answer = move |answer: Result<Response, ErrorCode>| match answer {
        Ok(Response::EndTransaction(Ok(producer))) => owed.send(&answered(ErrorCode::None, producer)),
        Ok(Response::EndTransaction(Err(error))) => owed.send(&answered(error.code(), Producer::NONE)),
        Ok(_) => owed.send(&answered(ErrorCode::UnknownServerError, Producer::NONE)),
        Err(error) => owed.send(&answered(error, Producer::NONE)),
    };
    transactions::ask_with_producer_id(call.node, id, call.now, ask, Box::new(answer));
}
