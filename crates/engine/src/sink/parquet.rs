//! The format `parquet`: files, and beside them Spark's log `_spark_metadata` of which files belong to which batch. A
//! reader that follows the log sees every batch once, whatever a run that died may have left lying about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use andiron_plan::spec::WriteStreamStart;
use async_trait::async_trait;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Batch, MicroBatchSink};
use crate::query::{CheckpointStore, local_path, now_ms};
use crate::{Exception, Options, SparkError};

/// Spark's `spark.sql.streaming.fileSink.log.compactInterval`: every tenth entry holds all the files before it too.
const COMPACT_INTERVAL: i64 = 10;

/// The folder of the log.
pub const METADATA_FOLDER: &str = "_spark_metadata";

/// A file of a batch, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SinkFile {
    path: String,
    size: u64,
    is_dir: bool,
    modification_time: i64,
    block_replication: i32,
    block_size: i64,
    action: String,
}

pub(super) struct ParquetSink {
    folder: PathBuf,
    compression: Compression,
    store: CheckpointStore,
}

impl ParquetSink {
    pub(super) async fn new(path: &str, options: Options, start: &WriteStreamStart) -> Result<Self, SparkError> {
        if !start.partitioning_columns.is_empty() {
            return Err(SparkError::unsupported("partitionBy of a streaming parquet sink"));
        }
        let compression = match options.get("compression").map(str::to_ascii_lowercase).as_deref() {
            None | Some("snappy") => Compression::SNAPPY,
            Some("zstd") => Compression::ZSTD(parquet::basic::ZstdLevel::default()),
            Some("none" | "uncompressed") => Compression::UNCOMPRESSED,
            Some(other) => return Err(SparkError::unsupported(format!("parquet compression {other}"))),
        };
        let folder = local_path(path)?;
        std::fs::create_dir_all(&folder)?;
        let store = CheckpointStore::new(folder.join(METADATA_FOLDER));
        Ok(Self { folder, compression, store })
    }

    fn entry(&self, batch: i64) -> PathBuf {
        let compact = (batch + 1) % COMPACT_INTERVAL == 0;
        self.store.root().join(if compact { format!("{batch}.compact") } else { batch.to_string() })
    }

    async fn write_files(&self, batch: &Batch<'_>) -> Result<(Vec<SinkFile>, i64), SparkError> {
        let schema = batch.rows.arrow_schema();
        let properties = WriterProperties::builder().set_compression(self.compression).build();
        let mut tasks = JoinSet::new();
        for (part, mut stream) in batch.session.run_partitioned(batch.rows).await?.into_iter().enumerate() {
            let name = format!("part-{part:05}-{}-c000.{}.parquet", uuid::Uuid::new_v4(), self.extension());
            let path = self.folder.join(name);
            let (schema, properties) = (Arc::clone(&schema), properties.clone());
            tasks.spawn(async move {
                let mut writer: Option<ArrowWriter<std::fs::File>> = None;
                let mut rows = 0i64;
                while let Some(batch) = stream.next().await {
                    let batch = super::conformed(&batch?, &schema)?;
                    if batch.num_rows() == 0 {
                        continue;
                    }
                    rows += batch.num_rows() as i64;
                    let writer = match &mut writer {
                        Some(writer) => writer,
                        None => {
                            let file = std::fs::File::create(&path)?;
                            writer.insert(
                                ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties.clone()))
                                    .map_err(|e| failed(&path, &e))?,
                            )
                        }
                    };
                    writer.write(&batch).map_err(|e| failed(&path, &e))?;
                }
                let Some(writer) = writer else { return Ok((None, rows)) };
                let file = writer.into_inner().map_err(|e| failed(&path, &e))?;
                // The log's entry must never name a file that power loss could take.
                file.sync_all()?;
                let size = file.metadata()?.len();
                Ok::<_, SparkError>((Some(described(&path, size)), rows))
            });
        }
        let (mut files, mut rows) = (Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let (file, count) =
                done.map_err(|e| SparkError::internal(format!("a task of the parquet sink ended: {e}")))??;
            files.extend(file);
            rows += count;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((files, rows))
    }

    fn extension(&self) -> &'static str {
        match self.compression {
            Compression::ZSTD(_) => "zstd",
            Compression::UNCOMPRESSED => "uncompressed",
            _ => "snappy",
        }
    }
}

