//! `from_json` reads only the fields that somebody uses. Column pruning stops at the struct that it yields; this rule goes into
//! it. Internal column names are unique in a plan, so looking through all expressions tells which fields are used.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::udf::{SparkFunction, Work};
use crate::SparkError;

/// The rule.
#[derive(Debug)]
pub(crate) struct PruneJsonFields;

/// What is used of a column that `from_json` made.
enum Used {
    Whole,
    Fields(HashSet<String>),
}

impl OptimizerRule for PruneJsonFields {
    fn name(&self) -> &str {
        "prune_json_fields"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let mut used: HashMap<String, Used> = HashMap::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Projection(projection) = node {
                for expr in &projection.expr {
                    if let Some((name, _)) = parsed_column(expr) {
                        used.entry(name.to_owned()).or_insert_with(|| Used::Fields(HashSet::new()));
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if used.is_empty() {
            return Ok(Transformed::no(plan));
        }
        // What leaves the plan is used whole.
        for field in plan.schema().fields() {
            if let Some(entry) = used.get_mut(field.name()) {
                *entry = Used::Whole;
            }
        }
        plan.apply_with_subqueries(|node| {
            // Nodes that pass all their input on by position would see the narrower struct too, which is no harm; but those that
            // compare or store whole rows must have the columns as they are.
            if matches!(
                node,
                LogicalPlan::Union(_)
                    | LogicalPlan::Distinct(_)
                    | LogicalPlan::Extension(_)
                    | LogicalPlan::Unnest(_)
                    | LogicalPlan::Subquery(_)
                    | LogicalPlan::SubqueryAlias(_)
            ) {
                for input in node.inputs() {
                    for field in input.schema().fields() {
                        if let Some(entry) = used.get_mut(field.name()) {
                            *entry = Used::Whole;
                        }
                    }
                }
            }
            node.apply_expressions(|expr| {
                note(expr, &mut used)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        plan.transform_up_with_subqueries(|node| {
            let node = match node {
                LogicalPlan::Projection(projection) => {
                    let mut changed = false;
                    let mut exprs = Vec::with_capacity(projection.expr.len());
                    for expr in &projection.expr {
                        match narrowed(expr, &used).map_err(SparkError::into_datafusion)? {
                            Some(narrow) => {
                                changed = true;
                                exprs.push(narrow);
                            }
                            None => exprs.push(expr.clone()),
                        }
                    }
                    if changed {
                        let projection = Projection::try_new(exprs, Arc::clone(&projection.input))?;
                        return Ok(Transformed::yes(LogicalPlan::Projection(projection)));
                    }
                    LogicalPlan::Projection(projection)
                }
                other => other,
            };
            // A narrower struct below changes the schemas of what passes it on.
            Ok(Transformed::no(node.recompute_schema()?))
        })
    }
}

/// A column of a projection that is a call of `from_json`: its name and the call.
fn parsed_column(expr: &Expr) -> Option<(&str, &datafusion::logical_expr::expr::ScalarFunction)> {
    let Expr::Alias(alias) = expr else { return None };
    let Expr::ScalarFunction(function) = alias.expr.as_ref() else { return None };
    matches!(SparkFunction::work_of(function), Some(Work::FromJson(..))).then_some((alias.name.as_str(), function))
}

/// Notes what an expression uses of the parsed columns.
fn note(expr: &Expr, used: &mut HashMap<String, Used>) -> Result<TreeNodeRecursion> {
    expr.apply(|expr| match expr {
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => {
            let [Expr::Column(column), Expr::Literal(field, _), ..] = call.args.as_slice() else {
                return Ok(TreeNodeRecursion::Continue);
            };
            if let (Some(Used::Fields(fields)), Some(name)) = (used.get_mut(&column.name), text(field)) {
                fields.insert(name.to_owned());
            }
            Ok(TreeNodeRecursion::Jump)
        }
        // Asking whether it is null asks for none of its fields.
        Expr::IsNull(inner) | Expr::IsNotNull(inner) if matches!(inner.as_ref(), Expr::Column(_)) => {
            Ok(TreeNodeRecursion::Jump)
        }
        Expr::Column(column) => {
            if let Some(entry) = used.get_mut(&column.name) {
                *entry = Used::Whole;
            }
            Ok(TreeNodeRecursion::Continue)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.as_deref(),
        _ => None,
    }
}

/// The same column reading only what is used, if that is less.
fn narrowed(expr: &Expr, used: &HashMap<String, Used>) -> std::result::Result<Option<Expr>, SparkError> {
    let Some((name, function)) = parsed_column(expr) else { return Ok(None) };
    let Some(Used::Fields(fields)) = used.get(name) else { return Ok(None) };
    let Some(Work::FromJson(reader, _)) = SparkFunction::work_of(function) else { return Ok(None) };
    let Some(reader) = reader.with_fields(|field| fields.contains(field)) else { return Ok(None) };
    let returns: DataType = reader.arrow_type()?;
    let call =
        SparkFunction::call("from_json", Work::FromJson(reader, returns.clone()), returns, function.args.clone());
    Ok(Some(call.alias(name)))
}
