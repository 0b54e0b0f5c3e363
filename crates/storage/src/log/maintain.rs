//! What keeps a log in bounds: roll, truncate, retention, closing and deletion.

use std::path::PathBuf;

use uuid::Uuid;

use super::Log;
use crate::producer_state::snapshot;
use crate::segment::Segment;
use crate::types::{DeletedFiles, LogError, unless_gone};

impl Log {
    /// Begins a new segment at the log's end and returns its base offset. An empty active segment stays what it is.
    pub fn roll(&mut self, now: i64) -> Result<i64, LogError> {
        self.online()?;
        let end = self.end;
        let active = self.active_mut();
        if active.size == 0 && active.base == end {
            return Ok(end);
        }
        let trimmed = active.deactivate();
        self.fail("rolling", trimmed)?;
        if self.config.compact {
            // A crash may take the end of a segment and leave the next one. Elsewhere the hole between them shows it; here holes are
            // what compaction leaves.
            let active = self.active_mut();
            let synced = active.log().and_then(|log| log.sync_data());
            active.synced = active.size;
            self.fail("rolling", synced)?;
        }
        self.producers.map_end_offset = end;
        self.take_snapshot()?;
        let created = Segment::create(self.disk.clone(), &self.dir, end, &self.config, now);
        let segment = self.fail("rolling", created)?;
        // An active segment that never got a batch but lies below the end gives way.
        if let Some(empty) = self.segments.pop_if(|s| s.size == 0) {
            let removed = empty.remove();
            self.fail("rolling", removed)?;
        }
        self.segments.push(segment);
        Ok(end)
    }

    /// Removes everything at and above `offset`, durably. The recovery point falls with it: the caller writes the
    /// `recovery-point-offset-checkpoint` before it appends again.
    pub fn truncate_to(&mut self, offset: i64, now: i64) -> Result<(), LogError> {
        self.online()?;
        if offset >= self.end {
            return Ok(());
        }
        if offset <= self.segments[0].base {
            return self.truncate_fully_and_start_at(offset, now);
        }
        self.generation += 1;
        self.marks.clear();
        let keep = self.segments.partition_point(|s| s.base < offset);
        self.drop_segments_from(keep)?;
        let config = self.config.clone();
        let active = self.active_mut();
        let cut = active.truncate(offset, &config).and_then(|_| active.load_first_timestamp());
        self.fail("truncating", cut)?;
        let active = self.active_mut();
        let next = active.read_next_offset();
        let synced = active.log().and_then(|f| f.sync_data());
        self.fail("truncating", synced)?;
        let (next, _) = self.fail("truncating", next)?;
        self.end = next.max(self.start.min(offset));
        self.synced = self.synced.min(self.end);
        self.start = self.start.min(self.end);
        if self.epochs.truncate_from_end(self.end) {
            self.write_epochs()?;
        }
        self.reload_producers(now, None)?;
        self.sync_names()
    }

