//! `org.apache.kafka.server.util.ThroughputThrottler`: so many records a second, on average.

use std::time::Duration;

use super::clock::now_ms;

/// Shorter pauses are saved up.
const SLEEP_MIN: Duration = Duration::from_millis(2);

/// Holds a sender to a rate. A negative one is none; 0 lets nothing more through.
#[derive(Debug)]
pub(crate) struct Throttle {
    per_second: f64,
    started_ms: i64,
    deficit: Duration,
}

impl Throttle {
    /// From now on.
    pub(crate) fn new(per_second: f64) -> Throttle {
        Throttle { per_second, started_ms: now_ms(), deficit: Duration::ZERO }
    }

    /// After a record: waits if there were too many. `so_far` counts those before it.
    pub(crate) async fn pace(&mut self, so_far: i64) {
        if self.per_second < 0.0 {
            return;
        }
        let elapsed = (now_ms() - self.started_ms) as f64 / 1_000.0;
        if elapsed <= 0.0 || so_far as f64 / elapsed <= self.per_second {
            return;
        }
        if self.per_second == 0.0 {
            std::future::pending::<()>().await;
        }
        self.deficit += Duration::from_secs_f64(1.0 / self.per_second);
        if self.deficit >= SLEEP_MIN {
            tokio::time::sleep(self.deficit).await;
            self.deficit = Duration::ZERO;
        }
    }
}
