//! The scan of fixed offset ranges: a table whose every reading gives the same records. Each range is a partition of the
//! plan and is nothing but (topic, partition, start, end), so that a plan can be sent elsewhere.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use andiron_client::{FetchError, Isolation, ReadRange, TopicPartition};
use andiron_streaming::kafka::{DataLoss, OffsetRange};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result as DataFusionResult};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::access::{KafkaAccess, RunStream};
use super::decode::{Column, Decoder, schema};
use crate::{Exception, SparkError};

/// How a range is read, the same for all ranges of a source.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The cluster.
    pub access: Arc<dyn KafkaAccess>,
    /// `kafka.isolation.level`.
    pub isolation: Isolation,
    /// `failOnDataLoss`.
    pub fail_on_data_loss: bool,
    /// `includeHeaders`.
    pub include_headers: bool,
    /// The group id that messages name.
    pub group: String,
}

/// Fixed ranges as a table.
#[derive(Debug)]
pub struct KafkaTable {
    reading: Reading,
    ranges: Arc<[OffsetRange]>,
    counts: Arc<[AtomicI64]>,
}

impl KafkaTable {
    /// The table of these ranges.
    pub fn new(reading: Reading, ranges: Vec<OffsetRange>) -> Self {
        let counts = ranges.iter().map(|_| AtomicI64::new(0)).collect();
        Self { reading, ranges: ranges.into(), counts }
    }

    /// Tells how many records a full reading has given so far; a second reading of a range does not count again.
    pub fn counter(&self) -> Arc<dyn Fn() -> i64 + Send + Sync> {
        let counts = Arc::clone(&self.counts);
        Arc::new(move || counts.iter().map(|c| c.load(Ordering::Relaxed)).sum())
    }
}

#[async_trait]
impl TableProvider for KafkaTable {
    fn schema(&self) -> SchemaRef {
        schema(self.reading.include_headers)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let full = self.schema();
        let (columns, schema) = match projection {
            Some(wanted) => {
                let columns = wanted.iter().filter_map(|i| Column::ALL.get(*i).copied()).collect();
                (columns, Arc::new(full.project(wanted)?))
            }
            None => (Column::ALL[..full.fields().len()].to_vec(), full),
        };
        if self.ranges.is_empty() {
            // Operators expect at least one partition.
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        Ok(Arc::new(KafkaScan::new(
            self.reading.clone(),
            Arc::clone(&self.ranges),
            Arc::clone(&self.counts),
            columns,
            schema,
        )))
    }
}

/// Reads ranges side by side, one to a partition.
pub struct KafkaScan {
    reading: Reading,
    ranges: Arc<[OffsetRange]>,
    counts: Arc<[AtomicI64]>,
    columns: Vec<Column>,
    properties: Arc<PlanProperties>,
    /// One call opens all ranges, since they share their fetches; each partition then takes its own stream.
    opened: Mutex<Option<Vec<Option<RunStream>>>>,
}

impl KafkaScan {
    fn new(
        reading: Reading,
        ranges: Arc<[OffsetRange]>,
        counts: Arc<[AtomicI64]>,
        columns: Vec<Column>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(ranges.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { reading, ranges, counts, columns, properties: Arc::new(properties), opened: Mutex::new(None) }
    }

    fn stream(&self, partition: usize) -> DataFusionResult<RunStream> {
        let mut opened = self.opened.lock();
        let streams = opened.get_or_insert_with(|| {
            let ranges = self.ranges.iter().map(read_range).collect();
            self.reading.access.read(ranges, self.reading.isolation).into_iter().map(Some).collect()
        });
        if let Some(stream) = streams.get_mut(partition).and_then(Option::take) {
            return Ok(stream);
        }
        let range = self.ranges.get(partition).ok_or_else(|| no_partition(partition))?;
        self.reading
            .access
            .read(vec![read_range(range)], self.reading.isolation)
            .pop()
            .ok_or_else(|| no_partition(partition))
    }
}

fn no_partition(partition: usize) -> DataFusionError {
    DataFusionError::Internal(format!("a Kafka scan has no partition {partition}"))
}

fn read_range(range: &OffsetRange) -> ReadRange {
    ReadRange {
        partition: TopicPartition::new(Arc::clone(&range.at.topic), range.at.partition),
        start: range.start,
        end: range.end,
    }
}

impl fmt::Debug for KafkaScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaScan")
            .field("ranges", &self.ranges)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for KafkaScan {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<String> = self.ranges.iter().map(|r| format!("{} [{}, {})", r.at, r.start, r.end)).collect();
        write!(f, "KafkaScan: columns={:?}, ranges=[{}]", self.columns, ranges.join(", "))
    }
}

impl ExecutionPlan for KafkaScan {
    fn name(&self) -> &str {
        "KafkaScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        let stream = self.stream(partition)?;
        let range = self.ranges.get(partition).cloned().ok_or_else(|| no_partition(partition))?;
        let schema = self.properties.eq_properties.schema();
        let decoder =
            Decoder::new(Arc::clone(&range.at.topic), range.at.partition, self.columns.clone(), Arc::clone(schema));
        let reader = RangeReader {
            reading: self.reading.clone(),
            position: range.start,
            range,
            stream,
            read: 0,
            index: partition,
            counts: Arc::clone(&self.counts),
            finished: false,
        };
        let batches = futures::stream::try_unfold((reader, decoder), |(mut reader, decoder)| async move {
            let Some(run) = reader.next().await? else { return Ok(None) };
            let batches = decoder.run(&run)?;
            reader.count(batches.iter().map(|b| b.num_rows() as i64).sum());
            Ok::<_, SparkError>(Some((batches, (reader, decoder))))
        })
        .map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok)))
        .try_flatten()
        .map_err(SparkError::into_datafusion)
        .boxed();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), batches)))
    }
}

