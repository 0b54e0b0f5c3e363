//! andiron-coordinator.
