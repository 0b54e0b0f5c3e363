//! Fetch answers, written by hand: the records of a partition are parts of the answer, never copied into it.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::Part;
use crate::error::ErrorCode;
use crate::kafka::protocol::StrBytes;

/// A Fetch answer.
#[derive(Debug, Clone)]
pub struct FetchAnswer<F> {
    /// For how many milliseconds the reader is to wait.
    pub throttle_time_ms: i32,
    /// An error of the whole request.
    pub error: ErrorCode,
    /// The session that this answer belongs to; 0 is none.
    pub session_id: i32,
    /// Topics in the order of the request.
    pub topics: Vec<FetchTopic<F>>,
}

/// The partitions of one topic.
#[derive(Debug, Clone)]
pub struct FetchTopic<F> {
    /// Its name, for versions up to 12.
    pub name: StrBytes,
    /// Its id, from version 13 on.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: Vec<FetchPartition<F>>,
}

/// What is said of one partition.
#[derive(Debug, Clone)]
pub struct FetchPartition<F> {
    /// Which one.
    pub partition: i32,
    /// Why nothing could be read.
    pub error: ErrorCode,
    /// The offset below which every record is committed; -1 with an error.
    pub high_watermark: i64,
    /// The offset below which no transaction is open; -1 with an error.
    pub last_stable_offset: i64,
    /// The first offset there is; -1 with an error.
    pub log_start_offset: i64,
    /// (producer id, first offset) of each aborted transaction in these records; none for read_uncommitted.
    pub aborted: Option<Vec<(i64, i64)>>,
    /// From where the reader's log differs from this one: (epoch, end offset).
    pub diverging: Option<(i32, i64)>,
    /// Record batches as they lie on the disk.
    pub records: Vec<Part<F>>,
}

impl<F> FetchPartition<F> {
    /// A partition from which nothing can be read.
    pub fn refused(partition: i32, error: ErrorCode) -> Self {
        FetchPartition {
            partition,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            diverging: None,
            records: Vec::new(),
        }
    }

    /// How many bytes of records it carries.
    pub fn record_bytes(&self) -> usize {
        self.records.iter().map(Part::len).sum()
    }
}

/// Writes a Fetch answer of versions 4 to 18 as the parts of one frame, size included.
pub fn encode<F>(correlation_id: i32, version: i16, answer: FetchAnswer<F>) -> Vec<Part<F>> {
    let mut w = Writer { flexible: version >= 12, open: BytesMut::with_capacity(256), parts: Vec::new() };
    w.open.put_i32(0);
    w.open.put_i32(correlation_id);
    if w.flexible {
        w.open.put_u8(0);
    }
    w.open.put_i32(answer.throttle_time_ms);
    if version >= 7 {
        w.open.put_i16(answer.error.code());
        w.open.put_i32(answer.session_id);
    }
    w.count(answer.topics.len());
    for topic in answer.topics {
        if version >= 13 {
            w.open.put_slice(topic.id.as_bytes());
        } else {
            w.text(&topic.name);
        }
        w.count(topic.partitions.len());
        for partition in topic.partitions {
            w.partition(version, partition);
        }
        w.no_tags();
    }
    w.no_tags();
    w.close();
    let total: usize = w.parts.iter().map(Part::len).sum::<usize>().saturating_sub(4);
    if let Some(Part::Bytes(first)) = w.parts.first_mut() {
        let mut sized = BytesMut::from(&first[..]);
        sized[..4].copy_from_slice(&(total as i32).to_be_bytes());
        *first = sized.freeze();
    }
    w.parts
}

struct Writer<F> {
    flexible: bool,
    open: BytesMut,
    parts: Vec<Part<F>>,
}

impl<F> Writer<F> {
    fn partition(&mut self, version: i16, partition: FetchPartition<F>) {
        self.open.put_i32(partition.partition);
        self.open.put_i16(partition.error.code());
        self.open.put_i64(partition.high_watermark);
        self.open.put_i64(partition.last_stable_offset);
        if version >= 5 {
            self.open.put_i64(partition.log_start_offset);
        }
        match &partition.aborted {
            None => self.null(),
            Some(aborted) => {
                self.count(aborted.len());
                for &(producer_id, first_offset) in aborted {
                    self.open.put_i64(producer_id);
                    self.open.put_i64(first_offset);
                    self.no_tags();
                }
            }
        }
        if version >= 11 {
            self.open.put_i32(-1); // preferred read replica
        }
        let bytes = partition.record_bytes();
        if self.flexible {
            self.varint(bytes as u32 + 1);
        } else {
            self.open.put_i32(bytes as i32);
        }
        if bytes > 0 {
            self.close();
            self.parts.extend(partition.records.into_iter().filter(|part| !part.is_empty()));
        }
        match partition.diverging {
            Some((epoch, end_offset)) if self.flexible => {
                self.varint(1);
                self.varint(0); // the tag of diverging_epoch
                self.varint(13); // its size: epoch, end offset, no tagged fields
                self.open.put_i32(epoch);
                self.open.put_i64(end_offset);
                self.open.put_u8(0);
            }
            _ => self.no_tags(),
        }
    }

    fn count(&mut self, count: usize) {
        if self.flexible {
            self.varint(count as u32 + 1);
        } else {
            self.open.put_i32(count as i32);
        }
    }

    fn null(&mut self) {
        if self.flexible {
            self.open.put_u8(0);
        } else {
            self.open.put_i32(-1);
        }
    }

    fn text(&mut self, text: &str) {
        if self.flexible {
            self.varint(text.len() as u32 + 1);
        } else {
            self.open.put_i16(text.len() as i16);
        }
        self.open.put_slice(text.as_bytes());
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.open.put_u8(0);
        }
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let bytes: Bytes = self.open.split().freeze();
            self.parts.push(Part::Bytes(bytes));
        }
    }
}
