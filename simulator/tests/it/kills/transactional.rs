//! A transactional producer, of the first or the second version of transactions: a few batches, now and then its group's
//! offset, then commit or abort. After a crash it goes on where it was, or comes back as a new instance that has to find out.

use andiron_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use andiron_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use andiron_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest, ProducerId,
    TransactionalId, TxnOffsetCommitRequest,
};
use bytes::Bytes;

use super::clients::{Client, Identity, Lane, init_transactions, is_done, produce, produced};
use super::truth::{Outcome, PARTITIONS, TOPIC, Transaction, Truth};
use super::wire::{Wire, decode, text, topic};

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Initialise,
    Begin,
    AddPartitions,
    Send,
    AddOffsets,
    CommitOffsets,
    End,
}

/// The producer. Its requests but Produce are waited for one by one.
pub(crate) struct Transactional {
    name: String,
    /// Whether it leaves the adding of partitions to the broker and gets a new epoch with each transaction (KIP-890).
    second_version: bool,
    identity: Identity,
    stage: Stage,
    waiting: Option<u64>,
    requests: u64,
    lanes: [Lane; PARTITIONS],
    number: i64,
    commit: bool,
    moves_group: bool,
    /// The end was asked for, if it was answered or not.
    end_was_sent: bool,
    finishing: bool,
}

impl Transactional {
    pub(crate) fn new(name: &str, second_version: bool) -> Transactional {
        Transactional {
            name: name.to_owned(),
            second_version,
            identity: Identity { id: -1, epoch: -1 },
            stage: Stage::Initialise,
            waiting: None,
            requests: 0,
            lanes: Default::default(),
            number: 0,
            commit: false,
            moves_group: false,
            end_was_sent: false,
            finishing: false,
        }
    }

    fn version(&self, first: i16, second: i16) -> i16 {
        if self.second_version { second } else { first }
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(&self.name))
    }

    fn producer(&self) -> ProducerId {
        ProducerId(self.identity.id)
    }

    fn begin(&mut self, wire: &mut Wire, truth: &mut Truth) {
        self.number += 1;
        self.commit = !wire.draw.one_in(4);
        self.moves_group = wire.draw.one_in(3);
        self.end_was_sent = false;
        let mut records = Vec::new();
        for _ in 0..=wire.draw.below(5) {
            let partition = wire.draw.below(PARTITIONS as u64) as usize;
            if !self.lanes[partition].has_room() {
                continue;
            }
            let first = records.len() as u64;
            let count = 1 + wire.draw.below(4);
            let pad = "y".repeat(wire.draw.below(50) as usize);
            let values: Vec<String> =
                (first..first + count).map(|n| format!("{}:{}:{n}:{pad}", self.name, self.number)).collect();
            records.extend(values.iter().map(|value| (partition, value.clone())));
            self.lanes[partition].push(values, wire.now);
        }
        truth.sent.extend(records.iter().map(|(_, value)| value.clone()));
        let transaction = Transaction { outcome: Outcome::Open, records, moves_group: self.moves_group };
        truth.transactions.entry(self.name.clone()).or_default().insert(self.number, transaction);
        self.stage = if self.second_version { Stage::Send } else { Stage::AddPartitions };
    }

    fn is_over(&mut self, outcome: Outcome, truth: &mut Truth) {
        if let Some(transaction) = truth.transactions.get_mut(&self.name).and_then(|all| all.get_mut(&self.number)) {
            transaction.outcome = outcome;
        }
    }

    /// Sends the next batch; with the last one answered the next stage begins.
    fn send_batch(&mut self, me: usize, wire: &mut Wire) {
        for partition in 0..PARTITIONS {
            self.requests += 1;
            let what = self.requests * PARTITIONS as u64 + partition as u64;
            if let Some(batch) = self.lanes[partition].next(what) {
                let (version, id) = (if self.second_version { 12 } else { 11 }, self.name.as_str());
                return produce(wire, (me, what), version, self.identity, Some(id), partition, batch);
            }
        }
    }

    fn add_partitions(&self) -> AddPartitionsToTxnRequest {
        let partitions = AddPartitionsToTxnTopic::default()
            .with_name(topic(TOPIC))
            .with_partitions((0..PARTITIONS as i32).collect());
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(self.producer())
            .with_v3_and_below_producer_epoch(self.identity.epoch)
            .with_v3_and_below_topics(vec![partitions])
    }

    fn add_offsets(&self) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(self.producer())
            .with_producer_epoch(self.identity.epoch)
            .with_group_id(GroupId(text(&self.name)))
    }

    fn commit_offsets(&self) -> TxnOffsetCommitRequest {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(self.number);
        let offsets = TxnOffsetCommitRequestTopic::default().with_name(topic(TOPIC)).with_partitions(vec![partition]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(GroupId(text(&self.name)))
            .with_producer_id(self.producer())
            .with_producer_epoch(self.identity.epoch)
            .with_topics(vec![offsets])
    }

    fn end(&self) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(self.producer())
            .with_producer_epoch(self.identity.epoch)
            .with_committed(self.commit)
    }

    /// The stage behind the one whose request has been answered well.
    fn next_stage(&self) -> Stage {
        match self.stage {
            Stage::Initialise | Stage::End => Stage::Begin,
            Stage::Begin | Stage::AddPartitions => Stage::Send,
            Stage::Send if self.moves_group && !self.second_version => Stage::AddOffsets,
            Stage::Send if self.moves_group => Stage::CommitOffsets,
            Stage::AddOffsets => Stage::CommitOffsets,
            Stage::Send | Stage::CommitOffsets => Stage::End,
        }
    }

    fn has_ended(&mut self, frame: &Bytes, version: i16, truth: &mut Truth) -> bool {
        let answer = decode::<EndTxnRequest>(version, frame);
        let done = is_done("EndTxn", answer.error_code);
        if done {
            self.is_over(if self.commit { Outcome::Committed } else { Outcome::Aborted }, truth);
            if self.second_version {
                self.identity = Identity { id: answer.producer_id.0, epoch: answer.producer_epoch };
                self.lanes = Default::default();
            }
        }
        done
    }
}

