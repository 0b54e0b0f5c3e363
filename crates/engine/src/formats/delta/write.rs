//! One write: files first, then one commit that names them all. A commit that another writer came before is tried again; one
//! whose application number the log has by then is dropped.

use std::collections::HashMap;
use std::sync::Arc;

use andiron_plan::spec::{DataType as SparkType, SaveMode, StructField, StructType};
use arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake::kernel::{Action, CommitInfo, MetadataExt, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, OutputMode, SaveMode as DeltaMode};
use deltalake::{DeltaTable, DeltaTableError};

use super::files::{Target, write_files};
use super::{DeltaOutcome, DeltaWrite, builder, failed, has_number, open};
use crate::limits::DELTA_COMMIT_RETRIES_MAX;
use crate::resolved::BatchStream;
use crate::{SparkError, types};

/// What the log says of who wrote.
const ENGINE_INFO: &str = concat!("Andiron/", env!("CARGO_PKG_VERSION"));

/// The modes that write nothing if there is a table: whether there is one.
pub(super) async fn refuse_existing(write: &DeltaWrite) -> Result<Option<DeltaOutcome>, SparkError> {
    if open(&write.path, &write.options).await?.is_none() {
        return Ok(None);
    }
    match write.mode {
        SaveMode::Ignore => Ok(Some(DeltaOutcome::Skipped)),
        SaveMode::ErrorIfExists => Err(SparkError::analysis(
            "DELTA_PATH_EXISTS",
            "42K04",
            format!("Cannot write to already existent path {} without setting OVERWRITE = 'true'.", write.path),
        )),
        SaveMode::Append | SaveMode::Overwrite => Ok(None),
    }
}

pub(super) async fn write(
    rows: Vec<BatchStream>,
    schema: SchemaRef,
    write: &DeltaWrite,
) -> Result<DeltaOutcome, SparkError> {
    if let Some(outcome) = refuse_existing(write).await? {
        return Ok(outcome);
    }
    let incoming = incoming_schema(&schema)?;
    match open(&write.path, &write.options).await? {
        Some(table) => write_existing(table, rows, incoming, write).await,
        None => create(rows, incoming, write).await,
    }
}

/// The rows' schema as a table keeps it: every column may be null.
fn incoming_schema(schema: &Schema) -> Result<StructType, SparkError> {
    let mut seen = std::collections::HashSet::new();
    let fields = schema.fields().iter().map(|f| {
        if !seen.insert(f.name().to_lowercase()) {
            return Err(SparkError::analysis(
                "DELTA_DUPLICATE_COLUMNS_FOUND",
                "42711",
                format!("Found duplicate column(s) in the data to save: {}", f.name().to_lowercase()),
            ));
        }
        let data_type = types::from_arrow(f)?;
        if data_type == SparkType::Null {
            return Err(SparkError::analysis(
                "DELTA_NULL_SCHEMA_IN_STREAMING_WRITE",
                "42P18",
                format!("Delta doesn't accept NullTypes in the schema: the column {}.", f.name()),
            ));
        }
        Ok(StructField::new(f.name(), data_type, true))
    });
    Ok(StructType::new(fields.collect::<Result<Vec<_>, SparkError>>()?))
}

fn partition_columns(schema: &StructType, wanted: &[String]) -> Result<Vec<String>, SparkError> {
    let find = |name: &String| {
        schema.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.name.clone()).ok_or_else(|| {
            let known: Vec<_> = schema.fields.iter().map(|f| f.name.clone()).collect();
            SparkError::unresolved_column(name, &known)
        })
    };
    wanted.iter().map(find).collect()
}

fn delta_schema(schema: &StructType) -> Result<deltalake::kernel::StructType, SparkError> {
    // Delta writes its schema as Spark writes its own.
    let text = andiron_plan::types::to_json(&SparkType::Struct(schema.clone()));
    serde_json::from_str(&text).map_err(|e| SparkError::internal(format!("a schema that Delta does not take: {e}")))
}

