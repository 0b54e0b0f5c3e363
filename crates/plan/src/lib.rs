//! Spark's two languages, SQL text and Spark Connect messages, become one unresolved plan here. Nothing in this crate knows
//! what a table holds, what a function does or how anything is run: names stay names until the engine resolves them.

pub mod connect;
mod depth;
pub mod error;
pub mod limits;
pub mod spec;
pub mod sql;
pub mod types;

pub use depth::with_stack;
pub use error::PlanError;
