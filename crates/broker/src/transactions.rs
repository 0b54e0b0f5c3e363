//! The transaction coordinators of this node: one machine for each partition of `__transaction_state`, found by the
//! transactional id; and what they have done elsewhere.

pub(crate) mod markers;
pub(crate) mod turns;
pub(crate) mod verify;

use std::sync::{Arc, Weak};

use andiron_coordinator::StateMachine;
use andiron_coordinator::routing::partition_for;
use andiron_coordinator::transactions::{
    Call, Request, Response, TransactionConfig, TransactionCoordinator, TransactionRecord,
};
use andiron_metadata::features::TRANSACTION_VERSION;
use andiron_protocol::ErrorCode;
use andiron_protocol::batch::BatchOptions;
use andiron_replication::machine::Harness;
use andiron_storage::AppendOrigin;

use crate::hosted::{Host, Hosts, Unasked, Waiter, batch, read_log};
use crate::node::Node;
use crate::shard::Shard;

/// The topic of transactional ids.
pub(crate) const STATE_TOPIC: &str = "__transaction_state";

/// One coordinator.
pub(crate) type Coordinator = Arc<Host<TransactionCoordinator>>;

/// All of them.
pub(crate) type Coordinators = Hosts<TransactionCoordinator>;

/// The coordinator of a partition begins, with what its log says; it finishes what the last one had prepared.
pub(crate) fn begin(
    hosts: &Coordinators,
    node: &Weak<Node>,
    shard: &Arc<Shard>,
    config: TransactionConfig,
    transaction_version: i16,
    now: i64,
) -> Result<(), String> {
    let mut machine = TransactionCoordinator::new(config, transaction_version);
    let (partition, coordinator_epoch) = (shard.partition, shard.bounds().map_or(0, |bounds| bounds.leader_epoch));
    let end = read_log(shard, |header, record| {
        if header.attributes.is_control() {
            return;
        }
        match TransactionRecord::decode(record.key, record.value) {
            Ok(decoded) => machine.replay(record.offset, &decoded),
            Err(error) => {
                tracing::warn!(partition, offset = record.offset, %error, "a record of {STATE_TOPIC} is skipped");
            }
        }
    })?;
    let loaded = machine.loaded(now);
    let node = Weak::clone(node);
    let unasked: Unasked<Response> = Box::new(move |said| {
        if let (Some(node), Response::WriteMarkers(markers)) = (node.upgrade(), said) {
            markers::finish(&node, partition, coordinator_epoch, markers);
        }
    });
    let harness = Harness::new(machine, end);
    let host = Host::new(Arc::clone(shard), harness, AppendOrigin::Coordinator, encode, None, Some(unasked));
    // It can be found before it says what is to be finished.
    hosts.insert(partition, Arc::clone(&host));
    host.decide(now, |_| loaded);
    Ok(())
}

fn encode(now: i64, records: &[TransactionRecord]) -> Result<bytes::Bytes, String> {
    let records = records.iter().map(|record| record.encode().map(|(key, value)| (Some(key), value)));
    batch(now, BatchOptions::default(), records)
}

/// Asks the coordinator of a transactional id.
pub(crate) fn ask(node: &Arc<Node>, transactional_id: &str, now: i64, request: Request, waiter: Waiter<Response>) {
    let partition = node.partition_count(STATE_TOPIC).map(|count| partition_for(transactional_id, count));
    match partition.and_then(|partition| node.transactions().get(partition)) {
        Some(coordinator) => ask_one(node, &coordinator, now, request, waiter),
        None => waiter(Err(ErrorCode::NotCoordinator)),
    }
}

/// Asks one coordinator.
pub(crate) fn ask_one(
    node: &Arc<Node>,
    coordinator: &Coordinator,
    now: i64,
    request: Request,
    waiter: Waiter<Response>,
) {
    let transaction_version = node.snapshot().image.feature(TRANSACTION_VERSION);
    coordinator.ask(now, Call { transaction_version, request }, waiter);
    node.alarm_before(coordinator.next_deadline());
}

/// As `ask`, for a request that may need a producer id: it gets one when the coordinator says so.
pub(crate) fn ask_with_producer_id(
    node: &Arc<Node>,
    transactional_id: Arc<str>,
    now: i64,
    request: impl Fn(Option<i64>) -> Request + Send + 'static,
    waiter: Waiter<Response>,
) {
    let (asked, again) = (Arc::clone(node), transactional_id.clone());
    let first = request(None);
    let answered: Waiter<Response> = Box::new(move |answer| match answer {
        Ok(Response::NeedsProducerId) => {
            let node = Arc::clone(&asked);
            asked.next_producer_id(
                now,
                Box::new(move |id| match id {
                    Ok(id) => ask(&node, &again, now, request(Some(id)), waiter),
                    Err(error) => waiter(Err(error)),
                }),
            );
        }
        other => waiter(other),
    });
    ask(node, &transactional_id, now, first, answered);
}
