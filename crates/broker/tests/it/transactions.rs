//! Transactions through a whole node: what producers are told, what readers of committed records see, and what a node finishes
//! that was stopped in between.

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches};
use andiron_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use andiron_protocol::messages::describe_producers_request::TopicRequest;
use andiron_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use andiron_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use andiron_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use andiron_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use andiron_protocol::messages::*;
use bytes::Bytes;

use crate::node::{Fixture, START, name_of, text};

const ID: &str = "tx";

/// Produce before a client leaves adding partitions to the broker, and after.
const V1: i16 = 11;
const V2: i16 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Producer {
    id: i64,
    epoch: i16,
}

fn id() -> TransactionalId {
    TransactionalId(text(ID))
}

fn begin() -> Fixture {
    begin_with(&[])
}

fn begin_with(more: &[(&str, &str)]) -> Fixture {
    let f = Fixture::with(more);
    f.metadata(&["orders"]);
    find(&f, 1, ID);
    f
}

fn find(f: &Fixture, key_type: i8, key: &'static str) {
    let request = FindCoordinatorRequest::default().with_key_type(key_type).with_coordinator_keys(vec![text(key)]);
    assert_eq!(f.ask(4, &request).coordinators[0].error_code, 0);
}

fn init(f: &Fixture) -> Result<Producer, ErrorCode> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let answer = f.ask(5, &request);
    match ErrorCode::from_code(answer.error_code).unwrap() {
        ErrorCode::None => Ok(Producer { id: answer.producer_id.0, epoch: answer.producer_epoch }),
        error => Err(error),
    }
}

fn batch(of: Producer, sequence: i32, transactional: bool) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: of.id,
        producer_epoch: of.epoch,
        base_sequence: sequence,
        transactional,
        ..BatchOptions::default()
    });
    builder.append(START, None, Some(b"value"));
    builder.build().unwrap()
}

fn produce_as(f: &Fixture, version: i16, transactional_id: Option<TransactionalId>, records: Bytes) -> ErrorCode {
    let data = PartitionProduceData::default().with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name_of("orders")).with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(transactional_id)
        .with_acks(-1)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic]);
    let answer = f.ask(version, &request);
    ErrorCode::from_code(answer.responses[0].partition_responses[0].error_code).unwrap()
}

fn produce(f: &Fixture, version: i16, of: Producer, sequence: i32) -> ErrorCode {
    produce_as(f, version, Some(id()), batch(of, sequence, true))
}

fn add(f: &Fixture, of: Producer) -> ErrorCode {
    let topic = AddPartitionsToTxnTopic::default().with_name(name_of("orders")).with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(ProducerId(of.id))
        .with_v3_and_below_producer_epoch(of.epoch)
        .with_v3_and_below_topics(vec![topic]);
    let answer = f.ask(3, &request);
    let partition = &answer.results_by_topic_v3_and_below[0].results_by_partition[0];
    ErrorCode::from_code(partition.partition_error_code).unwrap()
}

fn end(f: &Fixture, version: i16, of: Producer, committed: bool) -> Result<Producer, ErrorCode> {
    let request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(of.id))
        .with_producer_epoch(of.epoch)
        .with_committed(committed);
    let answer = f.ask(version, &request);
    match ErrorCode::from_code(answer.error_code).unwrap() {
        ErrorCode::None => Ok(Producer { id: answer.producer_id.0, epoch: answer.producer_epoch }),
        error => Err(error),
    }
}

fn state(f: &Fixture) -> String {
    let answer = f.ask(0, &DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]));
    answer.transaction_states[0].transaction_state.to_string()
}

/// The last stable offset, as readers of committed records learn it.
fn stable(f: &Fixture) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_isolation_level(1).with_topics(vec![topic]);
    f.ask(7, &request).topics[0].partitions[0].offset
}

