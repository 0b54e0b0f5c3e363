//! The image as records change it.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::records::*;

fn apply(image: &mut Image, records: Vec<Record>) {
    for record in records {
        image.apply(image.offset() + 1, &record).unwrap();
    }
}

fn with_topic() -> Image {
    let mut image = Image::new("c");
    let id = Uuid::from_u128(1);
    let partition = |partition_id: i32| PartitionRecord {
        partition_id,
        topic_id: id,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        ..Default::default()
    };
    let topic = TopicRecord { name: "t".into(), topic_id: id };
    apply(&mut image, vec![topic.into(), partition(0).into(), partition(1).into()]);
    image
}

#[test]
fn a_clone_keeps_what_it_saw() {
    let mut image = with_topic();
    let before = image.clone();
    let change = PartitionChangeRecord { leader: 2, isr: Some(vec![2]), ..Partition::no_change(Uuid::from_u128(1), 0) };
    apply(&mut image, vec![change.into(), RemoveTopicRecord { topic_id: Uuid::from_u128(1) }.into()]);
    assert_eq!((image.topic_count(), before.topic_count()), (0, 1));
    assert_eq!(before.partition("t", 0).unwrap().leader, 1);
    assert_eq!((image.offset(), before.offset()), (4, 2));
}

#[test]
fn a_change_of_leader_raises_both_epochs_and_any_other_only_the_partitions() {
    let mut image = with_topic();
    let id = Uuid::from_u128(1);
    let epochs = |image: &Image| {
        let partition = image.partition("t", 0).unwrap();
        (partition.leader, partition.leader_epoch, partition.partition_epoch)
    };
    apply(&mut image, vec![PartitionChangeRecord { isr: Some(vec![1]), ..Partition::no_change(id, 0) }.into()]);
    assert_eq!(epochs(&image), (1, 0, 1));
    apply(&mut image, vec![PartitionChangeRecord { leader: -1, ..Partition::no_change(id, 0) }.into()]);
    assert_eq!(epochs(&image), (NO_LEADER, 1, 2));
    apply(&mut image, vec![PartitionChangeRecord { leader: 1, ..Partition::no_change(id, 0) }.into()]);
    assert_eq!(epochs(&image), (1, 2, 3));
}

#[test]
fn records_that_do_not_fit_are_named() {
    let (known, unknown) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let table: Vec<(Record, ApplyError)> = vec![
        (RemoveTopicRecord { topic_id: unknown }.into(), ApplyError::Topic(unknown)),
        (Partition::no_change(unknown, 0).into(), ApplyError::Topic(unknown)),
        (Partition::no_change(known, 7).into(), ApplyError::Partition(known, 7)),
        (Partition::no_change(known, -1).into(), ApplyError::Partition(known, -1)),
        (
            PartitionRecord { partition_id: 5, topic_id: known, ..Default::default() }.into(),
            ApplyError::Partition(known, 5),
        ),
        (UnfenceBrokerRecord { id: 3, epoch: 1 }.into(), ApplyError::Broker(3)),
        (BrokerRegistrationChangeRecord { broker_id: 3, ..Default::default() }.into(), ApplyError::Broker(3)),
    ];
    for (record, error) in table {
        assert_eq!(with_topic().apply(9, &record), Err(error));
    }
}

#[test]
fn topics_are_listed_by_name_from_any_place() {
    let mut image = Image::new("c");
    for (number, name) in ["b", "a", "d", "c"].into_iter().enumerate() {
        let topic_id = Uuid::from_u128(number as u128);
        apply(&mut image, vec![TopicRecord { name: name.into(), topic_id }.into()]);
    }
    let names = |topics: &mut dyn Iterator<Item = &Arc<Topic>>| -> Vec<String> {
        topics.map(|topic| topic.name.to_string()).collect()
    };
    assert_eq!(names(&mut image.topics()), ["a", "b", "c", "d"]);
    assert_eq!(names(&mut image.topics_after("b")), ["c", "d"]);
    assert_eq!(names(&mut image.topics_after("bb")), ["c", "d"]);
    assert_eq!(names(&mut image.topics_after("")), ["a", "b", "c", "d"]);
}

#[test]
fn configs_quotas_features_and_credentials_come_and_go() {
    let mut image = Image::new("c");
    let config = |value: Option<&str>| ConfigRecord {
        resource_type: 2,
        resource_name: "t".into(),
        name: "flush.ms".into(),
        value: value.map(Into::into),
    };
    let quota = |remove: bool| ClientQuotaRecord {
        entity: vec![crate::records::QuotaEntity { entity_type: "user".into(), entity_name: None }],
        key: "producer_byte_rate".into(),
        value: 5.0,
        remove,
    };
    let level = |feature_level: i16| FeatureLevelRecord { name: "f".into(), feature_level };
    let scram = UserScramCredentialRecord { name: "alice".into(), mechanism: 1, ..Default::default() };
    let acl = AccessControlEntryRecord { id: Uuid::from_u128(5), ..Default::default() };
    let count = |image: &Image| {
        [
            image.all_configs().count(),
            image.quotas().count(),
            image.features().len(),
            image.scram_credentials().count(),
            image.acls().count(),
        ]
    };
    let set = vec![config(Some("1")).into(), quota(false).into(), level(2).into(), scram.into(), acl.into()];
    apply(&mut image, set);
    assert_eq!(count(&image), [1; 5]);
    let gone: Vec<Record> = vec![
        config(None).into(),
        quota(true).into(),
        level(0).into(),
        RemoveUserScramCredentialRecord { name: "alice".into(), mechanism: 1 }.into(),
        RemoveAccessControlEntryRecord { id: Uuid::from_u128(5) }.into(),
    ];
    apply(&mut image, gone);
    assert_eq!(count(&image), [0; 5]);
}

#[test]
fn the_records_of_a_kafka_log_add_up() {
    let captured = include_str!("../../testdata/captured/kafka-4.3.1-records.hex");
    let mut image = Image::new("c");
    for line in captured.lines().filter(|line| !line.starts_with('#')) {
        let bytes: Vec<u8> =
            (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap()).collect();
        let record = Record::decode(&bytes).unwrap();
        image.apply(image.offset() + 1, &record).unwrap();
    }
    let topics: Vec<(&str, usize)> = image.topics().map(|t| (t.name.as_ref(), t.partitions.len())).collect();
    assert_eq!(topics, [("flights", 5), ("manual", 2)]);
    // It was shut down in good order: nobody leads, and who may again is on record.
    let partition = image.partition("flights", 4).unwrap();
    assert_eq!((partition.leader, &partition.isr[..], &partition.elr[..]), (NO_LEADER, &[][..], &[1][..]));
    assert!(image.broker(1).unwrap().fenced && image.elr_enabled());
    assert_eq!(image.config(&Resource::new(ResourceKind::TOPIC, "flights"), "segment.bytes"), Some("2000000"));
    assert_eq!(image.config(&Resource::new(ResourceKind::TOPIC, "flights"), "retention.ms"), None);
    assert_eq!((image.next_producer_id(), image.feature("transaction.version")), (1000, 1));
}
