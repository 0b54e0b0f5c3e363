//! Topics come, change and go, and what clients are told of them.

use std::path::Path;

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::CreateTopicsRequest;
use andiron_protocol::messages::DeleteRecordsRequest;
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::{DeleteTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest};
use andiron_protocol::messages::{DescribeTopicPartitionsRequest, create_topics_request::CreatableTopic};

use crate::node::{Fixture, name_of, text};
use crate::produce_and_fetch::{count, fetch_request};

fn folders(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("orders"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_topic_is_created_on_the_way_if_both_sides_want_it() {
    let f = Fixture::new();
    let asked = |allow: bool| {
        let topic = MetadataRequestTopic::default().with_name(Some(name_of("orders")));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(allow);
        f.ask(12, &request).topics[0].error_code
    };
    assert_eq!(asked(false), ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(asked(true), 0);
    assert_eq!(asked(false), 0);
    let invalid = f.metadata(&["bad name"]);
    assert_eq!(invalid.topics[0].error_code, ErrorCode::InvalidTopicException.code());

    let f = Fixture::with(&[("auto.create.topics.enable", "false")]);
    let refused = f.metadata(&["orders"]);
    assert_eq!(refused.topics[0].error_code, ErrorCode::UnknownTopicOrPartition.code());
}

#[test]
fn a_deleted_topic_is_gone_at_once_and_its_files_after_their_delay() {
    let f = Fixture::with(&[("log.segment.delete.delay.ms", "100")]);
    let id = f.metadata(&["orders"]).topics[0].topic_id;
    assert_eq!(folders(f.folder.path()), ["orders-0"]);
    let answer = f.ask(4, &DeleteTopicsRequest::default().with_topic_names(vec![name_of("orders")]));
    assert_eq!(answer.responses[0].error_code, 0);
    let marked = folders(f.folder.path());
    assert!(marked.len() == 1 && marked[0].ends_with("-delete"), "{marked:?}");
    f.node.keep_house(f.now + 200);
    assert_eq!(folders(f.folder.path()), [""; 0]);
    assert_ne!(f.metadata(&["orders"]).topics[0].topic_id, id, "a new topic of the old name");
}

/// A log start or a recovery point of the topic before would have the new one begin behind what it was sent.
#[test]
fn a_topic_of_an_old_name_begins_at_0_whatever_crashes_between() {
    let checkpoints =
        ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint"];
    for crash_before_it_is_made_anew in [false, true] {
        let mut f = Fixture::with(&[("log.flush.start.offset.checkpoint.interval.ms", "700")]);
        let path = |f: &Fixture, name: &str| f.folder.path().join("log").join(name);
        f.metadata(&["orders"]);
        for _ in 0..3 {
            append_200_bytes(&f);
        }
        let partition = DeleteRecordsPartition::default().with_offset(2);
        let topic = DeleteRecordsTopic::default().with_name(name_of("orders")).with_partitions(vec![partition]);
        f.ask(2, &DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
        f.now += 60_000;
        f.node.keep_house(f.now);
        let old = checkpoints.map(|name| std::fs::read_to_string(path(&f, name)).unwrap());
        assert_eq!(old, ["0\n1\norders 0 3\n", "0\n1\norders 0 2\n", "0\n1\norders 0 3\n"]);
        f.ask(4, &DeleteTopicsRequest::default().with_topic_names(vec![name_of("orders")]));
        assert_eq!(checkpoints.map(|name| std::fs::read_to_string(path(&f, name)).unwrap()), ["0\n0\n"; 3]);
        if crash_before_it_is_made_anew {
            // The power went before they were written.
            for (name, old) in checkpoints.iter().zip(&old) {
                std::fs::write(path(&f, name), old).unwrap();
            }
            f.crash(&[]);
        }
        f.metadata(&["orders"]);
        assert_eq!(append_200_bytes(&f), 0);
        f.crash(&[]);
        let answer = f.ask(11, &fetch_request(0, 0, (0, -1)));
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((count(&answer), partition.log_start_offset, partition.high_watermark), (1, 0, 1));
    }
}

#[test]
fn a_partition_that_the_cluster_does_not_know_is_set_aside_not_deleted() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    let log = f.folder.path().join("log");
    std::fs::create_dir(log.join("orders-7")).unwrap();
    f.restart();
    let names = folders(f.folder.path());
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0] == "orders-0" && names[1].starts_with("orders-7.") && names[1].ends_with("-stray"), "{names:?}");
}

#[test]
fn a_changed_config_is_obeyed_by_the_next_append_and_kept_by_a_restart() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    let config = AlterableConfig::default().with_name(text("max.message.bytes")).with_value(Some(text("100")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config]);
    let answer = f.ask(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]));
    assert_eq!(answer.responses[0].error_code, 0);
    for _ in 0..2 {
        assert_eq!(append_200_bytes(&f), ErrorCode::MessageTooLarge.code());
        f.restart();
    }
}

fn append_200_bytes(f: &Fixture) -> i16 {
    use andiron_protocol::batch::{BatchBuilder, BatchOptions};
    use andiron_protocol::messages::ProduceRequest;
    use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(f.now, None, Some(&[b'x'; 200]));
    let data = PartitionProduceData::default().with_records(Some(builder.build().unwrap()));
    let topic = TopicProduceData::default().with_name(name_of("orders")).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(1).with_timeout_ms(1000).with_topic_data(vec![topic]);
    f.ask(9, &request).responses[0].partition_responses[0].error_code
}

#[test]
fn a_snapshot_of_the_metadata_stands_for_the_log_before_it() {
    let mut f = Fixture::with(&[("metadata.log.max.snapshot.interval.ms", "1000")]);
    let id = f.metadata(&["orders"]).topics[0].topic_id;
    f.node.keep_house(f.now + 2_000);
    let snapshots = || -> Vec<String> {
        let folder = f.folder.path().join("log/__cluster_metadata-0");
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".checkpoint")).collect();
        names.sort();
        names
    };
    let names = snapshots();
    assert_eq!(names.len(), 2, "the one of the format, and one of now: {names:?}");
    f.metadata(&["later"]);
    f.restart();
    let answer = f.metadata(&["orders", "later"]);
    assert_eq!((answer.topics[0].topic_id, answer.topics[1].error_code), (id, 0));
}

#[test]
fn partitions_are_described_page_by_page() {
    let f = Fixture::new();
    for (name, partitions) in [("a", 3), ("b", 2)] {
        let topic = CreatableTopic::default()
            .with_name(name_of(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        f.ask(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000));
    }
    let mut request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(2).with_cursor(None);
    let mut seen = Vec::new();
    loop {
        let answer = f.ask(0, &request);
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            seen.extend(topic.partitions.iter().map(|p| format!("{name}-{}", p.partition_index)));
        }
        let Some(cursor) = answer.next_cursor else { break };
        let next = andiron_protocol::messages::describe_topic_partitions_request::Cursor::default()
            .with_topic_name(cursor.topic_name)
            .with_partition_index(cursor.partition_index);
        request = request.with_cursor(Some(next));
    }
    assert_eq!(seen, ["a-0", "a-1", "a-2", "b-0", "b-1"]);
}
