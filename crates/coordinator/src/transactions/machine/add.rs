//! Partitions that join a transaction, and whether some are in it.

use std::collections::BTreeSet;

use andiron_replication::machine::Ticket;

use super::TransactionCoordinator;
use crate::transactions::effects::{AddPartitions, Effects, Response};
use crate::transactions::error::TransactionError;
use crate::transactions::limits::WAITING_PER_TRANSACTION_MAX;
use crate::transactions::state::{Transaction, TransactionState};

/// A request that waits for the transaction before to complete.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: Ticket,
    request: AddPartitions,
    /// How long.
    pub until: i64,
}

impl TransactionCoordinator {
    pub(super) fn add(&mut self, now: i64, ticket: Ticket, request: AddPartitions, out: &mut Effects) {
        let id = request.transactional_id.clone();
        if id.is_empty() {
            out.parked.push((ticket, Response::AddPartitions(Err(TransactionError::EmptyId))));
            return;
        }
        let Some(known) = self.transactions.get(&id) else {
            out.parked.push((ticket, Response::AddPartitions(Err(TransactionError::UnknownMapping))));
            return;
        };
        match added(known, &request, now) {
            Err(TransactionError::Concurrent) if request.patient && !request.verify_only => {
                let waiting = self.waiting.entry(id).or_default();
                if waiting.len() >= WAITING_PER_TRANSACTION_MAX {
                    out.replies.push((ticket, Response::AddPartitions(Err(TransactionError::Concurrent))));
                    return;
                }
                let until = now.saturating_add(self.config.add_partitions_patience_ms);
                waiting.push_back(Waiting { ticket, request, until });
            }
            Err(error) => out.parked.push((ticket, Response::AddPartitions(Err(error)))),
            Ok(Added::Missing(partitions)) => out.parked.push((ticket, Response::AddPartitions(Ok(partitions)))),
            Ok(Added::To(next)) => {
                out.parked.push((ticket, Response::AddPartitions(Ok(BTreeSet::new()))));
                self.write(&id, *next, out);
            }
        }
    }

    /// A transaction is about to be complete: whoever waited for it goes on, one after the other.
    pub(super) fn go_on_after(&mut self, now: i64, id: &str, complete: Transaction, out: &mut Effects) {
        let mut known = complete;
        let Some((id, waiting)) = self.waiting.remove_entry(id) else { return };
        for Waiting { ticket, request, .. } in waiting {
            let answer = match added(&known, &request, now) {
                Err(error) => Err(error),
                Ok(Added::Missing(partitions)) => Ok(partitions),
                Ok(Added::To(next)) => {
                    known = (*next).clone();
                    self.write(&id, *next, out);
                    Ok(BTreeSet::new())
                }
            };
            out.parked.push((ticket, Response::AddPartitions(answer)));
        }
    }

    /// Whoever has waited long enough is told to come again.
    pub(super) fn give_up_waiting(&mut self, now: i64, out: &mut Effects) {
        for waiting in self.waiting.values_mut() {
            while let Some(first) = waiting.pop_front_if(|first| first.until <= now) {
                out.replies.push((first.ticket, Response::AddPartitions(Err(TransactionError::Concurrent))));
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
    }
}

/// What comes of a request.
enum Added {
    /// The transaction has them from now on.
    To(Box<Transaction>),
    /// Nothing changes; these are not in the transaction.
    Missing(BTreeSet<(std::sync::Arc<str>, i32)>),
}

fn added(known: &Transaction, request: &AddPartitions, now: i64) -> Result<Added, TransactionError> {
    if known.producer_id != request.producer.id {
        return Err(TransactionError::UnknownMapping);
    }
    if known.producer_epoch != request.producer.epoch {
        // The epoch above that of a prepared transaction is the one that its producer goes on with.
        return Err(TransactionError::Fenced);
    }
    if known.state.is_prepared() {
        return Err(TransactionError::Concurrent);
    }
    let missing: BTreeSet<_> = request.partitions.difference(&known.partitions).cloned().collect();
    let ongoing = known.state == TransactionState::Ongoing;
    if request.verify_only || (ongoing && missing.is_empty()) {
        return Ok(Added::Missing(missing));
    }
    if !ongoing && !known.state.is_idle() {
        return Err(TransactionError::InvalidState);
    }
    Ok(Added::To(Box::new(known.add(&request.partitions, request.client_version, now))))
}
