//! Rows to Kafka, from a stream or from `df.write`: the columns `value`, `key`, `topic`, `headers` and `partition` make a
//! record each. At least once: a batch ends when every record has been acknowledged, and is sent again if it is run again.

use std::sync::Arc;

use andiron_client::{Header, ProduceError, Producer, ProducerRecord, SendError};
use andiron_plan::spec::SaveMode;
use andiron_streaming::kafka::options::sink_client_options;
use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, Int32Array, ListArray, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, SchemaRef};
use async_trait::async_trait;
use futures::StreamExt;
use tokio::task::JoinSet;

use super::{Batch, MicroBatchSink};
use crate::formats::{SinkFormat, SinkWrite};
use crate::{Exception, Options, Resolved, Session, SparkError};

/// Where the parts of a record are among a batch's columns.
#[derive(Debug, Clone, Default)]
struct Columns {
    /// The option `topic`, which stands over the column.
    fixed_topic: Option<Arc<str>>,
    topic: Option<usize>,
    key: Option<usize>,
    value: usize,
    headers: Option<usize>,
    partition: Option<usize>,
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn is_headers(kind: &DataType) -> bool {
    let (DataType::List(element) | DataType::LargeList(element) | DataType::ListView(element)) = kind else {
        return false;
    };
    match element.data_type() {
        DataType::Struct(fields) => {
            fields.len() == 2
                && fields[0].name() == "key"
                && is_text(fields[0].data_type())
                && fields[1].name() == "value"
                && is_bytes(fields[1].data_type())
        }
        _ => false,
    }
}

fn wrong_type(name: &str, kind: &DataType, wanted: &str) -> SparkError {
    let kind = crate::types::from_arrow_type(kind)
        .map_or_else(|_| kind.to_string(), |kind| andiron_plan::types::simple_string(&kind));
    SparkError::plain(
        Exception::Analysis,
        format!("{name} attribute unsupported type {kind}. {name} must be a(n) {wanted}"),
    )
}

impl Columns {
    /// Finds the columns by their exact names; refuses what Spark refuses, in its order.
    fn of(schema: &SchemaRef, topic_option: Option<&str>) -> Result<Self, SparkError> {
        let find = |name: &str, wanted: &str, fits: fn(&DataType) -> bool| -> Result<Option<usize>, SparkError> {
            let Some(at) = schema.fields().iter().position(|f| f.name() == name) else { return Ok(None) };
            let kind = schema.field(at).data_type();
            // `lit(None)` has no type of its own.
            if fits(kind) || matches!(kind, DataType::Null) {
                Ok(Some(at))
            } else {
                Err(wrong_type(name, kind, wanted))
            }
        };
        let topic = if topic_option.is_some() { None } else { find("topic", "string", is_text)? };
        if topic_option.is_none() && topic.is_none() {
            return Err(SparkError::plain(
                Exception::Analysis,
                "topic option required when no 'topic' attribute is present. Use the topic option for setting a topic.",
            ));
        }
        let text_or_bytes = |kind: &DataType| is_text(kind) || is_bytes(kind);
        let key = find("key", "string or binary", text_or_bytes)?;
        let value = find("value", "string or binary", text_or_bytes)?
            .ok_or_else(|| SparkError::plain(Exception::Analysis, "Required attribute 'value' not found"))?;
        let headers = find("headers", "array<struct<key:string,value:binary>>", is_headers)?;
        let partition = find("partition", "int", |kind| *kind == DataType::Int32)?;
        Ok(Self { fixed_topic: topic_option.map(Arc::from), topic, key, value, headers, partition })
    }
}

/// One batch's columns in the forms that records are made of.
struct Parts {
    topic: Option<StringViewArray>,
    key: Option<BinaryViewArray>,
    value: BinaryViewArray,
    headers: Option<(ListArray, StringViewArray, BinaryViewArray)>,
    partition: Option<Int32Array>,
}

fn bytes_column(column: &ArrayRef) -> Result<BinaryViewArray, SparkError> {
    let column = if is_text(column.data_type()) { cast(column, &DataType::Utf8View)? } else { Arc::clone(column) };
    Ok(cast(&column, &DataType::BinaryView)?.as_binary_view().clone())
}

impl Parts {
    fn of(batch: &RecordBatch, columns: &Columns) -> Result<Self, SparkError> {
        let headers = match columns.headers {
            Some(at) if !matches!(batch.column(at).data_type(), DataType::Null) => {
                let element = match batch.column(at).data_type() {
                    DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) => Arc::clone(f),
                    other => return Err(wrong_type("headers", other, "array<struct<key:string,value:binary>>")),
                };
                let list = cast(batch.column(at), &DataType::List(element))?.as_list::<i32>().clone();
                let entries = list.values().as_struct();
                let keys = cast(entries.column(0), &DataType::Utf8View)?.as_string_view().clone();
                let values = bytes_column(entries.column(1))?;
                Some((list, keys, values))
            }
            _ => None,
        };
        Ok(Self {
            topic: columns
                .topic
                .map(|at| Ok::<_, SparkError>(cast(batch.column(at), &DataType::Utf8View)?.as_string_view().clone()))
                .transpose()?,
            key: columns.key.map(|at| bytes_column(batch.column(at))).transpose()?,
            value: bytes_column(batch.column(columns.value))?,
            headers,
            partition: columns
                .partition
                .map(|at| {
                    Ok::<_, SparkError>(cast(batch.column(at), &DataType::Int32)?.as_primitive::<Int32Type>().clone())
                })
                .transpose()?,
        })
    }
}

