//! One partition's batches: the one being filled, those waiting to be sent, and the sequence numbers of an idempotent producer.
//!
//! Nothing here waits or sends; time comes in. The rules of idempotence:
//! - A batch gets its sequence when it is first taken, and keeps it for every repeat.
//! - Repeats go one at a time, oldest first; new batches wait behind them.
//! - A batch that surely was not written leaves a gap nobody can fill: what follows it is numbered anew under a new epoch.
//! - A batch that may have been written and was given up leaves a doubt: what follows it keeps its numbers until all of
//!   it is answered, and only then, if a gap has shown, the next epoch begins.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::batch::{
    Batch as View, BatchBuilder, BatchError, BatchOptions, HEADER_BYTES, increment_sequence, patch_crc, patch_producer,
};
use andiron_protocol::compression::Codec;
use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::ProducerRecord;
use super::delivery::{Completion, Delivery};
use crate::config::Compression;
use crate::limits::UNCOMPRESSED_BATCH_SIZES_MAX;

/// An idempotent producer's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerId {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// Numbers kept free behind each batch's: it can be halved twenty times, and the halves stand where it stood.
pub(crate) const ROOM_FOR_HALVES: u64 = 1 << 20;

/// A sealed batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) number: u64,
    pub(crate) bytes: Bytes,
    pub(crate) records: u32,
    pub(crate) created: Instant,
    pub(crate) completion: Arc<Completion>,
    /// How often it has been taken.
    pub(crate) attempts: u32,
    /// An attempt may have been written without our knowing.
    pub(crate) uncertain: bool,
    pub(crate) sequence: Option<i32>,
    /// Why its bytes could not be made; such a batch is taken only to be failed.
    pub(crate) broken: Option<String>,
    not_before: Option<Instant>,
    /// So many numbers from its own on are its own, for the batches it may be split into.
    room: u64,
    _memory: Arc<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    created: Instant,
    completion: Arc<Completion>,
    memory: OwnedSemaphorePermit,
}

/// What a partition's batches are made by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making {
    pub(crate) batch_size: usize,
    pub(crate) compression: Compression,
    /// The batches are parts of transactions.
    pub(crate) transactional: bool,
}

/// Memory for a batch to be opened, with its number and outcome.
pub(crate) struct Opening {
    pub(crate) number: u64,
    pub(crate) completion: Arc<Completion>,
    pub(crate) memory: OwnedSemaphorePermit,
}

/// What an append did.
pub(crate) struct Appended {
    pub(crate) delivery: Delivery,
    /// The sender has something new to look at.
    pub(crate) wake: bool,
    /// The batch is full now.
    pub(crate) full: bool,
}

/// When the partition has something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    At(Instant),
    Never,
}

#[derive(Debug)]
pub(crate) struct Queue {
    making: Making,
    builder: BatchBuilder,
    open: Option<Open>,
    sealed: VecDeque<Batch>,
    /// Compressed over uncompressed size, as lately seen.
    ratio: f32,
    /// Batches taken and not answered.
    pub(crate) on_wire: usize,
    producer: Option<ProducerId>,
    next_sequence: i32,
    last_acked: Option<i32>,
    /// Numbered batches without an outcome, in the order of their sequences.
    outstanding: VecDeque<u64>,
    gap: bool,
    doubt: bool,
}

impl Queue {
    pub(crate) fn new(making: Making) -> Self {
        let options = BatchOptions {
            codec: making.compression.codec,
            level: making.compression.level,
            transactional: making.transactional,
            ..Default::default()
        };
        Queue {
            making,
            builder: BatchBuilder::new(options),
            open: None,
            sealed: VecDeque::new(),
            ratio: 1.0,
            on_wire: 0,
            producer: None,
            next_sequence: 0,
            last_acked: None,
            outstanding: VecDeque::new(),
            gap: false,
            doubt: false,
        }
    }

    fn estimate(&self, more: usize) -> usize {
        let uncompressed = self.builder.uncompressed_size() - HEADER_BYTES + more;
        let size = match self.making.compression.codec {
            Codec::None => uncompressed,
            _ => (uncompressed as f32 * self.ratio * 1.05) as usize,
        };
        HEADER_BYTES + size
    }

