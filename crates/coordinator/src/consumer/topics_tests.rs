//! The hash over topics is Kafka's: numbers that hash4j 0.22 gave for Kafka 4.3.1's recipe.
#![allow(clippy::unwrap_used)]

use andiron_metadata::image::Image;
use andiron_metadata::records::{PartitionRecord, Record, RegisterBrokerRecord, TopicRecord};
use uuid::Uuid;

use super::Topics;

fn topic(name: &str, topic_id: Uuid, count: i32, replicas: &[i32]) -> Vec<Record> {
    let partition = |partition_id| PartitionRecord {
        partition_id,
        topic_id,
        replicas: replicas.to_vec(),
        ..PartitionRecord::default()
    };
    let mut records: Vec<Record> = vec![TopicRecord { name: name.into(), topic_id }.into()];
    records.extend((0..count).map(|number| partition(number).into()));
    records
}

#[test]
fn topics_hash_as_in_apache_kafka() {
    let mut image = Image::new("");
    let broker = |broker_id, rack: Option<&str>| -> Record {
        RegisterBrokerRecord { broker_id, rack: rack.map(Into::into), ..RegisterBrokerRecord::default() }.into()
    };
    let mut records = vec![broker(1, None), broker(2, Some("rack-two")), broker(3, Some("r1"))];
    records.extend(topic("orders", Uuid::from_u64_pair(1, 2), 3, &[1]));
    records.extend(topic("a", Uuid::from_u64_pair((-3i64).cast_unsigned(), 4), 100, &[2, 1, 3, 9]));
    for (offset, record) in (0..).zip(records) {
        image.apply(offset, &record).unwrap();
    }
    let mut topics = Topics::default();
    topics.update(image, false);
    assert_eq!(topics.hash(["orders"].into_iter()), -4_373_262_523_051_953_005);
    assert_eq!(topics.hash(["a", "gone", "orders"].into_iter()), 7_149_004_271_641_383_139);
    assert_eq!(topics.hash(["gone"].into_iter()), 0);
}
