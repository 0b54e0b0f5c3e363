//! The cleaner of a node: which log it takes, what its checkpoint says, what a changed config changes, and what retention does
//! beside it.

use std::sync::mpsc::channel;
use std::time::Duration;

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
    ProduceRequest,
};

use crate::node::{Fixture, name_of, text};

fn create(f: &Fixture, name: &str, configs: &[(&str, &str)]) {
    let config = |(name, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(name_of(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect());
    let answer = f.ask(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
}

fn alter(f: &Fixture, name: &str, key: &str, value: &str) {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource =
        AlterConfigsResource::default().with_resource_type(2).with_resource_name(text(name)).with_configs(vec![config]);
    let answer = f.ask(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]));
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

/// Appends one batch of the key and advances the clock by a second.
fn put(f: &mut Fixture, topic: &str, key: &str) {
    f.now += 1_000;
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(f.now, Some(key.as_bytes()), Some(&[b'v'; 300]));
    let data = PartitionProduceData::default().with_index(0).with_records(Some(builder.build().unwrap()));
    let topic = TopicProduceData::default().with_name(name_of(topic)).with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(1).with_timeout_ms(1_000).with_topic_data(vec![topic]);
    let answer = f.ask(9, &request);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
}

fn bytes(f: &Fixture, topic: &str) -> u64 {
    let dir = f.folder.path().join("log").join(format!("{topic}-0"));
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    files.filter(|e| e.file_name().to_string_lossy().ends_with(".log")).map(|e| e.metadata().unwrap().len()).sum()
}

fn checkpoint(f: &Fixture) -> String {
    std::fs::read_to_string(f.folder.path().join("log/cleaner-offset-checkpoint")).unwrap_or_default()
}

fn clean(f: &Fixture) -> bool {
    let now = f.now;
    f.node.clean_dirtiest(&move || now)
}

/// A batch of one record of `key`.
const BATCH: u64 = 373;

const SMALL: [(&str, &str); 3] = [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("segment.ms", "2500")];

#[test]
fn the_dirtiest_log_first_and_each_but_once() {
    let mut f = Fixture::new();
    for topic in ["clean", "half", "dirty"] {
        create(&f, topic, &SMALL);
    }
    create(&f, "deleted", &[("cleanup.policy", "delete"), ("segment.ms", "2500")]);
    for i in 0..12 {
        put(&mut f, "half", "key");
        put(&mut f, "dirty", "key");
        put(&mut f, "deleted", &format!("{i}"));
        put(&mut f, "clean", &format!("{i}"));
    }
    assert_eq!(bytes(&f, "dirty"), 12 * BATCH);
    let mut order = Vec::new();
    while clean(&f) {
        let lines: Vec<String> = checkpoint(&f).lines().skip(2).map(str::to_owned).collect();
        order.push(lines.len());
        assert!(order.len() < 10, "{lines:?}");
    }
    assert_eq!(order, [1, 2, 3], "each log once");
    // Every record is a segment of its own, the last one is active: one of twelve stays beside it.
    assert_eq!((bytes(&f, "dirty"), bytes(&f, "half")), (2 * BATCH, 2 * BATCH));
    assert!(bytes(&f, "clean") > 11 * BATCH && bytes(&f, "deleted") > 11 * BATCH);
    assert_eq!(checkpoint(&f), "0\n3\nclean 0 11\ndirty 0 11\nhalf 0 11\n");
    // Half of a log is new: more than min.cleanable.dirty.ratio of 0.5 is asked for.
    put(&mut f, "half", "key");
    assert!(!clean(&f), "one of two batches is dirty");
    alter(&f, "half", "min.cleanable.dirty.ratio", "0.4");
    assert!(clean(&f), "and that is enough now");
    assert!(!clean(&f));
}

#[test]
fn a_policy_that_changes_is_obeyed_at_once_and_a_restart_goes_on_from_the_checkpoint() {
    let mut f = Fixture::new();
    create(&f, "orders", &[("cleanup.policy", "delete"), ("segment.ms", "2500")]);
    for _ in 0..5 {
        put(&mut f, "orders", "key");
        f.now += 3_000;
    }
    assert!(!clean(&f));
    alter(&f, "orders", "cleanup.policy", "compact");
    assert!(clean(&f));
    assert_eq!(checkpoint(&f), "0\n1\norders 0 4\n");
    f.restart();
    assert!(!clean(&f), "what is clean stays so");
    f.ask(4, &DeleteTopicsRequest::default().with_topic_names(vec![name_of("orders")]));
    assert_eq!(checkpoint(&f), "0\n0\n", "a topic of the same name begins anew");
}

#[test]
fn a_log_that_cannot_be_cleaned_is_set_aside_and_the_others_are_not() {
    let mut f = Fixture::new();
    for topic in ["broken", "whole"] {
        create(&f, topic, &SMALL);
        for _ in 0..5 {
            put(&mut f, topic, "key");
            f.now += 3_000;
        }
    }
    let log = f.folder.path().join("log/broken-0/00000000000000000000.log");
    let mut damaged = std::fs::read(&log).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&log, damaged).unwrap();
    while clean(&f) {}
    assert_eq!(checkpoint(&f), "0\n1\nwhole 0 4\n");
    assert_eq!(bytes(&f, "broken"), 5 * BATCH);
    let names = std::fs::read_dir(f.folder.path().join("log/broken-0")).unwrap();
    assert!(names.map(|n| n.unwrap().file_name()).all(|n| !n.to_string_lossy().contains("cleaned")));
}

/// The topic that is made anew has its files where the cleaner writes.
#[test]
fn a_topic_that_is_deleted_while_it_is_cleaned_is_made_anew_only_when_the_cleaner_has_left() {
    let mut f = Fixture::new();
    create(&f, "orders", &SMALL);
    for _ in 0..5 {
        put(&mut f, "orders", "key");
        f.now += 3_000;
    }
    let names = || -> Vec<String> {
        let Ok(dir) = std::fs::read_dir(f.folder.path().join("log/orders-0")) else { return Vec::new() };
        dir.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    };
    let known = || {
        let asked = MetadataRequestTopic::default().with_name(Some(name_of("orders")));
        f.ask(12, &MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false))
            .topics[0]
            .error_code
            == 0
    };
    let (begun, met) = (std::cell::Cell::new(false), std::cell::Cell::new(false));
    let (begin, wait_to_begin) = channel();
    let (anew, made_anew) = channel();
    let f = &f;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            wait_to_begin.recv().unwrap();
            f.ask(4, &DeleteTopicsRequest::default().with_topic_names(vec![name_of("orders")]));
            create(f, "orders", &SMALL);
            anew.send(()).unwrap();
        });
        f.node.clean_dirtiest(&|| {
            if !begun.get() && names().iter().any(|name| name.ends_with(".cleaned")) {
                begun.set(true);
                begin.send(()).unwrap();
                while known() {
                    std::thread::yield_now();
                }
                met.set(made_anew.recv_timeout(Duration::from_millis(300)).is_ok());
            }
            f.now
        });
        drop(begin);
        assert!(begun.get() && !met.get(), "made anew under the cleaner");
        made_anew.recv().unwrap();
    });
    assert!(names().iter().all(|name| !name.ends_with(".cleaned") && !name.ends_with(".deleted")), "{:?}", names());
    assert_eq!(bytes(f, "orders"), 0);
}

