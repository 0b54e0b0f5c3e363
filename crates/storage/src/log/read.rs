//! Reading: offsets and timestamps are looked up in the indexes, and the answer is stretches of files.

use std::cmp::Ordering;

use andiron_protocol::batch::Batches;
use bytes::Bytes;

use super::Log;
use crate::disk::FileRange;
use crate::scan::{Scan, Stopped};
use crate::txn_index::{self, AbortedTransaction};
use crate::types::{LogError, ReadError, ReadOutcome, TimestampAndOffset};

impl Log {
    /// The batches from the one with `offset` on, in at most `max_bytes` (but at least one whole batch when `at_least_one`), none
    /// with offsets at or above `below`: the high watermark or last stable offset for consumers, the log end for followers.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        below: i64,
        at_least_one: bool,
    ) -> Result<ReadOutcome, ReadError> {
        if offset < self.start || offset > self.end {
            return Err(ReadError::OffsetOutOfRange {
                partition: self.partition.clone(),
                offset,
                start: self.start,
                end: self.end,
            });
        }
        let mut outcome = ReadOutcome::default();
        if offset >= below.min(self.end) {
            return Ok(outcome);
        }
        let (bound_segment, bound_position) = self.boundary(below)?;
        let mut left = max_bytes;
        for segment in &self.segments[self.floor_segment(offset)..] {
            let end = match segment.base.cmp(&bound_segment) {
                Ordering::Less => segment.size,
                Ordering::Equal => bound_position,
                Ordering::Greater => break,
            };
            let position = if outcome.ranges.is_empty() {
                // Compaction may have taken the last batches of a segment: then the offset is found in the next.
                let Some((position, header)) = self.io("reading", segment.find(offset))? else {
                    continue;
                };
                if header.size() > left {
                    if !at_least_one {
                        return Ok(outcome);
                    }
                    outcome.first_batch_exceeds = true;
                    left = header.size();
                }
                position as u32
            } else {
                0
            };
            let len = left.min(end.saturating_sub(position) as usize);
            if len > 0 {
                let file = self.io("reading", segment.log())?.clone();
                outcome.ranges.push(FileRange { file, position: u64::from(position), len });
                outcome.len += len;
                left -= len;
            } else if outcome.ranges.is_empty() {
                break;
            }
            if left == 0 {
                break;
            }
        }
        Ok(outcome)
    }

    /// Segment and position at which the batches with offsets below `below` end.
    fn boundary(&self, below: i64) -> Result<(i64, u32), LogError> {
        let last = &self.segments[self.segments.len() - 1];
        if below >= self.end {
            return Ok((last.base, last.size));
        }
        if let Some((_, segment, position)) = self.marks.iter().rev().find(|(offset, _, _)| *offset == below) {
            return Ok((*segment, *position));
        }
        for segment in &self.segments[self.floor_segment(below)..] {
            if let Some((position, _)) = self.io("reading", segment.find(below))? {
                return Ok((segment.base, position as u32));
            }
        }
        Ok((last.base, last.size))
    }

    /// Copied bytes of the batches from the one with `offset` on: whole ones only, at least one unless the log ends there. For replay.
    pub fn read_batches(&self, offset: i64, max_bytes: usize) -> Result<Bytes, ReadError> {
        let outcome = self.read(offset, max_bytes, self.end, true)?;
        let mut bytes = self.io("reading", outcome.to_vec())?;
        let mut batches = Batches::new(&bytes);
        while let Some(Ok(_)) = batches.next() {}
        let whole = batches.position();
        bytes.truncate(whole);
        Ok(Bytes::from(bytes))
    }

    /// The first record at or behind the log's start whose timestamp is at or after `timestamp`.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampAndOffset>, LogError> {
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).map_or(self.end, |s| s.base);
            if next <= self.start || self.io("reading", segment.max_timestamp())?.0 < timestamp {
                continue;
            }
            let from = self.io("reading", segment.floor_position_of_time(timestamp))?;
            if let Some(found) = self.search(at, from, |t| t >= timestamp)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record with the greatest timestamp of the log; None when no record has one.
    pub fn max_timestamp(&self) -> Result<Option<TimestampAndOffset>, LogError> {
        let mut best: Option<(usize, i64, i64)> = None;
        for (at, segment) in self.segments.iter().enumerate() {
            let (timestamp, offset) = self.io("reading", segment.max_timestamp())?;
            if timestamp >= 0 && best.is_none_or(|(_, t, _)| timestamp > t) {
                best = Some((at, timestamp, offset));
            }
        }
        let Some((at, timestamp, offset)) = best else {
            return Ok(None);
        };
        let from = match self.io("reading", self.segments[at].find(offset))? {
            Some((position, _)) => position,
            None => 0,
        };
        self.search(at, from, |t| t == timestamp)
    }

    /// The first record of a segment, from a position on, whose timestamp fits.
    fn search(&self, at: usize, from: u64, fits: impl Fn(i64) -> bool) -> Result<Option<TimestampAndOffset>, LogError> {
        let segment = &self.segments[at];
        let file = self.io("reading", segment.log())?;
        let mut scan = Scan::new(&**file, from, u64::from(segment.size));
        let mut scratch = Vec::new();
        loop {
            let batch = match scan.next() {
                Ok(Some((_, batch))) => batch,
                Ok(None) | Err(Stopped::Torn) => return Ok(None),
                Err(Stopped::Io(source)) => return self.io("reading", Err(source)),
            };
            // Greatest timestamps of batches do not ascend; but one whose greatest does not fit (or pass) has no record that does.
            if batch.header.last_offset() < self.start || !(fits(batch.header.max_timestamp)) {
                continue;
            }
            let Ok(records) = batch.records(&mut scratch) else {
                continue;
            };
            for record in records.flatten() {
                if record.offset >= self.start && fits(record.timestamp) {
                    let epoch = batch.header.partition_leader_epoch;
                    return Ok(Some(TimestampAndOffset {
                        timestamp: record.timestamp,
                        offset: record.offset,
                        leader_epoch: (epoch >= 0).then_some(epoch),
                    }));
                }
            }
        }
    }

    /// Aborted transactions that a committed reader of `[from, to)` must know.
    pub fn aborted_transactions(&self, from: i64, to: i64) -> Result<Vec<AbortedTransaction>, LogError> {
        let mut all = Vec::new();
        for segment in &self.segments[self.floor_segment(from)..] {
            for aborted in self.io("reading", txn_index::read(&*self.disk, &segment.path("txnindex")))? {
                if aborted.last_offset >= from && aborted.first_offset < to {
                    all.push(aborted);
                }
                // No transaction that ends later can have begun before this.
                if aborted.last_stable_offset >= to {
                    return Ok(all);
                }
            }
        }
        Ok(all)
    }
}
