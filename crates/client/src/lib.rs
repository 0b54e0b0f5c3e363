//! andiron-client.
