//! Every bound of transactions that Kafka has no setting for.

/// Transactions that may be aborted, or transactional ids forgotten, in one call of `on_deadline`; the rest follows in the next.
pub const DEADLINES_PER_CALL_MAX: usize = 1_000;

/// Requests that may wait for one transaction to complete; more are told CONCURRENT_TRANSACTIONS at once.
pub const WAITING_PER_TRANSACTION_MAX: usize = 100;

/// Bytes that the compiled pattern of a ListTransactions may take.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The version of transactions from which on a producer's epoch is bumped with every transaction (KIP-890).
pub const EPOCH_BUMP_FROM: i16 = 2;
