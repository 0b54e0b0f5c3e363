//! Clients without transactions: an idempotent producer with several batches under way, somebody who commits a group's
//! offsets, and a reader of committed records. Each does one thing at a time when told to.

use std::collections::VecDeque;

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::compression::Codec;
use andiron_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::{
    FetchRequest, GroupId, InitProducerIdRequest, OffsetCommitRequest, ProduceRequest, ProducerId, TransactionalId,
};
use bytes::Bytes;

use super::truth::{PARTITIONS, TOPIC, Truth, consume, fetch_request};
use super::wire::{Wire, decode, text, topic};

/// What a producer has under way at most, as `max.in.flight.requests.per.connection` of idempotent ones.
const IN_FLIGHT_MAX: usize = 5;

/// A client that the world lets act.
pub(crate) trait Client {
    /// Does the next thing, if there is one to do.
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth);
    /// An answer has come to the request `what`.
    fn answered(&mut self, what: u64, frame: &Bytes, wire: &mut Wire, truth: &mut Truth);
    /// The connection broke: what is not answered will not be.
    fn cut_off(&mut self, wire: &mut Wire, truth: &mut Truth);
    /// Begins nothing new any more; true when everything it began is over.
    fn finish(&mut self) -> bool;
}

/// Whether a client tries again when it is told this.
pub(crate) fn is_retriable(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::RequestTimedOut
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::ConcurrentTransactions
    )
}

/// True when the request has been done, false when it is to be sent again; everything else is none of the answers a client
/// may get.
pub(crate) fn is_done(what: &str, code: i16) -> bool {
    let error = ErrorCode::from_code(code).unwrap();
    assert!(error.is_none() || is_retriable(error), "{what} was refused: {}", error.name());
    error.is_none()
}

/// A producer's id and epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// A batch that is not acknowledged.
#[derive(Debug)]
pub(crate) struct Batch {
    sequence: i32,
    timestamp: i64,
    pub(crate) values: Vec<String>,
    /// The number of the request that it is under way with.
    sent_as: Option<u64>,
}

/// What a producer sends to one partition.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    next_sequence: i32,
    open: VecDeque<Batch>,
}

impl Lane {
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open.len() < IN_FLIGHT_MAX
    }

    pub(crate) fn push(&mut self, values: Vec<String>, timestamp: i64) {
        let sequence = self.next_sequence;
        self.next_sequence += values.len() as i32;
        self.open.push_back(Batch { sequence, timestamp, values, sent_as: None });
    }

    /// Nothing that is under way will be answered.
    pub(crate) fn cut_off(&mut self) {
        self.open.iter_mut().for_each(|batch| batch.sent_as = None);
    }

    /// The first batch that is not under way, to be sent as request `what`.
    pub(crate) fn next(&mut self, what: u64) -> Option<&Batch> {
        let batch = self.open.iter_mut().find(|batch| batch.sent_as.is_none())?;
        batch.sent_as = Some(what);
        Some(batch)
    }

    /// The answer to the request `what` says the batch is at `offset`, or that it is to come again.
    pub(crate) fn answered(&mut self, what: u64, offset: Option<i64>, partition: usize, truth: &mut Truth) {
        let Some(at) = self.open.iter().position(|batch| batch.sent_as == Some(what)) else { return };
        let Some(offset) = offset else {
            self.open[at].sent_as = None;
            return;
        };
        let batch = self.open.remove(at).unwrap();
        for (offset, value) in (offset..).zip(batch.values) {
            let other = truth.acknowledged[partition].insert(offset, value.clone());
            assert!(
                other.is_none_or(|other| other == value),
                "two records are acknowledged at {offset} of {partition}"
            );
        }
    }
}

