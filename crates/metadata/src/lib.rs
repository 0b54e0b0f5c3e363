//! andiron-metadata.
