//! The doors, from outside: real sockets, hostile strangers, ports in use, a stop with clients connected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "spark")]
mod connect;
mod hostile;
mod lifecycle;
mod wire;
