//! The world as the rooms below see it, made up: a clock that moves when told, a disk that forgets what was not synced. With the
//! same seed everything happens again in the same way. And choices read off bytes, of which arbitrary stories are made.

pub mod choices;
pub mod clock;
pub mod disk;

pub use choices::{Choices, bytes_of};
pub use clock::SimClock;
pub use disk::{Loss, Operation, SimDisk, Tally};
