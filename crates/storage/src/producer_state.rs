//! What a partition knows of its idempotent and transactional producers: the last batches of each, so that a duplicate is
//! answered and a gap refused; the transactions under way, which bound what committed readers may see.

use std::collections::{BTreeMap, HashMap};

use andiron_protocol::batch::{BatchHeader, NO_PRODUCER_EPOCH, NO_SEQUENCE};

use crate::limits::{PRODUCER_BATCHES_RETAINED, VERIFYING_PRODUCERS_MAX};
use crate::types::{AppendError, AppendOrigin, TopicPartition, TransactionProof, VerificationGuard};

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
    fn of(header: &BatchHeader) -> ProducerBatch {
        ProducerBatch {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

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

/// A producer of whom the coordinator is being asked whether this partition belongs to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verification {
    guard: VerificationGuard,
    epoch: i16,
    /// The lowest sequence number that came since the question began: what is higher must wait for it.
    lowest_sequence: i32,
    /// Whether the producer's epoch is bumped with every transaction (`transaction.version` 2): then it begins with 0.
    epoch_bump: bool,
    since: i64,
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
    /// Soft: whoever is verified here when the node stops asks again.
    verifying: HashMap<i64, Verification>,
    next_guard: u64,
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

    /// Begins to verify that a producer's transaction has this partition; none if its transaction is under way here, so that
    /// nobody needs to be asked. Whoever asks again before anything was appended gets the same guard.
    pub fn start_verification(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        epoch_bump: bool,
        now: i64,
    ) -> Option<VerificationGuard> {
        if self.has_ongoing(producer_id, epoch) {
            return None;
        }
        if let Some(under_way) = self.verifying.get_mut(&producer_id) {
            if epoch > under_way.epoch {
                (under_way.epoch, under_way.lowest_sequence) = (epoch, sequence);
            } else if epoch == under_way.epoch {
                under_way.lowest_sequence = under_way.lowest_sequence.min(sequence);
            }
            under_way.epoch_bump = epoch_bump;
            return Some(under_way.guard);
        }
        if self.verifying.len() >= VERIFYING_PRODUCERS_MAX {
            let oldest = self.verifying.iter().min_by_key(|(_, entry)| entry.since).map(|(id, _)| *id);
            oldest.and_then(|id| self.verifying.remove(&id));
        }
        self.next_guard += 1;
        let guard = VerificationGuard(self.next_guard);
        let entry = Verification { guard, epoch, lowest_sequence: sequence, epoch_bump, since: now };
        self.verifying.insert(producer_id, entry);
        Some(guard)
    }

    fn has_ongoing(&self, producer_id: i64, epoch: i16) -> bool {
        let entry = self.producers.get(&producer_id);
        entry.is_some_and(|entry| entry.current_txn_first_offset.is_some() && entry.epoch == epoch)
    }

    /// Judges a client's or a coordinator's data batch before it is written. `verify`: whether a transaction that is not
    /// under way here must have been verified.
    pub fn judge(
        &self,
        partition: &TopicPartition,
        header: &BatchHeader,
        offset: i64,
        origin: AppendOrigin,
        proof: TransactionProof,
        verify: bool,
    ) -> Result<Judgement, AppendError> {
        let (id, epoch) = (header.producer_id, header.producer_epoch);
        let entry = self.producers.get(&id);
        let numbered = origin == AppendOrigin::Client && header.base_sequence != NO_SEQUENCE;
        let (first, last) = (header.base_sequence, header.last_sequence());
        if let Some(entry) = entry.filter(|entry| numbered && entry.epoch == epoch)
            && let Some(seen) = entry.batches.iter().find(|b| b.first_sequence() == first && b.last_sequence == last)
        {
            return Ok(Judgement::Duplicate(*seen));
        }
        let verification = self.verifying.get(&id);
        if header.attributes.is_transactional() && verify && !self.has_ongoing(id, epoch) {
            let vouched =
                matches!(proof, TransactionProof::Verified(guard) if verification.is_some_and(|v| v.guard == guard));
            if !vouched {
                return Err(AppendError::InvalidTxnState("Record was not part of an ongoing transaction".to_owned()));
            }
        }
        if let Some(entry) = entry {
            if epoch < entry.epoch {
                return Err(stale_epoch(partition, header, offset, entry.epoch));
            }
            if entry.current_txn_first_offset.is_some() && !header.attributes.is_transactional() {
                return Err(AppendError::InvalidTxnState(format!(
                    "Expected transactional write from producer {id} at offset {offset} in partition {partition}"
                )));
            }
        }
        if !numbered {
            return Ok(Judgement::New);
        }
        let unordered = |why: String| {
            Err(AppendError::OutOfOrderSequence(format!(
                "Out of order sequence number for producer {id} at offset {offset} in partition {partition}: {first} (incoming seq. number), {why}"
            )))
        };
        if let Some(verification) = verification {
            if verification.epoch_bump && first != 0 && entry.is_none_or(|entry| entry.batches.is_empty()) {
                return unordered("0 (expected of a producer without state here)".to_owned());
            }
            if first > verification.lowest_sequence {
                return unordered(format!("{} (earliest seen sequence)", verification.lowest_sequence));
            }
        }
        // Of a producer that is not known (new, expired, or its records all deleted) any sequence number is taken.
        let Some(entry) = entry.filter(|entry| entry.epoch != NO_PRODUCER_EPOCH) else { return Ok(Judgement::New) };
        if epoch != entry.epoch {
            if first != 0 {
                return Err(AppendError::OutOfOrderSequence(format!(
                    "Invalid sequence number for new epoch of producer {id} at offset {offset} in partition {partition}: {epoch} (request epoch), {first} (seq. number), {} (current producer epoch)",
                    entry.epoch
                )));
            }
            return Ok(Judgement::New);
        }
        let current = entry.last_sequence();
        let in_order = i64::from(first) == i64::from(current) + 1 || (first == 0 && current == i32::MAX);
        if !in_order {
            return unordered(format!("{current} (current end sequence number)"));
        }
        Ok(Judgement::New)
    }

    /// Whether a transaction marker may be appended: not from a fenced coordinator or for a fenced producer. From
    /// `transaction.version` 2 on a marker has an epoch of its own, above that of the records it ends; the same one again is
    /// the repetition of a coordinator that does not know whether its first try was written.
    pub fn judge_marker(
        &self,
        partition: &TopicPartition,
        header: &BatchHeader,
        coordinator_epoch: i32,
        offset: i64,
        transaction_version: i16,
    ) -> Result<(), AppendError> {
        let Some(entry) = self.producers.get(&header.producer_id) else {
            return Ok(());
        };
        let same_is_late = transaction_version >= 2 && entry.current_txn_first_offset.is_some();
        if header.producer_epoch < entry.epoch || (header.producer_epoch == entry.epoch && same_is_late) {
            return Err(stale_epoch(partition, header, offset, entry.epoch));
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
            entry.add(ProducerBatch::of(header));
        }
        if header.attributes.is_transactional() {
            if entry.current_txn_first_offset.is_none() {
                entry.current_txn_first_offset = Some(header.base_offset);
                self.ongoing.insert(header.base_offset, header.producer_id);
            }
            self.verifying.remove(&header.producer_id);
        }
    }

    /// Whether any producer has written at or after `time`.
    pub fn any_since(&self, time: i64) -> bool {
        self.producers.values().any(|entry| !entry.batches.is_empty() && entry.last_timestamp >= time)
    }

    /// A data batch of the log from before the snapshot that was loaded; they come in their order.
    pub fn recall(&mut self, header: &BatchHeader) {
        if !header.has_producer_id() || header.attributes.is_control() || header.base_sequence == NO_SEQUENCE {
            return;
        }
        let Some(entry) = self.producers.get_mut(&header.producer_id) else { return };
        let Some(last) = entry.batches.pop_if(|_| entry.epoch == header.producer_epoch) else { return };
        if header.last_offset() < last.last_offset {
            entry.add(ProducerBatch::of(header));
        }
        entry.add(last);
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
        // What was verified belongs to the transaction that ends here.
        self.verifying.remove(&header.producer_id);
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
        self.verifying.retain(|_, entry| now.saturating_sub(entry.since) < expiration_ms);
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

fn stale_epoch(partition: &TopicPartition, header: &BatchHeader, offset: i64, seen: i16) -> AppendError {
    let (id, epoch) = (header.producer_id, header.producer_epoch);
    let than = if epoch == seen { "not above" } else { "smaller than" };
    AppendError::InvalidProducerEpoch(format!(
        "Epoch of producer {id} at offset {offset} in {partition} is {epoch}, which is {than} the last seen epoch {seen}"
    ))
}

fn expired(entry: &ProducerEntry, now: i64, expiration_ms: i64) -> bool {
    entry.current_txn_first_offset.is_none() && now.saturating_sub(entry.last_timestamp) >= expiration_ms
}
