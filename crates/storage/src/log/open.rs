//! Opening a log: what lies in its directory is taken stock of, and what a crash left is put in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use uuid::Uuid;

use super::{Journaled, Log, Pending};
use crate::config::LogConfig;
use crate::disk::{Disk, OpenMode, read_small};
use crate::journal::Leftover;
use crate::leader_epoch::LeaderEpochs;
use crate::producer_state::ProducerState;
use crate::segment::{CLEANED, DELETED, SWAP, Segment, parse_file_name, remove_files};
use crate::types::{LogError, Recovered, TopicPartition};

const PARTITION_METADATA: &str = "partition.metadata";

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
    /// What the run before has left in the journal of the log directory.
    pub journal: Option<Arc<Leftover>>,
    /// The time, in milliseconds.
    pub now: i64,
}

/// The files of a log's directory that count.
#[derive(Default)]
struct Found {
    logs: BTreeMap<i64, u64>,
    snapshots: BTreeSet<i64>,
}

impl Log {
    /// Opens the log, recovering it when the last shutdown was not clean.
    pub fn open(disk: Arc<dyn Disk>, partition: TopicPartition, open: OpenLog) -> Result<(Log, Recovered), LogError> {
        let dir = open.dir;
        let at = |what: &'static str, path: &PathBuf| {
            let path = path.clone();
            move |source: io::Error| LogError::Io { what, path, source }
        };
        let mut pending = Pending::default();
        if !disk.exists(&dir) {
            disk.create_dir_all(&dir).map_err(at("creating", &dir))?;
            if let Some(parent) = dir.parent() {
                pending.dir(parent);
            }
        }
        let found = take_stock(&*disk, &dir).map_err(at("reading", &dir))?;
        let (epochs, epochs_whole) = LeaderEpochs::open(&*disk, &dir).map_err(at("reading", &dir))?;
        let mut log = Log {
            disk,
            partition,
            dir,
            config: open.config,
            topic_id: None,
            segments: Vec::new(),
            start: 0,
            end: 0,
            synced: 0,
            journaled: Journaled::default(),
            producers: ProducerState::default(),
            snapshots: found.snapshots,
            epochs,
            pending,
            marks: VecDeque::new(),
            generation: 0,
            offline: false,
        };
        log.topic_id = log.partition_metadata(open.topic_id, open.clean_shutdown)?;
        for (base, size) in found.logs {
            let size = u32::try_from(size).ok().filter(|s| i32::try_from(*s).is_ok()).ok_or_else(|| {
                LogError::Inconsistent {
                    path: log.dir.clone(),
                    message: format!("segment {base} is larger than 2 GiB"),
                }
            })?;
            log.segments.push(Segment::existing(log.disk.clone(), &log.dir, base, size, open.now));
        }
        let mut recovered = Recovered::default();
        if log.segments.is_empty() {
            log.begin_at(open.log_start_offset.max(0), open.now)?;
            log.epochs.truncate_from_end(log.end);
            log.producers.map_end_offset = log.end;
            log.remove_snapshots(|_| true)?;
            log.pending.dir(&log.dir.clone());
            return Ok((log, recovered));
        }
        let journal = open.journal.as_deref().filter(|_| !open.clean_shutdown);
        log.recover(open.clean_shutdown, open.recovery_point, !epochs_whole, journal, &mut recovered)?;
        log.start = open.log_start_offset.max(log.segments[0].base);
        if log.start > log.end {
            // The log start was made durable, what it was moved over was not.
            log.drop_segments_from(0)?;
            log.begin_at(open.log_start_offset, open.now)?;
            log.sync_names()?;
        }
        if log.epochs.truncate_from_end(log.end) | log.epochs.truncate_from_start(log.start) || !epochs_whole {
            log.write_epochs()?;
        }
        log.remove_stray_snapshots()?;
        log.reload_producers(open.now, recovered.first_scanned)?;
        let config = log.config.clone();
        let active = log.active_mut();
        let activated = active.activate(&config).and_then(|()| active.load_first_timestamp());
        log.fail("opening", activated)?;
        Ok((log, recovered))
    }

    /// Reads `partition.metadata` and compares, or writes it. Without it Apache Kafka sets the partition aside.
    fn partition_metadata(&mut self, wanted: Option<Uuid>, clean: bool) -> Result<Option<Uuid>, LogError> {
        let path = self.dir.join(PARTITION_METADATA);
        let text = self.io("reading", read_small(&*self.disk, &path))?;
        let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let there = text.as_deref().and_then(parse_partition_metadata);
        match (there, wanted) {
            (Some(there), Some(wanted)) if there != wanted => Err(LogError::Inconsistent {
                path,
                message: format!(
                    "Tried to assign topic ID {} to log for topic partition {}, but log already contained topic ID {}",
                    topic_id_text(wanted),
                    self.partition,
                    topic_id_text(there)
                ),
            }),
            (Some(there), _) => Ok(Some(there)),
            (None, Some(wanted)) if text.is_none() || !clean || text.as_deref() == Some("") => {
                let written = self.disk.open(&path, OpenMode::Truncate).and_then(|file| {
                    let text = format!("version: 0\ntopic_id: {}", topic_id_text(wanted));
                    file.write_at(&[IoSlice::new(text.as_bytes())], 0)?;
                    Ok(file)
                });
                let file = self.io("writing partition.metadata", written)?;
                self.pending.file(file);
                self.pending.dir(&self.dir.clone());
                Ok(Some(wanted))
            }
            (None, _) if text.is_none() || !clean => Ok(None),
            (None, _) => Err(LogError::Inconsistent { path, message: "Malformed partition metadata file".to_owned() }),
        }
    }

    /// Keeps the snapshots that stand where a segment begins, and the newest.
    fn remove_stray_snapshots(&mut self) -> Result<(), LogError> {
        let bases: BTreeSet<i64> = self.segments.iter().map(|s| s.base).collect();
        let newest = self.snapshots.iter().copied().rfind(|offset| *offset <= self.end);
        self.remove_snapshots(|offset| !bases.contains(&offset) && Some(offset) != newest)
    }
}

