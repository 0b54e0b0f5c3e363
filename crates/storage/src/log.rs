//! One partition's log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::config::LogConfig;
use crate::disk::Disk;
use crate::types::*;

/// How to open a log.
#[derive(Clone, Debug)]
pub struct OpenLog {
    /// The log's directory (`…/topic-0`); created when missing.
    pub dir: PathBuf,
    /// Its settings.
    pub config: LogConfig,
    /// Written into `partition.metadata` when missing; compared when there.
    pub topic_id: Option<Uuid>,
    /// The log directory's `log-start-offset-checkpoint` has this for the partition, else 0.
    pub log_start_offset: i64,
    /// The log directory's `recovery-point-offset-checkpoint` has this for the partition, else 0.
    pub recovery_point: i64,
    /// The last shutdown was clean ([`crate::LogDir::was_clean`]).
    pub clean_shutdown: bool,
    /// The time, in milliseconds.
    pub now: i64,
}

/// A partition's log. Not shared: its owner guards it.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    partition: TopicPartition,
    dir: PathBuf,
    config: LogConfig,
}

impl Log {
    /// Opens the log, recovering it when the last shutdown was not clean.
    pub fn open(disk: Arc<dyn Disk>, partition: TopicPartition, open: OpenLog) -> Result<(Log, Recovered), LogError> {
        Ok((Log { disk, partition, dir: open.dir, config: open.config }, Recovered::default()))
    }
    /// The partition.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }
    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
    /// The topic's id, from `partition.metadata`.
    pub fn topic_id(&self) -> Option<Uuid> {
        None
    }
    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }
    /// Changes the settings, effective at once.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }
    /// First offset that is served.
    pub fn log_start_offset(&self) -> i64 {
        0
    }
    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        0
    }
    /// Everything below this offset is durable: goes into `recovery-point-offset-checkpoint`.
    pub fn synced_offset(&self) -> i64 {
        0
    }
    /// Below this no transaction is open, given the high watermark.
    pub fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        high_watermark
    }
    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        0
    }
    /// Appends batches as the leader: checks them, assigns offsets in their headers, writes their bytes as they came.
    pub fn append_as_leader(
        &mut self,
        batches: &[u8],
        leader_epoch: i32,
        origin: AppendOrigin,
        now: i64,
    ) -> Result<Appended, AppendError> {
        let _ = (batches, leader_epoch, origin, now, &self.disk);
        Err(AppendError::Log(LogError::Offline(self.partition.clone())))
    }
    /// Appends batches fetched from the leader: offsets and epochs stay.
    pub fn append_as_follower(&mut self, batches: &[u8], now: i64) -> Result<Appended, AppendError> {
        self.append_as_leader(batches, 0, AppendOrigin::Client, now)
    }
    /// The batches from the one with `offset` on, in at most `max_bytes` (but at least one batch when `at_least_one`), none at or above `below`.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        below: i64,
        at_least_one: bool,
    ) -> Result<ReadOutcome, ReadError> {
        let _ = (offset, max_bytes, below, at_least_one);
        Ok(ReadOutcome::default())
    }
    /// Copied bytes of the batches from `offset` on, whole batches only, at least one unless the log ends there: for replay.
    pub fn read_batches(&self, offset: i64, max_bytes: usize) -> Result<Bytes, ReadError> {
        let _ = (offset, max_bytes);
        Ok(Bytes::new())
    }
    /// The first record whose timestamp is at or after `timestamp`.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampAndOffset>, LogError> {
        let _ = timestamp;
        Ok(None)
    }
    /// The first record with the greatest timestamp of the log.
    pub fn max_timestamp(&self) -> Result<Option<TimestampAndOffset>, LogError> {
        Ok(None)
    }
    /// Epoch of the newest batch, if any.
    pub fn latest_epoch(&self) -> Option<i32> {
        None
    }
    /// (epoch, end offset) of the greatest epoch not above `epoch`, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let _ = epoch;
        None
    }
    /// The node became leader in `epoch`.
    pub fn assign_epoch(&mut self, epoch: i32, start_offset: i64) -> Result<(), LogError> {
        let _ = (epoch, start_offset);
        Ok(())
    }
    /// What must be synced so that everything appended is durable; None when it is.
    pub fn sync_ticket(&mut self) -> Option<SyncTicket> {
        None
    }
    /// The ticket has run without an error.
    pub fn synced(&mut self, ticket: &SyncTicket) {
        let _ = ticket;
    }
    /// A write or sync failed: the log takes nothing more.
    pub fn set_offline(&mut self) {}
    /// Begins a new segment (at the log end) and returns its base offset.
    pub fn roll(&mut self, now: i64) -> Result<i64, LogError> {
        let _ = now;
        Ok(0)
    }
    /// Removes everything at and above `offset`. Durable when it returns.
    pub fn truncate_to(&mut self, offset: i64, now: i64) -> Result<(), LogError> {
        let _ = (offset, now);
        Ok(())
    }
    /// Removes everything and begins again at `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64, now: i64) -> Result<(), LogError> {
        let _ = (offset, now);
        Ok(())
    }
    /// DeleteRecords: moves the log start offset up to `offset` (not beyond the high watermark: the caller sees to that). Returns the new one.
    pub fn delete_records(&mut self, offset: i64, now: i64) -> Result<i64, LogError> {
        let _ = (offset, now);
        Ok(0)
    }
    /// Retention by time, size and log start offset, of segments wholly below `high_watermark`. The files are renamed to `.deleted`;
    /// the caller removes them when their delay is over ([`remove_deleted`]).
    pub fn delete_old_segments(&mut self, high_watermark: i64, now: i64) -> Result<Option<DeletedFiles>, LogError> {
        let _ = (high_watermark, now);
        Ok(None)
    }
    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: i64) {
        let _ = now;
    }
    /// Syncs everything, writes the producer snapshot, trims the indexes.
    pub fn close_clean(&mut self) -> Result<(), LogError> {
        Ok(())
    }
    /// The topic is being deleted: renames the directory to `topic-partition.UUID-delete` and returns its new path, to be removed later.
    pub fn mark_deleted(self, unique: Uuid) -> Result<PathBuf, LogError> {
        let _ = unique;
        Ok(self.dir)
    }
}

/// Removes files whose time has come; files already gone are no error.
pub fn remove_deleted(disk: &dyn Disk, files: &DeletedFiles) -> Result<(), LogError> {
    for path in &files.paths {
        match disk.remove_file(path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::Io { what: "removing", path: path.clone(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
