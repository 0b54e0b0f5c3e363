//! What is fuzzed, and what must hold of it: one module a target. See docs/fuzzing.md.

pub mod batches;
pub mod compaction;
pub mod frame;
pub mod groups;
mod memory;
pub mod recovery;
pub mod transactions;

#[cfg(test)]
mod corpus;

// The arbitrary stories of the rooms' own tests: there they are told by a property test, here by a fuzzer.
#[path = "../../crates/coordinator/tests/it/arbitrary.rs"]
mod arbitrary;
#[path = "../../simulator/tests/it/arbitrary_cleaning.rs"]
mod arbitrary_cleaning;
#[path = "../../crates/coordinator/tests/it/arbitrary_transactions.rs"]
mod arbitrary_transactions;
#[path = "../../simulator/tests/it/cleaning.rs"]
#[allow(dead_code)]
mod cleaning;
#[path = "../../crates/coordinator/tests/it/consumer_words.rs"]
mod consumer_words;
#[path = "../../crates/coordinator/tests/it/stage.rs"]
#[allow(dead_code)]
mod stage;
#[path = "../../crates/coordinator/tests/it/state.rs"]
mod state;
#[path = "../../simulator/tests/it/stop.rs"]
#[allow(dead_code)]
mod stop;
#[path = "../../crates/coordinator/tests/it/transaction_stage.rs"]
#[allow(dead_code)]
mod transaction_stage;
