//! The machine of one partition of `__consumer_offsets`, asked anything: `arbitrary` says by which bytes and what must hold.

use crate::arbitrary;
use crate::memory::{Allowance, within};

/// What one byte of a story may leave: a group, its members, their records and answers, and what is said of each.
const BYTES_PER_BYTE: usize = 16 << 10;
/// The metadata, settings, and a pattern that is being compiled.
const SMALL_BYTES: usize = 16 << 20;

/// Tells the story that `data` makes.
pub fn groups(data: &[u8]) {
    let total = SMALL_BYTES + BYTES_PER_BYTE * data.len();
    within(Allowance { single: SMALL_BYTES, total }, || arbitrary::run(data, cfg!(feature = "planted")));
}
