//! Stories of one transaction coordinator, its log, and who is told what.

use andiron_coordinator::transactions::{
    AddPartitions, InitProducerId, ListFilter, Request, Transaction, TransactionRecord, TransactionState,
};
use andiron_simulator::bytes_of;
use proptest::prelude::*;

use crate::arbitrary_transactions;
use crate::transaction_stage::{ID, Stage, partitions, producer};

#[test]
fn a_transaction_is_committed_and_its_producer_keeps_its_epoch_before_version_2() {
    let mut stage = Stage::new(1);
    assert_eq!(stage.init(None), "8 0");
    let me = producer(8, 0);
    assert_eq!(stage.add(me, &[("t", 0)]), "ok");
    assert_eq!(stage.add(me, &[("t", 1), ("u", 0)]), "ok");
    let length = stage.log.len();
    assert_eq!(stage.add(me, &[("t", 1)]), "ok");
    assert_eq!(stage.log.len(), length, "what is in the transaction is not written again");
    assert_eq!(stage.end(me, true, 0), "-1 -1");
    assert_eq!(stage.state(), "PrepareCommit 8:0 [t/0 t/1 u/0]");
    let [markers] = &stage.to_write[..] else { panic!("{:?}", stage.to_write) };
    assert_eq!((markers.producer, markers.commit, markers.transaction_version), (me, true, 0));
    assert_eq!(markers.partitions, partitions(&[("t", 0), ("t", 1), ("u", 0)]));
    for answer in [stage.add(me, &[("t", 0)]), stage.end(me, true, 0), stage.init(None)] {
        assert_eq!(answer, "CONCURRENT_TRANSACTIONS");
    }
    stage.write_markers();
    assert_eq!(stage.state(), "CompleteCommit 8:0 []");
    assert_eq!(stage.end(me, true, 0), "-1 -1", "a repeated commit has been done");
    assert_eq!(stage.end(me, false, 0), "INVALID_TXN_STATE");
    assert_eq!(stage.add(me, &[("t", 0)]), "ok");
    assert_eq!(stage.state(), "Ongoing 8:0 [t/0]");
}

#[test]
fn from_version_2_on_every_transaction_has_an_epoch() {
    let mut stage = Stage::new(2);
    assert_eq!(stage.init(None), "8 0");
    assert_eq!(stage.add_as(producer(8, 0), &[("t", 0)], 2, false), "ok");
    assert_eq!(stage.end(producer(8, 0), true, 2), "8 1");
    assert_eq!((stage.to_write[0].producer, stage.to_write[0].transaction_version), (producer(8, 1), 2));
    assert_eq!(stage.end(producer(8, 0), true, 2), "CONCURRENT_TRANSACTIONS");
    stage.write_markers();
    assert_eq!(stage.end(producer(8, 0), true, 2), "8 1", "the answer was missed");
    assert_eq!(stage.add_as(producer(8, 0), &[("t", 0)], 2, false), "PRODUCER_FENCED");
    assert_eq!(stage.add_as(producer(8, 1), &[("t", 0)], 2, false), "ok");
}

type Case = (&'static str, fn(&mut Stage), [&'static str; 4]);

/// The state, then what answers an abort and a commit that repeat the last one, and an abort and a commit anew.
#[test]
fn what_may_end_a_transaction_of_version_2() {
    let cases: [Case; 5] = [
        ("Empty", |_| {}, ["PRODUCER_FENCED", "PRODUCER_FENCED", "8 6", "INVALID_TXN_STATE"]),
        (
            "Ongoing",
            |stage| _ = stage.add_as(producer(8, 5), &[("t", 0)], 2, false),
            ["PRODUCER_FENCED", "PRODUCER_FENCED", "8 6", "8 6"],
        ),
        (
            "PrepareCommit",
            |stage| _ = (stage.add_as(producer(8, 5), &[("t", 0)], 2, false), stage.end(producer(8, 5), true, 2)),
            ["INVALID_TXN_STATE", "CONCURRENT_TRANSACTIONS", "CONCURRENT_TRANSACTIONS", "CONCURRENT_TRANSACTIONS"],
        ),
        (
            "CompleteCommit",
            |stage| {
                stage.add_as(producer(8, 5), &[("t", 0)], 2, false);
                stage.end(producer(8, 5), true, 2);
                stage.write_markers();
            },
            ["INVALID_TXN_STATE", "8 6", "8 7", "INVALID_TXN_STATE"],
        ),
        (
            "CompleteAbort",
            |stage| {
                stage.add_as(producer(8, 5), &[("t", 0)], 2, false);
                stage.end(producer(8, 5), false, 2);
                stage.write_markers();
            },
            ["8 6", "INVALID_TXN_STATE", "8 7", "INVALID_TXN_STATE"],
        ),
    ];
    for (state, come_there, answers) in cases {
        for (at, (repeats, commit)) in
            [(true, false), (true, true), (false, false), (false, true)].into_iter().enumerate()
        {
            let mut stage = Stage::new(2);
            for _ in 0..=5 {
                stage.init(None);
            }
            come_there(&mut stage);
            assert!(stage.state().starts_with(state), "{}", stage.state());
            let now = stage.harness.latest().get(ID).unwrap().producer();
            let from = producer(now.id, if repeats { now.epoch - 1 } else { now.epoch });
            assert_eq!(stage.end(from, commit, 2), answers[at], "{state}: repeats {repeats}, commit {commit}");
        }
    }
}

