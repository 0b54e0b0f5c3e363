//! UpdateFeatures: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn handle(call: &Call<'_>, request: UpdateFeaturesRequest, owed: Owed) {
    let failed = |error: ErrorCode| {
        UpdateFeaturesResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(error.message())))
    };
    if !authorize(&call.session.principal, Operation::Alter, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let version = call.version;
    let answer = move |answered| match answered {
        // It is all or nothing; from version 2 on nothing more is said of each feature.
        Response::UpdateFeatures(answer) if version >= 2 => Some(answer.with_results(Vec::new())),
        Response::UpdateFeatures(answer) => Some(answer),
        _ => None,
    };
    forward(call, Request::UpdateFeatures(request), owed, answer, failed);
}
