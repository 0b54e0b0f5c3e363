//! Joins.

use std::collections::HashSet;

use andiron_plan::spec::{self, JoinCriteria, JoinKind};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, Operator, binary_expr};

use super::project::Item;
use super::scope::{Typed, column, fresh};
use super::{Names, Resolver};
use crate::resolved::OutputColumn;
use crate::{Resolved, SparkError};

impl Resolver<'_> {
    pub(super) async fn join(&self, join: &spec::Join, names: &Names, depth: usize) -> Result<Resolved, SparkError> {
        if join.is_lateral {
            return Err(SparkError::unsupported("lateral joins"));
        }
        let left = self.relation(&join.left, names, depth).await?;
        let right = self.relation(&join.right, names, depth).await?;
        let right = self.apart(&left, right)?;
        let kind = match join.kind {
            JoinKind::Inner | JoinKind::Cross => JoinType::Inner,
            JoinKind::FullOuter => JoinType::Full,
            JoinKind::LeftOuter => JoinType::Left,
            JoinKind::RightOuter => JoinType::Right,
            JoinKind::LeftAnti => JoinType::LeftAnti,
            JoinKind::LeftSemi => JoinType::LeftSemi,
        };
        let both: Vec<OutputColumn> = left.columns.iter().chain(&right.columns).cloned().collect();
        let schema = left.plan.schema().join(right.plan.schema())?;
        let using = match &join.criteria {
            JoinCriteria::Using(columns) => columns.clone(),
            JoinCriteria::Natural => left
                .columns
                .iter()
                .filter(|l| right.columns.iter().any(|r| self.same_name(&l.name, &r.name)))
                .map(|l| l.name.clone())
                .collect(),
            JoinCriteria::None | JoinCriteria::On(_) => Vec::new(),
        };
        let mut conditions = Vec::new();
        let mut keys: Vec<(OutputColumn, OutputColumn)> = Vec::new();
        let scope = self.scope_of(&both, &schema);
        for name in &using {
            let find = |side: &Resolved, label: &str| {
                side.columns.iter().find(|c| self.same_name(&c.name, name)).cloned().ok_or_else(|| {
                    let known = side.columns.iter().map(|c| crate::error::quote_name(&c.name)).collect::<Vec<_>>().join(", ");
                    SparkError::analysis(
                        "UNRESOLVED_USING_COLUMN_FOR_JOIN",
                        "42703",
                        format!("USING column `{name}` cannot be resolved on the {label} side of the join. The {label}-side columns: [{known}]."),
                    )
                })
            };
            let (l, r) = (find(&left, "left")?, find(&right, "right")?);
            let value = |c: &OutputColumn| {
                Ok::<_, SparkError>(Typed { expr: column(&c.internal), data_type: scope.type_of(c)? })
            };
            conditions.push(scope.compare(value(&l)?, Operator::Eq, value(&r)?, name)?.expr);
            keys.push((l, r));
        }
        if let JoinCriteria::On(condition) = &join.criteria {
            let value = scope.expr(condition)?;
            conditions.extend(split_conjunction_owned(scope.boolean(value, &super::pretty(condition))?));
        }
        let left_names: HashSet<&str> = left.columns.iter().map(|c| c.internal.as_str()).collect();
        let right_names: HashSet<&str> = right.columns.iter().map(|c| c.internal.as_str()).collect();
        let side = |e: &Expr| -> Option<bool> {
            let used = e.column_refs();
            if !used.is_empty() && used.iter().all(|c| left_names.contains(c.name.as_str())) {
                Some(true)
            } else if !used.is_empty() && used.iter().all(|c| right_names.contains(c.name.as_str())) {
                Some(false)
            } else {
                None
            }
        };
        let (mut on, mut rest) = ((Vec::new(), Vec::new()), Vec::new());
        for condition in conditions {
            match &condition {
                Expr::BinaryExpr(b) if b.op == Operator::Eq => match (side(&b.left), side(&b.right)) {
                    (Some(true), Some(false)) => {
                        on.0.push((*b.left).clone());
                        on.1.push((*b.right).clone());
                    }
                    (Some(false), Some(true)) => {
                        on.0.push((*b.right).clone());
                        on.1.push((*b.left).clone());
                    }
                    _ => rest.push(condition),
                },
                _ => rest.push(condition),
            }
        }
        let filter = rest.into_iter().reduce(|a, b| binary_expr(a, Operator::And, b));
        let builder = LogicalPlanBuilder::from(left.plan.clone());
        let plan = if on.0.is_empty() {
            match (filter, kind) {
                (None, JoinType::Inner) => builder.cross_join(right.plan.clone())?.build()?,
                (filter, kind) => builder.join_on(right.plan.clone(), kind, filter)?.build()?,
            }
        } else {
            builder.join_with_expr_keys(right.plan.clone(), kind, on, filter)?.build()?
        };
        if matches!(kind, JoinType::LeftAnti | JoinType::LeftSemi) {
            return Ok(Resolved { plan, columns: left.columns });
        }
        if keys.is_empty() {
            return Ok(Resolved { plan, columns: both });
        }
        // The columns of USING occur once, and come first.
        let mut items = Vec::new();
        for (l, r) in &keys {
            let data_type = scope.type_of(l)?;
            let mut item = Item::kept(if kind == JoinType::Right { r } else { l }, data_type.clone());
            if kind == JoinType::Full {
                let values = vec![column(&l.internal), column(&r.internal)];
                item.value = Typed { expr: datafusion::functions::core::expr_fn::coalesce(values), data_type };
            }
            item.plan_ids.extend(l.plan_ids.iter().chain(&r.plan_ids));
            item.qualifiers.extend(l.qualifiers.iter().chain(&r.qualifiers).cloned());
            items.push(item);
        }
        for c in &both {
            if !keys.iter().any(|(l, r)| l.internal == c.internal || r.internal == c.internal) {
                items.push(Item::kept(c, scope.type_of(c)?));
            }
        }
        self.projection(plan, items)
    }

    /// The right side with names that the left has not: a relation joined with itself has all of them twice.
    fn apart(&self, left: &Resolved, right: Resolved) -> Result<Resolved, SparkError> {
        let taken: HashSet<&str> = left.plan.schema().fields().iter().map(|f| f.name().as_str()).collect();
        if right.plan.schema().fields().iter().all(|f| !taken.contains(f.name().as_str())) {
            return Ok(right);
        }
        self.renumbered(right)
    }

    /// The relation under new internal names.
    pub(super) fn renumbered(&self, of: Resolved) -> Result<Resolved, SparkError> {
        let mut columns = of.columns;
        let mut exprs = Vec::with_capacity(columns.len());
        for c in &mut columns {
            let new = fresh();
            exprs.push(column(&c.internal).alias(&new));
            c.internal = new;
        }
        let plan = LogicalPlanBuilder::from(of.plan).project(exprs)?.build()?;
        Ok(Resolved { plan, columns })
    }
}
