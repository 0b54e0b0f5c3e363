//! The events of a query's life as the JSON that a `StreamingQueryListener` in Python reads, and the texts of its end.

use serde_json::{Value, json};

use crate::progress::Progress;
use crate::time::iso_utc;

/// The kinds of events that travel over the listener bus; the numbers are Spark Connect's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A trigger has been reported.
    Progress = 1,
    /// The query is over.
    Terminated = 2,
    /// The query waits for data.
    Idle = 3,
}

/// An event on the listener bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// Spark's JSON of it.
    pub json: String,
}

/// The event that answers `start()` while a listener is registered; it does not travel over the bus.
#[must_use]
pub fn started(id: &str, run_id: &str, name: Option<&str>, now: i64) -> String {
    json!({"id": id, "runId": run_id, "name": name, "timestamp": iso_utc(now), "jobTags": []}).to_string()
}

/// A trigger's report.
#[must_use]
pub fn progress(progress: &Progress) -> Event {
    Event { kind: EventKind::Progress, json: json!({"progress": progress.to_value()}).to_string() }
}

/// The query waits for data since a while.
#[must_use]
pub fn idle(id: &str, run_id: &str, now: i64) -> Event {
    Event { kind: EventKind::Idle, json: json!({"id": id, "runId": run_id, "timestamp": iso_utc(now)}).to_string() }
}

/// The query is over, with the text and class of the error if one ended it.
#[must_use]
pub fn terminated(id: &str, run_id: &str, exception: Option<&str>, error_class: Option<&str>) -> Event {
    let value: Value = json!({"id": id, "runId": run_id, "exception": exception, "errorClassOnException": error_class});
    Event { kind: EventKind::Terminated, json: value.to_string() }
}

/// The message of a `StreamingQueryException`, as `awaitTermination()` throws it.
#[must_use]
pub fn failure_message(id: &str, run_id: &str, cause: &str) -> String {
    format!("[STREAM_FAILED] Query [id = {id}, runId = {run_id}] terminated with exception: {cause}")
}

/// The Java class of what `awaitTermination()` throws.
pub const STREAMING_QUERY_EXCEPTION: &str = "org.apache.spark.sql.streaming.StreamingQueryException";

/// What `exception()` sends: the class, a colon, the message (the client cuts at the first colon).
#[must_use]
pub fn exception_text(message: &str) -> String {
    format!("{STREAMING_QUERY_EXCEPTION}: {message}")
}
