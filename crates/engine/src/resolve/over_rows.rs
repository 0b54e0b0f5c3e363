//! Functions over many rows: aggregates, and whatever stands over a window.

use andiron_plan::spec::{self, Function};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, WindowFunction};
use datafusion::logical_expr::{
    Expr, WindowFrame as DfFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};

use super::calls::canonical;
use super::names::pretty;
use super::scope::{Scope, Typed, column, fresh};
use crate::SparkError;

/// Whether a name is one of Spark's aggregate functions that are supported.
pub(crate) fn is_aggregate(name: &str) -> bool {
    matches!(
        canonical(&name.to_lowercase()),
        "count"
            | "sum"
            | "avg"
            | "min"
            | "max"
            | "first"
            | "last"
            | "collect_list"
            | "collect_set"
            | "stddev"
            | "stddev_pop"
            | "var_samp"
            | "var_pop"
            | "corr"
            | "covar_samp"
            | "covar_pop"
            | "approx_distinct"
            | "count_if"
            | "bool_and"
            | "bool_or"
            | "bit_and"
            | "bit_or"
            | "bit_xor"
            | "median"
            | "try_sum"
    )
}

/// Whether an expression calls an aggregate function outside a window.
pub(crate) fn has_aggregate(expr: &spec::Expr) -> bool {
    use spec::Expr as E;
    match expr {
        E::Function(f) => is_aggregate(&f.name) || f.arguments.iter().any(has_aggregate),
        E::Cast { expr, .. } | E::Alias { expr, .. } => has_aggregate(expr),
        E::ExtractValue { child, extraction } => has_aggregate(child) || has_aggregate(extraction),
        E::Case { operand, branches, otherwise } => {
            operand.iter().any(|e| has_aggregate(e))
                || branches.iter().any(|(c, v)| has_aggregate(c) || has_aggregate(v))
                || otherwise.iter().any(|e| has_aggregate(e))
        }
        E::SortOrder(order) => has_aggregate(&order.child),
        E::UpdateFields { child, value, .. } => has_aggregate(child) || value.iter().any(|v| has_aggregate(v)),
        _ => false,
    }
}

