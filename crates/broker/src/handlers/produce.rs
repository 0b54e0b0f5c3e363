//! Produce: batches to their partitions at once, the answer when what it promises is true: at once for acks=0 and 1, at the
//! high watermark for acks=all.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchHeader, LOG_OVERHEAD_BYTES};
use andiron_protocol::compression::Codec;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::produce_request::TopicProduceData;
use andiron_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use andiron_protocol::messages::{ProduceRequest, ProduceResponse};
use andiron_storage::AppendOrigin;

use super::{Call, Owed};
use crate::answer::Answer;
use crate::authorize::{Operation, Resource, authorize};
use crate::errors;
use crate::node::Node;
use crate::purgatory::{Delayed, Ticket};
use crate::shard::Token;
use crate::topics::{TopicEntry, is_internal};

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

impl DelayedProduce {
    /// The append is committed.
    pub(crate) fn committed(&self, place: usize) {
        self.settle(place, ErrorCode::None);
    }

    /// The append may or may not survive.
    pub(crate) fn failed(&self, place: usize, error: ErrorCode) {
        self.settle(place, error);
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
        owed.send(&ProduceResponse::default().with_responses(topics));
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

pub(super) fn handle(call: &Call<'_>, request: ProduceRequest, owed: Owed) {
    let acks = request.acks;
    let whole = if !(-1..=1).contains(&acks) {
        Some(ErrorCode::InvalidRequiredAcks)
    } else if request.transactional_id.is_some() {
        Some(ErrorCode::TransactionalIdNotFound)
    } else {
        None
    };
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
    for (t, topic) in request.topic_data.into_iter().enumerate() {
        let found = if call.version >= TOPIC_IDS_FROM {
            snapshot.topic_by_id(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)
        } else {
            snapshot.topic(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
        };
        let found = found.and_then(|entry| may_write(call, entry));
        for (p, partition) in topic.partition_data.into_iter().enumerate() {
            let place = Place { topic: t, partition: p, index: partition.index };
            let entry = match (whole, &found) {
                (Some(error), _) => Err(error),
                (None, Ok(entry)) => Ok(*entry),
                (None, Err(error)) => Err(*error),
            };
            match entry.and_then(|entry| sound(call.version, &partition.records).map(|records| (entry, records))) {
                Ok((entry, records)) => append(call, &delayed, entry, place, records, acks),
                Err(error) => delayed.state.lock().fail(t, p, error),
            }
        }
    }
    conclude(call, &delayed, acks, request.timeout_ms);
}

#[derive(Clone, Copy)]
struct Place {
    topic: usize,
    partition: usize,
    index: i32,
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

fn append(call: &Call<'_>, delayed: &Arc<DelayedProduce>, entry: &TopicEntry, place: Place, records: Bytes, acks: i16) {
    let Some(shard) = entry.shard(place.index) else {
        delayed.state.lock().fail(place.topic, place.partition, ErrorCode::UnknownTopicOrPartition);
        return;
    };
    let token = (acks == ALL).then(|| {
        let mut state = delayed.state.lock();
        state.places.push(Some((place.topic, place.partition)));
        state.open += 1;
        Token { produce: Arc::clone(delayed), place: state.places.len() - 1 }
    });
    let waits_at = token.as_ref().map(|token| token.place);
    match shard.append(call.now, &records, AppendOrigin::Client, entry.min_isr, token) {
        Ok(appended) => {
            let mut state = delayed.state.lock();
            if let Some(answer) = state.answer_at(place.topic, place.partition)
                && answer.error_code == 0
            {
                answer.base_offset = appended.base_offset;
                answer.log_append_time_ms = appended.log_append_time;
                answer.log_start_offset = appended.log_start_offset;
            }
        }
        Err(refused) => {
            let (error, message, records) = errors::append(&refused);
            tracing::debug!(peer = %call.session.peer, topic = %entry.name, partition = place.index, ?refused, "append refused");
            let mut state = delayed.state.lock();
            state.fail(place.topic, place.partition, error);
            if let Some(answer) = state.answer_at(place.topic, place.partition)
                && call.version >= 8
            {
                answer.error_message = message.map(StrBytes::from_string);
                if !records.is_empty() {
                    answer.log_start_offset = shard.bounds().map_or(-1, |bounds| bounds.log_start);
                }
                answer.record_errors = records
                    .into_iter()
                    .map(|record| {
                        BatchIndexAndErrorMessage::default()
                            .with_batch_index(record.batch_index)
                            .with_batch_index_error_message(Some(StrBytes::from_string(record.message)))
                    })
                    .collect();
            }
            if let Some(at) = waits_at
                && state.places.get_mut(at).and_then(Option::take).is_some()
            {
                state.open -= 1;
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
