//! The machine of one partition of `__transaction_state`, asked anything: `arbitrary_transactions` says by which bytes and what
//! must hold.

use crate::arbitrary_transactions;
use crate::memory::{Allowance, within};

/// What one byte of a story may leave: a record of the log, what was asked and answered, and the markers to write.
const BYTES_PER_BYTE: usize = 4 << 10;
/// Settings, and a pattern that is being compiled.
const SMALL_BYTES: usize = 8 << 20;

/// Tells the story that `data` makes.
pub fn transactions(data: &[u8]) {
    let total = SMALL_BYTES + BYTES_PER_BYTE * data.len();
    within(Allowance { single: SMALL_BYTES, total }, || arbitrary_transactions::run(data, cfg!(feature = "planted")));
}
