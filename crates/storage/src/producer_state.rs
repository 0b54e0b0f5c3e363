//! What a partition knows of its idempotent and transactional producers: the last batches of each, so that a duplicate is
//! answered and a gap refused; the transactions under way, which bound what committed readers may see.

use std::collections::{BTreeMap, HashMap};

use andiron_protocol::batch::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE};

use crate::limits::PRODUCER_BATCHES_RETAINED;
use crate::types::{AppendError, TopicPartition};

pub(crate) mod snapshot;
#[cfg(test)]
mod tests;

/// One batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its records less one.
    pub offset_delta: i32,
    /// Its max timestamp.
    pub timestamp: i64,
}

impl ProducerBatch {
    /// Sequence number of the first record.
    pub fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        if first < 0 { (first + (1 << 31)) as i32 } else { first as i32 }
    }

    /// Offset of the first record.
    pub fn first_offset(&self) -> i64 {
        self.last_offset.saturating_sub(i64::from(self.offset_delta))
    }
}

/// What is known of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its epoch.
    pub epoch: i16,
    /// Its last batches, oldest first.
    pub batches: Vec<ProducerBatch>,
    /// When it wrote last.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that last ended a transaction of it, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub current_txn_first_offset: Option<i64>,
}

impl ProducerEntry {
    fn new() -> Self {
        ProducerEntry {
            epoch: NO_PRODUCER_EPOCH,
            batches: Vec::new(),
            last_timestamp: -1,
            coordinator_epoch: -1,
            current_txn_first_offset: None,
        }
    }

    /// Sequence number of the last record, or -1.
    pub fn last_sequence(&self) -> i32 {
        self.batches.last().map_or(NO_SEQUENCE, |b| b.last_sequence)
    }

    fn add(&mut self, batch: ProducerBatch) {
        if self.batches.len() == PRODUCER_BATCHES_RETAINED {
            self.batches.remove(0);
        }
        self.batches.push(batch);
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }
}

/// A transaction that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTxn {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub aborted: bool,
}

/// What the state says of a batch that is to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// New: append it.
    New,
    /// Appended before, there.
    Duplicate(ProducerBatch),
}

/// The producers of a partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProducerState {
    producers: HashMap<i64, ProducerEntry>,
    /// First offset -> producer, of open transactions.
    ongoing: BTreeMap<i64, i64>,
    /// First offset -> offset of the marker, of ended transactions whose marker is not below the high watermark yet.
    unreplicated: BTreeMap<i64, i64>,
    /// The state holds everything below this offset.
    pub map_end_offset: i64,
}

impl ProducerState {
    pub fn producers(&self) -> &HashMap<i64, ProducerEntry> {
        &self.producers
    }

    pub fn clear(&mut self) {
        *self = ProducerState { map_end_offset: self.map_end_offset, ..ProducerState::default() };
    }

    /// Judges a client's batch (or, `trusted`, one made here) before it is written.
    pub fn judge(
        &self,
        partition: &TopicPartition,
        header: &BatchHeader,
        offset: i64,
        from_client: bool,
    ) -> Result<Judgement, AppendError> {
        let Some(entry) = self.producers.get(&header.producer_id) else {
            // Of a producer that is not known (new, expired, or its records all deleted) any sequence number is taken.
            return Ok(Judgement::New);
        };
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        if epoch < entry.epoch {
            return Err(AppendError::InvalidProducerEpoch(format!(
                "Epoch of producer {id} at offset {offset} in {partition} is {epoch}, which is smaller than the last seen epoch {}",
                entry.epoch
            )));
        }
        if !from_client || header.base_sequence == NO_SEQUENCE {
            return Ok(Judgement::New);
        }
        let first = header.base_sequence;
        if epoch != entry.epoch {
            if first != 0 && entry.epoch != NO_PRODUCER_EPOCH {
                return Err(AppendError::OutOfOrderSequence(format!(
                    "Invalid sequence number for new epoch of producer {id} at offset {offset} in partition {partition}: {epoch} (request epoch), {first} (seq. number), {} (current producer epoch)",
                    entry.epoch
                )));
            }
            return Ok(Judgement::New);
        }
        let last = header.last_sequence();
        if let Some(seen) = entry.batches.iter().find(|b| b.first_sequence() == first && b.last_sequence == last) {
            return Ok(Judgement::Duplicate(*seen));
        }
        let current = entry.last_sequence();
        let in_order = i64::from(first) == i64::from(current) + 1 || (first == 0 && current == i32::MAX);
        if !in_order {
            return Err(AppendError::OutOfOrderSequence(format!(
                "Out of order sequence number for producer {id} at offset {offset} in partition {partition}: {first} (incoming seq. number), {current} (current end sequence number)"
            )));
        }
        Ok(Judgement::New)
    }

