//! What a node does besides answering: retention, checkpoints, the files of deleted topics, and the clean end.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use andiron_storage::{DeletedFiles, LogDirError, TopicPartition};

use super::Node;
use super::apply::Checkpoints;
use super::metadata_log;
use crate::config::BrokerConfig;
use crate::limits::{DELETIONS_PER_ROUND_MAX, MOVE_RETRY_MS, log_threads};
use crate::shard::Shard;

/// What housekeeping remembers.
#[derive(Default)]
pub(super) struct House {
    pub(super) checkpoints: Checkpoints,
    /// Which of the log directories a partition lives in.
    pub(super) homes: HashMap<TopicPartition, usize>,
    /// The partitions that are to lie in another of them.
    pub(super) moves: BTreeMap<TopicPartition, usize>,
    pub(super) deleted_dirs: Vec<(i64, PathBuf)>,
    pub(super) deleted_files: Vec<DeletedFiles>,
    pub(super) next_retention: i64,
    pub(super) next_high_watermarks: i64,
    pub(super) next_recovery_points: i64,
    pub(super) next_log_starts: i64,
    /// The end of the newest snapshot of the metadata log, and of how many bytes that log then was.
    snapshot_end: i64,
    snapshot_at_bytes: u64,
    next_snapshot: i64,
    written_high_watermarks: Vec<BTreeMap<TopicPartition, i64>>,
}

impl House {
    /// Nothing of it is due at once: a node that starts has better things to do.
    pub(super) fn begin(&mut self, config: &BrokerConfig, snapshot_end: i64, now: i64) {
        self.snapshot_end = snapshot_end;
        self.next_snapshot = now + config.settings.long("metadata.log.max.snapshot.interval.ms").max(1);
        self.next_retention = now + config.settings.long("log.initial.task.delay.ms");
        self.next_high_watermarks = now + config.high_watermark_checkpoint_interval_ms;
        self.next_recovery_points = now + config.flush_checkpoint_interval_ms;
        self.next_log_starts = now + config.log_start_checkpoint_interval_ms;
    }
}

impl Node {
    /// Does what is due of the housekeeping, and says when it is to be called again.
    pub fn keep_house(&self, now: i64) -> i64 {
        self.make_moves(now);
        let (retention, high_watermarks, recovery_points, log_starts) = {
            let mut house = self.house.lock();
            let due = |next: &mut i64, interval: i64| {
                let due = *next <= now;
                if due {
                    *next = now + interval.max(1);
                }
                due
            };
            (
                due(&mut house.next_retention, self.config.retention_check_interval_ms),
                due(&mut house.next_high_watermarks, self.config.high_watermark_checkpoint_interval_ms),
                due(&mut house.next_recovery_points, self.config.flush_checkpoint_interval_ms),
                due(&mut house.next_log_starts, self.config.log_start_checkpoint_interval_ms),
            )
        };
        if retention {
            self.apply_retention(now);
        }
        if recovery_points {
            // What waits for no disk, and what waited for the journal only.
            for shard in self.snapshot().shards().filter(|shard| !self.config.fsync || shard.is_journaled()) {
                shard.sync(&|| now);
            }
            self.write_recovery_points();
        }
        if log_starts {
            self.write_log_starts();
        }
        if high_watermarks {
            self.write_high_watermarks();
        }
        self.snapshot_metadata(now);
        self.remove_deleted(now);
        let house = self.house.lock();
        let checkpoints = house.next_high_watermarks.min(house.next_recovery_points).min(house.next_log_starts);
        let mut next = house.next_retention.min(checkpoints);
        if !house.moves.is_empty() {
            next = next.min(now + MOVE_RETRY_MS);
        }
        next = house.deleted_dirs.iter().map(|(at, _)| *at).min().map_or(next, |at| next.min(at));
        house.deleted_files.iter().map(|files| files.remove_at).min().map_or(next, |at| next.min(at))
    }

