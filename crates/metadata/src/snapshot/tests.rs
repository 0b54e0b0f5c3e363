//! Against the files of Apache Kafka 4.3.1.
#![allow(clippy::unwrap_used)]

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

const SNAPSHOT: &str = include_str!("../../testdata/captured/kafka-4.3.1-snapshot.hex");
const BOOTSTRAP: &str = include_str!("../../testdata/captured/kafka-4.3.1-bootstrap.hex");

#[test]
fn a_snapshot_of_kafka_is_read_and_ours_of_the_same_image_holds_the_same_records() {
    let id = SnapshotId { end_offset: 289, epoch: 4 };
    let theirs = SnapshotReader::read(&unhex(SNAPSHOT)).unwrap();
    let loaded = read(&unhex(SNAPSHOT), id, "AjtJUBfaRYS1fqhWubkuTg").unwrap();
    let image = &loaded.image;
    assert_eq!((image.offset(), image.epoch(), super::id(image)), (288, 4, id));
    let topics: Vec<(&str, usize)> = image.topics().map(|t| (t.name.as_ref(), t.partitions.len())).collect();
    assert_eq!(topics, [("flights", 5), ("manual", 2)]);
    assert_eq!(image.next_producer_id(), 1000);
    assert_eq!(image.feature("metadata.version"), 30);

    let voters = loaded.voters.as_deref();
    let ours = write(image, loaded.last_contained_log_timestamp, 7, voters).unwrap();
    let ours = SnapshotReader::read(&ours).unwrap();
    assert_eq!((ours.k_raft_version, &ours.voters), (1, &theirs.voters));
    assert_eq!(ours.last_contained_log_timestamp, theirs.last_contained_log_timestamp);
    // Kafka writes topics and configs in the order of its hash maps.
    let sorted = |mut values: Vec<Vec<u8>>| {
        values.sort();
        values
    };
    assert_eq!(sorted(ours.values), sorted(theirs.values));
}

#[test]
fn bootstrap_records_go_there_and_back() {
    let theirs = read_bootstrap(&unhex(BOOTSTRAP)).unwrap();
    assert_eq!(theirs.len(), 6);
    let ours = crate::features::fresh();
    assert_eq!(read_bootstrap(&bootstrap(&ours, 5).unwrap()).unwrap(), ours);
    assert!(ours.iter().all(|record| theirs.contains(record)), "{theirs:?}");
}

#[test]
fn an_empty_image_makes_an_empty_snapshot() {
    let image = Image::new("c");
    let bytes = write(&image, 0, 0, None).unwrap();
    let loaded = read(&bytes, SnapshotId { end_offset: 0, epoch: 0 }, "c").unwrap();
    assert_eq!((loaded.image.offset(), loaded.image.topic_count(), loaded.voters), (-1, 0, None));
}
