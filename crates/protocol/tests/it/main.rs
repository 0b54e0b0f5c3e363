//! What must hold across the rooms of this crate, and beside it.

mod compat;
