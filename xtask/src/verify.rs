//! The one gate and its twin.

use std::process::Command;

use anyhow::{Context as _, bail};

/// The crates that stand without DataFusion; they build and are tested first, in seconds.
pub const BROKER_HALF: [&str; 10] = [
    "andiron-protocol",
    "andiron-storage",
    "andiron-replication",
    "andiron-metadata",
    "andiron-coordinator",
    "andiron-broker",
    "andiron-client",
    "andiron-streaming",
    "andiron-simulator",
    "xtask",
];

/// Format, clippy, tidy, tests. With `broker`, the engine is left out.
pub fn verify(broker: bool) -> anyhow::Result<()> {
    cargo("format", &["fmt", "--all", "--check"])?;
    println!("== tidy");
    crate::tidy::run()?;
    let half: Vec<&str> = BROKER_HALF.iter().flat_map(|name| ["-p", name]).collect();
    let doors = ["-p", "andiron-server", "-p", "andiron-cli", "--no-default-features"];
    let refuse = ["--all-targets", "--", "-D", "warnings"];
    cargo("clippy, broker half", &[&["clippy"], &half[..], &refuse].concat())?;
    cargo("clippy, the binary without Spark", &[&["clippy"], &doors[..], &refuse].concat())?;
    cargo("tests, broker half", &[&["test"], &half[..]].concat())?;
    cargo("tests, the doors without Spark", &[&["test"], &doors[..]].concat())?;
    if !broker {
        cargo("clippy, everything", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
        let spark = ["-p", "andiron-plan", "-p", "andiron-engine", "-p", "andiron-server", "-p", "andiron-cli"];
        cargo("tests, the engine and its door", &[&["test"], &spark[..]].concat())?;
    }
    println!("verify: all passed");
    Ok(())
}

/// What verify asks for, done where a tool can do it.
pub fn fix() -> anyhow::Result<()> {
    cargo("clippy", &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo("format", &["fmt", "--all"])
}

/// Runs cargo with these arguments, named in the output by `what`.
pub fn cargo(what: &str, arguments: &[&str]) -> anyhow::Result<()> {
    println!("== {what}: cargo {}", arguments.join(" "));
    let status = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(arguments)
        .current_dir(crate::tidy::root()?)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("{what} failed: cargo {}", arguments.join(" "));
    }
    Ok(())
}
