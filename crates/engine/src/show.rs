//! What people look at: `show`, `explain`.

use andiron_plan::spec::Relation;

use crate::{ExplainMode, Session, SparkError};

/// What `explain` prints.
pub(crate) async fn explain(_session: &Session, relation: &Relation, _mode: ExplainMode) -> Result<String, SparkError> {
    Err(SparkError::unsupported(format!("explain of {}", relation.node.name())))
}