/// Sends a batch.
pub(crate) fn produce(
    wire: &mut Wire,
    (client, what): (usize, u64),
    version: i16,
    producer: Identity,
    transactional_id: Option<&str>,
    partition: usize,
    batch: &Batch,
) {
    let mut builder = BatchBuilder::new(BatchOptions {
        // The same batch is the same bytes when it comes again.
        codec: if batch.sequence % 3 == 0 { Codec::Lz4 } else { Codec::None },
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: batch.sequence,
        transactional: transactional_id.is_some(),
        ..BatchOptions::default()
    });
    for value in &batch.values {
        builder.append(batch.timestamp, None, Some(value.as_bytes()));
    }
    let data =
        PartitionProduceData::default().with_index(partition as i32).with_records(Some(builder.build().unwrap()));
    let data = TopicProduceData::default().with_name(topic(TOPIC)).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(transactional_id.map(|id| TransactionalId(text(id))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![data]);
    wire.send(client, what, version, &request);
}

/// The offset that a Produce was answered with, none when it is to come again.
pub(crate) fn produced(name: &str, version: i16, frame: &Bytes) -> Option<i64> {
    let answer = decode::<ProduceRequest>(version, frame);
    let partition = &answer.responses[0].partition_responses[0];
    is_done(&format!("a batch of {name}"), partition.error_code).then_some(partition.base_offset)
}

/// An idempotent producer. Its requests: 0 is InitProducerId, the others are batches; the lowest bits say to which partition.
pub(crate) struct Idempotent {
    name: String,
    identity: Option<Identity>,
    asked: bool,
    /// It sends what it has and then begins anew, as another instance with another id.
    retiring: bool,
    finishing: bool,
    lanes: [Lane; PARTITIONS],
    serial: i64,
    requests: u64,
}

impl Idempotent {
    pub(crate) fn new(name: &str) -> Idempotent {
        let lanes = Default::default();
        Idempotent {
            name: name.to_owned(),
            identity: None,
            asked: false,
            retiring: false,
            finishing: false,
            lanes,
            serial: 0,
            requests: 0,
        }
    }
}

const IDEMPOTENT_VERSION: i16 = 9;

impl Client for Idempotent {
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth) {
        self.retiring |= self.identity.is_some() && wire.draw.one_in(60);
        if self.retiring && self.lanes.iter().all(Lane::is_empty) {
            (self.identity, self.retiring, self.lanes) = (None, false, Default::default());
        }
        let Some(identity) = self.identity else {
            if !std::mem::replace(&mut self.asked, true) {
                wire.send(me, 0, 4, &InitProducerIdRequest::default().with_transactional_id(None));
            }
            return;
        };
        let partition = wire.draw.below(PARTITIONS as u64) as usize;
        if self.lanes[partition].has_room() && !self.finishing && !self.retiring {
            let count = 1 + wire.draw.below(6);
            let values: Vec<String> = (0..count)
                .map(|_| {
                    self.serial += 1;
                    format!("{}:{}:0:{}", self.name, self.serial, "x".repeat(wire.draw.below(60) as usize))
                })
                .collect();
            truth.sent.extend(values.iter().cloned());
            self.lanes[partition].push(values, wire.now);
        }
        self.requests += 1;
        let what = self.requests * PARTITIONS as u64 + partition as u64;
        if let Some(batch) = self.lanes[partition].next(what) {
            produce(wire, (me, what), IDEMPOTENT_VERSION, identity, None, partition, batch);
        }
    }

    fn answered(&mut self, what: u64, frame: &Bytes, _wire: &mut Wire, truth: &mut Truth) {
        if what == 0 {
            let answer = decode::<InitProducerIdRequest>(4, frame);
            self.asked = false;
            if is_done("InitProducerId", answer.error_code) {
                assert!(truth.producer_ids.insert(answer.producer_id.0), "a producer id is given twice");
                self.identity = Some(Identity { id: answer.producer_id.0, epoch: answer.producer_epoch });
            }
            return;
        }
        let partition = (what % PARTITIONS as u64) as usize;
        self.lanes[partition].answered(what, produced(&self.name, IDEMPOTENT_VERSION, frame), partition, truth);
    }

    fn cut_off(&mut self, _wire: &mut Wire, _truth: &mut Truth) {
        self.asked = false;
        self.lanes.iter_mut().for_each(Lane::cut_off);
    }

    fn finish(&mut self) -> bool {
        self.finishing = true;
        self.lanes.iter().all(Lane::is_empty)
    }
}

/// Commits a group's offset, one after the other.
pub(crate) struct Committer {
    group: String,
    waiting: bool,
    finishing: bool,
}

impl Committer {
    pub(crate) fn new(group: &str) -> Committer {
        Committer { group: group.to_owned(), waiting: false, finishing: false }
    }
}

impl Client for Committer {
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth) {
        if self.waiting || self.finishing {
            return;
        }
        let (_, sent) = truth.offsets.entry(self.group.clone()).or_insert((-1, -1));
        *sent += 1;
        let offset = *sent;
        let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(offset);
        let of_topic = OffsetCommitRequestTopic::default().with_name(topic(TOPIC)).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![of_topic]);
        self.waiting = true;
        wire.send(me, offset as u64, 8, &request);
    }

    fn answered(&mut self, what: u64, frame: &Bytes, _wire: &mut Wire, truth: &mut Truth) {
        self.waiting = false;
        let answer = decode::<OffsetCommitRequest>(8, frame);
        if is_done("OffsetCommit", answer.topics[0].partitions[0].error_code)
            && let Some((acknowledged, _)) = truth.offsets.get_mut(&self.group)
        {
            *acknowledged = what as i64;
        }
    }

    fn cut_off(&mut self, _wire: &mut Wire, _truth: &mut Truth) {
        self.waiting = false;
    }

    fn finish(&mut self) -> bool {
        self.finishing = true;
        !self.waiting
    }
}

/// A reader of committed records, which goes on where it was.
#[derive(Default)]
pub(crate) struct Reader {
    waiting: bool,
}

impl Client for Reader {
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth) {
        if self.waiting {
            return;
        }
        self.waiting = true;
        let partition = wire.draw.below(PARTITIONS as u64) as usize;
        wire.send(me, partition as u64, 11, &fetch_request(partition, truth.position[partition], true));
    }

    fn answered(&mut self, what: u64, frame: &Bytes, _wire: &mut Wire, truth: &mut Truth) {
        self.waiting = false;
        let partition = what as usize;
        let answer = decode::<FetchRequest>(11, frame);
        let data = &answer.responses[0].partitions[0];
        if !is_done("Fetch", data.error_code) {
            return;
        }
        let seen = &mut truth.seen[partition];
        let next = consume(data, truth.position[partition], |offset, value, visible| {
            if visible {
                seen.insert(offset, value);
            }
        });
        let stable = data.last_stable_offset;
        assert!(next == truth.position[partition] || next <= stable, "{partition} is read to {next}, behind {stable}");
        truth.position[partition] = next;
        truth.high_watermark[partition] = truth.high_watermark[partition].max(data.high_watermark);
    }

    fn cut_off(&mut self, _wire: &mut Wire, _truth: &mut Truth) {
        self.waiting = false;
    }

    fn finish(&mut self) -> bool {
        true
    }
}

/// The request for a transactional producer's id.
pub(crate) fn init_transactions(transactional_id: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(transactional_id))))
        .with_transaction_timeout_ms(900_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
