//! Every bound of this room by name.

/// Spark's `spark.sql.streaming.minBatchesToRetain`: how many batches stay readable in the checkpoint's logs.
pub const MIN_BATCHES_TO_RETAIN: i64 = 100;

/// Spark's `spark.sql.streaming.pollingDelay`: the wait between two looks at sources that had nothing new.
pub const POLLING_DELAY_MS: i64 = 10;

/// Spark's `spark.sql.streaming.noDataProgressEventInterval`: how often an idle query says that it is idle.
pub const NO_DATA_EVENT_INTERVAL_MS: i64 = 10_000;

/// Spark's `spark.sql.streaming.numRecentProgressUpdates`: how many progress reports a query keeps.
pub const RECENT_PROGRESS_UPDATES: usize = 100;

/// The highest version of the offset log, commit log and initial-offset file that is read and written.
pub const LOG_VERSION: u32 = 1;

/// Spark's default for `maxTriggerDelay`: 15 minutes.
pub const MAX_TRIGGER_DELAY_MS: i64 = 15 * 60 * 1000;
