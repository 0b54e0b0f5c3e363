//! The project's own commands.
use std::path::Path;

fn main() -> anyhow::Result<()> {
    // `cargo xtask setup`: the protobuf compiler, where `.cargo/config.toml` points PROTOC.
    let tools = Path::new(".tools");
    std::fs::create_dir_all(tools.join("bin"))?;
    std::fs::copy(protoc_bin_vendored::protoc_bin_path()?, tools.join("bin/protoc"))?;
    copy_tree(&protoc_bin_vendored::include_path()?, &tools.join("include"))?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
