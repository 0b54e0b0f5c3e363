//! Stories in the made-up world.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arbitrary_cleaning;
mod cleaning;
mod cleaning_arbitrary;
mod cleaning_crash;
mod deletion_crash;
mod journal_crash;
mod kills;
mod stop;
mod storage_crash;
