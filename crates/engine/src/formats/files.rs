//! Files of one format in folders: parquet, json, csv, text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use andiron_plan::spec::SaveMode;
use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::options::{CsvReadOptions, JsonReadOptions as ListingJsonOptions};
use datafusion::prelude::ParquetReadOptions;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{SinkFormat, SinkWrite, SourceFormat, SourceRead};
use crate::datetime::Zone;
use crate::json::{JsonWriteOptions, JsonWriter};
use crate::resolved::BatchStream;
use crate::{Exception, Options, Resolved, Session, SparkError, types};

/// Which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Parquet.
    Parquet,
    /// One JSON object a line.
    Json,
    /// Values between commas.
    Csv,
    /// Lines.
    Text,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Parquet, Self::Json, Self::Csv, Self::Text];

    /// The name users give.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Text => "text",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Text => "txt",
        }
    }
}

/// Files of one format.
pub struct Files(pub Kind);

/// The files that a read means, hidden ones left out; those that a streaming query committed, where it keeps a log of them.
fn files_of(path: &str) -> Result<Vec<PathBuf>, SparkError> {
    let path = Path::new(path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path));
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !path.is_dir() {
        return Err(SparkError::path_not_found(&format!("file:{}", path.display())));
    }
    if let Some(committed) = crate::sink::committed_files(path)? {
        return Ok(committed);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if entry.path().is_dir() {
            found.extend(files_of(&entry.path().to_string_lossy())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[async_trait]
impl SourceFormat for Files {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn table(&self, session: &Session, read: &SourceRead) -> Result<Arc<dyn TableProvider>, SparkError> {
        let mut files = Vec::new();
        for path in read.all_paths() {
            files.extend(files_of(&path)?.into_iter().map(|p| p.to_string_lossy().into_owned()));
        }
        let schema = read.schema.as_ref().map(types::arrow_schema).transpose()?;
        if files.is_empty() {
            let schema = schema.ok_or_else(|| {
                SparkError::analysis(
                    "UNABLE_TO_INFER_SCHEMA",
                    "42KD9",
                    format!("Unable to infer schema for {}. It must be specified manually.", self.0.name()),
                )
            })?;
            return Ok(Arc::new(MemTable::try_new(schema, vec![Vec::new()])?));
        }
        let extension =
            Path::new(&files[0]).extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
        let context = session.context();
        let frame = match self.0 {
            Kind::Parquet => {
                let mut options = ParquetReadOptions::default().parquet_pruning(true);
                options.schema = schema.as_deref();
                options.file_extension = &extension;
                context.read_parquet(files, options).await?
            }
            Kind::Json => {
                let options = ListingJsonOptions {
                    schema: schema.as_deref(),
                    file_extension: &extension,
                    ..ListingJsonOptions::default()
                };
                context.read_json(files, options).await?
            }
            Kind::Csv => {
                let header = read.options.bool("header")?.unwrap_or(false);
                let separator = read.options.get("sep").or_else(|| read.options.get("delimiter")).unwrap_or(",");
                let mut options =
                    CsvReadOptions::new().has_header(header).delimiter(separator.bytes().next().unwrap_or(b','));
                options.schema = schema.as_deref();
                options.file_extension = &extension;
                if !read.options.bool("inferSchema")?.unwrap_or(false) {
                    options.schema_infer_max_records = 0;
                }
                context.read_csv(files, options).await?
            }
            Kind::Text => return lines(&files).await,
        };
        Ok(frame.into_view())
    }
}

/// Files of lines.
async fn lines(files: &[String]) -> Result<Arc<dyn TableProvider>, SparkError> {
    let schema = Arc::new(Schema::new(vec![Field::new("value", DataType::Utf8View, true)]));
    let mut batches = Vec::new();
    for file in files {
        let bytes = tokio::fs::read(file).await?;
        let text = String::from_utf8_lossy(&bytes);
        let values: arrow::array::StringViewArray = text.lines().map(Some).collect();
        batches.push(RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(values)])?);
    }
    Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
}

#[async_trait]
impl SinkFormat for Files {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn write(&self, session: &Session, rows: &Resolved, request: &SinkWrite) -> Result<(), SparkError> {
        let Some(path) = request.options.get("path") else {
            return Err(SparkError::illegal_argument("'path' is not specified"));
        };
        if !request.partition_by.is_empty() {
            return Err(SparkError::unsupported(format!("partitionBy for the format {}", self.0.name())));
        }
        if matches!(self.0, Kind::Csv | Kind::Text) {
            return Err(SparkError::unsupported(format!("writing the format {}", self.0.name())));
        }
        let folder = PathBuf::from(path.strip_prefix("file://").or_else(|| path.strip_prefix("file:")).unwrap_or(path));
        let mut old = Vec::new();
        if folder.exists() {
            match request.mode {
                SaveMode::ErrorIfExists => {
                    return Err(SparkError::analysis(
                        "PATH_ALREADY_EXISTS",
                        "42K04",
                        format!(
                            "Path file:{} already exists. Set mode as \"overwrite\" to overwrite the existing path.",
                            folder.display()
                        ),
                    )
                    .with("outputPath", format!("file:{}", folder.display())));
                }
                SaveMode::Ignore => return Ok(()),
                SaveMode::Overwrite => old = files_of(path)?,
                SaveMode::Append => {}
            }
        }
        tokio::fs::create_dir_all(&folder).await?;
        let streams = session.run_partitioned(rows).await?;
        let zone = Zone::of_session(&session.conf().time_zone_name())?;
        let mut tasks = tokio::task::JoinSet::new();
        for (part, stream) in streams.into_iter().enumerate() {
            let name = format!("part-{part:05}-{}-c000.{}", uuid::Uuid::new_v4(), self.0.extension());
            let file = folder.join(name);
            let (kind, options) = (self.0, request.options.clone());
            let schema = rows.arrow_schema();
            tasks.spawn(async move { write_file(kind, stream, schema, file, &options, zone).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|e| SparkError::internal(format!("a writing task ended: {e}")))??;
        }
        for file in old {
            tokio::fs::remove_file(file).await?;
        }
        tokio::fs::write(folder.join("_SUCCESS"), b"").await?;
        Ok(())
    }
}

async fn write_file(
    kind: Kind,
    mut rows: BatchStream,
    schema: SchemaRef,
    path: PathBuf,
    options: &Options,
    zone: Zone,
) -> Result<(), SparkError> {
    match kind {
        Kind::Parquet => {
            let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
            let writer_options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
            let encoding = |e: parquet::errors::ParquetError| SparkError::plain(Exception::Spark, e.to_string());
            let mut writer: Option<ArrowWriter<std::fs::File>> = None;
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                if writer.is_none() {
                    let file = std::fs::File::create(&path)?;
                    let made = ArrowWriter::try_new_with_options(file, batch.schema(), writer_options.clone());
                    writer = Some(made.map_err(encoding)?);
                }
                if let Some(writer) = &mut writer {
                    writer.write(&batch).map_err(encoding)?;
                }
            }
            if writer.is_none() {
                // A folder without any file has no schema to be read back.
                let file = std::fs::File::create(&path)?;
                writer = Some(ArrowWriter::try_new_with_options(file, schema, writer_options).map_err(encoding)?);
            }
            if let Some(writer) = writer {
                writer.close().map_err(encoding)?;
            }
        }
        Kind::Json => {
            let json = JsonWriter::new(JsonWriteOptions::parse(options, zone)?);
            let mut text = String::new();
            while let Some(batch) = rows.next().await {
                let row: ArrayRef = Arc::new(StructArray::from(batch?));
                for line in json.write(&row)?.iter().flatten() {
                    text.push_str(line);
                    text.push('\n');
                }
                // The file grows by batches, so that memory does not.
                append(&path, &mut text).await?;
            }
        }
        Kind::Csv | Kind::Text => return Err(SparkError::unsupported(format!("writing the format {}", kind.name()))),
    }
    Ok(())
}

async fn append(path: &Path, text: &mut String) -> Result<(), SparkError> {
    use tokio::io::AsyncWriteExt;
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await?;
    text.clear();
    Ok(())
}
