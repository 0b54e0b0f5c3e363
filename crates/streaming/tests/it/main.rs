//! Stories of the micro-batch machine and tables of the Kafka planning, from `testdata/`, and the crash loop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crash;
mod directives;
mod machine;
mod planning;
