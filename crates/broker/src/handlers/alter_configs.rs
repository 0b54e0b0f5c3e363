//! AlterConfigs and IncrementalAlterConfigs: the controller's matter, but for what only this node can do (the levels of its
//! loggers) or know (that it is not the broker that is meant).

use andiron_metadata::controller::{Request, Response};
use andiron_metadata::image::ResourceKind;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use andiron_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use andiron_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResource;
use andiron_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::{Call, Owed, forward};
use crate::authorize::{self, Operation, authorize};
use crate::session::Door;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

type Refused = (ErrorCode, Option<String>);

/// What this node has against a change of such a resource.
fn objection(call: &Call<'_>, kind: i8, name: &str) -> Option<Refused> {
    let invalid = |message: String| Some((ErrorCode::InvalidRequest, Some(message)));
    let resource = match ResourceKind(kind) {
        ResourceKind::TOPIC => authorize::Resource::Topic(name),
        ResourceKind::GROUP => authorize::Resource::Group(name),
        _ => authorize::Resource::Cluster,
    };
    if !authorize(&call.session.principal, Operation::AlterConfigs, resource) {
        let error = match ResourceKind(kind) {
            ResourceKind::TOPIC => ErrorCode::TopicAuthorizationFailed,
            ResourceKind::GROUP => ErrorCode::GroupAuthorizationFailed,
            _ => ErrorCode::ClusterAuthorizationFailed,
        };
        return Some((error, None));
    }
    let node = call.node.config().node_id;
    match ResourceKind(kind) {
        ResourceKind::TOPIC | ResourceKind::CLIENT_METRICS | ResourceKind::GROUP => None,
        ResourceKind::BROKER if name.is_empty() || call.session.door == Door::Controller => None,
        ResourceKind::BROKER | ResourceKind::BROKER_LOGGER => match name.parse::<i32>() {
            Ok(id) if id == node => None,
            Ok(_) => invalid(format!("Unexpected broker id, expected {node}, but received {name}")),
            Err(_) => invalid(format!("Node id must be an integer, but it is: {name}")),
        },
        ResourceKind(kind) => invalid(format!("Unknown resource type {kind}")),
    }
}

pub(super) fn replace(call: &Call<'_>, mut request: AlterConfigsRequest, owed: Owed) {
    let told = |kind: i8, name: StrBytes, (error, message): Refused| {
        AlterConfigsResourceResponse::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_error_code(error.code())
            .with_error_message(message.map(StrBytes::from_string))
    };
    let mut refused = Vec::new();
    request.resources.retain(|resource| {
        let kind = resource.resource_type;
        let objection = objection(call, kind, &resource.resource_name).or_else(|| {
            let logger = ResourceKind(kind) == ResourceKind::BROKER_LOGGER;
            logger.then(|| (ErrorCode::InvalidRequest, Some(format!("Unknown resource type {kind}"))))
        });
        match objection {
            None => true,
            Some(objection) => {
                refused.push(told(kind, resource.resource_name.clone(), objection));
                false
            }
        }
    });
    let names: Vec<_> = request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let before = refused.clone();
    let answer = move |answered| match answered {
        Response::AlterConfigs(mut answer) => {
            answer.responses.splice(..0, before);
            Some(answer)
        }
        _ => None,
    };
    let failed = move |error: ErrorCode| {
        let failed = names.into_iter().map(|(kind, name)| told(kind, name, (error, None)));
        AlterConfigsResponse::default().with_responses(refused.into_iter().chain(failed).collect())
    };
    forward(call, Request::AlterConfigs(request), owed, answer, failed);
}

pub(super) fn incremental(call: &Call<'_>, mut request: IncrementalAlterConfigsRequest, owed: Owed) {
    let told = |kind: i8, name: StrBytes, (error, message): Refused| {
        IncrementalResource::default()
            .with_resource_type(kind)
            .with_resource_name(name)
            .with_error_code(error.code())
            .with_error_message(message.map(StrBytes::from_string))
    };
    let mut done = Vec::new();
    let validate_only = request.validate_only;
    request.resources.retain(|resource| {
        let kind = resource.resource_type;
        let outcome = match objection(call, kind, &resource.resource_name) {
            Some(objection) => objection,
            None if ResourceKind(kind) == ResourceKind::BROKER_LOGGER => {
                set_levels(call, resource, validate_only).err().unwrap_or((ErrorCode::None, None))
            }
            None => return true,
        };
        done.push(told(kind, resource.resource_name.clone(), outcome));
        false
    });
    let names: Vec<_> = request.resources.iter().map(|r| (r.resource_type, r.resource_name.clone())).collect();
    let before = done.clone();
    let answer = move |answered| match answered {
        Response::IncrementalAlterConfigs(mut answer) => {
            answer.responses.splice(..0, before);
            Some(answer)
        }
        _ => None,
    };
    let failed = move |error: ErrorCode| {
        let failed = names.into_iter().map(|(kind, name)| told(kind, name, (error, None)));
        IncrementalAlterConfigsResponse::default().with_responses(done.into_iter().chain(failed).collect())
    };
    forward(call, Request::IncrementalAlterConfigs(request), owed, answer, failed);
}

fn set_levels(call: &Call<'_>, asked: &AlterConfigsResource, validate_only: bool) -> Result<(), Refused> {
    let mut changes = Vec::with_capacity(asked.configs.len());
    for config in &asked.configs {
        match config.config_operation {
            SET => changes.push((config.name.as_str(), Some(config.value.as_deref().unwrap_or_default()))),
            DELETE => changes.push((config.name.as_str(), None)),
            other => {
                let verb = if other == APPEND { "APPEND" } else { "SUBTRACT" };
                let message = format!("{verb} operation is not allowed for the BROKER_LOGGER resource");
                return Err((ErrorCode::InvalidRequest, Some(message)));
            }
        }
    }
    call.node.loggers().change(&changes, validate_only)
}
