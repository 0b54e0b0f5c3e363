//! UnregisterBroker: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn handle(call: &Call<'_>, request: UnregisterBrokerRequest, owed: Owed) {
    let failed = |error: ErrorCode| {
        UnregisterBrokerResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(error.message())))
    };
    if !authorize(&call.session.principal, Operation::Alter, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let answer = |answered| match answered {
        Response::UnregisterBroker(answer) => Some(answer),
        _ => None,
    };
    forward(call, Request::UnregisterBroker(request), owed, answer, failed);
}
