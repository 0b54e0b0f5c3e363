//! A table of ours as a resolved relation, for views that do not come from a plan of the user's.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::LogicalPlanBuilder;

use crate::resolved::OutputColumn;
use crate::{Resolved, SparkError};

/// The relation that reads a table, its columns under the table's name.
pub(crate) fn resolved_table(name: &str, table: Arc<dyn TableProvider>) -> Result<Resolved, SparkError> {
    let schema = table.schema();
    let plan = LogicalPlanBuilder::scan("t", provider_as_source(table), None)?.build()?;
    let columns = schema.fields().iter().map(|field| OutputColumn {
        name: field.name().clone(),
        internal: field.name().clone(),
        qualifiers: vec![name.to_owned()],
        plan_ids: Vec::new(),
        metadata: Default::default(),
    });
    Ok(Resolved { plan, columns: columns.collect() })
}