fn operation(write: &DeltaWrite, partition_by: &[String]) -> DeltaOperation {
    match &write.streaming {
        Some((query_id, epoch_id)) => DeltaOperation::StreamingUpdate {
            output_mode: OutputMode::Append,
            query_id: query_id.clone(),
            epoch_id: *epoch_id,
        },
        None => DeltaOperation::Write {
            mode: match write.mode {
                SaveMode::Append => DeltaMode::Append,
                SaveMode::Overwrite => DeltaMode::Overwrite,
                SaveMode::ErrorIfExists => DeltaMode::ErrorIfExists,
                SaveMode::Ignore => DeltaMode::Ignore,
            },
            partition_by: (!partition_by.is_empty()).then(|| partition_by.to_vec()),
            predicate: None,
        },
    }
}

fn commit_info(operation: &DeltaOperation, metrics: &HashMap<String, serde_json::Value>) -> Action {
    let mut info: CommitInfo = operation.get_commit_info();
    info.timestamp = Some(chrono::Utc::now().timestamp_millis());
    info.engine_info = Some(ENGINE_INFO.to_owned());
    info.info.insert("operationMetrics".to_owned(), serde_json::Value::Object(metrics.clone().into_iter().collect()));
    Action::CommitInfo(info)
}

fn metrics(files: usize, rows: u64, bytes: i64) -> HashMap<String, serde_json::Value> {
    // Spark writes its metrics as text.
    [("numFiles", files.to_string()), ("numOutputRows", rows.to_string()), ("numOutputBytes", bytes.to_string())]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), serde_json::Value::String(v)))
        .collect()
}

fn transaction(write: &DeltaWrite) -> Option<Transaction> {
    let txn = write.txn.as_ref()?;
    let mut transaction = Transaction::new(&txn.app_id, txn.version);
    transaction.last_updated = Some(chrono::Utc::now().timestamp_millis());
    Some(transaction)
}

/// The first write makes the table and fills it by one commit.
async fn create(rows: Vec<BatchStream>, schema: StructType, write: &DeltaWrite) -> Result<DeltaOutcome, SparkError> {
    let table = builder(&write.path, &write.options)?.build().map_err(failed)?;
    let partition_by = partition_columns(&schema, &write.partition_by)?;
    let target = Target {
        schema: types::arrow_schema(&schema)?,
        partition_by: partition_by.clone(),
        store: table.log_store().object_store(None),
    };
    let written = write_files(rows, Arc::new(target)).await?;
    let operation = operation(write, &partition_by);
    let mut actions = vec![commit_info(&operation, &metrics(written.adds.len(), written.rows, written.bytes()))];
    actions.extend(written.adds.iter().cloned().map(Action::Add));
    let mut properties = CommitProperties::default();
    if let Some(transaction) = transaction(write) {
        properties = properties.with_application_transaction(transaction);
    }
    let created = CreateBuilder::new()
        .with_log_store(table.log_store())
        .with_columns(delta_schema(&schema)?.fields().cloned())
        .with_partition_columns(partition_by)
        .with_save_mode(DeltaMode::ErrorIfExists)
        .with_actions(actions)
        .with_commit_properties(properties)
        .await;
    match created {
        Ok(_) => Ok(DeltaOutcome::Committed { version: 0, rows: written.rows }),
        // Somebody else made it in the meantime: the files are there, and are committed to that table.
        Err(error) => match open(&write.path, &write.options).await? {
            Some(table) => commit(table, written, &schema, write).await,
            None => Err(failed(error)),
        },
    }
}

fn table_schema(table: &DeltaTable) -> Result<StructType, SparkError> {
    let schema = table.snapshot().map_err(failed)?.schema();
    let text =
        serde_json::to_string(schema.as_ref()).map_err(|e| SparkError::internal(format!("a table's schema: {e}")))?;
    Ok(andiron_plan::types::schema_from_json(&text)?)
}

