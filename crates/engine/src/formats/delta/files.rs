//! A table's files: each partition of the plan is encoded by a task of its own, so that both cores are at work.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use deltalake::kernel::Add;
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::stats;
use super::write::position;
use crate::datetime::Zone;
use crate::functions::cast::{CastRules, Printer, cast_array};
use crate::limits::{DELTA_FILE_BYTES_TARGET, DELTA_PARTITIONS_OPEN_MAX};
use crate::resolved::BatchStream;
use crate::{Exception, SparkError};

/// Where files go and what they hold.
pub(super) struct Target {
    /// All columns of the table, partition columns among them.
    pub(super) schema: SchemaRef,
    pub(super) partition_by: Vec<String>,
    pub(super) store: Arc<dyn ObjectStore>,
}

/// Files that were written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) adds: Vec<Add>,
    pub(super) rows: u64,
}

impl Written {
    pub(super) fn bytes(&self) -> i64 {
        self.adds.iter().map(|add| add.size).sum()
    }
}

/// Stops the tasks that it holds when it is dropped: a write that failed must not go on.
struct Tasks(Vec<tokio::task::JoinHandle<Result<Written, SparkError>>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

/// Writes all rows; what was written before a failure stays behind uncommitted.
pub(super) async fn write_files(rows: Vec<BatchStream>, target: Arc<Target>) -> Result<Written, SparkError> {
    let mut tasks = Tasks(Vec::with_capacity(rows.len()));
    for stream in rows {
        let target = Arc::clone(&target);
        tasks.0.push(tokio::spawn(write_partition(stream, target)));
    }
    let mut all = Written::default();
    for task in &mut tasks.0 {
        let written = task.await.map_err(|e| SparkError::internal(format!("a writing task ended: {e}")))??;
        all.rows += written.rows;
        all.adds.extend(written.adds);
    }
    Ok(all)
}

/// An open file.
struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    /// Values of the partition columns as the log keeps them.
    values: HashMap<String, Option<String>>,
    folder: String,
}

async fn write_partition(mut rows: BatchStream, target: Arc<Target>) -> Result<Written, SparkError> {
    let mut written = Written::default();
    let mut open: HashMap<Vec<Option<String>>, OpenFile> = HashMap::new();
    let columns: Vec<usize> = target.partition_by.iter().filter_map(|name| position(&target.schema, name)).collect();
    let kept: Vec<usize> = (0..target.schema.fields().len()).filter(|i| !columns.contains(i)).collect();
    let file_schema: SchemaRef = Arc::new(target.schema.project(&kept)?);
    while let Some(batch) = rows.next().await {
        let batch = fitted(&batch?, &target.schema)?;
        if batch.num_rows() == 0 {
            continue;
        }
        written.rows += batch.num_rows() as u64;
        for (key, part) in split(&batch, &columns)? {
            if !open.contains_key(&key) && open.len() >= DELTA_PARTITIONS_OPEN_MAX {
                for (_, file) in open.drain() {
                    written.adds.push(finish(file, &file_schema, &target).await?);
                }
            }
            let file = match open.entry(key.clone()) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => entry.insert(start(&key, &file_schema, &target)?),
            };
            file.writer.write(&part.project(&kept)?).map_err(encoding)?;
            if file.writer.bytes_written() + file.writer.in_progress_size() >= DELTA_FILE_BYTES_TARGET
                && let Some(file) = open.remove(&key)
            {
                written.adds.push(finish(file, &file_schema, &target).await?);
            }
        }
    }
    for (_, file) in open {
        written.adds.push(finish(file, &file_schema, &target).await?);
    }
    Ok(written)
}

/// A batch with the table's columns: by name, cast, null where it has none.
fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SparkError> {
    let own = batch.schema();
    // A value that does not fit the table's type stops the write, in every mode, as Delta's own store assignment does.
    let rules = CastRules { ansi: true, zone: Zone::UTC };
    let columns = schema.fields().iter().map(|field| match position(&own, field.name()) {
        Some(i) => cast_array(batch.column(i), field.data_type(), rules),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    Ok(RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<ArrayRef>, _>>()?)?)
}

type Parts = Vec<(Vec<Option<String>>, RecordBatch)>;

/// The batch by values of the partition columns.
fn split(batch: &RecordBatch, columns: &[usize]) -> Result<Parts, SparkError> {
    if columns.is_empty() {
        return Ok(vec![(Vec::new(), batch.clone())]);
    }
    let printers =
        columns.iter().map(|&i| Printer::new(batch.column(i), Zone::UTC, false)).collect::<Result<Vec<_>, _>>()?;
    let mut rows: HashMap<Vec<Option<String>>, Vec<u32>> = HashMap::new();
    for row in 0..batch.num_rows() {
        let key = columns.iter().zip(&printers).map(|(&i, printer)| {
            if batch.column(i).is_null(row) {
                return None;
            }
            let mut text = String::new();
            printer.write_or_null(row, &mut text);
            // An empty text is null in a path, and so it is in the log.
            (!text.is_empty()).then_some(text)
        });
        rows.entry(key.collect()).or_default().push(u32::try_from(row).unwrap_or(u32::MAX));
    }
    let take = |(key, rows): (Vec<Option<String>>, Vec<u32>)| {
        Ok((key, arrow::compute::take_record_batch(batch, &UInt32Array::from(rows))?))
    };
    rows.into_iter().map(take).collect()
}

fn start(key: &[Option<String>], schema: &Schema, target: &Target) -> Result<OpenFile, SparkError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("Andiron version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    // Arrow's own schema in the file would tell readers of our view types, which are nobody's business.
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::new(schema.clone()), options).map_err(encoding)?;
    let mut folder = String::new();
    let mut values = HashMap::new();
    for (name, value) in target.partition_by.iter().zip(key) {
        let shown = value.as_deref().unwrap_or("__HIVE_DEFAULT_PARTITION__");
        folder.push_str(&format!("{}={}/", escaped(name), escaped(shown)));
        values.insert(name.clone(), value.clone());
    }
    Ok(OpenFile { writer, values, folder })
}

/// Characters that Hive escapes in the name of a folder.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

async fn finish(mut file: OpenFile, schema: &SchemaRef, target: &Target) -> Result<Add, SparkError> {
    let metadata = file.writer.finish().map_err(encoding)?;
    let stats = stats::of(&metadata, schema)?;
    let bytes = std::mem::take(file.writer.inner_mut());
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let name = format!("{}part-00000-{}-c000.snappy.parquet", file.folder, uuid::Uuid::new_v4());
    let path = Path::parse(&name).map_err(|e| SparkError::plain(Exception::Spark, e.to_string()))?;
    target.store.put(&path, bytes.into()).await.map_err(|e| SparkError::plain(Exception::Spark, e.to_string()))?;
    Ok(Add {
        path: name,
        partition_values: file.values,
        size,
        modification_time: chrono::Utc::now().timestamp_millis(),
        data_change: true,
        stats: Some(stats),
        ..Add::default()
    })
}

fn encoding(error: parquet::errors::ParquetError) -> SparkError {
    SparkError::plain(Exception::Spark, error.to_string())
}

/// Whether a column of the type is a leaf whose least and greatest value help a reader.
pub(super) fn is_ordered(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Float32
                | DataType::Float64
                | DataType::Date32
                | DataType::Timestamp(..)
                | DataType::Utf8View
                | DataType::Utf8
                | DataType::Decimal128(..)
        )
}
