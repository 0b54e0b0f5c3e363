//! Formats by name: what `read.format(..)` and `write.format(..)` find. Files and Delta tables live here; Kafka and whatever
//! else needs the outside world is registered by those who have it.

pub mod delta;
pub mod files;
mod noop;

use std::sync::Arc;

use andiron_plan::spec::{SaveMode, StructType};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use crate::sink::kafka::KafkaBatchSink;
use crate::source::{KafkaFormat, MicroBatchSource};
use crate::{Engine, Options, Resolved, Session, SparkError};

/// What `read` or `readStream` asks of a format.
#[derive(Debug, Clone)]
pub struct SourceRead {
    /// The format's name as the user wrote it.
    pub format: String,
    /// Its options.
    pub options: Options,
    /// The schema the user gave.
    pub schema: Option<StructType>,
    /// `load(paths)`; the option `path` is not in here.
    pub paths: Vec<String>,
    /// A name for the source's place in the checkpoint.
    pub source_name: Option<String>,
}

impl SourceRead {
    /// The paths to read: `load`'s, else the option `path`.
    pub fn all_paths(&self) -> Vec<String> {
        if self.paths.is_empty() {
            self.options.get("path").map(str::to_owned).into_iter().collect()
        } else {
            self.paths.clone()
        }
    }
}

/// A format that can be read.
#[async_trait]
pub trait SourceFormat: Send + Sync {
    /// The name users give.
    fn name(&self) -> &str;

    /// The columns of a streaming read, with its options checked as Spark checks them at `load()`.
    async fn stream_schema(&self, _session: &Session, read: &SourceRead) -> Result<SchemaRef, SparkError> {
        Err(SparkError::unsupported(format!("streaming reads of the data source {}", read.format)))
    }

    /// The reader of a streaming read, for one query.
    fn micro_batch_source(&self, _engine: &Engine, read: &SourceRead) -> Result<Box<dyn MicroBatchSource>, SparkError> {
        Err(SparkError::unsupported(format!("streaming reads of the data source {}", read.format)))
    }

    /// The rows of a batch read, as a table that reads them when it is scanned.
    async fn table(&self, session: &Session, read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError>;
}

/// What `write` asks of a format.
#[derive(Debug, Clone)]
pub struct SinkWrite {
    /// Its options; `path` is among them when there is one.
    pub options: Options,
    /// What is done with data that is there already.
    pub mode: SaveMode,
    /// `partitionBy`.
    pub partition_by: Vec<String>,
}

/// A format that can be written.
#[async_trait]
pub trait SinkFormat: Send + Sync {
    /// The name users give.
    fn name(&self) -> &str;

    /// Runs the relation and writes its rows.
    async fn write(&self, session: &Session, rows: &Resolved, request: &SinkWrite) -> Result<(), SparkError>;
}

/// Registers the formats that need nothing from outside.
pub(crate) fn register_builtin(engine: &Engine) {
    engine.register_sink(Arc::new(noop::Noop));
    engine.register_source(Arc::new(KafkaFormat));
    engine.register_sink(Arc::new(KafkaBatchSink));
    engine.register_source(Arc::new(delta::Delta));
    engine.register_sink(Arc::new(delta::Delta));
    for kind in files::Kind::ALL {
        engine.register_source(Arc::new(files::Files(kind)));
        engine.register_sink(Arc::new(files::Files(kind)));
    }
}