fn topic_id_text(id: Uuid) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.as_bytes())
}

fn parse_partition_metadata(text: &str) -> Option<Uuid> {
    let mut lines = text.lines();
    if lines.next()?.strip_prefix("version: ")? != "0" {
        return None;
    }
    let id = lines.next()?.strip_prefix("topic_id: ")?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(id.trim()).ok()?;
    Uuid::from_slice(&bytes).ok()
}

/// Lists the directory, removes what earlier runs left behind, finishes a compaction that was cut off.
fn take_stock(disk: &dyn Disk, dir: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    let mut others = Vec::new();
    let (mut swaps, mut cleaned) = (Vec::new(), Vec::new());
    for entry in disk.list(dir)?.into_iter().filter(|e| !e.is_dir) {
        let name = entry.name.as_str();
        if name.ends_with(DELETED) || name.ends_with(".tmp") {
            disk.remove_file(&dir.join(name))?;
            continue;
        }
        match parse_file_name(name) {
            Some((base, suffix)) if suffix.ends_with(CLEANED) => cleaned.push((base, entry.name)),
            Some((base, suffix)) if suffix.ends_with(SWAP) => swaps.push((base, entry.name)),
            Some((base, "log")) => _ = found.logs.insert(base, disk.file_size(&dir.join(name))?),
            Some((base, "snapshot")) => _ = found.snapshots.insert(base),
            Some((base, "index" | "timeindex" | "txnindex")) => others.push((base, entry.name.clone())),
            _ => {}
        }
    }
    // A segment some of whose files are not even called `.swap` yet has replaced nothing: what it was made of is there. (Kafka
    // splits segments by the same renames; of those, swaps behind the first `.cleaned` are not whole.)
    let unfinished = cleaned.iter().map(|(base, _)| *base).min();
    let (invalid, swaps): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(base, _)| unfinished.is_some_and(|from| *base >= from));
    // The `.cleaned` ones go last: they are what says that the swaps are not valid.
    for (_, name) in invalid.into_iter().chain(cleaned) {
        disk.remove_file(&dir.join(name))?;
    }
    if !swaps.is_empty() {
        finish_swap(disk, dir, &swaps, &mut found, &mut others)?;
    }
    // An index without its log is what a removal cut off left.
    for (_, name) in others.into_iter().filter(|(base, _)| !found.logs.contains_key(base)) {
        disk.remove_file(&dir.join(name))?;
    }
    Ok(found)
}

/// Compaction had replaced segments by `.swap` files when it was cut off: they take their names, and what they replace goes
/// (LogLoader.load): everything from the first offset of a swapped log to the last of one.
fn finish_swap(
    disk: &dyn Disk,
    dir: &Path,
    swaps: &[(i64, String)],
    found: &mut Found,
    others: &mut Vec<(i64, String)>,
) -> io::Result<()> {
    let mut logs = Vec::new();
    let (mut first, mut end) = (i64::MAX, i64::MIN);
    for (base, name) in swaps.iter().filter(|(_, name)| name.ends_with(".log.swap")) {
        let path = dir.join(name);
        let size = disk.file_size(&path)?;
        let file = disk.open(&path, OpenMode::Read)?;
        // A segment of which nothing is left takes the place of the one with its name.
        let mut next = base.saturating_add(1);
        crate::scan::find_header(&*file, 0, size, |h, _| {
            next = next.max(h.next_offset());
            false
        })?;
        (first, end) = (first.min(*base), end.max(next));
        logs.push((*base, size));
    }
    let replaced: Vec<i64> = found.logs.range(first.min(end)..end).map(|(base, _)| *base).collect();
    for old in replaced {
        remove_files(disk, dir, old)?;
        found.logs.remove(&old);
        others.retain(|(base, _)| *base != old);
    }
    // Of some the log was gone already: an index of theirs must not stand beside the new one.
    for (_, name) in others.extract_if(.., |(base, _)| (first..end).contains(base)) {
        disk.remove_file(&dir.join(name))?;
    }
    found.logs.extend(logs);
    for (_, name) in swaps {
        if let Some(to) = name.strip_suffix(SWAP) {
            disk.rename(&dir.join(name), &dir.join(to))?;
        }
    }
    disk.sync_dir(dir)
}
