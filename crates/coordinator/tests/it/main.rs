//! The group coordinator as its callers see it: stories told in directives, bytes captured from Apache Kafka, and the
//! rule that a log replayed is the machine that wrote it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arbitrary;
mod arbitrary_transactions;
mod captured;
mod consumer_words;
mod limits;
mod replay;
mod stage;
mod state;
mod stories;
mod transaction_stage;
mod transactions;
