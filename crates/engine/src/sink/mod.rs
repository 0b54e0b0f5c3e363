//! Where a query's batches go. A sink is given each batch by its number; one whose number it has already, from a run that
//! died before the commit was written, must not appear twice where the sink can know it.

use std::sync::Arc;

use andiron_plan::spec::{StreamTarget, WriteStreamStart};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use crate::{Options, Resolved, Session, SparkError};

mod console;
mod delta;
mod foreach_batch;
pub mod kafka;
mod kept;
mod memory;
mod noop;
mod parquet;

pub use parquet::committed_files;

/// One batch for a sink.
pub struct Batch<'a> {
    /// Its number.
    pub id: i64,
    /// An earlier run may have written it.
    pub again: bool,
    /// Its rows, as a plan over fixed offsets: running it again gives the same rows.
    pub rows: &'a Resolved,
    /// The query's session.
    pub session: &'a Arc<Session>,
    /// The query's id.
    pub query_id: &'a str,
}

/// A streaming sink of one query.
#[async_trait]
pub trait MicroBatchSink: Send {
    /// Its name in progress reports.
    fn description(&self) -> String;

    /// Writes a batch; the number of rows, where the sink counts them.
    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError>;

    /// The query is over.
    async fn close(&mut self) {}
}

/// The sinks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// The server's standard output.
    Console,
    /// A Delta table.
    Delta,
    /// A Python function for each batch.
    ForeachBatch,
    /// Kafka topics.
    Kafka,
    /// A temporary view.
    Memory,
    /// Nowhere.
    Noop,
    /// Parquet files with a log of what belongs to which batch.
    Parquet,
}

impl SinkKind {
    /// The sink that `writeStream` names.
    pub fn of(session: &Session, start: &WriteStreamStart) -> Result<Self, SparkError> {
        if start.foreach_batch.is_some() {
            return Ok(Self::ForeachBatch);
        }
        if start.foreach_writer.is_some() {
            return Err(SparkError::unsupported("writeStream.foreach"));
        }
        let format = if start.format.is_empty() { session.conf().default_format() } else { start.format.clone() };
        match format.to_ascii_lowercase().as_str() {
            "console" => Ok(Self::Console),
            "delta" => Ok(Self::Delta),
            "kafka" => Ok(Self::Kafka),
            "memory" => Ok(Self::Memory),
            "noop" => Ok(Self::Noop),
            "parquet" => Ok(Self::Parquet),
            _ => {
                // A format that can be read or written in batches is named as what it lacks; any other as unknown.
                session.engine().sink(&format)?;
                Err(SparkError::unsupported(format!("streaming writes to the data source {format}")))
            }
        }
    }

    /// Sinks that Spark lets run without a checkpoint of the user's.
    pub fn may_be_temporary(self) -> bool {
        matches!(self, Self::Console | Self::ForeachBatch | Self::Memory | Self::Noop)
    }
}

/// Makes the sink of a query, with its options checked.
pub(crate) async fn make(
    session: &Arc<Session>,
    start: &WriteStreamStart,
    kind: SinkKind,
    rows: &Resolved,
    query_id: &str,
) -> Result<Box<dyn MicroBatchSink>, SparkError> {
    let options = Options::new(start.options.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(match kind {
        SinkKind::Console => Box::new(console::Console::new(&options)?),
        SinkKind::Noop => Box::new(noop::Noop),
        SinkKind::Memory => Box::new(memory::Memory::new(session, start, rows)?),
        SinkKind::Kafka => Box::new(kafka::KafkaSink::new(session, options, rows)?),
        SinkKind::Delta => Box::new(delta::DeltaSink::new(path(session, start, &options)?, options, start)?),
        SinkKind::Parquet => {
            Box::new(parquet::ParquetSink::new(&path(session, start, &options)?, options, start).await?)
        }
        SinkKind::ForeachBatch => Box::new(foreach_batch::ForeachBatch::start(session, start, query_id).await?),
    })
}

/// A batch in exactly these types: a plan may promise `Utf8View` and yield `Utf8`.
fn conformed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SparkError> {
    let columns =
        batch.columns().iter().zip(schema.fields()).map(|(column, field)| crate::types::conform(column, field));
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)?)
}

/// `start(path)`, a table's place, else the option.
fn path(session: &Session, start: &WriteStreamStart, options: &Options) -> Result<String, SparkError> {
    match &start.target {
        StreamTarget::Path(path) if !path.is_empty() => Ok(path.clone()),
        StreamTarget::Table(name) => Ok(session.table_path(name.last().map_or("", String::as_str))),
        StreamTarget::Path(_) | StreamTarget::None => options
            .get("path")
            .map(str::to_owned)
            .ok_or_else(|| SparkError::illegal_argument("'path' is not specified")),
    }
}
