//! What people look at: `show`, `explain`.

use andiron_plan::spec::Relation;

use crate::{ExplainMode, Session, SparkError};

/// What `explain` prints.
pub(crate) async fn explain(_session: &Session, relation: &Relation, _mode: ExplainMode) -> Result<String, SparkError> {
    Err(SparkError::unsupported(format!("explain of {}", relation.node.name())))
}

/// Batches as `show()` prints them.
pub(crate) fn table(
    _schema: &arrow::datatypes::Schema,
    _batches: &[arrow::array::RecordBatch],
    _rows: usize,
    _truncate: usize,
    _session: &Session,
) -> Result<String, SparkError> {
    Err(SparkError::unsupported("show"))
}