#[test]
fn a_producer_that_comes_anew_fences_the_old_one_off_and_ends_what_it_began() {
    for (version, epochs) in [(1, [1, 2]), (2, [1, 2])] {
        let mut stage = Stage::new(version);
        stage.init(None);
        let old = producer(8, 0);
        assert_eq!(stage.add(old, &[("t", 0)]), "ok");
        assert_eq!(stage.init(None), "CONCURRENT_TRANSACTIONS");
        assert_eq!(stage.state(), format!("PrepareAbort 8:{} [t/0]", epochs[0]));
        assert!(!stage.to_write[0].commit);
        assert_eq!(stage.end(old, true, 0), "PRODUCER_FENCED");
        assert_eq!(stage.init(None), "CONCURRENT_TRANSACTIONS");
        stage.write_markers();
        assert_eq!(stage.init(None), format!("8 {}", epochs[1]));
        assert_eq!(stage.add(old, &[("t", 0)]), "PRODUCER_FENCED");
        assert_eq!(stage.add(producer(9, 0), &[("t", 0)]), "INVALID_PRODUCER_ID_MAPPING");
    }
}

#[test]
fn a_producer_goes_on_after_an_error_under_the_next_epoch_and_may_ask_twice() {
    let mut stage = Stage::new(2);
    stage.init(None);
    assert_eq!(stage.init(Some(producer(8, 0))), "8 1");
    assert_eq!(stage.init(Some(producer(8, 0))), "8 1", "the answer was missed");
    assert_eq!(stage.init(Some(producer(9, 0))), "PRODUCER_FENCED");
    assert_eq!(stage.init(None), "8 2");
    assert_eq!(stage.init(Some(producer(8, 1))), "PRODUCER_FENCED", "another one came since");
}

#[test]
fn when_the_epochs_are_used_up_the_producer_gets_another_id() {
    let mut stage = Stage::new(2);
    stage.init(None);
    let mut worn = stage.harness.latest().get(ID).unwrap().clone();
    worn.producer_epoch = i16::MAX - 1;
    stage.log.push(TransactionRecord::new(&ID.into(), worn, 2));
    stage.restart();
    let last = producer(8, i16::MAX - 1);
    assert_eq!(stage.add_as(last, &[("t", 0)], 2, false), "ok");
    assert_eq!(stage.end(last, true, 2), "9 0");
    assert_eq!(stage.to_write[0].producer, producer(8, i16::MAX), "the markers carry the old id");
    stage.restart();
    stage.write_markers();
    assert_eq!(stage.state(), "CompleteCommit 9:0 []");
    assert_eq!(stage.end(last, true, 2), "9 0", "the answer was missed");

    let mut worn = stage.harness.latest().get(ID).unwrap().clone();
    worn.producer_epoch = i16::MAX - 1;
    stage.log.push(TransactionRecord::new(&ID.into(), worn, 2));
    stage.restart();
    assert_eq!(stage.init(None), "10 0");
}

#[test]
fn markers_are_written_when_the_decision_is_committed_and_once_more_after_a_restart() {
    let mut stage = Stage::new(2);
    stage.init(None);
    stage.add_as(producer(8, 0), &[("t", 0)], 2, false);
    stage.held = true;
    assert_eq!(stage.end(producer(8, 0), true, 2), "waits");
    let ticket = stage.next_ticket;
    assert!(stage.to_write.is_empty(), "what may be lost is not acted on");
    stage.held = false;
    stage.commit();
    assert_eq!((stage.answer_to(ticket), stage.to_write.len()), ("8 1".to_owned(), 1));
    stage.restart();
    assert_eq!(stage.to_write.len(), 1, "the decision is in the log, that the markers are written is not");
    stage.write_markers();
    stage.restart();
    assert!(stage.to_write.is_empty());
    assert_eq!(stage.state(), "CompleteCommit 8:1 []");
}

