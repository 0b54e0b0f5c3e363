//! A node in this process, without sockets: requests go in as frames, answers come out as frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod cleaning;
mod journal;
mod node;
mod produce_and_fetch;
mod topics;
mod transactions;
mod versions;
