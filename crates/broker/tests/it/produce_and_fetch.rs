//! Records in and out: what a producer is told, what a reader sees, and what is still there after a restart.

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches};
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use andiron_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::produce_response::PartitionProduceResponse;
use andiron_protocol::messages::{
    DeleteRecordsRequest, FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest,
};
use bytes::Bytes;

use crate::node::{Fixture, START, decode, name_of};

pub(crate) fn batch(options: BatchOptions, timestamps: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for timestamp in timestamps {
        builder.append(*timestamp, Some(b"key"), Some(b"value"));
    }
    builder.build().unwrap()
}

pub(crate) fn produce_request(acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name_of("orders")).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

pub(crate) fn produce(f: &Fixture, records: Bytes) -> PartitionProduceResponse {
    f.ask(9, &produce_request(-1, records)).responses[0].partition_responses[0].clone()
}

pub(crate) fn fetch_request(offset: i64, max_wait_ms: i32, session: (i32, i32)) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_id(session.0)
        .with_session_epoch(session.1)
        .with_topics(vec![FetchTopic::default().with_topic(name_of("orders")).with_partitions(vec![partition])])
}

pub(crate) fn count(answer: &FetchResponse) -> i32 {
    let records = answer.responses[0].partitions[0].records.clone().unwrap_or_default();
    Batches::new(&records).map(|batch| batch.unwrap().header.record_count).sum()
}

#[test]
fn offsets_count_up_and_a_restart_keeps_them() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    assert_eq!(produce(&f, batch(BatchOptions::default(), &[START; 3])).base_offset, 0);
    assert_eq!(produce(&f, batch(BatchOptions::default(), &[START; 2])).base_offset, 3);
    f.restart();
    assert_eq!(produce(&f, batch(BatchOptions::default(), &[f.now])).base_offset, 5);
    let answer = f.ask(11, &fetch_request(0, 0, (0, -1)));
    assert_eq!((count(&answer), answer.responses[0].partitions[0].high_watermark), (6, 6));
}

#[test]
fn an_idempotent_producer_is_answered_twice_with_the_same_offset_also_after_a_restart() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    let id = f.ask(4, &InitProducerIdRequest::default().with_transactional_id(None)).producer_id.0;
    let numbered = |sequence| BatchOptions {
        producer_id: id,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    assert_eq!(produce(&f, batch(numbered(0), &[START; 2])).base_offset, 0);
    assert_eq!(produce(&f, batch(numbered(2), &[START])).base_offset, 2);
    assert_eq!(produce(&f, batch(numbered(0), &[START; 2])).base_offset, 0);
    f.restart();
    assert_eq!(produce(&f, batch(numbered(2), &[START])).base_offset, 2);
    let gap = produce(&f, batch(numbered(7), &[START]));
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber.code());
    assert_eq!(produce(&f, batch(numbered(3), &[START])).base_offset, 3);
    assert!(
        f.ask(4, &InitProducerIdRequest::default().with_transactional_id(None)).producer_id.0 > id,
        "an id is never given twice"
    );
}

#[test]
fn a_reader_waits_for_a_record_or_for_its_deadline() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    let woken = f.send(11, &fetch_request(0, 500, (0, -1)));
    assert!(woken.try_recv().is_err(), "there is nothing to read yet");
    produce(&f, batch(BatchOptions::default(), &[START]));
    assert_eq!(count(&decode::<FetchRequest>(11, woken.try_recv().unwrap())), 1);

    let late = f.send(11, &fetch_request(1, 500, (0, -1)));
    assert_eq!(f.node.tick(f.now + 499), f.now + 500);
    assert!(late.try_recv().is_err());
    f.node.tick(f.now + 500);
    assert_eq!(count(&decode::<FetchRequest>(11, late.try_recv().unwrap())), 0);
}

#[test]
fn a_fetch_session_tells_only_what_is_new() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    produce(&f, batch(BatchOptions::default(), &[START]));
    let first = f.ask(11, &fetch_request(0, 0, (0, 0)));
    assert_ne!(first.session_id, 0);
    assert_eq!(count(&first), 1);
    let mut next = fetch_request(1, 0, (first.session_id, 1));
    assert!(f.ask(11, &next).responses.is_empty(), "nothing has changed");
    produce(&f, batch(BatchOptions::default(), &[START; 2]));
    next = fetch_request(1, 0, (first.session_id, 2)).with_topics(Vec::new());
    assert_eq!(count(&f.ask(11, &next)), 2);
    let wrong = f.ask(11, &fetch_request(1, 0, (first.session_id, 9)));
    assert_eq!(wrong.error_code, ErrorCode::InvalidFetchSessionEpoch.code());
}

