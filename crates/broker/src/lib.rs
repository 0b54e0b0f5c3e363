//! One node without a runtime: sessions, handlers, partitions, coordinators and everything that waits. It opens no socket,
//! starts no thread and asks no clock; whoever runs it brings requests, threads and the time.

mod answer;
mod authorize;
mod cleaner;
pub mod config;
mod connections;
mod errors;
mod fetch_session;
mod gather;
mod groups;
mod handlers;
mod hosted;
mod journal;
mod limits;
mod loggers;
mod node;
mod purgatory;
mod quotas;
mod session;
mod shard;
mod sync;
mod topics;
mod transactions;

pub use andiron_storage::{Disk, DiskFile, RealDisk};
pub use answer::{Answer, Part, Reply};
pub use authorize::{Operation, Resource, authorize};
pub use connections::Admission;
pub use handlers::Refusal;
pub use loggers::{Level, Loggers, ROOT as ROOT_LOGGER};
pub use node::{Node, NodeError};
pub use session::{Door, Principal, Session};
