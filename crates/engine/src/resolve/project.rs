//! Select lists and what is like them: columns added, dropped, renamed, cast.

use std::collections::HashSet;
use std::sync::Arc;

use andiron_plan::spec::{self, Literal, NamedExpr};
use arrow::datatypes::DataType;
use datafusion::common::{Column, UnnestOptions};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, Window};

use super::Resolver;
use super::names::{column_name, pretty};
use super::scope::{Scope, Typed, column, fresh};
use crate::resolved::OutputColumn;
use crate::{Resolved, SparkError, types};

/// A column to be: its value and what is known about it.
pub(super) struct Item {
    pub(super) value: Typed,
    pub(super) name: String,
    pub(super) qualifiers: Vec<String>,
    pub(super) plan_ids: Vec<i64>,
    pub(super) metadata: andiron_plan::types::Metadata,
}

impl Item {
    pub(super) fn new(name: impl Into<String>, value: Typed) -> Self {
        Self {
            value,
            name: name.into(),
            qualifiers: Vec::new(),
            plan_ids: Vec::new(),
            metadata: andiron_plan::types::Metadata::new(),
        }
    }

    /// A column as it is.
    pub(super) fn kept(of: &OutputColumn, data_type: DataType) -> Self {
        Self {
            value: Typed { expr: column(&of.internal), data_type },
            name: of.name.clone(),
            qualifiers: of.qualifiers.clone(),
            plan_ids: of.plan_ids.clone(),
            metadata: of.metadata.clone(),
        }
    }
}

/// The generator function of an element, if it is one: explode and its kin.
fn generator(expr: &spec::Expr) -> Option<(&spec::Function, Option<&[String]>)> {
    match expr {
        spec::Expr::Function(f)
            if matches!(
                f.name.to_lowercase().as_str(),
                "explode" | "explode_outer" | "posexplode" | "inline" | "stack"
            ) =>
        {
            Some((f, None))
        }
        spec::Expr::Alias { expr, names, .. } => generator(expr).map(|(f, _)| (f, Some(names.as_slice()))),
        _ => None,
    }
}