/// (offsets of data batches, offsets of markers, first offsets of aborted transactions) that a reader of committed records gets.
fn read(f: &Fixture) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20).with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(name_of("orders")).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_isolation_level(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let answer = f.ask(11, &request);
    let partition = &answer.responses[0].partitions[0];
    let records = partition.records.clone().unwrap_or_default();
    let headers: Vec<_> = Batches::new(&records).map(|batch| batch.unwrap().header).collect();
    let of = |control| {
        let offsets = headers.iter().filter(move |header| header.attributes.is_control() == control);
        offsets.map(|header| header.base_offset).collect::<Vec<i64>>()
    };
    let aborted = partition.aborted_transactions.iter().flatten().map(|aborted| aborted.first_offset).collect();
    (of(false), of(true), aborted)
}

#[test]
fn a_transaction_is_seen_when_it_is_committed_and_an_aborted_one_is_named_to_readers() {
    let f = begin();
    let me = init(&f).unwrap();
    assert_eq!(add(&f, me), ErrorCode::None);
    assert_eq!(produce(&f, V1, me, 0), ErrorCode::None);
    assert_eq!(produce(&f, V1, me, 1), ErrorCode::None);
    assert_eq!((stable(&f), read(&f).0), (0, vec![]));
    assert_eq!(end(&f, 3, me, true), Ok(Producer { id: -1, epoch: -1 }), "before version 5 no producer is named");
    assert_eq!(state(&f), "CompleteCommit");
    assert_eq!(read(&f), (vec![0, 1], vec![2], vec![]));
    assert_eq!(add(&f, me), ErrorCode::None);
    assert_eq!(produce(&f, V1, me, 2), ErrorCode::None);
    assert_eq!(stable(&f), 3);
    end(&f, 3, me, false).unwrap();
    assert_eq!(state(&f), "CompleteAbort");
    assert_eq!(read(&f), (vec![0, 1, 3], vec![2, 4], vec![3]));
    assert_eq!(stable(&f), 5);
}

#[test]
fn a_client_of_version_2_adds_nothing_itself_and_goes_on_under_the_next_epoch() {
    let f = begin();
    let first = init(&f).unwrap();
    assert_eq!(produce(&f, V2, first, 0), ErrorCode::None);
    assert_eq!(state(&f), "Ongoing");
    let second = end(&f, 5, first, true).unwrap();
    assert_eq!(second, Producer { id: first.id, epoch: first.epoch + 1 });
    assert_eq!(produce(&f, V2, first, 1), ErrorCode::InvalidProducerEpoch);
    assert_eq!(produce(&f, V2, second, 0), ErrorCode::None);
    let third = end(&f, 5, second, false).unwrap();
    assert_eq!(third.epoch, 2);
    assert_eq!(end(&f, 5, third, false).unwrap().epoch, 3, "it may not know that it has begun nothing");
    assert_eq!(read(&f), (vec![0, 2], vec![1, 3], vec![2]));
}

