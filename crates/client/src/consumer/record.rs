//! Records as the application gets them: slices of the answer they came in, or of its unfolded batch.

use std::collections::VecDeque;

use andiron_protocol::batch::{Batch, BatchError, Records, TimestampType};
use andiron_protocol::compression::{Codec, DECOMPRESSED_BATCH_BYTES_MAX};
use bytes::Bytes;

use super::positions::Position;
use crate::cluster::TopicPartition;
use crate::visible::VisibleRun;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where it lies.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// The epoch of the leader that took it, `None` from a broker that does not say.
    pub leader_epoch: Option<i32>,
    /// Ms since the epoch.
    pub timestamp: i64,
    /// True if the broker's clock gave the timestamp, false if the producer did.
    pub log_append_time: bool,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// What one `poll` gives: the records of some partitions, those of one partition together and in order.
#[derive(Debug, Clone, Default)]
pub struct ConsumerRecords {
    pub(crate) records: Vec<ConsumerRecord>,
}

impl ConsumerRecords {
    /// How many.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, ConsumerRecord> {
        self.records.iter()
    }
}

impl IntoIterator for ConsumerRecords {
    type Item = ConsumerRecord;
    type IntoIter = std::vec::IntoIter<ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a> IntoIterator for &'a ConsumerRecords {
    type Item = &'a ConsumerRecord;
    type IntoIter = std::slice::Iter<'a, ConsumerRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One partition's part of an answer, on its way to the application: batches are unfolded one at a time.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) partition: TopicPartition,
    pub(crate) number: u64,
    records: Bytes,
    runs: VecDeque<VisibleRun>,
    ready: VecDeque<ConsumerRecord>,
    /// What was asked for: records below it came along in its batch.
    from: i64,
    /// Where the application stands once everything here is handed out.
    until: Position,
    /// What it counts for in the partition's read-ahead.
    pub(crate) size: usize,
}

impl Completed {
    pub(crate) fn new(
        partition: TopicPartition,
        number: u64,
        records: Bytes,
        runs: Vec<VisibleRun>,
        from: i64,
        until: Position,
    ) -> Self {
        let size = records.len();
        Completed { partition, number, records, runs: runs.into(), ready: VecDeque::new(), from, until, size }
    }

    /// Hands out at most `most` records; where the application stands then.
    pub(crate) fn take(&mut self, most: usize, to: &mut Vec<ConsumerRecord>) -> Result<Position, BatchError> {
        let wanted = to.len() + most;
        while to.len() < wanted {
            if self.ready.is_empty() && !self.unfold()? {
                return Ok(self.until);
            }
            let count = (wanted - to.len()).min(self.ready.len());
            to.extend(self.ready.drain(..count));
        }
        let after = |record: &ConsumerRecord| Position { offset: record.offset + 1, offset_epoch: record.leader_epoch };
        Ok(if self.is_over() { self.until } else { to.last().map_or(self.until, after) })
    }

    /// Whether everything has been handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.ready.is_empty() && self.runs.is_empty()
    }

    /// Unfolds the next batch; false if there is none.
    fn unfold(&mut self) -> Result<bool, BatchError> {
        loop {
            let Some(run) = self.runs.front_mut() else { return Ok(false) };
            if run.bytes.is_empty() {
                self.runs.pop_front();
                continue;
            }
            let bytes = self.records.slice(run.bytes.clone());
            let batch = Batch::first(&bytes)?;
            run.bytes.start += batch.bytes.len();
            let header = batch.header;
            let body = match header.attributes.codec()? {
                Codec::None => bytes.slice_ref(batch.body()),
                codec => {
                    let mut unfolded = Vec::new();
                    codec.decompress(batch.body(), &mut unfolded, DECOMPRESSED_BATCH_BYTES_MAX)?;
                    Bytes::from(unfolded)
                }
            };
            let log_append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
            let leader_epoch = (header.partition_leader_epoch >= 0).then_some(header.partition_leader_epoch);
            let own = |part: &[u8]| body.slice_ref(part);
            for record in Records::new(&header, &body) {
                let record = record?;
                if record.offset < self.from {
                    continue;
                }
                // Their count is the wire's word: room grows with what is there.
                let mut headers = Vec::new();
                for named in record.headers.clone() {
                    let (key, value) = named?;
                    headers.push((own(key), value.map(own)));
                }
                self.ready.push_back(ConsumerRecord {
                    partition: self.partition.clone(),
                    offset: record.offset,
                    leader_epoch,
                    timestamp: record.timestamp,
                    log_append_time,
                    key: record.key.map(own),
                    value: record.value.map(own),
                    headers,
                });
            }
            if !self.ready.is_empty() {
                return Ok(true);
            }
        }
    }
}
