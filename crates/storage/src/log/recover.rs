//! Recovery: after a crash everything from the recovery point on is read and checked, a torn tail is cut off, and indexes and
//! producers' state are built again from what is left.

use std::io::{self, IoSlice};

use andiron_protocol::batch::Batches;

use super::Log;
use super::append::{control_of, end_transaction};
use crate::journal::Leftover;
use crate::limits::{PRODUCER_RECALL_MS, PRODUCER_RECALL_OFFSETS};
use crate::producer_state::snapshot;
use crate::scan::{Scan, Stopped, find_header};
use crate::txn_index;
use crate::types::{LogError, Recovered};

impl Log {
    /// Puts the segments found in order and learns where the log ends. `epochs`: whether those of the leaders are to be gathered
    /// from the whole log.
    pub(super) fn recover(
        &mut self,
        clean: bool,
        recovery_point: i64,
        epochs: bool,
        journal: Option<&Leftover>,
        recovered: &mut Recovered,
    ) -> Result<(), LogError> {
        let last = self.segments.len() - 1;
        let mut first_scanned = if clean { self.segments.len() } else { self.floor_segment(recovery_point) };
        for at in 0..first_scanned {
            if epochs {
                self.gather_epochs(at)?;
            }
            // A clean start must be quick with many partitions: only the active segment's indexes are looked into.
            let sane = self.segments[at].indexes_are_sane(!clean || at == last);
            if !self.io("reading", sane)? {
                recovered.rebuilt_indexes.push(self.segments[at].base);
                self.scan_segment(at, false, None, recovered)?;
                let mut files = Vec::new();
                let dirty = self.segments[at].dirty_files(true, &mut files);
                self.fail("recovering", dirty)?;
                files.into_iter().for_each(|file| self.pending.file(file));
                self.pending.dir(&self.dir.clone());
            }
        }
        if clean {
            let (_, end) = self.io("reading", self.segments[last].read_next_offset())?;
            if end != self.segments[last].size {
                // Someone said clean who was not.
                first_scanned = last;
            }
        }
        let mut at = first_scanned;
        recovered.scanned = at < self.segments.len();
        recovered.first_scanned = self.segments.get(at).map(|s| s.base);
        let transactions = self.segments[at..].iter().any(|s| self.disk.exists(&s.path("txnindex")));
        while at < self.segments.len() {
            let (next, torn) = self.scan_segment(at, true, journal, recovered)?;
            // A hole: what is behind it was written later, and nobody was told of it. Compaction leaves holes that are none.
            let hole = self.segments.get(at + 1).is_some_and(|s| s.base > next) && next >= recovery_point;
            if torn || (hole && !self.config.compact) {
                recovered.dropped_segments.extend(self.segments[at + 1..].iter().map(|s| s.base));
                self.drop_segments_from(at + 1)?;
            }
            at += 1;
        }
        let cut = !recovered.dropped_segments.is_empty() || recovered.truncated_bytes > 0;
        if cut || transactions {
            self.sync_names()?;
        }
        if cut {
            tracing::warn!(
                partition = %self.partition,
                bytes = recovered.truncated_bytes,
                segments = ?recovered.dropped_segments,
                "recovery cut off a torn tail"
            );
        }
        let last = self.segments.len() - 1;
        for segment in &mut self.segments[first_scanned.min(last)..last] {
            segment.deactivate().map_err(|source| LogError::Io {
                what: "recovering",
                path: self.dir.clone(),
                source,
            })?;
        }
        self.end = self.io("reading", self.segments[last].read_next_offset())?.0;
        self.synced = if recovered.scanned { recovery_point.min(self.end).max(0) } else { self.end };
        Ok(())
    }

    /// Learns the epochs of a segment that needs no recovery. Its indexes stay as they are: a crash that took the new ones
    /// would find the epochs whole, and not look at the segment again.
    fn gather_epochs(&mut self, at: usize) -> Result<(), LogError> {
        let segment = &self.segments[at];
        let epochs = &mut self.epochs;
        let walked = segment.log().and_then(|file| {
            find_header(&**file, 0, u64::from(segment.size), |header, _| {
                epochs.assign(header.partition_leader_epoch, header.base_offset);
                false
            })
        });
        self.io("reading", walked).map(|_| ())
    }

