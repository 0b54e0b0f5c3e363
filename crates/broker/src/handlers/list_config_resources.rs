//! ListConfigResources: what there is that has configs.

use std::collections::BTreeSet;

use andiron_metadata::image::ResourceKind;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::list_config_resources_response::ConfigResource;
use andiron_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};

const ALL: [ResourceKind; 5] = [
    ResourceKind::TOPIC,
    ResourceKind::BROKER,
    ResourceKind::BROKER_LOGGER,
    ResourceKind::CLIENT_METRICS,
    ResourceKind::GROUP,
];

pub(super) fn handle(call: &Call<'_>, request: ListConfigResourcesRequest, owed: Owed) {
    let answer = ListConfigResourcesResponse::default();
    if !authorize(&call.session.principal, Operation::DescribeConfigs, Resource::Cluster) {
        owed.send(&answer.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()));
        return;
    }
    // Version 0 knew client metrics only; later none named is all.
    let kinds: BTreeSet<ResourceKind> = match call.version {
        0 => BTreeSet::from([ResourceKind::CLIENT_METRICS]),
        _ if request.resource_types.is_empty() => BTreeSet::from(ALL),
        _ => request.resource_types.iter().map(|kind| ResourceKind(*kind)).collect(),
    };
    if !kinds.iter().all(|kind| ALL.contains(kind)) {
        owed.send(&answer.with_error_code(ErrorCode::UnsupportedVersion.code()));
        return;
    }
    let snapshot = call.node.snapshot();
    let image = &snapshot.image;
    let mut resources = Vec::new();
    for kind in kinds {
        let names: Vec<String> = match kind {
            ResourceKind::TOPIC => image.topics().map(|topic| topic.name.to_string()).collect(),
            ResourceKind::BROKER | ResourceKind::BROKER_LOGGER => {
                image.live_brokers().map(|broker| broker.id.to_string()).collect()
            }
            kind => image.resources(kind).map(|resource| resource.name.to_string()).collect(),
        };
        resources.extend(names.into_iter().map(|name| {
            let resource = ConfigResource::default().with_resource_name(StrBytes::from_string(name));
            if call.version >= 1 { resource.with_resource_type(kind.0) } else { resource }
        }));
    }
    owed.send(&answer.with_config_resources(resources));
}
