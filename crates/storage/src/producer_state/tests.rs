//! The rules of idempotence, in a row each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use andiron_protocol::batch::Attributes;

use super::*;

fn header(epoch: i16, base_sequence: i32, count: i32, offset: i64) -> BatchHeader {
    BatchHeader {
        base_offset: offset,
        batch_length: 100,
        partition_leader_epoch: 0,
        crc: 0,
        attributes: Attributes::default(),
        last_offset_delta: count - 1,
        base_timestamp: 10,
        max_timestamp: 10,
        producer_id: 7,
        producer_epoch: epoch,
        base_sequence,
        record_count: count,
    }
}

fn judge(state: &ProducerState, epoch: i16, sequence: i32, count: i32) -> String {
    let partition = TopicPartition::new("t", 0);
    match state.judge(&partition, &header(epoch, sequence, count, 1000), 1000, true) {
        Ok(Judgement::New) => "new".into(),
        Ok(Judgement::Duplicate(b)) => format!("duplicate of {}", b.first_offset()),
        Err(AppendError::OutOfOrderSequence(_)) => "gap".into(),
        Err(AppendError::InvalidProducerEpoch(_)) => "fenced".into(),
        Err(other) => other.to_string(),
    }
}

#[test]
fn a_duplicate_is_known_for_five_batches_and_a_gap_is_refused() {
    let mut state = ProducerState::default();
    assert_eq!(judge(&state, 0, 500, 10), "new", "an unknown producer may begin anywhere");
    for i in 0..6 {
        assert_eq!(judge(&state, 0, i * 10, 10), "new");
        state.update(&header(0, i * 10, 10, i64::from(i) * 10));
    }
    assert_eq!(judge(&state, 0, 50, 10), "duplicate of 50");
    assert_eq!(judge(&state, 0, 10, 10), "duplicate of 10");
    assert_eq!(judge(&state, 0, 0, 10), "gap", "the sixth last is forgotten");
    assert_eq!(judge(&state, 0, 10, 9), "gap", "other bounds are no duplicate");
    assert_eq!(judge(&state, 0, 61, 1), "gap");
    assert_eq!(judge(&state, 1, 5, 1), "gap", "a new epoch begins at 0");
    assert_eq!(judge(&state, 1, 0, 1), "new");
    state.update(&header(1, 0, 1, 60));
    assert_eq!(judge(&state, 0, 60, 1), "fenced");
}

#[test]
fn sequence_numbers_wrap_to_zero() {
    let mut state = ProducerState::default();
    state.update(&header(0, i32::MAX - 4, 5, 0));
    assert_eq!(judge(&state, 0, 0, 3), "new");
    state.update(&header(0, i32::MAX, 4, 5));
    assert_eq!(state.producers()[&7].last_sequence(), 2);
    assert_eq!(judge(&state, 0, i32::MAX, 4), "duplicate of 5");
    assert_eq!(judge(&state, 0, 3, 1), "new");
}

#[test]
fn silent_producers_are_forgotten_but_not_in_a_transaction() {
    let mut state = ProducerState::default();
    state.update(&header(0, 0, 1, 0));
    state.expire(10 + 99, 100);
    assert_eq!(state.producers().len(), 1);
    state.expire(10 + 100, 100);
    assert!(state.producers().is_empty());
    let mut open = header(0, 0, 1, 5);
    open.attributes = open.attributes.with_transactional(true);
    state.update(&open);
    state.expire(1_000_000, 100);
    assert_eq!(state.producers().len(), 1);
}

#[test]
fn an_open_transaction_holds_the_last_stable_offset() {
    let mut state = ProducerState::default();
    assert_eq!(state.first_unstable_offset(100), None);
    let mut batch = header(0, 0, 5, 20);
    batch.attributes = batch.attributes.with_transactional(true);
    state.update(&batch);
    assert_eq!(state.first_unstable_offset(100), Some(20));
    let ended = state.end_transaction(&header(0, -1, 1, 25), 3, true).unwrap();
    assert_eq!((ended.first_offset, ended.last_offset, state.last_stable_offset_after(&ended)), (20, 25, 26));
    assert_eq!(state.first_unstable_offset(25), Some(20), "the marker is not committed yet");
    assert_eq!(state.first_unstable_offset(26), None);
}

#[test]
fn a_snapshot_comes_back_and_a_torn_one_is_seen() {
    let mut state = ProducerState::default();
    state.update(&header(2, 0, 5, 20));
    let mut open = header(0, 3, 5, 30);
    open.producer_id = 9;
    open.attributes = open.attributes.with_transactional(true);
    state.update(&open);
    let bytes = snapshot::encode(state.producers());
    let back: HashMap<i64, ProducerEntry> = snapshot::decode(&bytes).unwrap().into_iter().collect();
    assert_eq!(&back, state.producers());
    for at in 0..bytes.len() {
        let mut torn = bytes.clone();
        torn[at] ^= 1;
        assert!(snapshot::decode(&torn).is_err(), "byte {at}");
        assert!(snapshot::decode(&bytes[..at]).is_err());
    }
}
