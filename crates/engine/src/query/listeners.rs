//! The listener bus of a session: what happens to its queries, for the clients that want to hear it.

use andiron_streaming::events::Event;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::limits::LISTENER_EVENTS_MAX;

/// Events as they happen; ends when the listener is removed.
pub type EventStream = mpsc::Receiver<Event>;

/// One session's bus. Spark's clients open one stream per session and share it among their listeners.
#[derive(Debug, Default)]
pub struct ListenerBus {
    listener: Mutex<Option<mpsc::Sender<Event>>>,
}

impl ListenerBus {
    /// Opens the stream of events; one that was open ends.
    pub fn add(&self) -> EventStream {
        let (sender, receiver) = mpsc::channel(LISTENER_EVENTS_MAX);
        *self.listener.lock() = Some(sender);
        receiver
    }

    /// Ends the stream.
    pub fn remove(&self) {
        *self.listener.lock() = None;
    }

    /// Whether anybody listens, so that `start()` must tell of itself.
    pub fn is_open(&self) -> bool {
        self.listener.lock().as_ref().is_some_and(|l| !l.is_closed())
    }

    /// Passes an event on. A client that does not read loses events rather than hold up the query.
    pub fn post(&self, event: Event) {
        if let Some(listener) = &*self.listener.lock()
            && let Err(mpsc::error::TrySendError::Full(event)) = listener.try_send(event)
        {
            tracing::warn!(kind = ?event.kind, "a streaming listener does not keep up: an event is dropped");
        }
    }
}
