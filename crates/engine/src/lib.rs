//! The engine: Spark's unresolved plans become DataFusion plans here and are run. It does not know how a plan reached it
//! (protobuf or SQL text is `andiron-plan`'s matter) nor how records reach it (Kafka is asked through a small trait).

pub mod catalog;
mod command;
pub mod conf;
pub mod datetime;
pub mod engine;
pub mod error;
pub mod formats;
pub mod functions;
pub mod ipc;
pub mod json;
pub mod limits;
mod number;
pub mod options;
pub mod python;
pub mod query;
pub mod resolve;
pub mod resolved;
pub mod session;
pub mod show;
pub mod sink;
pub mod source;
pub mod types;

pub use engine::{Engine, EngineOptions};
pub use error::{Exception, SparkError};
pub use options::Options;
pub use resolved::{BatchStream, OutputColumn, Resolved, StreamingSource};
pub use session::{CommandOutcome, Execution, ExplainMode, Session};
