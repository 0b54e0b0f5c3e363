//! andiron-broker.
