//! What Spark's Kafka source decides: options, starting offsets, how much a batch reads, and what lost data means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub mod loss;
pub mod options;
pub mod planning;
pub mod starting;

pub use loss::DataLoss;
pub use options::{KafkaSourceOptions, Mode, OffsetRule, OnNoMatch, OptionError, Subscription};
pub use planning::{Admission, OffsetRange, RangePlan};

/// A partition of a topic. Ordered by topic, then by number, as Spark sorts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition by its topic's name and its number.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Partitions as Spark's messages list them: `Set(orders-0, orders-1)`.
#[must_use]
pub fn set_text<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> String {
    let listed: Vec<String> = partitions.into_iter().map(ToString::to_string).collect();
    format!("Set({})", listed.join(", "))
}

/// Offsets by partition; the text form is the checkpoint's and `startingOffsets`' JSON.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// A text that should be offsets, partitions or timestamps and is not; the messages are Spark's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetJsonError {
    /// Not offsets by topic and partition.
    #[error("Expected e.g. {{\"topicA\":{{\"0\":23,\"1\":-1}},\"topicB\":{{\"0\":-2}}}}, got {0}")]
    Offsets(String),
    /// Not partitions by topic.
    #[error("Expected e.g. {{\"topicA\":[0,1],\"topicB\":[0,1]}}, got {0}")]
    Partitions(String),
    /// Not timestamps by topic and partition.
    #[error(
        "Expected e.g. {{\"topicA\": {{\"0\": 123456789, \"1\": 123456789}},\n\"topicB\": {{\"0\": 123456789, \"1\": 123456789}}}}, got {0}"
    )]
    Timestamps(String),
}

/// Offsets as `{"topic":{"0":23}}`, sorted by topic and partition.
#[must_use]
pub fn offsets_to_json(offsets: &Offsets) -> String {
    let mut topics = Map::new();
    for (at, offset) in offsets {
        let topic = topics.entry(at.topic.to_string()).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(partitions) = topic {
            partitions.insert(at.partition.to_string(), Value::from(*offset));
        }
    }
    Value::Object(topics).to_string()
}

/// Reads `{"topic":{"0":23}}`.
///
/// # Errors
/// When the text is not of that form.
pub fn offsets_from_json(text: &str) -> Result<Offsets, OffsetJsonError> {
    numbers(text).ok_or_else(|| OffsetJsonError::Offsets(text.to_owned()))
}

/// Reads `{"topic":{"0":<ms>}}`.
///
/// # Errors
/// When the text is not of that form.
pub fn timestamps_from_json(text: &str) -> Result<BTreeMap<TopicPartition, i64>, OffsetJsonError> {
    numbers(text).ok_or_else(|| OffsetJsonError::Timestamps(text.to_owned()))
}

fn numbers(text: &str) -> Option<BTreeMap<TopicPartition, i64>> {
    let Ok(Value::Object(topics)) = serde_json::from_str(text) else {
        return None;
    };
    let mut out = BTreeMap::new();
    for (topic, partitions) in topics {
        let topic: Arc<str> = topic.into();
        for (partition, number) in partitions.as_object()? {
            out.insert(TopicPartition::new(Arc::clone(&topic), partition.parse().ok()?), number.as_i64()?);
        }
    }
    Some(out)
}

/// Reads `{"topic":[0,1]}`.
///
/// # Errors
/// When the text is not of that form.
pub fn partitions_from_json(text: &str) -> Result<BTreeSet<TopicPartition>, OffsetJsonError> {
    let parsed = || {
        let Ok(Value::Object(topics)) = serde_json::from_str(text) else {
            return None;
        };
        let mut out = BTreeSet::new();
        for (topic, partitions) in topics {
            let topic: Arc<str> = topic.into();
            for partition in partitions.as_array()? {
                let number = i32::try_from(partition.as_i64()?).ok()?;
                out.insert(TopicPartition::new(Arc::clone(&topic), number));
            }
        }
        Some(out)
    };
    parsed().ok_or_else(|| OffsetJsonError::Partitions(text.to_owned()))
}

#[cfg(test)]
mod tests;
