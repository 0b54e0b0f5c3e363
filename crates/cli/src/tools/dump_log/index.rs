//! The indexes beside a `.log`: shown, and held against what the log says.

use std::io::Write;
use std::path::{Path, PathBuf};

use andiron_protocol::batch::NO_TIMESTAMP;
use andiron_storage::inspect::{IndexedOffset, OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES, offset_entries, time_entries};

use super::batches::{Batches, refused};
use super::{Findings, Options, Thrown, absolute, base_offset, read, written};

/// So many entries at the end of an index are searched first: two pages of memory.
const WARM_ENTRIES: usize = 8_192 / OFFSET_ENTRY_BYTES;

const CORRUPT: &str = "org.apache.kafka.storage.internals.log.CorruptIndexException";

fn beside(path: &Path, base: &str, suffix: &str) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join(format!("{base}{suffix}"))
}

/// The files with another suffix that belong to the same segment; their paths are absolute, as the original has them.
fn segment_file(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    beside(&absolute(path), name.split('.').next().unwrap_or_default(), suffix)
}

/// `.index`
pub(super) fn dump_offsets(
    path: &Path,
    shown: &str,
    options: &Options<'_>,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), Thrown> {
    let base = base_offset(path)?;
    let mut log = Batches::open(&segment_file(path, ".log"), u64::MAX)?;
    let bytes = read(path)?;
    let entries = offset_entries(&bytes, base);
    let Some(last) = entries.last() else {
        return written(writeln!(out, "{shown} is empty."));
    };
    if options.has("index-sanity-check") {
        check_offsets(path, base, last.offset, bytes.len())?;
        return written(writeln!(out, "{shown} passed sanity check."));
    }
    for (at, entry) in entries.iter().enumerate() {
        // Room at the end of an active segment's index is full of zeros.
        if entry.offset == base && at > 0 {
            return Ok(());
        }
        log.seek(u64::from(entry.position), u64::from(options.max_message_size()?.unsigned_abs()))?;
        let first = log.next()?.ok_or_else(|| Thrown::bare("java.util.NoSuchElementException"))?;
        let last_offset = first.batch.header.last_offset();
        if last_offset != entry.offset {
            findings.index_mismatch(path, entry.offset, last_offset);
        }
        if !options.has("verify-index-only") {
            written(writeln!(out, "offset: {} position: {}", entry.offset, entry.position))?;
        }
    }
    Ok(())
}

fn check_offsets(path: &Path, base: i64, last: i64, size: usize) -> Result<(), Thrown> {
    let file = absolute(path);
    let file = file.display();
    if last < base {
        let text = format!(
            "Corrupt index found, index file {file} has non-zero size but the last offset is {last} which is less than the base offset {base}"
        );
        return Err(Thrown::new(CORRUPT, text));
    }
    if !size.is_multiple_of(OFFSET_ENTRY_BYTES) {
        let text = format!(
            "Index file {file} is corrupt, found {size} bytes which is neither positive nor a multiple of {OFFSET_ENTRY_BYTES}"
        );
        return Err(Thrown::new(CORRUPT, text));
    }
    Ok(())
}

