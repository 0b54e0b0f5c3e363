//! Delta tables: reading them, and the one way in which batch writes and streaming queries append to them.

use std::sync::Arc;

use andiron_plan::spec::SaveMode;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use super::{SinkFormat, SinkWrite, SourceFormat, SourceRead};
use crate::resolved::BatchStream;
use crate::{Options, Resolved, Session, SparkError};

/// The format `delta`.
pub struct Delta;

/// An application's own number of a write, kept in the table's log: a number that is there already is not written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// Whose number: a streaming query's id, or the option `txnAppId`.
    pub app_id: String,
    /// The number: a batch id, or the option `txnVersion`.
    pub version: i64,
}

/// A write to a Delta table.
#[derive(Debug, Clone)]
pub struct DeltaWrite {
    /// The table's path or URL.
    pub path: String,
    /// What is done with rows that are there already.
    pub mode: SaveMode,
    /// The application's number of this write.
    pub txn: Option<Txn>,
    /// `partitionBy`; must be the table's if it exists.
    pub partition_by: Vec<String>,
    /// Columns the table lacks are added to it.
    pub merge_schema: bool,
    /// With overwrite: the table takes the schema of the rows.
    pub overwrite_schema: bool,
    /// `Some((query id, batch id))` for a streaming write, which Spark records as `STREAMING UPDATE`.
    pub streaming: Option<(String, i64)>,
    /// Storage options.
    pub options: Options,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaOutcome {
    /// The table has a new version.
    Committed {
        /// Its number.
        version: i64,
        /// Rows written.
        rows: u64,
    },
    /// The table's log already had this application's number, or the mode was `ignore`: nothing was written.
    Skipped,
}

/// Whether the table's log has this number of the application or a later one, so that rows need not even be computed.
pub async fn has_txn(_path: &str, _options: &Options, _txn: &Txn) -> Result<bool, SparkError> {
    Err(SparkError::unsupported("delta"))
}

/// Writes rows to a table, each stream by a task of its own into one file, and commits them together.
pub async fn write(
    _rows: Vec<BatchStream>,
    _schema: SchemaRef,
    _write: &DeltaWrite,
) -> Result<DeltaOutcome, SparkError> {
    Err(SparkError::unsupported("delta"))
}

#[async_trait]
impl SourceFormat for Delta {
    fn name(&self) -> &str {
        "delta"
    }

    async fn table(&self, _session: &Session, _read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError> {
        Err(SparkError::unsupported("delta"))
    }
}

#[async_trait]
impl SinkFormat for Delta {
    fn name(&self) -> &str {
        "delta"
    }

    async fn write(&self, _session: &Session, _rows: &Resolved, _request: &SinkWrite) -> Result<(), SparkError> {
        Err(SparkError::unsupported("delta"))
    }
}