    /// Reads a segment from its begin, checks every batch, builds its indexes, cuts off what is no whole batch. Returns the offset
    /// behind its last record and whether something was cut.
    /// What the journal has of the batches that follow is put behind them, durably. Where that closes the gap to the next
    /// segment, nothing was lost.
    /// `transactions`: whether the index of aborted transactions is emptied, to be built by [`Log::reload_producers`].
    fn scan_segment(
        &mut self,
        at: usize,
        transactions: bool,
        journal: Option<&Leftover>,
        recovered: &mut Recovered,
    ) -> Result<(i64, bool), LogError> {
        let restarted = self.segments[at].restart(&self.config, transactions);
        let (file, len) = self.fail("recovering", restarted)?;
        let mut scan = Scan::new(&*file, 0, len);
        let mut next = self.segments[at].base;
        let mut epoch = i32::MIN;
        loop {
            let batch = match scan.next() {
                Ok(Some((_, batch))) => batch,
                Ok(None) | Err(Stopped::Torn) => break,
                Err(Stopped::Io(source)) => return self.fail("recovering", Err(source)),
            };
            let header = batch.header;
            if header.base_offset < next || header.last_offset_delta < 0 || batch.check_crc().is_err() {
                break;
            }
            let noted = self.segments[at].note(&header, &self.config);
            if noted.is_err() {
                break;
            }
            next = header.next_offset();
            epoch = header.partition_leader_epoch;
            self.epochs.assign(epoch, header.base_offset);
        }
        let found = u64::from(self.segments[at].size);
        if let Some(journal) = journal {
            let restored = self.restore(at, journal, next, epoch);
            next = self.fail("recovering", restored)?;
        }
        let whole = u64::from(self.segments[at].size);
        recovered.restored_bytes += whole - found;
        recovered.truncated_bytes += len.saturating_sub(found);
        if whole != len || whole > found {
            let cut = file.set_len(whole).and_then(|()| file.sync_data());
            self.fail("recovering", cut)?;
        }
        let gap = self.segments.get(at + 1).is_none_or(|following| following.base != next);
        if at + 1 < self.segments.len() {
            let trimmed = self.segments[at].deactivate();
            self.fail("recovering", trimmed)?;
        }
        Ok((next, found < len && (gap || whole == found)))
    }

    /// Appends to a segment what the journal has from `next` on, as long as it follows without a gap and is of no earlier leader
    /// than what stands there: anything else is of a log that was, before another program had it. Gives the offset behind it.
    fn restore(&mut self, at: usize, journal: &Leftover, mut next: i64, mut epoch: i32) -> io::Result<i64> {
        let Some(topic_id) = self.topic_id else { return Ok(next) };
        let below = self.segments.get(at + 1).map_or(i64::MAX, |following| following.base);
        if next >= below {
            return Ok(next);
        }
        let mut bytes = Vec::new();
        for stretch in journal.of(topic_id, self.partition.partition) {
            bytes.clear();
            stretch.read_into(&mut bytes)?;
            for batch in Batches::new(&bytes) {
                let Ok(batch) = batch else { return Ok(next) };
                let header = batch.header;
                if header.base_offset < next {
                    continue;
                }
                let follows =
                    header.base_offset == next && header.last_offset_delta >= 0 && header.next_offset() <= below;
                let room = i32::try_from(u64::from(self.segments[at].size) + header.size() as u64).is_ok();
                if !follows || !room || header.partition_leader_epoch < epoch || batch.check_crc().is_err() {
                    return Ok(next);
                }
                self.segments[at].write(&[IoSlice::new(batch.bytes)])?;
                self.segments[at].note(&header, &self.config)?;
                next = header.next_offset();
                epoch = header.partition_leader_epoch;
                self.epochs.assign(epoch, header.base_offset);
            }
        }
        Ok(next)
    }

