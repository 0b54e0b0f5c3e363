//! The named limits of this room.

/// Answers that may wait for their records to be committed in one harness; above it requests are refused as busy.
pub const PARKED_ANSWERS_MAX: usize = 100_000;

/// Producers that may wait for the high watermark of one partition; above it appends are refused as busy.
pub const WAITING_APPENDS_MAX: usize = 100_000;