#[test]
fn records_of_a_partition_that_is_not_in_the_transaction_are_refused() {
    let f = begin();
    let me = init(&f).unwrap();
    assert_eq!(produce(&f, 9, me, 0), ErrorCode::InvalidTxnState);
    assert_eq!(produce(&f, V1, me, 0), ErrorCode::TransactionAbortable);
    let stranger = Producer { id: me.id + 1, epoch: 0 };
    assert_eq!(produce(&f, V1, stranger, 0), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(produce(&f, V2, Producer { epoch: 7, ..me }, 0), ErrorCode::InvalidProducerEpoch);
    assert_eq!(produce_as(&f, V1, None, batch(me, 0, true)), ErrorCode::TransactionalIdAuthorizationFailed);
    assert_eq!(stable(&f), 0);
    assert_eq!(add(&f, me), ErrorCode::None);
    assert_eq!(produce(&f, V1, me, 0), ErrorCode::None);
    assert_eq!(produce_as(&f, V1, Some(id()), batch(me, 1, false)), ErrorCode::InvalidTxnState);
    end(&f, 3, me, true).unwrap();
    assert_eq!(produce(&f, V1, me, 1), ErrorCode::TransactionAbortable, "that transaction is over");
}

#[test]
fn without_verification_whatever_comes_in_time_is_taken() {
    let f = begin_with(&[("transaction.partition.verification.enable", "false")]);
    let me = init(&f).unwrap();
    assert_eq!(produce(&f, V1, me, 0), ErrorCode::None);
}

#[test]
fn a_new_producer_aborts_what_the_old_one_began() {
    let f = begin();
    let old = init(&f).unwrap();
    assert_eq!(produce(&f, V2, old, 0), ErrorCode::None);
    assert_eq!(init(&f), Err(ErrorCode::ConcurrentTransactions));
    let new = init(&f).unwrap();
    assert_eq!(new, Producer { id: old.id, epoch: old.epoch + 2 });
    assert_eq!(end(&f, 5, old, true), Err(ErrorCode::ProducerFenced));
    assert_eq!(
        end(&f, 1, old, true),
        Err(ErrorCode::InvalidProducerEpoch),
        "an old client does not know the other code"
    );
    assert_eq!(produce(&f, V2, old, 1), ErrorCode::InvalidProducerEpoch);
    assert_eq!(read(&f), (vec![0], vec![1], vec![0]));
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let mut f = begin();
    let me = init(&f).unwrap();
    assert_eq!(produce(&f, V2, me, 0), ErrorCode::None);
    f.now += 60_000;
    f.node.tick(f.now);
    assert_eq!(state(&f), "Ongoing");
    f.now += 10_001;
    f.node.tick(f.now);
    assert_eq!(state(&f), "CompleteAbort");
    assert_eq!(stable(&f), 2);
    assert_eq!(end(&f, 3, me, true), Err(ErrorCode::ProducerFenced));
    assert_eq!(end(&f, 5, me, true), Err(ErrorCode::InvalidTxnState), "the coordinator's abort is not what it repeats");
}

#[test]
fn open_committed_and_aborted_transactions_are_what_they_were_after_a_restart() {
    let mut f = begin();
    let mut me = init(&f).unwrap();
    for committed in [true, false] {
        assert_eq!(produce(&f, V2, me, 0), ErrorCode::None);
        me = end(&f, 5, me, committed).unwrap();
    }
    assert_eq!(produce(&f, V2, me, 0), ErrorCode::None);
    let before = (state(&f), stable(&f), read(&f));
    assert_eq!(before, ("Ongoing".to_owned(), 4, (vec![0, 2], vec![1, 3], vec![2])));
    f.restart();
    assert_eq!((state(&f), stable(&f), read(&f)), before);
    assert_eq!(produce(&f, V2, me, 1), ErrorCode::None);
    end(&f, 5, me, true).unwrap();
    assert_eq!(read(&f), (vec![0, 2, 4, 5], vec![1, 3, 6], vec![2]));
}

fn commit_offset(f: &Fixture, version: i16, of: Producer, offset: i64) -> ErrorCode {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(text("g")))
        .with_producer_id(ProducerId(of.id))
        .with_producer_epoch(of.epoch)
        .with_topics(vec![topic]);
    ErrorCode::from_code(f.ask(version, &request).topics[0].partitions[0].error_code).unwrap()
}

/// (error, offset) of the group for readers that want none that may change.
fn committed_offset(f: &Fixture) -> (ErrorCode, i64) {
    let topic = OffsetFetchRequestTopics::default().with_name(name_of("orders")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
    let answer = f.ask(8, &OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![group]));
    let partition = &answer.groups[0].topics[0].partitions[0];
    (ErrorCode::from_code(partition.error_code).unwrap(), partition.committed_offset)
}