    /// Whether a record of at most `size` bytes goes into the open batch.
    pub(crate) fn has_room(&mut self, size: usize) -> bool {
        if self.open.is_none() || !self.builder.is_empty() && self.estimate(size) > self.making.batch_size {
            return false;
        }
        let uncompressed = self.builder.uncompressed_size() + size;
        let Some(open) = &mut self.open else { return false };
        let paid = open.memory.num_permits();
        if uncompressed <= paid || self.builder.is_empty() || self.making.compression.codec == Codec::None {
            return true;
        }
        // A compressed batch holds more than its size; what it holds until it is sealed is paid for as it grows.
        if uncompressed > self.making.batch_size * UNCOMPRESSED_BATCH_SIZES_MAX {
            return false;
        }
        let more = (uncompressed - paid).max(self.making.batch_size).min(u32::MAX as usize);
        match open.memory.semaphore().clone().try_acquire_many_owned(more as u32) {
            Ok(more) => {
                open.memory.merge(more);
                true
            }
            Err(_) => false,
        }
    }

    /// Seals what is open, if anything, and opens a new batch.
    pub(crate) fn open(&mut self, opening: Opening, now: Instant) {
        self.seal();
        let Opening { number, completion, memory } = opening;
        self.open = Some(Open { number, created: now, completion, memory });
    }

    /// Appends to the open batch, which must have room; `None` if none is open.
    pub(crate) fn append(&mut self, record: &ProducerRecord<'_>, timestamp: i64) -> Option<Appended> {
        let open = self.open.as_ref()?;
        let index = self.builder.count();
        let headers = record.headers.iter().map(|header| (header.key.as_bytes(), header.value));
        self.builder.append_with_headers(timestamp, record.key, record.value, headers);
        let delivery = Delivery { completion: open.completion.clone(), index: index.unsigned_abs(), timestamp };
        let full = self.estimate(0) >= self.making.batch_size;
        if full {
            self.seal();
        }
        Some(Appended { delivery, wake: full || index == 0, full })
    }

    fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (records, uncompressed) = (self.builder.count().unsigned_abs(), self.builder.uncompressed_size());
        let (bytes, broken) = match self.builder.build() {
            Ok(bytes) => (bytes, None),
            Err(error) => {
                self.builder.clear();
                (Bytes::new(), Some(error.to_string()))
            }
        };
        if self.making.compression.codec != Codec::None && broken.is_none() {
            let seen = bytes.len() as f32 / uncompressed as f32;
            // Worse ratios are believed at once, better ones slowly: too large a batch is refused, too small a one only costs.
            self.ratio = if seen > self.ratio { (self.ratio + 0.05).max(seen) } else { (self.ratio - 0.005).max(seen) };
        }
        self.sealed.push_back(Batch {
            number: open.number,
            bytes,
            records,
            created: open.created,
            completion: open.completion,
            attempts: 0,
            uncertain: false,
            sequence: None,
            broken,
            not_before: None,
            room: ROOM_FOR_HALVES,
            _memory: Arc::new(open.memory),
        });
    }

    /// How many batches wait.
    pub(crate) fn waiting(&self) -> usize {
        self.sealed.len() + usize::from(self.open.is_some())
    }

    pub(crate) fn ready(&self, now: Instant, linger: Duration, force: bool) -> Ready {
        if self.gap {
            return Ready::Never;
        }
        let ready_at = match (self.sealed.front(), &self.open) {
            (Some(first), _) => first.not_before.unwrap_or(now),
            (None, Some(_)) if force => now,
            (None, Some(open)) => open.created + linger,
            (None, None) => return Ready::Never,
        };
        if self.waits_for_an_older(self.sealed.front()) {
            return Ready::Never;
        }
        if ready_at <= now { Ready::Now } else { Ready::At(ready_at) }
    }

    /// A repeat waits until everything before it is answered, a new batch until a doubt is settled. The first batch of an
    /// epoch goes alone: a broker that has never heard of the producer takes any sequence for its first, so that the second
    /// batch would be accepted while the first is being repeated, and the first never again.
    fn waits_for_an_older(&self, first: Option<&Batch>) -> bool {
        match first {
            Some(first) if first.sequence.is_some() => self.outstanding.front() != Some(&first.number),
            _ => self.doubt || self.last_acked.is_none() && !self.outstanding.is_empty(),
        }
    }

    /// The size of the batch that [`Queue::take`] would give, or `None` if it would give none.
    pub(crate) fn next_size(&mut self, now: Instant) -> Option<usize> {
        if self.sealed.is_empty() && !self.doubt && !self.gap {
            self.seal();
        }
        let waits = self.gap || self.waits_for_an_older(self.sealed.front());
        let first = self.sealed.front().filter(|first| !waits && first.not_before.is_none_or(|at| at <= now));
        first.map(|first| first.bytes.len())
    }

    /// Takes the first batch, numbered if `producer` is given.
    pub(crate) fn take(&mut self, producer: Option<ProducerId>) -> Option<Batch> {
        let mut batch = self.sealed.pop_front()?;
        if let Some(current) = producer
            && batch.sequence.is_none()
            && batch.broken.is_none()
        {
            if self.producer != Some(current) && self.outstanding.is_empty() {
                self.begin(current);
            }
            let of = self.producer.unwrap_or(current);
            number(&mut batch, of, self.next_sequence);
            self.next_sequence = increment_sequence(self.next_sequence, batch.records as i32);
            self.outstanding.push_back(batch.number);
        }
        batch.attempts += 1;
        self.on_wire += 1;
        Some(batch)
    }

    fn begin(&mut self, producer: ProducerId) {
        self.producer = Some(producer);
        self.next_sequence = 0;
        self.last_acked = None;
        self.gap = false;
        self.doubt = false;
    }

    fn answered(&mut self, batch: &Batch) {
        self.on_wire = self.on_wire.saturating_sub(1);
        self.outstanding.retain(|number| *number != batch.number);
    }

    /// The batch is written.
    pub(crate) fn acknowledged(&mut self, batch: &Batch) {
        self.answered(batch);
        if let Some(sequence) = batch.sequence {
            let last = increment_sequence(sequence, batch.records as i32 - 1);
            // Answers of an old leader may come after those of the new one. Across the wrap the difference is hugely negative.
            let later = |before: i32| (last - before) > 0 || before - last > i32::MAX / 2;
            if self.last_acked.is_none_or(later) {
                self.last_acked = Some(last);
            }
        }
    }

    /// The batch is to be sent again, in its old place.
    pub(crate) fn put_back(&mut self, mut batch: Batch, not_before: Instant) {
        self.on_wire = self.on_wire.saturating_sub(1);
        batch.not_before = Some(not_before);
        let place = self.sealed.partition_point(|other| other.number < batch.number);
        self.sealed.insert(place, batch);
    }

    /// Halves a batch that the broker finds too large. The halves take its place and its sequences; of each its number and its
    /// outcome. One that cannot be halved is given back.
    pub(crate) fn split(&mut self, batch: Batch) -> Result<[(u64, Arc<Completion>); 2], Box<Batch>> {
        let records = batch.records / 2;
        let room = batch.room / 2;
        if records == 0 || room == 0 {
            return Err(Box::new(batch));
        }
        let Ok(bytes) = halves(&batch.bytes, records, &self.builder.options) else { return Err(Box::new(batch)) };
        // What was believed of its compression was too good.
        self.ratio = 1.0;
        self.on_wire = self.on_wire.saturating_sub(1);
        let numbers = [batch.number, batch.number + room];
        let counts = [records, batch.records - records];
        let completions = batch.completion.split(records);
        if batch.sequence.is_some()
            && let Some(place) = self.outstanding.iter().position(|number| *number == batch.number)
        {
            self.outstanding.insert(place + 1, numbers[1]);
        }
        let mut sequence = batch.sequence;
        let place = self.sealed.partition_point(|other| other.number < batch.number);
        let halves = numbers.into_iter().zip(counts).zip(bytes).zip(&completions);
        for (at, (((number, count), bytes), completion)) in halves.enumerate() {
            let mut half = Batch {
                number,
                bytes,
                records: count,
                created: batch.created,
                completion: completion.clone(),
                attempts: batch.attempts,
                uncertain: batch.uncertain,
                sequence: None,
                broken: None,
                not_before: None,
                room,
                _memory: batch._memory.clone(),
            };
            if let (Some(first), Some(producer)) = (sequence, self.producer) {
                self::number(&mut half, producer, first);
                sequence = Some(increment_sequence(first, count as i32));
            }
            self.sealed.insert(place + at, half);
        }
        let [first, second] = completions;
        Ok([(numbers[0], first), (numbers[1], second)])
    }

    /// The batch is given up; `taken` if it was on the wire till now.
    pub(crate) fn given_up(&mut self, batch: &Batch, taken: bool, may_be_written: bool) {
        if taken {
            self.on_wire = self.on_wire.saturating_sub(1);
        }
        self.outstanding.retain(|number| *number != batch.number);
        if batch.sequence.is_some() {
            self.doubt |= may_be_written;
            self.gap |= !may_be_written && !self.doubt;
        }
    }

    /// Whether a refusal for a wrong sequence only says that an older batch must come first, or that what follows a gap is
    /// about to be numbered anew.
    pub(crate) fn is_premature(&self, batch: &Batch) -> bool {
        !self.doubt && (self.gap || self.outstanding.front() != Some(&batch.number))
    }

    /// The broker has forgotten this producer: what follows is numbered anew.
    pub(crate) fn forgotten(&mut self) {
        self.gap = true;
    }

    /// Whether the partition waits for a new epoch and nothing of it is on the wire any more. Settles a doubt without a gap.
    pub(crate) fn wants_new_epoch(&mut self) -> bool {
        if self.doubt && self.outstanding.is_empty() && self.on_wire == 0 {
            let expected = self.last_acked.map_or(0, |last| increment_sequence(last, 1));
            self.doubt = false;
            self.gap = self.next_sequence != expected;
        }
        self.gap && self.on_wire == 0
    }

    /// Begins a new epoch: what has been numbered is numbered anew from 0, in order.
    pub(crate) fn renumber(&mut self, producer: ProducerId) {
        self.begin(producer);
        for batch in self.sealed.iter_mut().filter(|batch| batch.sequence.is_some()) {
            number(batch, producer, self.next_sequence);
            self.next_sequence = increment_sequence(self.next_sequence, batch.records as i32);
        }
    }

    /// Takes out every waiting batch that is older than `timeout`; the next moment at which one will be.
    pub(crate) fn expire(&mut self, now: Instant, timeout: Duration) -> (Vec<Batch>, Option<Instant>) {
        if self.open.as_ref().is_some_and(|open| open.created + timeout <= now) {
            self.seal();
        }
        let mut expired = Vec::new();
        while self.sealed.front().is_some_and(|first| first.created + timeout <= now) {
            expired.extend(self.sealed.pop_front());
        }
        let oldest = self.sealed.front().map(|first| first.created).or(self.open.as_ref().map(|open| open.created));
        (expired, oldest.map(|created| created + timeout))
    }

    /// Takes out everything, for the end.
    pub(crate) fn drain(&mut self) -> Vec<Batch> {
        self.seal();
        self.sealed.drain(..).collect()
    }
}

/// The first `records` of a batch and the others, as batches of their own.
fn halves(bytes: &[u8], records: u32, options: &BatchOptions) -> Result<[Bytes; 2], BatchError> {
    let mut scratch = Vec::new();
    let mut builders = [BatchBuilder::new(options.clone()), BatchBuilder::new(options.clone())];
    for (at, record) in View::first(bytes)?.records(&mut scratch)?.enumerate() {
        let record = record?;
        let headers: Vec<_> = record.headers.clone().collect::<Result<_, _>>()?;
        let builder = &mut builders[usize::from(at >= records as usize)];
        builder.append_with_headers(record.timestamp, record.key, record.value, headers);
    }
    let [first, second] = &mut builders;
    Ok([first.build()?, second.build()?])
}

fn number(batch: &mut Batch, producer: ProducerId, sequence: i32) {
    let bytes = std::mem::take(&mut batch.bytes);
    // Only a repeat that is still being written elsewhere shares its bytes and has to be copied.
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    patch_producer(&mut bytes, producer.id, producer.epoch, sequence);
    patch_crc(&mut bytes);
    batch.bytes = bytes.freeze();
    batch.sequence = Some(sequence);
}

#[cfg(test)]
mod tests;
