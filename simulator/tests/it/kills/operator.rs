//! An operator who creates a topic, has something written to it, deletes its first records, then the topic, and makes it anew.

use std::collections::BTreeMap;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::messages::create_topics_request::CreatableTopic;
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::delete_topics_request::DeleteTopicState;
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::{CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, ProduceRequest};
use andiron_protocol::{ErrorCode, Uuid};
use bytes::Bytes;

use super::clients::{Client, is_done};
use super::truth::{Truth, end_of, read_topic, start_of};
use super::wire::{Wire, decode, topic};

pub(crate) const SCRATCH: &str = "scratch";

/// What is to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Create,
    Write,
    DeleteRecords,
    WriteMore,
    Delete,
}

/// What is known of the topic that is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    /// Which of the topics of this name it is.
    generation: u64,
    /// It was created and nobody has asked for its end.
    exists: bool,
    /// Offset -> value, of acknowledged records.
    acknowledged: BTreeMap<i64, String>,
    /// Records before it were asked to be deleted.
    start: i64,
    pub(crate) deleted: u64,
}

impl Scratch {
    /// Nothing acknowledged is lost, nothing of an older topic is there, and the topic begins no later than it was told to.
    pub(crate) fn check(&self, wire: &mut Wire) {
        if !self.exists {
            return;
        }
        let (start, end) = (start_of(wire, SCRATCH), end_of(wire, SCRATCH));
        // As in Apache Kafka a crash may bring deleted records back, for as long as their checkpoint is not written.
        assert!(start <= self.start, "{SCRATCH} begins at {start}, behind {}", self.start);
        let found = read_topic(wire, SCRATCH, start);
        let generation = format!("{}:", self.generation);
        for (offset, value) in &found {
            assert!(value.starts_with(&generation), "{value} at {offset} of {SCRATCH} number {}", self.generation);
        }
        for (offset, value) in self.acknowledged.range(start..) {
            assert_eq!(found.get(offset), Some(value), "acknowledged at {offset} of {SCRATCH}, which ends at {end}");
        }
    }
}

/// The request to append one record.
pub(crate) fn record(name: &str, partition: usize, key: Option<&[u8]>, value: &str, now: i64) -> ProduceRequest {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(now, key, Some(value.as_bytes()));
    let data =
        PartitionProduceData::default().with_index(partition as i32).with_records(Some(builder.build().unwrap()));
    let data = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![data])
}

/// The operator, who waits for each answer.
#[derive(Default)]
pub(crate) struct Operator {
    stage: Stage,
    waiting: bool,
    left: u64,
    serial: u64,
    sent: String,
    finishing: bool,
}

impl Operator {
    fn write(&mut self, me: usize, wire: &mut Wire, generation: u64) {
        self.serial += 1;
        self.sent = format!("{generation}:{}", self.serial);
        let request = record(SCRATCH, 0, Some(b"key"), &self.sent, wire.now);
        wire.send(me, 0, 9, &request);
    }

    fn next(&mut self, stage: Stage, wire: &mut Wire) {
        (self.stage, self.left) = (stage, 2 + wire.draw.below(8));
    }

    fn has_written(&mut self, frame: &Bytes, wire: &mut Wire, scratch: &mut Scratch) {
        let answer = decode::<ProduceRequest>(9, frame);
        let partition = &answer.responses[0].partition_responses[0];
        // A record that was not acknowledged may be there or not; the next one is another.
        if is_done("a record of the operator", partition.error_code) {
            scratch.acknowledged.insert(partition.base_offset, std::mem::take(&mut self.sent));
            self.left = self.left.saturating_sub(1);
        }
        if self.left == 0 {
            let next = if self.stage == Stage::Write { Stage::DeleteRecords } else { Stage::Delete };
            self.next(next, wire);
        }
    }
}

impl Client for Operator {
    fn act(&mut self, me: usize, wire: &mut Wire, truth: &mut Truth) {
        let scratch = &mut truth.scratch;
        if self.waiting || (self.finishing && self.stage == Stage::Create) {
            return;
        }
        self.waiting = true;
        match self.stage {
            Stage::Create => {
                let new = CreatableTopic::default()
                    .with_name(topic(SCRATCH))
                    .with_num_partitions(1)
                    .with_replication_factor(1)
                    .with_configs(vec![
                        super::config_of("cleanup.policy", "compact,delete"),
                        super::config_of("retention.ms", "-1"),
                        // Nothing is superseded for as long as the story takes.
                        super::config_of("min.compaction.lag.ms", "9000000000"),
                    ]);
                let request = CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(30_000);
                wire.send(me, 0, 7, &request);
            }
            Stage::Write | Stage::WriteMore => self.write(me, wire, scratch.generation),
            Stage::DeleteRecords => {
                let last = scratch.acknowledged.last_key_value().map_or(0, |(offset, _)| *offset);
                scratch.start = last;
                let partition = DeleteRecordsPartition::default().with_offset(last);
                let of_topic = DeleteRecordsTopic::default().with_name(topic(SCRATCH)).with_partitions(vec![partition]);
                wire.send(
                    me,
                    0,
                    2,
                    &DeleteRecordsRequest::default().with_topics(vec![of_topic]).with_timeout_ms(30_000),
                );
            }
            Stage::Delete => {
                scratch.exists = false;
                let state = DeleteTopicState::default().with_name(Some(topic(SCRATCH))).with_topic_id(Uuid::nil());
                wire.send(me, 0, 6, &DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(30_000));
            }
        }
    }

    fn answered(&mut self, _what: u64, frame: &Bytes, wire: &mut Wire, truth: &mut Truth) {
        self.waiting = false;
        let scratch = &mut truth.scratch;
        match self.stage {
            Stage::Create => {
                let code = decode::<CreateTopicsRequest>(7, frame).topics[0].error_code;
                // It was created, and the answer lost.
                if code == ErrorCode::TopicAlreadyExists.code() || is_done("CreateTopics", code) {
                    let (generation, deleted) = (scratch.generation + 1, scratch.deleted);
                    *scratch = Scratch { generation, exists: true, deleted, ..Scratch::default() };
                    self.next(Stage::Write, wire);
                }
            }
            Stage::Write | Stage::WriteMore => self.has_written(frame, wire, scratch),
            Stage::DeleteRecords => {
                let answer = decode::<DeleteRecordsRequest>(2, frame);
                if is_done("DeleteRecords", answer.topics[0].partitions[0].error_code) {
                    self.next(Stage::WriteMore, wire);
                }
            }
            Stage::Delete => {
                let code = decode::<DeleteTopicsRequest>(6, frame).responses[0].error_code;
                if code == ErrorCode::UnknownTopicOrPartition.code() || is_done("DeleteTopics", code) {
                    scratch.deleted += 1;
                    self.stage = Stage::Create;
                }
            }
        }
    }

    fn cut_off(&mut self, _wire: &mut Wire, _truth: &mut Truth) {
        self.waiting = false;
    }

    fn finish(&mut self) -> bool {
        self.finishing = true;
        self.stage == Stage::Create && !self.waiting
    }
}
