//! Compaction as the log sees it: what is dirty, a job over it, and the moment in which cleaned segments take the place of others.

use std::path::PathBuf;
use std::sync::Arc;

use super::Log;
use crate::cleaner::{CleanError, CleanJob, Cleanable, CleanedGroup, LastRecord, Source, Work};
use crate::producer_state::snapshot;
use crate::segment::{DELETED, SWAP, Segment, file_name};
use crate::types::{DeletedFiles, LogError};

impl Log {
    /// What of the log is dirty. `checkpoint` is the log's entry in `cleaner-offset-checkpoint`, `last_stable` its last stable offset.
    /// Nothing is cleaned in the active segment, at or above the last stable offset, that is not durable, or that is younger than
    /// `min.compaction.lag.ms`.
    pub fn cleanable(&mut self, checkpoint: Option<i64>, last_stable: i64, now: i64) -> Result<Cleanable, LogError> {
        let (first_dirty, checkpoint_was_invalid) = match checkpoint {
            Some(offset) if offset < self.start || offset > self.end => {
                // With both policies retention overtakes the cleaner as a matter of course.
                if offset > self.end || !self.config.delete {
                    tracing::warn!(partition = %self.partition, offset, start = self.start, end = self.end, "the cleaner's checkpoint is no offset of the log: it is cleaned from its start");
                }
                (self.start, true)
            }
            Some(offset) => (offset, false),
            None => (self.start, false),
        };
        let active = self.segments.len() - 1;
        let dirty = self.floor_segment(first_dirty).min(active);
        let mut bound = last_stable.min(self.synced).min(self.segments[active].base);
        if self.config.min_compaction_lag_ms > 0 {
            let young = now.saturating_sub(self.config.min_compaction_lag_ms);
            for segment in &self.segments[dirty..active] {
                if self.io("reading", segment.max_timestamp())?.0 > young {
                    bound = bound.min(segment.base);
                    break;
                }
            }
        }
        let bound = self.floor_segment(bound.max(first_dirty)).min(active);
        let bytes = |segments: &[Segment]| segments.iter().map(|s| u64::from(s.size)).sum();
        let clean = self.segments.partition_point(|s| s.base < first_dirty);
        let cleanable = Cleanable {
            first_dirty,
            first_uncleanable: self.segments[bound].base,
            clean_bytes: bytes(&self.segments[..clean]),
            cleanable_bytes: bytes(&self.segments[dirty.min(bound)..bound]),
            overdue: self.is_overdue(dirty, active, now)?,
            checkpoint_was_invalid,
        };
        Ok(cleanable)
    }

    /// Whether a segment that is not active and not clean began longer ago than `max.compaction.lag.ms` allows.
    fn is_overdue(&mut self, dirty: usize, active: usize, now: i64) -> Result<bool, LogError> {
        let lag = self.config.max_compaction_lag_ms.max(0);
        if lag == i64::MAX {
            return Ok(false);
        }
        let mut first = i64::MAX;
        for at in dirty..active {
            let loaded = self.segments[at].load_first_timestamp();
            self.io("reading", loaded)?;
            first = self.segments[at].first_timestamp().filter(|t| *t > 0).map_or(first, |t| first.min(t));
        }
        Ok(first < now.saturating_sub(lag))
    }

    /// A job that compacts what was found to be cleanable. The log may go on meanwhile; it must not be cleaned by two at once.
    pub fn begin_clean(&mut self, cleanable: &Cleanable, now: i64) -> Result<CleanJob, LogError> {
        self.online()?;
        let count = self.segments.partition_point(|s| s.base < cleanable.first_uncleanable);
        let mut sources = Vec::with_capacity(count);
        for (at, segment) in self.segments[..count].iter().enumerate() {
            let next_base = self.segments.get(at + 1).map_or(self.end, |s| s.base);
            let dirty_position = if segment.base >= cleanable.first_dirty {
                0
            } else if next_base > cleanable.first_dirty {
                self.io("reading", segment.floor_position(cleanable.first_dirty))?
            } else {
                u64::from(segment.size)
            };
            let file = self.io("reading", segment.log())?.clone();
            sources.push(Source { base: segment.base, next_base, size: segment.size, file, dirty_position });
        }
        let producers = self.producers.producers().iter().map(|(id, entry)| {
            let last = LastRecord { data_offset: entry.batches.last().map(|b| b.last_offset), epoch: entry.epoch };
            (*id, last)
        });
        Ok(CleanJob {
            disk: self.disk.clone(),
            partition: self.partition.clone(),
            dir: self.dir.clone(),
            config: self.config.clone(),
            now,
            generation: self.generation,
            first_dirty: cleanable.first_dirty,
            first_uncleanable: cleanable.first_uncleanable,
            sources,
            transaction_indexes: self.segments.iter().map(|s| s.path("txnindex")).collect(),
            producers: producers.collect(),
            work: Work::default(),
        })
    }

    /// A cleaned segment takes the place of its sources, which are renamed to `.deleted`; the caller removes them when their delay is
    /// over ([`super::remove_deleted`]). Kafka's order of renames (LocalLog.replaceSegments): whatever part of it a crash leaves, a
    /// start finishes it or finds the sources.
    pub fn swap_in(&mut self, group: CleanedGroup, now: i64) -> Result<DeletedFiles, CleanError> {
        self.online()?;
        let Some(at) = self.place_of(&group) else {
            group.discard();
            return Err(CleanError::Superseded);
        };
        let mut segment = group.segment;
        let staged = segment.restage(SWAP);
        self.fail("swapping in a cleaned segment", staged)?;
        let mut paths = Vec::new();
        let range = at..at + group.sources.len();
        for old in range.clone() {
            let marked = self.segments[old].mark_deleted(&mut paths);
            self.fail("deleting a segment", marked)?;
        }
        let staged = segment.restage("");
        self.fail("swapping in a cleaned segment", staged)?;
        let old: Vec<i64> = self.segments.splice(range, [segment]).map(|s| s.base).collect();
        for base in old.iter().skip(1) {
            self.mark_snapshot_deleted(*base, &mut paths)?;
        }
        self.marks.retain(|(_, base, _)| !old.contains(base));
        Ok(DeletedFiles { paths, remove_at: now.saturating_add(self.config.file_delete_delay_ms) })
    }

    /// Where the sources of a group stand, if they all still do.
    fn place_of(&self, group: &CleanedGroup) -> Option<usize> {
        let (base, _) = group.sources.first()?;
        let at = self.segments.binary_search_by_key(base, |s| s.base).ok()?;
        let there = self.segments.get(at..at + group.sources.len())?;
        let same = |(segment, (base, file)): (&Segment, &(i64, _))| {
            segment.base == *base && segment.log().is_ok_and(|log| Arc::ptr_eq(log, file))
        };
        (group.generation == self.generation && there.iter().zip(&group.sources).all(same)).then_some(at)
    }

    /// Renames the producers' snapshot at `base`, if there is one, to `.deleted`.
    pub(super) fn mark_snapshot_deleted(&mut self, base: i64, paths: &mut Vec<PathBuf>) -> Result<(), LogError> {
        if !self.snapshots.remove(&base) {
            return Ok(());
        }
        let from = snapshot::path(&self.dir, base);
        let to = self.dir.join(file_name(base, "snapshot") + DELETED);
        let renamed = self.disk.rename(&from, &to);
        self.fail("deleting a snapshot", renamed)?;
        paths.push(to);
        Ok(())
    }
}
