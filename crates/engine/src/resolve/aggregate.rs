//! Groups: GROUP BY through Connect and SQL, `count()` over everything, duplicates.

use std::cell::RefCell;
use std::sync::Arc;

use andiron_plan::spec::{self, GroupKind};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Filter, GroupingSet, LogicalPlan, LogicalPlanBuilder, Projection,
};

use super::Resolver;
use super::names::pretty;
use super::project::Item;
use super::scope::{Aggregates, Scope, Typed, column, fresh};
use crate::resolved::OutputColumn;
use crate::{Resolved, SparkError};

impl Resolver<'_> {
    /// A select list of aggregates over all rows.
    pub(super) fn aggregate_all(&self, input: Resolved, expressions: &[spec::Expr]) -> Result<Resolved, SparkError> {
        let aggregate = spec::Aggregate {
            input: Box::new(spec::RelationNode::OneRow.into()),
            kind: GroupKind::GroupBy,
            grouping: Vec::new(),
            aggregates: expressions.to_vec(),
            is_select_list: true,
            having: None,
        };
        self.aggregate(input, &aggregate)
    }

    pub(super) fn aggregate(&self, input: Resolved, aggregate: &spec::Aggregate) -> Result<Resolved, SparkError> {
        if matches!(aggregate.kind, GroupKind::Pivot { .. } | GroupKind::GroupingSets(_)) {
            return Err(SparkError::unsupported("pivot or grouping sets"));
        }
        // Grouping expressions become columns first, so that everything afterwards compares columns.
        let scope = self.scope(&input);
        let mut grouping = Vec::new();
        for expression in &aggregate.grouping {
            grouping.extend(self.grouping_items(&scope, expression, aggregate)?);
        }
        let mut keys: Vec<(Expr, OutputColumn)> = Vec::new();
        for item in grouping {
            let own = OutputColumn {
                name: item.name,
                internal: fresh(),
                qualifiers: item.qualifiers,
                plan_ids: item.plan_ids,
                metadata: item.metadata,
            };
            keys.push((item.value.expr, own));
        }
        let aggregates = RefCell::new(Aggregates::default());
        let gathering = scope.gathering(&aggregates);
        let mut items: Vec<Item> = Vec::new();
        for expression in &aggregate.aggregates {
            items.extend(self.items(&gathering, expression)?);
        }
        let having = match &aggregate.having {
            Some(having) => Some(self.having(&gathering, having, aggregate)?),
            None => None,
        };
        // The input with its keys as columns of their own.
        let mut exprs: Vec<Expr> = input.columns.iter().map(|c| column(&c.internal)).collect();
        exprs.extend(keys.iter().map(|(expr, own)| expr.clone().alias(&own.internal)));
        let keyed = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input.plan.clone()))?);
        let key_exprs: Vec<Expr> = keys.iter().map(|(_, own)| column(&own.internal)).collect();
        let group_exprs = match aggregate.kind {
            GroupKind::Rollup if !key_exprs.is_empty() => vec![Expr::GroupingSet(GroupingSet::Rollup(key_exprs))],
            GroupKind::Cube if !key_exprs.is_empty() => vec![Expr::GroupingSet(GroupingSet::Cube(key_exprs))],
            _ => key_exprs,
        };
        let found = aggregates.into_inner().found;
        let calls: Vec<Expr> = found.iter().map(|(expr, name, _)| expr.clone().alias(name)).collect();
        let mut plan = if group_exprs.is_empty() && calls.is_empty() {
            // A select list without any aggregate function after all.
            return Err(SparkError::internal("an aggregation without keys and functions"));
        } else {
            LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(keyed), group_exprs, calls)?)
        };
        if let Some(having) = having {
            let condition = self.over_groups(having, &keys, &input, "HAVING")?;
            plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?);
        }
        let mut output = Vec::new();
        if !aggregate.is_select_list {
            for (_, own) in &keys {
                let data_type = plan.schema().field_with_unqualified_name(&own.internal)?.data_type().clone();
                output.push(Item::kept(own, data_type));
            }
        }
        for mut item in items {
            item.value.expr = self.over_groups(item.value.expr, &keys, &input, &item.name)?;
            output.push(item);
        }
        self.projection(plan, output)
    }

    /// The items of a grouping expression: in SQL a number or an alias refers to the select list.
    fn grouping_items(
        &self,
        scope: &Scope<'_>,
        expression: &spec::Expr,
        aggregate: &spec::Aggregate,
    ) -> Result<Vec<Item>, SparkError> {
        if aggregate.is_select_list {
            if let spec::Expr::Literal(spec::Literal::Integer(position)) = expression {
                let at = usize::try_from(*position).ok().and_then(|p| p.checked_sub(1));
                return match at.and_then(|at| aggregate.aggregates.get(at)) {
                    Some(element) => self.items(scope, element),
                    None => Err(SparkError::analysis(
                        "GROUP_BY_POS_OUT_OF_RANGE",
                        "42805",
                        format!(
                            "GROUP BY position {position} is not in select list (valid range is [1, {}]).",
                            aggregate.aggregates.len()
                        ),
                    )),
                };
            }
            if let spec::Expr::Attribute { name, .. } = expression
                && let [name] = name.as_slice()
                && scope.attribute(std::slice::from_ref(name), None).is_err()
            {
                for element in &aggregate.aggregates {
                    if let spec::Expr::Alias { names, .. } = element
                        && names.iter().any(|n| scope.same_name(n, name))
                    {
                        return self.items(scope, element);
                    }
                }
            }
        }
        self.items(scope, expression)
    }

    /// A condition over groups, in which aliases of the select list may stand.
    fn having(&self, scope: &Scope<'_>, having: &spec::Expr, aggregate: &spec::Aggregate) -> Result<Expr, SparkError> {
        let replaced = replace_aliases(having, &aggregate.aggregates, &|name| {
            scope.attribute(std::slice::from_ref(&name.to_owned()), None).is_ok()
        });
        let value: Typed = scope.expr(&replaced)?;
        scope.boolean(value, &pretty(having))
    }

    /// An expression over the input as one over groups: what is a key becomes its column, anything else of the input is refused.
    fn over_groups(
        &self,
        expr: Expr,
        keys: &[(Expr, OutputColumn)],
        input: &Resolved,
        name: &str,
    ) -> Result<Expr, SparkError> {
        let rewritten = expr
            .transform_down(|e| match keys.iter().find(|(key, _)| *key == e) {
                Some((_, own)) => Ok(Transformed::new(column(&own.internal), true, TreeNodeRecursion::Jump)),
                None => Ok(Transformed::no(e)),
            })?
            .data;
        let mut stray = None;
        rewritten.apply(|e| {
            if let Expr::Column(c) = e
                && let Some(of) = input.columns.iter().find(|own| own.internal == c.name)
            {
                stray = Some(of.name.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        match stray {
            None => Ok(rewritten),
            Some(stray) => Err(SparkError::analysis(
                "MISSING_AGGREGATION",
                "42803",
                format!(
                    "The non-aggregating expression \"{stray}\" is based on columns which are not participating in the GROUP BY clause.\n\
                     Add the columns or the expression to the GROUP BY, aggregate the expression, or use \"any_value({stray})\" if you do not care which of the values within a group is returned."
                ),
            )
            .with("expression", format!("\"{name}\""))
            .with("expressionAnyValue", format!("\"any_value({stray})\""))),
        }
    }

    pub(super) fn deduplicate(&self, input: Resolved, columns: &[String], all: bool) -> Result<Resolved, SparkError> {
        if all || columns.is_empty() {
            let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(input.plan)));
            return Ok(Resolved { plan, columns: input.columns });
        }
        let scope = self.scope(&input);
        let keys = columns
            .iter()
            .map(|c| Ok(scope.attribute(std::slice::from_ref(c), None)?.0.expr))
            .collect::<Result<Vec<_>, SparkError>>()?;
        let everything = input.columns.iter().map(|c| column(&c.internal)).collect::<Vec<_>>();
        let plan = LogicalPlanBuilder::from(input.plan.clone()).distinct_on(keys, everything, None)?.build()?;
        Ok(Resolved { plan, columns: input.columns })
    }
}

/// Puts select-list elements in the place of their aliases.
fn replace_aliases(expr: &spec::Expr, list: &[spec::Expr], is_column: &dyn Fn(&str) -> bool) -> spec::Expr {
    use spec::Expr as E;
    match expr {
        E::Attribute { name, .. } => {
            if let [name] = name.as_slice()
                && !is_column(name)
            {
                for element in list {
                    if let E::Alias { expr, names, .. } = element
                        && names.iter().any(|n| n.eq_ignore_ascii_case(name))
                    {
                        return (**expr).clone();
                    }
                }
            }
            expr.clone()
        }
        E::Function(f) => {
            let mut f = f.clone();
            f.arguments = f.arguments.iter().map(|a| replace_aliases(a, list, is_column)).collect();
            E::Function(f)
        }
        E::Cast { expr, data_type, mode } => E::Cast {
            expr: Box::new(replace_aliases(expr, list, is_column)),
            data_type: data_type.clone(),
            mode: *mode,
        },
        other => other.clone(),
    }
}
