//! A folder of arbitrary bytes is opened as a log after a crash: segments, indexes, snapshots, checkpoints. It must open,
//! be read, take appends and survive the next loss of power, and no batch that stood whole before the tear may be lost.
//!
//! An input is one byte of settings and then files, each as what it is (a byte), the base offset in its name (two bytes),
//! its length (two bytes) and its bytes. For a journal the base offset is its number.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use andiron_protocol::batch::{Batch, BatchBuilder, BatchOptions, Batches, walk_records};
use andiron_protocol::crc::crc32c;
use andiron_simulator::{Loss, SimDisk};
use andiron_storage::{
    AppendOrigin, Disk, Journal, Log, LogConfig, LogDir, LogError, OpenLog, OpenMode, Recovered, TopicPartition,
};
use uuid::Uuid;

use crate::memory::{Allowance, within};

const ROOT: &str = "/log";
/// The one that the corpus has in `partition.metadata`.
const TOPIC_ID: Uuid = Uuid::from_u128(5);
const NOW: i64 = 1_700_000_000_000;
/// What small things beside the files' bytes take: paths, lists, an index made ready for appends.
const SMALL_BYTES: usize = 32 << 10;
/// Records that unfold to more are not looked up by time.
const UNFOLDED_BYTES_MAX: usize = 1 << 20;

/// Files of a segment, by suffix; then those of a partition; then those of the log directory.
const SEGMENT: [&str; 10] = [
    "log",
    "index",
    "timeindex",
    "txnindex",
    "snapshot",
    "log.swap",
    "index.swap",
    "timeindex.swap",
    "log.cleaned",
    "log.deleted",
];
const PARTITION: [&str; 2] = ["leader-epoch-checkpoint", "partition.metadata"];
const DIRECTORY: [&str; 5] = [
    "recovery-point-offset-checkpoint",
    "replication-offset-checkpoint",
    "log-start-offset-checkpoint",
    "meta.properties",
    ".kafka_cleanshutdown",
];
/// What kind of file a journal is: the last.
const JOURNAL: usize = SEGMENT.len() + PARTITION.len() + DIRECTORY.len();
/// Magic, checksum, number, topic id, partition and length of an entry.
const JOURNAL_HEADER_BYTES: usize = 40;
const JOURNAL_FILE_BYTES: u64 = 4_096;

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// Opens, reads, appends, loses power, and opens again.
pub fn recovery(data: &[u8]) {
    let Some((&settings, packed)) = data.split_first() else { return };
    let files = unpack(packed, settings & 1 != 0);
    let disk = SimDisk::new(u64::from(settings));
    lay_out(&disk, &files);
    let whole = Whole::of(&files);
    if cfg!(feature = "planted") {
        cut_one_more(&disk, &whole);
    }
    let config = LogConfig {
        segment_bytes: 4_096,
        segment_index_bytes: 1_024,
        index_interval_bytes: 200,
        compact: settings & 2 != 0,
        ..LogConfig::default()
    };
    let bytes: usize = files.values().map(Vec::len).sum();
    // Every byte is read once, those of a journal for each segment that has a gap behind it, and the disk, which is memory itself,
    // keeps what is written up to three times.
    let of = |is: fn(&Path) -> bool| files.iter().filter(move |(path, _)| is(path));
    let segments = of(|path| path.extension().is_some_and(|suffix| suffix == "log")).count();
    let journaled: usize = of(is_journal).map(|(_, bytes)| bytes.len()).sum();
    let total = 12 * bytes + segments * journaled + 4 * SMALL_BYTES;
    let allowed = Allowance { single: 2 * bytes + SMALL_BYTES, total };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let Some((dir, opened, was_clean, recovery_point)) = within(allowed, || open(&shared, &config)) else {
        return;
    };
    let (mut log, recovered) = opened;
    // Checked is what a crash can leave: not a folder that says it was left clean, nor one whose checkpoint lies.
    let judged = !was_clean
        && recovery_point <= whole.first
        && log.log_start_offset() <= whole.first
        && !config.compact
        && !whole.swapped;
    if judged {
        assert!(recovered.scanned || whole.batches.is_empty());
        whole.must_be_in(&log);
    }
    look_around(&log, judged);
    let Some(added) = go_on(&dir, &mut log, judged) else { return };
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    drop((log, dir));

    // Everything was synced: no loss of power takes it.
    let shared: Arc<dyn Disk> = Arc::new(disk.restart(Loss::Power));
    let Some((dir, (mut log, _), ..)) = open(&shared, &config) else {
        panic!("what was opened once does not open again")
    };
    if judged {
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (start, end), "after a loss of power");
        whole.must_be_in(&log);
        must_be_in(&log, added.0, &added.1);
    }
    look_around(&log, judged);
    // And what keeps a log in bounds.
    let middle = start + (end - start) / 2;
    if settings & 4 != 0 {
        ok(log.truncate_to(middle, NOW));
        assert!(log.log_end_offset() <= end);
    } else {
        ok(log.delete_records(middle));
        ok(log.delete_old_segments(log.log_end_offset(), NOW));
        assert!(log.log_start_offset() >= middle);
    }
    let end = log.log_end_offset();
    ok(log.close_clean());
    ok(dir.mark_clean(1));
    drop((log, dir));
    let Some((_, (log, recovered), ..)) = open(&shared, &config) else {
        panic!("closed clean, it does not open again")
    };
    if judged {
        assert_eq!((log.log_end_offset(), recovered), (end, Recovered::default()), "closed clean");
    }
}

