//! The Produce request, written around the batches instead of over copies of them.

use andiron_protocol::messages::ApiKey;
use bytes::{BufMut, Bytes, BytesMut};

use crate::transport::RequestFrame;

/// From this version on the request is flexible.
const FLEXIBLE_VERSION: i16 = 9;
/// From this version on topics go by id.
pub(crate) const TOPIC_ID_VERSION: i16 = 13;

/// Under transaction version 1 no version newer than this may be used: the broker would add partitions by itself.
pub(crate) const FIRST_TRANSACTIONS_VERSION_MAX: i16 = 11;

/// One topic's batches: partition and bytes.
pub(crate) struct TopicBatches<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: uuid::Uuid,
    pub(crate) batches: Vec<(i32, Bytes)>,
}

/// Writes header and body; batches become parts of the frame as they are.
pub(crate) fn produce(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    transactional_id: Option<&str>,
    acks: i16,
    timeout_ms: i32,
    topics: &[TopicBatches<'_>],
) -> RequestFrame {
    let flexible = version >= FLEXIBLE_VERSION;
    let mut out = Writer { parts: Vec::new(), text: BytesMut::with_capacity(256), flexible };
    out.text.put_i16(ApiKey::Produce as i16);
    out.text.put_i16(version);
    out.text.put_i32(correlation_id);
    out.text.put_i16(client_id.len() as i16);
    out.text.put_slice(client_id.as_bytes());
    out.end_of_struct();
    match transactional_id {
        Some(id) => out.name(id),
        None if flexible => out.text.put_u8(0),
        None => out.text.put_i16(-1),
    }
    out.text.put_i16(acks);
    out.text.put_i32(timeout_ms);
    out.count(topics.len());
    for topic in topics {
        if version >= TOPIC_ID_VERSION {
            out.text.put_slice(topic.id.as_bytes());
        } else {
            out.name(topic.name);
        }
        out.count(topic.batches.len());
        for (partition, batch) in &topic.batches {
            out.text.put_i32(*partition);
            out.count(batch.len());
            out.part(batch.clone());
            out.end_of_struct();
        }
        out.end_of_struct();
    }
    out.end_of_struct();
    RequestFrame {
        api_key: ApiKey::Produce as i16,
        api_version: version,
        correlation_id,
        expects_response: acks != 0,
        parts: out.finish(),
    }
}

struct Writer {
    parts: Vec<Bytes>,
    text: BytesMut,
    flexible: bool,
}

impl Writer {
    /// The length of an array or of bytes.
    fn count(&mut self, count: usize) {
        if self.flexible {
            self.varint(count as u32 + 1);
        } else {
            self.text.put_i32(count as i32);
        }
    }

    fn name(&mut self, name: &str) {
        if self.flexible {
            self.varint(name.len() as u32 + 1);
        } else {
            self.text.put_i16(name.len() as i16);
        }
        self.text.put_slice(name.as_bytes());
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.text.put_u8((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.text.put_u8(value as u8);
    }

    /// Tagged fields: none.
    fn end_of_struct(&mut self) {
        if self.flexible {
            self.text.put_u8(0);
        }
    }

    fn part(&mut self, bytes: Bytes) {
        self.parts.push(self.text.split().freeze());
        self.parts.push(bytes);
    }

    fn finish(mut self) -> Vec<Bytes> {
        if !self.text.is_empty() {
            self.parts.push(self.text.freeze());
        }
        self.parts
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
