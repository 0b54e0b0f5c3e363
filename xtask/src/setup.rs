//! What a fresh machine needs before the first `cargo build`: a protobuf compiler, which Spark Connect's messages are
//! generated with. The crate `protoc-bin-vendored` carries one; it is copied to where `.cargo/config.toml` points.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Copies protoc and its well-known types into `.tools/`; does nothing when they are there.
pub fn protoc() -> anyhow::Result<()> {
    let tools = crate::tidy::root()?.join(".tools");
    let target = tools.join("bin/protoc");
    if target.exists() {
        return Ok(());
    }
    println!("setup: protoc -> {}", target.display());
    copy_tree(&protoc_bin_vendored::include_path()?, &tools.join("include"))?;
    fs::create_dir_all(tools.join("bin"))?;
    // The binary last, and whole by a rename: its presence says that everything is there.
    let half = tools.join("bin/protoc.new");
    fs::copy(protoc_bin_vendored::protoc_bin_path()?, &half).context("copying protoc")?;
    fs::rename(&half, &target)?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
