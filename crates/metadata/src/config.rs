//! Configs of brokers, topics and groups: Kafka's names, types, defaults and complaints in tables, the file that a broker
//! is started with, and what holds when all layers are laid over each other: dynamic over `--override` over file over
//! default.

mod broker;
mod definition;
mod effective;
pub mod properties;

#[cfg(test)]
mod tests;

pub use broker::{BrokerConfig, ConfigError};
pub(crate) use definition::elements;
pub use definition::{Definition, Kind, Table, Update, broker, client_metrics, group, own, throttle, topic};
pub use effective::{Effective, Entry, Source, Synonym};
