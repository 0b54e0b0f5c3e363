//! The group coordinators of this node: one machine for each partition of `__consumer_offsets`, found by the group's name.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_coordinator::routing::partition_for;
use andiron_coordinator::{
    Call as GroupCall, EndOfTransaction, GroupConfig, GroupCoordinator, Record, Request, RequestContext, Response,
};
use andiron_metadata::image::Image;
use andiron_protocol::batch::{BatchHeader, BatchOptions, ControlType, EndTxnMarker};
use andiron_protocol::{ErrorCode, Uuid};
use andiron_replication::machine::{Harness, StateMachine};
use andiron_storage::{AppendOrigin, TransactionProof};

use crate::handlers::Call;
use crate::hosted::{Host, Hosts, Waiter, batch, read_log};
use crate::node::Node;
use crate::shard::Shard;

/// The topic of committed offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What a coordinator said, or why it could not be asked.
pub(crate) type Asked = Result<Response, ErrorCode>;

/// One coordinator.
pub(crate) type Coordinator = Arc<Host<GroupCoordinator>>;

/// All of them.
pub(crate) type Coordinators = Hosts<GroupCoordinator>;

/// What a coordinator is given of a client's request.
pub(crate) fn call(call: &Call<'_>, request: Request) -> GroupCall {
    let context = RequestContext {
        api_version: call.version,
        client_id: Arc::from(call.client_id.as_str()),
        client_host: Arc::from(call.session.client_host.as_str()),
        random: Uuid::new_v4(),
    };
    GroupCall { context, request }
}

/// Asks one coordinator.
pub(crate) fn ask_one(coordinator: &Coordinator, of: &Call<'_>, request: Request, waiter: Waiter<Response>) {
    coordinator.ask(of.now, call(of, request), waiter);
    of.node.alarm_before(coordinator.next_deadline());
}

/// The coordinator of a partition begins, with what its log says.
pub(crate) fn begin(
    hosts: &Coordinators,
    shard: &Arc<Shard>,
    config: GroupConfig,
    image: &Image,
    now: i64,
) -> Result<(), String> {
    let mut machine = GroupCoordinator::new(config);
    let end = read_log(shard, |header, record| match decode(header, record) {
        Ok(Some(decoded)) => machine.replay(record.offset, &decoded),
        Ok(None) => {}
        Err(error) => {
            let (partition, offset) = (shard.partition, record.offset);
            tracing::warn!(partition, offset, %error, "a record of {OFFSETS_TOPIC} is skipped");
        }
    })?;
    machine.set_image(image.clone(), &BTreeSet::new(), false);
    let loaded = machine.loaded(now);
    let host = Host::new(Arc::clone(shard), Harness::new(machine, end), AppendOrigin::Coordinator, encode, None, None);
    host.decide(now, |_| loaded);
    hosts.insert(shard.partition, host);
    Ok(())
}

/// Every coordinator learns of the topics as they are now; `changed` came, went or changed since the last time, and `grown`
/// says whether any came.
pub(crate) fn image_changed(hosts: &Coordinators, image: &Image, changed: &BTreeSet<&str>, grown: bool) {
    for coordinator in hosts.all() {
        coordinator.tell_machine(|machine| machine.set_image(image.clone(), changed, grown));
    }
}

/// Committed offsets of deleted partitions go.
pub(crate) fn partitions_deleted(hosts: &Coordinators, partitions: &[(&str, i32)], now: i64) {
    for coordinator in hosts.all() {
        coordinator.decide(now, |machine| machine.partitions_deleted(partitions));
    }
}

/// What a producer's transaction wrote is a batch of that producer, and so is the marker that ends it.
fn encode(now: i64, records: &[Record]) -> Result<bytes::Bytes, String> {
    let of = |producer_id, producer_epoch, control| BatchOptions {
        producer_id,
        producer_epoch,
        transactional: true,
        control,
        ..BatchOptions::default()
    };
    let options = match records.first() {
        Some(Record::OffsetInTransaction { producer_id, producer_epoch, .. }) => {
            of(*producer_id, *producer_epoch, false)
        }
        Some(Record::EndOfTransaction(end)) => of(end.producer_id, end.producer_epoch, true),
        _ => BatchOptions::default(),
    };
    batch(now, options, records.iter().map(|record| record.encode().map(|(key, value)| (Some(key), value))))
}

/// A record as it lies in the log; none for a control record that means nothing here.
fn decode(header: &BatchHeader, record: &andiron_protocol::batch::Record<'_>) -> Result<Option<Record>, String> {
    let (producer_id, producer_epoch) = (header.producer_id, header.producer_epoch);
    if header.attributes.is_control() {
        let marker = record.value.and_then(EndTxnMarker::read);
        let end = |committed| {
            let coordinator_epoch = marker.map_or(-1, |marker| marker.coordinator_epoch);
            Record::EndOfTransaction(EndOfTransaction { producer_id, producer_epoch, coordinator_epoch, committed })
        };
        return Ok(match record.key.and_then(ControlType::from_key) {
            Some(ControlType::Commit) => Some(end(true)),
            Some(ControlType::Abort) => Some(end(false)),
            _ => None,
        });
    }
    let decoded = Record::decode(record.key, record.value).map_err(|error| error.to_string())?;
    let transactional = header.attributes.is_transactional();
    Ok(Some(if transactional { decoded.in_transaction(producer_id, producer_epoch) } else { decoded }))
}

/// Every coordinator there is.
pub(crate) fn coordinators(node: &Arc<Node>) -> Vec<Coordinator> {
    node.coordinators().all()
}

/// Asks the coordinator of a partition about a transaction that has it.
pub(crate) fn ask_in_transaction(
    node: &Arc<Node>,
    partition: i32,
    now: i64,
    call: GroupCall,
    proof: TransactionProof,
    waiter: Waiter<Response>,
) {
    match node.coordinators().get(partition) {
        Some(coordinator) => coordinator.ask_in_transaction(now, call, proof, waiter),
        None => waiter(Err(ErrorCode::NotCoordinator)),
    }
}

/// The partition that keeps a group, if the topic is there.
pub(crate) fn partition_of(node: &Arc<Node>, group: &str) -> Option<i32> {
    node.partition_count(OFFSETS_TOPIC).map(|count| partition_for(group, count))
}

/// Hands a request about one group to the coordinator that keeps it.
pub(crate) fn ask(call: &Call<'_>, group: &str, request: Request, waiter: Waiter<Response>) {
    let found = partition_of(call.node, group).and_then(|partition| call.node.coordinators().get(partition));
    match found {
        Some(coordinator) => ask_one(&coordinator, call, request, waiter),
        None => waiter(Err(ErrorCode::NotCoordinator)),
    }
}
