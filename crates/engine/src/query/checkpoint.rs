//! A checkpoint directory on the local disk, in Spark's layout. A file appears whole or not at all: it is written beside
//! its place, flushed, renamed, and the folder is flushed, before the query goes on.

use std::io::Write;
use std::path::{Path, PathBuf};

use andiron_streaming::checkpoint::{CommitMetadata, Metadata, OffsetSeq};
use andiron_streaming::recovery::Facts;

use crate::{Exception, SparkError};

/// A query's checkpoint directory.
#[derive(Debug, Clone)]
pub struct CheckpointStore {
    root: PathBuf,
}

/// A folder or file as users name it: a path or a `file:` URL.
pub(crate) fn local_path(text: &str) -> Result<PathBuf, SparkError> {
    let path = match text.split_once(':') {
        Some(("file", rest)) => match rest.strip_prefix("//") {
            Some(rest) => &rest[rest.find('/').unwrap_or(0)..],
            None => rest,
        },
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(SparkError::unsupported(format!("a checkpoint or output under {scheme}://")));
        }
        _ => text,
    };
    std::path::absolute(path).map_err(SparkError::from)
}

/// A file of a checkpoint whose text is not what it should be.
pub(crate) fn checkpoint_unreadable(error: &andiron_streaming::checkpoint::CheckpointError) -> SparkError {
    SparkError::plain(Exception::Spark, format!("java.lang.IllegalStateException: {error}"))
}

fn io(what: &str, path: &Path, error: &std::io::Error) -> SparkError {
    SparkError::plain(Exception::Spark, format!("java.io.IOException: cannot {what} {}: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SparkError> + Send + 'static,
) -> Result<T, SparkError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| SparkError::internal(format!("a checkpoint task ended: {e}")))?
}

fn write_whole(path: &Path, content: &[u8]) -> Result<(), SparkError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(SparkError::internal(format!("{} is no file of a checkpoint", path.display())));
    };
    let temporary = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), uuid::Uuid::new_v4()));
    let written = (|| {
        if !folder.is_dir() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_data()?;
        std::fs::rename(&temporary, path)?;
        // The checksum that Spark may have left for an earlier file of this name would no longer match.
        let _ = std::fs::remove_file(folder.join(format!(".{}.crc", name.to_string_lossy())));
        std::fs::File::open(folder)?.sync_all()
    })();
    written.map_err(|e| io("write", path, &e))
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, SparkError> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path, &error)),
    }
}

/// The batches of a log, ascending; other files (checksums, temporary ones) do not count.
fn batches(folder: &Path) -> Result<Vec<i64>, SparkError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("list", folder, &error)),
    };
    let mut found: Vec<i64> = entries
        .filter_map(Result::ok)
        .filter_map(|e| e.file_name().to_str().and_then(|name| name.parse().ok()))
        .filter(|n| *n >= 0)
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn utf8(path: &Path, content: Vec<u8>) -> Result<String, SparkError> {
    String::from_utf8(content).map_err(|_| {
        SparkError::plain(Exception::Spark, format!("java.lang.IllegalStateException: {} is not text", path.display()))
    })
}

impl CheckpointStore {
    /// The checkpoint in this folder, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The query's identity, made up and written down if this is its first run.
    pub async fn metadata(&self) -> Result<Metadata, SparkError> {
        let path = self.root.join("metadata");
        blocking(move || {
            if let Some(content) = read_optional(&path)? {
                return Metadata::decode(&utf8(&path, content)?).map_err(|e| checkpoint_unreadable(&e));
            }
            let metadata = Metadata { id: uuid::Uuid::new_v4().to_string() };
            write_whole(&path, metadata.encode().as_bytes())?;
            Ok(metadata)
        })
        .await
    }

    /// Whether a query has ever run here.
    pub async fn exists(&self) -> bool {
        let path = self.root.join("metadata");
        blocking(move || Ok(path.exists())).await.unwrap_or(false)
    }

    /// What recovery must know.
    pub async fn facts(&self, sources: usize) -> Result<Facts, SparkError> {
        let root = self.root.clone();
        blocking(move || {
            let seq = |batch: i64| -> Result<Option<OffsetSeq>, SparkError> {
                let path = root.join("offsets").join(batch.to_string());
                let Some(content) = read_optional(&path)? else { return Ok(None) };
                OffsetSeq::decode(&utf8(&path, content)?).map(Some).map_err(|e| checkpoint_unreadable(&e))
            };
            let mut facts = Facts { sources, ..Facts::default() };
            if let Some(latest) = batches(&root.join("offsets"))?.last().copied() {
                facts.latest_offsets = seq(latest)?.map(|s| (latest, s));
                facts.previous_offsets = seq(latest - 1)?;
            }
            if let Some(latest) = batches(&root.join("commits"))?.last().copied() {
                let path = root.join("commits").join(latest.to_string());
                if let Some(content) = read_optional(&path)? {
                    let commit =
                        CommitMetadata::decode(&utf8(&path, content)?).map_err(|e| checkpoint_unreadable(&e))?;
                    facts.latest_commit = Some((latest, commit));
                }
            }
            Ok(facts)
        })
        .await
    }

    /// Writes `offsets/batch`, which must not be there, then forgets batches below `prune_below`.
    pub async fn write_offsets(&self, batch: i64, seq: &OffsetSeq, prune_below: Option<i64>) -> Result<(), SparkError> {
        let (root, content) = (self.root.clone(), seq.encode());
        blocking(move || {
            let path = root.join("offsets").join(batch.to_string());
            if path.exists() {
                // Another run of the query is writing here.
                return Err(concurrent(batch));
            }
            write_whole(&path, content.as_bytes())?;
            let Some(below) = prune_below else { return Ok(()) };
            for log in ["offsets", "commits"] {
                prune(&root.join(log), below);
            }
            Ok(())
        })
        .await
    }

    /// Writes `commits/batch`.
    pub async fn write_commit(&self, batch: i64, commit: &CommitMetadata) -> Result<(), SparkError> {
        let (path, content) = (self.root.join("commits").join(batch.to_string()), commit.encode());
        blocking(move || write_whole(&path, content.as_bytes())).await
    }

    /// A file of the checkpoint, if it is there.
    pub async fn read_optional(&self, path: &Path) -> Result<Option<Vec<u8>>, SparkError> {
        let path = path.to_owned();
        blocking(move || read_optional(&path)).await
    }

    /// Writes a file of the checkpoint.
    pub async fn write(&self, path: &Path, content: &[u8]) -> Result<(), SparkError> {
        let (path, content) = (path.to_owned(), content.to_owned());
        blocking(move || write_whole(&path, &content)).await
    }
}

/// Normally one file goes; the folder is listed only when that one is not where it should be.
fn prune(folder: &Path, below: i64) {
    let remove = |batch: i64| {
        let _ = std::fs::remove_file(folder.join(format!(".{batch}.crc")));
        std::fs::remove_file(folder.join(batch.to_string()))
    };
    let first = below - 1;
    if remove(first).is_ok() && !folder.join((first - 1).to_string()).exists() {
        return;
    }
    for batch in batches(folder).unwrap_or_default().into_iter().take_while(|n| *n < below) {
        // What cannot be removed now will be tried again with the next batch.
        let _ = remove(batch);
    }
}

fn concurrent(batch: i64) -> SparkError {
    SparkError::new(
        Exception::Spark,
        "CONCURRENT_STREAM_LOG_UPDATE",
        "40000",
        format!(
            "Concurrent update to the log. Multiple streaming jobs detected for {batch}.\nPlease make sure only one streaming job runs on a specific checkpoint location at a time."
        ),
    )
}
