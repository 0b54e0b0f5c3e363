//! How long to wait before the next attempt: exponential with jitter, as KIP-144 and KIP-601 have it.

use std::cell::Cell;
use std::time::Duration;

/// Growth per failed attempt.
const FACTOR: f64 = 2.0;
/// The share by which a wait is longer or shorter at random, so that many clients do not return at once.
const JITTER: f64 = 0.2;

/// Waits that double from `first_ms` to `most_ms`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first_ms: i64,
    most_ms: i64,
}

impl Backoff {
    pub(crate) fn new(first_ms: i64, most_ms: i64) -> Self {
        Backoff { first_ms, most_ms: most_ms.max(first_ms) }
    }

    /// The wait after `failures` failed attempts; none after none.
    pub(crate) fn after(&self, failures: u32) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let wait = self.first_ms as f64 * FACTOR.powi(failures.min(32) as i32 - 1);
        let jitter = 1.0 + JITTER * (f64::from(random_u32()) / f64::from(u32::MAX) * 2.0 - 1.0);
        let wait = (wait.min(self.most_ms as f64) * jitter).min(self.most_ms as f64);
        Duration::from_millis(wait.max(0.0) as u64)
    }
}

thread_local! {
    static SEED: Cell<u64> = Cell::new(uuid::Uuid::new_v4().as_u128() as u64 | 1);
}

/// Random enough for jitter and for the choice of a partition (xorshift), seeded once per thread.
pub(crate) fn random_u32() -> u32 {
    SEED.with(|seed| {
        let mut x = seed.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        seed.set(x);
        (x >> 32) as u32
    })
}
