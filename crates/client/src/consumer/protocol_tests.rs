//! The bytes that members exchange, foreign and broken ones too.
#![allow(clippy::unwrap_used)]

use super::*;

fn partitions(of: &[(&str, i32)]) -> Vec<TopicPartition> {
    of.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect()
}

/// Version 0 as every client of the last ten years has it: version, topics, user data.
#[test]
fn a_subscription_of_version_0_is_read() {
    let bytes = [0, 0, 0, 0, 0, 1, 0, 2, b't', b'1', 0xff, 0xff, 0xff, 0xff];
    let read = read::<Subscription>(&bytes).unwrap();
    assert_eq!((read.topics, read.user_data, read.generation_id), (vec!["t1".to_owned()], None, -1));
}

#[test]
fn what_is_written_is_read_and_a_newer_version_is_read_as_ours() {
    let subscription = Subscription {
        topics: vec!["a".to_owned(), "b".to_owned()],
        user_data: Some(write_generation(7)),
        owned_partitions: by_topic(&partitions(&[("b", 1), ("a", 2), ("a", 0)])),
        generation_id: 7,
        rack_id: Some("r".to_owned()),
    };
    let mut bytes = write(&subscription).unwrap().to_vec();
    assert_eq!(read::<Subscription>(&bytes).unwrap(), subscription);
    assert_eq!(flatten(&subscription.owned_partitions), partitions(&[("a", 0), ("a", 2), ("b", 1)]));
    bytes[1] = 9;
    bytes.extend_from_slice(b"a field of the future");
    assert_eq!(read::<Subscription>(&bytes).unwrap(), subscription);
}

#[test]
fn user_data_come_back_and_foreign_ones_mean_nothing() {
    let held = partitions(&[("a", 0), ("b", 3)]);
    assert_eq!(read_sticky(&write_sticky(&held, 4).unwrap()), (held, 4));
    assert_eq!(read_sticky(b"what?"), (vec![], -1));
    assert_eq!(read_generation(&write_generation(5)), Some(5));
    assert_eq!(read_generation(b""), None);
}

#[test]
fn lies_about_lengths_are_refused() {
    for lie in [&[0, 1, 0x7f, 0xff, 0xff, 0xff][..], &[0, 1, 0, 0, 0, 1, 0, 9, b'x'], &[0xff, 0xff, 0, 0], &[0]] {
        assert!(read_assignment(lie).is_err(), "{lie:?}");
    }
    assert_eq!(read_assignment(&[]).unwrap(), []);
}
