//! Plans come from strangers and every walk over them recurses: here it is counted, and given stack.

use crate::{
    PlanError,
    limits::{PLAN_DEPTH_MAX, STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES},
};

/// How deep a walk is.
#[derive(Debug, Default)]
pub(crate) struct Depth(usize);

impl Depth {
    /// One level deeper, or an error.
    pub(crate) fn enter(&mut self) -> Result<(), PlanError> {
        if self.0 >= PLAN_DEPTH_MAX {
            return Err(PlanError::TooDeep { depth_max: PLAN_DEPTH_MAX });
        }
        self.0 += 1;
        Ok(())
    }

    /// Back up.
    pub(crate) fn leave(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}

/// Runs one level of a walk, on a new segment of stack when the present one nears its end.
pub fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_SEGMENT_BYTES, level)
}
