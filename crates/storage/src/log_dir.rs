//! One of `log.dirs`: who it belongs to, whether it was left clean, and the checkpoints over all its partitions.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use uuid::Uuid;

use crate::checkpoint;
use crate::disk::{DirLock, Disk, read_small, replace_small};
use crate::types::TopicPartition;

#[cfg(test)]
mod tests;

const META_PROPERTIES: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
const CLEANED_OFFSETS: &str = "cleaner-offset-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";

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
    /// The broker epoch that a clean shutdown left.
    clean: Option<i64>,
}

impl LogDir {
    /// Creates the directory when missing and takes its lock. `.kafka_cleanshutdown` is looked at
    /// and removed, durably: from here on a crash is a crash.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<LogDir, LogDirError> {
        let at = |source| LogDirError::Io { path: path.to_path_buf(), source };
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !disk.exists(dir)).collect();
        disk.create_dir_all(path).map_err(at)?;
        // A directory that power loss may take with all that was synced in it would be no place for a log.
        for dir in missing.iter().rev().filter_map(|dir| dir.parent()) {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            disk.sync_dir(dir).map_err(at)?;
        }
        let locked = disk.try_lock(&path.join(".lock")).map_err(at)?;
        let lock = locked.ok_or_else(|| LogDirError::InUse(path.to_path_buf()))?;
        let marker = path.join(CLEAN_SHUTDOWN);
        let clean = read_small(&*disk, &marker).map_err(at)?.map(|bytes| broker_epoch(&bytes));
        if clean.is_some() {
            disk.remove_file(&marker).map_err(at)?;
        }
        // After a kill nobody knows which names the run before had made durable: its own, and those of partitions.
        disk.sync_dir(path).map_err(at)?;
        if let (None, Some(parent)) = (clean, path.parent().filter(|parent| !parent.as_os_str().is_empty())) {
            disk.sync_dir(parent).map_err(at)?;
        }
        Ok(LogDir { disk, path: path.to_path_buf(), _lock: lock, clean })
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
        self.clean.is_some()
    }

    /// The broker epoch of the last clean shutdown, -1 when it was not clean.
    pub fn clean_shutdown_epoch(&self) -> i64 {
        self.clean.unwrap_or(-1)
    }

    /// Reads `meta.properties`; None when the directory is not formatted.
    pub fn meta_properties(&self) -> Result<Option<MetaProperties>, LogDirError> {
        let path = self.path.join(META_PROPERTIES);
        let Some(bytes) = self.read(META_PROPERTIES)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        let properties: BTreeMap<&str, &str> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['#', '!']))
            .filter_map(|line| line.split_once(['=', ':']))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let malformed = |message: &str| LogDirError::Malformed { path: path.clone(), message: message.to_owned() };
        let get = |key: &str| properties.get(key).copied();
        if get("version") != Some("1") {
            return Err(malformed("only version 1 of meta.properties can be read"));
        }
        let node_id = get("node.id").and_then(|v| v.parse().ok()).ok_or_else(|| malformed("node.id is missing"))?;
        let cluster_id = get("cluster.id").ok_or_else(|| malformed("cluster.id is missing"))?.to_owned();
        let directory_id = get("directory.id")
            .and_then(|v| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(v).ok())
            .and_then(|b| Uuid::from_slice(&b).ok())
            .ok_or_else(|| malformed("directory.id is missing"))?;
        Ok(Some(MetaProperties { cluster_id, node_id, directory_id }))
    }

    /// Writes `meta.properties`.
    pub fn write_meta_properties(&self, meta: &MetaProperties) -> Result<(), LogDirError> {
        let directory = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(meta.directory_id.as_bytes());
        let text = format!(
            "#\nnode.id={}\ndirectory.id={directory}\nversion=1\ncluster.id={}\n",
            meta.node_id, meta.cluster_id
        );
        self.replace(META_PROPERTIES, text.as_bytes())
    }

    /// The partitions that have a directory here; those marked for deletion and those set aside are not among them.
    pub fn partitions(&self) -> Result<Vec<TopicPartition>, LogDirError> {
        Ok(self.dirs()?.iter().filter_map(|name| TopicPartition::from_dir_name(name)).collect())
    }

    /// Directories marked `-delete` by a deletion that was not finished, and `-future` by a move that was not.
    pub fn deleted_dirs(&self) -> Result<Vec<PathBuf>, LogDirError> {
        let over = |name: &String| name.ends_with("-delete") || name.ends_with("-future");
        Ok(self.dirs()?.into_iter().filter(over).map(|name| self.path.join(name)).collect())
    }

    /// The partitions that were on their way here when the run before ended.
    pub fn coming(&self) -> Result<Vec<TopicPartition>, LogDirError> {
        let coming = |name: &String| TopicPartition::from_dir_name(name.strip_suffix("-future")?.rsplit_once('.')?.0);
        Ok(self.dirs()?.iter().filter_map(coming).collect())
    }

    /// The directory of a partition that is none of the node's gets another name, durably; returns its new path.
    pub fn set_aside(&self, partition: &TopicPartition, unique: Uuid) -> Result<PathBuf, LogDirError> {
        let to = self.path.join(partition.dir_name_as("stray", unique));
        let from = self.partition_dir(partition);
        let renamed = self.disk.rename(&from, &to).and_then(|()| self.disk.sync_dir(&self.path));
        renamed.map_err(|source| LogDirError::Io { path: from, source })?;
        Ok(to)
    }

    /// The directory of a partition.
    pub fn partition_dir(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.dir_name())
    }

    /// Reads `recovery-point-offset-checkpoint`.
    pub fn recovery_points(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        self.read_offsets(RECOVERY_POINTS)
    }

    /// Writes `recovery-point-offset-checkpoint`.
    pub fn write_recovery_points(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        self.write_offsets(RECOVERY_POINTS, offsets)
    }

    /// Reads `replication-offset-checkpoint`: high watermarks.
    pub fn high_watermarks(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        self.read_offsets(HIGH_WATERMARKS)
    }

    /// Writes `replication-offset-checkpoint`.
    pub fn write_high_watermarks(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        self.write_offsets(HIGH_WATERMARKS, offsets)
    }

    /// Reads `log-start-offset-checkpoint`.
    pub fn log_start_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        self.read_offsets(LOG_STARTS)
    }

    /// Writes `log-start-offset-checkpoint`.
    pub fn write_log_start_offsets(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        self.write_offsets(LOG_STARTS, offsets)
    }

    /// Reads `cleaner-offset-checkpoint`: up to where logs are compacted.
    pub fn cleaner_offsets(&self) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        self.read_offsets(CLEANED_OFFSETS)
    }

    /// Writes `cleaner-offset-checkpoint`.
    pub fn write_cleaner_offsets(&self, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        self.write_offsets(CLEANED_OFFSETS, offsets)
    }

    /// Writes `.kafka_cleanshutdown` with the broker's epoch; after everything else.
    pub fn mark_clean(&self, broker_epoch: i64) -> Result<(), LogDirError> {
        self.replace(CLEAN_SHUTDOWN, format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}").as_bytes())
    }

    fn dirs(&self) -> Result<Vec<String>, LogDirError> {
        let listed = self.disk.list(&self.path);
        let entries = listed.map_err(|source| LogDirError::Io { path: self.path.clone(), source })?;
        Ok(entries.into_iter().filter(|e| e.is_dir).map(|e| e.name).collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, LogDirError> {
        let path = self.path.join(name);
        read_small(&*self.disk, &path).map_err(|source| LogDirError::Io { path, source })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), LogDirError> {
        let path = self.path.join(name);
        replace_small(&*self.disk, &path, bytes).map_err(|source| LogDirError::Io { path, source })
    }

    fn read_offsets(&self, name: &str) -> Result<BTreeMap<TopicPartition, i64>, LogDirError> {
        let Some(bytes) = self.read(name)? else {
            return Ok(BTreeMap::new());
        };
        let entries = checkpoint::parse(&bytes, |line| {
            let mut words = line.split(' ');
            let topic = words.next()?;
            let partition = words.next()?.parse().ok()?;
            let offset = words.next()?.parse().ok()?;
            words.next().is_none().then(|| (TopicPartition::new(topic, partition), offset))
        });
        let entries = entries.map_err(|message| LogDirError::Malformed { path: self.path.join(name), message })?;
        Ok(entries.into_iter().collect())
    }

    fn write_offsets(&self, name: &str, offsets: &BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError> {
        let text =
            checkpoint::render(offsets.iter().map(|(p, offset)| format!("{} {} {offset}", p.topic, p.partition)));
        self.replace(name, text.as_bytes())
    }
}

fn broker_epoch(bytes: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(bytes);
    let digits = text.split("\"brokerEpoch\":").nth(1).unwrap_or_default().trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(-1)
}
