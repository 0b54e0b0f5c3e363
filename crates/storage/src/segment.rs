//! One segment: a stretch of the log in a file of its own, with its indexes. Files are opened when first used.

use std::hash::{Hash, Hasher};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use andiron_protocol::batch::{BatchHeader, NO_TIMESTAMP};

use crate::config::LogConfig;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::index::{Entry, Index, OffsetEntry, TimeEntry};
use crate::scan::find_header;

/// The files a segment may consist of.
pub(crate) const SUFFIXES: [&str; 4] = ["log", "index", "timeindex", "txnindex"];
/// What a file is called from its removal until it is gone.
pub(crate) const DELETED: &str = ".deleted";
/// What the files of a segment are called while compaction writes them: of no account after a crash.
pub(crate) const CLEANED: &str = ".cleaned";
/// What they are called when they are whole and about to take the place of others: a start finishes that.
pub(crate) const SWAP: &str = ".swap";

/// The name of a segment's file.
pub(crate) fn file_name(base: i64, suffix: &str) -> String {
    format!("{base:020}.{suffix}")
}

/// The base offset and the suffix of a segment's (or snapshot's) file name.
pub(crate) fn parse_file_name(name: &str) -> Option<(i64, &str)> {
    let (base, suffix) = name.split_once('.')?;
    if base.len() != 20 || !base.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((base.parse().ok()?, suffix))
}