    /// Writes a snapshot of the metadata when the log has grown enough since the last one, or enough time has passed.
    fn snapshot_metadata(&self, now: i64) {
        let image = self.snapshot().image.clone();
        let bytes = self.metadata_shard.size();
        {
            let house = self.house.lock();
            let grown = u64::try_from(self.config.settings.long("metadata.log.max.record.bytes.between.snapshots"))
                .is_ok_and(|max| bytes.saturating_sub(house.snapshot_at_bytes) >= max);
            if image.offset() < house.snapshot_end || !(grown || now >= house.next_snapshot) {
                return;
            }
        }
        let written = metadata_log::write_snapshot(&self.metadata_dir, &image, self.voters.as_deref(), now);
        let mut house = self.house.lock();
        house.next_snapshot = now + self.config.settings.long("metadata.log.max.snapshot.interval.ms").max(1);
        house.snapshot_at_bytes = bytes;
        match written {
            Ok(end) => house.snapshot_end = end,
            Err(error) => tracing::error!(%error, "cannot write a snapshot of the metadata"),
        }
    }

    fn apply_retention(&self, now: i64) {
        let mut moved = false;
        let cleaned_elsewhere = self.cleaner_threads() > 0;
        for shard in self.snapshot().shards() {
            // Compacted logs are the cleaner's, which never is at work on one while it does this.
            if !(cleaned_elsewhere && shard.is_compacted()) {
                moved |= self.apply_retention_to(shard, now);
            }
        }
        if moved {
            // What is deleted must stay deleted: the log start is known before the files go.
            self.write_log_starts();
        }
    }

    /// Retention of one log; true when something went.
    pub(crate) fn apply_retention_to(&self, shard: &Shard, now: i64) -> bool {
        match shard.keep_house(now) {
            Ok(None) => false,
            Ok(Some(files)) => {
                self.remove_files_later(files);
                true
            }
            Err(error) => {
                tracing::error!(topic = %shard.topic, partition = shard.partition, %error, "retention failed");
                false
            }
        }
    }

    /// The files are removed when their delay is over.
    pub(crate) fn remove_files_later(&self, files: DeletedFiles) {
        self.house.lock().deleted_files.push(files);
    }

    /// Which log directory a partition lives in.
    pub(crate) fn home_of(&self, partition: &TopicPartition) -> Option<usize> {
        self.house.lock().homes.get(partition).copied()
    }

    /// Writes `cleaner-offset-checkpoint` of a log directory.
    pub(crate) fn write_cleaner_offsets(&self, dir: usize, offsets: &BTreeMap<TopicPartition, i64>) {
        if let Some(dir) = self.dirs.get(dir) {
            warn(dir.write_cleaner_offsets(offsets), "cleaner-offset-checkpoint");
        }
    }

    fn remove_deleted(&self, now: i64) {
        let (dirs, files) = {
            let mut house = self.house.lock();
            let (mut due, mut later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut house.deleted_dirs).into_iter().partition(|(at, _)| *at <= now);
            // A few at a time: between them the node may be asked to stop.
            later.extend(due.split_off(due.len().min(DELETIONS_PER_ROUND_MAX)));
            house.deleted_dirs = later;
            let (files, later) =
                std::mem::take(&mut house.deleted_files).into_iter().partition(|files| files.remove_at <= now);
            house.deleted_files = later;
            let files: Vec<DeletedFiles> = files;
            (due, files)
        };
        for (_, dir) in dirs {
            if let Err(error) = self.disk.remove_dir_all(&dir) {
                tracing::warn!(dir = %dir.display(), %error, "cannot remove a deleted log");
            }
        }
        for files in files {
            if let Err(error) = andiron_storage::log::remove_deleted(&*self.disk, &files) {
                tracing::warn!(%error, "cannot remove a deleted segment");
            }
        }
    }

    /// For each log directory what `of` says of its partitions.
    fn by_dir(&self, of: impl Fn((i64, i64, i64)) -> i64, with_metadata: bool) -> Vec<BTreeMap<TopicPartition, i64>> {
        let mut all = vec![BTreeMap::new(); self.dirs.len()];
        let snapshot = self.snapshot();
        let house = self.house.lock();
        let metadata = with_metadata.then_some(&self.metadata_shard);
        for shard in snapshot.shards().chain(metadata) {
            let name = TopicPartition::new(&shard.topic, shard.partition);
            let at = house.homes.get(&name).copied().unwrap_or(0);
            if let (Some(offsets), Some(checkpoint)) = (all.get_mut(at), shard.checkpoint()) {
                offsets.insert(name, of(checkpoint));
            }
        }
        all
    }

