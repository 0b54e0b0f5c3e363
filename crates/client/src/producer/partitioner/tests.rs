//! Java's own vectors, and how long a record without a key sticks.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn murmur2_is_javas() {
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("", 275_646_681),
        ("a", -1_563_381_124),
        ("ab", 316_155_434),
        ("abc", 479_470_107),
        ("abcd", -1_323_649_548),
        ("N14228", -1_499_626_080),
        ("N24211", -1_221_318_767),
        ("éé", 210_090_411),
    ] {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
    assert_eq!(partition_for_key(b"foobar", 3), ((-790_332_482_i32 & i32::MAX) % 3) as usize);
}

#[test]
fn records_stick_until_batch_size_bytes_and_a_full_batch() {
    let mut sticky = Sticky::default();
    sticky.prefer(Choice::even(vec![0, 1, 2]));
    assert_eq!(sticky.partition(3, || 1), 1);
    sticky.appended(1, 90, 100, true);
    assert_eq!(sticky.partition(3, || 2), 1, "not enough bytes yet");
    sticky.appended(1, 20, 100, false);
    assert_eq!(sticky.partition(3, || 2), 1, "the batch is not full yet");
    sticky.appended(1, 20, 100, true);
    assert_eq!(sticky.partition(3, || 2), 2);
    sticky.appended(2, 200, 100, false);
    assert_eq!(sticky.partition(3, || 0), 0, "twice the size is enough without a boundary");
}

#[test]
fn a_record_that_another_partition_took_does_not_count() {
    let mut sticky = Sticky::default();
    sticky.prefer(Choice::even(vec![0, 1]));
    assert_eq!(sticky.partition(2, || 0), 0);
    sticky.appended(1, 1000, 100, true);
    assert_eq!(sticky.partition(2, || 1), 0);
}

#[test]
fn shorter_queues_are_likelier() {
    let choice = Choice::by_queues(&[(0, 0), (1, 3), (2, 1)]);
    let drawn: Vec<usize> = (0..8).map(|random| choice.draw(random).unwrap()).collect();
    assert_eq!(drawn, [0, 0, 0, 0, 1, 2, 2, 2]);
}

#[test]
fn equal_queues_and_no_partitions_are_drawn_evenly() {
    let choice = Choice::by_queues(&[(4, 2), (7, 2)]);
    assert_eq!([choice.draw(0), choice.draw(1), choice.draw(2)], [Some(4), Some(7), Some(4)]);
    assert_eq!(Choice::default().draw(5), None);
    assert_eq!(Sticky::default().partition(4, || 6), 2);
}
