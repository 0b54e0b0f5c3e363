//! The markers that end a transaction: a control batch into every partition that the transaction wrote to. Whoever decided, a
//! coordinator of this node or of another one, the partitions of this node get theirs here.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use andiron_coordinator::transactions::effects::Partition;
use andiron_coordinator::transactions::{Call as TransactionCall, Markers, Request, Response};
use andiron_coordinator::{Call as GroupCall, EndOfTransaction, Request as GroupRequest, RequestContext};
use andiron_metadata::features::TRANSACTION_VERSION;
use andiron_protocol::batch::{BatchBuilder, BatchOptions, ControlType, EndTxnMarker, control_key};
use andiron_protocol::{ErrorCode, Uuid};
use andiron_storage::{AppendOrigin, TransactionProof};

use super::STATE_TOPIC;
use crate::errors;
use crate::gather::Gather;
use crate::groups::{self, OFFSETS_TOPIC};
use crate::limits::MARKER_RETRY_MS;
use crate::node::Node;
use crate::purgatory::Delayed;
use crate::shard::{AwaitsCommit, Token};

/// What a marker says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker {
    pub(crate) end: EndOfTransaction,
    /// The version of transactions by which its epoch is judged.
    pub(crate) transaction_version: i16,
}

/// Writes a marker into partitions of this node; `done` gets a code for each, in their order, when all are committed or refused.
pub(crate) fn write(
    node: &Arc<Node>,
    now: i64,
    marker: Marker,
    partitions: &[Partition],
    done: impl FnOnce(Vec<ErrorCode>) + Send + 'static,
) {
    let gather = Gather::new(partitions.len(), done);
    for (place, (topic, partition)) in partitions.iter().enumerate() {
        let gather = gather.clone();
        let written = move |code| gather.put(place, code);
        if **topic == *OFFSETS_TOPIC {
            end_in_group_coordinator(node, now, marker, *partition, written);
        } else {
            append(node, now, marker, topic, *partition, written);
        }
    }
}

/// The coordinator of groups learns of the end as its log does.
fn end_in_group_coordinator(
    node: &Arc<Node>,
    now: i64,
    marker: Marker,
    partition: i32,
    written: impl FnOnce(ErrorCode) + Send + 'static,
) {
    let context = RequestContext { api_version: 0, client_id: "".into(), client_host: "".into(), random: Uuid::nil() };
    let call = GroupCall { context, request: GroupRequest::EndOfTransaction(marker.end) };
    let proof = TransactionProof::Marker(marker.transaction_version);
    let answered = move |answer: groups::Asked| written(answer.err().unwrap_or(ErrorCode::None));
    groups::ask_in_transaction(node, partition, now, call, proof, Box::new(answered));
}

fn append(
    node: &Arc<Node>,
    now: i64,
    marker: Marker,
    topic: &str,
    partition: i32,
    written: impl FnOnce(ErrorCode) + Send + 'static,
) {
    let snapshot = node.snapshot();
    let Some((entry, shard)) = snapshot.topic(topic).and_then(|entry| Some((entry, entry.shard(partition)?))) else {
        return written(ErrorCode::UnknownTopicOrPartition);
    };
    let Ok(batch) = batch(now, marker.end) else { return written(ErrorCode::UnknownServerError) };
    let appending = Arc::new(Appending { written: Mutex::new(Some(Box::new(written))) });
    let token = Token { waiter: Arc::<Appending>::clone(&appending), place: 0 };
    let proof = TransactionProof::Marker(marker.transaction_version);
    let origin = AppendOrigin::Coordinator;
    if let Err(refused) = shard.append_in_transaction(now, &batch, origin, proof, entry.min_isr, Some(token)) {
        tracing::warn!(%topic, partition, ?refused, "a transaction marker was refused");
        appending.settle(errors::append(&refused).0);
    }
}

fn batch(now: i64, end: EndOfTransaction) -> Result<bytes::Bytes, andiron_protocol::batch::BatchError> {
    let kind = if end.committed { ControlType::Commit } else { ControlType::Abort };
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: end.producer_id,
        producer_epoch: end.producer_epoch,
        transactional: true,
        control: true,
        ..BatchOptions::default()
    });
    let value = EndTxnMarker { coordinator_epoch: end.coordinator_epoch }.to_bytes();
    builder.append(now, Some(&control_key(kind)), Some(&value));
    builder.build()
}