fn ok<T, E: std::fmt::Display>(done: Result<T, E>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => panic!("{error}"),
    }
}

type Opened = (LogDir, (Log, Recovered), bool, i64);

/// Opens the folder as a start of the broker does. None where it says that it cannot be used.
fn open(disk: &Arc<dyn Disk>, config: &LogConfig) -> Option<Opened> {
    let dir = ok(LogDir::open(disk.clone(), Path::new(ROOT)));
    let _ = (dir.meta_properties(), dir.high_watermarks(), dir.clean_shutdown_epoch());
    let (partitions, deleted) = (ok(dir.partitions()), ok(dir.deleted_dirs()));
    assert!(partitions.len() + deleted.len() <= 1);
    let point = |offsets: &BTreeMap<TopicPartition, i64>| offsets.get(&partition()).copied().unwrap_or(0);
    let recovery_point = point(&dir.recovery_points().ok()?);
    let journal = Journal::open(disk.clone(), Path::new(ROOT), JOURNAL_FILE_BYTES, dir.was_clean());
    let leftover = Arc::new(ok(journal).1);
    let open = OpenLog {
        dir: dir.partition_dir(&partition()),
        config: config.clone(),
        topic_id: Some(TOPIC_ID),
        log_start_offset: point(&dir.log_start_offsets().ok()?),
        recovery_point,
        clean_shutdown: dir.was_clean(),
        journal: Some(Arc::clone(&leftover)),
        now: NOW,
    };
    let was_clean = dir.was_clean();
    let opened = Log::open(disk.clone(), partition(), open);
    ok(leftover.remove());
    ok(disk.sync_dir(Path::new(ROOT)));
    match opened {
        Ok(opened) => Some((dir, opened, was_clean, recovery_point)),
        Err(LogError::Inconsistent { .. }) => None,
        Err(error) => panic!("the folder is not opened: {error}"),
    }
}

/// The files of an input as they are packed: kind and base offset, and the bytes.
fn packed_files(mut packed: &[u8]) -> impl Iterator<Item = ([u8; 3], &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, b0, b1, l0, l1], rest) = packed.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        packed = rest;
        Some(([kind, b0, b1], bytes))
    })
}

/// The files of an input by their paths.
fn unpack(packed: &[u8], seal: bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for ([kind, b0, b1], bytes) in packed_files(packed) {
        let mut bytes = bytes.to_vec();
        // The last sixteen bases stand for those at the end of what an offset can be.
        let base = match i64::from(u16::from_be_bytes([b0, b1])) {
            base @ 0..0xfff0 => base,
            base => i64::MAX - (0xffff - base),
        };
        let kind = usize::from(kind) % (JOURNAL + 1);
        let in_partition = Path::new(ROOT).join(partition().dir_name());
        let path = if let Some(suffix) = SEGMENT.get(kind) {
            match *suffix {
                "log" | "log.swap" if seal => crate::batches::seal(&mut bytes),
                "snapshot" if seal => seal_snapshot(&mut bytes),
                _ => {}
            }
            in_partition.join(format!("{base:020}.{suffix}"))
        } else if let Some(name) = PARTITION.get(kind - SEGMENT.len()) {
            in_partition.join(name)
        } else if let Some(name) = DIRECTORY.get(kind - SEGMENT.len() - PARTITION.len()) {
            Path::new(ROOT).join(name)
        } else {
            if seal {
                seal_journal(&mut bytes, base);
            }
            Path::new(ROOT).join(format!("andiron-journal-{base}"))
        };
        files.insert(path, bytes);
    }
    files
}

