//! Every bound of the client that no Kafka property names.

/// A response longer than this closes the connection: no honest answer to a request of ours is as long.
pub const RESPONSE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Room reserved for a response on the word of its length alone; beyond it, room grows with what really comes.
pub const RESPONSE_BYTES_RESERVED_MAX: usize = 64 * 1024 * 1024;
/// Requests written to one connection and not answered yet; the next one waits.
pub const REQUESTS_UNANSWERED_PER_CONNECTION_MAX: usize = 64;
/// Bytes that a [`crate::PartitionReader`] may hold before its leader is asked for more of that partition.
pub const READ_AHEAD_BYTES_PER_PARTITION: usize = 4 * 1024 * 1024;
/// Runs of batches parked for one reader whatever their size.
pub const READ_AHEAD_RUNS_PER_PARTITION: usize = 16;
/// The broker's promise for idempotent producers: it remembers this many batches of a partition.
pub const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;
/// Names that one metadata answer may teach the cache.
pub const TOPICS_CACHED_MAX: usize = 100_000;
/// Idle connections kept for later fetches, per address.
pub const IDLE_FETCH_CONNECTIONS_PER_ADDRESS_MAX: usize = 4;
/// Attempts after which a topic that the cluster says it does not have is believed to be gone.
pub const UNKNOWN_TOPIC_ATTEMPTS_MAX: u32 = 3;
/// A compressed batch may hold so many times `batch.size` before it is compressed, however well it shrinks.
pub const UNCOMPRESSED_BATCH_SIZES_MAX: usize = 16;
/// `metadata.max.age.ms` below this is taken for this: metadata that are stale at once would never name a leader.
pub const METADATA_AGE_MS_MIN: i64 = 100;
/// Commits handed over and not answered yet; the next is refused as one to be tried again.
pub const COMMITS_PENDING_MAX: usize = 1_000;
/// Errors kept for the next calls of `poll`; what comes beyond is only said again.
pub const CONSUMER_ERRORS_KEPT_MAX: usize = 16;
