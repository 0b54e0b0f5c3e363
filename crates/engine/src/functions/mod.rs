//! Spark's functions: DataFusion's and datafusion-spark's where they agree with Spark, our own where they do not or are missing.

use datafusion::execution::context::SessionContext;

use crate::Engine;

/// DataFusion's context with Spark's functions in it.
pub(crate) fn context(_engine: &Engine) -> SessionContext {
    SessionContext::new()
}
