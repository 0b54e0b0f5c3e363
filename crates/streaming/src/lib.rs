//! andiron-streaming.