/// One range while it is read; turns gone offsets into what `failOnDataLoss` says.
struct RangeReader {
    reading: Reading,
    range: OffsetRange,
    position: i64,
    stream: RunStream,
    read: i64,
    index: usize,
    counts: Arc<[AtomicI64]>,
    finished: bool,
}

impl RangeReader {
    fn count(&mut self, rows: i64) {
        self.read += rows;
        if let Some(count) = self.counts.get(self.index) {
            count.fetch_max(self.read, Ordering::Relaxed);
        }
    }

    async fn next(&mut self) -> Result<Option<andiron_client::BatchRun>, SparkError> {
        while !self.finished {
            match self.stream.next().await {
                Some(Ok(run)) => {
                    self.position = run.until;
                    return Ok(Some(run));
                }
                Some(Err(FetchError::OffsetOutOfRange { log_start_offset, .. })) => {
                    self.gone(log_start_offset).await?;
                }
                Some(Err(error)) => return Err(fetch_failed(&error)),
                None => self.finished = true,
            }
        }
        Ok(None)
    }

    /// Records from the position on are gone, up to `start` if the broker said it.
    async fn gone(&mut self, start: i64) -> Result<(), SparkError> {
        let loss = DataLoss::CouldNotReadOffsetRange {
            at: self.range.at.clone(),
            start: self.position,
            end: self.range.end,
            group: self.reading.group.clone(),
        };
        if self.reading.fail_on_data_loss {
            return Err(data_loss(&loss));
        }
        tracing::warn!("{}", loss.warning());
        let at = TopicPartition::new(Arc::clone(&self.range.at.topic), self.range.at.partition);
        let start = if start >= 0 {
            start
        } else {
            let asked = [(at.clone(), andiron_client::OffsetSpec::Earliest)];
            let listed = self.reading.access.list_offsets(&asked, self.reading.isolation).await;
            listed.map_err(|e| offsets_failed(&e))?.first().and_then(|l| l.offset).unwrap_or(i64::MAX)
        };
        if start <= self.position || start >= self.range.end {
            // Nothing of the range is left (or the partition is shorter than the range): the batch goes on without it.
            self.finished = true;
            return Ok(());
        }
        self.position = start;
        let rest = ReadRange { partition: at, start, end: self.range.end };
        match self.reading.access.read(vec![rest], self.reading.isolation).pop() {
            Some(stream) => self.stream = stream,
            None => self.finished = true,
        }
        Ok(())
    }
}

/// The failure of a query whose records are gone.
pub(crate) fn data_loss(loss: &DataLoss) -> SparkError {
    SparkError::new(Exception::Spark, loss.class(), andiron_streaming::kafka::loss::DATA_LOSS_SQL_STATE, loss.failure())
}

fn fetch_failed(error: &FetchError) -> SparkError {
    let class = match error {
        FetchError::TimedOut { .. } => "org.apache.kafka.common.errors.TimeoutException",
        _ => "org.apache.kafka.common.KafkaException",
    };
    SparkError::plain(Exception::Spark, format!("{class}: {error}"))
}

/// The failure of a look-up of offsets.
pub(crate) fn offsets_failed(error: &andiron_client::ListOffsetsError) -> SparkError {
    SparkError::plain(Exception::Spark, format!("org.apache.kafka.common.KafkaException: {error}"))
}

/// The failure of a look-up of topics.
pub(crate) fn topics_failed(error: &andiron_client::MetadataError) -> SparkError {
    let class = match error {
        andiron_client::MetadataError::UnknownTopic { .. } => {
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"
        }
        andiron_client::MetadataError::TimedOut { .. } => "org.apache.kafka.common.errors.TimeoutException",
        _ => "org.apache.kafka.common.KafkaException",
    };
    SparkError::plain(Exception::Spark, format!("{class}: {error}"))
}