#[test]
fn what_cannot_be_read_is_said_at_once() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    let beyond = f.ask(11, &fetch_request(9, 60_000, (0, -1)));
    assert_eq!(beyond.responses[0].partitions[0].error_code, ErrorCode::OffsetOutOfRange.code());
    let mut fenced = fetch_request(0, 60_000, (0, -1));
    fenced.topics[0].partitions[0].current_leader_epoch = 99;
    let fenced = f.ask(11, &fenced);
    assert_eq!(fenced.responses[0].partitions[0].error_code, ErrorCode::UnknownLeaderEpoch.code());
    let mut unknown = fetch_request(0, 60_000, (0, -1));
    unknown.topics[0].topic = name_of("no-such-topic");
    let unknown = f.ask(11, &unknown);
    assert_eq!(unknown.responses[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn offsets_are_found_by_time() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    let earliest_epoch = || {
        let partition = ListOffsetsPartition::default().with_timestamp(-2).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
        let answer = f.ask(9, &ListOffsetsRequest::default().with_topics(vec![topic]));
        answer.topics[0].partitions[0].leader_epoch
    };
    assert_eq!(earliest_epoch(), 0, "that of the record which will be the first");
    produce(&f, batch(BatchOptions::default(), &[START, START + 10, START + 5]));
    assert_eq!(earliest_epoch(), 0);
    produce(&f, batch(BatchOptions::default(), &[START + 20]));
    let offset = |timestamp: i64| {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
        let answer = f.ask(9, &ListOffsetsRequest::default().with_topics(vec![topic]));
        let partition = &answer.topics[0].partitions[0];
        (partition.error_code, partition.offset, partition.timestamp)
    };
    for (what, asked, found) in [
        ("earliest", -2, (0, 0, -1)),
        ("latest", -1, (0, 4, -1)),
        ("the greatest timestamp", -3, (0, 3, START + 20)),
        ("the first local one", -4, (0, 0, -1)),
        ("the last tiered one", -5, (0, -1, -1)),
        ("exactly then", START + 10, (0, 1, START + 10)),
        ("in between", START + 11, (0, 3, START + 20)),
        ("after everything", START + 21, (0, -1, -1)),
    ] {
        assert_eq!(offset(asked), found, "{what}");
    }
}

/// KIP-207: whoever was told an end before the crash must not be told a lower one.
#[test]
fn after_a_crash_nobody_is_told_an_end_before_it_is_durable() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    produce(&f, batch(BatchOptions::default(), &[START, START + 10, START + 20]));
    f.crash(&[("andiron.fsync", "true")]);
    let ask = |version: i16, timestamp: i64, isolation: i8| {
        let partition = ListOffsetsPartition::default().with_timestamp(timestamp).with_current_leader_epoch(-1);
        let topic = ListOffsetsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_isolation_level(isolation).with_topics(vec![topic]);
        let answer = f.ask(version, &request).topics[0].partitions[0].clone();
        (ErrorCode::from_code(answer.error_code).unwrap(), answer.offset)
    };
    let rows = [
        ("latest", 9, -1, ErrorCode::OffsetNotAvailable, 3),
        ("latest, of the first version that knows it", 5, -1, ErrorCode::OffsetNotAvailable, 3),
        ("latest, of one that does not", 4, -1, ErrorCode::LeaderNotAvailable, 3),
        ("the greatest timestamp", 7, -3, ErrorCode::OffsetNotAvailable, 2),
        ("a time with a record", 5, START + 10, ErrorCode::OffsetNotAvailable, 1),
        ("the same, of an old version", 2, START + 10, ErrorCode::LeaderNotAvailable, 1),
        ("a time after every record", 5, START + 21, ErrorCode::None, -1),
        ("earliest", 5, -2, ErrorCode::None, 0),
    ];
    let delete = |offset: i64| {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
        let answer = f.ask(2, &DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
        let partition = &answer.topics[0].partitions[0];
        (ErrorCode::from_code(partition.error_code).unwrap(), partition.low_watermark)
    };
    for isolation in [0, 1] {
        for (what, version, timestamp, at_first, _) in rows {
            assert_eq!(ask(version, timestamp, isolation).0, at_first, "{what}");
        }
    }
    for offset in [-1, 2] {
        assert_eq!(delete(offset).0, ErrorCode::NotLeaderOrFollower, "up to {offset}");
    }
    while f.node.sync_due(f.now) {}
    for (what, version, timestamp, _, offset) in rows {
        assert_eq!(ask(version, timestamp, 0), (ErrorCode::None, offset), "{what}");
    }
    assert_eq!(delete(4).0, ErrorCode::OffsetOutOfRange);
    assert_eq!(delete(2), (ErrorCode::None, 2));
}

#[test]
fn acks_that_do_not_exist_and_topics_of_coordinators_are_refused() {
    let f = Fixture::new();
    let internal = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
    let told = f.metadata(&internal);
    assert!(told.topics.iter().all(|topic| topic.is_internal), "{told:?}");
    f.metadata(&["orders"]);
    let answer = f.ask(9, &produce_request(2, batch(BatchOptions::default(), &[START])));
    let code = answer.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::InvalidRequiredAcks.code());
    let mut internal = produce_request(-1, batch(BatchOptions::default(), &[START]));
    internal.topic_data[0].name = name_of("__consumer_offsets");
    let code = f.ask(9, &internal).responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::InvalidTopicException.code());
}
