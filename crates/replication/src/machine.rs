//! The one shape of every replicated state machine: the controller, the group coordinator, the transaction coordinator
//! and the schema registry decide, append, replay, and answer once what they appended is committed.
//!
//! How an append that fails is undone: there is nothing to undo. A machine has one writer (whoever holds its log's lock),
//! so no other decision can fall between the moment a decision is made and the moment its records are in the log. The
//! harness therefore replays a decision's records only after the append succeeded; a decision whose append failed is
//! dropped and the durable state never saw it. Kafka replays first and needs timeline collections to go back.
//!
//! How nobody is told what is not committed: a parked answer, also one without records of its own, waits until everything
//! that was in the log when it was decided is committed. Others read `view()`, the state as of the high watermark; it is
//! cheap because a machine that offers one keeps its state in shared (persistent) maps.

use std::collections::VecDeque;

use andiron_protocol::ErrorCode;

use crate::limits::PARKED_ANSWERS_MAX;

#[cfg(test)]
mod tests;

/// The caller's own name for a request whose answer is outstanding; machine and harness only hand it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The name of no request: an answer to it goes to whoever keeps the machine, as something that is to be done.
    pub const UNASKED: Ticket = Ticket(0);
}

/// What a decision asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R, A> {
    /// The changes, in order. All are appended as one batch or none is.
    pub records: Vec<R>,
    /// Answers that depend on nothing in the log, perhaps to requests that came long ago. They go out at once, whether
    /// the append succeeds or not.
    pub replies: Vec<(Ticket, A)>,
    /// Answers that must not be given before the records, and everything appended before them, are committed.
    pub parked: Vec<(Ticket, A)>,
}

impl<R, A> Default for Decision<R, A> {
    fn default() -> Self {
        Self { records: Vec::new(), replies: Vec::new(), parked: Vec::new() }
    }
}

impl<R, A> Decision<R, A> {
    /// Changes, and the answer once they are committed.
    pub fn change(ticket: Ticket, records: Vec<R>, answer: A) -> Self {
        Self { records, replies: Vec::new(), parked: vec![(ticket, answer)] }
    }
}

/// A state that is the result of a log.
pub trait StateMachine {
    /// What can be asked.
    type Request;
    /// What is answered.
    type Response;
    /// What is written to the log.
    type Record;
    /// What others may read of the state; `()` for a machine that is only ever asked.
    type View: Clone;

    /// Decides. Durable state is only read; soft state, which a restart may forget (who waits, when a session ends), may
    /// change. `now` is in milliseconds.
    fn handle(&mut self, now: i64, ticket: Ticket, request: Self::Request) -> Decision<Self::Record, Self::Response>;

    /// Applies a record: the only way in which durable state changes. Must not fail on a record that `handle` produced.
    fn replay(&mut self, offset: i64, record: &Self::Record);

    /// The records of this decision could not be appended. Whoever is parked on it and gets no reply from here is named to
    /// the caller, who answers with the error.
    fn append_failed(
        &mut self,
        _now: i64,
        _decision: Decision<Self::Record, Self::Response>,
        _error: ErrorCode,
    ) -> Vec<(Ticket, Self::Response)> {
        Vec::new()
    }

    /// The state as others may see it once it is committed.
    fn view(&self) -> Self::View;

    /// The next moment at which `on_deadline` has something to say.
    fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// What is to happen because time has passed; none if nothing is due.
    fn on_deadline(&mut self, _now: i64) -> Option<Decision<Self::Record, Self::Response>> {
        None
    }
}

/// What came of a request or a deadline.
#[derive(Debug, PartialEq)]
pub struct Outcome<A> {
    /// Answers that go out now.
    pub replies: Vec<(Ticket, A)>,
    /// Whether records were appended: `committed` may have something to say.
    pub appended: bool,
    /// The append failed, and who is to be told so.
    pub failed: Option<(ErrorCode, Vec<Ticket>)>,
}

struct Parked<A, V> {
    /// Given when the high watermark reaches this offset.
    until: i64,
    answers: Vec<(Ticket, A)>,
    view: Option<V>,
}

/// Keeps a machine, the answers that wait, and the committed view.
pub struct Harness<M: StateMachine> {
    machine: M,
    /// The offset behind the last record replayed.
    end: i64,
    high_watermark: i64,
    view: M::View,
    parked: VecDeque<Parked<M::Response, M::View>>,
    waiting: usize,
}

impl<M: StateMachine> Harness<M> {
    /// A harness around a machine whose log has been replayed into it up to `end`; all of that counts as committed.
    pub fn new(machine: M, end: i64) -> Self {
        let view = machine.view();
        Self { machine, end, high_watermark: end, view, parked: VecDeque::new(), waiting: 0 }
    }

