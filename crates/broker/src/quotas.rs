//! Client quotas (KIP-13, KIP-55): how many bytes a second a user, a client or both may write or read. What goes over the rate
//! is not refused but waited for: the client is told for how long, and its connection is not read from meanwhile.

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
}

impl Flow {
    fn key(self) -> &'static str {
        match self {
            Flow::Produce => "producer_byte_rate",
            Flow::Fetch => "consumer_byte_rate",
        }
    }
}

/// Whoever shares one rate: a user, a client, or a client of a user.
type Sharers = (Flow, Option<String>, Option<String>);

/// The rates of all that have a quota.
#[derive(Debug)]
pub(crate) struct Quotas {
    rates: Mutex<HashMap<Sharers, Rate>>,
    window_ms: i64,
    windows: usize,
}

impl Quotas {
    /// Nobody has sent anything yet. `windows` of `window_ms` milliseconds are looked at (`quota.window.num`,
    /// `quota.window.size.seconds`).
    pub(crate) fn new(window_ms: i64, windows: usize) -> Quotas {
        Quotas { rates: Mutex::default(), window_ms: window_ms.max(1), windows: windows.max(1) }
    }

    /// Counts bytes and says for how many milliseconds whoever sent them is to wait.
    pub(crate) fn record(&self, image: &Image, flow: Flow, user: &str, client: &str, bytes: usize, now: i64) -> i64 {
        let Some((quota, sharers)) = find(image, flow, user, client) else { return 0 };
        let mut rates = self.rates.lock();
        if rates.len() >= QUOTA_SENSORS_MAX && !rates.contains_key(&sharers) {
            let oldest = now - self.window_ms * self.windows as i64;
            rates.retain(|_, rate| rate.samples.back().is_some_and(|(start, _)| *start > oldest));
        }
        rates.entry(sharers).or_default().record(quota, bytes, now, self.window_ms, self.windows)
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

/// Bytes by window: when it began, and how many.
#[derive(Debug, Default)]
struct Rate {
    samples: VecDeque<(i64, f64)>,
}

impl Rate {
    fn record(&mut self, quota: f64, bytes: usize, now: i64, window_ms: i64, windows: usize) -> i64 {
        while self.samples.front().is_some_and(|(start, _)| now - start >= window_ms * windows as i64) {
            self.samples.pop_front();
        }
        match self.samples.back_mut() {
            Some((start, sum)) if now - *start < window_ms => *sum += bytes as f64,
            _ => self.samples.push_back((now, bytes as f64)),
        }
        let total: f64 = self.samples.iter().map(|(_, sum)| sum).sum();
        // All but the last window count as if they had passed, so that a first burst is no reason to wait.
        let since = self.samples.front().map_or(0, |(start, _)| now - start);
        let elapsed = since.max(window_ms * (windows as i64 - 1)).max(1) as f64;
        let rate = total / elapsed * 1000.0;
        if rate <= quota { 0 } else { ((rate - quota) / quota * elapsed).round() as i64 }
    }
}

#[cfg(test)]
#[path = "quotas_tests.rs"]
mod tests;
