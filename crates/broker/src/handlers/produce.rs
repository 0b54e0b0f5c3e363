//! Produce: batches to their partitions at once, the answer when what it promises is true: at once for acks=0 and 1, at the
//! high watermark for acks=all.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use andiron_coordinator::transactions::Producer;
use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchHeader, LOG_OVERHEAD_BYTES, NO_SEQUENCE};
use andiron_protocol::compression::Codec;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::produce_request::TopicProduceData;
use andiron_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use andiron_protocol::messages::{ProduceRequest, ProduceResponse};
use andiron_storage::{AppendOrigin, RecordError, TransactionProof};

use super::{Call, Owed};
use crate::answer::Answer;
use crate::authorize::{Operation, Resource, authorize};
use crate::errors;
use crate::node::Node;
use crate::purgatory::{Delayed, Ticket};
use crate::shard::{AwaitsCommit, Shard, Token};
use crate::topics::{TopicEntry, is_internal};
use crate::transactions::verify::{Asking, Support, vouch};

const ALL: i16 = -1;
const NONE: i16 = 0;

/// The first version in which a client reads zstd.
const ZSTD_FROM: i16 = 7;
/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 13;

/// A Produce that waits for its records to be committed.
pub(crate) struct DelayedProduce {
    node: Arc<Node>,
    state: Mutex<State>,
}

struct State {
    topics: Vec<TopicProduceResponse>,
    /// Where each waiting append's answer is: topic, partition. None once it is settled.
    places: Vec<Option<(usize, usize)>>,
    /// Appends that are not settled, and the handler itself while it is at work.
    open: usize,
    owed: Option<Owed>,
    ticket: Option<Ticket>,
}

impl std::fmt::Debug for DelayedProduce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DelayedProduce")
    }
}

impl AwaitsCommit for DelayedProduce {
    fn committed(&self, place: usize) {
        self.settle(place, ErrorCode::None);
    }

    fn failed(&self, place: usize, error: ErrorCode) {
        self.settle(place, error);
    }
}

impl DelayedProduce {
    /// One more partition is waited for: the number of its place.
    fn wait_for(&self, topic: usize, partition: usize) -> usize {
        let mut state = self.state.lock();
        state.places.push(Some((topic, partition)));
        state.open += 1;
        state.places.len() - 1
    }

    /// The append was refused, and why.
    fn note(
        &self,
        place: Place,
        error: ErrorCode,
        message: Option<String>,
        records: Vec<RecordError>,
        log_start: Option<i64>,
    ) {
        let mut state = self.state.lock();
        state.fail(place.topic, place.partition, error);
        if let Some(answer) = state.answer_at(place.topic, place.partition)
            && place.version >= 8
        {
            answer.error_message = message.map(StrBytes::from_string);
            answer.log_start_offset = log_start.unwrap_or(-1);
            answer.record_errors = records
                .into_iter()
                .map(|record| {
                    BatchIndexAndErrorMessage::default()
                        .with_batch_index(record.batch_index)
                        .with_batch_index_error_message(Some(StrBytes::from_string(record.message)))
                })
                .collect();
        }
    }

    fn settle(&self, place: usize, error: ErrorCode) {
        let mut state = self.state.lock();
        let Some((topic, partition)) = state.places.get_mut(place).and_then(Option::take) else { return };
        if !error.is_none() {
            state.fail(topic, partition, error);
        }
        state.open -= 1;
        self.finish_if_settled(state);
    }

    fn finish_if_settled(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.open > 0 {
            return;
        }
        let Some(owed) = state.owed.take() else { return };
        let topics = std::mem::take(&mut state.topics);
        let ticket = state.ticket.take();
        drop(state);
        if let Some(ticket) = ticket {
            self.node.purgatory().remove(ticket);
        }
        let throttle_ms = owed.throttle_ms;
        owed.send(&ProduceResponse::default().with_responses(topics).with_throttle_time_ms(throttle_ms));
    }
}

