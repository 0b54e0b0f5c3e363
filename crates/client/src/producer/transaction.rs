//! A producer's transaction as a machine: what may be called, what may be sent, and what an error leaves possible. Pure.
//!
//! Under transaction version 1 a partition must be added to the transaction before anything is sent to it; under version 2
//! (KIP-890) the broker adds it by itself, and every transaction's end gives the producer another epoch.

use std::collections::{BTreeSet, HashSet};

use andiron_protocol::error::ErrorCode;

use super::queue::ProducerId;
use crate::cluster::TopicPartition;
use crate::error::TransactionError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Uninitialized,
    Initializing,
    Ready,
    InTransaction,
    Committing,
    Aborting,
    /// Nothing but an abort gets past the error.
    Abortable,
    /// Nothing gets past it.
    Fatal,
}

/// What an error means for the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same call may succeed later.
    Again,
    Abortable,
    Fatal,
}

/// What a coordinator's error means; `in_group` for the coordinator of the group whose offsets are sent.
pub(crate) fn judge(code: ErrorCode, in_group: bool) -> Verdict {
    match code {
        ErrorCode::ConcurrentTransactions => Verdict::Again,
        ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => Verdict::Fatal,
        ErrorCode::TransactionAbortable
        | ErrorCode::UnknownProducerId
        | ErrorCode::InvalidProducerIdMapping
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::OperationNotAttempted
        | ErrorCode::GroupAuthorizationFailed => Verdict::Abortable,
        ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId if in_group => {
            Verdict::Abortable
        }
        ErrorCode::StaleMemberEpoch | ErrorCode::FencedMemberEpoch if in_group => Verdict::Abortable,
        code if code.is_retriable() => Verdict::Again,
        _ => Verdict::Fatal,
    }
}

/// A transactional producer's state.
#[derive(Debug)]
pub(crate) struct Transaction {
    state: State,
    producer: Option<ProducerId>,
    /// Whether the cluster has transaction version 2.
    second: bool,
    added: HashSet<TopicPartition>,
    pending: BTreeSet<TopicPartition>,
    /// Partitions are being added.
    adding: bool,
    /// The coordinator knows of the transaction, or soon will.
    started: bool,
    /// Sequences were left out: the epoch must grow before the next transaction.
    bump: bool,
    error: Option<TransactionError>,
}

impl Default for Transaction {
    fn default() -> Self {
        Transaction {
            state: State::Uninitialized,
            producer: None,
            second: false,
            added: HashSet::new(),
            pending: BTreeSet::new(),
            adding: false,
            started: false,
            bump: false,
            error: None,
        }
    }
}

impl Transaction {
    /// As whom records are sent; `None` before there is an id.
    pub(crate) fn producer(&self) -> Option<ProducerId> {
        self.producer
    }

    pub(crate) fn is_second_version(&self) -> bool {
        self.second
    }

    /// What is still to be sent is not to be sent any more.
    pub(crate) fn gives_up(&self) -> bool {
        matches!(self.state, State::Aborting | State::Abortable)
    }

    fn wrong_state(&self, what: &str) -> TransactionError {
        match (&self.error, self.state) {
            (Some(error), _) => error.clone(),
            (None, state) => TransactionError::IllegalState(format!("{what} in state {}", name(state))),
        }
    }

    fn go(&mut self, from: &[State], to: State, what: &str) -> Result<(), TransactionError> {
        if !from.contains(&self.state) {
            return Err(self.wrong_state(what));
        }
        self.state = to;
        Ok(())
    }

    pub(crate) fn begin_init(&mut self) -> Result<(), TransactionError> {
        // Initializing again is to go on after a timeout.
        self.go(&[State::Uninitialized, State::Initializing], State::Initializing, "Cannot initialize transactions")
    }

    /// The coordinator gave an id.
    pub(crate) fn initialized(&mut self, producer: ProducerId, second: bool) {
        if self.state != State::Fatal {
            self.producer = Some(producer);
            self.second = second;
            self.bump = false;
            self.state = State::Ready;
        }
    }

    pub(crate) fn begin(&mut self) -> Result<(), TransactionError> {
        self.go(&[State::Ready], State::InTransaction, "Cannot begin a transaction")
    }

    /// Whether records and offsets may be sent.
    pub(crate) fn check_sending(&self) -> Result<(), TransactionError> {
        if self.state == State::InTransaction { Ok(()) } else { Err(self.wrong_state("Cannot send")) }
    }

    /// A record for the partition was taken.
    pub(crate) fn writes_to(&mut self, partition: &TopicPartition) {
        if self.second {
            self.started = true;
        } else if !self.added.contains(partition) {
            self.pending.insert(partition.clone());
        }
    }

    /// Whether batches of the partition may go out.
    pub(crate) fn may_send(&self, partition: &TopicPartition) -> bool {
        self.second || self.added.contains(partition)
    }

