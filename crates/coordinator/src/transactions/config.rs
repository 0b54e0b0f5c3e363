//! The broker's settings that a transaction coordinator obeys, under Kafka's names and with Kafka's defaults.

/// Settings of one coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`: the longest timeout a producer may ask for.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`: after which time without a transaction an id is forgotten.
    pub id_expiration_ms: i64,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`: how often timed-out transactions are looked for.
    pub abort_check_interval_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`: how often expired ids are looked for.
    pub expiry_check_interval_ms: i64,
    /// `add.partitions.to.txn.retry.backoff.max.ms`: how long a partition that a Produce adds waits for the producer's last
    /// transaction to complete.
    pub add_partitions_patience_ms: i64,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            max_timeout_ms: 900_000,
            id_expiration_ms: 604_800_000,
            abort_check_interval_ms: 10_000,
            expiry_check_interval_ms: 3_600_000,
            add_partitions_patience_ms: 100,
        }
    }
}
