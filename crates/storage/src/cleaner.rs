//! Compaction, Kafka's way (Cleaner of org.apache.kafka.storage.internals.log): the dirty part of a log is read into a map of
//! each key's last offset, then the segments are written anew without what has been superseded, a group of small ones into one,
//! and each group takes the place of its sources when it is whole and on the disk. A [`CleanJob`] is made under the log's lock
//! ([`crate::Log::begin_clean`]) and copies without it; [`crate::Log::swap_in`] is a few renames.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use andiron_protocol::batch::{Batch, BatchError, BatchHeader};

use crate::config::LogConfig;
use crate::disk::{Disk, DiskFile};
use crate::limits::CLEANER_PROGRESS_BYTES;
use crate::scan::{Scan, Stopped};
use crate::segment::{Segment, file_name};
use crate::txn_index::{self, AbortedTransaction};
use crate::types::{LogError, TopicPartition, unless_gone};

mod filter;
mod offset_map;
#[cfg(test)]
mod tests;
mod transactions;

use filter::Filter;
pub(crate) use filter::LastRecord;
use offset_map::OffsetMap;
use transactions::Transactions;

/// What a cleaner may use, and a secret of the process.
#[derive(Clone, Copy, Debug)]
pub struct CleanerSettings {
    /// Bytes of the map of keys: `log.cleaner.dedupe.buffer.size` over `log.cleaner.threads`.
    pub map_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`: the map is full when so much of it is taken.
    pub load_factor: f64,
    /// Bytes that are gathered before they are written: `log.cleaner.io.buffer.size` over twice the threads.
    pub buffer_bytes: usize,
    /// Keys are hashed under it.
    pub secret: u128,
}

/// What of a log is dirty, by Kafka's measures (LogCleanerManager.cleanableOffsets, LogToClean).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    /// Everything below was compacted before.
    pub first_dirty: i64,
    /// Nothing from here on may be compacted yet: where a segment begins.
    pub first_uncleanable: i64,
    /// Bytes of segments that begin in the clean part.
    pub clean_bytes: u64,
    /// Bytes of segments that may be compacted and hold something dirty.
    pub cleanable_bytes: u64,
    /// Something in it is older than `max.compaction.lag.ms` allows.
    pub overdue: bool,
    /// The checkpoint had an offset that the log does not have: it is to be written anew with `first_dirty`.
    pub checkpoint_was_invalid: bool,
}

impl Cleanable {
    /// Dirty bytes over all bytes up to the uncleanable part; 0 for an empty log.
    pub fn ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether a log with these settings is to be compacted now.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        (self.overdue && self.cleanable_bytes > 0) || self.ratio() > config.min_cleanable_dirty_ratio
    }
}

/// Why a clean came to no end. The log is as it was, or as the groups before left it.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// Whoever watches the progress said so.
    #[error("the cleaning was stopped")]
    Stopped,
    /// The log was truncated, deleted or lost segments to retention meanwhile.
    #[error("the log has changed under the cleaner")]
    Superseded,
    /// A batch that cannot be read; copying it would hide that.
    #[error("segment {segment} of {partition} cannot be read at position {position}: {reason}")]
    Corrupt {
        /// Which log.
        partition: TopicPartition,
        /// Base offset of the segment.
        segment: i64,
        /// Where in it.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// Not even the first dirty batch's keys have room in the map.
    #[error(
        "the map of {0} keys is too small for one batch: log.cleaner.dedupe.buffer.size may be increased or log.cleaner.threads decreased"
    )]
    MapTooSmall(usize),
    /// A file cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What a clean did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanStats {
    /// Bytes read to build the map.
    pub mapped_bytes: u64,
    /// Keys in the map.
    pub keys: usize,
    /// Bytes of memory that the map may touch.
    pub map_bytes: usize,
    /// Bytes of segments read to be copied.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Records read to be copied.
    pub records_read: u64,
    /// Records kept.
    pub records_kept: u64,
    /// Segments that gave way.
    pub segments_read: usize,
    /// Segments that took their place.
    pub segments_written: usize,
}

/// A segment that is to be rewritten.
#[derive(Debug)]
pub(crate) struct Source {
    pub base: i64,
    /// Base offset of the segment behind it.
    pub next_base: i64,
    pub size: u32,
    pub file: Arc<dyn DiskFile>,
    /// Where the first dirty batch can be found from.
    pub dirty_position: u64,
}

/// A watcher of the work: told of bytes read or written, it may sleep, and says false to stop it.
pub type Progress<'p> = &'p mut dyn FnMut(u64) -> bool;

/// A log being compacted: everything that is needed of it, so that its lock need not be held.
#[derive(Debug)]
pub struct CleanJob {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) partition: TopicPartition,
    pub(crate) dir: PathBuf,
    pub(crate) config: LogConfig,
    pub(crate) now: i64,
    pub(crate) generation: u64,
    pub(crate) first_dirty: i64,
    pub(crate) first_uncleanable: i64,
    /// Segments below `first_uncleanable`, ascending.
    pub(crate) sources: Vec<Source>,
    /// Indexes of aborted transactions of all segments of the log.
    pub(crate) transaction_indexes: Vec<PathBuf>,
    pub(crate) producers: HashMap<i64, LastRecord>,
    pub(crate) work: Work,
}

/// How far a job is.
#[derive(Default)]
pub(crate) struct Work {
    buffer_bytes: usize,
    map: Option<OffsetMap>,
    aborted: Vec<AbortedTransaction>,
    transactions: Transactions,
    groups: VecDeque<Range<usize>>,
    stats: CleanStats,
    unreported: u64,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("groups", &self.groups).field("stats", &self.stats).finish_non_exhaustive()
    }
}

/// A segment that is whole and durable, and the ones whose place it is to take.
#[derive(Debug)]
pub struct CleanedGroup {
    pub(crate) segment: Segment,
    pub(crate) sources: Vec<(i64, Arc<dyn DiskFile>)>,
    pub(crate) generation: u64,
}

impl CleanedGroup {
    /// Removes its files: it is not wanted.
    pub fn discard(self) {
        if let Err(error) = self.segment.discard() {
            tracing::warn!(base = self.segment.base, %error, "a cleaned segment that is not wanted cannot be removed");
        }
    }
}

impl CleanJob {
    /// Reads the dirty part and learns each key's last offset, as far as the map has room.
    pub fn build_map(&mut self, settings: &CleanerSettings, progress: Progress<'_>) -> Result<(), CleanError> {
        let first = self.sources.partition_point(|s| s.next_base <= self.first_dirty);
        let keys = self.first_uncleanable.saturating_sub(self.first_dirty).max(0).unsigned_abs();
        let mut map = OffsetMap::new(settings.map_bytes, settings.load_factor, keys, settings.secret);
        self.work.buffer_bytes = settings.buffer_bytes;
        self.work.aborted = self.read_aborted()?;
        let from = self.sources.get(first).map_or(self.first_dirty, |s| s.base.max(self.first_dirty));
        let mut transactions = Transactions::new(&self.work.aborted, from);
        let mut scratch = Vec::new();
        'segments: for at in first..self.sources.len() {
            let source = &self.sources[at];
            let mut scan = Scan::new(&*source.file, source.dirty_position, u64::from(source.size));
            while let Some((position, batch)) = self.next_batch(source, &mut scan)? {
                if !map_batch(&batch, self.first_dirty, &mut map, &mut transactions, &mut scratch)
                    .map_err(|reason| self.corrupt(source, position, &reason))?
                {
                    break 'segments;
                }
                if batch.header.last_offset() >= self.first_dirty {
                    map.latest = map.latest.max(batch.header.last_offset());
                }
                self.work.stats.mapped_bytes += batch.bytes.len() as u64;
                report(&mut self.work.unreported, batch.bytes.len(), progress)?;
            }
            map.latest = map.latest.max(source.next_base.saturating_sub(1));
        }
        if map.latest < self.first_dirty && first < self.sources.len() {
            return Err(CleanError::MapTooSmall(map.keys()));
        }
        self.work.stats.keys = map.keys();
        self.work.stats.map_bytes = map.bytes();
        let end = map.latest.saturating_add(1);
        self.work.map = Some(map);
        let first = self.sources.first().map_or(0, |s| s.base);
        self.work.transactions = Transactions::new(&self.work.aborted, first);
        self.work.groups = self.group(end)?;
        Ok(())
    }

    /// The offset up to which the log is clean when the job is done.
    pub fn end_offset(&self) -> i64 {
        self.work.map.as_ref().map_or(self.first_dirty, |map| map.latest.saturating_add(1))
    }

    /// What was done so far.
    pub fn stats(&self) -> CleanStats {
        self.work.stats
    }

    /// Writes the next group of segments anew and syncs it; None when there is none left.
    pub fn clean_next(&mut self, progress: Progress<'_>) -> Result<Option<CleanedGroup>, CleanError> {
        let Some(range) = self.work.groups.pop_front() else { return Ok(None) };
        let Some(map) = self.work.map.take() else { return Ok(None) };
        let base = self.sources[range.start].base;
        let created = Segment::create_cleaned(self.disk.clone(), &self.dir, base, &self.config, self.now);
        let mut segment = self.io("creating a cleaned segment", created)?;
        let cleaned = self.copy(range.clone(), &map, &mut segment, progress);
        self.work.map = Some(map);
        if let Err(error) = cleaned {
            // What cannot be removed now is removed at the next start.
            let _ = segment.discard();
            return Err(error);
        }
        self.work.stats.segments_read += range.len();
        self.work.stats.segments_written += 1;
        let sources = self.sources[range].iter().map(|s| (s.base, s.file.clone())).collect();
        Ok(Some(CleanedGroup { segment, sources, generation: self.generation }))
    }

    /// Makes the new names durable: before it the checkpoint must not say that the log is clean.
    pub fn sync_names(&self) -> Result<(), CleanError> {
        self.io("syncing", unless_gone(self.disk.sync_dir(&self.dir)))
    }

    fn copy(
        &mut self,
        range: Range<usize>,
        map: &OffsetMap,
        segment: &mut Segment,
        progress: Progress<'_>,
    ) -> Result<(), CleanError> {
        let filter = Filter {
            now: self.now,
            delete_retention_ms: self.config.delete_retention_ms,
            map,
            producers: &self.producers,
            upper_bound: self.first_uncleanable,
        };
        let mut work = std::mem::take(&mut self.work);
        let copied = range.clone().try_for_each(|at| self.copy_one(at, &filter, segment, &mut work, progress));
        self.work = work;
        copied?;
        let transactions = std::mem::take(&mut self.work.transactions.kept);
        let modified = self.disk.modified_ms(&self.dir.join(file_name(self.sources[range.end - 1].base, "log")));
        let modified = self.io("reading", modified)?;
        let finished = finish(&*self.disk, segment, &transactions, modified);
        self.io("writing a cleaned segment", finished)
    }

    fn copy_one(
        &self,
        at: usize,
        filter: &Filter<'_>,
        segment: &mut Segment,
        work: &mut Work,
        progress: Progress<'_>,
    ) -> Result<(), CleanError> {
        let source = &self.sources[at];
        let mut scan = Scan::new(&*source.file, 0, u64::from(source.size));
        let mut scratch = Vec::new();
        let mut out = Vec::new();
        let mut headers: Vec<BatchHeader> = Vec::new();
        while let Some((position, batch)) = self.next_batch(source, &mut scan)? {
            let kept = filter
                .keep(&batch, &mut work.transactions, &mut scratch, &mut out)
                .map_err(|reason| self.corrupt(source, position, &reason))?;
            work.stats.read_bytes += batch.bytes.len() as u64;
            work.stats.records_read += u64::from(batch.header.record_count.max(0).unsigned_abs());
            if let Some(header) = kept {
                work.stats.records_kept += u64::from(header.record_count.max(0).unsigned_abs());
                headers.push(header);
            }
            let size = batch.bytes.len();
            if out.len() >= work.buffer_bytes {
                self.write(segment, &mut out, &mut headers, work, progress)?;
            }
            report(&mut work.unreported, size, progress)?;
        }
        self.write(segment, &mut out, &mut headers, work, progress)
    }

    fn write(
        &self,
        segment: &mut Segment,
        out: &mut Vec<u8>,
        headers: &mut Vec<BatchHeader>,
        work: &mut Work,
        progress: Progress<'_>,
    ) -> Result<(), CleanError> {
        let written = segment
            .write(&[IoSlice::new(out)])
            .and_then(|()| headers.iter().try_for_each(|header| segment.note(header, &self.config)));
        self.io("writing a cleaned segment", written)?;
        work.stats.written_bytes += out.len() as u64;
        report(&mut work.unreported, out.len(), progress)?;
        out.clear();
        headers.clear();
        Ok(())
    }

    fn next_batch<'b>(&self, source: &Source, scan: &'b mut Scan<'_>) -> Result<Option<(u64, Batch<'b>)>, CleanError> {
        let at = scan.position();
        match scan.next() {
            Ok(Some((position, batch))) => match batch.check_crc() {
                Ok(()) => Ok(Some((position, batch))),
                Err(error) => Err(self.corrupt(source, position, &error)),
            },
            Ok(None) => Ok(None),
            Err(Stopped::Torn) => Err(self.corrupt(source, at, &BatchError::Records("no whole batch"))),
            Err(Stopped::Io(error)) => self.io("reading", Err(error)),
        }
    }

    fn corrupt(&self, source: &Source, position: u64, reason: &BatchError) -> CleanError {
        CleanError::Corrupt {
            partition: self.partition.clone(),
            segment: source.base,
            position,
            reason: reason.to_string(),
        }
    }

    fn io<T>(&self, what: &'static str, result: io::Result<T>) -> Result<T, CleanError> {
        result.map_err(|source| LogError::Io { what, path: self.dir.clone(), source }.into())
    }

    fn read_aborted(&self) -> Result<Vec<AbortedTransaction>, CleanError> {
        let mut all = Vec::new();
        for path in &self.transaction_indexes {
            all.extend(self.io("reading", txn_index::read(&*self.disk, path))?);
        }
        Ok(all)
    }

    /// Which segments below `end` become one: as many as together are no larger, in bytes, index bytes and offsets, than one may be.
    fn group(&self, end: i64) -> Result<VecDeque<Range<usize>>, CleanError> {
        let count = self.sources.partition_point(|s| s.base < end);
        let index_bytes = |source: &Source, suffix| {
            let size = self.disk.file_size(&self.dir.join(file_name(source.base, suffix)));
            self.io("reading", size)
        };
        let (bytes_max, index_max) = (u64::from(self.config.segment_bytes), u64::from(self.config.segment_index_bytes));
        let mut groups: VecDeque<Range<usize>> = VecDeque::new();
        let (mut base, mut bytes, mut index, mut time) = (0, 0, 0, 0);
        for (at, source) in self.sources[..count].iter().enumerate() {
            let size = u64::from(source.size);
            let (own_index, own_time) = (index_bytes(source, "index")?, index_bytes(source, "timeindex")?);
            let joins = groups.back_mut().filter(|_| {
                bytes + size <= bytes_max
                    && index + own_index <= index_max
                    && time + own_time <= index_max
                    && (size == 0 || source.next_base.saturating_sub(1).saturating_sub(base) <= i64::from(i32::MAX))
            });
            match joins {
                Some(group) => {
                    group.end = at + 1;
                    (bytes, index, time) = (bytes + size, index + own_index, time + own_time);
                }
                None => {
                    groups.push_back(at..at + 1);
                    (base, bytes, index, time) = (source.base, size, own_index, own_time);
                }
            }
        }
        Ok(groups)
    }
}

/// Takes a batch's keys into the map; false when it is full.
fn map_batch(
    batch: &Batch<'_>,
    first_dirty: i64,
    map: &mut OffsetMap,
    transactions: &mut Transactions,
    scratch: &mut Vec<u8>,
) -> Result<bool, BatchError> {
    if batch.header.attributes.is_control() {
        transactions.on_control(batch);
        return Ok(true);
    }
    if transactions.on_data(&batch.header) {
        return Ok(true);
    }
    for record in batch.records(scratch)? {
        let record = record?;
        if let Some(key) = record.key
            && record.offset >= first_dirty
            && !map.put(key, record.offset)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells of work when enough has gathered.
fn report(unreported: &mut u64, bytes: usize, progress: Progress<'_>) -> Result<(), CleanError> {
    *unreported += bytes as u64;
    if *unreported < CLEANER_PROGRESS_BYTES {
        return Ok(());
    }
    if progress(std::mem::take(unreported)) { Ok(()) } else { Err(CleanError::Stopped) }
}

/// Brings a cleaned segment to the disk, with the age of what it is made of.
fn finish(
    disk: &dyn Disk,
    segment: &mut Segment,
    transactions: &[AbortedTransaction],
    modified_ms: i64,
) -> io::Result<()> {
    segment.deactivate()?;
    // One of an earlier clean that was stopped may lie there.
    let path = segment.path("txnindex");
    match disk.remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut files = Vec::new();
    segment.dirty_files(true, &mut files)?;
    if !transactions.is_empty() {
        files.push(txn_index::write_all(disk, &path, transactions)?);
    }
    files.iter().try_for_each(|file| file.sync_data())?;
    segment.synced = segment.size;
    segment.indexes_synced = true;
    segment.names_synced = true;
    disk.set_modified_ms(&segment.path("log"), modified_ms)
}
