//! andiron-simulator.
