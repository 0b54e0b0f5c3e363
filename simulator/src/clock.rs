//! Time that moves only when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock, shared by all who hold a clone of it.
#[derive(Clone, Debug)]
pub struct SimClock {
    now: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock that shows `now`, in milliseconds since the epoch.
    pub fn new(now: i64) -> Self {
        SimClock { now: Arc::new(AtomicI64::new(now)) }
    }

    /// The time.
    pub fn now(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    /// Moves on by `ms` and returns the new time.
    pub fn advance(&self, ms: i64) -> i64 {
        self.now.fetch_add(ms, Ordering::SeqCst) + ms
    }
}
