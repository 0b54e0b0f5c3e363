//! The named limits of the doors.

/// Requests of one connection that may wait for their answers; more are not read until one is answered.
pub(crate) const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// How much room a reader makes at a time; a larger frame gets more as its bytes arrive.
pub(crate) const READ_STEP_BYTES: usize = 64 * 1024;

/// How much of a file one sendfile takes, so that one reader of a large range does not keep a thread to itself.
pub(crate) const SENDFILE_STEP_BYTES: usize = 1024 * 1024;

/// How much of a file is copied at a time where the disk lends no descriptor.
pub(crate) const COPY_STEP_BYTES: usize = 256 * 1024;

/// How long to wait after a connection could not be accepted.
pub(crate) const ACCEPT_RETRY_MS: u64 = 100;

/// How long a listener that has all the connections it may have waits at most before it looks again, for a limit that was
/// raised meanwhile.
pub(crate) const ROOM_CHECK_MS: u64 = 1_000;

/// How often port 0 is tried anew when the port found is taken on another address.
pub(crate) const PORT_TRIES_MAX: usize = 16;

/// Threads that run fdatasync for partitions; each serves one partition at a time. They mostly wait, and the file system
/// commits for several at once.
pub(crate) const SYNC_THREADS: usize = 8;

/// How long a drain waits for connections to end on their own.
pub(crate) const DRAIN_MS_MAX: u64 = 300;

/// The longest sleep of the timer thread, so that a clock that was set is noticed.
pub(crate) const TIMER_SLEEP_MS_MAX: i64 = 1_000;
