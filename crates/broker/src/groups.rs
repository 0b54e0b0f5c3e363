//! The group coordinators of this node: one machine for each partition of `__consumer_offsets`, found by the group's name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use andiron_coordinator::routing::partition_for;
use andiron_coordinator::{
    Call as GroupCall, GroupConfig, GroupCoordinator, Record, Request, RequestContext, Response,
};
use andiron_metadata::image::Image;
use andiron_protocol::batch::Batches;
use andiron_protocol::{ErrorCode, Uuid};
use andiron_replication::machine::{Harness, StateMachine};
use andiron_storage::AppendOrigin;

use crate::handlers::Call;
use crate::hosted::{Host, Waiter};
use crate::limits::REPLAY_STEP_BYTES;
use crate::node::Node;
use crate::shard::Shard;

/// The topic of committed offsets.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// What a coordinator said, or why it could not be asked.
pub(crate) type Asked = Result<Response, ErrorCode>;

/// One coordinator.
#[derive(Clone)]
pub(crate) struct Coordinator(Arc<Host<GroupCoordinator>>);

/// All of them.
#[derive(Default)]
pub(crate) struct Coordinators {
    by_partition: RwLock<HashMap<i32, Coordinator>>,
}

impl Coordinator {
    /// Asks this coordinator.
    pub(crate) fn ask(&self, call: &Call<'_>, request: Request, waiter: Waiter<Response>) {
        let context = RequestContext {
            api_version: call.version,
            client_id: Arc::from(call.client_id.as_str()),
            client_host: Arc::from(call.session.client_host.as_str()),
            random: Uuid::new_v4(),
        };
        self.0.ask(call.now, GroupCall { context, request }, waiter);
        call.node.alarm_before(self.0.next_deadline());
    }
}

impl Coordinators {
    /// The coordinator of a partition begins, with what its log says.
    pub(crate) fn begin(&self, shard: &Arc<Shard>, config: GroupConfig, image: &Image, now: i64) -> Result<(), String> {
        let (mut machine, end) = replayed(shard, config)?;
        machine.set_image(image.clone(), &BTreeSet::new(), false);
        let loaded = machine.loaded(now);
        let host = Host::new(Arc::clone(shard), Harness::new(machine, end), AppendOrigin::Coordinator, encode, None);
        host.decide(now, |_| loaded);
        self.by_partition.write().insert(shard.partition, Coordinator(host));
        Ok(())
    }

    /// Whether the coordinator of a partition has begun.
    pub(crate) fn has(&self, partition: i32) -> bool {
        self.by_partition.read().contains_key(&partition)
    }

    /// This node leads the partition no more: whoever waits is told to look elsewhere.
    pub(crate) fn end(&self, partition: i32) {
        let ended = self.by_partition.write().remove(&partition);
        if let Some(coordinator) = ended {
            coordinator.0.abandon(ErrorCode::NotCoordinator);
        }
    }

    /// The first deadline of all.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.by_partition.read().values().map(|c| c.0.next_deadline()).min()
    }

    /// Lets every coordinator do what is due.
    pub(crate) fn deadline(&self, now: i64) {
        let due: Vec<Coordinator> =
            self.by_partition.read().values().filter(|c| c.0.next_deadline() <= now).cloned().collect();
        for coordinator in due {
            coordinator.0.deadline(now);
        }
    }

    /// Every coordinator learns of the topics as they are now; `changed` came, went or changed since the last time, and
    /// `grown` says whether any came.
    pub(crate) fn image_changed(&self, image: &Image, changed: &BTreeSet<&str>, grown: bool) {
        let all: Vec<Coordinator> = self.by_partition.read().values().cloned().collect();
        for coordinator in all {
            coordinator.0.tell_machine(|machine| machine.set_image(image.clone(), changed, grown));
        }
    }

    /// Committed offsets of deleted partitions go.
    pub(crate) fn partitions_deleted(&self, partitions: &[(&str, i32)], now: i64) {
        let all: Vec<Coordinator> = self.by_partition.read().values().cloned().collect();
        for coordinator in all {
            coordinator.0.decide(now, |machine| machine.partitions_deleted(partitions));
        }
    }

    /// Members that wait are told to ask elsewhere: this node stops.
    pub(crate) fn abandon(&self) {
        let all: Vec<Coordinator> = self.by_partition.write().drain().map(|(_, c)| c).collect();
        for coordinator in all {
            coordinator.0.abandon(ErrorCode::NotCoordinator);
        }
    }
}

