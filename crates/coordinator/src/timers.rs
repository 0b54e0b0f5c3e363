//! The deadlines of a coordinator: one per name, moved or cancelled by that name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a deadline is for. The order breaks ties between deadlines of the same moment, so that runs repeat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// Members of the group may no longer join this rebalance.
    Join(Arc<str>),
    /// Members that joined should have asked for their assignment.
    Sync(Arc<str>),
    /// The member should have been heard of.
    Session(Arc<str>, Arc<str>),
    /// The same of a member of a consumer group.
    MemberSession(Arc<str>, Arc<str>),
    /// It should have given up its partitions.
    MemberRebalance(Arc<str>, Arc<str>),
    /// A classic member of a consumer group should have joined again.
    MemberJoin(Arc<str>, Arc<str>),
    /// It should have asked for its assignment.
    MemberSync(Arc<str>, Arc<str>),
    /// The topics of a consumer group's patterns are to be looked up.
    Patterns(Arc<str>),
    /// Expired offsets and empty groups are looked for.
    Cleanup,
}

/// All deadlines of one coordinator.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(i64, Timer)>,
    by_name: HashMap<Timer, i64>,
}

impl Timers {
    /// Sets the deadline, in place of the one it had.
    pub fn set(&mut self, timer: Timer, at: i64) {
        if let Some(before) = self.by_name.insert(timer.clone(), at) {
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets the deadline if there is none yet.
    pub fn set_if_absent(&mut self, timer: Timer, at: i64) {
        if !self.has(&timer) {
            self.set(timer, at);
        }
    }

    /// Whether there is such a deadline.
    pub fn has(&self, timer: &Timer) -> bool {
        self.by_name.contains_key(timer)
    }

    /// Forgets the deadline, if there is one.
    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(at) = self.by_name.remove(timer) {
            self.by_time.remove(&(at, timer.clone()));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<i64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that is not after `now`.
    pub fn pop_due(&mut self, now: i64) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_name.remove(&timer);
        Some(timer)
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