impl State {
    fn answer_at(&mut self, topic: usize, partition: usize) -> Option<&mut PartitionProduceResponse> {
        self.topics.get_mut(topic)?.partition_responses.get_mut(partition)
    }

    fn fail(&mut self, topic: usize, partition: usize, error: ErrorCode) {
        if let Some(answer) = self.answer_at(topic, partition) {
            answer.error_code = error.code();
            answer.base_offset = -1;
            answer.log_append_time_ms = -1;
            answer.log_start_offset = -1;
        }
    }
}

impl Delayed for DelayedProduce {
    fn expire(&self, _now: i64) {
        let mut state = self.state.lock();
        let places: Vec<(usize, usize)> = state.places.iter_mut().filter_map(Option::take).collect();
        for (topic, partition) in places {
            state.fail(topic, partition, ErrorCode::RequestTimedOut);
            state.open -= 1;
        }
        self.finish_if_settled(state);
    }
}

/// An append that is to be made in its producer's turn.
struct InTransaction {
    shard: Arc<Shard>,
    place: Place,
    /// Its number among those that are waited for.
    waits_at: usize,
    records: Bytes,
}

/// The producer of a batch that is part of a transaction.
fn transactional_producer(records: Option<&Bytes>) -> Option<Producer> {
    let header = BatchHeader::read(records?).ok()?;
    let producer = Producer { id: header.producer_id, epoch: header.producer_epoch };
    (header.attributes.is_transactional() && header.has_producer_id()).then_some(producer)
}

