//! What a consumer group must know of topics: ids, names, partitions, and a hash over them by which it sees that they
//! changed.

use std::hash::Hasher;
use std::sync::Arc;

use andiron_metadata::image::{Image, Topic};
use twox_hash::XxHash3_64;
use uuid::Uuid;

/// The first byte of what is hashed of a topic: the version of the hash.
const TOPIC_HASH_MAGIC: u8 = 0;

/// The topics of the cluster as this coordinator sees them.
#[derive(Debug)]
pub(crate) struct Topics {
    image: Image,
    /// The offset of the first image seen, then of the last one that brought new topics: patterns are matched again.
    pub grown_at: i64,
}

impl Default for Topics {
    fn default() -> Self {
        Self { image: Image::new(""), grown_at: -1 }
    }
}

impl Topics {
    /// Takes over an image.
    pub fn update(&mut self, image: Image, grown: bool) {
        if grown || self.grown_at == -1 {
            self.grown_at = image.offset();
        }
        self.image = image;
    }

    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Which state of the metadata this is.
    pub fn version(&self) -> i64 {
        self.image.offset()
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.image.topics()
    }

    pub fn id(&self, name: &str) -> Option<Uuid> {
        self.image.topic(name).map(|topic| topic.id)
    }

    pub fn name(&self, id: Uuid) -> Option<Arc<str>> {
        self.image.topic_by_id(id).map(|topic| topic.name.clone())
    }

    /// How many partitions a topic has.
    pub fn partition_count(&self, id: Uuid) -> Option<i32> {
        let topic = self.image.topic_by_id(id)?;
        Some(i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }

    /// The hash over those of these topics that exist; 0 if none does. Kafka's own: another program that takes the log over
    /// sees no change where there is none. The names come in their order.
    pub fn hash<'a>(&self, names: impl Iterator<Item = &'a str>) -> i64 {
        let mut hasher = XxHash3_64::with_seed(0);
        let mut any = false;
        for topic in names.filter_map(|name| self.image.topic(name)) {
            any = true;
            hasher.write(&self.topic_hash(topic).to_le_bytes());
        }
        if any { hasher.finish().cast_signed() } else { 0 }
    }

    fn topic_hash(&self, topic: &Topic) -> u64 {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX).to_le_bytes();
        let put_text = |hasher: &mut XxHash3_64, text: &str| {
            let mut units = 0;
            for unit in text.encode_utf16() {
                hasher.write(&unit.to_le_bytes());
                units += 1;
            }
            hasher.write(&count(units));
        };
        let mut hasher = XxHash3_64::with_seed(0);
        hasher.write(&[TOPIC_HASH_MAGIC]);
        let (most, least) = topic.id.as_u64_pair();
        hasher.write(&most.to_le_bytes());
        hasher.write(&least.to_le_bytes());
        put_text(&mut hasher, &topic.name);
        hasher.write(&count(topic.partitions.len()));
        for (number, partition) in topic.partitions.iter().enumerate() {
            hasher.write(&count(number));
            let brokers = partition.replicas.iter().filter_map(|id| self.image.broker(*id));
            let mut racks: Vec<&str> = brokers.filter_map(|broker| broker.rack.as_deref()).collect();
            racks.sort_unstable();
            for rack in racks {
                hasher.write(&count(rack.encode_utf16().count()));
                put_text(&mut hasher, rack);
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
