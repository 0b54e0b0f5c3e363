//! The connections of one client: who is connected to whom, and when a lost broker may be tried again.
//!
//! A broker answers a connection in order, so a fetch that waits for data must not stand before a produce: readers
//! lease connections of their own, which go back to the pool when the reader ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::config::ClientConfig;
use crate::limits::IDLE_FETCH_CONNECTIONS_PER_ADDRESS_MAX;
use crate::transport::{Address, Transport};
use crate::wire::{BrokerConnection, CallError};

/// What a shared connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Metadata, offsets, admin.
    Ask,
    /// One producer's requests; the number tells producers apart, whose order must not depend on one another.
    Produce(u64),
    /// One consumer's JoinGroup, SyncGroup and heartbeats: the coordinator answers a join when all have joined.
    Group(u64),
    /// One consumer's fetches, which wait for records.
    Fetch(u64),
}

#[derive(Debug, Default)]
struct Peer {
    failures: u32,
    not_before: Option<Instant>,
    idle: Vec<(Arc<BrokerConnection>, Instant)>,
}

type Slot = Arc<tokio::sync::Mutex<Option<(Arc<BrokerConnection>, Instant)>>>;

/// Connections by address and purpose.
pub(crate) struct Pool {
    transport: Arc<dyn Transport>,
    client_id: String,
    request_timeout: Duration,
    idle_max: Option<Duration>,
    backoff: Backoff,
    slots: Mutex<HashMap<(Address, Purpose), Slot>>,
    peers: Mutex<HashMap<Address, Peer>>,
}

impl Pool {
    pub(crate) fn new(config: &ClientConfig, transport: Arc<dyn Transport>) -> Self {
        Pool {
            transport,
            client_id: config.client_id.clone(),
            request_timeout: Duration::from_millis(u64::from(config.request_timeout_ms.unsigned_abs())),
            idle_max: u64::try_from(config.connections_max_idle_ms).ok().map(Duration::from_millis),
            backoff: Backoff::new(config.reconnect_backoff_ms, config.reconnect_backoff_max_ms),
            slots: Mutex::default(),
            peers: Mutex::default(),
        }
    }

    /// The shared connection for a purpose; made if there is none. Who comes while it is being made waits for it.
    pub(crate) async fn shared(&self, address: &Address, purpose: Purpose) -> Result<Arc<BrokerConnection>, CallError> {
        let slot = self.slots.lock().entry((address.clone(), purpose)).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some((connection, used)) = slot.as_mut()
            && self.usable(connection, *used)
        {
            *used = Instant::now();
            return Ok(connection.clone());
        }
        let connection = Arc::new(self.connect(address).await?);
        *slot = Some((connection.clone(), Instant::now()));
        Ok(connection)
    }

    /// Forgets a purpose's connections: its producer has ended.
    pub(crate) fn forget(&self, purpose: Purpose) {
        self.slots.lock().retain(|(_, of), _| *of != purpose);
    }

    /// A connection for one reader alone.
    pub(crate) async fn lease(&self, address: &Address) -> Result<Arc<BrokerConnection>, CallError> {
        loop {
            let idle = self.peers.lock().get_mut(address).and_then(|peer| peer.idle.pop());
            match idle {
                Some((connection, used)) if self.usable(&connection, used) => return Ok(connection),
                Some(_) => {}
                None => return Ok(Arc::new(self.connect(address).await?)),
            }
        }
    }

    /// Takes a leased connection back. Only one with nothing unanswered may come back.
    pub(crate) fn give_back(&self, address: &Address, connection: Arc<BrokerConnection>) {
        let mut peers = self.peers.lock();
        let peer = peers.entry(address.clone()).or_default();
        if !connection.is_closed() && peer.idle.len() < IDLE_FETCH_CONNECTIONS_PER_ADDRESS_MAX {
            peer.idle.push((connection, Instant::now()));
        }
    }

    /// Brokers close what is idle for ten minutes; one that is about to be closed is not taken for a request.
    fn usable(&self, connection: &BrokerConnection, used: Instant) -> bool {
        !connection.is_closed() && self.idle_max.is_none_or(|most| used.elapsed() < most)
    }

    async fn connect(&self, address: &Address) -> Result<BrokerConnection, CallError> {
        let not_before = self.peers.lock().get(address).and_then(|peer| peer.not_before);
        if let Some(not_before) = not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let connected = match self.transport.connect(address).await {
            Ok(connection) => BrokerConnection::negotiate(connection, &self.client_id, self.request_timeout).await,
            Err(error) => Err(error.into()),
        };
        let mut peers = self.peers.lock();
        let peer = peers.entry(address.clone()).or_default();
        match &connected {
            Ok(_) => {
                peer.failures = 0;
                peer.not_before = None;
            }
            Err(error) => {
                peer.failures = peer.failures.saturating_add(1);
                peer.not_before = Some(Instant::now() + self.backoff.after(peer.failures));
                tracing::debug!("Connection to {address} failed ({} times): {error}", peer.failures);
            }
        }
        connected
    }
}