#[test]
fn offsets_belong_to_the_transaction_and_count_with_it() {
    let mut f = begin();
    find(&f, 0, "g");
    let mut me = init(&f).unwrap();
    assert_eq!(commit_offset(&f, 3, me, 3), ErrorCode::InvalidTxnState, "the group's partition was not added");
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(me.id))
        .with_producer_epoch(me.epoch)
        .with_group_id(GroupId(text("g")));
    assert_eq!(f.ask(3, &add).error_code, 0);
    assert_eq!(commit_offset(&f, 3, me, 3), ErrorCode::None);
    assert_eq!(committed_offset(&f), (ErrorCode::UnstableOffsetCommit, -1));
    end(&f, 3, me, true).unwrap();
    assert_eq!(committed_offset(&f), (ErrorCode::None, 3));
    // A client of version 2 adds no group.
    assert_eq!(commit_offset(&f, 5, me, 9), ErrorCode::None);
    f.restart();
    assert_eq!(committed_offset(&f), (ErrorCode::UnstableOffsetCommit, -1));
    me = end(&f, 5, me, false).unwrap();
    assert_eq!(committed_offset(&f), (ErrorCode::None, 3));
    assert_eq!(commit_offset(&f, 5, me, 11), ErrorCode::None);
    end(&f, 5, me, true).unwrap();
    f.restart();
    assert_eq!(committed_offset(&f), (ErrorCode::None, 11));
}

#[test]
fn a_hanging_transaction_is_found_and_ended_by_an_administrator() {
    // The coordinator never heard of it.
    let f = begin_with(&[("transaction.partition.verification.enable", "false")]);
    let stray = Producer { id: 900, epoch: 3 };
    assert_eq!(produce_as(&f, V1, Some(id()), batch(stray, 0, true)), ErrorCode::None);
    let producers = |f: &Fixture| {
        let topic = TopicRequest::default().with_name(name_of("orders")).with_partition_indexes(vec![0]);
        let answer = f.ask(0, &DescribeProducersRequest::default().with_topics(vec![topic]));
        answer.topics[0].partitions[0].active_producers.clone()
    };
    let found = producers(&f).remove(0);
    let seen = (found.producer_id.0, found.producer_epoch, found.last_sequence, found.current_txn_start_offset);
    assert_eq!((seen, found.coordinator_epoch, stable(&f)), ((900, 3, 0, 0), -1, 0));
    let topic = WritableTxnMarkerTopic::default().with_name(name_of("orders")).with_partition_indexes(vec![0, 9]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(900))
        .with_producer_epoch(3)
        .with_coordinator_epoch(5)
        .with_topics(vec![topic]);
    let write = |marker: &WritableTxnMarker| {
        let answer = f.ask(1, &WriteTxnMarkersRequest::default().with_markers(vec![marker.clone()]));
        answer.markers[0].topics[0].partitions.iter().map(|p| p.error_code).collect::<Vec<i16>>()
    };
    assert_eq!(write(&marker), [0, 3], "the partition that is there, then the one that is not");
    assert_eq!((producers(&f)[0].current_txn_start_offset, stable(&f)), (-1, 2));
    let late = marker.clone().with_coordinator_epoch(4);
    assert_eq!(write(&late)[0], ErrorCode::TransactionCoordinatorFenced.code());
    assert_eq!(write(&marker.with_producer_epoch(2))[0], ErrorCode::InvalidProducerEpoch.code());
}

#[test]
fn the_partitions_of_a_deleted_topic_hold_no_transaction_up() {
    let f = begin();
    let me = init(&f).unwrap();
    assert_eq!(produce(&f, V2, me, 0), ErrorCode::None);
    let state_of_topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name_of("orders")));
    f.ask(6, &DeleteTopicsRequest::default().with_topics(vec![state_of_topic]).with_timeout_ms(1_000));
    end(&f, 5, me, true).unwrap();
    assert_eq!(state(&f), "CompleteCommit");
}

