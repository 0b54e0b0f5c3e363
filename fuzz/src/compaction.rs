//! A compacted log on the simulator's disk, cleaned again and again: `arbitrary_cleaning` says by which bytes and what must hold.

use crate::arbitrary_cleaning;
use crate::memory::{Allowance, within};

/// What one byte of a story may leave: seven records of some fifty bytes, on a disk that keeps what is written up to three
/// times, and in the model of what was written.
const BYTES_PER_BYTE: usize = 8 << 10;
/// What a codec takes: as in `batches`, and zstd's compressor.
const SMALL_BYTES: usize = 40 << 20;

/// Tells the story that `data` makes.
pub fn compaction(data: &[u8]) {
    let total = 2 * SMALL_BYTES + BYTES_PER_BYTE * data.len();
    within(Allowance { single: SMALL_BYTES, total }, || arbitrary_cleaning::run(data, cfg!(feature = "planted")));
}
