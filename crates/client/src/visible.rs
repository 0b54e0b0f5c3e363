//! Which batches of an answer a consumer may see: no markers, and under `read_committed` nothing that was aborted.
//!
//! The broker names the aborted transactions that reach into the answer, each by producer and first offset. Walking the
//! batches, a transaction begins to hide its producer's transactional batches at its first offset and ends at the
//! producer's abort marker, which is in the log itself.

use std::collections::HashSet;
use std::ops::Range;

use andiron_protocol::batch::{Batch, BatchError, Batches, ControlType};

use crate::config::Isolation;
use crate::consume::AbortedTransaction;

/// Batches that follow one another in a buffer and are all visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibleRun {
    /// Their place in the buffer; empty if only hidden batches went by.
    pub bytes: Range<usize>,
    /// The offset up to which everything visible is in this run or those before it.
    pub until: i64,
}

/// Cuts the whole batches of an answer into visible runs, from `position` up to `end`. Batches that end before
/// `position` are passed over, and the walk stops at the first batch that begins at or after `end`.
/// Of a batch that is broken, the walk yields what stood before it; only one that stands first is an error.
pub fn visible_runs(
    records: &[u8],
    position: i64,
    end: i64,
    isolation: Isolation,
    aborted: &[AbortedTransaction],
    check_crcs: bool,
) -> Result<Vec<VisibleRun>, BatchError> {
    let mut hidden = Hidden::new(if isolation == Isolation::ReadCommitted { aborted } else { &[] });
    let mut runs: Vec<VisibleRun> = Vec::new();
    let mut batches = Batches::new(records);
    let mut extendable = false;
    loop {
        let start = batches.position();
        let batch = match batches.next() {
            None => return Ok(runs),
            Some(batch) => batch.and_then(|batch| {
                let wanted = batch.header.last_offset() >= position;
                if check_crcs && wanted { batch.check_crc().map(|()| batch) } else { Ok(batch) }
            }),
        };
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) if runs.is_empty() => return Err(error),
            Err(_) => return Ok(runs),
        };
        let header = &batch.header;
        if header.base_offset >= end {
            return Ok(runs);
        }
        let hide = hidden.hides(&batch);
        if header.last_offset() < position {
            continue;
        }
        let until = header.next_offset().min(end);
        let stop = start + batch.bytes.len();
        // A compacted batch may have kept its offsets and lost all its records.
        let visible = !hide && header.record_count > 0;
        match runs.last_mut() {
            Some(run) if !visible => {
                run.until = until;
                extendable = false;
            }
            Some(run) if extendable => {
                run.bytes.end = stop;
                run.until = until;
            }
            _ => {
                runs.push(VisibleRun { bytes: if visible { start..stop } else { start..start }, until });
                extendable = visible;
            }
        }
    }
}

struct Hidden<'a> {
    /// Not begun yet, by first offset.
    coming: Vec<&'a AbortedTransaction>,
    /// Producers within an aborted transaction.
    within: HashSet<i64>,
}

impl<'a> Hidden<'a> {
    fn new(aborted: &'a [AbortedTransaction]) -> Self {
        let mut coming: Vec<&AbortedTransaction> = aborted.iter().collect();
        coming.sort_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Hidden { coming, within: HashSet::new() }
    }

    fn hides(&mut self, batch: &Batch<'_>) -> bool {
        let header = &batch.header;
        while self.coming.last().is_some_and(|next| next.first_offset <= header.last_offset()) {
            if let Some(begun) = self.coming.pop() {
                self.within.insert(begun.producer_id);
            }
        }
        if header.attributes.is_control() {
            if is_abort(batch) {
                self.within.remove(&header.producer_id);
            }
            return true;
        }
        header.attributes.is_transactional() && self.within.contains(&header.producer_id)
    }
}

fn is_abort(batch: &Batch<'_>) -> bool {
    let mut scratch = Vec::new();
    let Ok(mut records) = batch.records(&mut scratch) else { return false };
    match records.next() {
        Some(Ok(record)) => record.key.and_then(ControlType::from_key) == Some(ControlType::Abort),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
