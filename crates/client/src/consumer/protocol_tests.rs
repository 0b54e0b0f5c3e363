//! Partitions and user data that come back.
#![allow(clippy::unwrap_used)]

use super::*;

fn partitions(of: &[(&str, i32)]) -> Vec<TopicPartition> {
    of.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect()
}

#[test]
fn partitions_are_told_by_topic_in_order() {
    let held = by_topic(&partitions(&[("b", 1), ("a", 2), ("a", 0)]));
    assert_eq!((held.len(), flatten(&held)), (2, partitions(&[("a", 0), ("a", 2), ("b", 1)])));
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
fn an_assignment_of_no_bytes_is_empty() {
    assert_eq!(read_assignment(&[]).unwrap(), []);
    assert!(read_assignment(&[0]).is_err());
}
