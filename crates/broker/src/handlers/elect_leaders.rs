//! ElectLeaders: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn handle(call: &Call<'_>, request: ElectLeadersRequest, owed: Owed) {
    let version = call.version;
    // Version 0 has no place for an error of the whole; its clients see that nothing was elected.
    let failed = move |error: ErrorCode| {
        let answer = ElectLeadersResponse::default();
        if version >= 1 { answer.with_error_code(error.code()) } else { answer }
    };
    if !authorize(&call.session.principal, Operation::Alter, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let answer = move |answered| match answered {
        Response::ElectLeaders(answer) if version == 0 => Some(answer.with_error_code(0)),
        Response::ElectLeaders(answer) => Some(answer),
        _ => None,
    };
    forward(call, Request::ElectLeaders(request), owed, answer, failed);
}
