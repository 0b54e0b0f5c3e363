//! Queries of SQL text.

use sqlparser::ast::{
    self, Distinct, GroupByExpr, GroupByWithModifier, JoinConstraint, JoinOperator, LimitClause, OrderByKind, Query,
    Select, SetExpr, SetOperator, SetQuantifier, TableFactor,
};

use super::{Lower, expression::object_name};
use crate::{
    PlanError,
    spec::{
        Aggregate, Expr, GroupKind, Join, JoinCriteria, JoinKind, Relation, RelationNode, SetOperationKind, SortOrder,
    },
};

type Lowered = Result<Relation, PlanError>;

impl Lower<'_> {
    pub(super) fn query(&mut self, query: &Query) -> Lowered {
        self.depth.enter()?;
        let lowered = crate::with_stack(|| self.query_here(query))?;
        self.depth.leave();
        Ok(lowered)
    }

    fn query_here(&mut self, query: &Query) -> Lowered {
        let mut definitions = Vec::new();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(PlanError::unsupported("WITH RECURSIVE"));
            }
            for cte in &with.cte_tables {
                let mut definition = self.query(&cte.query)?;
                if !cte.alias.columns.is_empty() {
                    let columns = cte.alias.columns.iter().map(|column| column.name.value.clone()).collect();
                    definition = RelationNode::ToDf { input: Box::new(definition), columns }.into();
                }
                definitions.push((cte.alias.name.value.clone(), definition));
            }
        }
        let mut relation = self.set_expr(&query.body)?;
        if let Some(order_by) = &query.order_by {
            let order = match &order_by.kind {
                OrderByKind::Expressions(orders) => self.orders(orders)?,
                OrderByKind::All(_) => return Err(PlanError::unsupported("ORDER BY ALL")),
            };
            relation = sort(relation, order, true);
        }
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            Some(LimitClause::LimitOffset { .. }) => return Err(PlanError::unsupported("LIMIT BY")),
        };
        if let Some(offset) = offset {
            relation = RelationNode::Offset { input: Box::new(relation), offset: self.expr(offset)? }.into();
        }
        // LIMIT ALL is none.
        if let Some(limit) = limit
            && !limit.to_string().eq_ignore_ascii_case("all")
        {
            relation = RelationNode::Limit { input: Box::new(relation), limit: self.expr(limit)? }.into();
        }
        if query.fetch.is_some() || !query.pipe_operators.is_empty() || !query.locks.is_empty() {
            return Err(PlanError::unsupported("FETCH, FOR UPDATE or |> in a query"));
        }
        if !definitions.is_empty() {
            relation = RelationNode::With { definitions, input: Box::new(relation) }.into();
        }
        Ok(relation)
    }

    fn set_expr(&mut self, body: &SetExpr) -> Lowered {
        self.depth.enter()?;
        let lowered = crate::with_stack(|| self.set_expr_here(body))?;
        self.depth.leave();
        Ok(lowered)
    }

    fn set_expr_here(&mut self, body: &SetExpr) -> Lowered {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => {
                let rows = values.rows.iter().map(|row| self.row(row)).collect::<Result<_, _>>()?;
                Ok(RelationNode::Values { rows }.into())
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let kind = match op {
                    SetOperator::Union => SetOperationKind::Union,
                    SetOperator::Intersect => SetOperationKind::Intersect,
                    SetOperator::Except | SetOperator::Minus => SetOperationKind::Except,
                };
                Ok(RelationNode::SetOperation {
                    left: Box::new(self.set_expr(left)?),
                    right: Box::new(self.set_expr(right)?),
                    kind,
                    all: matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName),
                    by_name: matches!(
                        set_quantifier,
                        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
                    ),
                    allow_missing_columns: false,
                }
                .into())
            }
            SetExpr::Table(table) => {
                let name = [&table.schema_name, &table.table_name].into_iter().flatten().cloned().collect();
                Ok(RelationNode::ReadTable { name, options: Vec::new(), is_streaming: false }.into())
            }
            _ => Err(PlanError::unsupported("a change of data within a query")),
        }
    }

    fn row(&mut self, row: &ast::Parens<Vec<ast::Expr>>) -> Result<Vec<Expr>, PlanError> {
        self.exprs(&row.content)
    }

    fn select(&mut self, select: &Select) -> Lowered {
        let unsupported = [
            (select.top.is_some(), "TOP"),
            (select.into.is_some(), "SELECT INTO"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (select.qualify.is_some(), "QUALIFY"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (matches!(select.distinct, Some(Distinct::On(_))), "DISTINCT ON"),
        ];
        if let Some((_, what)) = unsupported.iter().find(|(found, _)| *found) {
            return Err(PlanError::unsupported(*what));
        }
        let outer_windows = std::mem::take(&mut self.windows);
        for window in &select.named_window {
            match &window.1 {
                ast::NamedWindowExpr::WindowSpec(spec) => {
                    self.windows.push((window.0.value.clone(), spec.clone()));
                }
                ast::NamedWindowExpr::NamedWindow(name) => {
                    return Err(PlanError::unsupported(format!("a window based on {name}")));
                }
            }
        }
        let relation = self.select_here(select);
        self.windows = outer_windows;
        relation
    }

    fn select_here(&mut self, select: &Select) -> Lowered {
        let mut relation = self.from(&select.from)?;
        for view in &select.lateral_views {
            relation = RelationNode::LateralView {
                input: Box::new(relation),
                generator: self.expr(&view.lateral_view)?,
                outer: view.outer,
                alias: object_name(&view.lateral_view_name)?.pop(),
                columns: view.lateral_col_alias.iter().map(|column| column.value.clone()).collect(),
            }
            .into();
        }
        if let Some(condition) = &select.selection {
            let condition = self.expr(condition)?;
            relation = RelationNode::Filter { input: Box::new(relation), condition }.into();
        }
        let list: Vec<Expr> = select.projection.iter().map(|item| self.select_item(item)).collect::<Result<_, _>>()?;
        let having = match &select.having {
            Some(having) => Some(self.expr(having)?),
            None => None,
        };
        relation = match self.groups(&select.group_by)? {
            Some((kind, grouping)) => aggregate(relation, kind, grouping, list, having),
            None if having.is_some() => aggregate(relation, GroupKind::GroupBy, Vec::new(), list, having),
            None => RelationNode::Project { input: Box::new(relation), expressions: list }.into(),
        };
        if matches!(select.distinct, Some(Distinct::Distinct)) {
            relation = RelationNode::Deduplicate {
                input: Box::new(relation),
                columns: Vec::new(),
                all_columns: true,
                within_watermark: false,
            }
            .into();
        }
        if !select.distribute_by.is_empty() {
            let expressions = self.exprs(&select.distribute_by)?;
            relation =
                RelationNode::RepartitionByExpression { input: Box::new(relation), expressions, num_partitions: None }
                    .into();
        }
        if !select.sort_by.is_empty() {
            let order = self.orders(&select.sort_by)?;
            relation = sort(relation, order, false);
        }
        Ok(relation)
    }

    /// GROUP BY, or nothing.
    fn groups(&mut self, group_by: &GroupByExpr) -> Result<Option<(GroupKind, Vec<Expr>)>, PlanError> {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else {
            return Err(PlanError::unsupported("GROUP BY ALL"));
        };
        match (exprs.as_slice(), modifiers.as_slice()) {
            ([], []) => Ok(None),
            ([ast::Expr::Rollup(sets)], []) => Ok(Some((GroupKind::Rollup, self.flat(sets)?))),
            ([ast::Expr::Cube(sets)], []) => Ok(Some((GroupKind::Cube, self.flat(sets)?))),
            ([ast::Expr::GroupingSets(sets)], []) => {
                let sets: Vec<Vec<Expr>> = sets.iter().map(|set| self.exprs(set)).collect::<Result<_, _>>()?;
                let mut grouping: Vec<Expr> = Vec::new();
                for expr in sets.iter().flatten() {
                    if !grouping.contains(expr) {
                        grouping.push(expr.clone());
                    }
                }
                Ok(Some((GroupKind::GroupingSets(sets), grouping)))
            }
            (exprs, []) => Ok(Some((GroupKind::GroupBy, self.exprs(exprs)?))),
            (exprs, [GroupByWithModifier::Rollup]) => Ok(Some((GroupKind::Rollup, self.exprs(exprs)?))),
            (exprs, [GroupByWithModifier::Cube]) => Ok(Some((GroupKind::Cube, self.exprs(exprs)?))),
            _ => Err(PlanError::unsupported("this form of GROUP BY")),
        }
    }

    fn flat(&mut self, sets: &[Vec<ast::Expr>]) -> Result<Vec<Expr>, PlanError> {
        sets.iter().flatten().map(|expr| self.expr(expr)).collect()
    }

    fn from(&mut self, from: &[ast::TableWithJoins]) -> Lowered {
        let mut tables = from.iter();
        let Some(first) = tables.next() else { return Ok(RelationNode::OneRow.into()) };
        let mut relation = self.joined(first)?;
        for table in tables {
            let right = self.joined(table)?;
            let is_lateral = is_lateral(&table.relation);
            relation = join(relation, right, JoinKind::Cross, JoinCriteria::None, is_lateral);
            self.depth.enter()?;
        }
        (1..from.len()).for_each(|_| self.depth.leave());
        Ok(relation)
    }

    fn joined(&mut self, table: &ast::TableWithJoins) -> Lowered {
        let mut relation = self.factor(&table.relation)?;
        for right in &table.joins {
            let (kind, constraint) = join_operator(&right.join_operator)?;
            let criteria =
                match constraint {
                    JoinConstraint::None => JoinCriteria::None,
                    JoinConstraint::Natural => JoinCriteria::Natural,
                    JoinConstraint::On(condition) => JoinCriteria::On(self.expr(condition)?),
                    JoinConstraint::Using(names) => JoinCriteria::Using(
                        names.iter().map(|name| Ok(object_name(name)?.join("."))).collect::<Result<_, PlanError>>()?,
                    ),
                };
            let is_lateral = is_lateral(&right.relation);
            let right = self.factor(&right.relation)?;
            relation = join(relation, right, kind, criteria, is_lateral);
            self.depth.enter()?;
        }
        table.joins.iter().for_each(|_| self.depth.leave());
        Ok(relation)
    }

    fn factor(&mut self, factor: &TableFactor) -> Lowered {
        self.depth.enter()?;
        let lowered = crate::with_stack(|| self.factor_here(factor))?;
        self.depth.leave();
        Ok(lowered)
    }

    fn factor_here(&mut self, factor: &TableFactor) -> Lowered {
        match factor {
            TableFactor::Table { name, alias, args, version: None, sample: None, .. } => {
                let name = object_name(name)?;
                let relation = match args {
                    None => RelationNode::ReadTable { name, options: Vec::new(), is_streaming: false },
                    Some(args) => RelationNode::TableFunction {
                        name: name.join(".").to_lowercase(),
                        arguments: args.args.iter().map(|arg| self.argument(arg)).collect::<Result<_, _>>()?,
                    },
                };
                Ok(aliased(relation.into(), alias.as_ref()))
            }
            TableFactor::Derived { subquery, alias, sample: None, .. } => {
                Ok(aliased(self.query(subquery)?, alias.as_ref()))
            }
            TableFactor::Function { name, args, alias, .. } => {
                let relation = RelationNode::TableFunction {
                    name: object_name(name)?.join(".").to_lowercase(),
                    arguments: args.iter().map(|arg| self.argument(arg)).collect::<Result<_, _>>()?,
                };
                Ok(aliased(relation.into(), alias.as_ref()))
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                Ok(aliased(self.joined(table_with_joins)?, alias.as_ref()))
            }
            TableFactor::Table { version: Some(version), .. } => Err(PlanError::unsupported(version.to_string())),
            TableFactor::Table { .. } | TableFactor::Derived { .. } => Err(PlanError::unsupported("TABLESAMPLE")),
            TableFactor::Pivot { .. } => Err(PlanError::unsupported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(PlanError::unsupported("UNPIVOT")),
            _ => Err(PlanError::unsupported("this form of FROM")),
        }
    }
}

fn aliased(relation: Relation, alias: Option<&ast::TableAlias>) -> Relation {
    match alias {
        None => relation,
        Some(alias) => RelationNode::SubqueryAlias {
            input: Box::new(relation),
            alias: alias.name.value.clone(),
            columns: alias.columns.iter().map(|column| column.name.value.clone()).collect(),
        }
        .into(),
    }
}

fn is_lateral(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Derived { lateral: true, .. } | TableFactor::Function { lateral: true, .. })
}

fn sort(input: Relation, order: Vec<SortOrder>, is_global: bool) -> Relation {
    RelationNode::Sort { input: Box::new(input), order, is_global }.into()
}

fn join(left: Relation, right: Relation, kind: JoinKind, criteria: JoinCriteria, is_lateral: bool) -> Relation {
    RelationNode::Join(Join { left: Box::new(left), right: Box::new(right), kind, criteria, is_lateral }).into()
}

fn aggregate(
    input: Relation,
    kind: GroupKind,
    grouping: Vec<Expr>,
    aggregates: Vec<Expr>,
    having: Option<Expr>,
) -> Relation {
    let input = Box::new(input);
    let aggregate = Aggregate { input, kind, grouping, aggregates, is_select_list: true, having };
    RelationNode::Aggregate(Box::new(aggregate)).into()
}

fn join_operator(operator: &JoinOperator) -> Result<(JoinKind, &JoinConstraint), PlanError> {
    Ok(match operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (JoinKind::Inner, constraint),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::LeftOuter, constraint),
        JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (JoinKind::RightOuter, constraint),
        JoinOperator::FullOuter(constraint) => (JoinKind::FullOuter, constraint),
        JoinOperator::CrossJoin(constraint) => (JoinKind::Cross, constraint),
        JoinOperator::Semi(constraint) | JoinOperator::LeftSemi(constraint) => (JoinKind::LeftSemi, constraint),
        JoinOperator::Anti(constraint) | JoinOperator::LeftAnti(constraint) => (JoinKind::LeftAnti, constraint),
        _ => return Err(PlanError::unsupported("this kind of join")),
    })
}