/// Version, checksum, then what it is of.
fn seal_snapshot(bytes: &mut [u8]) {
    if bytes.len() >= 6 {
        let crc = crc32c(&bytes[6..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    }
}

/// Makes entries of the log under test of the bytes: their lengths and their batches are the input's.
fn seal_journal(mut rest: &mut [u8], number: i64) {
    while rest.len() >= JOURNAL_HEADER_BYTES {
        let claimed = u32::from_be_bytes([rest[36], rest[37], rest[38], rest[39]]) as usize;
        let length = claimed % (rest.len() - JOURNAL_HEADER_BYTES + 1);
        let (entry, behind) = rest.split_at_mut(JOURNAL_HEADER_BYTES + length);
        let (header, batches) = entry.split_at_mut(JOURNAL_HEADER_BYTES);
        crate::batches::seal(batches);
        header[..4].copy_from_slice(b"ANDJ");
        header[8..16].copy_from_slice(&number.to_be_bytes());
        header[16..32].copy_from_slice(TOPIC_ID.as_bytes());
        header[32..36].copy_from_slice(&partition().partition.to_be_bytes());
        header[36..].copy_from_slice(&(length as u32).to_be_bytes());
        let crc = crc32c(&entry[8..]);
        entry[4..8].copy_from_slice(&crc.to_be_bytes());
        rest = behind;
    }
}

fn is_journal(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("andiron-journal-"))
}

fn lay_out(disk: &SimDisk, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let partition_dir = Path::new(ROOT).join(partition().dir_name());
    ok(disk.create_dir_all(&partition_dir));
    for (path, bytes) in files {
        let file = ok(disk.open(path, OpenMode::Create));
        ok(file.write_at(&[IoSlice::new(bytes)], 0));
        ok(file.sync_data());
    }
    for dir in [&partition_dir, Path::new(ROOT), Path::new("/")] {
        ok(disk.sync_dir(dir));
    }
}

/// What of a folder's batches stands whole before the first tear, said without the code under test.
struct Whole {
    /// Base offset of the first segment.
    first: i64,
    /// Offset of the first record and bytes of each batch, and the path and end of the one before it in its segment.
    batches: Vec<(i64, Vec<u8>)>,
    /// A compaction was cut off: which batches count is told by its files.
    swapped: bool,
    /// Where the last whole batch of a torn segment begins.
    before_tear: Option<(PathBuf, u64)>,
}

impl Whole {
    fn of(files: &BTreeMap<PathBuf, Vec<u8>>) -> Whole {
        let swapped = files.keys().any(|path| path.extension().is_some_and(|e| e == "swap"));
        let mut whole = Whole { first: 0, batches: Vec::new(), swapped, before_tear: None };
        let mut end: Option<i64> = None;
        for (path, bytes) in files {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let Some(Ok(base)) = name.strip_suffix(".log").map(str::parse::<i64>) else { continue };
            match end {
                None => whole.first = base,
                // Behind a hole nothing was promised to anybody.
                Some(end) if base > end => break,
                // No crash makes segments overlap.
                Some(end) if base < end => {
                    whole.batches.retain(|(offset, _)| *offset < base);
                    whole.before_tear = None;
                    break;
                }
                Some(_) => {}
            }
            let (mut next, mut at, mut last) = (base, 0, None);
            while let Ok(batch) = Batch::first(&bytes[at..]) {
                let header = batch.header;
                let far = header
                    .base_offset
                    .checked_add(i64::from(header.last_offset_delta))
                    .and_then(|last| last.checked_sub(base));
                let in_order = header.base_offset >= next && header.last_offset_delta >= 0;
                if !in_order || batch.check_crc().is_err() || far.is_none_or(|far| far > i64::from(i32::MAX)) {
                    break;
                }
                whole.batches.push((header.base_offset, batch.bytes.to_vec()));
                last = Some(at);
                next = header.next_offset();
                at += batch.bytes.len();
            }
            end = Some(next);
            if at < bytes.len() {
                whole.before_tear = last.map(|at| (path.clone(), at as u64));
                break;
            }
        }
        whole
    }

    fn must_be_in(&self, log: &Log) {
        for (offset, bytes) in &self.batches {
            must_be_in(log, *offset, bytes);
        }
    }
}

fn must_be_in(log: &Log, offset: i64, bytes: &[u8]) {
    let Ok(found) = log.read_batches(offset, 1) else { panic!("the batch at {offset} is lost") };
    assert!(found[..] == *bytes, "another batch at {offset} than was written");
}

/// The mistake to be found: where a tear is cut off, the last whole batch goes with it.
fn cut_one_more(disk: &SimDisk, whole: &Whole) {
    if let Some((path, at)) = &whole.before_tear {
        let file = ok(disk.open(path, OpenMode::Write));
        ok(file.set_len(*at));
    }
}

/// Asks everything that a log can be asked. What is read must end, whatever the indexes say.
fn look_around(log: &Log, judged: bool) {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    assert!(start <= end);
    let (mut at, mut unfolded) = (start, 0usize);
    while at < end {
        let bytes = match log.read_batches(at, 700) {
            Ok(bytes) => bytes,
            Err(error) => panic!("offset {at} of {end} cannot be read: {error}"),
        };
        let Some(next) =
            Batches::new(&bytes).flatten().last().map(|b| b.header.next_offset()).filter(|next| *next > at)
        else {
            assert!(!judged, "nothing can be read at offset {at} of {end}");
            break;
        };
        for batch in Batches::new(&bytes).flatten() {
            assert!(!judged || batch.check_crc().is_ok());
            let bytes = walk_records(&batch).map_or(usize::MAX, |facts| facts.unfolded_bytes);
            unfolded = unfolded.saturating_add(bytes);
        }
        at = next;
    }
    for (offset, below) in [(start, end), (end, end), (start, start + (end - start) / 2)] {
        let read = ok(log.read(offset, 100, below, true));
        assert_eq!(read.ranges.iter().map(|r| r.len).sum::<usize>(), read.len);
        let _ = read.to_vec();
    }
    if unfolded <= UNFOLDED_BYTES_MAX {
        for timestamp in [i64::MIN, 0, NOW, i64::MAX] {
            ok(log.offset_for_timestamp(timestamp));
        }
        ok(log.max_timestamp());
    }
    ok(log.aborted_transactions(start, end));
    assert!(log.last_stable_offset(end) <= end);
    let _ = (log.producers().len(), log.size(), log.segment_count(), log.topic_id());
    if let Some(epoch) = log.latest_epoch() {
        let _ = (
            log.end_offset_for_epoch(epoch),
            log.end_offset_for_epoch(epoch.saturating_sub(1)),
            log.epoch_for_offset(end),
        );
    }
}

/// Appends, rolls, appends, and syncs it all. Returns the first batch appended and its offset; None when no offsets are left.
fn go_on(dir: &LogDir, log: &mut Log, judged: bool) -> Option<(i64, Vec<u8>)> {
    let end = log.log_end_offset();
    if end > i64::MAX - 1_000 {
        return None;
    }
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for at in 0..3 {
        builder.append(NOW + at, Some(b"key"), Some(b"value"));
    }
    let batch = ok(builder.build());
    let appended = ok(log.append_as_leader(&batch, 9, AppendOrigin::Client, NOW));
    assert_eq!((appended.base_offset, appended.last_offset), (end, end + 2));
    let written = ok(log.read_batches(end, 1)).to_vec();
    assert!(!judged || Batch::first(&written).is_ok_and(|b| b.bytes.len() == batch.len() && b.check_crc().is_ok()));
    ok(log.roll(NOW));
    ok(log.append_as_leader(&batch, 9, AppendOrigin::Client, NOW));
    let Some(ticket) = log.sync_ticket() else { panic!("nothing to sync behind an append") };
    ok(ticket.run());
    log.synced(&ticket);
    assert_eq!(log.synced_offset(), end + 6);
    ok(dir.write_recovery_points(&[(partition(), log.synced_offset())].into()));
    ok(dir.write_log_start_offsets(&[(partition(), log.log_start_offset())].into()));
    Some((end, written))
}

/// The input with the later half of the batches of its last segment in a journal, if it has two.
#[cfg(test)]
pub(crate) fn moved_to_a_journal(input: &[u8]) -> Option<Vec<u8>> {
    let (&settings, packed) = input.split_first()?;
    let mut files: Vec<_> = packed_files(packed).map(|(head, bytes)| (head, bytes.to_vec())).collect();
    let last = files.iter_mut().filter(|([kind, ..], _)| *kind == 0).max_by_key(|(head, _)| *head)?;
    let sizes: Vec<usize> = Batches::new(&last.1).flatten().map(|batch| batch.bytes.len()).collect();
    if sizes.len() < 2 {
        return None;
    }
    let moved = last.1.split_off(sizes[..sizes.len() / 2].iter().sum());
    let mut entry = vec![0; JOURNAL_HEADER_BYTES];
    entry[36..].copy_from_slice(&(moved.len() as u32).to_be_bytes());
    entry.extend(moved);
    files.push(([JOURNAL as u8, 0, 3], entry));
    let pack =
        |(head, bytes): &([u8; 3], Vec<u8>)| [&head[..], &(bytes.len() as u16).to_be_bytes(), &bytes[..]].concat();
    Some([vec![settings], files.iter().flat_map(pack).collect()].concat())
}

/// Where the log of an input ends once it is opened, and how much of it was in a journal only.
#[cfg(test)]
pub(crate) fn end_of(input: &[u8]) -> Option<(i64, u64)> {
    let (&settings, packed) = input.split_first()?;
    let disk = SimDisk::new(u64::from(settings));
    lay_out(&disk, &unpack(packed, true));
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let (_, (log, recovered), ..) = open(&disk, &LogConfig::default())?;
    Some((log.log_end_offset(), recovered.restored_bytes))
}