#[test]
fn transactions_are_listed_over_all_coordinators() {
    let f = begin();
    let me = init(&f).unwrap();
    produce(&f, V2, me, 0);
    let list = |states: Vec<&'static str>| {
        let request = ListTransactionsRequest::default()
            .with_state_filters(states.into_iter().map(text).collect())
            .with_duration_filter(-1);
        let answer = f.ask(2, &request);
        (answer.transaction_states.len(), answer.unknown_state_filters.len())
    };
    assert_eq!([list(vec![]), list(vec!["Ongoing"]), list(vec!["Empty", "Nonsense"])], [(1, 0), (1, 0), (0, 1)]);
}

/// What a brand-new folder agrees on, and what an old one keeps.
#[test]
fn a_new_folder_has_transaction_version_2() {
    let f = begin();
    let request =
        ApiVersionsRequest::default().with_client_software_name(text("it")).with_client_software_version(text("1"));
    let answer = f.ask(4, &request);
    let level = answer.finalized_features.iter().find(|feature| &*feature.name == "transaction.version").unwrap();
    assert_eq!(level.max_version_level, 2);
}

/// A producer sends on while the first batch waits for its partition to be added.
#[test]
fn requests_of_a_transaction_do_not_overtake_each_other() {
    let f = Fixture::with(&[("andiron.fsync", "true")]);
    let node = std::sync::Arc::clone(&f.node);
    std::thread::scope(|scope| {
        scope.spawn(|| node.run_syncs(&|| START));
        let _stops = Stops(&node);
        let wait = |answer: std::sync::mpsc::Receiver<andiron_broker::Answer>| {
            answer.recv_timeout(std::time::Duration::from_secs(30)).expect("an answer")
        };
        let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name_of("orders")));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        wait(f.send(12, &request));
        let grow =
            create_partitions_request::CreatePartitionsTopic::default().with_name(name_of("orders")).with_count(8);
        wait(f.send(3, &CreatePartitionsRequest::default().with_topics(vec![grow.with_assignments(None)])));
        let request = FindCoordinatorRequest::default().with_key_type(1).with_coordinator_keys(vec![text(ID)]);
        wait(f.send(4, &request));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = crate::node::decode::<InitProducerIdRequest>(5, wait(f.send(5, &request)));
        let mut me = Producer { id: answer.producer_id.0, epoch: answer.producer_epoch };
        for round in 0..10 {
            // Each request has the next batch of partition 0 and the first one of another partition.
            let answers: Vec<_> = (0..8)
                .map(|at| {
                    let data = |index: i32, sequence| {
                        PartitionProduceData::default().with_index(index).with_records(Some(batch(me, sequence, true)))
                    };
                    let mut partitions = vec![data(0, at)];
                    partitions.extend((at > 0).then(|| data(at, 0)));
                    let topic =
                        TopicProduceData::default().with_name(name_of("orders")).with_partition_data(partitions);
                    let request = ProduceRequest::default()
                        .with_transactional_id(Some(id()))
                        .with_acks(-1)
                        .with_timeout_ms(30_000)
                        .with_topic_data(vec![topic]);
                    f.send(V2, &request)
                })
                .collect();
            for (at, answer) in answers.into_iter().enumerate() {
                let answer = crate::node::decode::<ProduceRequest>(V2, wait(answer));
                for partition in &answer.responses[0].partition_responses {
                    assert_eq!(partition.error_code, 0, "round {round}, request {at}, partition {}", partition.index);
                    assert!(partition.base_offset >= 0);
                }
            }
            let request = EndTxnRequest::default()
                .with_transactional_id(id())
                .with_producer_id(ProducerId(me.id))
                .with_producer_epoch(me.epoch)
                .with_committed(true);
            let answer = crate::node::decode::<EndTxnRequest>(5, wait(f.send(5, &request)));
            assert_eq!(answer.error_code, 0);
            me = Producer { id: answer.producer_id.0, epoch: answer.producer_epoch };
        }
    });
}

/// Ends the node's thread also when the test fails.
struct Stops<'a>(&'a andiron_broker::Node);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
