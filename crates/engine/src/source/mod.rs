//! Where a query's records come from. A streaming read is bounded for each micro-batch: a source says how far it could
//! read, the `andiron-streaming` machine decides, and the source gives the rows of exactly that range as a table.

use std::path::Path;
use std::sync::Arc;

use andiron_streaming::machine::OffsetText;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use indexmap::IndexMap;

use crate::SparkError;
use crate::query::CheckpointStore;

pub mod kafka;

pub use kafka::{KafkaAccess, KafkaFormat};

/// The rows of one micro-batch of one source, and how many of them have been read.
#[derive(Clone)]
pub struct BoundedRows {
    /// Reads the range whenever it is scanned, with the same rows each time.
    pub table: Arc<dyn TableProvider>,
    /// Counts what a scan has read.
    pub counted: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// A streaming source of one query.
#[async_trait]
pub trait MicroBatchSource: Send {
    /// Its name in progress reports.
    fn description(&self) -> String;

    /// Reads or, in a new query, decides and writes down where the first batch starts. `place` is the source's folder of
    /// the checkpoint.
    async fn initialize(&mut self, store: &CheckpointStore, place: &Path) -> Result<(), SparkError>;

    /// An `availableNow` query reads what is there at this moment and nothing beyond.
    async fn prepare_available_now(&mut self) -> Result<(), SparkError>;

    /// A query of one batch takes all there is.
    fn ignore_limits(&mut self);

    /// How far the next batch may read when it starts at `from` (`None`: at the initial offset).
    async fn latest(&mut self, from: Option<&str>, now: i64) -> Result<OffsetText, SparkError>;

    /// The end of all there is, as of the last [`MicroBatchSource::latest`].
    fn reported_latest(&self) -> Option<String>;

    /// The rows between two positions.
    async fn rows(&mut self, start: Option<&str>, end: &str) -> Result<BoundedRows, SparkError>;

    /// A position of the checkpoint in this source's own spelling, so that equal positions are equal texts.
    fn normalize(&self, offset: &str) -> Result<String, SparkError> {
        Ok(offset.to_owned())
    }

    /// The source's own figures for a progress report.
    fn metrics(&self, consumed: Option<&str>) -> IndexMap<String, String> {
        let _ = consumed;
        IndexMap::new()
    }
}
