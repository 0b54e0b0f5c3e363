//! andiron-engine.