#[test]
fn a_decision_that_cannot_be_written_leaves_no_trace() {
    let mut stage = Stage::new(2);
    stage.init(None);
    stage.add_as(producer(8, 0), &[("t", 0)], 2, false);
    stage.refuses = true;
    assert_eq!(stage.end(producer(8, 0), true, 2), "NOT_COORDINATOR");
    assert_eq!(stage.add_as(producer(8, 0), &[("t", 1)], 2, false), "NOT_COORDINATOR");
    assert_eq!(stage.init(None), "CONCURRENT_TRANSACTIONS", "it is to ask again in any case");
    assert!(stage.to_write.is_empty());
    assert_eq!(stage.state(), "Ongoing 8:0 [t/0]");
}

#[test]
fn a_partition_that_comes_while_the_last_transaction_completes_waits_a_little() {
    let mut stage = Stage::new(2);
    stage.init(None);
    stage.add_as(producer(8, 0), &[("t", 0)], 2, false);
    stage.end(producer(8, 0), true, 2);
    assert_eq!(stage.add_as(producer(8, 1), &[("t", 0)], 2, false), "waits");
    let first = stage.next_ticket;
    assert_eq!(stage.add_as(producer(8, 1), &[("t", 1)], 2, false), "waits");
    let second = stage.next_ticket;
    stage.write_markers();
    assert_eq!([stage.answer_to(first), stage.answer_to(second)], ["ok", "ok"]);
    assert_eq!(stage.state(), "Ongoing 8:1 [t/0 t/1]");

    stage.end(producer(8, 1), true, 2);
    assert_eq!(stage.add_as(producer(8, 2), &[("t", 0)], 2, false), "waits");
    let third = stage.next_ticket;
    stage.pass(99);
    assert_eq!(stage.answer_to(third), "waits");
    stage.pass(1);
    assert_eq!(stage.answer_to(third), "CONCURRENT_TRANSACTIONS");
}

#[test]
fn partitions_are_verified_without_being_added() {
    let mut stage = Stage::new(1);
    stage.init(None);
    let me = producer(8, 0);
    assert_eq!(stage.add_as(me, &[("t", 0)], 0, true), "missing 1");
    stage.add(me, &[("t", 0)]);
    assert_eq!(stage.add_as(me, &[("t", 0)], 0, true), "ok");
    assert_eq!(stage.add_as(me, &[("t", 0), ("t", 1)], 0, true), "missing 1");
    assert_eq!(stage.add_as(producer(8, 1), &[("t", 0)], 0, true), "PRODUCER_FENCED");
    assert_eq!(stage.state(), "Ongoing 8:0 [t/0]");
}

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_its_producer_fenced_off() {
    for version in [0, 2] {
        let mut stage = Stage::new(version);
        stage.init(None);
        stage.add(producer(8, 0), &[("t", 0)]);
        stage.pass(60_000);
        assert!(stage.to_write.is_empty());
        stage.pass(10_001);
        assert_eq!(stage.state(), "PrepareAbort 8:1 [t/0]");
        assert!(!stage.to_write[0].commit);
        assert_eq!(stage.end(producer(8, 0), true, 0), "PRODUCER_FENCED");
        stage.write_markers();
        assert_eq!(stage.init(None), "8 2");
    }
}

