//! WriteTxnMarkers: a coordinator, here or on another broker, ends a transaction in the partitions of this one. An administrator
//! ends a hanging one so.

use std::sync::Arc;

use andiron_coordinator::EndOfTransaction;
use andiron_coordinator::transactions::effects::Partition;
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::write_txn_markers_request::WritableTxnMarker;
use andiron_protocol::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use andiron_protocol::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::gather::Gather;
use crate::transactions::markers::{self, Marker};

/// The version served does not say by which version of transactions a marker is to be judged.
const TRANSACTION_VERSION: i16 = 0;

pub(super) fn handle(call: &Call<'_>, request: WriteTxnMarkersRequest, owed: Owed) {
    let allowed = [Operation::ClusterAction, Operation::Alter]
        .into_iter()
        .any(|operation| authorize(&call.session.principal, operation, Resource::Cluster));
    let gather = Gather::new(request.markers.len(), move |results| {
        owed.send(&WriteTxnMarkersResponse::default().with_markers(results));
    });
    for (place, marker) in request.markers.into_iter().enumerate() {
        let gather = gather.clone();
        let partitions = partitions(&marker);
        if !allowed {
            let codes = vec![ErrorCode::ClusterAuthorizationFailed; partitions.len()];
            gather.put(place, result(&marker, codes));
            continue;
        }
        let end = EndOfTransaction {
            producer_id: marker.producer_id.0,
            producer_epoch: marker.producer_epoch,
            coordinator_epoch: marker.coordinator_epoch,
            committed: marker.transaction_result,
        };
        let written = Marker { end, transaction_version: TRANSACTION_VERSION };
        markers::write(call.node, call.now, written, &partitions, move |codes| {
            gather.put(place, result(&marker, codes));
        });
    }
}

fn partitions(marker: &WritableTxnMarker) -> Vec<Partition> {
    let of_topic = |topic: &andiron_protocol::messages::write_txn_markers_request::WritableTxnMarkerTopic| {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        topic.partition_indexes.iter().map(|index| (name.clone(), *index)).collect::<Vec<_>>()
    };
    marker.topics.iter().flat_map(of_topic).collect()
}

/// The codes come in the order of the partitions.
fn result(marker: &WritableTxnMarker, codes: Vec<ErrorCode>) -> WritableTxnMarkerResult {
    let mut codes = codes.into_iter();
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in &marker.topics {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let code = codes.next().unwrap_or(ErrorCode::UnknownServerError);
            WritableTxnMarkerPartitionResult::default().with_partition_index(*index).with_error_code(code.code())
        });
        topics.push(
            WritableTxnMarkerTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions.collect()),
        );
    }
    WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics)
}
