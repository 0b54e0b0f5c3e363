//! The micro-batch machine and everything about Structured Streaming that can be decided without a clock, a disk,
//! a socket or a record: checkpoint texts, recovery, triggers, Kafka offset planning, progress and events.
//!
//! What is *not* here: plans, record batches, Kafka connections, files. `engine::query` holds a [`machine::MicroBatch`],
//! does what it says and tells it the outcome.

pub mod checkpoint;
pub mod events;
pub mod kafka;
pub mod limits;
pub mod machine;
pub mod progress;
pub mod recovery;
pub mod time;
pub mod trigger;

pub use machine::{Act, MicroBatch, Outcome, Step};
