//! The project's own commands: `cargo xtask verify` is the one gate and writes nothing, `cargo xtask fix` is its twin.

mod bench;
mod fuzz;
mod judges;
mod mistakes;
mod python;
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
    /// Run the programs that judge us (Kafka clients, PySpark, Apache Kafka's own tools) against the real binary
    Judges {
        /// Only the cases that match, as pytest's -k
        only: Option<String>,
        /// Judge the release build
        #[arg(long)]
        release: bool,
        /// Also the long comparisons with Apache Kafka's own tools and brokers
        #[arg(long)]
        wide: bool,
    },
    /// `make test`: set-up, verify, judges
    Test,
    /// `make demo`: a year of flights through Kafka and PySpark into Delta
    Demo {
        /// Options of examples/demo.py
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Measure a path that carries records, beside its peer in the same run
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Fuzz what faces a socket or a file, a minute each, from the committed corpus
    Fuzz(fuzz::Fuzz),
    /// Make mistakes on purpose in a copy of the tree; the crash tests must find each
    Mistakes(mistakes::Mistakes),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Setup => setup::protoc(),
        Command::Verify { broker } => verify::verify(broker),
        Command::Fix => verify::fix(),
        Command::Tidy => tidy::run(),
        Command::Judges { only, release, wide } => judges::judges(only.as_deref(), release, wide),
        Command::Test => {
            setup::protoc()?;
            verify::verify(false)?;
            judges::judges(None, false, false)
        }
        Command::Demo { rest } => judges::demo(&rest),
        Command::Bench { what } => bench::run(what),
        Command::Fuzz(what) => fuzz::run(&what),
        Command::Mistakes(what) => mistakes::run(&what),
    }
}
