//! The Spark Connect door: gRPC in, plans to the engine, rows and reports out. It runs on a runtime of its own, so that no
//! query delays a broker's heartbeat, and nothing of DataFusion exists before a client's first plan.

mod analyze;
mod artifacts;
mod codec;
mod config;
mod defaults;
mod door;
mod errors;
mod execute;
mod limits;
mod operation;
mod service;
mod session;
mod streaming;

use std::{net::SocketAddr, sync::Arc};

use andiron_engine::Engine;
use tokio::{runtime::Runtime, sync::watch, task::JoinHandle};
use tonic::transport::server::{Server, TcpIncoming};

use door::Door;

/// An open Spark Connect door.
pub struct ConnectDoor {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    runtime: Option<Runtime>,
    door: Arc<Door>,
}

/// Opens the door on listeners of one port: returns at once, clients are answered from then on.
///
/// # Errors
/// When threads or the socket are refused by the system.
pub fn serve(listeners: Vec<std::net::TcpListener>, engine: Arc<Engine>) -> std::io::Result<ConnectDoor> {
    let first = listeners.first().ok_or_else(|| std::io::Error::other("no socket to listen on"))?;
    let address = first.local_addr()?;
    // Queries run here too: plans recurse, so the threads have room.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(engine.options().partitions.max(limits::THREADS_MIN))
        .thread_name("andiron-spark")
        .thread_stack_size(limits::THREAD_STACK_BYTES)
        .enable_all()
        .build()?;
    let (closing, closed) = watch::channel(false);
    engine.set_connect_url(format!("sc://localhost:{}", address.port()));
    let door = Arc::new(Door::new(engine));
    runtime.spawn(session::keep_house(Arc::clone(&door), closed.clone()));
    let mut serving = Vec::new();
    for listener in listeners {
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let service = service::ConnectService::new(Arc::clone(&door));
        let mut closed = closed.clone();
        serving.push(runtime.spawn(async move {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let until = async move {
                let _ = closed.wait_for(|closing| *closing).await;
            };
            let served = Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, until).await;
            if let Err(error) = served {
                tracing::error!(%error, "the Spark Connect door closed");
            }
        }));
    }
    Ok(ConnectDoor { address, closing, serving, runtime: Some(runtime), door })
}

impl ConnectDoor {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The runtime on which queries run.
    #[must_use]
    pub fn handle(&self) -> Option<tokio::runtime::Handle> {
        self.runtime.as_ref().map(|runtime| runtime.handle().clone())
    }

    /// Takes no more clients, stops all queries, and waits a moment for both.
    pub async fn shutdown(mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let door = Arc::clone(&self.door);
        let stopped = runtime.spawn(async move { door.stop_all().await });
        let _ = tokio::time::timeout(limits::SHUTDOWN_MAX, stopped).await;
        let _ = self.closing.send(true);
        for serving in std::mem::take(&mut self.serving) {
            let _ = tokio::time::timeout(limits::SHUTDOWN_MAX, serving).await;
        }
        runtime.shutdown_background();
    }
}

impl Drop for ConnectDoor {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
