//! What the callers of `send` and the sending task share: queues by topic and partition, memory, and who waits for what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use andiron_protocol::batch::HEADER_BYTES;
use andiron_protocol::batch::varint::size_i32;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::delivery::{Completion, Delivery, Placed};
use super::partitioner::{Choice, Sticky, partition_for_key};
use super::queue::{Batch, Making, Opening, Queue, ROOM_FOR_HALVES};
use super::transactional::Transactions;
use super::{Header, ProducerRecord};
use crate::backoff::random_u32;
use crate::cluster::{TopicInfo, TopicPartition};
use crate::config::{ClientConfig, Partitioner};
use crate::error::{Determinacy, ProduceError, SendError};

/// A record's own bytes at most, beside its key, value and headers: Java's constant, for its messages name the sum.
const RECORD_OVERHEAD_BYTES_MAX: usize = 21;

/// One partition's queue, with the partition's name for errors and requests.
#[derive(Debug)]
pub(crate) struct PartitionQueue {
    pub(crate) partition: TopicPartition,
    pub(crate) queue: Mutex<Queue>,
}

/// One topic's queues, by partition number.
#[derive(Debug)]
pub(crate) struct TopicQueues {
    pub(crate) queues: Vec<Arc<PartitionQueue>>,
    sticky: Arc<Mutex<Sticky>>,
    next_in_turn: Arc<AtomicUsize>,
}

/// What became of an append.
pub(crate) enum Step {
    Done(Delivery),
    /// The topic, or the partition asked for, is not known.
    Topic {
        partitions_known: usize,
    },
    /// A new batch is needed and so much memory for it.
    Memory(usize),
}

#[derive(Debug)]
pub(crate) struct Shared {
    making: Making,
    max_request_size: usize,
    buffer_memory: usize,
    max_block_ms: u64,
    partitioner: Partitioner,
    topics: RwLock<HashMap<Arc<str>, TopicQueues>>,
    memory: Arc<Semaphore>,
    memory_waiters: AtomicUsize,
    flushers: AtomicUsize,
    numbers: AtomicU64,
    incomplete: Mutex<HashMap<u64, Arc<Completion>>>,
    failure: Mutex<Option<ProduceError>>,
    fatal: Mutex<Option<String>>,
    shut: AtomicBool,
    aborted: AtomicBool,
    /// The transactions of a transactional producer.
    pub(crate) transactions: Option<Arc<Transactions>>,
    /// Wakes the sender.
    pub(crate) wake: Notify,
}

impl Shared {
    pub(crate) fn new(config: &ClientConfig, transactions: Option<Arc<Transactions>>) -> Self {
        let size = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
        let buffer_memory = usize::try_from(config.buffer_memory).unwrap_or(0).min(Semaphore::MAX_PERMITS);
        Shared {
            making: Making {
                batch_size: size(config.batch_size),
                compression: config.compression,
                transactional: transactions.is_some(),
            },
            max_request_size: size(config.max_request_size),
            buffer_memory,
            max_block_ms: config.max_block_ms.max(0).unsigned_abs(),
            partitioner: config.partitioner,
            topics: RwLock::default(),
            memory: Arc::new(Semaphore::new(buffer_memory)),
            memory_waiters: AtomicUsize::new(0),
            flushers: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            incomplete: Mutex::default(),
            failure: Mutex::default(),
            fatal: Mutex::default(),
            shut: AtomicBool::new(false),
            aborted: AtomicBool::new(false),
            transactions,
            wake: Notify::new(),
        }
    }

