//! The named limits of this room.

/// Fetches that may wait at one partition; more are answered at once with what there is.
pub(crate) const FETCH_WAITERS_MAX: usize = 10_000;

/// Users and clients whose rates are measured; those who are silent give way to others.
pub(crate) const QUOTA_SENSORS_MAX: usize = 10_000;

/// How long a session must have been idle before a new one may take its place.
pub(crate) const FETCH_SESSION_EVICTION_MS_MIN: i64 = 120_000;

/// What a socket's send buffer is asked to hold where `socket.send.buffer.bytes` is not given. A consumed record costs half of
/// what it does with Kafka's 102,400; with 1 MiB it is dearer again (docs/benchmarks.md).
pub(crate) const SEND_BUFFER_BYTES: usize = 512 << 10;

/// How long a round of syncs waits at most for the producers that the one before answered.
pub(crate) const GROUP_COMMIT_GATHER_MAX: std::time::Duration = std::time::Duration::from_millis(2);

/// A tail that is longer is not written twice: one fdatasync is little beside it.
pub(crate) const JOURNAL_TAIL_BYTES_MAX: usize = 128 << 10;

/// Threads that open or close logs at the same time.
const LOG_THREADS_MAX: usize = 8;

/// Fewer logs than this are not worth a thread.
const LOGS_PER_THREAD_MIN: usize = 4;

/// Threads for so many logs.
pub(crate) fn log_threads(logs: usize) -> usize {
    (logs / LOGS_PER_THREAD_MIN).clamp(1, LOG_THREADS_MAX)
}

/// Directories of deleted logs that are removed in one round of housekeeping.
pub(crate) const DELETIONS_PER_ROUND_MAX: usize = 16;

/// How often a cleaner is woken whose log is to be deleted.
pub(crate) const RETIREMENT_HURRY: std::time::Duration = std::time::Duration::from_millis(10);

/// Bytes of a cleaner thread's map at least: `log.cleaner.dedupe.buffer.size` may be no less than that for each thread.
pub(crate) const CLEANER_MAP_BYTES_MIN: usize = 1 << 20;

/// And at most, as Apache Kafka has it.
pub(crate) const CLEANER_MAP_BYTES_MAX: usize = i32::MAX as usize;

/// How often the bytes of the cleaners are held against `log.cleaner.io.max.bytes.per.second`.
pub(crate) const THROTTLE_CHECK_MS: i64 = 300;

/// How much of a machine's log is read at a time when it is replayed.
pub(crate) const REPLAY_STEP_BYTES: usize = 1024 * 1024;

/// Partitions that one DescribeTopicPartitions answer may hold (`max.request.partition.size.limit`).
pub(crate) const DESCRIBE_PARTITIONS_MAX: usize = 2_000;

/// A partition that is being compacted is looked at again after so many milliseconds, if it is to move to another directory.
pub(crate) const MOVE_RETRY_MS: i64 = 200;

/// How long a coordinator waits before it writes markers again that a partition did not take.
pub(crate) const MARKER_RETRY_MS: i64 = 100;
