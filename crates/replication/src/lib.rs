//! andiron-replication.