    /// Forgets what the checkpoints say of partitions that have no directory any more: those of deleted topics, and those set
    /// aside. A topic of the same name may come.
    pub(super) fn forget_the_gone(&self) {
        let mut house = self.house.lock();
        let House { checkpoints, homes, .. } = &mut *house;
        for (at, dir) in self.dirs.iter().enumerate() {
            let here = |name: &TopicPartition| homes.get(name) == Some(&at);
            forget(dir.recovery_points(), here, |left| dir.write_recovery_points(left));
            forget(dir.log_start_offsets(), here, |left| dir.write_log_start_offsets(left));
            forget(dir.high_watermarks(), here, |left| dir.write_high_watermarks(left));
            self.forget_cleaned(at, here);
        }
        for offsets in [&mut checkpoints.recovery_points, &mut checkpoints.log_starts, &mut checkpoints.high_watermarks]
        {
            offsets.retain(|name, _| homes.contains_key(name));
        }
    }

    pub(super) fn write_recovery_points(&self) {
        for (dir, offsets) in self.dirs.iter().zip(self.by_dir(|(recovery, _, _)| recovery, false)) {
            warn(dir.write_recovery_points(&offsets), "recovery-point-offset-checkpoint");
        }
    }

    pub(crate) fn write_log_starts(&self) {
        for (dir, mut offsets) in self.dirs.iter().zip(self.by_dir(|(_, _, start)| start, false)) {
            offsets.retain(|_, start| *start > 0);
            warn(dir.write_log_start_offsets(&offsets), "log-start-offset-checkpoint");
        }
    }

    pub(super) fn write_high_watermarks(&self) {
        let all = self.by_dir(|(_, high_watermark, _)| high_watermark, false);
        if self.house.lock().written_high_watermarks == all {
            return;
        }
        for (dir, offsets) in self.dirs.iter().zip(&all) {
            warn(dir.write_high_watermarks(offsets), "replication-offset-checkpoint");
        }
        self.house.lock().written_high_watermarks = all;
    }

    /// The clean end: everything is on the disk, the checkpoints say so, and last of all the mark is set. To be called when
    /// no other thread works for the node any more.
    pub fn close(&self, now: i64) {
        self.leave_cluster(now);
        let snapshot = self.snapshot();
        let shards: Vec<&Arc<Shard>> = snapshot.shards().chain([&self.metadata_shard]).collect();
        let threads = log_threads(shards.len());
        let whole = std::thread::scope(|scope| {
            let failed = |some: &[&Arc<Shard>]| some.iter().filter(|shard| !close(shard, now)).count();
            let workers: Vec<_> =
                shards.chunks(shards.len().div_ceil(threads)).map(|some| scope.spawn(move || failed(some))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap_or(1)).sum::<usize>() == 0
        });
        self.write_recovery_points();
        self.write_log_starts();
        self.write_high_watermarks();
        let (records, syncs) = self.syncs.totals();
        tracing::info!("fdatasync: {records} records in {syncs} syncs");
        if !whole {
            return;
        }
        self.journals.remove();
        for dir in &self.dirs {
            let epoch = self.broker_epoch.load(Ordering::Acquire);
            warn(Arc::as_ref(dir).mark_clean(epoch), ".kafka_cleanshutdown");
        }
    }
}

fn close(shard: &Arc<Shard>, now: i64) -> bool {
    shard.sync(&|| now);
    match shard.close() {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(topic = %shard.topic, partition = shard.partition, %error, "cannot close the log");
            false
        }
    }
}

/// Writes a checkpoint without what is not `here`, if it had any such.
fn forget(
    offsets: Result<BTreeMap<TopicPartition, i64>, LogDirError>,
    here: impl Fn(&TopicPartition) -> bool,
    write: impl Fn(&BTreeMap<TopicPartition, i64>) -> Result<(), LogDirError>,
) {
    let left = offsets.and_then(|mut offsets| {
        let before = offsets.len();
        offsets.retain(|name, _| here(name));
        if offsets.len() < before { write(&offsets) } else { Ok(()) }
    });
    warn(left, "a checkpoint");
}

fn warn(result: Result<(), LogDirError>, what: &str) {
    if let Err(error) = result {
        tracing::error!(%error, "cannot write {what}");
    }
}
