//! The one gate and its twin.

use std::process::Command;

use anyhow::{Context as _, bail};

/// The crates that stand without DataFusion; they build and are tested in a minute or two.
pub const BROKER_HALF: [&str; 11] = [
    "andiron-protocol",
    "andiron-storage",
    "andiron-replication",
    "andiron-metadata",
    "andiron-coordinator",
    "andiron-broker",
    "andiron-client",
    "andiron-streaming",
    "andiron-simulator",
    "andiron-fuzz",
    "xtask",
];

/// The selection that tests and the judged binary are built with: one and the same, because cargo unites the features
/// of what is selected, and another selection would build DataFusion once more.
pub const TESTED: [&str; 4] = ["--workspace", "--lib", "--bins", "--tests"];

/// Format, tidy, clippy, tests. With `broker`, the engine is left out.
pub fn verify(broker: bool) -> anyhow::Result<()> {
    cargo("format", &["fmt", "--all", "--check"])?;
    println!("== tidy");
    crate::tidy::run()?;
    let half: Vec<&str> = BROKER_HALF.iter().flat_map(|name| ["-p", name]).collect();
    let doors = ["-p", "andiron-server", "-p", "andiron-cli", "--no-default-features"];
    let refuse = ["--", "-D", "warnings"];
    if broker {
        cargo("clippy, broker half", &[&["clippy", "--all-targets"], &half[..], &refuse].concat())?;
        cargo("clippy, the doors without Spark", &[&["clippy", "--all-targets"], &doors[..], &refuse].concat())?;
        cargo("tests, broker half", &[&["test"], &half[..]].concat())?;
        cargo("tests, the doors without Spark", &[&["test"], &doors[..]].concat())?;
    } else {
        cargo("clippy", &[&["clippy", "--workspace", "--all-targets"], &refuse[..]].concat())?;
        cargo("the binary without Spark", &[&["check"], &doors[..]].concat())?;
        cargo("tests", &[&["test"], &TESTED[..]].concat())?;
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
    let status = command(arguments)?.status().context("starting cargo")?;
    if !status.success() {
        bail!("{what} failed: cargo {}", arguments.join(" "));
    }
    Ok(())
}

/// Cargo with these arguments, in the workspace's root.
pub fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    // What cargo said of xtask is not true of what is built now: the build script of ring looks at it, and would be run
    // anew, with all that stands on it, DataFusion included, each time cargo is called by hand in between.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(crate::tidy::root()?);
    Ok(command)
}