    /// Removes everything and begins again at `offset`, durably.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64, now: i64) -> Result<(), LogError> {
        self.online()?;
        self.generation += 1;
        self.marks.clear();
        self.drop_segments_from(0)?;
        self.begin_at(offset, now)?;
        self.epochs.clear();
        self.write_epochs()?;
        self.producers.clear();
        self.remove_snapshots(|_| true)?;
        self.producers.map_end_offset = offset;
        self.sync_names()
    }

    /// A first segment at `offset`, of a log without segments.
    pub(super) fn begin_at(&mut self, offset: i64, now: i64) -> Result<(), LogError> {
        let created = Segment::create(self.disk.clone(), &self.dir, offset, &self.config, now);
        let segment = self.fail("creating a segment", created)?;
        self.segments.push(segment);
        (self.start, self.end, self.synced) = (offset, offset, offset);
        Ok(())
    }

    /// Removes segments from the end down, so that a crash leaves a log without a hole.
    pub(super) fn drop_segments_from(&mut self, keep: usize) -> Result<(), LogError> {
        while self.segments.len() > keep {
            if let Some(segment) = self.segments.pop() {
                let removed = segment.remove();
                self.fail("removing a segment", removed)?;
            }
        }
        Ok(())
    }

    pub(super) fn sync_names(&mut self) -> Result<(), LogError> {
        let synced = self.disk.sync_dir(&self.dir);
        self.fail("syncing", synced)
    }

    pub(super) fn remove_snapshots(&mut self, which: impl Fn(i64) -> bool) -> Result<(), LogError> {
        let gone: Vec<i64> = self.snapshots.iter().copied().filter(|offset| which(*offset)).collect();
        for offset in gone {
            match self.disk.remove_file(&snapshot::path(&self.dir, offset)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return self.fail("removing a snapshot", Err(e)),
                _ => _ = self.snapshots.remove(&offset),
            }
        }
        Ok(())
    }

    /// DeleteRecords: moves the log start offset up to `offset` (not beyond the high watermark: the caller sees to that, and writes
    /// the `log-start-offset-checkpoint`). Returns the new one. Files go with [`Log::delete_old_segments`].
    pub fn delete_records(&mut self, offset: i64) -> Result<i64, LogError> {
        self.online()?;
        self.move_start(offset.min(self.end))?;
        Ok(self.start)
    }

    fn move_start(&mut self, offset: i64) -> Result<(), LogError> {
        if offset > self.start {
            self.start = offset;
            self.producers.on_log_start(offset);
            if self.epochs.truncate_from_start(offset) {
                self.write_epochs()?;
            }
        }
        Ok(())
    }

    /// Retention by log start offset, size and time, of segments wholly below `high_watermark`. The files are renamed to `.deleted`;
    /// the caller removes them when their delay is over ([`super::remove_deleted`]).
    pub fn delete_old_segments(&mut self, high_watermark: i64, now: i64) -> Result<Option<DeletedFiles>, LogError> {
        self.online()?;
        let mut count = 0;
        let total = self.size();
        let mut over = match self.config.retention_bytes {
            bytes if bytes >= 0 && self.config.delete => total.saturating_sub(bytes as u64),
            _ => 0,
        };
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).map_or(self.end, |s| s.base);
            let last_and_empty = at + 1 == self.segments.len() && segment.size == 0;
            if high_watermark < next || last_and_empty {
                break;
            }
            let before_start = at + 1 < self.segments.len() && next <= self.start;
            let by_size = self.config.delete && segment.size > 0 && over >= u64::from(segment.size);
            let by_time = self.config.delete && self.config.retention_ms >= 0 && {
                let newest = match self.io("reading", segment.max_timestamp())?.0 {
                    timestamp if timestamp >= 0 => timestamp,
                    _ => self.io("reading", self.disk.modified_ms(&segment.path("log")))?,
                };
                now.saturating_sub(newest) > self.config.retention_ms
            };
            if !(before_start || by_size || by_time) {
                break;
            }
            over = over.saturating_sub(u64::from(segment.size));
            count = at + 1;
        }
        if count == 0 {
            return Ok(None);
        }
        if count == self.segments.len() {
            self.roll(now)?;
        }
        let mut paths = Vec::new();
        let mut bases = Vec::with_capacity(count);
        for segment in self.segments.drain(..count).collect::<Vec<_>>() {
            let marked = segment.mark_deleted(&mut paths);
            self.fail("deleting a segment", marked)?;
            bases.push(segment.base);
        }
        for base in bases {
            self.mark_snapshot_deleted(base, &mut paths)?;
        }
        let first = self.segments[0].base;
        self.marks.retain(|(_, segment, _)| *segment >= first);
        self.move_start(first)?;
        self.pending.dir(&self.dir.clone());
        Ok(Some(DeletedFiles { paths, remove_at: now.saturating_add(self.config.file_delete_delay_ms) }))
    }

    /// Writes the producers' snapshot, trims the indexes, syncs everything: a start behind it needs no recovery. The log takes
    /// nothing more.
    pub fn close_clean(&mut self) -> Result<(), LogError> {
        self.online()?;
        self.producers.map_end_offset = self.end;
        self.take_snapshot()?;
        let trimmed = self.active_mut().deactivate();
        self.fail("closing", trimmed)?;
        let mut files = Vec::new();
        let mut dirty = Ok(());
        let mut names = false;
        let unsynced = |s: &&Segment| !s.indexes_synced || !s.names_synced || s.synced < s.size;
        // The active one may be untouched where the one before it is not: it was rolled to just now.
        for (at, segment) in self.segments.iter().rev().enumerate() {
            if at > 0 && !unsynced(&segment) {
                break;
            }
            names |= !segment.names_synced;
            dirty = dirty.and_then(|()| segment.dirty_files(true, &mut files));
        }
        self.fail("closing", dirty)?;
        files.extend(self.pending.files.drain(..).map(|(_, file)| file));
        let mut synced = files.iter().try_for_each(|file| unless_gone(file.sync_data()));
        for (_, dir) in std::mem::take(&mut self.pending.dirs) {
            synced = synced.and_then(|()| unless_gone(self.disk.sync_dir(&dir)));
        }
        if names {
            synced = synced.and_then(|()| self.disk.sync_dir(&self.dir));
        }
        self.fail("closing", synced)?;
        self.synced = self.end;
        self.offline = true;
        Ok(())
    }

    /// The log is not needed any more, as its topic was deleted or it lies elsewhere: renames the directory, durably, and returns
    /// its new path, to be removed later. The log takes nothing more.
    pub fn mark_deleted(&mut self, unique: Uuid) -> Result<PathBuf, LogError> {
        self.offline = true;
        let parent = self.dir.parent().map(PathBuf::from).unwrap_or_default();
        let to = parent.join(self.partition.dir_name_as("delete", unique));
        self.io("deleting", self.disk.rename(&self.dir, &to))?;
        for segment in &mut self.segments {
            segment.moved(&to);
        }
        self.epochs.moved(&to);
        self.io("deleting", self.disk.sync_dir(&parent))?;
        Ok(to)
    }
}
