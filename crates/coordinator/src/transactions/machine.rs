//! The machine of one partition of `__transaction_state`: which transactional id a request, a record or a deadline is for.

mod add;
mod end;
mod expire;
mod init;
mod show;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_replication::machine::{StateMachine, Ticket};

use super::config::TransactionConfig;
use super::effects::{Call, Effects, Markers, Request, Response};
use super::error::TransactionError;
use super::record::TransactionRecord;
use super::state::{Transaction, TransactionState};
use crate::error::of_failed_append;
use add::Waiting;

/// All transactional ids of one partition of `__transaction_state`. Make one when the partition's leadership is won, `replay`
/// the partition, call `loaded`, put it into a harness, then feed it requests.
#[derive(Debug)]
pub struct TransactionCoordinator {
    config: TransactionConfig,
    /// The level that the cluster had agreed on when somebody last asked.
    transaction_version: i16,
    transactions: BTreeMap<Arc<str>, Transaction>,
    /// Who waits for a prepared transaction to complete, in the order they came.
    waiting: BTreeMap<Arc<str>, VecDeque<Waiting>>,
    next_abort_check: i64,
    next_expiry_check: i64,
}

impl TransactionCoordinator {
    /// A coordinator that knows of nothing.
    pub fn new(config: TransactionConfig, transaction_version: i16) -> Self {
        Self {
            config,
            transaction_version,
            transactions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_abort_check: i64::MAX,
            next_expiry_check: i64::MAX,
        }
    }

    /// The log has been read: what was prepared and is not complete is to be finished. The effects go to
    /// `Harness::carry_out`.
    pub fn loaded(&mut self, now: i64) -> Effects {
        self.next_abort_check = now.saturating_add(self.config.abort_check_interval_ms);
        self.next_expiry_check = now.saturating_add(self.config.expiry_check_interval_ms);
        let prepared = self.transactions.iter().filter(|(_, transaction)| transaction.state.is_prepared());
        let parked =
            prepared.map(|(id, transaction)| (Ticket::UNASKED, Response::WriteMarkers(markers(id, transaction))));
        Effects { parked: parked.collect(), ..Effects::default() }
    }

    /// What is known of a transactional id.
    pub fn get(&self, transactional_id: &str) -> Option<&Transaction> {
        self.transactions.get(transactional_id)
    }

    /// Writes a step.
    fn write(&self, id: &Arc<str>, next: Transaction, out: &mut Effects) {
        out.records.push(TransactionRecord::new(id, next, self.transaction_version));
    }

    /// Writes that a transaction will end so, and has its markers written once that is committed.
    fn write_prepared(&self, id: &Arc<str>, next: Transaction, out: &mut Effects) {
        out.parked.push((Ticket::UNASKED, Response::WriteMarkers(markers(id, &next))));
        self.write(id, next, out);
    }
}

fn markers(id: &Arc<str>, prepared: &Transaction) -> Markers {
    Markers {
        transactional_id: id.clone(),
        producer: prepared.producer(),
        commit: prepared.state == TransactionState::PrepareCommit,
        partitions: prepared.partitions.clone(),
        transaction_version: prepared.client_version,
    }
}

impl StateMachine for TransactionCoordinator {
    type Request = Call;
    type Response = Response;
    type Record = TransactionRecord;
    type View = ();

    fn handle(&mut self, now: i64, ticket: Ticket, call: Call) -> Effects {
        let mut out = Effects::default();
        self.transaction_version = call.transaction_version;
        match call.request {
            Request::InitProducerId(request) => self.init(now, ticket, &request, &mut out),
            Request::AddPartitions(request) => self.add(now, ticket, request, &mut out),
            Request::EndTransaction(request) => self.end(now, ticket, &request, &mut out),
            Request::Completed { transactional_id, producer } => {
                self.completed(now, ticket, &transactional_id, producer, &mut out);
            }
            Request::Describe(id) => self.describe(ticket, &id, &mut out),
            Request::List(filter) => self.list(now, ticket, &filter, &mut out),
        }
        out
    }

    fn replay(&mut self, _offset: i64, record: &TransactionRecord) {
        match &record.value {
            Some(value) => _ = self.transactions.insert(record.transactional_id.clone(), value.clone()),
            None => _ = self.transactions.remove(&record.transactional_id),
        }
    }

    fn append_failed(&mut self, _now: i64, effects: Effects, error: ErrorCode) -> Vec<(Ticket, Response)> {
        let error = TransactionError::NotWritten(of_failed_append(error));
        let asked = effects.parked.into_iter().filter(|(_, response)| {
            // Nobody is told by an answer that has no room for an error: the caller says it in its own way.
            !matches!(response, Response::WriteMarkers(_) | Response::Completed)
        });
        asked.map(|(ticket, response)| (ticket, response.failed(error))).collect()
    }

    fn view(&self) {}

    fn next_deadline(&self) -> Option<i64> {
        let waiting = self.waiting.values().filter_map(|waiting| waiting.front().map(|first| first.until)).min();
        let checks = (!self.transactions.is_empty()).then(|| self.next_abort_check.min(self.next_expiry_check));
        waiting.into_iter().chain(checks).min()
    }

    fn on_deadline(&mut self, now: i64) -> Option<Effects> {
        if self.next_deadline()? > now {
            return None;
        }
        let mut out = Effects::default();
        self.give_up_waiting(now, &mut out);
        if self.next_abort_check <= now {
            self.abort_timed_out(now, &mut out);
        } else if self.next_expiry_check <= now {
            self.forget_expired(now, &mut out);
        }
        Some(out)
    }
}
