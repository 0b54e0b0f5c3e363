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
