//! From Spark's unresolved plan to DataFusion's logical plan. Every column gets a name of our own, so that the user's names may
//! be any, twice or in any case.

mod aggregate;
mod calls;
mod coerce;
mod expression;
mod joins;
mod leaves;
mod names;
mod over_rows;
mod project;
mod reshape;
mod scope;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use andiron_plan::spec::{Relation, RelationNode as Node, SortOrder};
use datafusion::common::DFSchema;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Filter, LogicalPlan, LogicalPlanBuilder, Partitioning, Repartition, Sort};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::datetime::Zone;
use crate::functions::cast::CastRules;
use crate::limits::PLAN_DEPTH_MAX;
use crate::resolved::OutputColumn;
use crate::{Resolved, Session, SparkError};
use names::pretty;
use scope::Scope;

/// Resolves a relation within a session.
pub async fn relation(session: &Session, relation: &Relation) -> Result<Resolved, SparkError> {
    let resolver = Resolver::new(session)?;
    resolver.relation(relation, &Names::default(), 0).await
}

/// A table as a relation, for views that come from no plan of the user's; `names` are the columns' names, which may be
/// any; those left out keep the table's.
pub fn table(
    session: &Session,
    table: Arc<dyn datafusion::catalog::TableProvider>,
    names: &[String],
) -> Result<Resolved, SparkError> {
    let mut rows = Resolver::new(session)?.table_rows(table)?;
    for (column, name) in rows.columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    Ok(rows)
}

/// Named relations in reach: `WITH name AS (..)`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    definitions: HashMap<String, Resolved>,
}

/// What resolving one plan needs.
pub(crate) struct Resolver<'a> {
    session: &'a Session,
    state: SessionState,
    rules: CastRules,
    case_sensitive: bool,
}

impl<'a> Resolver<'a> {
    fn new(session: &'a Session) -> Result<Self, SparkError> {
        let zone = Zone::of_session(&session.conf().time_zone_name())?;
        Ok(Self {
            session,
            state: session.context().state(),
            rules: CastRules { ansi: session.conf().ansi(), zone },
            case_sensitive: session.conf().case_sensitive(),
        })
    }

    /// Where expressions over a relation are resolved.
    fn scope<'b>(&'b self, of: &'b Resolved) -> Scope<'b> {
        self.scope_of(&of.columns, of.plan.schema())
    }

