//! Client quotas (KIP-13, KIP-55, KIP-124, KIP-599): how many bytes a second a user, a client or both may write or read, how
//! much of the broker's time they may take, and how many partitions a second they may make or delete. What goes over the rate
//! is not refused but waited for: the client is told for how long, and its connection is not read from meanwhile. Only changes of
//! partitions are refused, to clients that know how to try again.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parking_lot::Mutex;

use andiron_metadata::controller::{CLIENT_ID, USER};
use andiron_metadata::image::{Image, QuotaEntity};

use crate::limits::QUOTA_SENSORS_MAX;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    /// Bytes of Produce requests.
    Produce,
    /// Bytes of records in Fetch answers.
    Fetch,
    /// The time of a thread, in percent of one.
    Time,
    /// Partitions that are made or deleted.
    Partitions,
}

impl Flow {
    fn key(self) -> &'static str {
        match self {
            Flow::Produce => "producer_byte_rate",
            Flow::Fetch => "consumer_byte_rate",
            Flow::Time => "request_percentage",
            Flow::Partitions => "controller_mutation_rate",
        }
    }
}

/// Whoever shares one rate: a user, a client, or a client of a user.
type Sharers = (Flow, Option<String>, Option<String>);

/// Samples of a rate: how many are looked at, and how long each of them is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    ms: i64,
    count: i64,
}

impl Windows {
    /// `count` of `seconds` each.
    pub(crate) fn new(seconds: i64, count: i64) -> Windows {
        Windows { ms: seconds.saturating_mul(1_000).max(1), count: count.max(1) }
    }

    /// Nobody is kept waiting longer than a window for a connection, or for time that was taken.
    pub(crate) fn longest_wait_ms(self) -> i64 {
        self.ms
    }

    fn total_ms(self) -> i64 {
        self.ms.saturating_mul(self.count)
    }
}

/// The rates of all that have a quota.
#[derive(Debug)]
pub(crate) struct Quotas {
    rates: Mutex<HashMap<Sharers, Rate>>,
    buckets: Mutex<HashMap<Sharers, Bucket>>,
    windows: Windows,
    partition_windows: Windows,
}

impl Quotas {
    /// Nobody has sent anything yet. `windows` are those of rates (`quota.window.*`), `partition_windows` those of changes of
    /// partitions (`controller.quota.window.*`).
    pub(crate) fn new(windows: Windows, partition_windows: Windows) -> Quotas {
        Quotas { rates: Mutex::default(), buckets: Mutex::default(), windows, partition_windows }
    }

    /// Counts what a client of a user has taken and says for how many milliseconds it is to wait.
    pub(crate) fn record(&self, image: &Image, flow: Flow, user: &str, client: &str, amount: f64, now: i64) -> i64 {
        let Some((quota, sharers)) = find(image, flow, user, client) else { return 0 };
        let windows = self.windows;
        let mut rates = self.rates.lock();
        if rates.len() >= QUOTA_SENSORS_MAX && !rates.contains_key(&sharers) {
            rates.retain(|_, rate| rate.is_fresh(now, windows));
        }
        let wait = rates.entry(sharers).or_default().record(quota, amount, now, windows);
        if flow == Flow::Time { wait.min(windows.longest_wait_ms()) } else { wait }
    }

    /// Whether anybody's time is measured here.
    pub(crate) fn measures_time(image: &Image, user: &str, client: &str) -> bool {
        find(image, Flow::Time, user, client).is_some()
    }

