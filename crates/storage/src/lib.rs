//! andiron-storage.
