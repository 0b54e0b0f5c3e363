//! Kafka as a source: `read` of fixed offsets and `readStream` in micro-batches. What to read is decided by
//! `andiron_streaming::kafka`; here Kafka is asked and its answers are brought back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use andiron_client::{Isolation, ListOffsetsError, OffsetSpec, TopicPartition as ClientPartition, Topics};
use andiron_streaming::checkpoint::{decode_initial_offset, encode_initial_offset};
use andiron_streaming::kafka::planning::{self, Admission};
use andiron_streaming::kafka::starting::{self, Ask};
use andiron_streaming::kafka::{
    DataLoss, KafkaSourceOptions, Mode, OffsetRule, Offsets, OnNoMatch, Subscription, TopicPartition,
    offsets_from_json, offsets_to_json,
};
use andiron_streaming::machine::OffsetText;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use indexmap::IndexMap;

use super::{BoundedRows, MicroBatchSource};
use crate::formats::{SourceFormat, SourceRead};
use crate::query::CheckpointStore;
use crate::{Engine, Exception, Session, SparkError};

pub mod access;
pub mod decode;
#[cfg(test)]
pub(crate) mod fake;
pub mod scan;

pub use access::{KafkaAccess, KafkaConnector, RunStream, Sockets};
pub use scan::{KafkaTable, Reading};

use scan::{data_loss, offsets_failed, topics_failed};

/// The format `kafka`, for reading.
pub struct KafkaFormat;

fn cluster(engine: &Engine, read: &SourceRead, mode: Mode) -> Result<Cluster, SparkError> {
    let options = checked(read, mode)?;
    let access = engine.kafka().access(&options.client)?;
    Cluster::new(access, options)
}

fn checked(read: &SourceRead, mode: Mode) -> Result<KafkaSourceOptions, SparkError> {
    if read.schema.is_some() {
        return Err(SparkError::illegal_argument(
            "Kafka source has a fixed schema and cannot be set with a custom one",
        ));
    }
    KafkaSourceOptions::read(read.options.iter(), mode).map_err(|e| SparkError::illegal_argument(e.to_string()))
}

#[async_trait]
impl SourceFormat for KafkaFormat {
    fn name(&self) -> &str {
        "kafka"
    }

    async fn stream_schema(&self, _session: &Session, read: &SourceRead) -> Result<SchemaRef, SparkError> {
        Ok(decode::schema(checked(read, Mode::Stream)?.include_headers))
    }

    fn micro_batch_source(&self, engine: &Engine, read: &SourceRead) -> Result<Box<dyn MicroBatchSource>, SparkError> {
        Ok(Box::new(KafkaSource::new(cluster(engine, read, Mode::Stream)?)))
    }

    async fn table(&self, session: &Session, read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError> {
        let cluster = cluster(session.engine(), read, Mode::Batch)?;
        let options = &cluster.options;
        let assigned = cluster.assigned().await?;
        let from = cluster.resolve(&options.starting, options.on_no_match, &assigned).await?;
        let until = cluster.resolve(&options.ending, OnNoMatch::Latest, &assigned).await?;
        let plan = planning::ranges(&from, &until, &Offsets::new());
        cluster.report(&plan.losses)?;
        let ranges = planning::divide(plan.ranges, options.min_partitions, options.max_records_per_partition);
        Ok(Arc::new(KafkaTable::new(cluster.reading.clone(), ranges)))
    }
}

/// A cluster with the options of one source.
struct Cluster {
    options: KafkaSourceOptions,
    reading: Reading,
}

fn client_partition(at: &TopicPartition) -> ClientPartition {
    ClientPartition::new(Arc::clone(&at.topic), at.partition)
}

impl Cluster {
    fn new(access: Arc<dyn KafkaAccess>, options: KafkaSourceOptions) -> Result<Self, SparkError> {
        let isolation = match options.client.get("isolation.level").map(|l| l.to_ascii_lowercase()).as_deref() {
            None | Some("read_uncommitted") => Isolation::ReadUncommitted,
            Some("read_committed") => Isolation::ReadCommitted,
            Some(other) => {
                return Err(SparkError::illegal_argument(format!(
                    "Invalid value {other} for configuration isolation.level: String must be one of: read_committed, read_uncommitted"
                )));
            }
        };
        let group = options
            .client
            .get("group.id")
            .cloned()
            .unwrap_or_else(|| format!("{}-{}", options.group_id_prefix, uuid::Uuid::new_v4()));
        let reading = Reading {
            access,
            isolation,
            fail_on_data_loss: options.fail_on_data_loss,
            include_headers: options.include_headers,
            group,
        };
        Ok(Self { options, reading })
    }

