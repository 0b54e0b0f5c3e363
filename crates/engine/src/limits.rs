//! Every bound of the engine by name.

/// Rows of a batch between operators. Measured on flights: 8,192 keeps parsed columns in the second-level cache.
pub const BATCH_ROWS: usize = 8192;

/// Relations nested in one plan; a chain of `withColumn` calls makes one level each.
pub const PLAN_DEPTH_MAX: usize = 2_000;

/// Levels of JSON nesting that the reader follows, as Jackson does.
pub const JSON_DEPTH_MAX: usize = 1_000;

/// Rows that `show` may ask for.
pub const SHOW_ROWS_MAX: usize = 1_000_000;

/// Times a Delta commit is tried again after another writer came first.
pub const DELTA_COMMIT_RETRIES_MAX: usize = 15;

/// Rows of a range or local relation that one batch carries.
pub const LOCAL_BATCH_ROWS: usize = 8192;

/// Temporary views and cached batches of one session.
pub const SESSION_RELATIONS_MAX: usize = 10_000;

/// Kafka clients kept for other queries and batches; one for each set of `kafka.*` options.
pub const KAFKA_CLIENTS_MAX: usize = 64;

/// Compressed record batches are unpacked into one buffer until it has this size.
pub const UNPACKED_BLOCK_BYTES: usize = 1 << 20;

/// Streaming queries that run in one session at a time.
pub const SESSION_QUERIES_MAX: usize = 1_000;

/// Ended streaming queries whose progress and exception a session still knows, as Spark Connect keeps them.
pub const ENDED_QUERIES_MAX: usize = 100;

/// Events that wait for a streaming listener before they are dropped.
pub const LISTENER_EVENTS_MAX: usize = 1_000;

/// What the memory sink of one query holds.
pub const MEMORY_SINK_BYTES_MAX: usize = 1 << 30;

/// What the console sink keeps of a batch to show it.
pub const CONSOLE_BYTES_MAX: usize = 64 << 20;

/// The end of a Python worker's error output that is kept for messages.
pub const WORKER_STDERR_BYTES_MAX: usize = 64 << 10;

/// A text from a Python worker, such as a traceback.
pub const WORKER_TEXT_BYTES_MAX: usize = 16 << 20;

/// How long a Python worker may take to start: it imports PySpark and pandas, on a machine that may be busy.
pub const WORKER_START_SECONDS_MAX: u64 = 120;

/// Rows of a foreachBatch frame that are kept for its second action; a larger frame is computed anew each time.
pub const FOREACH_BATCH_KEPT_BYTES_MAX: usize = 96 << 20;

/// Bytes of encoded rows after which a Delta file is closed and the next one begun; a file is built in memory.
pub const DELTA_FILE_BYTES_TARGET: usize = 128 * 1024 * 1024;

/// Files of different partition values that one writing task keeps open.
pub const DELTA_PARTITIONS_OPEN_MAX: usize = 64;

/// About how large, in bytes, one Arrow message to a client becomes: Spark's own bound, well under gRPC's 4 MiB.
pub const CLIENT_CHUNK_BYTES: usize = 2 * 1024 * 1024;

/// The most rows of one Arrow message to a client.
pub const CLIENT_CHUNK_ROWS_MAX: usize = 100_000;