    /// Builds the producers' state from the newest snapshot that is whole and the log behind it. Indexes of aborted transactions of
    /// segments from `txn_from` on are built again along the way, and are durable then: the next segment may begin before anything
    /// else is synced, and after a crash would be the first that is read.
    pub(super) fn reload_producers(&mut self, now: i64, txn_from: Option<i64>) -> Result<(), LogError> {
        self.producers.clear();
        let (start, end) = (self.start, self.end);
        // Of what is read again no snapshot stays: one that is older than what is made of it now would say something else the
        // next time (ProducerStateManager.truncateAndReload).
        let usable = txn_from.map_or(end, |from| from.max(start).min(end));
        self.remove_snapshots(|offset| offset > usable || offset <= start)?;
        self.producers.map_end_offset = start;
        let expiration = self.config.producer_id_expiration_ms;
        while let Some(offset) = self.snapshots.last().copied() {
            let path = snapshot::path(&self.dir, offset);
            if let Some(entries) = self.io("reading a producer snapshot", snapshot::read(&*self.disk, &path))? {
                self.producers.load(entries, now, expiration);
                self.producers.map_end_offset = offset;
                break;
            }
            tracing::warn!(partition = %self.partition, offset, "a torn producer snapshot is removed");
            self.remove_snapshots(|o| o == offset)?;
        }
        let from = self.producers.map_end_offset;
        self.recall_batches(from, now)?;
        let mut rebuilt = false;
        for at in self.floor_segment(from)..self.segments.len() {
            rebuilt |= self.replay_producers(at, from, txn_from)?;
        }
        if rebuilt {
            self.sync_names()?;
        }
        self.producers.map_end_offset = end;
        self.producers.expire(now, expiration);
        self.take_snapshot()
    }

    /// A snapshot has but the last batch of each producer. One that had several under way when the log was closed, or when the
    /// power went, sends them all again: those that lie not far before the snapshot are found in the log.
    fn recall_batches(&mut self, snapshot: i64, now: i64) -> Result<(), LogError> {
        if !self.producers.any_since(now.saturating_sub(PRODUCER_RECALL_MS)) {
            return Ok(());
        }
        let from = snapshot.saturating_sub(PRODUCER_RECALL_OFFSETS).max(self.start);
        for segment in &self.segments[self.floor_segment(from)..] {
            let producers = &mut self.producers;
            let walked = segment.floor_position(from).and_then(|position| {
                find_header(&**segment.log()?, position, u64::from(segment.size), |header, _| {
                    if header.base_offset < snapshot {
                        producers.recall(header);
                    }
                    header.base_offset >= snapshot
                })
            });
            if self.io("reading", walked)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Says whether it has indexed an aborted transaction.
    fn replay_producers(&mut self, at: usize, from: i64, txn_from: Option<i64>) -> Result<bool, LogError> {
        let segment = &self.segments[at];
        let Some((position, _)) = self.io("reading", segment.find(from))? else { return Ok(false) };
        let rebuild = txn_from.is_some_and(|base| segment.base >= base);
        let file = self.io("reading", segment.log())?.clone();
        let txn_path = segment.path("txnindex");
        let mut index = None;
        let mut scan = Scan::new(&*file, position, u64::from(segment.size));
        loop {
            let batch = match scan.next() {
                Ok(Some((_, batch))) => batch,
                Ok(None) | Err(Stopped::Torn) => break,
                Err(Stopped::Io(source)) => return self.fail("reading", Err(source)),
            };
            // The batch that holds the log's start begins before it, and the transaction it is in is as open or aborted as any.
            if !batch.header.has_producer_id() {
                continue;
            }
            if !batch.header.attributes.is_control() {
                self.producers.update(&batch.header);
            } else if let Some((kind, marker)) = control_of(&batch)
                && let Some(aborted) = end_transaction(&mut self.producers, &batch.header, kind, marker)
                && rebuild
            {
                let noted = txn_index::append(&*self.disk, &txn_path, &aborted);
                index = Some(self.fail("indexing", noted)?);
            }
        }
        let synced = index.as_ref().map_or(Ok(()), |file| file.sync_data());
        self.fail("indexing", synced)?;
        Ok(index.is_some())
    }
}