    /// The partitions that the subscription has at this moment.
    async fn assigned(&self) -> Result<BTreeSet<TopicPartition>, SparkError> {
        let which = match &self.options.subscription {
            Subscription::Topics(names) => Topics::Names(names.clone()),
            Subscription::Pattern(pattern) => Topics::Pattern(pattern.clone()),
            Subscription::Assign(partitions) => return Ok(partitions.clone()),
        };
        let topics = self.reading.access.topics(&which).await.map_err(|e| topics_failed(&e))?;
        let partitions = topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|p| TopicPartition::new(Arc::clone(&topic.name), p.partition))
        });
        Ok(partitions.collect())
    }

    /// Asks for offsets, as often as `fetchOffset.numRetries` allows.
    async fn list(
        &self,
        asks: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Result<BTreeMap<TopicPartition, Option<i64>>, SparkError> {
        let asked: Vec<(TopicPartition, OffsetSpec)> = asks.into_iter().collect();
        if asked.is_empty() {
            return Ok(BTreeMap::new());
        }
        let wire: Vec<_> = asked.iter().map(|(at, spec)| (client_partition(at), *spec)).collect();
        let pause = Duration::from_millis(self.options.fetch_offset_retry_interval_ms.max(0) as u64);
        let mut left = self.options.fetch_offset_retries;
        loop {
            match self.reading.access.list_offsets(&wire, self.reading.isolation).await {
                Ok(listed) => {
                    return Ok(asked.into_iter().map(|(at, _)| at).zip(listed.into_iter().map(|l| l.offset)).collect());
                }
                Err(error @ ListOffsetsError::Metadata(_)) => return Err(offsets_failed(&error)),
                Err(error) => {
                    left -= 1;
                    if left <= 0 {
                        return Err(offsets_failed(&error));
                    }
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn all(&self, partitions: &BTreeSet<TopicPartition>, spec: OffsetSpec) -> Result<Offsets, SparkError> {
        let listed = self.list(partitions.iter().map(|at| (at.clone(), spec))).await?;
        Ok(listed.into_iter().filter_map(|(at, offset)| Some((at, offset?))).collect())
    }

    /// The earliest offsets of those of the partitions that still exist.
    async fn earliest(&self, partitions: &BTreeSet<TopicPartition>) -> Result<Offsets, SparkError> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let there = self.assigned().await?;
        self.all(&partitions.intersection(&there).cloned().collect(), OffsetSpec::Earliest).await
    }

    async fn latest(&self) -> Result<Offsets, SparkError> {
        self.all(&self.assigned().await?, OffsetSpec::Latest).await
    }

    async fn resolve(
        &self,
        rule: &OffsetRule,
        on_no_match: OnNoMatch,
        assigned: &BTreeSet<TopicPartition>,
    ) -> Result<Offsets, SparkError> {
        let refused = |error: starting::StartError| {
            let text = error.to_string();
            match error {
                starting::StartError::DoesNotMatchAssigned { .. } => {
                    SparkError::new(Exception::Spark, "KAFKA_START_OFFSET_DOES_NOT_MATCH_ASSIGNED", "22000", text)
                }
                starting::StartError::TimesDoNotMatchAssigned { .. } | starting::StartError::NoMatch { .. } => {
                    SparkError::plain(Exception::Spark, text)
                }
            }
        };
        let asks = starting::asks(rule, assigned).map_err(refused)?;
        let wire = asks.iter().filter_map(|(at, ask)| {
            let spec = match ask {
                Ask::Earliest => OffsetSpec::Earliest,
                Ask::Latest => OffsetSpec::Latest,
                Ask::At(time) => OffsetSpec::Timestamp(*time),
                Ask::Known(_) => return None,
            };
            Some((at.clone(), spec))
        });
        let answers = self.list(wire).await?;
        let unmatched: BTreeSet<TopicPartition> =
            answers.iter().filter(|(_, offset)| offset.is_none()).map(|(at, _)| at.clone()).collect();
        let ends = if on_no_match == OnNoMatch::Latest && !unmatched.is_empty() {
            self.all(&unmatched, OffsetSpec::Latest).await?
        } else {
            Offsets::new()
        };
        starting::settle(&asks, &answers, on_no_match, &ends).map_err(refused)
    }

    /// Fails on the first loss, or logs them all, as `failOnDataLoss` says.
    fn report(&self, losses: &[DataLoss]) -> Result<(), SparkError> {
        for loss in losses {
            if self.options.fail_on_data_loss {
                return Err(data_loss(loss));
            }
            tracing::warn!("{}", loss.warning());
        }
        Ok(())
    }
}

/// A streaming source of one query.
pub struct KafkaSource {
    cluster: Cluster,
    admission: Admission,
    initial: Offsets,
    latest: Offsets,
}

impl KafkaSource {
    fn new(cluster: Cluster) -> Self {
        let o = &cluster.options;
        let admission = Admission::new(o.max_offsets_per_trigger, o.min_offsets_per_trigger, o.max_trigger_delay_ms);
        Self { cluster, admission, initial: Offsets::new(), latest: Offsets::new() }
    }

    fn position(&self, text: Option<&str>) -> Result<Offsets, SparkError> {
        text.map_or_else(|| Ok(self.initial.clone()), offsets)
    }
}

fn offsets(text: &str) -> Result<Offsets, SparkError> {
    offsets_from_json(text).map_err(|e| SparkError::illegal_argument(e.to_string()))
}

#[async_trait]
impl MicroBatchSource for KafkaSource {
    fn description(&self) -> String {
        self.cluster.options.subscription.description()
    }

    async fn initialize(&mut self, store: &CheckpointStore, place: &Path) -> Result<(), SparkError> {
        if let Some(bytes) = store.read_optional(&place.join("0")).await? {
            let text = decode_initial_offset(&bytes).map_err(|e| crate::query::checkpoint_unreadable(&e))?;
            self.initial = offsets(&text)?;
            return Ok(());
        }
        let options = &self.cluster.options;
        let assigned = self.cluster.assigned().await?;
        self.initial = self.cluster.resolve(&options.starting, options.on_no_match, &assigned).await?;
        store.write(&place.join("0"), &encode_initial_offset(&offsets_to_json(&self.initial))).await
    }

    async fn prepare_available_now(&mut self) -> Result<(), SparkError> {
        let latest = self.cluster.latest().await?;
        self.admission.prepare_available_now(latest);
        Ok(())
    }

    fn ignore_limits(&mut self) {
        self.admission.ignore_limits();
    }

    async fn latest(&mut self, from: Option<&str>, now: i64) -> Result<OffsetText, SparkError> {
        let from = self.position(from)?;
        self.latest = self.cluster.latest().await?;
        let fresh = planning::new_partitions(&from, &self.latest);
        let earliest = self.cluster.all(&fresh, OffsetSpec::Earliest).await?;
        let end = self.admission.end_of_batch(&from, &self.latest, &earliest, now);
        if let (Some(end), Some(_)) = (&end, self.admission.available_now()) {
            planning::verify_available_now(end, &self.latest)
                .map_err(|e| SparkError::new(Exception::Spark, e.class(), "22000", e.to_string()))?;
        }
        Ok(end.map(|end| offsets_to_json(&end)))
    }

    fn reported_latest(&self) -> Option<String> {
        (!self.latest.is_empty()).then(|| offsets_to_json(&self.latest))
    }

    async fn rows(&mut self, start: Option<&str>, end: &str) -> Result<BoundedRows, SparkError> {
        let (from, until) = (self.position(start)?, offsets(end)?);
        let fresh = planning::new_partitions(&from, &until);
        let earliest = self.cluster.earliest(&fresh).await?;
        let plan = planning::ranges(&from, &until, &earliest);
        self.cluster.report(&plan.losses)?;
        let options = &self.cluster.options;
        let ranges = planning::divide(plan.ranges, options.min_partitions, options.max_records_per_partition);
        let table = KafkaTable::new(self.cluster.reading.clone(), ranges);
        let counted = table.counter();
        Ok(BoundedRows { table: Arc::new(table), counted })
    }

    fn normalize(&self, offset: &str) -> Result<String, SparkError> {
        Ok(offsets_to_json(&offsets(offset)?))
    }

    fn metrics(&self, consumed: Option<&str>) -> IndexMap<String, String> {
        let consumed = consumed.and_then(|text| offsets_from_json(text).ok());
        planning::lag(consumed.as_ref(), &self.latest)
    }
}
