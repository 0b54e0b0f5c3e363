//! Every door to a node: Kafka's TCP port now, Spark Connect beside it, and the threads that give the node its time. What
//! happens behind a door is the broker's and the engine's matter.

#[cfg(feature = "spark")]
pub mod connect;
mod error;
mod limits;
mod net;
mod node;

pub use andiron_broker::config::{BrokerConfig, ConfigError};
pub use andiron_broker::{Level, Loggers, ROOT_LOGGER};
pub use error::StartError;
pub use node::{Address, Running, start};

/// The wall clock in milliseconds since 1970, which every room below gets as an argument.
pub fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