    fn scope_of<'b>(&'b self, columns: &'b [OutputColumn], schema: &'b DFSchema) -> Scope<'b> {
        Scope {
            session: self.session,
            state: &self.state,
            columns,
            schema,
            rules: self.rules,
            case_sensitive: self.case_sensitive,
            aggregates: None,
        }
    }

    /// Resolves a relation; its columns can afterwards be asked for by its number.
    fn relation<'b>(
        &'b self,
        relation: &'b Relation,
        names: &'b Names,
        depth: usize,
    ) -> BoxFuture<'b, Result<Resolved, SparkError>> {
        async move {
            if depth > PLAN_DEPTH_MAX {
                return Err(SparkError::unsupported(format!("a plan of more than {PLAN_DEPTH_MAX} levels")));
            }
            let mut resolved = self.node(&relation.node, names, depth + 1).await?;
            if let Some(id) = relation.plan_id {
                for column in &mut resolved.columns {
                    if !column.plan_ids.contains(&id) {
                        column.plan_ids.push(id);
                    }
                }
            }
            Ok(resolved)
        }
        .boxed()
    }

    async fn node(&self, node: &Node, names: &Names, depth: usize) -> Result<Resolved, SparkError> {
        match node {
            Node::ReadTable { name, options, is_streaming } => {
                self.read_table(name, options, *is_streaming, names).await
            }
            Node::ReadSource(read) => self.read_source(read).await,
            Node::OneRow => self.one_row(),
            Node::Project { input, expressions } => {
                let input = self.relation(input, names, depth).await?;
                self.project(input, expressions)
            }
            Node::Filter { input, condition } => {
                let mut input = self.relation(input, names, depth).await?;
                let scope = self.scope(&input);
                let value = scope.expr(condition)?;
                if !matches!(value.data_type, arrow::datatypes::DataType::Boolean | arrow::datatypes::DataType::Null) {
                    let (sql, shown) = (pretty(condition), coerce::sql_name(&value.data_type));
                    return Err(SparkError::analysis(
                        "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
                        "42K09",
                        format!("Cannot resolve \"{sql}\" due to data type mismatch: Filter expression \"{sql}\" of type \"{shown}\" is not a boolean."),
                    )
                    .with("sqlExpr", format!("\"{sql}\""))
                    .with("filter", format!("\"{sql}\""))
                    .with("type", format!("\"{shown}\"")));
                }
                let condition = scope.boolean(value, &pretty(condition))?;
                input.plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(input.plan))?);
                Ok(input)
            }
            Node::Join(join) => self.join(join, names, depth).await,
            Node::SetOperation { left, right, kind, all, by_name, allow_missing_columns } => {
                let left = self.relation(left, names, depth).await?;
                let right = self.relation(right, names, depth).await?;
                self.set_operation(left, right, *kind, *all, *by_name, *allow_missing_columns)
            }
            Node::Sort { input, order, is_global } => {
                let resolved = self.relation(input, names, depth).await?;
                if !*is_global {
                    return Ok(resolved);
                }
                match (self.sorted(resolved, order), &input.node) {
                    // What is not selected may still be sorted by.
                    (Err(error), Node::Project { input: below, expressions })
                        if error.class().is_some_and(|class| class.starts_with("UNRESOLVED_COLUMN")) =>
                    {
                        let below = self.relation(below, names, depth).await?;
                        self.sorted_by_hidden(&below, expressions, order).map_err(|_| error)
                    }
                    (sorted, _) => sorted,
                }
            }
            Node::Limit { input, limit } => {
                let mut input = self.relation(input, names, depth).await?;
                let fetch = self.constant(limit)?;
                input.plan = limited(input.plan, 0, Some(fetch))?;
                Ok(input)
            }
            Node::Offset { input, offset } => {
                let mut input = self.relation(input, names, depth).await?;
                let skip = self.constant(offset)?;
                input.plan = limited(input.plan, skip, None)?;
                Ok(input)
            }
            Node::Tail { input, limit } => {
                let input = self.relation(input, names, depth).await?;
                self.tail(input, usize::try_from(*limit).unwrap_or(0)).await
            }
            Node::Aggregate(aggregate) => {
                let input = self.relation(&aggregate.input, names, depth).await?;
                self.aggregate(input, aggregate)
            }
            Node::SubqueryAlias { input, alias, columns } => {
                let input = self.relation(input, names, depth).await?;
                self.alias(input, alias, columns)
            }
            Node::With { definitions, input } => {
                let mut inner = names.clone();
                for (name, definition) in definitions {
                    let resolved = self.relation(definition, &inner, depth).await?;
                    inner.definitions.insert(name.to_lowercase(), resolved);
                }
                self.relation(input, &inner, depth).await
            }
            Node::WithRelations { root, references } if references.is_empty() => {
                self.relation(root, names, depth).await
            }
            Node::LocalRelation(local) => self.local(local),
            Node::CachedRemoteRelation { relation_id } => {
                self.session.catalog().remembered(relation_id).ok_or_else(|| {
                    SparkError::plain(
                        crate::Exception::InvalidPlan,
                        format!("No DataFrame with id {relation_id} is found in the session {}", self.session.id()),
                    )
                })
            }
            Node::Values { rows } => self.values(rows),
            Node::Range { start, end, step, .. } => self.range(*start, *end, *step),
            Node::TableFunction { name, arguments } => self.table_function(name, arguments),
            Node::Deduplicate { input, columns, all_columns, within_watermark } => {
                if *within_watermark {
                    return Err(SparkError::unsupported("dropDuplicatesWithinWatermark"));
                }
                let input = self.relation(input, names, depth).await?;
                self.deduplicate(input, columns, *all_columns)
            }
            Node::WithColumns { input, columns } => {
                let input = self.relation(input, names, depth).await?;
                self.with_columns(input, columns)
            }
            Node::WithColumnsRenamed { input, renames } => {
                let mut input = self.relation(input, names, depth).await?;
                for (from, to) in renames {
                    for column in &mut input.columns {
                        if self.same_name(&column.name, from) {
                            column.name.clone_from(to);
                        }
                    }
                }
                Ok(input)
            }
            Node::Drop { input, columns, column_names } => {
                let input = self.relation(input, names, depth).await?;
                self.drop_columns(input, columns, column_names)
            }
            Node::ToDf { input, columns } => {
                let mut input = self.relation(input, names, depth).await?;
                if columns.len() != input.columns.len() {
                    return Err(SparkError::illegal_argument(format!(
                        "requirement failed: The number of columns doesn't match.\nOld column names ({}): {}\nNew column names ({}): {}",
                        input.columns.len(),
                        input.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
                        columns.len(),
                        columns.join(", ")
                    )));
                }
                for (column, name) in input.columns.iter_mut().zip(columns) {
                    column.name.clone_from(name);
                    column.qualifiers.clear();
                }
                Ok(input)
            }
            Node::ToSchema { input, schema } => {
                let input = self.relation(input, names, depth).await?;
                self.to_schema(input, schema)
            }
            Node::Repartition { input, num_partitions, .. } => {
                let mut input = self.relation(input, names, depth).await?;
                let partitions = usize::try_from(*num_partitions).unwrap_or(1).max(1);
                input.plan = LogicalPlan::Repartition(Repartition {
                    input: Arc::new(input.plan),
                    partitioning_scheme: Partitioning::RoundRobinBatch(partitions),
                });
                Ok(input)
            }
            // How rows are spread is a matter of speed only.
            Node::RepartitionByExpression { input, .. } | Node::Hint { input, .. } => {
                self.relation(input, names, depth).await
            }
            Node::ShowString { input, num_rows, truncate, vertical } => {
                let input = self.relation(input, names, depth).await?;
                let text = crate::show::show_string(self.session, &input, *num_rows, *truncate, *vertical).await?;
                self.text_row("show_string", &text)
            }
            Node::HtmlString { input, num_rows, truncate } => {
                let input = self.relation(input, names, depth).await?;
                let text = crate::show::html_string(self.session, &input, *num_rows, *truncate).await?;
                self.text_row("html_string", &text)
            }
            Node::FillNa { input, columns, values } => {
                let input = self.relation(input, names, depth).await?;
                self.fill_na(input, columns, values)
            }
            Node::DropNa { input, columns, min_non_nulls } => {
                let input = self.relation(input, names, depth).await?;
                self.drop_na(input, columns, *min_non_nulls)
            }
            Node::Catalog(operation) => self.catalog(operation).await,
            other => Err(SparkError::unsupported(format!("the relation {}", other.name()))),
        }
    }

    fn sorted(&self, mut input: Resolved, order: &[SortOrder]) -> Result<Resolved, SparkError> {
        let scope = self.scope(&input);
        let expr = order.iter().map(|o| scope.sort(o)).collect::<Result<Vec<_>, _>>()?;
        input.plan = LogicalPlan::Sort(Sort { expr, input: Arc::new(input.plan), fetch: None });
        Ok(input)
    }

    fn same_name(&self, a: &str, b: &str) -> bool {
        if self.case_sensitive { a == b } else { a.to_lowercase() == b.to_lowercase() }
    }

    /// A number of rows that must be constant.
    fn constant(&self, expr: &andiron_plan::spec::Expr) -> Result<usize, SparkError> {
        let schema = DFSchema::empty();
        let value = self.scope_of(&[], &schema).expr(expr)?;
        match value.as_integer().map(usize::try_from) {
            Some(Ok(rows)) => Ok(rows),
            _ => Err(SparkError::analysis(
                "INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE",
                "42K0E",
                format!(
                    "The limit like expression \"{}\" is invalid. The limit expression must be equal to or greater than 0.",
                    pretty(expr)
                ),
            )),
        }
    }
}

/// All but the first `skip` rows, `fetch` of them at most.
fn limited(plan: LogicalPlan, skip: usize, fetch: Option<usize>) -> Result<LogicalPlan, SparkError> {
    Ok(LogicalPlanBuilder::from(plan).limit(skip, fetch)?.build()?)
}