    /// Takes `count` partitions out of the bucket of whoever makes or deletes them, and says for how many milliseconds to
    /// wait after it. While tokens are owed, nothing more is given to who is `strict`ly held: the error is that time.
    pub(crate) fn change(
        &self,
        image: &Image,
        (user, client): (&str, &str),
        count: usize,
        strict: bool,
        now: i64,
    ) -> Result<i64, i64> {
        let Some((quota, sharers)) = find(image, Flow::Partitions, user, client) else { return Ok(0) };
        let full = quota * self.partition_windows.total_ms() as f64 / 1_000.0;
        let mut buckets = self.buckets.lock();
        if buckets.len() >= QUOTA_SENSORS_MAX && !buckets.contains_key(&sharers) {
            let oldest = now - self.partition_windows.total_ms();
            buckets.retain(|_, bucket| bucket.filled > oldest);
        }
        let bucket = buckets.entry(sharers).or_insert(Bucket { tokens: full, filled: now });
        bucket.fill(quota, full, now);
        if strict && bucket.tokens < 0.0 {
            return Err(bucket.wait(quota));
        }
        bucket.tokens -= count as f64;
        Ok(bucket.wait(quota))
    }
}

/// The quota that holds for a client of a user, and with whom it is shared: the most exact one that is set.
fn find(image: &Image, flow: Flow, user: &str, client: &str) -> Option<(f64, Sharers)> {
    image.quotas().next()?;
    let (user, client) = (Some(user.to_owned()), Some(client.to_owned()));
    let users = [Some(user.clone()), Some(None), None];
    let clients = [Some(client.clone()), Some(None), None];
    for of_user in &users {
        for of_client in &clients {
            let mut entity = QuotaEntity::new();
            entity.extend(of_user.clone().map(|name| (USER.to_owned(), name)));
            entity.extend(of_client.clone().map(|name| (CLIENT_ID.to_owned(), name)));
            if entity.is_empty() {
                continue;
            }
            if let Some(quota) = image.quota(&entity).and_then(|quotas: &BTreeMap<String, f64>| quotas.get(flow.key()))
            {
                let shared = (
                    flow,
                    of_user.is_some().then(|| user.clone()).flatten(),
                    of_client.is_some().then(|| client.clone()).flatten(),
                );
                return Some((*quota, shared));
            }
        }
    }
    None
}

/// Amounts by window: when it began, and how much.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(i64, f64)>,
}

impl Rate {
    /// Whether anything was counted within the windows.
    pub(crate) fn is_fresh(&self, now: i64, windows: Windows) -> bool {
        self.samples.back().is_some_and(|(start, _)| *start > now - windows.total_ms())
    }

    /// Counts, and says for how many milliseconds to wait until the rate is within `quota` a second again.
    pub(crate) fn record(&mut self, quota: f64, amount: f64, now: i64, windows: Windows) -> i64 {
        while self.samples.front().is_some_and(|(start, _)| now - start >= windows.total_ms()) {
            self.samples.pop_front();
        }
        match self.samples.back_mut() {
            Some((start, sum)) if now - *start < windows.ms => *sum += amount,
            _ => self.samples.push_back((now, amount)),
        }
        let total: f64 = self.samples.iter().map(|(_, sum)| sum).sum();
        // All but the last window count as if they had passed, so that a first burst is no reason to wait.
        let since = self.samples.front().map_or(0, |(start, _)| now - start);
        let elapsed = since.max(windows.ms * (windows.count - 1)).max(1) as f64;
        let rate = total / elapsed * 1000.0;
        if rate <= quota { 0 } else { ((rate - quota) / quota * elapsed).round() as i64 }
    }
}

/// Tokens that come back at the rate of the quota (KIP-599). They may be owed: then one waits until they are paid.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: i64,
}

impl Bucket {
    fn fill(&mut self, quota: f64, full: f64, now: i64) {
        let came = quota * (now - self.filled).max(0) as f64 / 1_000.0;
        self.tokens = (self.tokens + came).min(full);
        self.filled = self.filled.max(now);
    }

    fn wait(&self, quota: f64) -> i64 {
        if self.tokens >= 0.0 { 0 } else { (-self.tokens / quota * 1_000.0).round() as i64 }
    }
}

#[cfg(test)]
#[path = "quotas_tests.rs"]
mod tests;