/// Whoever wants to know what became of a marker.
type Written = Box<dyn FnOnce(ErrorCode) + Send>;

/// A marker that is appended and not committed yet.
struct Appending {
    written: Mutex<Option<Written>>,
}

impl Appending {
    fn settle(&self, code: ErrorCode) {
        let written = self.written.lock().take();
        if let Some(written) = written {
            written(code);
        }
    }
}

impl AwaitsCommit for Appending {
    fn committed(&self, _place: usize) {
        self.settle(ErrorCode::None);
    }

    fn failed(&self, _place: usize, error: ErrorCode) {
        self.settle(error);
    }
}

/// A transaction of a coordinator of this node is prepared: its markers are written, however often it takes, and then it is
/// complete.
pub(crate) fn finish(node: &Arc<Node>, state_partition: i32, coordinator_epoch: i32, markers: Markers) {
    let finishing = Finishing { node: Arc::clone(node), state_partition, coordinator_epoch, markers };
    finishing.write();
}

struct Finishing {
    node: Arc<Node>,
    /// The partition of `__transaction_state` whose coordinator it is.
    state_partition: i32,
    coordinator_epoch: i32,
    /// What is to be done yet.
    markers: Markers,
}

impl Finishing {
    fn write(self) {
        let Markers { producer, commit, transaction_version, .. } = self.markers;
        let end = EndOfTransaction {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            coordinator_epoch: self.coordinator_epoch,
            committed: commit,
        };
        let marker = Marker { end, transaction_version };
        let partitions: Vec<Partition> = self.markers.partitions.iter().cloned().collect();
        let node = Arc::clone(&self.node);
        let asked = partitions.clone();
        write(&node, node.now(), marker, &asked, move |codes| self.written(partitions, &codes));
    }

    fn written(mut self, partitions: Vec<Partition>, codes: &[ErrorCode]) {
        let mut left = BTreeSet::new();
        for (partition, code) in partitions.into_iter().zip(codes) {
            match code {
                // A partition that is no more has nothing to be ended in.
                ErrorCode::None | ErrorCode::UnknownTopicOrPartition => {}
                ErrorCode::InvalidProducerEpoch | ErrorCode::TransactionCoordinatorFenced => {
                    let (topic, partition) = partition;
                    tracing::error!(transactional_id = %self.markers.transactional_id, %topic, partition, error = %code.name(),
                        "a marker was refused for good: the transaction stays as it is");
                    return;
                }
                _ => _ = left.insert(partition),
            }
        }
        self.markers.partitions = left;
        if self.markers.partitions.is_empty() { self.complete() } else { self.again_later() }
    }

    fn complete(self) {
        let node = Arc::clone(&self.node);
        // Where this node is not the coordinator any more, the one that is does the same.
        let Some(coordinator) = node.transactions().get(self.state_partition) else { return };
        let (transactional_id, producer) = (self.markers.transactional_id.clone(), self.markers.producer);
        let request = Request::Completed { transactional_id, producer };
        let answered = move |answer: Result<Response, ErrorCode>| match answer {
            Ok(_) | Err(ErrorCode::NotCoordinator) => {}
            Err(error) => {
                tracing::warn!(error = %error.name(), "{STATE_TOPIC} does not take the end of a transaction");
                self.again_later();
            }
        };
        let transaction_version = node.snapshot().image.feature(TRANSACTION_VERSION);
        coordinator.ask(node.now(), TransactionCall { transaction_version, request }, Box::new(answered));
        node.alarm_before(coordinator.next_deadline());
    }

    fn again_later(self) {
        let node = Arc::clone(&self.node);
        let deadline = node.now().saturating_add(MARKER_RETRY_MS);
        node.wait_until(deadline, Arc::new(Later(Mutex::new(Some(self)))));
    }
}

struct Later(Mutex<Option<Finishing>>);

impl Delayed for Later {
    fn expire(&self, now: i64) {
        // At the node's end nothing is tried any more: the next start does it.
        let finishing = self.0.lock().take().filter(|_| now != i64::MAX);
        if let Some(finishing) = finishing {
            finishing.write();
        }
    }
}
