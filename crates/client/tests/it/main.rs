//! The client against a real broker: whichever answers at ANDIRON_TEST_BOOTSTRAP. `cargo xtask judges` runs these cases
//! against Andiron and against Apache Kafka (tests/judges/test_our_client.py); without a broker there is nothing to run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod consuming;
mod judged;
mod kip848;
mod producing;
mod reading;
mod support;
mod transactions;