    /// The latest state, part of which may not be committed.
    pub fn latest(&self) -> &M {
        &self.machine
    }

    /// The same, to tell the machine what is no request (settings, loading done); durable state changes by `replay` only.
    pub fn latest_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The committed state as others may read it.
    pub fn view(&self) -> &M::View {
        &self.view
    }

    /// The offset behind the last record that the state contains.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Up to where the log is known to be committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// How many answers wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Decides a request, has its records appended (`append` gives the offset of the first one), replays them, and parks
    /// the answers. Whoever calls this holds the log's lock, and calls `committed` afterwards with the high watermark.
    pub fn request(
        &mut self,
        now: i64,
        ticket: Ticket,
        request: M::Request,
        append: impl FnOnce(&[M::Record]) -> Result<i64, ErrorCode>,
    ) -> Outcome<M::Response> {
        if self.waiting >= PARKED_ANSWERS_MAX {
            let failed = Some((ErrorCode::ThrottlingQuotaExceeded, vec![ticket]));
            return Outcome { replies: Vec::new(), appended: false, failed };
        }
        let decision = self.machine.handle(now, ticket, request);
        self.carry_out(now, decision, append)
    }

    /// As `request`, for what is due by time; none if nothing is.
    pub fn deadline(
        &mut self,
        now: i64,
        append: impl FnOnce(&[M::Record]) -> Result<i64, ErrorCode>,
    ) -> Option<Outcome<M::Response>> {
        let decision = self.machine.on_deadline(now)?;
        Some(self.carry_out(now, decision, append))
    }

    /// When `deadline` is to be called next.
    pub fn next_deadline(&self) -> Option<i64> {
        self.machine.next_deadline()
    }

    /// Carries out a decision that was made outside `request`, as machines offer them for events of their own.
    pub fn carry_out(
        &mut self,
        now: i64,
        decision: Decision<M::Record, M::Response>,
        append: impl FnOnce(&[M::Record]) -> Result<i64, ErrorCode>,
    ) -> Outcome<M::Response> {
        let Decision { records, mut replies, parked } = decision;
        let appended = !records.is_empty();
        if appended {
            match append(&records) {
                Ok(base) => {
                    for (offset, record) in (base..).zip(&records) {
                        self.machine.replay(offset, record);
                    }
                    self.end = base + records.len() as i64;
                }
                Err(error) => {
                    let mut tickets: Vec<Ticket> = parked.iter().map(|(ticket, _)| *ticket).collect();
                    let decision = Decision { records, replies: Vec::new(), parked };
                    let told = self.machine.append_failed(now, decision, error);
                    tickets.retain(|ticket| told.iter().all(|(told, _)| told != ticket));
                    replies.extend(told);
                    return Outcome { replies, appended: false, failed: Some((error, tickets)) };
                }
            }
        }
        if appended || !parked.is_empty() {
            self.waiting += parked.len();
            let view = appended.then(|| self.machine.view());
            self.parked.push_back(Parked { until: self.end, answers: parked, view });
        }
        Outcome { replies, appended, failed: None }
    }

    /// Applies a record that came from the log, not from a decision of this harness: at start, or as a follower.
    pub fn replay(&mut self, offset: i64, record: &M::Record) {
        self.machine.replay(offset, record);
        self.end = offset + 1;
    }

    /// The log is committed up to here: the answers that waited for it, in order. What was replayed without a decision
    /// of this harness becomes visible when all of it is committed.
    pub fn committed(&mut self, high_watermark: i64) -> Vec<(Ticket, M::Response)> {
        let advanced = high_watermark > self.high_watermark;
        self.high_watermark = self.high_watermark.max(high_watermark);
        let mut answers = Vec::new();
        while self.parked.front().is_some_and(|first| first.until <= self.high_watermark) {
            let Some(first) = self.parked.pop_front() else { break };
            if let Some(view) = first.view {
                self.view = view;
            }
            answers.extend(first.answers);
        }
        self.waiting -= answers.len();
        if self.parked.is_empty() && advanced && self.high_watermark >= self.end {
            self.view = self.machine.view();
        }
        answers
    }

    /// This node leads the log no more: nobody knows whether the records of these answers will be committed. Returns whom
    /// to tell so. The machine is to be built again from the log, which may have been truncated.
    pub fn resign(self) -> (M, Vec<Ticket>) {
        let tickets = self.parked.into_iter().flat_map(|parked| parked.answers).map(|(ticket, _)| ticket);
        let tickets = tickets.collect();
        (self.machine, tickets)
    }
}
