//! What a fetch names within a session.

use super::*;
use crate::metadata::Leader;
use crate::transport::Address;

fn want(partition: i32, offset: i64) -> Wanted {
    let address = Address { host: "b".to_owned(), port: 1 };
    let leader = Leader { node: 1, address, topic_id: Uuid::from_u128(1), epoch: 0 };
    Wanted { partition: TopicPartition::new("t", partition), offset, leader_epoch: 0, leader }
}

#[test]
fn only_what_changed_is_named_again() {
    let mut session = FetchSession::default();
    let turn = session.next(&[want(0, 0), want(1, 0)]);
    assert_eq!((turn.id, turn.epoch, turn.named), (0, 0, vec![0, 1]));
    session.accepted(77);
    let turn = session.next(&[want(0, 0), want(1, 5), want(2, 0)]);
    assert_eq!((turn.id, turn.epoch, turn.named, turn.forgotten), (77, 1, vec![1, 2], vec![]));
    session.accepted(77);
    let turn = session.next(&[want(1, 5)]);
    assert_eq!((turn.epoch, turn.named.len()), (2, 0));
    let forgotten: Vec<i32> = turn.forgotten.iter().map(|(partition, _)| partition.partition).collect();
    assert_eq!(forgotten, [0, 2]);
}

#[test]
fn a_broker_without_room_is_asked_for_everything_each_time() {
    let mut session = FetchSession::default();
    for _ in 0..3 {
        let turn = session.next(&[want(0, 0)]);
        assert_eq!((turn.id, turn.epoch, turn.named), (0, 0, vec![0]));
        session.accepted(0);
    }
}

#[test]
fn a_lost_session_begins_anew() {
    let mut session = FetchSession::default();
    session.next(&[want(0, 0)]);
    session.accepted(77);
    session.unknown();
    assert_eq!((session.next(&[want(0, 0)]).id, session.epoch), (0, 0));
    session.accepted(78);
    session.broken();
    let turn = session.next(&[want(0, 0)]);
    assert_eq!((turn.id, turn.epoch, turn.named), (78, 0, vec![0]), "the old one is ended");
}

#[test]
fn a_topic_made_anew_ends_the_session() {
    let mut session = FetchSession::default();
    session.next(&[want(0, 0)]);
    session.accepted(77);
    let mut anew = want(0, 0);
    anew.leader.topic_id = Uuid::from_u128(2);
    let turn = session.next(&[anew]);
    assert_eq!((turn.id, turn.epoch, turn.named), (77, 0, vec![0]));
}
