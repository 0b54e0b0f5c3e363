//! The Kafka door: sockets, frames in, parts out. One task reads a connection and one writes it; requests are handed to
//! the broker in the order they came, and answers leave in that order whenever they are ready. Whatever a stranger sends,
//! only that stranger's connection ends.

mod listen;
mod send;

pub(crate) use listen::{Listening, bind};

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use andiron_broker::{Admission, Answer, Door, Node, Reply, Session};
use andiron_protocol::frame;

use crate::limits::{ACCEPT_RETRY_MS, READ_STEP_BYTES, REQUESTS_IN_FLIGHT_MAX, ROOM_CHECK_MS};

/// What every connection of a listener shares.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) node: Arc<Node>,
    pub(crate) listener: Arc<str>,
    pub(crate) door: Door,
    pub(crate) request_bytes_max: usize,
    /// Sizes of a socket's buffers; none leaves it to the system.
    pub(crate) send_buffer_bytes: Option<usize>,
    pub(crate) receive_buffer_bytes: Option<usize>,
    /// `connections.max.idle.ms`; never where it is negative.
    pub(crate) idle_max: Option<Duration>,
    /// Rings when a connection of one of these doors has ended: there may be room for another.
    pub(crate) room: Arc<Notify>,
    /// Turns true when the node drains: readers stop, what is answered is still sent.
    pub(crate) draining: watch::Receiver<bool>,
}

