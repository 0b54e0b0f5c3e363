//! InitProducerId: a producer takes its transactional id over, and whoever had it before is fenced off.

use andiron_replication::machine::Ticket;

use super::TransactionCoordinator;
use crate::transactions::effects::{Effects, InitProducerId, Response};
use crate::transactions::error::TransactionError;
use crate::transactions::state::{Transaction, TransactionState};

impl TransactionCoordinator {
    pub(super) fn init(&mut self, now: i64, ticket: Ticket, request: &InitProducerId, out: &mut Effects) {
        match self.begun(now, request) {
            Err(error) => out.parked.push((ticket, Response::InitProducerId(Err(error)))),
            Ok(Begun::NeedsProducerId) => out.replies.push((ticket, Response::NeedsProducerId)),
            Ok(Begun::As(next)) => {
                out.parked.push((ticket, Response::InitProducerId(Ok(next.producer()))));
                self.write(&request.transactional_id, *next, out);
            }
            Ok(Begun::Fences(next)) => {
                // The producer is to ask again: it gets another epoch once the transaction is aborted.
                let answer = Response::InitProducerId(Err(TransactionError::Concurrent));
                out.parked.push((ticket, answer));
                self.write_prepared(&request.transactional_id, *next, out);
            }
        }
    }

    fn begun(&self, now: i64, request: &InitProducerId) -> Result<Begun, TransactionError> {
        if request.transactional_id.is_empty() {
            return Err(TransactionError::EmptyId);
        }
        if request.timeout_ms <= 0 || request.timeout_ms > self.config.max_timeout_ms {
            return Err(TransactionError::InvalidTimeout);
        }
        let expected = request.expected;
        let epoch = expected.map(|expected| expected.epoch);
        let Some(known) = self.transactions.get(&request.transactional_id) else {
            let Some(id) = request.fresh_producer_id else { return Ok(Begun::NeedsProducerId) };
            let next = Transaction::new(id, request.timeout_ms, now).begin(request.timeout_ms, epoch, now)?;
            return Ok(Begun::As(Box::new(next)));
        };
        if expected.is_some_and(|expected| !known.may_be(expected)) {
            return Err(TransactionError::Fenced);
        }
        match known.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => Err(TransactionError::Concurrent),
            TransactionState::Ongoing => Ok(Begun::Fences(Box::new(known.fence(self.transaction_version, now)))),
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                if known.is_epoch_exhausted() && epoch.is_none_or(|epoch| epoch == known.producer_epoch) {
                    let Some(id) = request.fresh_producer_id else { return Ok(Begun::NeedsProducerId) };
                    return Ok(Begun::As(Box::new(known.rotate(id, request.timeout_ms, epoch, now))));
                }
                known.begin(request.timeout_ms, epoch, now).map(|next| Begun::As(Box::new(next)))
            }
            // Nothing is ever in these.
            TransactionState::Dead | TransactionState::PrepareEpochFence => Err(TransactionError::InvalidState),
        }
    }
}

/// What a producer that begins meets.
enum Begun {
    /// The id is its own from now on.
    As(Box<Transaction>),
    /// A transaction is under way, which is aborted first.
    Fences(Box<Transaction>),
    /// It needs a producer id.
    NeedsProducerId,
}
