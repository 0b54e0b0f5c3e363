//! The bytes that members exchange, foreign and broken ones too.
#![allow(clippy::unwrap_used)]

use super::*;

/// Version 0 as every client of the last ten years has it: version, topics, user data.
#[test]
fn a_subscription_of_version_0_is_read() {
    let bytes = [0, 0, 0, 0, 0, 1, 0, 2, b't', b'1', 0xff, 0xff, 0xff, 0xff];
    let read = read::<Subscription>(&bytes).unwrap();
    assert_eq!((read.topics, read.user_data, read.generation_id), (vec!["t1".to_owned()], None, -1));
}

#[test]
fn what_is_written_is_read_and_a_newer_version_is_read_as_the_newest() {
    let of = |topic: &str, partitions: &[i32]| OfTopic { topic: topic.to_owned(), partitions: partitions.to_vec() };
    let subscription = Subscription {
        topics: vec!["a".to_owned(), "b".to_owned()],
        user_data: Some(Bytes::from_static(b"user data")),
        owned_partitions: vec![of("a", &[0, 2]), of("b", &[1])],
        generation_id: 7,
        rack_id: Some("r".to_owned()),
    };
    let mut bytes = write(&subscription, NEWEST).unwrap().to_vec();
    assert_eq!(read::<Subscription>(&bytes).unwrap(), subscription);
    bytes[1] = 9;
    bytes.extend_from_slice(b"a field of the future");
    assert_eq!((version(&bytes), read::<Subscription>(&bytes).unwrap()), (Some(NEWEST), subscription));
}

#[test]
fn lies_about_lengths_and_versions_that_are_none_are_refused() {
    for lie in [&[0, 1, 0x7f, 0xff, 0xff, 0xff][..], &[0, 1, 0, 0, 0, 1, 0, 9, b'x'], &[0xff, 0xff, 0, 0], &[0], &[]] {
        assert!(read::<Assignment>(lie).is_err(), "{lie:?}");
    }
}
