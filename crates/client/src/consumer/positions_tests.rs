//! What a position survives: seeks, assignments, new leaders.
#![allow(clippy::unwrap_used)]

use super::*;

fn at(offset: i64, epoch: i32) -> Position {
    Position { offset, offset_epoch: Some(epoch) }
}

fn partition(n: i32) -> TopicPartition {
    TopicPartition::new("t", n)
}

#[test]
fn what_was_asked_before_a_seek_is_not_taken() {
    let mut positions = Positions::default();
    positions.assign(&[partition(0)], true);
    let asked = positions.get(&partition(0)).unwrap().number;
    assert!(positions.seek(&partition(0), at(9, 0)));
    assert!(positions.numbered(&partition(0), asked).is_none());
    assert!(!positions.seek(&partition(1), at(9, 0)), "not assigned");
}

#[test]
fn a_partition_that_stays_keeps_its_place() {
    let mut positions = Positions::default();
    positions.assign(&[partition(0), partition(1)], true);
    positions.seek(&partition(0), at(5, 0));
    positions.assign(&[partition(0), partition(2)], false);
    assert_eq!(positions.get(&partition(0)).unwrap().position, Some(at(5, 0)));
    assert_eq!(positions.get(&partition(2)).unwrap().stage, Stage::Committed);
    assert_eq!(positions.all(), [partition(0), partition(2)]);
    positions.assign(&[partition(1)], true);
    assert_eq!(positions.get(&partition(1)).unwrap().position, None, "it was away");
}

#[test]
fn a_new_leader_is_asked_whether_it_has_what_was_read() {
    let mut positions = Positions::default();
    positions.assign(&[partition(0)], true);
    positions.seek(&partition(0), at(5, 3));
    positions.leader_is(&partition(0), 3);
    assert_eq!(positions.get(&partition(0)).unwrap().stage, Stage::Fetching, "the leader that wrote it");
    let number = positions.get(&partition(0)).unwrap().number;
    positions.leader_is(&partition(0), 4);
    let held = positions.get(&partition(0)).unwrap();
    assert_eq!((held.stage, held.fetch_from), (Stage::Validation, at(5, 3)));
    assert_ne!(held.number, number, "what is on its way from the old leader is not taken");
    positions.seek(&partition(0), Position { offset: 7, offset_epoch: None });
    positions.leader_is(&partition(0), 5);
    assert_eq!(positions.get(&partition(0)).unwrap().stage, Stage::Fetching, "nothing to compare");
}