#[test]
fn an_id_that_nobody_uses_is_forgotten() {
    let mut stage = Stage::new(2);
    stage.init(None);
    stage.pass(604_800_000 - 3_600_000);
    assert_eq!(stage.state(), "Empty 8:0 []");
    stage.pass(2 * 3_600_000);
    assert_eq!(stage.state(), "none");
    assert_eq!(stage.log.last().unwrap().value, None);
    assert_eq!(stage.add(producer(8, 0), &[("t", 0)]), "INVALID_PRODUCER_ID_MAPPING");
    assert_eq!(stage.init(None), "9 0");
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut stage = Stage::new(2);
    let init = |id: &str, timeout_ms| {
        let transactional_id = id.into();
        Request::InitProducerId(InitProducerId {
            transactional_id,
            timeout_ms,
            expected: None,
            fresh_producer_id: Some(1),
        })
    };
    assert_eq!(stage.ask(init("", 1)), "INVALID_REQUEST");
    assert_eq!(stage.ask(init(ID, 0)), "INVALID_TRANSACTION_TIMEOUT");
    assert_eq!(stage.ask(init(ID, 900_001)), "INVALID_TRANSACTION_TIMEOUT");
    assert_eq!(stage.ask(init(ID, 900_000)), "1 0");
    assert_eq!(stage.end(producer(1, 0), true, 0), "INVALID_TXN_STATE");
    assert_eq!(stage.ask(Request::Describe("other".into())), "TRANSACTIONAL_ID_NOT_FOUND");
}

#[test]
fn transactions_are_listed_by_state_producer_age_and_pattern() {
    let mut stage = Stage::new(2);
    for (id, producer_id) in [("a-1", 1), ("a-2", 2), ("b", 3)] {
        let request = InitProducerId {
            transactional_id: id.into(),
            timeout_ms: 60_000,
            expected: None,
            fresh_producer_id: Some(producer_id),
        };
        stage.ask(Request::InitProducerId(request));
    }
    let begins = |transactional_id: &str, id| {
        Request::AddPartitions(AddPartitions {
            transactional_id: transactional_id.into(),
            producer: producer(id, 0),
            partitions: partitions(&[("t", 0)]),
            client_version: 0,
            verify_only: false,
            patient: false,
        })
    };
    stage.ask(begins("a-1", 1));
    stage.pass(5_000);
    stage.ask(begins("b", 3));
    let all = ListFilter { duration_ms: -1, ..ListFilter::default() };
    let cases = [
        (all.clone(), "a-1=Ongoing a-2=Empty b=Ongoing"),
        (ListFilter { states: [TransactionState::Empty].into(), ..all.clone() }, "a-2=Empty"),
        (ListFilter { producer_ids: [2, 3].into(), ..all.clone() }, "a-2=Empty b=Ongoing"),
        (ListFilter { states: [TransactionState::Ongoing].into(), duration_ms: 1_000, ..all.clone() }, "a-1=Ongoing"),
        (ListFilter { pattern: Some("a-.".into()), ..all.clone() }, "a-1=Ongoing a-2=Empty"),
        (ListFilter { pattern: Some("a".into()), ..all.clone() }, ""),
        (ListFilter { pattern: Some("(".into()), ..all }, "INVALID_REGULAR_EXPRESSION"),
    ];
    for (filter, expected) in cases {
        assert_eq!(stage.ask(Request::List(filter.clone())), expected, "{filter:?}");
    }
}

#[test]
fn records_of_both_versions_come_back_and_damaged_ones_are_no_panic() {
    let mut transaction = Transaction::new(5, 60_000, 9);
    transaction.state = TransactionState::Ongoing;
    transaction.producer_epoch = 3;
    transaction.partitions = partitions(&[("t", 0), ("t", 2), ("u", 1)]);
    (transaction.start_ms, transaction.update_ms) = (7, 8);
    for version in 0..=2 {
        let mut transaction = transaction.clone();
        if version > 0 {
            transaction.previous_producer_id = 4;
            transaction.next_producer_id = 6;
            transaction.client_version = version;
        }
        let record = TransactionRecord::new(&ID.into(), transaction, version);
        let (key, value) = record.encode().unwrap();
        let value = value.unwrap();
        assert_eq!(value[..2], [0, u8::from(version > 0)]);
        assert_eq!(TransactionRecord::decode(Some(&key), Some(&value)).unwrap(), record);
        for end in 0..value.len() {
            let _ = TransactionRecord::decode(Some(&key), Some(&value[..end]));
            let mut changed = value.to_vec();
            changed[end] ^= 0x55;
            let _ = TransactionRecord::decode(Some(&key), Some(&changed));
        }
        assert!(TransactionRecord::decode(Some(&key[..1]), None).is_err());
        assert!(TransactionRecord::decode(None, None).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_step_in_the_log_follows_from_the_one_before(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        arbitrary_transactions::run(&bytes, false);
    }
}

#[test]
fn a_log_that_lies_is_noticed() {
    let noticed = |seed| std::panic::catch_unwind(|| arbitrary_transactions::run(&bytes_of(seed, 400), true)).is_err();
    assert!((0..200).any(noticed), "appends that fail and count as done");
}
