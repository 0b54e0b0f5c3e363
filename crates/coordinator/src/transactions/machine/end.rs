//! EndTxn, of both protocols: how a transaction ends is decided by one record, and it is complete by another.

use andiron_replication::machine::Ticket;

use super::TransactionCoordinator;
use crate::transactions::effects::{Effects, EndTransaction, Producer, Response};
use crate::transactions::error::TransactionError;
use crate::transactions::limits::EPOCH_BUMP_FROM;
use crate::transactions::state::{NO_PRODUCER_ID, Transaction, TransactionState};

/// What comes of an EndTxn that is not refused.
#[derive(Debug, PartialEq, Eq)]
enum Ending {
    /// It has been so before, and the answer was missed.
    Repeated,
    /// The transaction ends.
    Prepare,
}

impl TransactionCoordinator {
    pub(super) fn end(&mut self, now: i64, ticket: Ticket, request: &EndTransaction, out: &mut Effects) {
        let refuse = |error, out: &mut Effects| out.parked.push((ticket, Response::EndTransaction(Err(error))));
        if request.transactional_id.is_empty() {
            return refuse(TransactionError::EmptyId, out);
        }
        let Some(known) = self.transactions.get(&request.transactional_id) else {
            return refuse(TransactionError::UnknownMapping, out);
        };
        let bumps = request.client_version >= EPOCH_BUMP_FROM;
        let ending = if bumps { ending(known, request) } else { ending_without_bump(known, request) };
        let answer = |producer: Producer| Response::EndTransaction(Ok(if bumps { producer } else { Producer::NONE }));
        match ending {
            Err(error) => refuse(error, out),
            Ok(Ending::Repeated) => out.parked.push((ticket, answer(known.producer()))),
            Ok(Ending::Prepare) => {
                let next_id = match request.fresh_producer_id {
                    _ if !bumps || !known.is_epoch_exhausted() => NO_PRODUCER_ID,
                    Some(id) => id,
                    None => {
                        out.replies.push((ticket, Response::NeedsProducerId));
                        return;
                    }
                };
                let next = known.prepare(request.commit, request.client_version.max(0), next_id, now);
                // The producer goes on as the one that it will be when all is complete.
                out.parked.push((ticket, answer(next.complete(now).producer())));
                self.write_prepared(&request.transactional_id, next, out);
            }
        }
    }

    /// The markers are in all logs.
    pub(super) fn completed(&mut self, now: i64, ticket: Ticket, id: &str, producer: Producer, out: &mut Effects) {
        out.parked.push((ticket, Response::Completed));
        let Some((id, known)) = self.transactions.get_key_value(id) else { return };
        if !known.state.is_prepared() || known.producer() != producer {
            return;
        }
        let (id, complete) = (id.clone(), known.complete(now));
        self.write(&id, complete.clone(), out);
        self.go_on_after(now, &id, complete, out);
    }
}

/// The rules before `transaction.version` 2: the epoch stays, so that a repeated request looks like the first.
fn ending_without_bump(known: &Transaction, request: &EndTransaction) -> Result<Ending, TransactionError> {
    if known.producer_id != request.producer.id {
        return Err(TransactionError::UnknownMapping);
    }
    if known.producer_epoch != request.producer.epoch {
        return Err(TransactionError::Fenced);
    }
    match (known.state, request.commit) {
        (TransactionState::Ongoing, _) => Ok(Ending::Prepare),
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => Ok(Ending::Repeated),
        (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
            Err(TransactionError::Concurrent)
        }
        _ => Err(TransactionError::InvalidState),
    }
}

/// The rules of `transaction.version` 2: the epoch says whether a request is new or repeated. A client that does not know whether
/// it has begun anything may abort, which bumps the epoch all the same.
fn ending(known: &Transaction, request: &EndTransaction) -> Result<Ending, TransactionError> {
    let Producer { id, epoch } = request.producer;
    let same = epoch == known.producer_epoch;
    let bumped = i32::from(known.producer_epoch) == i32::from(epoch) + 1;
    let rotated = known.previous_producer_id == id && epoch == i16::MAX - 1 && known.producer_epoch == 0;
    if known.producer_id != id && !rotated {
        return Err(TransactionError::UnknownMapping);
    }
    let repeated = bumped || rotated;
    let valid = match known.state {
        TransactionState::Ongoing | TransactionState::Empty => same,
        // The producer was told its next epoch already, and ends what it has not begun yet: it is to come again.
        TransactionState::PrepareCommit | TransactionState::PrepareAbort if same => {
            return Err(TransactionError::Concurrent);
        }
        TransactionState::PrepareCommit | TransactionState::PrepareAbort => bumped,
        TransactionState::CompleteCommit | TransactionState::CompleteAbort => repeated || same,
        TransactionState::Dead | TransactionState::PrepareEpochFence => same,
    };
    if !valid {
        return Err(TransactionError::Fenced);
    }
    match (known.state, request.commit) {
        (TransactionState::Ongoing, _) | (TransactionState::Empty, false) => Ok(Ending::Prepare),
        (TransactionState::PrepareCommit, true) | (TransactionState::PrepareAbort, false) => {
            Err(TransactionError::Concurrent)
        }
        (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) if repeated => {
            Ok(Ending::Repeated)
        }
        (TransactionState::CompleteCommit | TransactionState::CompleteAbort, false) if !repeated => Ok(Ending::Prepare),
        _ => Err(TransactionError::InvalidState),
    }
}
