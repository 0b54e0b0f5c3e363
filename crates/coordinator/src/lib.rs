//! The coordinators: of groups, and of transactions (`transactions`, which opens with its own words).
//!
//! The group coordinator: what a consumer group is, who belongs to it, which offsets it has committed. One
//! [`GroupCoordinator`] is the machine of one partition of `__consumer_offsets`. Pure: it knows no socket, no log and
//! no clock; the time comes in with every call, and what is to be written, answered now or answered when written goes
//! out as [`Effects`].
//!
//! The durable half of the state (committed offsets, the last stable generation of each classic group, all that is known
//! of a consumer group) changes in [`StateMachine::replay`] only. The other half is soft, as in Apache Kafka: who is
//! joining, who beats, whose answer is outstanding. It is lost with the node, and classic members join again.

pub mod config;
pub mod effects;
pub mod error;
pub mod limits;
pub mod record;
pub mod routing;
pub mod transactions;

mod classic;
mod consumer;
mod machine;
mod offsets;
mod timers;

pub use andiron_replication::machine::{Decision, StateMachine, Ticket};
pub use config::GroupConfig;
pub use consumer::Assignor;
pub use effects::{Call, Effects, EndOfTransaction, GroupOffsets, Reply, Request, RequestContext, Response};
pub use machine::GroupCoordinator;
pub use record::Record;
