//! From Spark's unresolved plan to DataFusion's logical plan.

use andiron_plan::spec::Relation;

use crate::{Resolved, Session, SparkError};

/// Resolves a relation within a session.
pub async fn relation(_session: &Session, relation: &Relation) -> Result<Resolved, SparkError> {
    Err(SparkError::unsupported(relation.node.name()))
}