/// Removes a segment's files, the log first.
pub(crate) fn remove_files(disk: &dyn Disk, dir: &Path, base: i64) -> io::Result<()> {
    for suffix in SUFFIXES {
        match disk.remove_file(&dir.join(file_name(base, suffix))) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// What an empty segment has for its greatest timestamp.
const NOTHING: TimeEntry = TimeEntry { timestamp: NO_TIMESTAMP, relative_offset: 0 };

/// A segment.
#[derive(Debug)]
pub(crate) struct Segment {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// What stands behind the names of its files: nothing, or [`CLEANED`], or [`SWAP`].
    stage: &'static str,
    pub base: i64,
    /// Bytes of whole batches in the log file.
    pub size: u32,
    log: OnceLock<Arc<dyn DiskFile>>,
    index: OnceLock<Index<OffsetEntry>>,
    time: OnceLock<Index<TimeEntry>>,
    /// Greatest timestamp and the last offset of its batch; None when not looked up yet.
    max_timestamp: OnceLock<TimeEntry>,
    bytes_since_index: u32,
    /// Max timestamp of the first batch: the age of a segment counts from it.
    first_timestamp: Option<i64>,
    /// When the segment was made (or opened), for one whose batches have no timestamp.
    created: i64,
    /// `segment.jitter.ms`, drawn for this segment: it is rolled so much earlier.
    jitter_ms: i64,
    /// Bytes of the log file that are durable.
    pub synced: u32,
    /// The names of its files are durable.
    pub names_synced: bool,
    /// The indexes and their lengths are durable.
    pub indexes_synced: bool,
}

fn relative(base: i64, offset: i64) -> Option<u32> {
    // Kafka counts relative offsets as signed.
    offset.checked_sub(base).and_then(|d| i32::try_from(d).ok()).and_then(|d| u32::try_from(d).ok())
}

/// Some number below `config.segment_jitter_ms` (and `segment.ms`): logs that were begun together are so not rolled together.
fn draw_jitter(dir: &Path, base: i64, config: &LogConfig, now: i64) -> i64 {
    let below = config.segment_jitter_ms.min(config.segment_ms);
    if below <= 0 {
        return 0;
    }
    let mut hasher = std::hash::DefaultHasher::new();
    (dir, base, now).hash(&mut hasher);
    (hasher.finish() % below.unsigned_abs()) as i64
}

impl Segment {
    /// A new, empty segment; files of that name are emptied.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, base: i64, config: &LogConfig, now: i64) -> io::Result<Segment> {
        let mut segment = Segment::existing(disk, dir, base, 0, now);
        segment.jitter_ms = draw_jitter(dir, base, config, now);
        segment.begin(config)?;
        Ok(segment)
    }

    /// A new, empty segment for compaction to write, in files [`CLEANED`].
    pub fn create_cleaned(
        disk: Arc<dyn Disk>,
        dir: &Path,
        base: i64,
        config: &LogConfig,
        now: i64,
    ) -> io::Result<Segment> {
        let mut segment = Segment::existing(disk, dir, base, 0, now);
        segment.stage = CLEANED;
        segment.begin(config)?;
        Ok(segment)
    }

    fn begin(&mut self, config: &LogConfig) -> io::Result<()> {
        self.log = OnceLock::from(self.disk.open(&self.path("log"), OpenMode::Truncate)?);
        self.synced = 0;
        self.names_synced = false;
        self.new_indexes(config)
    }

    /// A segment found on disk.
    pub fn existing(disk: Arc<dyn Disk>, dir: &Path, base: i64, size: u32, now: i64) -> Segment {
        Segment {
            disk,
            dir: dir.to_path_buf(),
            stage: "",
            base,
            size,
            log: OnceLock::new(),
            index: OnceLock::new(),
            time: OnceLock::new(),
            max_timestamp: OnceLock::new(),
            bytes_since_index: 0,
            first_timestamp: None,
            created: now,
            jitter_ms: 0,
            synced: size,
            names_synced: true,
            indexes_synced: true,
        }
    }

    pub fn path(&self, suffix: &str) -> PathBuf {
        self.dir.join(file_name(self.base, suffix) + self.stage)
    }

    pub fn log(&self) -> io::Result<&Arc<dyn DiskFile>> {
        if let Some(file) = self.log.get() {
            return Ok(file);
        }
        let file = self.disk.open(&self.path("log"), OpenMode::Write)?;
        Ok(self.log.get_or_init(|| file))
    }

    fn index(&self) -> io::Result<&Index<OffsetEntry>> {
        if let Some(index) = self.index.get() {
            return Ok(index);
        }
        let index = Index::open(&*self.disk, &self.path("index"))?;
        Ok(self.index.get_or_init(|| index))
    }

    fn time(&self) -> io::Result<&Index<TimeEntry>> {
        if let Some(index) = self.time.get() {
            return Ok(index);
        }
        let index = Index::open(&*self.disk, &self.path("timeindex"))?;
        Ok(self.time.get_or_init(|| index))
    }

    /// Begins both indexes anew.
    pub fn new_indexes(&mut self, config: &LogConfig) -> io::Result<()> {
        self.index = OnceLock::from(Index::create(&*self.disk, &self.path("index"), config.segment_index_bytes)?);
        self.time = OnceLock::from(Index::create(&*self.disk, &self.path("timeindex"), config.segment_index_bytes)?);
        self.max_timestamp = OnceLock::from(NOTHING);
        self.bytes_since_index = 0;
        self.indexes_synced = false;
        Ok(())
    }

    /// Whether the indexes are there and, looked into when `full`, can be true: Kafka's own checks.
    pub fn indexes_are_sane(&self, full: bool) -> io::Result<bool> {
        for (suffix, bytes) in [("index", OffsetEntry::BYTES), ("timeindex", TimeEntry::BYTES)] {
            match self.disk.file_size(&self.path(suffix)) {
                Ok(size) if size % bytes as u64 == 0 => {}
                Ok(_) => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        if !full {
            return Ok(true);
        }
        let index = self.index()?;
        let last = index.last();
        let offsets = last.is_none_or(|e| (e.relative_offset > 0 || index.len() == 1) && e.position < self.size.max(1));
        let time = self.time()?;
        let times = match time.last() {
            None => true,
            Some(last) => last.timestamp >= time.get(0)?.timestamp,
        };
        Ok(offsets && times && (self.size > 0 || (index.len() == 0 && time.len() == 0)))
    }

    /// Makes ready for appends: index files extended; timestamps known.
    pub fn activate(&mut self, config: &LogConfig) -> io::Result<()> {
        self.jitter_ms = draw_jitter(&self.dir, self.base, config, self.created);
        self.index()?;
        self.time()?;
        if let (Some(index), Some(time)) = (self.index.get_mut(), self.time.get_mut()) {
            index.activate(config.segment_index_bytes);
            time.activate(config.segment_index_bytes);
        }
        self.best()?;
        let position = self.index()?.last().map_or(0, |e| e.position);
        self.bytes_since_index = self.size.saturating_sub(position);
        Ok(())
    }

    /// Offset behind the last record and position behind the last whole batch, found by walking from the last index entry.
    pub fn read_next_offset(&self) -> io::Result<(i64, u32)> {
        let mut end = self.index()?.last().map_or(0, |e| e.position);
        let mut next = self.base;
        find_header(&**self.log()?, u64::from(end), u64::from(self.size), |h, position| {
            next = h.next_offset();
            end = (position + h.size() as u64) as u32;
            false
        })?;
        Ok((next, end))
    }

    /// Writes bytes behind the segment's end. [`Segment::note`] must follow for each batch in them.
    pub fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.log()?.write_at(parts, u64::from(self.size))
    }

    /// Takes a batch into account that stands at the segment's end: indexes, timestamps, size.
    pub fn note(&mut self, header: &BatchHeader, config: &LogConfig) -> io::Result<()> {
        let last = header.last_offset();
        let relative = relative(self.base, last).ok_or_else(|| io::Error::other("offset too large for its segment"))?;
        if header.max_timestamp > self.best()?.timestamp {
            let best = TimeEntry { timestamp: header.max_timestamp, relative_offset: relative };
            self.max_timestamp = OnceLock::from(best);
        }
        if self.first_timestamp.is_none() && self.size == 0 {
            self.first_timestamp = Some(header.max_timestamp);
        }
        if self.bytes_since_index > config.index_interval_bytes {
            let position = self.size;
            if let Some(index) = self.index.get_mut() {
                index.push(OffsetEntry { relative_offset: relative, position })?;
            }
            self.push_time()?;
            self.bytes_since_index = 0;
        }
        self.bytes_since_index = self.bytes_since_index.saturating_add(header.size() as u32);
        self.size += header.size() as u32;
        Ok(())
    }

    /// Notes the greatest timestamp in the time index when it is news.
    fn push_time(&mut self) -> io::Result<()> {
        let best = self.best()?;
        let Some(time) = self.time.get_mut() else {
            return Ok(());
        };
        let known = time.last().map_or(NO_TIMESTAMP, |e| e.timestamp);
        if best.timestamp > known { time.push(best) } else { Ok(()) }
    }

    /// Greatest timestamp and the last offset of its batch, for an empty segment -1.
    pub fn max_timestamp(&self) -> io::Result<(i64, i64)> {
        let best = self.best()?;
        Ok((best.timestamp, self.base.saturating_add(i64::from(best.relative_offset))))
    }

    /// The greatest timestamp, looked up once.
    fn best(&self) -> io::Result<TimeEntry> {
        if let Some(best) = self.max_timestamp.get() {
            return Ok(*best);
        }
        let best = self.read_max_timestamp()?;
        Ok(*self.max_timestamp.get_or_init(|| best))
    }

    /// What a roll or a close left in the time index, or what the log says behind it.
    fn read_max_timestamp(&self) -> io::Result<TimeEntry> {
        let mut best = self.time()?.last().unwrap_or(NOTHING);
        // The last entry covers the whole segment if Kafka closed it; reading the few batches behind the last index entry costs
        // little and does not rest on it.
        let position = self.index()?.last().map_or(0, |e| e.position);
        find_header(&**self.log()?, u64::from(position), u64::from(self.size), |h, _| {
            if h.max_timestamp > best.timestamp
                && let Some(relative) = relative(self.base, h.last_offset())
            {
                best = TimeEntry { timestamp: h.max_timestamp, relative_offset: relative };
            }
            false
        })?;
        Ok(best)
    }

    /// Whether a batch must go into a new segment.
    pub fn must_roll(
        &self,
        bytes: u32,
        max_timestamp: i64,
        last_offset: i64,
        config: &LogConfig,
        now: i64,
    ) -> io::Result<bool> {
        if self.size == 0 {
            return Ok(relative(self.base, last_offset).is_none());
        }
        let full = u64::from(self.size) + u64::from(bytes) > u64::from(config.segment_bytes);
        let waited = match self.first_timestamp {
            Some(first) if first >= 0 => max_timestamp.saturating_sub(first),
            _ => now.saturating_sub(self.created),
        };
        let (index, time) = (self.index()?.len(), self.time()?.len());
        let index_max = config.segment_index_bytes as usize / OffsetEntry::BYTES;
        let time_max = (config.segment_index_bytes as usize / TimeEntry::BYTES).saturating_sub(1);
        Ok(full
            || waited > config.roll_ms().saturating_sub(self.jitter_ms)
            || index >= index_max
            || time >= time_max
            || relative(self.base, last_offset).is_none())
    }

    /// Learns the first batch's timestamp of a segment that was found on disk.
    pub fn load_first_timestamp(&mut self) -> io::Result<()> {
        if self.first_timestamp.is_none() && self.size > 0 {
            let mut first = None;
            find_header(&**self.log()?, 0, u64::from(self.size), |h, _| {
                first = Some(h.max_timestamp);
                true
            })?;
            self.first_timestamp = first;
        }
        Ok(())
    }

    /// Nothing more will be appended: the last timestamp is noted, the index files are cut to their entries.
    pub fn deactivate(&mut self) -> io::Result<()> {
        self.best()?;
        self.index()?;
        self.time()?;
        if self.size > 0 {
            self.push_time()?;
        }
        if let (Some(index), Some(time)) = (self.index.get_mut(), self.time.get_mut()) {
            index.trim()?;
            time.trim()?;
            self.indexes_synced &= !index.touched() && !time.touched();
        }
        Ok(())
    }

    /// Writes the index entries that wait in memory to their files, so that tools see them while the segment is active.
    pub fn write_out_indexes(&mut self) -> io::Result<()> {
        if let (Some(index), Some(time)) = (self.index.get_mut(), self.time.get_mut()) {
            index.write_out()?;
            time.write_out()?;
        }
        Ok(())
    }

    /// The files whose bytes are not durable yet, with the indexes when asked.
    pub fn dirty_files(&self, indexes: bool, files: &mut Vec<Arc<dyn DiskFile>>) -> io::Result<()> {
        if self.synced < self.size {
            files.push(self.log()?.clone());
        }
        if indexes && !self.indexes_synced {
            files.push(self.index()?.file().clone());
            files.push(self.time()?.file().clone());
        }
        Ok(())
    }

    /// Where to begin looking for `offset`: the last index entry at or before it. One that points past the end is damaged, and
    /// the walk begins at the start.
    pub fn floor_position(&self, offset: i64) -> io::Result<u64> {
        let index = self.index()?;
        let entry = match relative(self.base, offset) {
            None if offset < self.base => None,
            None => index.last(),
            Some(target) => match index.partition_point(|e| e.relative_offset <= target)?.checked_sub(1) {
                Some(i) => Some(index.get(i)?),
                None => None,
            },
        };
        Ok(entry.filter(|e| e.position <= self.size).map_or(0, |e| u64::from(e.position)))
    }

    /// The first batch whose last offset is `offset` or more: its position and header.
    pub fn find(&self, offset: i64) -> io::Result<Option<(u64, BatchHeader)>> {
        let from = self.floor_position(offset)?;
        find_header(&**self.log()?, from, u64::from(self.size), |h, _| h.last_offset() >= offset)
    }

    /// Where to begin looking for a record at or after `timestamp`: no batch before it has one.
    pub fn floor_position_of_time(&self, timestamp: i64) -> io::Result<u64> {
        let time = self.time()?;
        let at = time.partition_point(|e| e.timestamp < timestamp)?;
        match at.checked_sub(1) {
            Some(i) => self.floor_position(self.base.saturating_add(i64::from(time.get(i)?.relative_offset))),
            None => Ok(0),
        }
    }

    /// Cuts the segment before the batch that holds `offset`. Returns the bytes cut.
    pub fn truncate(&mut self, offset: i64, config: &LogConfig) -> io::Result<u32> {
        let Some((position, _)) = self.find(offset)? else {
            return Ok(0);
        };
        let position = position as u32;
        let cut = self.size - position;
        self.log()?.set_len(u64::from(position))?;
        self.size = position;
        self.synced = self.synced.min(position);
        let target = offset - self.base;
        self.index()?;
        self.time()?;
        if let Some(index) = self.index.get_mut() {
            let keep = index.partition_point(|e| i64::from(e.relative_offset) < target && e.position < position)?;
            index.truncate(keep)?;
        }
        if let Some(time) = self.time.get_mut() {
            let keep = time.partition_point(|e| i64::from(e.relative_offset) < target)?;
            time.truncate(keep)?;
        }
        crate::txn_index::truncate(&*self.disk, &self.path("txnindex"), offset)?;
        self.max_timestamp = OnceLock::new();
        if position == 0 {
            self.first_timestamp = None;
        }
        self.activate(config)?;
        Ok(cut)
    }

    /// Forgets what was known and begins the indexes anew, to be told of every batch again by [`Segment::note`]. Nothing of the
    /// segment counts as durable. Returns the log file and its length.
    pub fn restart(&mut self, config: &LogConfig, transactions: bool) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        let file = self.log()?.clone();
        let len = file.size()?;
        (self.size, self.synced, self.names_synced, self.first_timestamp) = (0, 0, false, None);
        self.new_indexes(config)?;
        if !transactions {
            return Ok((file, len));
        }
        match self.disk.remove_file(&self.path("txnindex")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok((file, len)),
        }
    }

    /// Gives the files the suffix `.deleted`; those that are there are added to `paths`.
    pub fn mark_deleted(&self, paths: &mut Vec<PathBuf>) -> io::Result<()> {
        for suffix in SUFFIXES {
            let from = self.path(suffix);
            let to = self.dir.join(file_name(self.base, suffix) + DELETED);
            match self.disk.rename(&from, &to) {
                Ok(()) => paths.push(to.clone()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            }
            // Readers under way keep their handle.
            if suffix == "log"
                && let Some(file) = self.log.get()
            {
                file.moved(&to);
            }
        }
        Ok(())
    }

    /// Removes the files at once, the log first: a segment without its log is none.
    pub fn remove(&self) -> io::Result<()> {
        remove_files(&*self.disk, &self.dir, self.base)
    }

    /// Max timestamp of the first batch, if there is one and it was looked up ([`Segment::load_first_timestamp`]).
    pub fn first_timestamp(&self) -> Option<i64> {
        self.first_timestamp
    }

    /// Gives the files another stage, the log first: only when the last one has it the segment is whole in it.
    pub fn restage(&mut self, stage: &'static str) -> io::Result<()> {
        for suffix in SUFFIXES {
            let from = self.path(suffix);
            let to = self.dir.join(file_name(self.base, suffix) + stage);
            match self.disk.rename(&from, &to) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && suffix == "txnindex" => continue,
                Err(e) => return Err(e),
                Ok(()) => {}
            }
            let file = match suffix {
                "log" => self.log.get(),
                "index" => self.index.get().map(Index::file),
                "timeindex" => self.time.get().map(Index::file),
                _ => None,
            };
            if let Some(file) = file {
                file.moved(&to);
            }
        }
        self.stage = stage;
        Ok(())
    }

    /// Removes the files of a segment that is not to be after all; what is gone already is no error.
    pub fn discard(&self) -> io::Result<()> {
        for suffix in SUFFIXES {
            match self.disk.remove_file(&self.path(suffix)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// The directory was renamed.
    pub fn moved(&mut self, dir: &Path) {
        self.dir = dir.to_path_buf();
        if let Some(file) = self.log.get() {
            file.moved(&dir.join(file_name(self.base, "log")));
        }
        if let Some(index) = self.index.get() {
            index.file().moved(&dir.join(file_name(self.base, "index")));
        }
        if let Some(time) = self.time.get() {
            time.file().moved(&dir.join(file_name(self.base, "timeindex")));
        }
    }
}
