//! AlterConfigs and IncrementalAlterConfigs: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use andiron_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResource;
use andiron_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::{Call, Owed};

pub(super) fn replace(call: &Call<'_>, request: AlterConfigsRequest, owed: Owed) {
    let names: Vec<_> = request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    call.node.ask_controller(
        call.now,
        Request::AlterConfigs(request),
        Box::new(move |answered| match answered {
            Ok(Response::AlterConfigs(answer)) => owed.send(&answer),
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let one = |(kind, name)| {
                    AlterConfigsResourceResponse::default()
                        .with_resource_type(kind)
                        .with_resource_name(name)
                        .with_error_code(error.code())
                };
                owed.send(&AlterConfigsResponse::default().with_responses(names.into_iter().map(one).collect()));
            }
        }),
    );
}

pub(super) fn incremental(call: &Call<'_>, request: IncrementalAlterConfigsRequest, owed: Owed) {
    let names: Vec<_> = request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    call.node.ask_controller(
        call.now,
        Request::IncrementalAlterConfigs(request),
        Box::new(move |answered| match answered {
            Ok(Response::IncrementalAlterConfigs(answer)) => owed.send(&answer),
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let one = |(kind, name)| {
                    IncrementalResource::default()
                        .with_resource_type(kind)
                        .with_resource_name(name)
                        .with_error_code(error.code())
                };
                let answer = IncrementalAlterConfigsResponse::default();
                owed.send(&answer.with_responses(names.into_iter().map(one).collect()));
            }
        }),
    );
}
