//! The texts of a checkpoint directory, byte for byte Spark's: `metadata`, `offsets/N`, `commits/N`, and the Kafka
//! source's `sources/I/0`. A query without state can move between Spark and Andiron in either direction.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::LOG_VERSION;
use crate::machine::OffsetText;

/// What stands in the offset log for a source that has no position.
const VOID_OFFSET: &str = "-";

/// Why a file of a checkpoint cannot be read. The texts are Spark's: programs and people search for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The file ends before what must be in it.
    #[error("Incomplete log file")]
    Incomplete,
    /// The commit log's own wording of the same.
    #[error("Incomplete log file in the offset commit log")]
    IncompleteCommit,
    /// The first line is no `v<number>`.
    #[error("Log file was malformed: failed to read correct log version from {0}.")]
    Malformed(String),
    /// A Spark newer than the format known here wrote it.
    #[error(
        "UnsupportedLogVersion: maximum supported log version is v{LOG_VERSION}, but encountered v{0}. The log file was produced by a newer version of Spark and cannot be read by this version. Please upgrade."
    )]
    Unsupported(u32),
    /// A line that should be JSON is not.
    #[error("Log file was malformed: {0}")]
    Json(String),
    /// `metadata` is not what a stream's metadata is.
    #[error("Error reading stream metadata: {0}")]
    Metadata(String),
}

fn version(line: &str) -> Result<u32, CheckpointError> {
    let malformed = || CheckpointError::Malformed(line.to_owned());
    let version: u32 = line.strip_prefix('v').and_then(|n| n.parse().ok()).ok_or_else(malformed)?;
    match version {
        0 => Err(malformed()),
        v if v > LOG_VERSION => Err(CheckpointError::Unsupported(v)),
        v => Ok(v),
    }
}

fn json<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, CheckpointError> {
    serde_json::from_str(line).map_err(|e| CheckpointError::Json(format!("{e} in {line}")))
}

fn text(value: &impl Serialize) -> String {
    // Maps with text keys and numbers always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

/// `metadata`: the query's identity over all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The query's id, a UUID.
    pub id: String,
}

impl Metadata {
    /// The file's content: one line, no version, no newline.
    #[must_use]
    pub fn encode(&self) -> String {
        text(self)
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// When it is not one JSON object with an `id`.
    pub fn decode(content: &str) -> Result<Self, CheckpointError> {
        serde_json::from_str(content).map_err(|e| CheckpointError::Metadata(e.to_string()))
    }
}

/// The second line of an offset file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetSeqMetadata {
    /// The watermark that holds during the batch.
    pub batch_watermark_ms: i64,
    /// What `current_timestamp()` is in the batch, also when it is run again.
    pub batch_timestamp_ms: i64,
    /// The session's settings that must not change while the query has state.
    pub conf: IndexMap<String, String>,
}

/// The settings that Spark pins in the offset log, with their defaults, in its order.
pub const PINNED_CONFS: [(&str, &str); 10] = [
    (
        "spark.sql.streaming.stateStore.providerClass",
        "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider",
    ),
    ("spark.sql.streaming.join.stateFormatVersion", "2"),
    ("spark.sql.streaming.stateStore.compression.codec", "lz4"),
    ("spark.sql.optimizer.pruneFiltersCanPruneStreamingSubplan", "false"),
    ("spark.sql.streaming.stateStore.rocksdb.formatVersion", "5"),
    ("spark.sql.streaming.statefulOperator.useStrictDistribution", "true"),
    ("spark.sql.streaming.flatMapGroupsWithState.stateFormatVersion", "2"),
    ("spark.sql.streaming.multipleWatermarkPolicy", "min"),
    ("spark.sql.streaming.aggregation.stateFormatVersion", "2"),
    ("spark.sql.shuffle.partitions", "200"),
];

/// The pinned settings with the session's values where it has any.
pub fn pinned_confs(session: impl Fn(&str) -> Option<String>) -> IndexMap<String, String> {
    PINNED_CONFS
        .iter()
        .map(|(name, default)| ((*name).to_owned(), session(name).unwrap_or_else(|| (*default).to_owned())))
        .collect()
}

/// `offsets/N`: where batch N ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetSeq {
    /// The batch's watermark, time and settings; Spark before 2.1 left it out.
    pub metadata: Option<OffsetSeqMetadata>,
    /// One position per source.
    pub sources: Vec<OffsetText>,
}

impl OffsetSeq {
    /// The file's content, without a newline at its end.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = format!("v{LOG_VERSION}\n");
        out.push_str(&self.metadata.as_ref().map(text).unwrap_or_default());
        for source in &self.sources {
            out.push('\n');
            out.push_str(source.as_deref().unwrap_or(VOID_OFFSET));
        }
        out
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// On an unknown version, a missing line, or metadata that is not JSON.
    pub fn decode(content: &str) -> Result<Self, CheckpointError> {
        let mut lines = content.lines();
        version(lines.next().ok_or(CheckpointError::Incomplete)?)?;
        let metadata = lines.next().unwrap_or_default().trim();
        let metadata = if metadata.is_empty() { None } else { Some(json(metadata)?) };
        let sources = lines.map(|line| (line != VOID_OFFSET).then(|| line.to_owned())).collect();
        Ok(Self { metadata, sources })
    }
}

/// `commits/N`: batch N is in the sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommitMetadata {
    /// The watermark from the next batch on.
    pub next_batch_watermark_ms: i64,
}

impl CommitMetadata {
    /// The file's content.
    #[must_use]
    pub fn encode(&self) -> String {
        format!("v{LOG_VERSION}\n{}", text(self))
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// On an unknown version or when the second line is not JSON.
    pub fn decode(content: &str) -> Result<Self, CheckpointError> {
        let mut lines = content.lines();
        version(lines.next().ok_or(CheckpointError::IncompleteCommit)?)?;
        match lines.next() {
            Some(line) => json(line),
            None => Ok(Self::default()),
        }
    }
}

/// The Kafka source's `sources/I/0`, its offsets before the first batch: a zero byte (kept since Spark 2.1 read one),
/// the version, the offsets' JSON.
#[must_use]
pub fn encode_initial_offset(json: &str) -> Vec<u8> {
    let mut out = vec![0];
    out.extend_from_slice(format!("v{LOG_VERSION}\n{json}").as_bytes());
    out
}

/// Reads `sources/I/0`: the offsets' JSON.
///
/// # Errors
/// On an unknown version, or text that is none.
pub fn decode_initial_offset(content: &[u8]) -> Result<String, CheckpointError> {
    let content = content.strip_prefix(&[0]).unwrap_or(content);
    let content = std::str::from_utf8(content).map_err(|e| CheckpointError::Json(e.to_string()))?;
    // Spark 2.1.0 wrote the JSON alone.
    if content.starts_with('{') {
        return Ok(content.to_owned());
    }
    let (first, rest) = content
        .split_once('\n')
        .ok_or_else(|| CheckpointError::Malformed("failed to detect the log file version line".to_owned()))?;
    version(first)?;
    Ok(rest.to_owned())
}

/// Whether a text is a JSON value (offset texts of a checkpoint are, but for [`VOID_OFFSET`]).
#[must_use]
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok()
}

#[cfg(test)]
mod tests;
