//! A running node: binds first, so that a port in use is told before anything is opened; then opens the node, gives it
//! its threads (fdatasync, deadlines, the log's housekeeping) and opens the doors.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use andiron_broker::config::{BrokerConfig, Listener};
use andiron_broker::{Door, Node, RealDisk};

use crate::limits::{DRAIN_MS_MAX, SYNC_THREADS, TIMER_SLEEP_MS_MAX};
use crate::net::{self, Context, Listening};
use crate::{StartError, now_ms};

/// Where a door can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The listener's name: `PLAINTEXT`, `CONTROLLER`.
    pub listener: String,
    /// The host it is bound to; `*` is every address.
    pub host: String,
    /// The port, also when port 0 was asked for.
    pub port: u16,
}

/// A node with its doors open.
pub struct Running {
    /// Its doors.
    pub addresses: Vec<Address>,
    node: Arc<Node>,
    draining: watch::Sender<bool>,
    accepting: Vec<tokio::task::JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
    #[cfg(feature = "spark")]
    spark: Option<crate::connect::ConnectDoor>,
}

impl Running {
    /// The node itself, for other doors into the same process.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The port of the first listener for clients.
    pub fn port(&self) -> u16 {
        self.addresses.iter().find(|a| a.listener != "CONTROLLER").map_or(0, |a| a.port)
    }

    /// Closes the doors, answers what can be answered, brings everything to the disk and leaves the mark of a clean stop.
    pub async fn shutdown(self) {
        // Queries first: they may still write to Kafka.
        #[cfg(feature = "spark")]
        if let Some(spark) = self.spark {
            spark.shutdown().await;
        }
        let Running { node, draining, accepting, helpers, .. } = self;
        let _ = draining.send(true);
        for task in accepting {
            let _ = task.await;
        }
        node.drain(now_ms());
        // Every reader holds a receiver until its connection has ended.
        let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), draining.closed()).await;
        let closed = tokio::task::spawn_blocking(move || {
            node.stop();
            for helper in helpers {
                if helper.join().is_err() {
                    tracing::error!("a helper thread ended badly");
                }
            }
            node.close(now_ms());
        });
        if closed.await.is_err() {
            tracing::error!("the node was not closed cleanly");
        }
    }
}

/// Starts a node within the current runtime.
pub fn start(config: BrokerConfig) -> Result<Running, StartError> {
    let mut config = config;
    let mut doors = Vec::new();
    for listener in &config.listeners {
        doors.push((listener.clone(), net::bind(listener)?));
    }
    #[cfg(feature = "spark")]
    let spark = bind_spark(&config)?;
    #[cfg_attr(not(feature = "spark"), expect(unused_mut, reason = "one door more with Spark"))]
    let mut addresses: Vec<Address> = doors.iter().map(|(listener, at)| address(listener, at)).collect();
    let ports: Vec<(String, u16)> = addresses.iter().map(|a| (a.listener.clone(), a.port)).collect();
    config.resolve(&ports, &host_name());
    let disk = Arc::new(RealDisk::default());
    let node = Node::open(config, disk, now_ms())?;
    let (draining, drained) = watch::channel(false);
    let helpers = helpers(&node)?;
    let mut accepting = Vec::new();
    let rooms = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    for (listener, at) in doors {
        let door = if node.config().is_controller_listener(&listener.name) { Door::Controller } else { Door::Broker };
        for socket in at.sockets {
            let socket = tokio::net::TcpListener::from_std(socket).map_err(StartError::Socket)?;
            let context = Context {
                node: Arc::clone(&node),
                listener: Arc::from(listener.name.as_str()),
                door,
                request_bytes_max: node.config().socket_request_max_bytes,
                send_buffer_bytes: node.config().send_buffer_bytes(),
                receive_buffer_bytes: node.config().receive_buffer_bytes(),
                idle_max: idle_max(node.config()),
                room: Arc::clone(&rooms[usize::from(door == Door::Controller)]),
                draining: drained.clone(),
            };
            accepting.push(tokio::spawn(net::accept(socket, context)));
        }
    }
    #[cfg(feature = "spark")]
    let spark = match spark {
        None => None,
        Some((listener, at)) => {
            addresses.push(address(&listener, &at));
            let engine = andiron_engine::Engine::new(andiron_engine::EngineOptions::default());
            Some(crate::connect::serve(at.sockets, engine).map_err(StartError::Socket)?)
        }
    };
    Ok(Running {
        addresses,
        node,
        draining,
        accepting,
        helpers,
        #[cfg(feature = "spark")]
        spark,
    })
}

/// How long a connection may be idle; none for ever.
fn idle_max(config: &BrokerConfig) -> Option<Duration> {
    u64::try_from(config.settings.long("connections.max.idle.ms")).ok().map(Duration::from_millis)
}

/// The Spark Connect door's socket, unless its port is empty.
#[cfg(feature = "spark")]
fn bind_spark(config: &BrokerConfig) -> Result<Option<(Listener, Listening)>, StartError> {
    const KEY: &str = "spark.connect.grpc.binding.port";
    let port = config.settings.get(KEY).unwrap_or_default();
    if port.trim().is_empty() {
        return Ok(None);
    }
    let mut listener = Listener { name: "Spark Connect".to_owned(), host: String::new(), port: 0 };
    listener.port = port.trim().parse().map_err(|_| StartError::Bind {
        listener: listener.name.clone(),
        address: port.clone(),
        reason: format!("{KEY} is not a port"),
    })?;
    let at = net::bind(&listener)?;
    Ok(Some((listener, at)))
}

fn address(listener: &Listener, at: &Listening) -> Address {
    let host = if listener.host.is_empty() { "*".to_owned() } else { listener.host.clone() };
    Address { listener: listener.name.clone(), host, port: at.port }
}

/// What this machine calls itself: advertised by listeners that are bound to every address.
fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn helpers(node: &Arc<Node>) -> Result<Vec<JoinHandle<()>>, StartError> {
    let mut helpers = Vec::new();
    for number in 0..SYNC_THREADS {
        helpers.push(helper(format!("andiron-sync-{number}"), node, |node| node.run_syncs(&now_ms))?);
    }
    for number in 0..node.cleaner_threads() {
        helpers.push(helper(format!("andiron-cleaner-{number}"), node, |node| node.run_cleaner(&now_ms))?);
    }
    helpers.push(helper("andiron-timer".to_owned(), node, |node| {
        while node.is_running() {
            let now = now_ms();
            let sleep = (node.tick(now) - now_ms()).clamp(0, TIMER_SLEEP_MS_MAX);
            node.sleep_until_alarm(Duration::from_millis(sleep.unsigned_abs()));
        }
    })?);
    helpers.push(helper("andiron-keeper".to_owned(), node, |node| {
        while node.is_running() {
            let now = now_ms();
            let sleep = (node.keep_house(now) - now_ms()).max(1);
            node.sleep_until_stopped(Duration::from_millis(sleep.unsigned_abs()));
        }
    })?);
    Ok(helpers)
}

fn helper(
    name: String,
    node: &Arc<Node>,
    work: impl FnOnce(&Arc<Node>) + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let node = Arc::clone(node);
    std::thread::Builder::new().name(name).spawn(move || work(&node)).map_err(StartError::Thread)
}
