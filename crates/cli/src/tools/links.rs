//! `andiron tools DIR`: links by which this binary answers to the names of Kafka's scripts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

/// Make links to this program named as Kafka's shell tools, with and without .sh
#[derive(Debug, Args)]
pub(crate) struct Links {
    /// The folder for the links; made if need be
    folder: PathBuf,
}

impl Links {
    /// Makes them; what stands there as a link is replaced, anything else is left and named.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        for tool in super::TOOLS {
            for name in [tool.name.to_owned(), format!("{}.sh", tool.name)] {
                let link = self.folder.join(name);
                if link.is_symlink() {
                    std::fs::remove_file(&link).with_context(|| format!("cannot replace {}", link.display()))?;
                }
                std::os::unix::fs::symlink(&program, &link)
                    .with_context(|| format!("cannot make {}", link.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
