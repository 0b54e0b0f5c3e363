//! One partition's log: segments one after the other, what is known of its producers and leaders, and how far it is durable.
//! It has one owner, who guards it; only [`SyncTicket`]s and file ranges leave it.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::config::LogConfig;
use crate::disk::{Disk, DiskFile};
use crate::journal::{Tail, Unsynced};
use crate::leader_epoch::LeaderEpochs;
use crate::limits::MARKS_MAX;
use crate::producer_state::{ProducerEntry, ProducerState, snapshot};
use crate::segment::Segment;
use crate::types::{DeletedFiles, LogError, SyncTicket, TopicPartition};

mod append;
mod clean;
mod maintain;
mod open;
mod read;
mod recover;
#[cfg(test)]
mod tests;

pub use open::OpenLog;

/// A partition's log. Not shared: its owner guards it.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    partition: TopicPartition,
    dir: PathBuf,
    config: LogConfig,
    topic_id: Option<Uuid>,
    /// Ascending by base offset, never empty; the last one is active.
    segments: Vec<Segment>,
    start: i64,
    end: i64,
    synced: i64,
    /// How far the journal has what is not synced.
    journaled: Journaled,
    producers: ProducerState,
    /// Offsets at which a producer snapshot lies on disk.
    snapshots: BTreeSet<i64>,
    epochs: LeaderEpochs,
    pending: Pending,
    /// Known boundaries of batches: (offset, base of its segment, position), ascending.
    marks: VecDeque<(i64, i64, u32)>,
    /// Counts truncations: a sync that began before one says nothing about what came after.
    generation: u64,
    offline: bool,
}

/// A place in the log up to which the journal has it.
#[derive(Clone, Copy, Debug, Default)]
struct Journaled {
    offset: i64,
    segment: i64,
    position: u32,
    generation: u64,
}

/// Files and names that must be made durable together with the next batches.
#[derive(Debug, Default)]
struct Pending {
    count: u64,
    files: Vec<(u64, Arc<dyn DiskFile>)>,
    dirs: Vec<(u64, PathBuf)>,
}

impl Pending {
    fn file(&mut self, file: Arc<dyn DiskFile>) {
        self.count += 1;
        self.files.push((self.count, file));
    }

    fn dir(&mut self, dir: &Path) {
        self.count += 1;
        match self.dirs.iter_mut().find(|(_, known)| known == dir) {
            Some(known) => known.0 = self.count,
            None => self.dirs.push((self.count, dir.to_path_buf())),
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.dirs.is_empty()
    }

    fn done(&mut self, up_to: u64) {
        self.files.retain(|(at, _)| *at > up_to);
        self.dirs.retain(|(at, _)| *at > up_to);
    }
}

impl Log {
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
        self.topic_id
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, effective at once.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// First offset that is served. To be kept in the `log-start-offset-checkpoint` when it is not the first segment's base.
    pub fn log_start_offset(&self) -> i64 {
        self.start
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.end
    }

    /// Everything below this offset is durable in the log's own files: goes into `recovery-point-offset-checkpoint`.
    pub fn synced_offset(&self) -> i64 {
        self.synced
    }

    /// Everything below this offset is durable, in the log or in the journal.
    pub fn durable_offset(&self) -> i64 {
        let journaled = self.journaled;
        if journaled.generation == self.generation { self.synced.max(journaled.offset) } else { self.synced }
    }

    /// Below this no transaction is open, given the high watermark.
    pub fn last_stable_offset(&self, high_watermark: i64) -> i64 {
        let first = self.producers.first_unstable_offset(high_watermark);
        // Retention does not wait for the end of a transaction: one that began before the log's start is open from there on.
        first.map_or(high_watermark, |first| first.max(self.start).min(high_watermark))
    }

