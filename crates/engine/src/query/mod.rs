//! Streaming queries: the driver that does what the micro-batch machine says, and what clients ask and tell a query.
//!
//! Nothing here decides when to write a checkpoint or how far a batch reads: that is `andiron-streaming`'s. Nothing there
//! knows of files, plans or tasks: that is here.

mod checkpoint;
mod driver;
mod handle;
mod listeners;
mod manager;
mod start;

pub use checkpoint::CheckpointStore;
pub use handle::{QueryFailure, StreamingQuery};
pub use listeners::{EventStream, ListenerBus};
pub use manager::QueryManager;
pub use start::{Started, start};

pub(crate) use checkpoint::{checkpoint_unreadable, local_path};

#[cfg(test)]
mod tests;

/// Milliseconds since the epoch by the machine's clock.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
