//! Where requests wait: for records to be durable, for bytes to arrive, for a group to gather. A waiting request is
//! completed by whatever it waits for, or by its deadline; the deadlines are kept here, in order, and everything that is
//! completed early is taken out at once, so that nothing that is over holds memory until its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Something with a deadline.
pub trait Delayed: Send + Sync {
    /// The deadline has come: answer with what there is.
    fn expire(&self, now: i64);
}

/// The place of one waiting request among the deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    deadline: i64,
    number: u64,
}

/// All deadlines of a node.
#[derive(Default)]
pub struct Purgatory {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next_number: u64,
    by_deadline: BTreeMap<Ticket, Arc<dyn Delayed>>,
}

impl Purgatory {
    /// Keeps `delayed` until `deadline`. Says whether this deadline is now the first of all, so that whoever sleeps
    /// until the first one can be woken.
    pub fn insert(&self, deadline: i64, delayed: Arc<dyn Delayed>) -> (Ticket, bool) {
        let mut waiting = self.waiting.lock();
        let ticket = Ticket { deadline, number: waiting.next_number };
        waiting.next_number += 1;
        waiting.by_deadline.insert(ticket, delayed);
        let first = waiting.by_deadline.first_key_value().is_some_and(|(first, _)| *first == ticket);
        (ticket, first)
    }

    /// Forgets a request that was completed before its deadline.
    pub fn remove(&self, ticket: Ticket) {
        self.waiting.lock().by_deadline.remove(&ticket);
    }

    /// The first deadline.
    pub fn next_deadline(&self) -> Option<i64> {
        self.waiting.lock().by_deadline.first_key_value().map(|(ticket, _)| ticket.deadline)
    }

    /// Expires everything whose deadline has come.
    pub fn expire(&self, now: i64) {
        loop {
            let due = {
                let mut waiting = self.waiting.lock();
                match waiting.by_deadline.first_entry() {
                    Some(first) if first.key().deadline <= now => first.remove(),
                    _ => return,
                }
            };
            // Outside the lock: an expiring fetch reads and answers.
            due.expire(now);
        }
    }

    /// Whether nothing waits.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().by_deadline.is_empty()
    }
}

#[cfg(test)]
#[path = "purgatory_tests.rs"]
mod tests;
