//! InitProducerId: an id for an idempotent producer, from a block that the controller gave this node.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn handle(call: &Call<'_>, request: InitProducerIdRequest, owed: Owed) {
    let refused = |error: ErrorCode| {
        InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    };
    if request.transactional_id.is_some() {
        // There is no transaction coordinator yet; FindCoordinator says so in words.
        owed.send(&refused(ErrorCode::InvalidRequest));
        return;
    }
    if !authorize(&call.session.principal, Operation::IdempotentWrite, Resource::Cluster) {
        owed.send(&refused(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    call.node.next_producer_id(
        call.now,
        Box::new(move |id| match id {
            Ok(id) => {
                owed.send(&InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0))
            }
            Err(error) => owed.send(&refused(error)),
        }),
    );
}
