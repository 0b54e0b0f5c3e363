//! The `andiron` binary: every subcommand has a file of its own; this one only picks it.

mod run;
mod serve;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Kafka's log and Spark's streams in one program
#[derive(Debug, Parser)]
#[command(name = "andiron", version, arg_required_else_help = true)]
struct Andiron {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Serve(serve::Serve),
}

fn main() -> std::process::ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ANDIRON_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,andiron=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match Andiron::parse().command {
        Command::Run(run) => run.run(),
        Command::Serve(serve) => serve.run().map(|()| std::process::ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("andiron: {}", sentence(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// The error and what is behind it, each cause once: many an error repeats its cause in its own words.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
