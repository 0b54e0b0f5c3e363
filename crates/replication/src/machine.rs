//! The one shape of every replicated state machine: the controller, the group coordinator, the transaction coordinator
//! and the schema registry decide, append, replay, and answer once what they appended is committed.
//!
//! How an append that fails is undone: there is nothing to undo. A machine has one writer (whoever holds its log's lock), so
//! no other decision can fall between the moment a decision is made and the moment its records are in the log. The harness
//! therefore replays a decision's records only after the append succeeded; a decision whose append failed is dropped and the
//! state never saw it. Kafka replays first and needs timeline collections to go back.
//!
//! How nobody is told what is not committed: an answer, also one without records of its own, waits until everything that was in
//! the log when it was decided is committed. Others read `view()`, the machine's view as of the high watermark;
//! it is cheap because a machine that offers one keeps its state in shared (persistent) maps.

use std::collections::VecDeque;

use crate::limits::PARKED_ANSWERS_MAX;

#[cfg(test)]
mod tests;

/// What a decision asks for: records to append, and what to answer once they are committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<R, A> {
    /// The changes, in order. All are appended as one batch or none is.
    pub records: Vec<R>,
    /// The answer, which must not be given before the records are committed.
    pub answer: A,
}

impl<R, A> Decision<R, A> {
    /// An answer that changes nothing.
    pub fn answer(answer: A) -> Self {
        Self { records: Vec::new(), answer }
    }
}

/// A state that is the result of a log.
pub trait StateMachine {
    /// What can be asked.
    type Request;
    /// What is answered. A machine that holds several clients back (a group waiting for its members) makes this a list of
    /// whom to tell what.
    type Response;
    /// What is written to the log.
    type Record;
    /// What others may read of the state; `()` for a machine that is only ever asked.
    type View: Clone;

    /// Decides. Reads the state, changes nothing. `now` is in milliseconds.
    fn handle(&self, now: i64, request: Self::Request) -> Decision<Self::Record, Self::Response>;

    /// Applies a record: the only way in which the state changes. Must not fail on a record that `handle` produced.
    /// A record that is not durable comes with the offset that the next durable one will have.
    fn replay(&mut self, offset: i64, record: &Self::Record);

    /// Whether the record goes into the log. One that does not changes what a restart may forget (a timer, a member that
    /// waits); it goes through `replay` like any other, so that decisions stay free of side effects.
    fn durable(_record: &Self::Record) -> bool {
        true
    }

    /// The state as others may see it, once it is committed.
    fn view(&self) -> Self::View;

    /// The next moment at which `on_deadline` has something to say.
    fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// What is to happen because time has passed; none if nothing is due.
    fn on_deadline(&self, _now: i64) -> Option<Decision<Self::Record, Self::Response>> {
        None
    }
}

/// Why a request was not carried out. The token comes back so that its owner can be told.
#[derive(Debug, PartialEq)]
pub enum Refused<T, E> {
    /// The append failed; the state is as before.
    Append {
        /// Whose request it was.
        token: T,
        /// Why.
        error: E,
    },
    /// Too many answers wait for their records already.
    Busy {
        /// Whose request it was.
        token: T,
    },
}

struct Parked<T, A, V> {
    /// Given when the high watermark reaches this offset.
    until: i64,
    token: T,
    answer: A,
    view: Option<V>,
}

/// Keeps a machine, the answers that wait, and the committed view. `T` names whoever waits for an answer.
pub struct Harness<M: StateMachine, T> {
    machine: M,
    /// The offset behind the last record replayed.
    end: i64,
    high_watermark: i64,
    view: M::View,
    parked: VecDeque<Parked<T, M::Response, M::View>>,
}

impl<M: StateMachine, T> Harness<M, T> {
    /// A harness around a machine whose log has been replayed into it up to `end`; all of that counts as committed.
    pub fn new(machine: M, end: i64) -> Self {
        let view = machine.view();
        Self { machine, end, high_watermark: end, view, parked: VecDeque::new() }
    }

    /// The latest state, part of which may not be committed.
    pub fn latest(&self) -> &M {
        &self.machine
    }