impl Scope<'_> {
    pub(super) fn aggregate_call(&self, call: &Function, name: &str, whole: &spec::Expr) -> Result<Typed, SparkError> {
        let Some(aggregates) = self.aggregates else {
            return Err(SparkError::analysis(
                "INVALID_WHERE_CONDITION",
                "42903",
                format!("The expression \"{}\" is an aggregate function, which is not allowed here.", pretty(whole)),
            ));
        };
        let expr = self.plain().aggregate_expr(call, name, whole)?;
        let data_type = self.typed(expr.clone())?.data_type;
        let known =
            aggregates.borrow().found.iter().find(|(known, ..)| *known == expr).map(|(_, name, _)| name.clone());
        let internal = known.unwrap_or_else(|| {
            let internal = fresh();
            aggregates.borrow_mut().found.push((expr, internal.clone(), data_type.clone()));
            internal
        });
        Ok(Typed { expr: column(&internal), data_type })
    }

    fn aggregate_expr(&self, call: &Function, name: &str, whole: &spec::Expr) -> Result<Expr, SparkError> {
        let one = || Expr::Literal(ScalarValue::Int64(Some(1)), None);
        let mut distinct = call.is_distinct;
        let mut args = match call.arguments.as_slice() {
            [] | [spec::Expr::Star { .. }] if name == "count" && !distinct => {
                vec![Typed { expr: one(), data_type: DataType::Int64 }]
            }
            [star @ spec::Expr::Star { .. }] => self.star(star)?.into_iter().map(|(_, value)| value).collect(),
            arguments => arguments.iter().map(|a| self.expr(a)).collect::<Result<Vec<_>, _>>()?,
        };
        let function = match name {
            "first" => "first_value",
            "last" => "last_value",
            "count_if" => "count",
            "approx_distinct" => "approx_distinct",
            "collect_list" => "collect_list",
            other => other,
        };
        let mut filter = call.filter.as_ref().map(|f| self.boolean(self.expr(f)?, &pretty(whole))).transpose()?;
        let mut ignore_nulls = call.ignore_nulls;
        match name {
            "count_if" => {
                let condition = self.boolean(args.swap_remove(0), &pretty(whole))?;
                filter = Some(match filter {
                    Some(filter) => filter.and(condition),
                    None => condition,
                });
                args = vec![Typed { expr: one(), data_type: DataType::Int64 }];
            }
            "first" | "last" if args.len() == 2 => {
                ignore_nulls = matches!(args[1].expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
                args.truncate(1);
            }
            "sum" | "avg" | "stddev" | "stddev_pop" | "var_samp" | "var_pop"
                if args.first().is_some_and(Typed::is_text) =>
            {
                args = vec![self.cast(args.swap_remove(0), &DataType::Float64)?];
            }
            "sum" if args.first().is_some_and(|a| a.data_type == DataType::Float32) => {
                args = vec![self.cast(args.swap_remove(0), &DataType::Float64)?];
            }
            "min" | "max" => distinct = false,
            "count" if distinct && args.len() > 1 => {
                // Rows in which any value is null do not count.
                let conditions = args.iter().map(|a| Expr::IsNotNull(Box::new(a.expr.clone())));
                let all = conditions.reduce(Expr::and);
                filter = match (filter, all) {
                    (Some(a), Some(b)) => Some(a.and(b)),
                    (a, b) => a.or(b),
                };
                let members = args.into_iter().enumerate().map(|(i, a)| (format!("c{i}"), a)).collect();
                args = vec![self.named_struct(members)?];
            }
            "count" if args.len() > 1 => {
                let all = args.iter().map(|a| Expr::IsNotNull(Box::new(a.expr.clone()))).reduce(Expr::and);
                filter = match (filter, all) {
                    (Some(a), Some(b)) => Some(a.and(b)),
                    (a, b) => a.or(b),
                };
                args = vec![Typed { expr: one(), data_type: DataType::Int64 }];
            }
            _ => {}
        }
        let Some(udf) = self.state.aggregate_functions().get(function).cloned() else {
            return Err(SparkError::unresolved_routine(name));
        };
        let nulls = if ignore_nulls { Some(NullTreatment::IgnoreNulls) } else { None };
        let args = args.into_iter().map(|a| a.expr).collect();
        Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
            udf,
            args,
            distinct,
            filter.map(Box::new),
            Vec::new(),
            nulls,
        )))
    }

    /// A function over a window.
    pub(crate) fn window(&self, window: &spec::Window) -> Result<Typed, SparkError> {
        let spec::Expr::Function(call) = &window.function else {
            return Err(SparkError::unsupported("a window over what is no function"));
        };
        let lower = call.name.to_lowercase();
        let name = canonical(&lower);
        let definition = if is_aggregate(name) {
            match self.plain().aggregate_expr(call, name, &window.function)? {
                Expr::AggregateFunction(function) => {
                    (WindowFunctionDefinition::AggregateUDF(function.func), function.params.args)
                }
                _ => return Err(SparkError::unsupported(format!("{name} over a window"))),
            }
        } else {
            let Some(udf) = self.state.window_functions().get(name).cloned() else {
                return Err(SparkError::unresolved_routine(name));
            };
            let args = call.arguments.iter().map(|a| Ok(self.expr(a)?.expr)).collect::<Result<Vec<_>, SparkError>>()?;
            (WindowFunctionDefinition::WindowUDF(udf), args)
        };
        let mut function = WindowFunction::new(definition.0, definition.1);
        function.params.partition_by =
            window.partition_by.iter().map(|e| Ok(self.expr(e)?.expr)).collect::<Result<_, SparkError>>()?;
        function.params.order_by = window.order_by.iter().map(|o| self.sort(o)).collect::<Result<_, SparkError>>()?;
        let has_order = !window.order_by.is_empty();
        function.params.window_frame = match &window.frame {
            None => DfFrame::new(has_order.then_some(false)),
            Some(frame) => {
                let units = if frame.is_rows { WindowFrameUnits::Rows } else { WindowFrameUnits::Range };
                DfFrame::new_bounds(units, self.bound(&frame.lower, true)?, self.bound(&frame.upper, false)?)
            }
        };
        self.typed(Expr::WindowFunction(Box::new(function)))
    }

    fn bound(&self, bound: &spec::FrameBound, lower: bool) -> Result<WindowFrameBound, SparkError> {
        Ok(match bound {
            spec::FrameBound::CurrentRow => WindowFrameBound::CurrentRow,
            spec::FrameBound::Unbounded if lower => WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
            spec::FrameBound::Unbounded => WindowFrameBound::Following(ScalarValue::UInt64(None)),
            spec::FrameBound::Value(value) => {
                let rows = self
                    .expr(value)?
                    .as_integer()
                    .ok_or_else(|| SparkError::unsupported("a window frame that is not constant"))?;
                let size = ScalarValue::UInt64(Some(rows.unsigned_abs()));
                match rows {
                    0 => WindowFrameBound::CurrentRow,
                    ..0 => WindowFrameBound::Preceding(size),
                    _ => WindowFrameBound::Following(size),
                }
            }
        })
    }
}
