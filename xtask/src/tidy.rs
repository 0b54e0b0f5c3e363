//! What the compiler does not check: which crate may use which, where tokio and DataFusion may be, how long a file may
//! get, and under which licences the dependencies come. The rules are pure functions over what was read, so that each
//! refusal has a test that shows it refusing.

mod arrows;
mod files;
mod licences;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cargo_metadata::MetadataCommand;

/// Reads the tree, applies every rule and prints each refusal; fails when there is one.
pub fn run() -> anyhow::Result<()> {
    let root = root()?;
    let metadata = read(&root.join("Cargo.toml"))?;
    let members: Vec<arrows::Member> = metadata
        .workspace_packages()
        .iter()
        .map(|package| arrows::Member {
            name: package.name.to_string(),
            uses: package
                .dependencies
                .iter()
                .filter(|d| d.kind != cargo_metadata::DependencyKind::Development)
                .map(|d| d.name.clone())
                .collect(),
        })
        .collect();
    let mut licensed: Vec<licences::Licensed> = metadata
        .packages
        .iter()
        .map(|p| licences::Licensed { name: format!("{} {}", p.name, p.version), licence: p.license.clone() })
        .collect();
    licensed.sort_by(|a, b| a.name.cmp(&b.name));
    licensed.dedup_by(|a, b| a.name == b.name);

    let mut refusals = arrows::check(&members);
    refusals.extend(licences::check(&licensed));
    refusals.extend(files::check(&files::read(&root)?));
    for refusal in &refusals {
        eprintln!("tidy: {refusal}");
    }
    if !refusals.is_empty() {
        bail!("tidy refused {} thing(s)", refusals.len());
    }
    println!("tidy: {} crates, {} dependencies, all in order", members.len(), licensed.len());
    Ok(())
}

fn read(manifest: &Path) -> anyhow::Result<cargo_metadata::Metadata> {
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(vec!["--locked".into(), "--all-features".into()])
        .exec()
        .with_context(|| format!("cargo metadata of {} (is its Cargo.lock up to date?)", manifest.display()))
}

/// The folder of the workspace.
pub fn root() -> anyhow::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).context("xtask has no parent folder")
}