    /// Puts the record into its batch, or says what is missing for that.
    pub(crate) fn append(
        &self,
        record: &ProducerRecord<'_>,
        now_ms: i64,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<Step, SendError> {
        if self.shut.load(Ordering::Acquire) {
            return Err(self.fatal.lock().clone().map_or(SendError::Closed, SendError::Fatal));
        }
        if let Some(negative) = record.timestamp.filter(|at| *at < 0) {
            return Err(SendError::InvalidTimestamp(negative));
        }
        if let Some(negative) = record.partition.filter(|partition| *partition < 0) {
            return Err(SendError::InvalidPartition(negative));
        }
        if let Some(transactions) = &self.transactions {
            transactions.machine.lock().check_sending()?;
        }
        let size = size_bound(record);
        if size > self.max_request_size {
            return Err(SendError::LargerThanRequest { size, limit: self.max_request_size });
        }
        if size > self.buffer_memory {
            return Err(SendError::LargerThanMemory { size });
        }
        let topics = self.topics.read();
        let Some(topic) = topics.get(record.topic) else { return Ok(Step::Topic { partitions_known: 0 }) };
        let count = topic.queues.len();
        let (partition, sticks) = self.partition(topic, record);
        let Some(at) = topic.queues.get(partition) else { return Ok(Step::Topic { partitions_known: count }) };
        let mut queue = at.queue.lock();
        if !queue.has_room(size - HEADER_BYTES) {
            let wanted = size.max(self.making.batch_size).min(self.buffer_memory).min(u32::MAX as usize);
            let memory = match memory {
                Some(memory) => memory,
                // Who waits for memory was first.
                None if self.memory_waiters.load(Ordering::Acquire) > 0 => return Ok(Step::Memory(wanted)),
                None => match self.memory.clone().try_acquire_many_owned(wanted as u32) {
                    Ok(memory) => memory,
                    Err(_) => return Ok(Step::Memory(wanted)),
                },
            };
            let number = self.numbers.fetch_add(ROOM_FOR_HALVES, Ordering::Relaxed);
            let completion = Arc::new(Completion::new(at.partition.partition));
            self.incomplete.lock().insert(number, completion.clone());
            queue.open(Opening { number, completion, memory }, Instant::now());
        }
        let Some(appended) = queue.append(record, record.timestamp.unwrap_or(now_ms)) else {
            return Ok(Step::Topic { partitions_known: count });
        };
        drop(queue);
        if let Some(transactions) = &self.transactions {
            transactions.machine.lock().writes_to(&at.partition);
        }
        if sticks {
            topic.sticky.lock().appended(partition, size - HEADER_BYTES, self.making.batch_size, appended.full);
        }
        if appended.wake {
            self.wake.notify_one();
        }
        Ok(Step::Done(appended.delivery))
    }

    /// The record's partition, and whether the sticky choice made it.
    fn partition(&self, topic: &TopicQueues, record: &ProducerRecord<'_>) -> (usize, bool) {
        let count = topic.queues.len();
        match (record.partition, record.key, self.partitioner) {
            (Some(partition), _, _) => (partition as usize, false),
            (None, _, Partitioner::RoundRobin) => {
                (topic.next_in_turn.fetch_add(1, Ordering::Relaxed) % count.max(1), false)
            }
            (None, Some(key), Partitioner::BuiltIn { ignore_keys: false, .. }) => {
                (partition_for_key(key, count), false)
            }
            (None, _, Partitioner::BuiltIn { .. }) => (topic.sticky.lock().partition(count, random_u32), true),
        }
    }

    /// Waits for memory of a new batch, behind all who wait already.
    pub(crate) async fn memory(&self, size: usize, deadline: Instant) -> Result<OwnedSemaphorePermit, SendError> {
        let _waiting = Counted::new(&self.memory_waiters);
        // A waiter makes every batch ready: nothing is gained by lingering while someone waits for room.
        self.wake.notify_one();
        match tokio::time::timeout_at(deadline, self.memory.clone().acquire_many_owned(size as u32)).await {
            Ok(Ok(memory)) => Ok(memory),
            Ok(Err(_)) => Err(SendError::Closed),
            Err(_) => Err(SendError::MemoryExhausted {
                size,
                max_block_ms: self.max_block_ms,
                total: self.buffer_memory,
                available: self.memory.available_permits(),
                poolable: self.making.batch_size,
            }),
        }
    }

    /// Makes queues for the topic's partitions; those it has stay.
    pub(crate) fn learn(&self, topic: &TopicInfo) {
        let mut topics = self.topics.write();
        let known = topics.entry(topic.name.clone()).or_insert_with(|| TopicQueues {
            queues: Vec::new(),
            sticky: Arc::default(),
            next_in_turn: Arc::default(),
        });
        for partition in known.queues.len()..topic.partitions.len() {
            let partition = TopicPartition::new(topic.name.clone(), partition as i32);
            let queue = Mutex::new(Queue::new(self.making));
            known.queues.push(Arc::new(PartitionQueue { partition, queue }));
        }
        let with_leader = topic.partitions.iter().filter(|p| p.leader >= 0).map(|p| p.partition as usize).collect();
        known.sticky.lock().prefer(Choice::even(with_leader));
    }

    /// Prefers the partitions whose brokers keep up, if the configuration lets it.
    pub(crate) fn weigh(&self, has_leader: impl Fn(&TopicPartition) -> bool) {
        if !matches!(self.partitioner, Partitioner::BuiltIn { adaptive: true, .. }) {
            return;
        }
        for topic in self.topics.read().values().filter(|topic| topic.queues.len() > 1) {
            let queues = topic.queues.iter().enumerate().filter(|(_, queue)| has_leader(&queue.partition));
            let lengths: Vec<(usize, usize)> =
                queues.map(|(partition, queue)| (partition, queue.queue.lock().waiting())).collect();
            topic.sticky.lock().prefer(Choice::by_queues(&lengths));
        }
    }

    pub(crate) fn queues(&self) -> Vec<Arc<PartitionQueue>> {
        self.topics.read().values().flat_map(|topic| topic.queues.iter().cloned()).collect()
    }

    pub(crate) fn topic_names(&self) -> Vec<String> {
        self.topics.read().keys().map(|name| name.to_string()).collect()
    }

    /// Whether batches are to go without lingering.
    pub(crate) fn forced(&self) -> bool {
        self.flushers.load(Ordering::Acquire) > 0
            || self.memory_waiters.load(Ordering::Acquire) > 0
            || self.shut.load(Ordering::Acquire)
    }

    pub(crate) fn has_incomplete(&self) -> bool {
        !self.incomplete.lock().is_empty()
    }

    pub(crate) async fn flush(&self) -> Result<(), ProduceError> {
        let _flushing = Counted::new(&self.flushers);
        self.wake.notify_one();
        let waiting: Vec<Arc<Completion>> = self.incomplete.lock().values().cloned().collect();
        for completion in waiting {
            completion.wait().await;
        }
        match self.failure.lock().take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// The end of a batch, whichever.
    pub(crate) fn complete(&self, batch: Batch, outcome: Result<Placed, ProduceError>) {
        if let Err(failure) = &outcome {
            tracing::debug!("a batch of {} records failed: {failure}", batch.records);
            self.failure.lock().get_or_insert_with(|| failure.clone());
            if let Some(transactions) = &self.transactions {
                let code = match failure {
                    ProduceError::Refused { code, .. } => Some(*code),
                    _ => None,
                };
                transactions.machine.lock().batch_failed(code, failure);
            }
        }
        self.incomplete.lock().remove(&batch.number);
        batch.completion.settle(outcome);
    }

    /// Settles every batch that has no outcome yet: the sender is ending.
    pub(crate) fn settle_the_rest(&self, error: impl Fn() -> ProduceError) {
        for (_, completion) in self.incomplete.lock().drain() {
            self.failure.lock().get_or_insert_with(&error);
            completion.settle(Err(error()));
        }
    }

    /// A batch that the broker finds too large goes on as two; one that cannot be split is given back.
    pub(crate) fn split(&self, at: &PartitionQueue, batch: Batch) -> Result<(), Box<Batch>> {
        let halves = at.queue.lock().split(batch)?;
        let mut incomplete = self.incomplete.lock();
        for (number, completion) in halves {
            incomplete.insert(number, completion);
        }
        Ok(())
    }

    /// Gives up what waits to be sent: its transaction is being aborted.
    pub(crate) fn drop_unsent(&self) {
        for at in self.queues() {
            let batches = {
                let mut queue = at.queue.lock();
                let batches = queue.drain();
                batches.iter().for_each(|batch| queue.given_up(batch, false, batch.uncertain));
                batches
            };
            batches.into_iter().for_each(|batch| self.drop_aborted(batch));
        }
    }

    /// A batch of a transaction that is being aborted.
    pub(crate) fn drop_aborted(&self, batch: Batch) {
        let determinacy = if batch.uncertain { Determinacy::MayHaveHappened } else { Determinacy::DidNotHappen };
        self.complete(batch, Err(ProduceError::Aborted { determinacy }));
    }

    /// Whether batches that come back are not to be sent again.
    pub(crate) fn gives_up(&self) -> bool {
        self.transactions.as_ref().is_some_and(|transactions| transactions.machine.lock().gives_up())
    }

    /// No further sends.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    /// Gives up what is not delivered.
    pub(crate) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.shut();
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// The producer can go no further, and says so to whoever sends.
    pub(crate) fn fail(&self, reason: String) {
        self.fatal.lock().get_or_insert(reason);
        self.abort();
    }

    pub(crate) fn fatal_reason(&self) -> Option<String> {
        self.fatal.lock().clone()
    }
}

/// Counts who is within.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The size of a batch of this record alone, at most; Java's estimate, which its refusals name.
fn size_bound(record: &ProducerRecord<'_>) -> usize {
    let bytes = |bytes: Option<&[u8]>| bytes.map_or(1, |b| size_i32(b.len() as i32) + b.len());
    let header = |header: &Header<'_>| bytes(Some(header.key.as_bytes())) + bytes(header.value);
    let headers = size_i32(record.headers.len() as i32) + record.headers.iter().map(header).sum::<usize>();
    HEADER_BYTES + RECORD_OVERHEAD_BYTES_MAX + bytes(record.key) + bytes(record.value) + headers
}
