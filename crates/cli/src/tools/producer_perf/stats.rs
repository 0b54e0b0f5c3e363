//! What the perf test counts, and how it tells it.

use crate::tools::clock::now_ms;
use crate::tools::java_format::fixed;
use crate::tools::print::say;

/// Latencies kept at most.
const SAMPLES_MAX: i64 = 500_000;

#[derive(Debug)]
pub(super) struct Stats {
    start: i64,
    latencies: Vec<i32>,
    sampling: i64,
    interval_ms: i64,
    iteration: i64,
    total: Window,
    window: Window,
    window_start: i64,
    steady: bool,
    suppressed: bool,
}

#[derive(Debug, Default)]
struct Window {
    count: i64,
    bytes: u64,
    latency: i64,
    max_latency: i32,
}

impl Window {
    fn add(&mut self, latency: i32, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency += i64::from(latency);
        self.max_latency = self.max_latency.max(latency);
    }

    /// Records and megabytes a second.
    fn rates(&self, elapsed_ms: i64) -> (f64, f64) {
        let per_second = |amount: f64| 1_000.0 * amount / elapsed_ms as f64;
        (per_second(self.count as f64), per_second(self.bytes as f64) / (1_024.0 * 1_024.0))
    }

    fn average(&self) -> f64 {
        self.latency as f64 / self.count as f64
    }
}

impl Stats {
    pub(super) fn new(records: i64, interval_ms: i64, steady: bool) -> Stats {
        let now = now_ms();
        Stats {
            start: now,
            latencies: Vec::new(),
            sampling: records / records.clamp(1, SAMPLES_MAX),
            interval_ms,
            iteration: 0,
            total: Window::default(),
            window: Window::default(),
            window_start: now,
            steady,
            suppressed: false,
        }
    }

    /// No reports any more but the last.
    pub(super) fn suppress(&mut self) {
        self.suppressed = true;
    }

    /// A record that arrived.
    pub(super) fn record(&mut self, latency: i32, bytes: usize, now: i64) {
        self.total.add(latency, bytes);
        self.window.add(latency, bytes);
        if self.iteration % self.sampling.max(1) == 0 {
            self.latencies.push(latency);
        }
        if now - self.window_start >= self.interval_ms {
            if self.steady && self.total.count == self.window.count {
                say("In steady state.");
            }
            if !self.suppressed {
                self.print_window();
            }
            self.window = Window::default();
            self.window_start = now_ms();
        }
        self.iteration += 1;
    }

    fn print_window(&self) {
        let (records, megabytes) = self.window.rates(now_ms() - self.window_start);
        say(format_args!(
            "{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency.",
            self.window.count,
            fixed(records, 1),
            fixed(megabytes, 2),
            fixed(self.window.average(), 1),
            fixed(f64::from(self.window.max_latency), 1)
        ));
    }

    /// The last report.
    pub(super) fn print_total(&mut self) {
        let (records, megabytes) = self.total.rates(now_ms() - self.start);
        self.latencies.sort_unstable();
        let percentile = |share: f64| {
            let at = (share * self.latencies.len() as f64) as usize;
            self.latencies.get(at).copied().unwrap_or(0)
        };
        say(format_args!(
            "{}{} records sent, {} records/sec ({} MB/sec), {} ms avg latency, {} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.total.count,
            if self.steady { " steady state" } else { "" },
            fixed(records, 6),
            fixed(megabytes, 2),
            fixed(self.total.average(), 2),
            fixed(f64::from(self.total.max_latency), 2),
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999)
        ));
    }
}
