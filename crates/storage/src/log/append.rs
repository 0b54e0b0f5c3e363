//! Appending: a batch is checked in one pass, gets its offset in its header, and its bytes go to the file as they came.

use std::io::IoSlice;

use andiron_protocol::batch::{
    Batch, BatchHeader, Batches, ControlType, EndTxnMarker, HEADER_BYTES, NO_TIMESTAMP, TimestampType,
};

use super::Log;
use crate::producer_state::Judgement;
use crate::segment::Segment;
use crate::txn_index::{self, AbortedTransaction};
use crate::types::{AppendError, AppendOrigin, Appended, LogError, TransactionProof, VerificationGuard};
use crate::validate::{self, Checked};

impl Log {
    /// Begins to verify that the partition belongs to a producer's transaction, before its first batch with this sequence number
    /// is appended. None if nobody needs to be asked, as the transaction is under way here. `epoch_bump`: whether the producer's
    /// epoch is bumped with every transaction.
    pub fn start_verification(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        epoch_bump: bool,
        now: i64,
    ) -> Option<VerificationGuard> {
        self.producers.start_verification(producer_id, epoch, sequence, epoch_bump, now)
    }

    /// [`Log::append_in_transaction`] of batches of which nothing is known but what they say themselves.
    pub fn append_as_leader(
        &mut self,
        batches: &[u8],
        leader_epoch: i32,
        origin: AppendOrigin,
        now: i64,
    ) -> Result<Appended, AppendError> {
        self.append_in_transaction(batches, leader_epoch, origin, TransactionProof::None, now)
    }

    /// Appends batches as the leader: checks them, assigns offsets in their headers, writes their bytes as they came. A duplicate
    /// of an idempotent producer is answered with the offsets it got before.
    pub fn append_in_transaction(
        &mut self,
        batches: &[u8],
        leader_epoch: i32,
        origin: AppendOrigin,
        proof: TransactionProof,
        now: i64,
    ) -> Result<Appended, AppendError> {
        self.online()?;
        let mut checked = validate::check(batches, &self.partition, &self.config, origin, self.end, now)?;
        let bytes: usize = checked.iter().map(|c| HEADER_BYTES + c.body().len()).sum();
        if bytes > self.config.segment_bytes as usize {
            let (partition, max) = (self.partition.clone(), self.config.segment_bytes);
            return Err(AppendError::LargerThanSegment { partition, size: bytes, max });
        }
        let verify = self.config.transaction_verification;
        let mut marker = None;
        if let [one] = checked.as_slice()
            && one.header.has_producer_id()
        {
            if one.header.attributes.is_control() {
                marker = control(&one.header, one.body());
                if let Some((_, ended)) = marker {
                    let version = if let TransactionProof::Marker(version) = proof { version } else { 0 };
                    let coordinator = ended.coordinator_epoch;
                    self.producers.judge_marker(&self.partition, &one.header, coordinator, self.end, version)?;
                }
            } else if let Judgement::Duplicate(seen) =
                self.producers.judge(&self.partition, &one.header, self.end, origin, proof, verify)?
            {
                return Ok(Appended {
                    base_offset: seen.first_offset(),
                    last_offset: seen.last_offset,
                    log_append_time: self.append_time(seen.timestamp),
                    log_start_offset: self.start,
                    duplicate: true,
                    records: 0,
                    bytes: 0,
                });
            }
        }
        let base_offset = self.end;
        let mut next = base_offset;
        let mut max_timestamp = NO_TIMESTAMP;
        let mut records = 0u32;
        for one in &mut checked {
            one.header.base_offset = next;
            one.header.partition_leader_epoch = leader_epoch;
            next = one.header.next_offset();
            max_timestamp = max_timestamp.max(one.header.max_timestamp);
            records += one.header.record_count.max(0) as u32;
        }
        self.roll_for(bytes, max_timestamp, next - 1, now)?;
        // From here on an error means that the append may have happened.
        self.write(&checked)?;
        for one in &checked {
            self.note(&one.header, marker)?;
        }
        Ok(Appended {
            base_offset,
            last_offset: next - 1,
            log_append_time: self.append_time(now),
            log_start_offset: self.start,
            duplicate: false,
            records,
            bytes: bytes as u64,
        })
    }