/// The schema that the table will have: its own, the rows', or both put together.
fn target_schema(own: &StructType, incoming: &StructType, write: &DeltaWrite) -> Result<StructType, SparkError> {
    if write.mode == SaveMode::Overwrite && write.overwrite_schema {
        return Ok(incoming.clone());
    }
    let mut target = own.clone();
    for field in &incoming.fields {
        if own.fields.iter().any(|f| f.name.eq_ignore_ascii_case(&field.name)) {
            continue;
        }
        if !write.merge_schema {
            let tree = |schema: &StructType| andiron_plan::types::tree_string(schema, None);
            return Err(SparkError::analysis(
                "DELTA_METADATA_MISMATCH",
                "42KDG",
                format!(
                    "A schema mismatch detected when writing to the Delta table.\n\
                     To enable schema migration using DataFrameWriter or DataStreamWriter, please set:\n\
                     '.option(\"mergeSchema\", \"true\")'.\n\nTable schema:\n{}\n\nData schema:\n{}\n",
                    tree(own),
                    tree(incoming)
                ),
            ));
        }
        target.fields.push(field.clone());
    }
    Ok(target)
}

async fn write_existing(
    table: DeltaTable,
    rows: Vec<BatchStream>,
    incoming: StructType,
    write: &DeltaWrite,
) -> Result<DeltaOutcome, SparkError> {
    if let Some(txn) = &write.txn
        && has_number(&table, txn).await?
    {
        return Ok(DeltaOutcome::Skipped);
    }
    let own = table_schema(&table)?;
    let schema = target_schema(&own, &incoming, write)?;
    let partition_by = table.snapshot().map_err(failed)?.metadata().partition_columns().to_vec();
    let wanted = partition_columns(&schema, &write.partition_by)?;
    if !wanted.is_empty() && wanted != partition_by {
        return Err(SparkError::analysis(
            "DELTA_PARTITION_COLUMNS_MISMATCH",
            "42KDG",
            format!(
                "Partition columns do not match the partition columns of the table.\nGiven: [{}]\nTable: [{}]",
                wanted.join(", "),
                partition_by.join(", ")
            ),
        ));
    }
    let target =
        Target { schema: types::arrow_schema(&schema)?, partition_by, store: table.log_store().object_store(None) };
    let written = write_files(rows, Arc::new(target)).await?;
    commit(table, written, &schema, write).await
}

/// Commits files that are there to a table that is there.
async fn commit(
    mut table: DeltaTable,
    written: super::files::Written,
    schema: &StructType,
    write: &DeltaWrite,
) -> Result<DeltaOutcome, SparkError> {
    for attempt in 0.. {
        if let Some(txn) = &write.txn
            && has_number(&table, txn).await?
        {
            // The files stay behind, as those of any writer that came second; vacuum takes them.
            return Ok(DeltaOutcome::Skipped);
        }
        let state = table.snapshot().map_err(failed)?;
        let operation = operation(write, &[]);
        let mut actions = vec![commit_info(&operation, &metrics(written.adds.len(), written.rows, written.bytes()))];
        if table_schema(&table)? != *schema {
            let metadata =
                state.metadata().clone().with_schema(&delta_schema(schema)?).map_err(|e| failed(e.into()))?;
            actions.push(Action::Metadata(metadata));
        }
        if write.mode == SaveMode::Overwrite {
            actions.extend(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))));
        }
        actions.extend(written.adds.iter().cloned().map(Action::Add));
        let mut properties = CommitProperties::default().with_max_retries(DELTA_COMMIT_RETRIES_MAX);
        if let Some(transaction) = transaction(write) {
            properties = properties.with_application_transaction(transaction);
        }
        let reference: &dyn TableReference = state;
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(reference), table.log_store(), operation)
            .await;
        match committed {
            Ok(done) => {
                let version = i64::try_from(done.version()).unwrap_or(i64::MAX);
                return Ok(DeltaOutcome::Committed { version, rows: written.rows });
            }
            Err(DeltaTableError::Transaction { .. }) if attempt < DELTA_COMMIT_RETRIES_MAX => {
                table.update_state().await.map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Err(SparkError::internal("a commit that neither succeeded nor failed"))
}

/// A field of the target by name, compared as Spark compares names.
pub(super) fn position(schema: &Schema, name: &str) -> Option<usize> {
    schema.fields().iter().position(|f: &Arc<Field>| f.name().eq_ignore_ascii_case(name))
}