fn encode(record: &Record) -> Result<(Option<bytes::Bytes>, Option<bytes::Bytes>), String> {
    let (key, value) = record.encode().map_err(|e| e.to_string())?;
    Ok((Some(key), value))
}

/// A machine that has read its whole log.
fn replayed(shard: &Arc<Shard>, config: GroupConfig) -> Result<(GroupCoordinator, i64), String> {
    let mut machine = GroupCoordinator::new(config);
    let mut scratch = Vec::new();
    let (mut at, end) = shard.bounds().map_or((0, 0), |b| (b.log_start, b.log_end));
    while at < end {
        let bytes = shard.read_batches(at, REPLAY_STEP_BYTES).map_err(|e| format!("{e:?}"))?;
        let before = at;
        for batch in Batches::new(&bytes) {
            let batch = batch.map_err(|e| e.to_string())?;
            let header = batch.header;
            at = at.max(header.next_offset());
            let (control, transactional) = (header.attributes.is_control(), header.attributes.is_transactional());
            for record in batch.records(&mut scratch).map_err(|e| e.to_string())? {
                let record = record.map_err(|e| e.to_string())?;
                let offset = record.offset;
                if control {
                    if let Some(kind) = record.key.and_then(control_type) {
                        machine.replay_end_of_transaction(header.producer_id, kind == COMMIT);
                    }
                    continue;
                }
                match Record::decode(record.key, record.value) {
                    Ok(decoded) if transactional => machine.replay_in_transaction(offset, header.producer_id, &decoded),
                    Ok(decoded) => machine.replay(offset, &decoded),
                    Err(error) => {
                        tracing::warn!(partition = shard.partition, offset, %error, "a record of {OFFSETS_TOPIC} is skipped");
                    }
                }
            }
        }
        if at == before {
            return Err(format!("the log of {OFFSETS_TOPIC}-{} cannot be read at {at}", shard.partition));
        }
    }
    Ok((machine, end))
}

const COMMIT: i16 = 1;

/// The type in the key of a control record: 0 is abort, 1 is commit.
fn control_type(key: &[u8]) -> Option<i16> {
    match key {
        [_, _, a, b, ..] => Some(i16::from_be_bytes([*a, *b])),
        _ => None,
    }
}

/// Every coordinator there is.
pub(crate) fn coordinators(node: &Arc<Node>) -> Vec<Coordinator> {
    node.coordinators().by_partition.read().values().cloned().collect()
}

/// Hands a request about one group to the coordinator that keeps it.
pub(crate) fn ask(call: &Call<'_>, group: &str, request: Request, waiter: Waiter<Response>) {
    let partitions = call.node.partition_count(OFFSETS_TOPIC);
    let found = partitions.and_then(|count| {
        let partition = partition_for(group, count);
        call.node.coordinators().by_partition.read().get(&partition).cloned()
    });
    match found {
        Some(coordinator) => coordinator.ask(call, request, waiter),
        None => waiter(Err(ErrorCode::NotCoordinator)),
    }
}

/// Has `__consumer_offsets` created if it is missing, and then goes on with `then`.
pub(crate) fn ensure_offsets_topic(
    node: &Arc<Node>,
    now: i64,
    then: impl FnOnce(Result<(), ErrorCode>) + Send + 'static,
) {
    if node.partition_count(OFFSETS_TOPIC).is_some() {
        then(Ok(()));
        return;
    }
    node.create_internal_topic(OFFSETS_TOPIC, now, Box::new(then));
}
