//! andiron-plan.
