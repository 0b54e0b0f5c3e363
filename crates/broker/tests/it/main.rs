//! A node in this process, without sockets: requests go in as frames, answers come out as frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cleaning;
mod node;
mod produce_and_fetch;
mod topics;
mod versions;
