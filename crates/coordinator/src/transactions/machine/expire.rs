//! What time does: a transaction open for too long is aborted, an id that nobody uses is forgotten.

use std::sync::Arc;

use super::TransactionCoordinator;
use crate::transactions::effects::Effects;
use crate::transactions::limits::DEADLINES_PER_CALL_MAX;
use crate::transactions::record::TransactionRecord;
use crate::transactions::state::Transaction;

impl TransactionCoordinator {
    /// Aborts transactions that are open longer than their producers allowed; the producers are fenced off.
    pub(super) fn abort_timed_out(&mut self, now: i64, out: &mut Effects) {
        let due = self.due(|transaction| transaction.has_timed_out(now));
        self.next_abort_check = next_check(&due, now, self.config.abort_check_interval_ms);
        for (id, transaction) in due {
            let next = transaction.fence(self.transaction_version, now);
            self.write_prepared(&id, next, out);
        }
    }

    /// Forgets ids that have had no transaction for long.
    pub(super) fn forget_expired(&mut self, now: i64, out: &mut Effects) {
        let before = now.saturating_sub(self.config.id_expiration_ms);
        let due = self.due(|transaction| transaction.state.is_idle() && transaction.update_ms <= before);
        self.next_expiry_check = next_check(&due, now, self.config.expiry_check_interval_ms);
        out.records.extend(due.iter().map(|(id, _)| TransactionRecord::tombstone(id)));
    }

    fn due(&self, is_due: impl Fn(&Transaction) -> bool) -> Vec<(Arc<str>, Transaction)> {
        let due = self.transactions.iter().filter(|(_, transaction)| is_due(transaction));
        due.take(DEADLINES_PER_CALL_MAX).map(|(id, transaction)| (id.clone(), transaction.clone())).collect()
    }
}

/// What did not fit into this call follows at once.
fn next_check(due: &[(Arc<str>, Transaction)], now: i64, interval_ms: i64) -> i64 {
    if due.len() < DEADLINES_PER_CALL_MAX { now.saturating_add(interval_ms) } else { now }
}
