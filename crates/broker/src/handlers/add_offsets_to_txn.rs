//! AddOffsetsToTxn: the partition of `__consumer_offsets` that keeps a group joins a transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_coordinator::transactions::{AddPartitions, Producer, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::groups::{self, OFFSETS_TOPIC};
use crate::transactions;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 2;

pub(super) fn handle(call: &Call<'_>, request: AddOffsetsToTxnRequest, owed: Owed) {
    let version = call.version;
    let answer = move |error: ErrorCode| {
        let old = error == ErrorCode::ProducerFenced && version < PRODUCER_FENCED_FROM;
        let error = if old { ErrorCode::InvalidProducerEpoch } else { error };
        owed.send(&AddOffsetsToTxnResponse::default().with_error_code(error.code()));
    };
    if !authorize(&call.session.principal, Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return answer(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if !authorize(&call.session.principal, Operation::Read, Resource::Group(&request.group_id)) {
        return answer(ErrorCode::GroupAuthorizationFailed);
    }
    // A producer may ask before anybody has looked for the group.
    let (node, now) = (Arc::clone(call.node), call.now);
    call.node.ensure_internal_topic(OFFSETS_TOPIC, call.now, move |ready| {
        let partition = match ready {
            Ok(()) => groups::partition_of(&node, &request.group_id).ok_or(ErrorCode::CoordinatorNotAvailable),
            Err(error) => Err(error),
        };
        let partition = match partition {
            Ok(partition) => (Arc::from(OFFSETS_TOPIC), partition),
            Err(error) => return answer(error),
        };
        let asked = Request::AddPartitions(AddPartitions {
            transactional_id: Arc::from(request.transactional_id.as_str()),
            producer: Producer { id: request.producer_id.0, epoch: request.producer_epoch },
            partitions: BTreeSet::from([partition]),
            client_version: 0,
            verify_only: false,
            patient: false,
        });
        let answered = move |said: Result<Response, ErrorCode>| {
            answer(match said {
                Ok(Response::AddPartitions(Ok(_))) => ErrorCode::None,
                Ok(Response::AddPartitions(Err(error))) => error.code(),
                Ok(_) => ErrorCode::UnknownServerError,
                Err(error) => error,
            });
        };
        transactions::ask(&node, &request.transactional_id, now, asked, Box::new(answered));
    });
}