impl Resolver<'_> {
    /// A select list.
    pub(super) fn project(&self, input: Resolved, expressions: &[spec::Expr]) -> Result<Resolved, SparkError> {
        if expressions.iter().any(super::over_rows::has_aggregate) {
            return self.aggregate_all(input, expressions);
        }
        if let Some(at) = expressions.iter().position(|e| generator(e).is_some()) {
            return self.generate(input, expressions, at);
        }
        let scope = self.scope(&input);
        let mut items = Vec::with_capacity(expressions.len());
        for expression in expressions {
            items.extend(self.items(&scope, expression)?);
        }
        self.projection(input.plan.clone(), items)
    }

    /// What an element of a select list stands for: one column, or several for a star.
    pub(super) fn items(&self, scope: &Scope<'_>, expression: &spec::Expr) -> Result<Vec<Item>, SparkError> {
        match expression {
            spec::Expr::Star { target, plan_id, except } => {
                let whole_columns = except.is_empty()
                    && (target.is_empty()
                        || target.last().is_some_and(|q| {
                            scope.columns.iter().any(|c| c.qualifiers.iter().any(|own| scope.same_name(own, q)))
                        }));
                if !whole_columns {
                    let fields = scope.star(expression)?;
                    return Ok(fields.into_iter().map(|(name, value)| Item::new(name, value)).collect());
                }
                scope
                    .columns
                    .iter()
                    .filter(|c| target.last().is_none_or(|q| c.qualifiers.iter().any(|own| scope.same_name(own, q))))
                    .filter(|c| plan_id.is_none_or(|id| c.plan_ids.contains(&id)))
                    .map(|c| Ok(Item::kept(c, scope.type_of(c)?)))
                    .collect()
            }
            spec::Expr::Regex { pattern, .. } => {
                let regex = regex::Regex::new(&format!("(?i)^(?:{pattern})$"))
                    .map_err(|e| SparkError::illegal_argument(format!("Invalid regular expression {pattern}: {e}")))?;
                let matching = scope.columns.iter().filter(|c| regex.is_match(&c.name));
                matching.map(|c| Ok(Item::kept(c, scope.type_of(c)?))).collect()
            }
            spec::Expr::Attribute { name, plan_id, .. } => {
                let (value, of) = scope.attribute(name, *plan_id)?;
                // A column or field is called as it was asked for, whatever its own case.
                let asked = column_name(expression);
                Ok(vec![match of {
                    Some(of) => Item { value, name: asked, ..Item::kept(of, DataType::Null) },
                    None => Item::new(asked, value),
                }])
            }
            spec::Expr::Alias { expr, names, metadata } => {
                let value = scope.expr(expr)?;
                let name = names.first().cloned().unwrap_or_else(|| pretty(expr));
                let mut item = Item::new(name, value);
                if let spec::Expr::Attribute { name, plan_id, .. } = expr.as_ref()
                    && let (_, Some(of)) = scope.attribute(name, *plan_id)?
                {
                    item.metadata = of.metadata.clone();
                }
                if let Some(metadata) = metadata {
                    item.metadata = parse_metadata(metadata)?;
                }
                Ok(vec![item])
            }
            spec::Expr::Cast { expr, .. } if matches!(expr.as_ref(), spec::Expr::Attribute { .. }) => {
                let value = scope.expr(expression)?;
                let name =
                    self.items(scope, expr)?.into_iter().next().map_or_else(|| pretty(expression), |item| item.name);
                Ok(vec![Item::new(name, value)])
            }
            other => Ok(vec![Item::new(column_name(other), scope.expr(other)?)]),
        }
    }

    /// A projection of the items, windows in them computed below it.
    pub(super) fn projection(&self, plan: LogicalPlan, items: Vec<Item>) -> Result<Resolved, SparkError> {
        let mut windows = Vec::new();
        for item in &items {
            collect_windows(&item.value.expr, &mut windows)?;
        }
        let plan = if windows.is_empty() {
            plan
        } else {
            LogicalPlan::Window(Window::try_new(windows.clone(), Arc::new(plan))?)
        };
        let mut used = HashSet::new();
        let mut exprs = Vec::with_capacity(items.len());
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            let value =
                if windows.is_empty() { item.value.expr } else { windows_as_columns(item.value.expr, &windows)? };
            let internal = match &value {
                Expr::Column(c) if c.relation.is_none() && c.name.starts_with('#') && used.insert(c.name.clone()) => {
                    c.name.clone()
                }
                _ => fresh(),
            };
            let is_kept = matches!(&value, Expr::Column(c) if c.name == internal);
            exprs.push(if is_kept { value } else { value.alias(&internal) });
            columns.push(OutputColumn {
                name: item.name,
                internal,
                qualifiers: item.qualifiers,
                plan_ids: item.plan_ids,
                metadata: item.metadata,
            });
        }
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        Ok(Resolved { plan, columns })
    }

    /// A select list sorted by what it does not have: the columns are carried along and dropped afterwards.
    pub(super) fn sorted_by_hidden(
        &self,
        below: &Resolved,
        expressions: &[spec::Expr],
        order: &[spec::SortOrder],
    ) -> Result<Resolved, SparkError> {
        let selected = self.project(below.clone(), expressions)?;
        let scope = self.scope(below);
        let mut items = Vec::new();
        for expression in expressions {
            items.extend(self.items(&scope, expression)?);
        }
        let shown = items.len();
        let mut sorts = Vec::with_capacity(order.len());
        for sort in order {
            // The select list's own names come first, as in Spark.
            let value = match self.scope(&selected).expr(&sort.child) {
                Ok(_) => items.iter().find(|i| column_name(&sort.child) == i.name).map(|i| i.value.clone()),
                Err(_) => None,
            };
            let value = match value {
                Some(value) => value,
                None => scope.expr(&sort.child)?,
            };
            sorts.push((items.len(), sort.ascending, sort.nulls_first));
            items.push(Item::new("", value));
        }
        let mut carried = self.projection(below.plan.clone(), items)?;
        let expr = sorts
            .into_iter()
            .map(|(at, asc, nulls_first)| datafusion::logical_expr::expr::Sort {
                expr: column(&carried.columns[at].internal),
                asc,
                nulls_first,
            })
            .collect();
        carried.plan =
            LogicalPlan::Sort(datafusion::logical_expr::Sort { expr, input: Arc::new(carried.plan), fetch: None });
        let kept = carried.columns[..shown].to_vec();
        let scope = self.scope(&carried);
        let items =
            kept.iter().map(|c| Ok(Item::kept(c, scope.type_of(c)?))).collect::<Result<Vec<_>, SparkError>>()?;
        self.projection(carried.plan.clone(), items)
    }

    /// A select list with a generator in it.
    fn generate(&self, input: Resolved, expressions: &[spec::Expr], at: usize) -> Result<Resolved, SparkError> {
        let Some((call, names)) = generator(&expressions[at]) else {
            return Err(SparkError::internal("a generator that is none"));
        };
        let name = call.name.to_lowercase();
        let outer = name.ends_with("_outer");
        if !matches!(name.as_str(), "explode" | "explode_outer") || call.arguments.len() != 1 {
            return Err(SparkError::unsupported(format!("the generator {name}")));
        }
        if expressions.iter().enumerate().any(|(i, e)| i != at && generator(e).is_some()) {
            return Err(SparkError::analysis(
                "UNSUPPORTED_GENERATOR.MULTI_GENERATOR",
                "42K0E",
                "The generator is not supported: only one generator allowed per SELECT clause.",
            ));
        }
        let scope = self.scope(&input);
        let mut items = Vec::new();
        let mut place = 0;
        let mut is_map = false;
        for (i, expression) in expressions.iter().enumerate() {
            if i == at {
                place = items.len();
                let mut list = scope.expr(&call.arguments[0])?;
                match &list.data_type {
                    DataType::List(_) | DataType::LargeList(_) => {}
                    DataType::Map(..) => {
                        is_map = true;
                        list = scope.typed(datafusion::functions_nested::expr_fn::map_entries(list.expr))?;
                    }
                    other => {
                        return Err(SparkError::unexpected_input_type(
                            &pretty(&expressions[at]),
                            "first",
                            "(\"ARRAY\" or \"MAP\")",
                            &pretty(&call.arguments[0]),
                            &super::coerce::sql_name(other),
                        ));
                    }
                }
                // A column of its own, since the column that is exploded may be selected too.
                let own = list.expr.alias(fresh());
                let own_name = names.and_then(|n| n.first().cloned()).unwrap_or_else(|| "col".to_owned());
                items.push(Item::new(own_name, Typed { expr: own, data_type: list.data_type }));
            } else {
                items.extend(self.items(&scope, expression)?);
            }
        }
        let projected = self.projection(input.plan.clone(), items)?;
        let list = Column::new_unqualified(projected.columns[place].internal.clone());
        let options = UnnestOptions::new().with_preserve_nulls(outer);
        let plan = LogicalPlanBuilder::from(projected.plan).unnest_column_with_options(list, options)?.build()?;
        let exploded = Resolved { plan, columns: projected.columns };
        if !is_map {
            return Ok(exploded);
        }
        let scope = self.scope(&exploded);
        let mut items = Vec::new();
        for (i, c) in exploded.columns.iter().enumerate() {
            if i == place {
                let entry = Typed { expr: column(&c.internal), data_type: scope.type_of(c)? };
                let names: Vec<String> = match names {
                    Some([key, value]) => vec![key.clone(), value.clone()],
                    _ => vec!["key".to_owned(), "value".to_owned()],
                };
                items.push(Item::new(names[0].clone(), scope.field(entry.clone(), "key")?));
                items.push(Item::new(names[1].clone(), scope.field(entry, "value")?));
            } else {
                items.push(Item::kept(c, scope.type_of(c)?));
            }
        }
        self.projection(exploded.plan.clone(), items)
    }

    pub(super) fn with_columns(&self, input: Resolved, columns: &[NamedExpr]) -> Result<Resolved, SparkError> {
        let scope = self.scope(&input);
        let mut added = Vec::with_capacity(columns.len());
        for c in columns {
            let mut item = Item::new(&c.name, scope.expr(&c.expr)?);
            if let Some(metadata) = &c.metadata {
                item.metadata = parse_metadata(metadata)?;
            }
            added.push(Some(item));
        }
        let mut items = Vec::new();
        for own in &input.columns {
            let replaced = columns.iter().rposition(|c| self.same_name(&c.name, &own.name));
            match replaced.and_then(|i| added[i].take()) {
                Some(item) => items.push(item),
                None if replaced.is_some() => {}
                None => items.push(Item::kept(own, scope.type_of(own)?)),
            }
        }
        items.extend(added.into_iter().flatten());
        self.projection(input.plan.clone(), items)
    }

    pub(super) fn drop_columns(
        &self,
        input: Resolved,
        columns: &[spec::Expr],
        names: &[String],
    ) -> Result<Resolved, SparkError> {
        let scope = self.scope(&input);
        let mut gone: HashSet<String> = HashSet::new();
        for expression in columns {
            if let spec::Expr::Attribute { name, plan_id, .. } = expression {
                match scope.attribute(name, *plan_id) {
                    Ok((_, Some(of))) => {
                        gone.insert(of.internal.clone());
                    }
                    // What is not there need not be dropped.
                    Ok((_, None)) => {}
                    Err(error)
                        if error
                            .class()
                            .is_some_and(|c| c.starts_with("UNRESOLVED_COLUMN") || c == "FIELD_NOT_FOUND") => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let keep = |c: &&OutputColumn| !gone.contains(&c.internal) && !names.iter().any(|n| self.same_name(n, &c.name));
        let items = input.columns.iter().filter(keep).map(|c| Ok(Item::kept(c, scope.type_of(c)?)));
        let items = items.collect::<Result<Vec<_>, SparkError>>()?;
        self.projection(input.plan.clone(), items)
    }

    pub(super) fn alias(&self, mut input: Resolved, alias: &str, columns: &[String]) -> Result<Resolved, SparkError> {
        if !columns.is_empty() && columns.len() != input.columns.len() {
            return Err(SparkError::analysis(
                "ASSIGNMENT_ARITY_MISMATCH",
                "42802",
                format!(
                    "The number of columns or variables assigned or aliased: {} does not match the number of source expressions: {}.",
                    columns.len(),
                    input.columns.len()
                ),
            ));
        }
        for (i, c) in input.columns.iter_mut().enumerate() {
            c.qualifiers = vec![alias.to_owned()];
            if let Some(name) = columns.get(i) {
                c.name.clone_from(name);
            }
        }
        Ok(input)
    }

    pub(super) fn to_schema(&self, input: Resolved, schema: &spec::DataType) -> Result<Resolved, SparkError> {
        let spec::DataType::Struct(schema) = schema else {
            return Err(SparkError::unsupported("to(schema) of what is no struct"));
        };
        let scope = self.scope(&input);
        let mut items = Vec::new();
        for field in &schema.fields {
            let (value, _) = scope.attribute(std::slice::from_ref(&field.name), None)?;
            let mut item = Item::new(&field.name, scope.cast(value, &types::to_arrow(&field.data_type)?)?);
            item.metadata = field.metadata.clone();
            items.push(item);
        }
        self.projection(input.plan.clone(), items)
    }

    pub(super) fn fill_na(
        &self,
        input: Resolved,
        columns: &[String],
        values: &[Literal],
    ) -> Result<Resolved, SparkError> {
        let scope = self.scope(&input);
        let mut items = Vec::new();
        for own in &input.columns {
            let data_type = scope.type_of(own)?;
            let listed = columns.iter().position(|c| self.same_name(c, &own.name));
            let value = match (columns.is_empty(), listed, values) {
                (true, _, [value]) | (false, Some(_), [value]) => Some(value),
                (false, Some(i), several) => several.get(i),
                _ => None,
            };
            let mut item = Item::kept(own, data_type.clone());
            if let Some(value) = value {
                let value = Typed::literal(scope.literal(value)?);
                let same_kind = (value.is_text() && super::scope::is_text(&data_type))
                    || (value.data_type.is_numeric() && data_type.is_numeric())
                    || value.data_type == data_type;
                if same_kind {
                    let value = scope.cast_by(value, &data_type, false)?;
                    let filled = datafusion::functions::core::expr_fn::coalesce(vec![item.value.expr, value.expr]);
                    item.value = Typed { expr: filled, data_type };
                }
            }
            items.push(item);
        }
        self.projection(input.plan.clone(), items)
    }

    pub(super) fn drop_na(
        &self,
        mut input: Resolved,
        columns: &[String],
        least: Option<i32>,
    ) -> Result<Resolved, SparkError> {
        let scope = self.scope(&input);
        let chosen: Vec<Expr> = if columns.is_empty() {
            input.columns.iter().map(|c| column(&c.internal)).collect()
        } else {
            columns
                .iter()
                .map(|c| Ok(scope.attribute(std::slice::from_ref(c), None)?.0.expr))
                .collect::<Result<_, SparkError>>()?
        };
        let all = i32::try_from(chosen.len()).unwrap_or(i32::MAX);
        let least = least.unwrap_or(all);
        let condition = if least >= all {
            chosen.into_iter().map(|c| Expr::IsNotNull(Box::new(c))).reduce(Expr::and)
        } else {
            let count = chosen
                .into_iter()
                .map(|c| {
                    let present = Expr::IsNotNull(Box::new(c));
                    Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(present), DataType::Int32))
                })
                .reduce(|a, b| a + b);
            count.map(|count| count.gt_eq(datafusion::logical_expr::lit(least)))
        };
        if let Some(condition) = condition {
            input.plan = LogicalPlanBuilder::from(input.plan).filter(condition)?.build()?;
        }
        Ok(input)
    }
}

fn parse_metadata(text: &str) -> Result<andiron_plan::types::Metadata, SparkError> {
    serde_json::from_str(text).map_err(|e| SparkError::illegal_argument(format!("Metadata is no JSON object: {e}")))
}

fn collect_windows(expr: &Expr, windows: &mut Vec<Expr>) -> Result<(), SparkError> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    expr.apply(|e| {
        if matches!(e, Expr::WindowFunction(_)) {
            if !windows.contains(e) {
                windows.push(e.clone());
            }
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn windows_as_columns(expr: Expr, windows: &[Expr]) -> Result<Expr, SparkError> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let transformed = expr.transform_down(|e| {
        if windows.contains(&e) {
            let name = e.schema_name().to_string();
            return Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))));
        }
        Ok(Transformed::no(e))
    })?;
    Ok(transformed.data)
}
