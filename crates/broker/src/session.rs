//! One connection as the broker sees it: who is at the other end and by which door it came in.

use std::sync::Arc;

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use andiron_protocol::kafka::protocol::StrBytes;

/// Who asks. Until there is authentication everybody is Kafka's anonymous user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// `User`.
    pub kind: &'static str,
    /// Its name.
    pub name: Arc<str>,
}

impl Principal {
    /// Whoever comes in over a PLAINTEXT listener.
    pub fn anonymous() -> Principal {
        Principal { kind: "User", name: Arc::from("ANONYMOUS") }
    }
}

/// What a connection is allowed to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A listener for clients.
    Broker,
    /// The listener of the controller quorum.
    Controller,
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    /// The other end, for log lines.
    pub peer: String,
    /// The address of the other end as group descriptions show it: `/127.0.0.1`.
    pub client_host: String,
    /// The same address.
    pub ip: std::net::IpAddr,
    /// The name of the listener that it came in by.
    pub listener: String,
    /// What that listener offers.
    pub door: Door,
    /// Who asks.
    pub principal: Principal,
    software: Mutex<Option<(StrBytes, StrBytes)>>,
    muted_until: AtomicI64,
}

impl Session {
    /// A connection that has just been accepted.
    pub fn new(peer: std::net::SocketAddr, listener: &str, door: Door) -> Session {
        let ip = peer.ip().to_canonical();
        Session {
            peer: peer.to_string(),
            client_host: format!("/{ip}"),
            ip,
            listener: listener.to_owned(),
            door,
            principal: Principal::anonymous(),
            software: Mutex::new(None),
            muted_until: AtomicI64::new(0),
        }
    }

    /// Nothing is to be read from the connection before then.
    pub fn mute_until(&self, time: i64) {
        self.muted_until.fetch_max(time, Ordering::Relaxed);
    }

    /// Until when, in milliseconds since 1970, nothing is to be read from the connection: its client went over a quota.
    pub fn muted_until(&self) -> i64 {
        self.muted_until.load(Ordering::Relaxed)
    }

    /// Remembers the client library's name and version, told by ApiVersions 3 and later.
    pub fn set_software(&self, name: StrBytes, version: StrBytes) {
        *self.software.lock() = Some((name, version));
    }

    /// The client library's name and version, if it said them.
    pub fn software(&self) -> Option<(StrBytes, StrBytes)> {
        self.software.lock().clone()
    }
}
