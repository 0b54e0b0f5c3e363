//! Relations put one after another, and the last rows of one.

use std::sync::Arc;

use andiron_plan::spec::SetOperationKind;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder};
use futures::TryStreamExt;

use super::Resolver;
use super::coerce::{common, sql_name};
use super::scope::{Typed, column, fresh};
use crate::{Resolved, SparkError};

impl Resolver<'_> {
    pub(super) fn set_operation(
        &self,
        left: Resolved,
        right: Resolved,
        kind: SetOperationKind,
        all: bool,
        by_name: bool,
        allow_missing: bool,
    ) -> Result<Resolved, SparkError> {
        let what = match kind {
            SetOperationKind::Union => "UNION",
            SetOperationKind::Intersect => "INTERSECT",
            SetOperationKind::Except => "EXCEPT",
        };
        // For each output column: its place on the left and on the right.
        let mut pairs: Vec<(Option<usize>, Option<usize>)> = Vec::new();
        if by_name {
            for (i, l) in left.columns.iter().enumerate() {
                let r = right.columns.iter().position(|r| self.same_name(&l.name, &r.name));
                if r.is_none() && !allow_missing {
                    let known: Vec<_> = right.columns.iter().map(|c| c.name.clone()).collect();
                    return Err(SparkError::unresolved_column(&l.name, &known));
                }
                pairs.push((Some(i), r));
            }
            for (i, r) in right.columns.iter().enumerate() {
                if !left.columns.iter().any(|l| self.same_name(&l.name, &r.name)) {
                    if !allow_missing {
                        return Err(column_count(what, left.columns.len(), right.columns.len()));
                    }
                    pairs.push((None, Some(i)));
                }
            }
        } else {
            if left.columns.len() != right.columns.len() {
                return Err(column_count(what, left.columns.len(), right.columns.len()));
            }
            pairs.extend((0..left.columns.len()).map(|i| (Some(i), Some(i))));
        }
        let (left_scope, right_scope) = (self.scope(&left), self.scope(&right));
        let mut columns = Vec::new();
        let (mut left_exprs, mut right_exprs) = (Vec::new(), Vec::new());
        for (place, (l, r)) in pairs.into_iter().enumerate() {
            let l = l.map(|i| &left.columns[i]);
            let r = r.map(|i| &right.columns[i]);
            let l_type = l.map(|c| left_scope.type_of(c)).transpose()?;
            let r_type = r.map(|c| right_scope.type_of(c)).transpose()?;
            let target = match (&l_type, &r_type) {
                (Some(a), Some(b)) => common(a, b).ok_or_else(|| {
                    SparkError::analysis(
                        "INCOMPATIBLE_COLUMN_TYPE",
                        "42825",
                        format!(
                            "{what} can only be performed on tables with compatible column types. The {} column of the second table is \"{}\" type which is not compatible with \"{}\" at the same column of the first table.",
                            ordinal(place), sql_name(b), sql_name(a)
                        ),
                    )
                })?,
                (Some(only), None) | (None, Some(only)) => only.clone(),
                (None, None) => continue,
            };
            let Some(named) = l.or(r) else { continue };
            let mut own = named.clone();
            own.internal = fresh();
            let side = |c: Option<&crate::resolved::OutputColumn>,
                        of: Option<arrow::datatypes::DataType>,
                        scope: &super::Scope<'_>| match (c, of) {
                (Some(c), Some(of)) => Ok::<Expr, SparkError>(
                    scope.cast(Typed { expr: column(&c.internal), data_type: of }, &target)?.expr,
                ),
                _ => Ok(Expr::Literal(ScalarValue::try_new_null(&target)?, None)),
            };
            left_exprs.push(side(l, l_type, &left_scope)?.alias(&own.internal));
            right_exprs.push(side(r, r_type, &right_scope)?.alias(&own.internal));
            columns.push(own);
        }
        let left_plan = LogicalPlanBuilder::from(left.plan.clone()).project(left_exprs)?.build()?;
        let right_plan = LogicalPlanBuilder::from(right.plan.clone()).project(right_exprs)?.build()?;
        let plan = match kind {
            SetOperationKind::Union => {
                let union = LogicalPlanBuilder::from(left_plan).union(right_plan)?.build()?;
                if all { union } else { LogicalPlan::Distinct(Distinct::All(Arc::new(union))) }
            }
            SetOperationKind::Intersect => LogicalPlanBuilder::intersect(left_plan, right_plan, all)?,
            SetOperationKind::Except => LogicalPlanBuilder::except(left_plan, right_plan, all)?,
        };
        Ok(Resolved { plan, columns })
    }

    /// The last rows: only running the relation tells which these are.
    pub(super) async fn tail(&self, input: Resolved, rows: usize) -> Result<Resolved, SparkError> {
        let plan = self.session.physical_plan(&input).await?;
        let schema = plan.schema();
        let task = self.session.context().task_ctx();
        let stream = datafusion::physical_plan::execute_stream(plan, task)?;
        let batches: Vec<_> = stream.try_collect().await?;
        let mut wanted = rows;
        let mut last = Vec::new();
        for batch in batches.into_iter().rev() {
            let take = batch.num_rows().min(wanted);
            wanted -= take;
            last.push(batch.slice(batch.num_rows() - take, take));
            if wanted == 0 {
                break;
            }
        }
        last.reverse();
        let table = MemTable::try_new(schema, vec![last])?;
        let kept = self.table_rows(Arc::new(table))?;
        let columns = input
            .columns
            .iter()
            .zip(kept.columns)
            .map(|(own, new)| crate::resolved::OutputColumn { internal: new.internal, ..own.clone() });
        Ok(Resolved { plan: kept.plan, columns: columns.collect() })
    }
}

fn column_count(what: &str, left: usize, right: usize) -> SparkError {
    SparkError::analysis(
        "NUM_COLUMNS_MISMATCH",
        "42826",
        format!("{what} can only be performed on inputs with the same number of columns, but the first input has {left} columns and the second input has {right} columns."),
    )
    .with("operator", what)
    .with("firstNumColumns", left.to_string())
    .with("invalidNumColumns", right.to_string())
}

fn ordinal(place: usize) -> &'static str {
    const WORDS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    WORDS.get(place).copied().unwrap_or("last")
}