    /// The committed state as others may read it.
    pub fn view(&self) -> &M::View {
        &self.view
    }

    /// The offset behind the last record that the state contains.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// How many answers wait.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Decides a request, has its records appended (`append` gives the offset of the first one), replays them, and parks the
    /// answer. Whoever calls this holds the log's lock, and calls `committed` afterwards with the high watermark.
    pub fn request<E>(
        &mut self,
        now: i64,
        request: M::Request,
        token: T,
        append: impl FnOnce(&[M::Record]) -> Result<i64, E>,
    ) -> Result<(), Refused<T, E>> {
        if self.parked.len() >= PARKED_ANSWERS_MAX {
            return Err(Refused::Busy { token });
        }
        let decision = self.machine.handle(now, request);
        self.carry_out(decision, token, append)
    }

    /// As `request`, for what is due by time. Says whether anything was.
    pub fn deadline<E>(
        &mut self,
        now: i64,
        token: T,
        append: impl FnOnce(&[M::Record]) -> Result<i64, E>,
    ) -> Result<bool, Refused<T, E>> {
        match self.machine.on_deadline(now) {
            None => Ok(false),
            Some(decision) => self.carry_out(decision, token, append).map(|()| true),
        }
    }

    /// When `deadline` is to be called next.
    pub fn next_deadline(&self) -> Option<i64> {
        self.machine.next_deadline()
    }

    fn carry_out<E>(
        &mut self,
        decision: Decision<M::Record, M::Response>,
        token: T,
        append: impl FnOnce(&[M::Record]) -> Result<i64, E>,
    ) -> Result<(), Refused<T, E>> {
        let Decision { records, answer } = decision;
        let (durable, soft): (Vec<_>, Vec<_>) = records.into_iter().enumerate().partition(|(_, r)| M::durable(r));
        let (places, durable): (Vec<usize>, Vec<M::Record>) = durable.into_iter().unzip();
        let mut offset = self.end;
        if !durable.is_empty() {
            match append(&durable) {
                Ok(base) => offset = base,
                Err(error) => return Err(Refused::Append { token, error }),
            }
        }
        let changed = !durable.is_empty() || !soft.is_empty();
        let mut durable = places.into_iter().zip(durable).peekable();
        let mut soft = soft.into_iter().peekable();
        loop {
            let durable_first = match (durable.peek(), soft.peek()) {
                (Some((d, _)), Some((s, _))) => d < s,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            if durable_first {
                if let Some((_, record)) = durable.next() {
                    self.machine.replay(offset, &record);
                    offset += 1;
                }
            } else if let Some((_, record)) = soft.next() {
                self.machine.replay(offset, &record);
            }
        }
        self.end = offset;
        let view = changed.then(|| self.machine.view());
        self.parked.push_back(Parked { until: offset, token, answer, view });
        Ok(())
    }

    /// Applies a record that came from the log, not from a decision of this harness: at start, or as a follower.
    pub fn replay(&mut self, offset: i64, record: &M::Record) {
        self.machine.replay(offset, record);
        self.end = offset + 1;
    }

    /// The log is committed up to here: the answers that waited for it, in order. What was replayed without an answer to it
    /// becomes visible when all of it is committed.
    pub fn committed(&mut self, high_watermark: i64) -> Vec<(T, M::Response)> {
        let advanced = high_watermark > self.high_watermark;
        self.high_watermark = self.high_watermark.max(high_watermark);
        let mut answers = Vec::new();
        while self.parked.front().is_some_and(|first| first.until <= self.high_watermark) {
            let Some(Parked { token, answer, view, .. }) = self.parked.pop_front() else { break };
            if let Some(view) = view {
                self.view = view;
            }
            answers.push((token, answer));
        }
        if self.parked.is_empty() && advanced && self.high_watermark >= self.end {
            self.view = self.machine.view();
        }
        answers
    }

    /// This node leads the log no more: nobody knows whether the records of these answers will be committed. Returns whom to
    /// tell so. The machine is to be built again from the log, which may have been truncated.
    pub fn resign(self) -> Vec<T> {
        self.parked.into_iter().map(|parked| parked.token).collect()
    }
}