/// Accepts connections until the node drains.
pub(crate) async fn accept(listener: TcpListener, context: Context) {
    let mut draining = context.draining.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let admitted = tokio::select! {
                    admitted = admit(peer, &context) => admitted,
                    _ = draining.wait_for(|draining| *draining) => return,
                };
                match admitted {
                    None => drop(tokio::spawn(connection(stream, peer, context.clone()))),
                    Some(after) => drop(tokio::spawn(close_later(stream, after, draining.clone()))),
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: those who are connected go on, and the next try is soon.
                tracing::warn!(listener = %context.listener, %error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

/// Waits until there is room for another connection; or says that it is to be closed, and after how long.
async fn admit(peer: SocketAddr, context: &Context) -> Option<Duration> {
    let ip = peer.ip().to_canonical();
    let (node, listener) = (&context.node, &context.listener);
    let wait = u64::try_from(node.arrives(context.door, listener, crate::now_ms())).unwrap_or(0);
    if wait > 0 {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    loop {
        let room = context.room.notified();
        tokio::pin!(room);
        // From here on, so that nobody leaves unnoticed between the look and the wait.
        room.as_mut().enable();
        match node.admit(context.door, listener, ip, crate::now_ms()) {
            Admission::Admitted => return None,
            Admission::Refused { after_ms, reason } => {
                tracing::info!(%listener, "{reason}");
                return Some(Duration::from_millis(after_ms));
            }
            Admission::Full => {
                tracing::debug!(%listener, %peer, "as many connections as there may be: the next waits");
                let look_again = tokio::time::sleep(Duration::from_millis(ROOM_CHECK_MS));
                tokio::select! { () = room => {}, () = look_again => {} }
            }
        }
    }
}

/// Whoever connects too often is kept waiting for the end.
async fn close_later(stream: TcpStream, after: Duration, mut draining: watch::Receiver<bool>) {
    tokio::select! {
        () = tokio::time::sleep(after) => {}
        _ = draining.wait_for(|draining| *draining) => {}
    }
    drop(stream);
}

type Slot = oneshot::Receiver<Answer>;

async fn connection(stream: TcpStream, peer: SocketAddr, context: Context) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot turn off Nagle's algorithm");
    }
    if let Err(error) = size_buffers(&stream, &context) {
        tracing::debug!(%peer, %error, "cannot size the socket's buffers");
    }
    let stream = Arc::new(stream);
    let (slots, waiting) = mpsc::channel::<Slot>(REQUESTS_IN_FLIGHT_MAX);
    let used = Arc::new(AtomicI64::new(crate::now_ms()));
    let writer = tokio::spawn(write(Arc::clone(&stream), waiting, Arc::clone(&used)));
    let session = Session::new(peer, &context.listener, context.door);
    let ended = read(&stream, &session, &context, &slots, &used).await;
    drop(slots);
    match ended {
        // What was asked before the end is still answered; the writer ends with the last of it.
        Ended::Draining => {
            let _ = writer.await;
        }
        Ended::ByPeer => writer.abort(),
        Ended::Idle => {
            tracing::debug!(%peer, listener = %context.listener, "closing an idle connection");
            writer.abort();
        }
        Ended::Broken(reason) => {
            tracing::warn!(%peer, listener = %context.listener, "closing the connection: {reason}");
            writer.abort();
        }
    }
    context.node.disconnected(&session);
    context.room.notify_waiters();
}

fn size_buffers(stream: &TcpStream, context: &Context) -> rustix::io::Result<()> {
    if let Some(bytes) = context.send_buffer_bytes {
        rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes)?;
    }
    if let Some(bytes) = context.receive_buffer_bytes {
        rustix::net::sockopt::set_socket_recv_buffer_size(stream, bytes)?;
    }
    Ok(())
}

enum Ended {
    ByPeer,
    Idle,
    Draining,
    Broken(String),
}

async fn read(
    stream: &TcpStream,
    session: &Session,
    context: &Context,
    slots: &mpsc::Sender<Slot>,
    used: &AtomicI64,
) -> Ended {
    let mut draining = context.draining.clone();
    // One timer that is set anew only when it rings, so that a busy connection pays nothing for it.
    let idle = tokio::time::sleep(context.idle_max.unwrap_or_default());
    tokio::pin!(idle);
    let mut buffer = BytesMut::new();
    loop {
        while let Some(prefix) = buffer.first_chunk::<4>() {
            let length = match frame::length(*prefix, context.request_bytes_max) {
                Ok(length) => length,
                Err(error) => return Ended::Broken(error.to_string()),
            };
            if buffer.len() < 4 + length {
                // Grows by what has come, not by what was promised.
                buffer.reserve((4 + length - buffer.len()).min(READ_STEP_BYTES.max(buffer.len())));
                break;
            }
            let mut whole = buffer.split_to(4 + length).freeze();
            let _ = whole.split_to(4);
            let Ok(place) = slots.reserve().await else { return Ended::ByPeer };
            let (send, slot) = oneshot::channel();
            place.send(slot);
            let reply = Reply::new(move |answer| {
                let _ = send.send(answer);
            });
            if let Err(refused) = context.node.handle(session, whole, crate::now_ms(), reply) {
                return Ended::Broken(refused.to_string());
            }
            let muted = u64::try_from(session.muted_until() - crate::now_ms()).unwrap_or(0);
            if muted > 0 {
                // What was asked is answered meanwhile; nothing more is taken.
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(muted)) => {}
                    _ = slots.closed() => return Ended::ByPeer,
                    _ = draining.wait_for(|draining| *draining) => return Ended::Draining,
                }
            }
        }
        if buffer.is_empty() {
            // An idle connection holds no buffer.
            buffer = BytesMut::new();
        }
        tokio::select! {
            ready = stream.ready(Interest::READABLE) => if ready.is_err() { return Ended::ByPeer },
            _ = slots.closed() => return Ended::ByPeer,
            () = &mut idle, if context.idle_max.is_some() => {
                let since = u64::try_from(crate::now_ms() - used.load(Ordering::Relaxed)).unwrap_or(0);
                let left = context.idle_max.unwrap_or_default().saturating_sub(Duration::from_millis(since));
                if left.is_zero() {
                    return Ended::Idle;
                }
                idle.as_mut().reset(tokio::time::Instant::now() + left);
                continue;
            }
            _ = draining.wait_for(|draining| *draining) => return Ended::Draining,
        }
        if buffer.capacity() == buffer.len() {
            buffer.reserve(READ_STEP_BYTES);
        }
        match stream.try_read_buf(&mut buffer) {
            Ok(0) => return Ended::ByPeer,
            Ok(_) => used.store(crate::now_ms(), Ordering::Relaxed),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Ended::ByPeer,
        }
    }
}

/// Sends the answers in the order of their requests.
async fn write(stream: Arc<TcpStream>, mut waiting: mpsc::Receiver<Slot>, used: Arc<AtomicI64>) {
    while let Some(slot) = waiting.recv().await {
        match slot.await {
            Ok(Answer::Frame(parts)) => {
                if let Err(error) = send::parts(&stream, parts).await {
                    tracing::debug!(%error, "cannot send an answer");
                    return;
                }
                used.store(crate::now_ms(), Ordering::Relaxed);
            }
            Ok(Answer::Silent) => {}
            Ok(Answer::Close) | Err(_) => return,
        }
    }
}
