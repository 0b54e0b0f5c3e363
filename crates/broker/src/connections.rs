//! Who may connect: how many at once (`max.connections`, of a listener too, and of an address) and how many a second (KIP-612).
//! Brokers' and controllers' doors are counted apart, as in Apache Kafka.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use parking_lot::Mutex;

use andiron_metadata::config::Effective;
use andiron_metadata::controller::IP;
use andiron_metadata::image::{Image, QuotaEntity};

use crate::limits::QUOTA_SENSORS_MAX;
use crate::quotas::{Rate, Windows};

/// What becomes of somebody who wants to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Is let in, and counts until [`crate::Node::disconnected`].
    Admitted,
    /// Has to wait until somebody leaves.
    Full,
    /// Is turned away: the connection is to be closed, after so many milliseconds.
    Refused {
        /// How long the other end is kept waiting for that.
        after_ms: u64,
        /// For the log.
        reason: String,
    },
}

/// The connections through the doors of one kind.
#[derive(Debug)]
pub(crate) struct Connections {
    now: Mutex<Counted>,
    windows: Windows,
}

#[derive(Debug, Default)]
struct Counted {
    total: i64,
    of_listener: HashMap<String, i64>,
    of_address: HashMap<IpAddr, i64>,
    rate: Rate,
    rate_of_listener: HashMap<String, Rate>,
    rate_of_address: HashMap<IpAddr, Rate>,
}

/// A setting that limits nothing.
const UNLIMITED: i64 = i32::MAX as i64;

impl Connections {
    pub(crate) fn new(windows: Windows) -> Connections {
        Connections { now: Mutex::default(), windows }
    }

    /// Somebody has come to a listener: for how many milliseconds nobody is to be let in, so that the rates of connections
    /// are kept (`max.connection.creation.rate`). At most a window.
    pub(crate) fn arrives(&self, settings: &Effective<'_>, listener: &str, now: i64) -> i64 {
        let mut counted = self.now.lock();
        let mut wait = 0;
        let rate = settings.broker_long("max.connection.creation.rate");
        if rate < UNLIMITED {
            wait = counted.rate.record(rate as f64, 1.0, now, self.windows);
        }
        let rate = of_listener(settings, listener, "max.connection.creation.rate");
        if rate < UNLIMITED {
            let of_listener = counted.rate_of_listener.entry(listener.to_owned()).or_default();
            wait = wait.max(of_listener.record(rate as f64, 1.0, now, self.windows));
        }
        wait.min(self.windows.longest_wait_ms())
    }

    /// Lets somebody in, if there is room.
    pub(crate) fn admit(
        &self,
        settings: &Effective<'_>,
        image: &Image,
        listener: &str,
        ip: IpAddr,
        now: i64,
    ) -> Admission {
        let mut counted = self.now.lock();
        let of_this = counted.of_listener.get(listener).copied().unwrap_or(0);
        if counted.total >= settings.broker_long("max.connections")
            || of_this >= of_listener(settings, listener, "max.connections")
        {
            return Admission::Full;
        }
        if let Some(rate) = rate_of(image, ip) {
            if counted.rate_of_address.len() >= QUOTA_SENSORS_MAX {
                counted.rate_of_address.retain(|_, rate| rate.is_fresh(now, self.windows));
            }
            let of_address = counted.rate_of_address.entry(ip).or_default();
            let wait = of_address.record(rate, 1.0, now, self.windows);
            if wait > 0 {
                // Who is turned away has not connected.
                of_address.record(rate, -1.0, now, self.windows);
                let after_ms = wait.min(self.windows.longest_wait_ms()).unsigned_abs();
                let reason =
                    format!("Delaying closing of connection from {ip} for {after_ms} ms: it connects too often.");
                return Admission::Refused { after_ms, reason };
            }
        }
        let max = max_of_address(settings, ip);
        if counted.of_address.get(&ip).copied().unwrap_or(0) >= max {
            let reason = format!(
                "Rejected connection from /{ip}, address already has the configured maximum of {max} connections."
            );
            return Admission::Refused { after_ms: 0, reason };
        }
        *counted.of_address.entry(ip).or_default() += 1;
        *counted.of_listener.entry(listener.to_owned()).or_default() += 1;
        counted.total += 1;
        Admission::Admitted
    }

    /// Somebody who was let in has gone.
    pub(crate) fn left(&self, listener: &str, ip: IpAddr) {
        let mut counted = self.now.lock();
        counted.total -= 1;
        if let Some(of_listener) = counted.of_listener.get_mut(listener) {
            *of_listener -= 1;
        }
        if let Some(of_address) = counted.of_address.get_mut(&ip) {
            *of_address -= 1;
            if *of_address == 0 {
                counted.of_address.remove(&ip);
            }
        }
    }
}

/// `listener.name.<listener>.<key>`, without a limit where nobody set one.
fn of_listener(settings: &Effective<'_>, listener: &str, key: &str) -> i64 {
    let name = format!("listener.name.{}.{key}", listener.to_lowercase());
    settings.broker(&name).and_then(|value| value.trim().parse().ok()).unwrap_or(UNLIMITED)
}

/// `max.connections.per.ip`, or what `max.connections.per.ip.overrides` says of this address.
fn max_of_address(settings: &Effective<'_>, ip: IpAddr) -> i64 {
    let overrides = settings.broker("max.connections.per.ip.overrides").unwrap_or_default();
    let own = overrides.split(',').filter_map(|one| one.trim().rsplit_once(':')).find_map(|(host, max)| {
        let host: IpAddr = host.trim().trim_matches(['[', ']']).parse().ok()?;
        (host.to_canonical() == ip).then(|| max.trim().parse().ok()).flatten()
    });
    own.unwrap_or_else(|| settings.broker_long("max.connections.per.ip"))
}

/// The `connection_creation_rate` of an address or of all that have none of their own.
fn rate_of(image: &Image, ip: IpAddr) -> Option<f64> {
    image.quotas().next()?;
    let of = |name: Option<String>| {
        let entity = QuotaEntity::from([(IP.to_owned(), name)]);
        image.quota(&entity).and_then(|quotas: &BTreeMap<String, f64>| quotas.get("connection_creation_rate").copied())
    };
    of(Some(ip.to_string())).or_else(|| of(None))
}

#[cfg(test)]
#[path = "connections_tests.rs"]
mod tests;