    /// The high watermark moved: transactions that ended below it need not be remembered.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        self.producers.on_high_watermark(high_watermark);
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.size)).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// What is known of an idempotent producer.
    pub fn producer(&self, producer_id: i64) -> Option<&ProducerEntry> {
        self.producers.producers().get(&producer_id)
    }

    /// The ids and states of all known producers, by id.
    pub fn producers(&self) -> Vec<(i64, ProducerEntry)> {
        let mut all: Vec<_> = self.producers.producers().iter().map(|(id, e)| (*id, e.clone())).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now: i64) {
        self.producers.expire(now, self.config.producer_id_expiration_ms);
    }

    /// Epoch of the newest batch (or of the leader that began and wrote none yet), if any.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest().map(|(epoch, _)| epoch)
    }

    /// Epoch of the leader that wrote the record at `offset`, if known.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        self.epochs.epoch_for(offset)
    }

    /// (epoch, end offset) of the greatest epoch not above `epoch`, as OffsetForLeaderEpoch answers it.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.epochs.end_offset_for(epoch, self.end)
    }

    /// This node became leader in `epoch`: what it appends from the log's end on is of that epoch.
    pub fn assign_epoch(&mut self, epoch: i32, start_offset: i64) -> Result<(), LogError> {
        self.online()?;
        if self.epochs.assign(epoch, start_offset) {
            self.write_epochs()?;
        }
        Ok(())
    }

    /// What must be synced so that everything appended is durable; None when it is. The ticket must be run, and its outcome told
    /// by [`Log::synced`] or [`Log::set_offline`].
    pub fn sync_ticket(&mut self) -> Option<SyncTicket> {
        if self.offline || (self.synced >= self.end && self.pending.is_empty()) {
            return None;
        }
        let mut files: Vec<Arc<dyn DiskFile>> = Vec::with_capacity(1);
        let mut names = false;
        let active = self.segments.len() - 1;
        let written = self.segments[active].write_out_indexes();
        if self.fail("indexing", written).is_err() {
            return None;
        }
        for (at, segment) in self.segments.iter().enumerate().rev() {
            let inactive = at != active;
            if inactive && segment.synced == segment.size && segment.indexes_synced && segment.names_synced {
                break;
            }
            names |= !segment.names_synced;
            if let Err(error) = segment.dirty_files(inactive, &mut files) {
                tracing::error!(partition = %self.partition, %error, "a segment cannot be opened to be synced");
                self.offline = true;
                return None;
            }
        }
        files.extend(self.pending.files.iter().map(|(_, file)| file.clone()));
        let mut dirs: Vec<PathBuf> = self.pending.dirs.iter().map(|(_, dir)| dir.clone()).collect();
        if names && !dirs.contains(&self.dir) {
            dirs.push(self.dir.clone());
        }
        let last = &self.segments[active];
        Some(SyncTicket {
            disk: self.disk.clone(),
            files,
            dirs,
            end_offset: self.end,
            end_segment: last.base,
            end_position: last.size,
            generation: self.generation,
            pending: self.pending.count,
        })
    }

    /// The ticket has run without an error.
    pub fn synced(&mut self, ticket: &SyncTicket) {
        self.pending.done(ticket.pending);
        if ticket.generation != self.generation {
            return;
        }
        for segment in self.segments.iter_mut().rev().skip_while(|s| s.base > ticket.end_segment) {
            if segment.base == ticket.end_segment {
                segment.synced = segment.synced.max(ticket.end_position);
                segment.names_synced = true;
                continue;
            }
            if segment.synced == segment.size && segment.indexes_synced && segment.names_synced {
                break;
            }
            segment.synced = segment.size;
            segment.indexes_synced = true;
            segment.names_synced = true;
        }
        if ticket.end_offset > self.synced {
            self.synced = ticket.end_offset;
            self.mark(ticket.end_offset, ticket.end_segment, ticket.end_position);
        }
    }

    /// What is not durable, neither here nor in the journal.
    pub fn unsynced(&self) -> Unsynced {
        let durable = self.durable_offset();
        if self.offline || (durable >= self.end && self.pending.is_empty()) {
            return Unsynced::Nothing;
        }
        let (Some(topic_id), [closed @ .., active]) = (self.topic_id, self.segments.as_slice()) else {
            return Unsynced::More;
        };
        let is_synced = |s: &Segment| s.synced == s.size && s.indexes_synced && s.names_synced;
        if !self.pending.is_empty() || !active.names_synced || !closed.last().is_none_or(is_synced) {
            return Unsynced::More;
        }
        let journaled = self.journaled;
        let here = journaled.generation == self.generation && journaled.segment == active.base;
        let from = if here { active.synced.max(journaled.position) } else { active.synced };
        match active.log() {
            Ok(file) if from < active.size => Unsynced::Tail(Tail {
                file: Arc::clone(file),
                topic_id,
                partition: self.partition.partition,
                segment: active.base,
                from,
                to: active.size,
                begin_offset: durable,
                end_offset: self.end,
                generation: self.generation,
            }),
            _ => Unsynced::More,
        }
    }

    /// The journal has the tail, durably.
    pub fn journaled(&mut self, tail: &Tail) {
        if tail.generation != self.generation || tail.end_offset <= self.durable_offset() {
            return;
        }
        self.journaled = Journaled {
            offset: tail.end_offset,
            segment: tail.segment,
            position: tail.to,
            generation: tail.generation,
        };
        self.mark(tail.end_offset, tail.segment, tail.to);
    }

    /// A write or sync failed: the log takes nothing more.
    pub fn set_offline(&mut self) {
        self.offline = true;
    }

    /// Whether a write or sync failed.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    fn mark(&mut self, offset: i64, segment: i64, position: u32) {
        if self.marks.back().is_some_and(|(last, _, _)| *last >= offset) {
            return;
        }
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((offset, segment, position));
    }

    fn online(&self) -> Result<(), LogError> {
        if self.offline { Err(LogError::Offline(self.partition.clone())) } else { Ok(()) }
    }

    /// Turns a failed file operation into an error that closes the log.
    fn fail<T>(&mut self, what: &'static str, result: io::Result<T>) -> Result<T, LogError> {
        result.map_err(|source| {
            self.offline = true;
            LogError::Io { what, path: self.dir.clone(), source }
        })
    }

    fn io<T>(&self, what: &'static str, result: io::Result<T>) -> Result<T, LogError> {
        result.map_err(|source| LogError::Io { what, path: self.dir.clone(), source })
    }

    fn write_epochs(&mut self) -> Result<(), LogError> {
        let written = self.epochs.write(&*self.disk);
        let file = self.fail("writing leader-epoch-checkpoint", written)?;
        self.pending.file(file);
        self.pending.dir(&self.dir.clone());
        Ok(())
    }

    /// Writes the producers' state to disk unless one of this offset is there.
    fn take_snapshot(&mut self) -> Result<(), LogError> {
        let offset = self.producers.map_end_offset;
        if offset <= self.snapshots.last().copied().unwrap_or(self.start) {
            return Ok(());
        }
        let path = snapshot::path(&self.dir, offset);
        let written = snapshot::write(&*self.disk, &path, self.producers.producers());
        let file = self.fail("writing a producer snapshot", written)?;
        self.pending.file(file);
        self.pending.dir(&self.dir.clone());
        self.snapshots.insert(offset);
        Ok(())
    }

    /// Place of the segment that holds `offset`: the last one whose base is not above it.
    fn floor_segment(&self, offset: i64) -> usize {
        self.segments.partition_point(|s| s.base <= offset).saturating_sub(1)
    }
}

/// Removes files whose time has come; files already gone are no error.
pub fn remove_deleted(disk: &dyn Disk, files: &DeletedFiles) -> Result<(), LogError> {
    for path in &files.paths {
        match disk.remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(LogError::Io { what: "removing", path: path.clone(), source });
            }
            _ => {}
        }
    }
    Ok(())
}