impl Client for Transactional {
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth) {
        if self.stage == Stage::Begin && !self.finishing {
            self.begin(wire, truth);
        }
        if self.stage == Stage::Send {
            if !self.lanes.iter().all(Lane::is_empty) {
                return self.send_batch(me, wire);
            }
            self.stage = self.next_stage();
        }
        if self.waiting.is_some() || self.stage == Stage::Begin {
            return;
        }
        self.requests += 1;
        let what = self.requests * PARTITIONS as u64;
        self.waiting = Some(what);
        let (offsets_version, end_version) = (self.version(3, 5), self.version(3, 5));
        match self.stage {
            Stage::Begin | Stage::Send => {}
            Stage::Initialise => wire.send(me, what, 5, &init_transactions(&self.name)),
            Stage::AddPartitions => wire.send(me, what, 3, &self.add_partitions()),
            Stage::AddOffsets => wire.send(me, what, 3, &self.add_offsets()),
            Stage::CommitOffsets => wire.send(me, what, offsets_version, &self.commit_offsets()),
            Stage::End => {
                self.end_was_sent = true;
                wire.send(me, what, end_version, &self.end());
            }
        }
    }

    fn answered(&mut self, what: u64, frame: &Bytes, _wire: &mut Wire, truth: &mut Truth) {
        if self.waiting != Some(what) {
            let partition = (what % PARTITIONS as u64) as usize;
            let offset = produced(&self.name, self.version(11, 12), frame);
            return self.lanes[partition].answered(what, offset, partition, truth);
        }
        self.waiting = None;
        let done = match self.stage {
            Stage::Begin | Stage::Send => false,
            Stage::Initialise => {
                let answer = decode::<InitProducerIdRequest>(5, frame);
                let identity = Identity { id: answer.producer_id.0, epoch: answer.producer_epoch };
                let done = is_done("InitProducerId", answer.error_code);
                if done {
                    let known = identity.id == self.identity.id;
                    assert!(known || truth.producer_ids.insert(identity.id), "a producer id is given twice");
                    assert!(!known || identity.epoch > self.identity.epoch, "{identity:?} after {:?}", self.identity);
                    self.identity = identity;
                }
                done
            }
            Stage::AddPartitions => {
                let answer = decode::<AddPartitionsToTxnRequest>(3, frame);
                let partitions = &answer.results_by_topic_v3_and_below[0].results_by_partition;
                partitions.iter().all(|partition| is_done("AddPartitionsToTxn", partition.partition_error_code))
            }
            Stage::AddOffsets => is_done("AddOffsetsToTxn", decode::<AddOffsetsToTxnRequest>(3, frame).error_code),
            Stage::CommitOffsets => {
                let answer = decode::<TxnOffsetCommitRequest>(self.version(3, 5), frame);
                is_done("TxnOffsetCommit", answer.topics[0].partitions[0].error_code)
            }
            Stage::End => self.has_ended(frame, self.version(3, 5), truth),
        };
        if done {
            self.stage = self.next_stage();
        }
    }

    fn cut_off(&mut self, wire: &mut Wire, truth: &mut Truth) {
        self.waiting = None;
        self.lanes.iter_mut().for_each(Lane::cut_off);
        if self.stage == Stage::Initialise || wire.draw.one_in(2) {
            return;
        }
        // A new instance, which knows nothing of what the old one was at.
        if self.stage != Stage::Begin {
            let may_be_committed = self.commit && self.end_was_sent;
            self.is_over(if may_be_committed { Outcome::Unknown } else { Outcome::Aborted }, truth);
        }
        self.stage = Stage::Initialise;
        self.lanes = Default::default();
    }

    fn finish(&mut self) -> bool {
        self.finishing = true;
        self.stage == Stage::Begin
    }
}
