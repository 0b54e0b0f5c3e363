//! Kafka in memory, for tests: topics of partitions of records, appended to and cut off at the front.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_client::cluster::PartitionInfo;
use andiron_client::{
    BatchRun, FetchError, Isolation, ListOffsetsError, ListedOffset, MetadataError, OffsetSpec, Producer, ReadRange,
    TopicInfo, TopicPartition, Topics,
};
use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::compression::Codec;
use async_trait::async_trait;
use futures::StreamExt;
use indexmap::IndexMap;
use parking_lot::Mutex;

use super::access::{KafkaAccess, KafkaConnector, RunStream};
use crate::SparkError;

/// Timestamp, key, value.
type Kept = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// Records of a partition, the first of them at `start`.
#[derive(Debug, Default, Clone)]
struct Partition {
    start: i64,
    records: Vec<Kept>,
}

impl Partition {
    fn end(&self) -> i64 {
        self.start + self.records.len() as i64
    }
}

/// The cluster.
#[derive(Debug, Default, Clone)]
pub(crate) struct FakeKafka {
    topics: Arc<Mutex<BTreeMap<String, Vec<Partition>>>>,
}

/// Records in one of Kafka's batches; few, so that ranges cut through them.
const BATCH: usize = 7;

impl FakeKafka {
    pub(crate) fn topic(&self, name: &str, partitions: usize) {
        self.topics.lock().entry(name.to_owned()).or_default().resize(partitions, Partition::default());
    }

    pub(crate) fn append(&self, topic: &str, partition: usize, values: impl IntoIterator<Item = String>) {
        let mut topics = self.topics.lock();
        let partition = &mut topics.get_mut(topic).unwrap()[partition];
        for value in values {
            let time = 1_700_000_000_000 + partition.end();
            partition.records.push((time, Some(b"k".to_vec()), Some(value.into_bytes())));
        }
    }

    pub(crate) fn delete_before(&self, topic: &str, partition: usize, offset: i64) {
        let mut topics = self.topics.lock();
        let partition = &mut topics.get_mut(topic).unwrap()[partition];
        partition.records.drain(..(offset - partition.start) as usize);
        partition.start = offset;
    }

    fn runs(&self, range: &ReadRange) -> Vec<Result<BatchRun, FetchError>> {
        let topics = self.topics.lock();
        let at = &range.partition;
        let Some(partition) = topics.get(at.topic.as_ref()).and_then(|p| p.get(at.partition as usize)) else {
            let topic = at.topic.to_string();
            return vec![Err(FetchError::Metadata(MetadataError::UnknownTopic { topic }))];
        };
        if range.start < partition.start || range.end > partition.end() {
            return vec![Err(FetchError::OffsetOutOfRange {
                partition: at.clone(),
                offset: range.start,
                log_start_offset: partition.start,
                high_watermark: partition.end(),
            })];
        }
        let mut runs = Vec::new();
        for (number, records) in partition.records.chunks(BATCH).enumerate() {
            let base = partition.start + (number * BATCH) as i64;
            let next = base + records.len() as i64;
            if next <= range.start || base >= range.end {
                continue;
            }
            let codec = if number % 2 == 0 { Codec::None } else { Codec::Zstd };
            let mut batch = BatchBuilder::new(BatchOptions { codec, base_offset: base, ..BatchOptions::default() });
            for (time, key, value) in records {
                batch.append(*time, key.as_deref(), value.as_deref());
            }
            runs.push(Ok(BatchRun {
                records: batch.build().unwrap(),
                from: range.start.max(base),
                until: range.end.min(next),
                high_watermark: partition.end(),
            }));
        }
        runs
    }
}

#[async_trait]
impl KafkaAccess for FakeKafka {
    async fn topics(&self, which: &Topics) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        let topics = self.topics.lock();
        let wanted: Vec<String> = match which {
            Topics::Names(names) => names.clone(),
            Topics::Pattern(pattern) => {
                let pattern = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
                topics.keys().filter(|t| pattern.is_match(t)).cloned().collect()
            }
            Topics::All => topics.keys().cloned().collect(),
        };
        wanted
            .into_iter()
            .map(|name| {
                let Some(partitions) = topics.get(&name) else {
                    return Err(MetadataError::UnknownTopic { topic: name });
                };
                let partitions = (0..partitions.len() as i32).map(|partition| PartitionInfo {
                    partition,
                    leader: 1,
                    leader_epoch: 0,
                    replicas: vec![1],
                    in_sync: vec![1],
                    offline: Vec::new(),
                });
                Ok(Arc::new(TopicInfo {
                    name: name.into(),
                    id: uuid::Uuid::nil(),
                    internal: false,
                    partitions: partitions.collect(),
                }))
            })
            .collect()
    }

    async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        _isolation: Isolation,
    ) -> Result<Vec<ListedOffset>, ListOffsetsError> {
        let topics = self.topics.lock();
        asked
            .iter()
            .map(|(at, spec)| {
                let partition =
                    topics.get(at.topic.as_ref()).and_then(|p| p.get(at.partition as usize)).ok_or_else(|| {
                        ListOffsetsError::Metadata(MetadataError::UnknownTopic { topic: at.topic.to_string() })
                    })?;
                let offset = match spec {
                    OffsetSpec::Earliest => Some(partition.start),
                    OffsetSpec::Latest | OffsetSpec::MaxTimestamp => Some(partition.end()),
                    OffsetSpec::Timestamp(time) => partition
                        .records
                        .iter()
                        .position(|(at, _, _)| at >= time)
                        .map(|index| partition.start + index as i64),
                };
                Ok(ListedOffset { offset, timestamp: -1, leader_epoch: -1 })
            })
            .collect()
    }

    fn read(&self, ranges: Vec<ReadRange>, _isolation: Isolation) -> Vec<RunStream> {
        ranges.iter().map(|range| futures::stream::iter(self.runs(range)).boxed()).collect()
    }
}

impl KafkaConnector for FakeKafka {
    fn access(&self, _properties: &IndexMap<String, String>) -> Result<Arc<dyn KafkaAccess>, SparkError> {
        Ok(Arc::new(self.clone()))
    }

    fn producer(&self, _properties: &IndexMap<String, String>) -> Result<Producer, SparkError> {
        Err(SparkError::unsupported("producing to Kafka in memory"))
    }
}
