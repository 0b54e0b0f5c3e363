//! andiron-server.
