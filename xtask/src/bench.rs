//! Measured paths, each beside its peer in the same run. See docs/benchmarks.md for the figures and the commands.

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub enum Bench {}

/// Runs one benchmark and prints its table.
pub fn run(what: Bench) -> anyhow::Result<()> {
    match what {}
}
