//! What is fuzzed, and what must hold of it: one module a target. See docs/fuzzing.md.

pub mod batches;
pub mod frame;
mod memory;
pub mod recovery;
/// The simulator's disk, without the rooms that its crate stands on: they take long to build.
#[path = "../../simulator/src/disk.rs"]
#[allow(dead_code)]
mod sim_disk;