#[test]
fn a_compacted_log_obeys_retention_when_it_is_asked_to_and_delete_records_always() {
    let mut f = Fixture::new();
    create(&f, "both", &[("cleanup.policy", "compact,delete"), ("segment.ms", "2500"), ("retention.ms", "20000")]);
    create(&f, "compacted", &[("cleanup.policy", "compact"), ("segment.ms", "2500"), ("retention.ms", "20000")]);
    for i in 0..5 {
        put(&mut f, "both", &format!("{i}"));
        put(&mut f, "compacted", &format!("{i}"));
        f.now += 3_000;
    }
    let (before, now) = (bytes(&f, "both"), f.now);
    f.now += 20_000;
    f.node.keep_house(f.now);
    assert_eq!(bytes(&f, "both"), before, "compacted logs are the cleaner's");
    clean(&f);
    assert!(bytes(&f, "both") < before && f.now > now);
    assert_eq!(bytes(&f, "compacted"), before, "nothing is superseded, and it is not to be deleted");
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(4);
    let topic = DeleteRecordsTopic::default().with_name(name_of("compacted")).with_partitions(vec![partition]);
    let answer = f.ask(2, &DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::None.code());
    clean(&f);
    assert_eq!(bytes(&f, "compacted"), before / 5, "what was cleaned into one segment goes as one");
}

#[test]
fn the_begin_of_a_log_is_written_down_as_often_as_asked() {
    let mut f = Fixture::with(&[("log.flush.start.offset.checkpoint.interval.ms", "700")]);
    create(&f, "events", &[]);
    put(&mut f, "events", "a");
    put(&mut f, "events", "b");
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(1);
    let topic = DeleteRecordsTopic::default().with_name(name_of("events")).with_partitions(vec![partition]);
    f.ask(2, &DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000));
    let written = |f: &Fixture| std::fs::read_to_string(f.folder.path().join("log/log-start-offset-checkpoint")).ok();
    assert_eq!(written(&f), None);
    f.node.keep_house(f.now);
    assert_eq!(written(&f).as_deref(), Some("0\n1\nevents 0 1\n"));
}

#[test]
fn without_a_cleaner_nothing_is_cleaned() {
    let f = Fixture::with(&[("log.cleaner.enable", "false"), ("log.cleaner.threads", "3")]);
    assert_eq!(f.node.cleaner_threads(), 0);
    let f = Fixture::with(&[("log.cleaner.threads", "3")]);
    assert_eq!(f.node.cleaner_threads(), 3);
}
