//! Stories in the made-up world.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod storage_crash;
