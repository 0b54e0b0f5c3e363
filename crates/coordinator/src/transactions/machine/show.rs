//! DescribeTransactions and ListTransactions.

use andiron_replication::machine::Ticket;
use regex::RegexBuilder;

use super::TransactionCoordinator;
use crate::transactions::effects::{Effects, ListFilter, Listed, Response};
use crate::transactions::error::TransactionError;
use crate::transactions::limits::PATTERN_BYTES_MAX;

impl TransactionCoordinator {
    pub(super) fn describe(&self, ticket: Ticket, id: &str, out: &mut Effects) {
        let described = match self.transactions.get(id) {
            _ if id.is_empty() => Err(TransactionError::EmptyId),
            Some(transaction) => Ok(transaction.clone()),
            None => Err(TransactionError::NotFound),
        };
        out.parked.push((ticket, Response::Describe(described)));
    }

    pub(super) fn list(&self, now: i64, ticket: Ticket, filter: &ListFilter, out: &mut Effects) {
        out.parked.push((ticket, Response::List(self.listed(now, filter))));
    }

    fn listed(&self, now: i64, filter: &ListFilter) -> Result<Vec<Listed>, TransactionError> {
        let pattern = match filter.pattern.as_deref() {
            None | Some("") => None,
            Some(pattern) => {
                let whole = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_BYTES_MAX).build();
                Some(whole.map_err(|_| TransactionError::InvalidPattern)?)
            }
        };
        let all = self.transactions.iter().filter(|(id, transaction)| {
            (filter.states.is_empty() || filter.states.contains(&transaction.state))
                && (filter.producer_ids.is_empty() || filter.producer_ids.contains(&transaction.producer_id))
                && (filter.duration_ms < 0 || now.saturating_sub(transaction.start_ms) > filter.duration_ms)
                && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
        });
        let listed = |(id, transaction): (&std::sync::Arc<str>, &crate::transactions::Transaction)| Listed {
            transactional_id: id.clone(),
            producer_id: transaction.producer_id,
            state: transaction.state,
        };
        Ok(all.map(listed).collect())
    }
}
