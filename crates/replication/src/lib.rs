//! What it takes for a log to be more than a file: the quorum's facts, a partition's in-sync replicas and high watermark,
//! and the harness in which every replicated state machine lives. Pure: no clock, no file, no socket.

pub mod limits;
pub mod machine;
pub mod partition;
pub mod quorum;