/// What is wrong with the whole request, and else the producer of its transaction, if it is part of one.
fn check(call: &Call<'_>, request: &ProduceRequest) -> Result<Option<Producer>, ErrorCode> {
    if !(-1..=1).contains(&request.acks) {
        return Err(ErrorCode::InvalidRequiredAcks);
    }
    let data = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut producers = data.filter_map(|partition| transactional_producer(partition.records.as_ref()));
    let Some(first) = producers.next() else { return Ok(None) };
    let allowed = request
        .transactional_id
        .as_ref()
        .is_some_and(|id| authorize(&call.session.principal, Operation::Write, Resource::TransactionalId(id)));
    if !allowed {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    // One request is of one producer.
    if producers.all(|producer| producer == first) { Ok(Some(first)) } else { Err(ErrorCode::InvalidProducerIdMapping) }
}

pub(super) fn handle(call: &Call<'_>, request: ProduceRequest, owed: Owed) {
    let acks = request.acks;
    let checked = check(call, &request);
    let transactional_id = request.transactional_id.clone();
    let delayed = Arc::new(DelayedProduce {
        node: Arc::clone(call.node),
        state: Mutex::new(State {
            topics: request.topic_data.iter().map(|topic| blank(topic, call.version)).collect(),
            places: Vec::new(),
            open: 1,
            owed: Some(owed),
            ticket: None,
        }),
    });
    let snapshot = call.node.snapshot();
    let mut in_transaction = Vec::new();
    for (t, topic) in request.topic_data.into_iter().enumerate() {
        let found = if call.version >= TOPIC_IDS_FROM {
            snapshot.topic_by_id(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)
        } else {
            snapshot.topic(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        let found = found.and_then(|entry| may_write(call, entry));
        for (p, partition) in topic.partition_data.into_iter().enumerate() {
            let entry = match (checked, &found) {
                (Err(error), _) => Err(error),
                (Ok(_), Ok(entry)) => Ok(*entry),
                (Ok(_), Err(error)) => Err(*error),
            };
            let found = entry.and_then(|entry| {
                let records = sound(call.version, &partition.records)?;
                let shard = entry.shard(partition.index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
                Ok((entry, shard, records))
            });
            match found {
                Ok((entry, shard, records)) => {
                    let place = Place { topic: t, partition: p, version: call.version, isr_min: entry.min_isr };
                    if transactional_producer(Some(&records)).is_some() {
                        let (shard, waits_at) = (Arc::clone(shard), delayed.wait_for(t, p));
                        in_transaction.push(InTransaction { shard, place, waits_at, records });
                    } else {
                        append(&delayed, call.now, shard, place, None, TransactionProof::None, records, acks);
                    }
                }
                Err(error) => delayed.state.lock().fail(t, p, error),
            }
        }
    }
    if let (Ok(Some(producer)), false, Some(transactional_id)) = (checked, in_transaction.is_empty(), transactional_id)
    {
        let asking = Asking {
            node: Arc::clone(call.node),
            transactional_id: Arc::from(transactional_id.as_str()),
            producer,
            support: Support::of_produce(call.version),
            now: call.now,
        };
        let waiting = Arc::clone(&delayed);
        let work = move || append_in_transaction(waiting, asking, in_transaction, acks);
        call.node.turns().take(producer.id, Box::new(work));
    }
    conclude(call, &delayed, acks, request.timeout_ms);
}

/// Has the partitions vouched for, and then appends to them.
fn append_in_transaction(delayed: Arc<DelayedProduce>, asking: Asking, all: Vec<InTransaction>, acks: i16) {
    let sequence = |records: &Bytes| BatchHeader::read(records).map_or(NO_SEQUENCE, |header| header.base_sequence);
    let wanted = all.iter().map(|one| (Arc::clone(&one.shard), sequence(&one.records))).collect();
    let (node, producer, support, now) = (Arc::clone(&asking.node), asking.producer, asking.support, asking.now);
    vouch(asking, wanted, move |vouched| {
        // The answer is not to leave before it says where the records are.
        delayed.state.lock().open += 1;
        for (one, proof) in all.into_iter().zip(vouched) {
            match proof {
                Ok(proof) => {
                    append(&delayed, now, &one.shard, one.place, Some(one.waits_at), proof, one.records, acks);
                }
                Err(error) => {
                    let error = for_producer(error, support);
                    delayed.note(one.place, error, Some(verification_failed(error)), Vec::new(), None);
                    delayed.settle(one.waits_at, error);
                }
            }
        }
        let mut state = delayed.state.lock();
        state.open -= 1;
        delayed.finish_if_settled(state);
        node.turns().over(producer.id);
    });
}

/// What a producer is told if its partition could not be verified: older ones retry NOT_ENOUGH_REPLICAS as they should.
fn for_producer(error: ErrorCode, support: Support) -> ErrorCode {
    match error {
        ErrorCode::ConcurrentTransactions if support.epoch_bump() => error,
        ErrorCode::ConcurrentTransactions
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator => ErrorCode::NotEnoughReplicas,
        other => other,
    }
}

fn verification_failed(error: ErrorCode) -> String {
    match error {
        ErrorCode::InvalidTxnState => "Partition was not added to the transaction".to_owned(),
        ErrorCode::NotEnoughReplicas => "Unable to verify the partition has been added to the transaction.".to_owned(),
        other => other.message(),
    }
}

#[derive(Clone, Copy)]
struct Place {
    topic: usize,
    partition: usize,
    /// The version of the answer.
    version: i16,
    /// `min.insync.replicas`.
    isr_min: usize,
}

fn blank(topic: &TopicProduceData, version: i16) -> TopicProduceResponse {
    let partition = |index: i32| {
        PartitionProduceResponse::default()
            .with_index(index)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1)
    };
    let answer = TopicProduceResponse::default()
        .with_partition_responses(topic.partition_data.iter().map(|p| partition(p.index)).collect());
    if version >= TOPIC_IDS_FROM { answer.with_topic_id(topic.topic_id) } else { answer.with_name(topic.name.clone()) }
}

fn may_write<'e>(call: &Call<'_>, entry: &'e Arc<TopicEntry>) -> Result<&'e Arc<TopicEntry>, ErrorCode> {
    if !authorize(&call.session.principal, Operation::Write, Resource::Topic(&entry.name)) {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    // Only Kafka's own admin client may write where coordinators keep their state.
    if is_internal(&entry.name) && call.client_id.as_str() != "__admin_client" {
        return Err(ErrorCode::InvalidTopicException);
    }
    Ok(entry)
}

/// A partition's data is exactly one batch of the current format.
fn sound(version: i16, records: &Option<Bytes>) -> Result<Bytes, ErrorCode> {
    let Some(records) = records else { return Err(ErrorCode::InvalidRecord) };
    let Ok(header) = BatchHeader::read(records) else {
        // Formats 0 and 1 are gone since Kafka 4, everything else is damaged.
        let old = records.get(16).is_some_and(|magic| *magic < 2);
        return Err(if old { ErrorCode::InvalidRecord } else { ErrorCode::CorruptMessage });
    };
    let length = usize::try_from(header.batch_length).unwrap_or(0) + LOG_OVERHEAD_BYTES;
    if length > records.len() {
        return Err(ErrorCode::CorruptMessage);
    }
    if length < records.len() {
        return Err(ErrorCode::InvalidRecord);
    }
    if version < ZSTD_FROM && matches!(header.attributes.codec(), Ok(Codec::Zstd)) {
        return Err(ErrorCode::UnsupportedCompressionType);
    }
    Ok(records.clone())
}

/// Appends a batch. `waits_at`: its number among those that are waited for, if it has one already.
#[allow(clippy::too_many_arguments)] // each is of another layer: the answer, the partition, the batch
fn append(
    delayed: &Arc<DelayedProduce>,
    now: i64,
    shard: &Arc<Shard>,
    place: Place,
    waits_at: Option<usize>,
    proof: TransactionProof,
    records: Bytes,
    acks: i16,
) {
    let waits_at = waits_at.or_else(|| (acks == ALL).then(|| delayed.wait_for(place.topic, place.partition)));
    let token = waits_at.filter(|_| acks == ALL);
    let token = token.map(|place| Token { waiter: Arc::<DelayedProduce>::clone(delayed), place });
    match shard.append_in_transaction(now, &records, AppendOrigin::Client, proof, place.isr_min, token) {
        Ok(appended) => {
            let mut state = delayed.state.lock();
            if let Some(answer) = state.answer_at(place.topic, place.partition)
                && answer.error_code == 0
            {
                answer.base_offset = appended.base_offset;
                answer.log_append_time_ms = appended.log_append_time;
                answer.log_start_offset = appended.log_start_offset;
            }
            drop(state);
            if let Some(at) = waits_at.filter(|_| acks != ALL) {
                delayed.settle(at, ErrorCode::None);
            }
        }
        Err(refused) => {
            let (error, message, records) = errors::append(&refused);
            tracing::debug!(topic = %shard.topic, partition = shard.partition, ?refused, "append refused");
            // Where the log begins is told with the records that are at fault, as Kafka does.
            let log_start = if records.is_empty() { None } else { shard.bounds().map(|bounds| bounds.log_start) };
            delayed.note(place, error, message, records, log_start);
            if let Some(at) = waits_at {
                delayed.settle(at, error);
            }
        }
    }
}

/// The handler has done its part: the answer goes out unless an append is still waited for.
fn conclude(call: &Call<'_>, delayed: &Arc<DelayedProduce>, acks: i16, timeout_ms: i32) {
    let mut state = delayed.state.lock();
    state.open -= 1;
    if acks == NONE {
        let refused = state.topics.iter().flat_map(|t| &t.partition_responses).find(|p| p.error_code != 0);
        let answer = match refused {
            // The only way to tell a producer that asked not to be answered.
            Some(partition) => {
                let error = ErrorCode::from_code(partition.error_code);
                tracing::info!(peer = %call.session.peer, ?error, "closing the connection: a Produce with acks=0 failed");
                Answer::Close
            }
            None => Answer::Silent,
        };
        if let Some(owed) = state.owed.take() {
            owed.reply.send(answer);
        }
        return;
    }
    if state.open > 0 {
        let deadline = call.now + i64::from(timeout_ms.max(0));
        let waiting: Arc<dyn Delayed> = Arc::<DelayedProduce>::clone(delayed);
        state.ticket = Some(call.node.wait_until(deadline, waiting));
    }
    delayed.finish_if_settled(state);
}