fn described(path: &Path, size: u64) -> SinkFile {
    SinkFile {
        path: format!("file://{}", path.display()),
        size,
        is_dir: false,
        modification_time: now_ms(),
        block_replication: 1,
        block_size: 33_554_432,
        action: "add".to_owned(),
    }
}

fn failed(path: &Path, error: &parquet::errors::ParquetError) -> SparkError {
    SparkError::plain(Exception::Spark, format!("cannot write {}: {error}", path.display()))
}

fn encode(files: &[SinkFile]) -> String {
    let mut out = String::from("v1");
    for file in files {
        out.push('\n');
        // A struct of texts and numbers always has a JSON form.
        out.push_str(&serde_json::to_string(file).unwrap_or_default());
    }
    out
}

fn decode(text: &str) -> Result<Vec<SinkFile>, SparkError> {
    let bad = |why: String| SparkError::plain(Exception::Spark, format!("java.lang.IllegalStateException: {why}"));
    let mut lines = text.lines();
    if lines.next() != Some("v1") {
        return Err(bad(format!("Log file was malformed: failed to read correct log version from {text}.")));
    }
    lines.map(|line| serde_json::from_str(line).map_err(|e| bad(format!("Log file was malformed: {e}")))).collect()
}

/// The files of the log below a folder, up to and with `last`; `None` if there is no log.
fn logged(folder: &Path, last: Option<i64>) -> Result<Option<Vec<SinkFile>>, SparkError> {
    let Ok(entries) = std::fs::read_dir(folder.join(METADATA_FOLDER)) else { return Ok(None) };
    let mut found: Vec<(i64, bool)> = entries
        .filter_map(Result::ok)
        .filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            match name.strip_suffix(".compact") {
                Some(batch) => Some((batch.parse().ok()?, true)),
                None => Some((name.parse().ok()?, false)),
            }
        })
        .filter(|(batch, _)| last.is_none_or(|last| *batch <= last))
        .collect();
    found.sort_unstable();
    let from = found.iter().rposition(|(_, compact)| *compact).unwrap_or(0);
    let mut files = Vec::new();
    for (batch, compact) in found.into_iter().skip(from) {
        let name = if compact { format!("{batch}.compact") } else { batch.to_string() };
        files.extend(decode(&std::fs::read_to_string(folder.join(METADATA_FOLDER).join(name))?)?);
    }
    Ok(Some(files))
}

/// The files that a reader of a streaming sink's folder sees; `None` if no stream has written there.
pub fn committed_files(folder: &Path) -> Result<Option<Vec<PathBuf>>, SparkError> {
    let Some(files) = logged(folder, None)? else { return Ok(None) };
    files.into_iter().filter(|f| f.action == "add").map(|f| local_path(&f.path)).collect::<Result<_, _>>().map(Some)
}

#[async_trait]
impl MicroBatchSink for ParquetSink {
    fn description(&self) -> String {
        format!("FileSink[{}]", self.folder.display())
    }

    async fn add_batch(&mut self, batch: &Batch<'_>) -> Result<Option<i64>, SparkError> {
        let entry = self.entry(batch.id);
        if entry.exists() {
            tracing::info!("batch {} of query {} is in {} already", batch.id, batch.query_id, self.folder.display());
            return Ok(None);
        }
        let (mut files, _) = self.write_files(batch).await?;
        if (batch.id + 1) % COMPACT_INTERVAL == 0
            && let Some(mut before) = logged(&self.folder, Some(batch.id - 1))?
        {
            before.append(&mut files);
            files = before;
        }
        self.store.write(&entry, encode(&files).as_bytes()).await?;
        // Spark's file sink does not count its rows.
        Ok(None)
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
