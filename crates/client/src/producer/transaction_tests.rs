//! What a transaction allows, and what its errors leave possible.
#![allow(clippy::unwrap_used)]

use super::*;

const FIRST: ProducerId = ProducerId { id: 7, epoch: 0 };
const NEXT: ProducerId = ProducerId { id: 7, epoch: 1 };

fn ready(second: bool) -> Transaction {
    let mut transaction = Transaction::default();
    transaction.begin_init().unwrap();
    transaction.initialized(FIRST, second);
    transaction
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

#[test]
fn calls_out_of_order_are_refused_by_the_state_they_meet() {
    let mut transaction = Transaction::default();
    let error = transaction.begin().unwrap_err();
    assert_eq!(error.to_string(), "Cannot begin a transaction in state UNINITIALIZED");
    let mut transaction = ready(false);
    assert_eq!(transaction.check_sending().unwrap_err().to_string(), "Cannot send in state READY");
    assert!(transaction.begin_commit().is_err() && transaction.begin_abort().is_err());
    transaction.begin().unwrap();
    assert!(transaction.begin().is_err());
    transaction.check_sending().unwrap();
}

#[test]
fn under_version_1_a_partition_is_added_before_anything_goes_there() {
    let mut transaction = ready(false);
    transaction.begin().unwrap();
    transaction.writes_to(&partition());
    assert!(!transaction.may_send(&partition()) && !transaction.is_started());
    let (by, partitions) = transaction.begin_adding().unwrap();
    assert_eq!((by, partitions.clone()), (FIRST, vec![partition()]));
    assert_eq!(transaction.begin_adding(), None, "once at a time");
    transaction.added(partitions.clone(), Err(ErrorCode::ConcurrentTransactions));
    assert!(transaction.begin_adding().is_some(), "the last one is still being ended");
    transaction.added(partitions, Ok(()));
    assert!(transaction.may_send(&partition()) && transaction.is_started());
    transaction.begin_commit().unwrap();
    transaction.check_committing().unwrap();
    transaction.ended(None);
    transaction.finish();
    assert_eq!(transaction.producer(), Some(FIRST));
    transaction.begin().unwrap();
    assert!(!transaction.may_send(&partition()), "each transaction anew");
}

#[test]
fn under_version_2_nothing_is_added_and_each_end_gives_an_epoch() {
    let mut transaction = ready(true);
    transaction.begin().unwrap();
    transaction.writes_to(&partition());
    assert_eq!(transaction.begin_adding(), None);
    assert!(transaction.may_send(&partition()) && transaction.is_started());
    transaction.begin_commit().unwrap();
    transaction.ended(Some(NEXT));
    transaction.finish();
    assert_eq!(transaction.producer(), Some(NEXT));
    assert!(!transaction.wants_epoch());
}

#[test]
fn a_batch_that_failed_leaves_nothing_but_the_abort() {
    let mut transaction = ready(false);
    transaction.begin().unwrap();
    transaction.batch_failed(None, &"too old");
    assert_eq!(transaction.check_sending().unwrap_err().to_string(), "too old");
    assert_eq!(transaction.begin_commit().unwrap_err().to_string(), "too old");
    transaction.begin_abort().unwrap();
    transaction.ended(None);
    assert!(transaction.wants_epoch(), "its sequences are missing");
    transaction.initialized(NEXT, false);
    transaction.begin().unwrap();
}

#[test]
fn who_is_fenced_stays_so() {
    for code in [ErrorCode::ProducerFenced, ErrorCode::InvalidProducerEpoch] {
        let mut transaction = ready(true);
        transaction.begin().unwrap();
        assert_eq!(transaction.failed(code, false), Verdict::Fatal);
        let error = transaction.begin_abort().unwrap_err();
        assert!(matches!(error, TransactionError::Fenced), "{error:?}");
        assert!(transaction.fatal_error().is_some());
    }
}

#[test]
fn errors_mean_what_they_mean_to_java() {
    use Verdict::{Abortable, Again, Fatal};
    for (code, of_transaction, of_group) in [
        (ErrorCode::ConcurrentTransactions, Again, Again),
        (ErrorCode::CoordinatorLoadInProgress, Again, Again),
        (ErrorCode::NotCoordinator, Again, Again),
        (ErrorCode::TransactionAbortable, Abortable, Abortable),
        (ErrorCode::InvalidProducerIdMapping, Abortable, Abortable),
        (ErrorCode::IllegalGeneration, Fatal, Abortable),
        (ErrorCode::InvalidTxnState, Fatal, Fatal),
        (ErrorCode::TransactionalIdAuthorizationFailed, Fatal, Fatal),
    ] {
        assert_eq!((judge(code, false), judge(code, true)), (of_transaction, of_group), "{code}");
    }
}
