//! The world as the rooms below see it, made up: a clock that moves when told, a disk that forgets what was not synced. With the
//! same seed everything happens again in the same way.

pub mod clock;
pub mod disk;

pub use clock::SimClock;
pub use disk::{Loss, Operation, SimDisk, Tally};
