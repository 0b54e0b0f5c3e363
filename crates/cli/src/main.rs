//! The `andiron` binary: every subcommand has a file of its own; this one only picks it.

mod logging;
mod run;
mod serve;
mod tools;

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
    Tools(tools::Links),
    Completions(tools::Completions),
    /// Any of Kafka's shell tools by its name: kafka-topics, kafka-configs, kafka-consumer-groups, ...
    #[command(external_subcommand)]
    Tool(Vec<String>),
}

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().collect();
    // A tool's name is the program's own or the first word; what follows is the tool's alone.
    let named = words.split_first().and_then(|(program, rest)| tool(program, rest));
    if let Some(code) = named {
        return code;
    }
    let log = logging::begin();
    let done = match Andiron::parse().command {
        Command::Run(run) => run.run(),
        Command::Serve(serve) => serve.run(log).map(|()| std::process::ExitCode::SUCCESS),
        Command::Tools(links) => links.run(),
        Command::Completions(completions) => completions.run(),
        Command::Tool(words) => Err(unknown(words.first().map_or("", String::as_str))),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("andiron: {}", sentence(&error));
            std::process::ExitCode::FAILURE
        }
    }
}

/// Kafka's tools log as log4j does where they log at all; of our own layers only what is asked for is shown.
fn tool(program: &str, rest: &[String]) -> Option<std::process::ExitCode> {
    if let Some(filter) = std::env::var("ANDIRON_LOG").ok().filter(|_| tools::is_tool(program, rest)) {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let first = || rest.split_first().and_then(|(name, args)| tools::run(name, args));
    tools::run(program, rest).or_else(first)
}

fn unknown(name: &str) -> anyhow::Error {
    match tools::near(name) {
        Some(near) => anyhow::anyhow!("no command {name}; did you mean {near}?"),
        None => anyhow::anyhow!("no command {name}; see andiron --help"),
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