    /// Whether a transaction marker may be appended: not from a fenced coordinator or for a fenced producer.
    pub fn judge_marker(
        &self,
        partition: &TopicPartition,
        header: &BatchHeader,
        coordinator_epoch: i32,
        offset: i64,
    ) -> Result<(), AppendError> {
        let Some(entry) = self.producers.get(&header.producer_id) else {
            return Ok(());
        };
        if header.producer_epoch < entry.epoch {
            return Err(AppendError::InvalidProducerEpoch(format!(
                "Epoch of producer {} at offset {offset} in {partition} is {}, which is smaller than the last seen epoch {}",
                header.producer_id, header.producer_epoch, entry.epoch
            )));
        }
        if entry.coordinator_epoch > coordinator_epoch {
            return Err(AppendError::TransactionCoordinatorFenced(format!(
                "Invalid coordinator epoch for producerId {} at offset {offset} in partition {partition}: {coordinator_epoch} (zombie), {} (current)",
                header.producer_id, entry.coordinator_epoch
            )));
        }
        Ok(())
    }

    /// Notes a data batch that is in the log; the header has its offsets.
    pub fn update(&mut self, header: &BatchHeader) {
        let entry = self.producers.entry(header.producer_id).or_insert_with(ProducerEntry::new);
        entry.set_epoch(header.producer_epoch);
        entry.last_timestamp = header.max_timestamp;
        if header.base_sequence != NO_SEQUENCE {
            entry.add(ProducerBatch {
                last_sequence: header.last_sequence(),
                last_offset: header.last_offset(),
                offset_delta: header.last_offset_delta,
                timestamp: header.max_timestamp,
            });
        }
        if header.attributes.is_transactional() && entry.current_txn_first_offset.is_none() {
            entry.current_txn_first_offset = Some(header.base_offset);
            self.ongoing.insert(header.base_offset, header.producer_id);
        }
    }

    /// Notes a transaction marker that is in the log; gives the transaction it ended, if one was open.
    pub fn end_transaction(
        &mut self,
        header: &BatchHeader,
        coordinator_epoch: i32,
        aborted: bool,
    ) -> Option<CompletedTxn> {
        let entry = self.producers.entry(header.producer_id).or_insert_with(ProducerEntry::new);
        entry.set_epoch(header.producer_epoch);
        entry.coordinator_epoch = coordinator_epoch;
        entry.last_timestamp = header.max_timestamp;
        let first_offset = entry.current_txn_first_offset.take()?;
        self.ongoing.remove(&first_offset);
        let last_offset = header.last_offset();
        self.unreplicated.insert(first_offset, last_offset);
        Some(CompletedTxn { producer_id: header.producer_id, first_offset, last_offset, aborted })
    }

    /// The last stable offset once `completed` counts as ended: what goes into the aborted-transaction index.
    pub fn last_stable_offset_after(&self, completed: &CompletedTxn) -> i64 {
        let next = self.ongoing.keys().find(|first| **first != completed.first_offset);
        next.copied().unwrap_or(completed.last_offset.saturating_add(1))
    }

    /// First offset that a committed reader must not pass: of an open transaction, or of one whose marker is not committed yet.
    pub fn first_unstable_offset(&self, high_watermark: i64) -> Option<i64> {
        let open = self.ongoing.keys().next().copied();
        let ended = self.unreplicated.iter().find(|(_, last)| **last >= high_watermark).map(|(first, _)| *first);
        match (open, ended) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Forgets ended transactions whose markers are below the high watermark.
    pub fn on_high_watermark(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, last| *last >= high_watermark);
        }
    }

    /// The log begins at `start` now: transactions that ended or began before it are no more.
    pub fn on_log_start(&mut self, start: i64) {
        self.unreplicated.retain(|_, last| *last >= start);
        self.map_end_offset = self.map_end_offset.max(start);
    }

    /// Forgets producers without an open transaction that wrote nothing for `expiration_ms`.
    pub fn expire(&mut self, now: i64, expiration_ms: i64) {
        self.producers.retain(|_, e| !expired(e, now, expiration_ms));
    }

    /// Takes entries over from a snapshot.
    pub fn load(&mut self, entries: Vec<(i64, ProducerEntry)>, now: i64, expiration_ms: i64) {
        for (id, entry) in entries.into_iter().filter(|(_, e)| !expired(e, now, expiration_ms)) {
            if let Some(first) = entry.current_txn_first_offset {
                self.ongoing.insert(first, id);
            }
            self.producers.insert(id, entry);
        }
    }
}

fn expired(entry: &ProducerEntry, now: i64, expiration_ms: i64) -> bool {
    entry.current_txn_first_offset.is_none() && now.saturating_sub(entry.last_timestamp) >= expiration_ms
}