/// `.timeindex`
pub(super) fn dump_times(
    path: &Path,
    shown: &str,
    options: &Options<'_>,
    out: &mut dyn Write,
    findings: &mut Findings,
) -> Result<(), Thrown> {
    let base = base_offset(path)?;
    let mut log = Batches::open(&segment_file(path, ".log"), u64::MAX)?;
    let offsets = offset_entries(&read(&segment_file(path, ".index"))?, base);
    let bytes = read(path)?;
    let entries = time_entries(&bytes, base);
    if options.has("index-sanity-check") {
        check_times(path, base, &entries, bytes.len())?;
        return written(writeln!(out, "{shown} passed sanity check."));
    }
    let mut previous = NO_TIMESTAMP;
    for (at, entry) in entries.iter().enumerate() {
        if entry.offset == base && at > 0 {
            return Ok(());
        }
        let position = lookup(&offsets, entry.offset);
        log.seek(u64::from(position), u64::from(i32::MAX.unsigned_abs()))?;
        match max_timestamp(&mut log, entry.offset)? {
            Found::Nothing => findings.offset_not_found(path, entry.offset, -1),
            Found::Other(last_offset) => findings.offset_not_found(path, entry.offset, last_offset),
            Found::Timestamp(in_log) => {
                if in_log != entry.timestamp {
                    findings.timestamp_mismatch(path, entry.timestamp, in_log);
                }
                if previous >= entry.timestamp {
                    findings.out_of_order(path, entry.timestamp, previous);
                }
            }
        }
        if !options.has("verify-index-only") {
            written(writeln!(out, "timestamp: {} offset: {}", entry.timestamp, entry.offset))?;
        }
        previous = entry.timestamp;
    }
    Ok(())
}

/// What the log holds where an entry of the time index points.
enum Found {
    /// No batch reaches so far.
    Nothing,
    /// A batch that ends at another offset.
    Other(i64),
    /// The batch; its records' greatest timestamp.
    Timestamp(i64),
}

fn max_timestamp(log: &mut Batches, offset: i64) -> Result<Found, Thrown> {
    let mut scratch = Vec::new();
    while let Some(at) = log.next()? {
        let last_offset = at.batch.header.last_offset();
        if last_offset < offset {
            continue;
        }
        if last_offset != offset {
            return Ok(Found::Other(last_offset));
        }
        let mut greatest = NO_TIMESTAMP;
        if at.batch.header.record_count != 0 {
            for record in at.batch.records(&mut scratch).map_err(|e| refused(&e))? {
                greatest = greatest.max(record.map_err(|e| refused(&e))?.timestamp);
            }
        }
        return Ok(Found::Timestamp(greatest));
    }
    Ok(Found::Nothing)
}

fn check_times(
    path: &Path,
    base: i64,
    entries: &[andiron_storage::inspect::IndexedTimestamp],
    size: usize,
) -> Result<(), Thrown> {
    let file = absolute(path);
    let file = file.display();
    if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
        let wrong = |what: String| {
            Err(Thrown::new(
                CORRUPT,
                format!("Corrupt time index found, time index file ({file}) has non-zero size but the last {what}"),
            ))
        };
        if last.timestamp < first.timestamp {
            let (last, first) = (last.timestamp, first.timestamp);
            return wrong(format!("timestamp is {last} which is less than the first timestamp {first}"));
        }
        if last.offset < base {
            return wrong(format!("offset is {} which is less than the first offset {base}", last.offset));
        }
    }
    if !size.is_multiple_of(TIME_ENTRY_BYTES) {
        let text = format!(
            "Time index file {file} is corrupt, found {size} bytes which is neither positive nor a multiple of {TIME_ENTRY_BYTES}"
        );
        return Err(Thrown::new(CORRUPT, text));
    }
    Ok(())
}

/// Where the batch of an offset is to be looked for. The steps are the original's: over an index with room at its end,
/// which is not sorted, others would find another place.
fn lookup(entries: &[IndexedOffset], offset: i64) -> u32 {
    let at = |i: usize| entries.get(i).copied().unwrap_or(IndexedOffset { offset: i64::MAX, position: 0 });
    let Some(last) = entries.len().checked_sub(1) else { return 0 };
    let warm = last.saturating_sub(WARM_ENTRIES);
    let (mut low, mut high) = if at(warm).offset < offset {
        (warm, last)
    } else if at(0).offset > offset {
        return 0;
    } else {
        (0, warm)
    };
    while low < high {
        let middle = (low + high).div_ceil(2);
        match at(middle).offset.cmp(&offset) {
            std::cmp::Ordering::Greater => high = middle - 1,
            std::cmp::Ordering::Less => low = middle,
            std::cmp::Ordering::Equal => return at(middle).position,
        }
    }
    at(low).position
}
