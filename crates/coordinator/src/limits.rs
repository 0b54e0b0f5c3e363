//! Every bound of this room that Kafka has no setting for.

/// How long a member that has no id yet may wait for its first rebalance before it is given up. It cannot beat, so its
/// session timeout does not apply; a client that is still there asks again.
pub const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 300_000;

/// Ids given out by MEMBER_ID_REQUIRED that one group keeps waiting for; a join beyond them is answered as to a full group.
pub const PENDING_MEMBERS_MAX: usize = 10_000;

/// Members whose session may end in one call of `on_deadline`; the rest follows in the next.
pub const DEADLINES_PER_CALL_MAX: usize = 1_000;

/// Offsets whose expiry one call of `on_deadline` may write, so that the batch stays far below any message size limit.
pub const EXPIRED_OFFSETS_PER_CALL_MAX: usize = 2_000;

/// How long the topics of a consumer group's patterns are not looked up again, whatever changes.
pub const PATTERN_REST_MS: i64 = 10_000;

/// What the compiled form of one pattern may take.
pub const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;

/// How long at least a rebalance waits anew of which only static members are left that do not come. Their rebalance timeout may be
/// 0, and the deadline would be due at once, again and again.
pub const REBALANCE_REST_MS: i64 = 1_000;
