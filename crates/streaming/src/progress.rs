//! What a query tells of itself: progress (the JSON that every PySpark parses), status, and the texts of its states.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::time::iso_utc;

/// One trigger's report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The query's id over all its runs.
    pub id: String,
    /// This run's id.
    pub run_id: String,
    /// The query's name, if it has one.
    pub name: Option<String>,
    /// When the trigger started.
    pub timestamp_ms: i64,
    /// The batch.
    pub batch_id: i64,
    /// How long each step took, by Spark's names (`addBatch`, `walCommit`, ...), in ms.
    pub durations_ms: IndexMap<&'static str, i64>,
    /// Watermark, min, max and avg of the event time, as UTC texts.
    pub event_time: IndexMap<&'static str, String>,
    /// Each source's share.
    pub sources: Vec<SourceProgress>,
    /// What the sink says.
    pub sink: SinkProgress,
}

/// One source's share of a trigger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceProgress {
    /// Such as `KafkaV2[Subscribe[orders]]`.
    pub description: String,
    /// Where the batch started, as the source's own text.
    pub start_offset: Option<String>,
    /// Where it ended.
    pub end_offset: Option<String>,
    /// How far the source reached when it was asked.
    pub latest_offset: Option<String>,
    /// Rows that came out of the source.
    pub num_input_rows: i64,
    /// Rows per second of the time since the trigger before.
    pub input_rows_per_second: f64,
    /// Rows per second of the time the batch took.
    pub processed_rows_per_second: f64,
    /// The source's own figures, as texts.
    pub metrics: IndexMap<String, String>,
}

/// What a sink says of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkProgress {
    /// Such as `DeltaSink[/data/orders]`.
    pub description: String,
    /// Rows written; -1 where the sink does not count.
    pub num_output_rows: i64,
}

impl Default for SinkProgress {
    fn default() -> Self {
        Self { description: String::new(), num_output_rows: -1 }
    }
}

/// Rows a second over a time in ms; 0 while there is no time yet to divide by, as Spark says for its first trigger.
#[must_use]
pub fn rows_per_second(rows: i64, elapsed_ms: Option<i64>) -> f64 {
    match elapsed_ms {
        Some(ms) => rows as f64 * 1000.0 / ms.max(1) as f64,
        None => 0.0,
    }
}

/// An offset text as JSON where it is JSON (Kafka's is an object), else as the text it is.
fn offset(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |t| serde_json::from_str(t).unwrap_or_else(|_| Value::String(t.clone())))
}

impl Progress {
    /// Rows over all sources.
    #[must_use]
    pub fn num_input_rows(&self) -> i64 {
        self.sources.iter().map(|s| s.num_input_rows).sum()
    }

    /// The report as a JSON value: offsets as objects and the totals that PySpark 4 reads, which PySpark 3.5 takes too.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        put("id", Value::from(self.id.as_str()));
        put("runId", Value::from(self.run_id.as_str()));
        put("name", self.name.as_deref().map_or(Value::Null, Value::from));
        put("timestamp", Value::from(iso_utc(self.timestamp_ms)));
        put("batchId", Value::from(self.batch_id));
        put("batchDuration", Value::from(self.durations_ms.get("triggerExecution").copied().unwrap_or(0)));
        put("numInputRows", Value::from(self.num_input_rows()));
        put("inputRowsPerSecond", Value::from(self.sources.iter().map(|s| s.input_rows_per_second).sum::<f64>()));
        put(
            "processedRowsPerSecond",
            Value::from(self.sources.iter().map(|s| s.processed_rows_per_second).sum::<f64>()),
        );
        put("durationMs", self.durations_ms.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect());
        put("eventTime", self.event_time.iter().map(|(k, v)| ((*k).to_owned(), Value::from(v.as_str()))).collect());
        put("stateOperators", Value::Array(Vec::new()));
        put("sources", self.sources.iter().map(SourceProgress::to_value).collect());
        let mut sink = Map::new();
        sink.insert("description".to_owned(), Value::from(self.sink.description.as_str()));
        sink.insert("numOutputRows".to_owned(), Value::from(self.sink.num_output_rows));
        put("sink", Value::Object(sink));
        put("observedMetrics", Value::Object(Map::new()));
        Value::Object(out)
    }

    /// The report as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }
}

impl SourceProgress {
    fn to_value(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| {
            out.insert(key.to_owned(), value);
        };
        put("description", Value::from(self.description.as_str()));
        put("startOffset", offset(self.start_offset.as_ref()));
        put("endOffset", offset(self.end_offset.as_ref()));
        put("latestOffset", offset(self.latest_offset.as_ref()));
        put("numInputRows", Value::from(self.num_input_rows));
        put("inputRowsPerSecond", Value::from(self.input_rows_per_second));
        put("processedRowsPerSecond", Value::from(self.processed_rows_per_second));
        put("metrics", self.metrics.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect());
        Value::Object(out)
    }
}

/// A query's status, as `query.status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryStatus {
    /// What the query does just now, in Spark's words.
    pub message: String,
    /// Whether the sources had something new when asked last.
    pub is_data_available: bool,
    /// Whether a trigger is under way.
    pub is_trigger_active: bool,
}

impl QueryStatus {
    /// A query that has just been started.
    #[must_use]
    pub fn initializing() -> Self {
        Self { message: "Initializing sources".to_owned(), is_data_available: false, is_trigger_active: false }
    }

    /// A query that was stopped or ended by itself.
    #[must_use]
    pub fn stopped() -> Self {
        Self { message: "Stopped".to_owned(), is_data_available: false, is_trigger_active: false }
    }

    /// A query that failed.
    #[must_use]
    pub fn failed(why: &str) -> Self {
        Self {
            message: format!("Terminated with exception: {why}"),
            is_data_available: false,
            is_trigger_active: false,
        }
    }
}

#[cfg(test)]
mod tests;
