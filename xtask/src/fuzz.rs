//! Fuzzing: every target of `fuzz/` for so many seconds, from the committed corpus on; and the mistakes planted in the
//! same targets, which must be found. See docs/fuzzing.md.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;

/// libFuzzer needs the sanitizers of a nightly compiler.
const TOOLCHAIN: &str = "nightly";
const CARGO_FUZZ: &str = "0.13.2";
/// (target, bytes of its largest input).
const TARGETS: [(&str, usize); 6] = [
    ("frame", 4_096),
    ("batches", 8_192),
    ("recovery", 16_384),
    ("groups", 1_024),
    ("transactions", 1_024),
    ("compaction", 1_024),
];
/// What one input may take; walking half a gigabyte of records, the most that a batch may unfold to, takes some.
const INPUT_SECONDS_MAX: u32 = 25;
const RESIDENT_MB_MAX: u32 = 3_072;
/// How many of the last lines are shown of a finding.
const SHOWN_LINES: usize = 60;

/// What to fuzz and for how long.
#[derive(Args)]
pub struct Fuzz {
    /// One target; else all of them
    target: Option<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Plant a mistake in each target and require that it is found
    #[arg(long)]
    planted: bool,
    /// Run one input again, that of a finding
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// Runs the targets one after the other, prints executions and coverage of each, fails on a finding (or without one where a
/// mistake is planted).
pub fn run(what: &Fuzz) -> anyhow::Result<()> {
    let chosen: Vec<_> = TARGETS.into_iter().filter(|(t, _)| what.target.as_deref().is_none_or(|w| w == *t)).collect();
    if chosen.is_empty() {
        bail!("the targets are {}", TARGETS.map(|(target, _)| target).join(", "));
    }
    let programs = build(what.planted)?;
    if let Some(input) = &what.input {
        return crate::python::run(settled(&programs.join(chosen[0].0)).arg(input));
    }
    let mut wrong = Vec::new();
    for (target, largest) in chosen {
        let outcome = fuzz(&programs.join(target), target, largest, what)?;
        println!("{target:<12} {}", outcome.line(what.planted));
        if outcome.finding.is_some() != what.planted {
            outcome.last_lines.iter().for_each(|line| println!("    {line}"));
            wrong.push(target);
        }
    }
    match (wrong.is_empty(), what.planted) {
        (true, false) => println!("fuzz: no finding"),
        (true, true) => println!("fuzz: every planted mistake was found"),
        (false, false) => bail!("fuzz: findings in {}", wrong.join(", ")),
        (false, true) => bail!("fuzz: the mistakes planted in {} were not found", wrong.join(", ")),
    }
    Ok(())
}

/// Builds all targets and returns the folder of their programs.
fn build(planted: bool) -> anyhow::Result<PathBuf> {
    let tools = crate::python::cache()?.join("tools");
    let cargo_fuzz = tools.join("bin/cargo-fuzz");
    if !cargo_fuzz.exists() {
        let install = ["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked", "--root"];
        println!("setup: cargo-fuzz {CARGO_FUZZ} -> {}", tools.display());
        crate::python::run(crate::verify::command(&install)?.arg(&tools))?;
    }
    let version = crate::python::output(nightly("rustc")?.arg("-vV"))
        .with_context(|| format!("rustup toolchain install {TOOLCHAIN} --profile minimal"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    println!("== fuzz: {}", version.lines().next().unwrap_or_default());
    let folder = crate::python::cache()?.join("fuzz/target");
    let mut build = nightly(&cargo_fuzz)?;
    build.args(["build", "--fuzz-dir", "fuzz", "--target-dir"]).arg(&folder);
    if planted {
        build.args(["--features", "planted"]);
    }
    crate::python::run(&mut build)?;
    Ok(folder.join(host).join("release"))
}

/// A program of rustup's in the root, for the toolchain that has the sanitizers.
fn nightly(program: impl AsRef<std::ffi::OsStr>) -> anyhow::Result<Command> {
    let mut command = Command::new(program);
    command.env("RUSTUP_TOOLCHAIN", TOOLCHAIN).env_remove("CARGO").current_dir(crate::tidy::root()?);
    Ok(command)
}

/// A target's program with what all its runs share.
fn settled(program: &Path) -> Command {
    let mut command = Command::new(program);
    // What is given back stays away from memory only briefly: many inputs take a window of 128 MiB.
    command
        .env(
            "ASAN_OPTIONS",
            "detect_odr_violation=0:detect_leaks=0:detect_stack_use_after_return=0:quarantine_size_mb=16",
        )
        .env("RUST_BACKTRACE", "0");
    command.args([format!("-timeout={INPUT_SECONDS_MAX}"), format!("-rss_limit_mb={RESIDENT_MB_MAX}")]);
    command
}

/// What a run has shown.
#[derive(Default)]
struct Outcome {
    executions: u64,
    seconds: f64,
    /// Edges of the program that were taken, of how many there are.
    edges: (u64, u64),
    /// Inputs kept because each reaches something, and those it began with.
    inputs: (u64, usize),
    /// The sentence of a finding.
    finding: Option<String>,
    last_lines: Vec<String>,
}

impl Outcome {
    fn line(&self, planted: bool) -> String {
        let Outcome { executions, seconds, edges, inputs, .. } = self;
        let rate = *executions as f64 / seconds.max(0.001);
        let found = match &self.finding {
            Some(finding) => format!("found: {finding}"),
            None if planted => "the mistake was not found".to_owned(),
            None => "no finding".to_owned(),
        };
        format!(
            "{executions} executions in {seconds:.0} s ({rate:.0}/s), {} of {} edges, {} inputs from {}; {found}",
            edges.0, edges.1, inputs.0, inputs.1
        )
    }

    /// Takes in a line that libFuzzer printed.
    fn read(&mut self, line: String) {
        if let Some(count) = after(&line, "stat::number_of_executed_units:") {
            self.executions = count;
        } else if let Some(count) =
            line.split_once(" inline 8-bit counters").and_then(|(l, _)| l.rsplit('(').next()?.parse().ok())
        {
            self.edges.1 = count;
        } else if line.starts_with('#')
            && let Some(edges) = after(&line, " cov:")
        {
            self.edges.0 = edges;
            self.inputs.0 = after(&line, " corp:").unwrap_or(self.inputs.0);
            self.executions = after(&line, "#").unwrap_or(self.executions);
        } else if self.finding.as_deref().is_none_or(str::is_empty)
            && let Some(finding) = finding(&line)
        {
            self.finding = Some(finding.to_owned());
        } else if self.finding.as_deref() == Some("a panic") {
            self.finding = Some(line.trim().to_owned());
        }
        self.last_lines.push(line);
        if self.last_lines.len() > SHOWN_LINES {
            self.last_lines.remove(0);
        }
    }
}

/// The number behind `label`.
fn after(line: &str, label: &str) -> Option<u64> {
    let (_, rest) = line.split_once(label)?;
    rest.split_whitespace().next()?.split('/').next()?.parse().ok()
}

/// What a line says of a finding; a panic's sentence stands on the line behind.
fn finding(line: &str) -> Option<&str> {
    if line.starts_with("thread '") && line.contains("panicked at") {
        return Some("a panic");
    }
    let told = ["too much memory: ", "ERROR: libFuzzer: ", "ERROR: AddressSanitizer: "];
    told.iter().find_map(|mark| line.find(mark).map(|at| line[at..].trim_start_matches("ERROR: ")))
}

fn fuzz(program: &Path, target: &str, largest: usize, what: &Fuzz) -> anyhow::Result<Outcome> {
    let folder = crate::python::cache()?.join("fuzz");
    let committed = crate::tidy::root()?.join("fuzz/corpus").join(target);
    let kind = if what.planted { "planted" } else { "corpus" };
    let grown = folder.join(kind).join(target);
    let findings = folder.join(if what.planted { "planted" } else { "findings" });
    if what.planted {
        // It begins with what is committed, not with what an earlier run found.
        let _ = fs::remove_dir_all(&grown);
    }
    fs::create_dir_all(&grown)?;
    fs::create_dir_all(&findings)?;
    let seeds = fs::read_dir(&committed).with_context(|| format!("the corpus of {target}"))?.count();
    let mut outcome = Outcome { inputs: (0, seeds), ..Outcome::default() };
    let began = Instant::now();
    let mut running = settled(program)
        .args([
            format!("-max_total_time={}", what.seconds),
            format!("-max_len={largest}"),
            "-print_final_stats=1".into(),
        ])
        .arg(format!("-artifact_prefix={}/{target}-", findings.display()))
        .args([&grown, &committed])
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let said = running.stderr.take().context("its output")?;
    for line in BufReader::new(said).split(b'\n') {
        outcome.read(String::from_utf8_lossy(&line?).into_owned());
    }
    let status = running.wait()?;
    outcome.seconds = began.elapsed().as_secs_f64();
    match (status.success(), &outcome.finding) {
        (true, _) => outcome.finding = None,
        (false, None) => outcome.finding = Some(format!("it ended with {status}")),
        (false, Some(_)) => {}
    }
    Ok(outcome)
}
