//! DescribeCluster: who belongs to it, as brokers or as controllers.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use andiron_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};

use super::{Call, Owed};
use crate::authorize::{CLUSTER_OPERATIONS, NO_OPERATIONS};
use crate::session::Door;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn handle(call: &Call<'_>, request: DescribeClusterRequest, owed: Owed) {
    let here = if call.session.door == Door::Controller { CONTROLLERS } else { BROKERS };
    let asked = if call.version >= 1 { request.endpoint_type } else { BROKERS };
    if asked != here {
        let (error, message) = if matches!(asked, BROKERS | CONTROLLERS) {
            (ErrorCode::MismatchedEndpointType, "The request was sent to an endpoint of the wrong type.")
        } else {
            (ErrorCode::UnsupportedEndpointType, "The request was sent to an endpoint of an unsupported type.")
        };
        let answer = DescribeClusterResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(message)));
        owed.send(&if call.version >= 1 { answer.with_endpoint_type(here) } else { answer });
        return;
    }
    let snapshot = call.node.snapshot();
    let image = &snapshot.image;
    let fenced_too = call.version >= 2 && request.include_fenced_brokers;
    let brokers = if here == CONTROLLERS { controllers(call) } else { brokers(call, fenced_too) };
    let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NO_OPERATIONS };
    let mut answer = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(image.cluster_id().to_owned()))
        .with_controller_id(BrokerId(image.controller_id().unwrap_or(-1)))
        .with_brokers(brokers)
        .with_cluster_authorized_operations(operations);
    if call.version >= 1 {
        answer = answer.with_endpoint_type(here);
    }
    owed.send(&answer);
}

fn brokers(call: &Call<'_>, fenced_too: bool) -> Vec<DescribeClusterBroker> {
    let snapshot = call.node.snapshot();
    let brokers = snapshot.image.brokers().filter(|broker| fenced_too || !broker.fenced).filter_map(|broker| {
        let endpoint = broker.endpoint(&call.session.listener)?;
        let answer = DescribeClusterBroker::default()
            .with_broker_id(BrokerId(broker.id))
            .with_host(StrBytes::from_string(endpoint.host.clone()))
            .with_port(i32::from(endpoint.port))
            .with_rack(broker.rack.clone().map(StrBytes::from_string));
        Some(if call.version >= 2 { answer.with_is_fenced(broker.fenced) } else { answer })
    });
    brokers.collect()
}

fn controllers(call: &Call<'_>) -> Vec<DescribeClusterBroker> {
    let (host, port) = call.node.address_for(&call.session.listener);
    let only = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(call.node.config().node_id))
        .with_host(StrBytes::from_string(host))
        .with_port(i32::from(port));
    vec![only]
}
