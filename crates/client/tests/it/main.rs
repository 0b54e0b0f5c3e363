//! The client against a real broker: whichever answers at ANDIRON_TEST_BOOTSTRAP. Without it every test says that it was
//! skipped and why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod judged;
mod producing;
mod reading;
mod support;
