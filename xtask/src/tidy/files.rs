//! How long a file may get, and that each says why it exists.

use std::path::Path;

use anyhow::Context as _;

/// A file longer than this is refused; split at about 600 by what its parts do.
pub const LINES_MAX: usize = 1_000;

/// A source file: its path in the tree and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// The tracked and new source files of the tree, by `git ls-files`.
pub fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let listed = std::process::Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs", "*.py", "*.toml", "Makefile", ".ci/*"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    let mut sources = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).lines() {
        // A file deleted but not yet committed is still listed.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            sources.push(Source { path: path.to_owned(), text });
        }
    }
    Ok(sources)
}

/// Every file that is too long or, being Rust, does not open with why it exists.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut refusals = Vec::new();
    for Source { path, text } in sources {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            refusals.push(format!("{path} has {lines} lines; {LINES_MAX} is the limit, split it by what its parts do"));
        }
        if path.ends_with(".rs") && !text.starts_with("//!") {
            refusals.push(format!("{path} does not open with //! and why it exists"));
        }
    }
    refusals
}
