//! Python environments: each is a file of requirements, made once and kept outside the tree.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The interpreter of the environment whose requirements are `tests/requirements/NAME.txt`, made if it is not there.
///
/// Environments live under `$ANDIRON_CACHE/python` (else `~/.cache/andiron/python`), one for each text of requirements
/// and each Python, so that a change of either makes a new one.
pub fn environment(name: &str) -> anyhow::Result<PathBuf> {
    let requirements = crate::tidy::root()?.join(format!("tests/requirements/{name}.txt"));
    let text = fs::read_to_string(&requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let version = output(Command::new(&python).arg("--version"))
        .with_context(|| format!("{python} is needed (set PYTHON to name another interpreter)"))?;
    let mut hash = DefaultHasher::new();
    (text, &version).hash(&mut hash);
    let folder = cache()?.join("python").join(format!("{name}-{:016x}", hash.finish()));
    let interpreter = folder.join("bin/python");
    let complete = folder.join("complete");
    if !complete.exists() {
        println!("setup: Python environment {name} ({}) -> {}", version.trim(), folder.display());
        // Whatever an interrupted set-up left behind.
        let _ = fs::remove_dir_all(&folder);
        run(Command::new(&python).args(["-m", "venv"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(&interpreter).args(pip).arg(&requirements))?;
        fs::write(&complete, "")?;
    }
    Ok(interpreter)
}

/// The folder for what set-up fetches and makes outside the tree.
pub fn cache() -> anyhow::Result<PathBuf> {
    match std::env::var_os("ANDIRON_CACHE") {
        Some(folder) => Ok(folder.into()),
        None => Ok(std::env::home_dir().context("no home directory; set ANDIRON_CACHE")?.join(".cache/andiron")),
    }
}

/// Builds the `andiron` binary and returns where it is.
pub fn andiron(release: bool) -> anyhow::Result<PathBuf> {
    crate::setup::protoc()?;
    let arguments: &[&str] = if release { &["build", "--release", "-p", "andiron-cli"] } else { &TESTED_BUILD };
    built("the andiron binary", arguments, "andiron-cli", "andiron")
}

/// Builds the integration tests of our client and returns the program that runs them.
pub fn client_tests() -> anyhow::Result<PathBuf> {
    built("the tests of our client", &TESTED_BUILD, "andiron-client", "it")
}

const TESTED_BUILD: [&str; 5] = {
    let [workspace, lib, bins, tests] = crate::verify::TESTED;
    ["build", workspace, lib, bins, tests]
};

/// Builds, and returns where the program `target` of `package` is.
fn built(what: &str, arguments: &[&str], package: &str, target: &str) -> anyhow::Result<PathBuf> {
    // Once for people, who see it build; once for us, who read where things are.
    crate::verify::cargo(what, arguments)?;
    let messages = output(crate::verify::command(arguments)?.args(["--quiet", "--message-format=json"]))?;
    for message in cargo_metadata::Message::parse_stream(messages.as_bytes()) {
        if let cargo_metadata::Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == target
            && artifact.package_id.repr.contains(&format!("#{package}@"))
            // A program is also built with its unit tests in it, under the same name.
            && artifact.profile.test == artifact.target.is_test()
            && let Some(executable) = artifact.executable
        {
            return Ok(executable.into());
        }
    }
    bail!("cargo built no {target} of {package}")
}

/// Runs a command whose failure ends the whole.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed: {status}", command.get_program().display());
    }
    Ok(())
}

/// What a command prints, if it succeeds.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let done = command.output().with_context(|| format!("starting {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{} failed: {}", command.get_program().display(), String::from_utf8_lossy(&done.stderr));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
