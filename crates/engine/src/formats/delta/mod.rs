//! Delta tables: reading them, and the one way in which batch writes and streaming queries append to them.
//!
//! Files are written here, straight from the plan's partitions; the log is deltalake's matter.

mod files;
mod stats;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use andiron_plan::spec::SaveMode;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};

use super::{SinkFormat, SinkWrite, SourceFormat, SourceRead};
use crate::resolved::BatchStream;
use crate::{Exception, Options, Resolved, Session, SparkError};

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
pub async fn has_txn(path: &str, options: &Options, txn: &Txn) -> Result<bool, SparkError> {
    match open(path, options).await? {
        Some(table) => has_number(&table, txn).await,
        None => Ok(false),
    }
}

/// Writes rows to a table, each stream by a task of its own into one file, and commits them together.
pub async fn write(rows: Vec<BatchStream>, schema: SchemaRef, write: &DeltaWrite) -> Result<DeltaOutcome, SparkError> {
    write::write(rows, schema, write).await
}

async fn has_number(table: &DeltaTable, txn: &Txn) -> Result<bool, SparkError> {
    let state = table.snapshot().map_err(failed)?;
    let known = state.transaction_version(table.log_store().as_ref(), &txn.app_id).await.map_err(failed)?;
    Ok(known.is_some_and(|known| known >= txn.version))
}

/// A local path without the scheme that Spark programs put before it.
fn local(path: &str) -> &str {
    match path.strip_prefix("file:") {
        Some(rest) if rest.starts_with("///") => &rest[2..],
        Some(rest) if rest.starts_with('/') && !rest.starts_with("//") => rest,
        _ => path,
    }
}

/// Storage options as object_store knows them: Hadoop's names are not among them.
fn storage_options(options: &Options) -> std::collections::HashMap<String, String> {
    let own = |key: &str| key.starts_with("aws_") || key.starts_with("azure_") || key.starts_with("google_");
    options.iter().filter(|(k, _)| own(&k.to_lowercase())).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn builder(path: &str, options: &Options) -> Result<DeltaTableBuilder, SparkError> {
    let url = ensure_table_uri(local(path)).map_err(failed)?;
    Ok(DeltaTableBuilder::from_url(url).map_err(failed)?.with_storage_options(storage_options(options)))
}

/// The table at a path as it is now; none if there is no table.
async fn open(path: &str, options: &Options) -> Result<Option<DeltaTable>, SparkError> {
    let plain = local(path);
    // Looking must not create the folder, as naming it would.
    if !plain.contains("://") && !std::path::Path::new(plain).exists() {
        return Ok(None);
    }
    match builder(path, options)?.load().await {
        Ok(table) => Ok(Some(table)),
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// An error of deltalake in Spark's terms.
fn failed(error: DeltaTableError) -> SparkError {
    match error {
        DeltaTableError::NotATable(path) => not_a_table(&path),
        other => SparkError::plain(Exception::Spark, other.to_string()),
    }
}

fn not_a_table(path: &str) -> SparkError {
    SparkError::analysis("DELTA_MISSING_DELTA_TABLE", "42P01", format!("`{path}` is not a Delta table."))
        .with("tableName", format!("`{path}`"))
}

#[async_trait]
impl SourceFormat for Delta {
    fn name(&self) -> &str {
        "delta"
    }

    async fn table(&self, session: &Session, read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError> {
        let paths = read.all_paths();
        let [path] = paths.as_slice() else {
            return Err(SparkError::illegal_argument("'path' is not specified"));
        };
        let missing = || {
            if std::path::Path::new(local(path)).exists() || path.contains("://") {
                not_a_table(path)
            } else {
                SparkError::path_not_found(path)
            }
        };
        let mut table = open(path, &read.options).await?.ok_or_else(missing)?;
        if let Some(version) = read.options.integer("versionAsOf")? {
            let version = u64::try_from(version).map_err(|_| {
                SparkError::illegal_argument(format!("Cannot time travel Delta table to version {version}."))
            })?;
            table.load_version(version).await.map_err(failed)?;
        }
        if let Some(text) = read.options.get("timestampAsOf") {
            let zone = crate::datetime::Zone::of_session(&session.conf().time_zone_name())?;
            let at = crate::datetime::parse_timestamp(text, zone)
                .and_then(chrono::DateTime::from_timestamp_micros)
                .ok_or_else(|| {
                    SparkError::illegal_argument(format!(
                        "The provided timestamp ('{text}') cannot be converted to a valid timestamp."
                    ))
                })?;
            table.load_with_datetime(at).await.map_err(failed)?;
        }
        let state = session.context().state();
        table.update_datafusion_session(&state).map_err(failed)?;
        let provider = table.table_provider().build().await?;
        Ok(Arc::new(provider))
    }
}

#[async_trait]
impl SinkFormat for Delta {
    fn name(&self) -> &str {
        "delta"
    }

    async fn write(&self, session: &Session, rows: &Resolved, request: &SinkWrite) -> Result<(), SparkError> {
        let Some(path) = request.options.get("path") else {
            return Err(SparkError::illegal_argument("'path' is not specified"));
        };
        let txn = match (request.options.get("txnAppId"), request.options.integer("txnVersion")?) {
            (Some(app_id), Some(version)) => Some(Txn { app_id: app_id.to_owned(), version }),
            (None, None) => None,
            _ => {
                return Err(SparkError::illegal_argument(
                    "The options txnAppId and txnVersion are given together or not at all.",
                ));
            }
        };
        // A number that is there already need not be computed again.
        if let Some(txn) = &txn
            && has_txn(path, &request.options, txn).await?
        {
            return Ok(());
        }
        let write = DeltaWrite {
            path: path.to_owned(),
            mode: request.mode,
            txn,
            partition_by: request.partition_by.clone(),
            merge_schema: request.options.bool("mergeSchema")?.unwrap_or(false),
            overwrite_schema: request.options.bool("overwriteSchema")?.unwrap_or(false),
            streaming: None,
            options: request.options.clone(),
        };
        if matches!(request.mode, SaveMode::ErrorIfExists | SaveMode::Ignore)
            && let Some(outcome) = write::refuse_existing(&write).await?
        {
            debug_assert_eq!(outcome, DeltaOutcome::Skipped);
            return Ok(());
        }
        let streams = session.run_partitioned(rows).await?;
        write::write(streams, rows.arrow_schema(), &write).await?;
        Ok(())
    }
}
