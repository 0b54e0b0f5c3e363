//! Every bound of the Spark Connect door.

use std::time::Duration;

/// The largest message in either direction: what Spark's clients allow, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Answers that a client has not taken yet, in bytes for one operation; beyond it the query waits.
pub(super) const UNSENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Answers taken but not released that are kept for a reattach, in bytes for one operation; Spark keeps 10 MiB.
pub(super) const RETAINED_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Operations of one session at a time, finished ones that were not released included.
pub(super) const OPERATIONS_MAX: usize = 1_000;

/// Sessions of one server.
pub(super) const SESSIONS_MAX: usize = 10_000;

/// Ids of closed sessions that are remembered, so that their clients are told.
pub(super) const CLOSED_SESSIONS_MAX: usize = 1_000;

/// Errors of one session kept for FetchErrorDetails.
pub(super) const ERRORS_MAX: usize = 100;

/// What one session may upload, in bytes.
pub(super) const ARTIFACT_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Settings that one session may have.
pub(super) const SETTINGS_MAX: usize = 10_000;

/// Relations whose storage level one session may set.
pub(super) const PERSISTED_MAX: usize = 1_000;

/// The text of an error in gRPC's header, in characters; the whole is behind FetchErrorDetails.
pub(super) const STATUS_CHARS_MAX: usize = 2_048;

/// The named parts of an error in gRPC's header, in bytes.
pub(super) const STATUS_PARAMETERS_BYTES_MAX: usize = 1_024;

/// A session that nobody has used for so long is closed.
pub(super) const SESSION_IDLE: Duration = Duration::from_secs(60 * 60);

/// An operation that no client has been attached to for so long is dropped.
pub(super) const OPERATION_DETACHED: Duration = Duration::from_secs(5 * 60);

/// How often idle sessions and forgotten operations are looked for.
pub(super) const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// How long a shutdown waits for queries, and then for connections.
pub(super) const SHUTDOWN_MAX: Duration = Duration::from_millis(300);

/// Threads of the runtime, on a machine of one core.
pub(super) const THREADS_MIN: usize = 2;

/// The stack of each thread, in bytes; it is touched only as deep as plans go.
pub(super) const THREAD_STACK_BYTES: usize = 8 * 1024 * 1024;