    /// Appends batches fetched from the leader: offsets, epochs and timestamps stay. They must go on where the log ends.
    pub fn append_as_follower(&mut self, batches: &[u8], now: i64) -> Result<Appended, AppendError> {
        self.online()?;
        let base_offset = self.end;
        let mut walk = Batches::new(batches);
        let mut records = 0u32;
        let mut max_timestamp = NO_TIMESTAMP;
        let mut next = self.end;
        for batch in walk.by_ref() {
            let batch = batch.map_err(AppendError::Corrupt)?;
            batch.check_crc().map_err(AppendError::Corrupt)?;
            // Compaction leaves gaps, nothing leaves a step back.
            if batch.header.base_offset < next || batch.header.last_offset_delta < 0 {
                let message = format!(
                    "Out of order offsets found in append to {}: {} after {next}",
                    self.partition, batch.header.base_offset
                );
                return Err(AppendError::InvalidRecord { message, records: Vec::new() });
            }
            next = batch.header.next_offset();
            max_timestamp = max_timestamp.max(batch.header.max_timestamp);
            records = records.saturating_add(batch.header.record_count.max(0) as u32);
        }
        let whole = walk.position();
        if whole > 0 {
            self.roll_for(whole, max_timestamp, next - 1, now)?;
            let active = self.active_mut();
            let (base, last) = (active.base, next - 1);
            if last.saturating_sub(base) > i64::from(i32::MAX) {
                let message =
                    format!("Detected offset overflow at offset {last} in segment {base} of {}", self.partition);
                return Err(AppendError::InvalidRecord { message, records: Vec::new() });
            }
            let written = active.write(&[IoSlice::new(&batches[..whole])]);
            self.fail("appending", written)?;
            for batch in Batches::new(&batches[..whole]).flatten() {
                let marker = control(&batch.header, batch.body());
                self.note(&batch.header, marker)?;
            }
        }
        Ok(Appended {
            base_offset,
            last_offset: next - 1,
            log_append_time: -1,
            log_start_offset: self.start,
            duplicate: false,
            records,
            bytes: whole as u64,
        })
    }

    fn append_time(&self, time: i64) -> i64 {
        match self.config.message_timestamp_type {
            TimestampType::LogAppendTime => time,
            TimestampType::CreateTime => -1,
        }
    }

    pub(super) fn active_mut(&mut self) -> &mut Segment {
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    fn roll_for(&mut self, bytes: usize, max_timestamp: i64, last_offset: i64, now: i64) -> Result<(), LogError> {
        let config = &self.config;
        let active = &self.segments[self.segments.len() - 1];
        let must = active.must_roll(bytes.min(u32::MAX as usize) as u32, max_timestamp, last_offset, config, now);
        if self.fail("rolling", must)? {
            self.roll(now)?;
        }
        Ok(())
    }

    fn write(&mut self, checked: &[Checked<'_>]) -> Result<(), LogError> {
        let active = &self.segments[self.segments.len() - 1];
        let written = match checked {
            [one] => active.write(&[IoSlice::new(&one.header.to_bytes()), IoSlice::new(one.body())]),
            many => {
                let headers: Vec<[u8; HEADER_BYTES]> = many.iter().map(|c| c.header.to_bytes()).collect();
                let parts: Vec<IoSlice<'_>> =
                    headers.iter().zip(many).flat_map(|(h, c)| [IoSlice::new(h), IoSlice::new(c.body())]).collect();
                active.write(&parts)
            }
        };
        self.fail("appending", written)
    }

    /// Takes a batch into account that has been written at the log's end.
    fn note(&mut self, header: &BatchHeader, marker: Option<(ControlType, EndTxnMarker)>) -> Result<(), LogError> {
        let last = self.segments.len() - 1;
        let noted = self.segments[last].note(header, &self.config);
        self.fail("indexing", noted)?;
        self.end = header.next_offset();
        if self.epochs.latest().is_none_or(|(epoch, _)| epoch != header.partition_leader_epoch)
            && self.epochs.assign(header.partition_leader_epoch, header.base_offset)
        {
            self.write_epochs()?;
        }
        if header.has_producer_id() {
            if !header.attributes.is_control() {
                self.producers.update(header);
            } else if let Some((kind, ended)) = marker
                && let Some(aborted) = end_transaction(&mut self.producers, header, kind, ended)
            {
                let path = self.segments[last].path("txnindex");
                let noted = txn_index::append(&*self.disk, &path, &aborted);
                let file = self.fail("indexing", noted)?;
                self.pending.file(file);
                self.pending.dir(&self.dir.clone());
            }
        }
        self.producers.map_end_offset = self.end;
        Ok(())
    }
}

/// Notes a marker; gives the entry for the index when it aborted a transaction.
pub(super) fn end_transaction(
    producers: &mut crate::producer_state::ProducerState,
    header: &BatchHeader,
    kind: ControlType,
    marker: EndTxnMarker,
) -> Option<AbortedTransaction> {
    let completed = producers.end_transaction(header, marker.coordinator_epoch, kind == ControlType::Abort)?;
    completed.aborted.then(|| AbortedTransaction {
        producer_id: completed.producer_id,
        first_offset: completed.first_offset,
        last_offset: completed.last_offset,
        last_stable_offset: producers.last_stable_offset_after(&completed),
    })
}

/// The transaction marker that a control batch is, if it is one.
pub(super) fn control(header: &BatchHeader, body: &[u8]) -> Option<(ControlType, EndTxnMarker)> {
    if !header.attributes.is_control() || !header.has_producer_id() {
        return None;
    }
    let record = andiron_protocol::batch::Records::new(header, body).next()?.ok()?;
    let kind = ControlType::from_key(record.key?)?;
    if !matches!(kind, ControlType::Abort | ControlType::Commit) {
        return None;
    }
    Some((kind, EndTxnMarker::read(record.value?)?))
}

/// [`control`] of a whole batch.
pub(super) fn control_of(batch: &Batch<'_>) -> Option<(ControlType, EndTxnMarker)> {
    control(&batch.header, batch.body())
}