    /// Partitions to be added now, with the identity to do it by.
    pub(crate) fn begin_adding(&mut self) -> Option<(ProducerId, Vec<TopicPartition>)> {
        let producer = self.producer?;
        if self.adding || self.pending.is_empty() || !matches!(self.state, State::InTransaction | State::Committing) {
            return None;
        }
        self.adding = true;
        Some((producer, self.pending.iter().cloned().collect()))
    }

    /// Partitions were added, or not.
    pub(crate) fn added(&mut self, partitions: Vec<TopicPartition>, outcome: Result<(), ErrorCode>) {
        self.adding = false;
        match outcome {
            Ok(()) => {
                self.started = true;
                for partition in partitions {
                    self.pending.remove(&partition);
                    self.added.insert(partition);
                }
            }
            // The request may have begun the transaction although nobody heard so.
            Err(code) => {
                self.started |= judge(code, false) == Verdict::Again;
                self.failed(code, false);
            }
        }
    }

    /// Offsets are about to be part of the transaction.
    pub(crate) fn sends_offsets(&mut self) {
        self.started = true;
    }

    /// Some call met this.
    pub(crate) fn failed(&mut self, code: ErrorCode, in_group: bool) -> Verdict {
        let verdict = judge(code, in_group);
        match verdict {
            Verdict::Again => {}
            Verdict::Abortable => self.abortable(TransactionError::Abortable(said(code))),
            Verdict::Fatal => self.fatal(match code {
                ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => TransactionError::Fenced,
                code => TransactionError::Fatal(code.to_string()),
            }),
        }
        verdict
    }

    /// A batch was not written: the transaction cannot be committed.
    pub(crate) fn batch_failed(&mut self, code: Option<ErrorCode>, error: &dyn std::fmt::Display) {
        self.bump = true;
        match code {
            Some(ErrorCode::ProducerFenced) => self.fatal(TransactionError::Fenced),
            Some(ErrorCode::TransactionalIdAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed) => {
                self.fatal(TransactionError::Fatal(error.to_string()));
            }
            _ => self.abortable(TransactionError::Abortable(error.to_string())),
        }
    }

    fn abortable(&mut self, error: TransactionError) {
        match self.state {
            State::InTransaction | State::Committing => {
                self.state = State::Abortable;
                self.error = Some(error);
            }
            // It is on its way already.
            _ => {}
        }
    }

    fn fatal(&mut self, error: TransactionError) {
        self.state = State::Fatal;
        self.error = Some(error);
    }

    /// Whether a transaction is open that nobody is ending.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::InTransaction | State::Abortable)
    }

    /// Why nothing gets on any more, if it does not.
    pub(crate) fn fatal_error(&self) -> Option<TransactionError> {
        if self.state == State::Fatal { self.error.clone() } else { None }
    }

    pub(crate) fn begin_commit(&mut self) -> Result<(), TransactionError> {
        // Committing again is to go on after a timeout.
        self.go(&[State::InTransaction, State::Committing], State::Committing, "Cannot commit a transaction")
    }

    /// Everything is written, or something is not.
    pub(crate) fn check_committing(&self) -> Result<(), TransactionError> {
        if self.state == State::Committing { Ok(()) } else { Err(self.wrong_state("Cannot commit a transaction")) }
    }

    pub(crate) fn begin_abort(&mut self) -> Result<(), TransactionError> {
        let from = [State::InTransaction, State::Abortable, State::Aborting];
        self.go(&from, State::Aborting, "Cannot abort a transaction")?;
        self.error = None;
        self.pending.clear();
        Ok(())
    }

    /// Whether the coordinator has to be told of the end.
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Whether another epoch must be asked for before the next transaction.
    pub(crate) fn wants_epoch(&self) -> bool {
        self.bump
    }

    /// The transaction is over; under version 2 with another identity.
    pub(crate) fn ended(&mut self, next: Option<ProducerId>) {
        self.started = false;
        self.added.clear();
        self.pending.clear();
        self.adding = false;
        if next.is_some_and(|next| self.producer != Some(next)) {
            self.bump = false;
            self.producer = next;
        }
    }

    /// Ready for the next one.
    pub(crate) fn finish(&mut self) {
        if matches!(self.state, State::Committing | State::Aborting) {
            self.state = State::Ready;
        }
    }
}

fn said(code: ErrorCode) -> String {
    match code {
        ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
            format!("Transaction offset Commit failed due to consumer group metadata mismatch: {code}")
        }
        ErrorCode::TransactionAbortable => {
            "The server encountered an error with the transaction. The client can abort the transaction to continue using this transactional ID.".to_owned()
        }
        code => code.to_string(),
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Uninitialized => "UNINITIALIZED",
        State::Initializing => "INITIALIZING",
        State::Ready => "READY",
        State::InTransaction => "IN_TRANSACTION",
        State::Committing => "COMMITTING_TRANSACTION",
        State::Aborting => "ABORTING_TRANSACTION",
        State::Abortable => "ABORTABLE_ERROR",
        State::Fatal => "FATAL_ERROR",
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