fn value_at(array: &BinaryViewArray, row: usize) -> Option<&[u8]> {
    array.is_valid(row).then(|| array.value(row))
}

async fn send(batch: &RecordBatch, columns: &Columns, producer: &Producer) -> Result<(), SparkError> {
    let parts = Parts::of(batch, columns)?;
    let mut headers: Vec<Header<'_>> = Vec::new();
    for row in 0..batch.num_rows() {
        let topic = match (&columns.fixed_topic, &parts.topic) {
            (Some(topic), _) => topic.as_ref(),
            (None, Some(topics)) if topics.is_valid(row) => topics.value(row),
            _ => {
                return Err(SparkError::new(
                    Exception::Spark,
                    "KAFKA_NULL_TOPIC_IN_DATA",
                    "XXKST",
                    "null topic present in the data. Use the topic option for setting a default topic.",
                ));
            }
        };
        headers.clear();
        if let Some((list, keys, values)) = &parts.headers
            && list.is_valid(row)
        {
            let (from, to) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
            headers.extend((from..to).map(|i| Header { key: keys.value(i), value: value_at(values, i) }));
        }
        let record = ProducerRecord {
            topic,
            partition: parts.partition.as_ref().filter(|p| p.is_valid(row)).map(|p| p.value(row)),
            timestamp: None,
            key: parts.key.as_ref().and_then(|k| value_at(k, row)),
            value: value_at(&parts.value, row),
            headers: &headers,
        };
        match producer.try_send(&record) {
            Some(sent) => sent.map(drop),
            None => producer.send(&record).await.map(drop),
        }
        .map_err(|e| send_failed(&e))?;
    }
    Ok(())
}

fn send_failed(error: &SendError) -> SparkError {
    let class = match error {
        SendError::LargerThanRequest { .. } | SendError::LargerThanMemory { .. } => "RecordTooLargeException",
        SendError::TopicMissing { .. } | SendError::PartitionMissing { .. } | SendError::MemoryExhausted { .. } => {
            "TimeoutException"
        }
        _ => "KafkaException",
    };
    SparkError::plain(Exception::Spark, format!("org.apache.kafka.common.errors.{class}: {error}"))
}

fn produce_failed(error: &ProduceError) -> SparkError {
    SparkError::plain(Exception::Spark, format!("org.apache.kafka.common.KafkaException: {error}"))
}

/// Runs the relation and sends its rows; returns when all of them are acknowledged.
async fn write(session: &Session, rows: &Resolved, columns: &Columns, producer: &Producer) -> Result<i64, SparkError> {
    let mut tasks = JoinSet::new();
    for mut stream in session.run_partitioned(rows).await? {
        let (columns, producer) = (columns.clone(), producer.clone());
        tasks.spawn(async move {
            let mut sent = 0i64;
            while let Some(batch) = stream.next().await {
                let batch = batch?;
                send(&batch, &columns, &producer).await?;
                sent += batch.num_rows() as i64;
            }
            Ok::<_, SparkError>(sent)
        });
    }
    let mut sent = 0;
    while let Some(done) = tasks.join_next().await {
        sent += done.map_err(|e| SparkError::internal(format!("a task of the Kafka sink ended: {e}")))??;
    }
    producer.flush().await.map_err(|e| produce_failed(&e))?;
    Ok(sent)
}

fn producer(session: &Session, options: &Options) -> Result<Producer, SparkError> {
    let properties = sink_client_options(options.iter()).map_err(|e| SparkError::illegal_argument(e.to_string()))?;
    session.engine().kafka().producer(&properties)
}

/// The streaming sink.
pub(super) struct KafkaSink {
    columns: Columns,
    options: Options,
    producer: Option<Producer>,
}

impl KafkaSink {
    pub(super) fn new(_session: &Session, options: Options, rows: &Resolved) -> Result<Self, SparkError> {
        sink_client_options(options.iter()).map_err(|e| SparkError::illegal_argument(e.to_string()))?;
        let columns = Columns::of(&rows.arrow_schema(), options.get("topic"))?;
        Ok(Self { columns, options, producer: None })
    }
}

#[async_trait]
impl MicroBatchSink for KafkaSink {
    fn description(&self) -> String {
        "org.apache.spark.sql.kafka010.KafkaSourceProvider$KafkaTable".to_owned()
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let producer = match &self.producer {
            Some(producer) => producer.clone(),
            None => self.producer.insert(producer(batch.session, &self.options)?).clone(),
        };
        write(batch.session, batch.rows, &self.columns, &producer).await.map(Some)
    }
}

/// The format `kafka`, for `df.write`.
pub struct KafkaBatchSink;

#[async_trait]
impl SinkFormat for KafkaBatchSink {
    fn name(&self) -> &str {
        "kafka"
    }

    async fn write(&self, session: &Session, rows: &Resolved, request: &SinkWrite) -> Result<(), SparkError> {
        let mode = match request.mode {
            SaveMode::Append | SaveMode::ErrorIfExists => None,
            SaveMode::Overwrite => Some("Overwrite"),
            SaveMode::Ignore => Some("Ignore"),
        };
        if let Some(mode) = mode {
            return Err(SparkError::plain(
                Exception::Analysis,
                format!(
                    "Save mode {mode} not allowed for Kafka. Allowed save modes are Append and ErrorIfExists (default)."
                ),
            ));
        }
        let columns = Columns::of(&rows.arrow_schema(), request.options.get("topic"))?;
        let producer = producer(session, &request.options)?;
        write(session, rows, &columns, &producer).await.map(drop)
    }
}
