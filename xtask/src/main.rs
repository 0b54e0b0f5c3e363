//! The project's own commands: `cargo xtask verify` is the one gate and writes nothing, `cargo xtask fix` is its twin.

mod bench;
mod setup;
mod tidy;
mod verify;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put the protobuf compiler where `.cargo/config.toml` points PROTOC
    Setup,
    /// Check format, clippy with warnings refused, tidy and tests; writes nothing into the tree
    Verify {
        /// Leave the engine out: the broker half alone, without DataFusion
        #[arg(long)]
        broker: bool,
    },
    /// Format, and apply what clippy can mend
    Fix,
    /// Check what the compiler does not: arrows between crates, walls, file sizes, licences
    Tidy,
    /// Measure a path that carries records, beside its peer in the same run
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Setup => setup::protoc(),
        Command::Verify { broker } => verify::verify(broker),
        Command::Fix => verify::fix(),
        Command::Tidy => tidy::run(),
        Command::Bench { what } => bench::run(what),
    }
}
