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
    match state.judge(
        &partition,
        &header(epoch, sequence, count, 1000),
        1000,
        AppendOrigin::Client,
        TransactionProof::None,
        true,
    ) {
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

fn transactional(epoch: i16, sequence: i32) -> BatchHeader {
    let mut header = header(epoch, sequence, 1, 1000);
    header.attributes = header.attributes.with_transactional(true);
    header
}

fn judge_transactional(state: &ProducerState, epoch: i16, sequence: i32, proof: TransactionProof) -> &'static str {
    let partition = TopicPartition::new("t", 0);
    match state.judge(&partition, &transactional(epoch, sequence), 1000, AppendOrigin::Client, proof, true) {
        Ok(Judgement::New) => "new",
        Ok(Judgement::Duplicate(_)) => "duplicate",
        Err(AppendError::InvalidTxnState(_)) => "not in the transaction",
        Err(AppendError::OutOfOrderSequence(_)) => "gap",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_transaction_begins_in_a_partition_only_when_the_coordinator_vouched_for_it() {
    let mut state = ProducerState::default();
    assert_eq!(judge_transactional(&state, 0, 0, TransactionProof::None), "not in the transaction");
    let guard = state.start_verification(7, 0, 0, false, 0).unwrap();
    assert_eq!(state.start_verification(7, 0, 0, false, 0), Some(guard), "who asks again asks the same");
    let proof = TransactionProof::Verified(guard);
    assert_eq!(judge_transactional(&state, 0, 0, proof), "new");
    state.update(&transactional(0, 0));
    assert_eq!(state.start_verification(7, 0, 1, false, 0), None, "the transaction is under way");
    assert_eq!(judge_transactional(&state, 0, 1, TransactionProof::None), "new");
    assert_eq!(judge_transactional(&state, 0, 0, TransactionProof::None), "duplicate");
    let plain = state.judge(&TopicPartition::new("t", 0), &header(0, 1, 1, 1), 1, AppendOrigin::Client, proof, true);
    assert!(matches!(plain, Err(AppendError::InvalidTxnState(_))), "nothing else is written while it is open");
}

#[test]
fn what_was_verified_before_a_transaction_ended_is_void_after_it() {
    let mut state = ProducerState::default();
    let guard = state.start_verification(7, 0, 0, false, 0).unwrap();
    state.end_transaction(&header(0, -1, 1, 5), 0, true);
    assert_eq!(judge_transactional(&state, 0, 0, TransactionProof::Verified(guard)), "not in the transaction");
    assert_ne!(state.start_verification(7, 0, 0, false, 0), Some(guard));
}

#[test]
fn a_batch_that_overtook_an_earlier_one_waits_for_it() {
    let mut state = ProducerState::default();
    let guard = state.start_verification(7, 0, 5, false, 0).unwrap();
    assert_eq!(state.start_verification(7, 0, 0, false, 0), Some(guard));
    assert_eq!(judge_transactional(&state, 0, 5, TransactionProof::Verified(guard)), "gap");
    assert_eq!(judge_transactional(&state, 0, 0, TransactionProof::Verified(guard)), "new");
    let guard = state.start_verification(8, 0, 5, true, 0).unwrap();
    let mut late = transactional(0, 5);
    late.producer_id = 8;
    let judged = state.judge(
        &TopicPartition::new("t", 0),
        &late,
        0,
        AppendOrigin::Client,
        TransactionProof::Verified(guard),
        true,
    );
    assert!(
        matches!(judged, Err(AppendError::OutOfOrderSequence(_))),
        "an epoch of transaction.version 2 begins with 0"
    );
}

#[test]
fn a_marker_of_transaction_version_2_is_taken_above_the_epoch_of_its_records_or_again() {
    let partition = TopicPartition::new("t", 0);
    let mut state = ProducerState::default();
    state.update(&transactional(3, 0));
    let judged = |state: &ProducerState, epoch, version| {
        state.judge_marker(&partition, &header(epoch, -1, 1, 1), 0, 1, version).is_ok()
    };
    assert_eq!([judged(&state, 2, 0), judged(&state, 3, 0), judged(&state, 4, 0)], [false, true, true]);
    assert_eq!([judged(&state, 3, 2), judged(&state, 4, 2)], [false, true]);
    state.end_transaction(&header(4, -1, 1, 1), 0, false);
    assert!(judged(&state, 4, 2), "the repetition of a coordinator that was restarted");
}
