//! Types brought together as Spark brings them together, before DataFusion sees the expression.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator, binary_expr, when};

use super::scope::{Scope, Typed, is_bytes, is_text};
use crate::functions::arithmetic;
use crate::functions::cast::{can_cast, is_plain};
use crate::functions::udf::{SparkFunction, Work};
use crate::{SparkError, types};

/// Spark's name of a type in messages.
pub(crate) fn sql_name(data_type: &DataType) -> String {
    types::from_arrow_type(data_type)
        .map_or_else(|_| data_type.to_string(), |spark| andiron_plan::types::sql_string(&spark))
}

/// Where a numeric type stands among those that widen.
fn rank(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 => 1,
        DataType::Int16 => 2,
        DataType::Int32 => 3,
        DataType::Int64 => 4,
        DataType::Float32 => 6,
        DataType::Float64 => 7,
        _ => return None,
    })
}

/// A whole number's type as a decimal.
fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (20, 0),
        DataType::Decimal128(p, s) => (*p, *s),
        _ => return None,
    })
}

/// The type that holds values of both types without looking at text: Spark's tightest common type.
pub(crate) fn tightest(a: &DataType, b: &DataType) -> Option<DataType> {
    if a == b {
        return Some(a.clone());
    }
    match (a, b) {
        (DataType::Null, other) | (other, DataType::Null) => return Some(other.clone()),
        (a, b) if is_text(a) && is_text(b) => return Some(DataType::Utf8View),
        (a, b) if is_bytes(a) && is_bytes(b) => return Some(DataType::BinaryView),
        _ => {}
    }
    if let (Some(ra), Some(rb)) = (rank(a), rank(b)) {
        return Some(if ra >= rb { a.clone() } else { b.clone() });
    }
    match (a, b) {
        (DataType::Decimal128(..), other) | (other, DataType::Decimal128(..)) if other.is_floating() => {
            Some(DataType::Float64)
        }
        (DataType::Decimal128(..), _) | (_, DataType::Decimal128(..)) => {
            let ((p1, s1), (p2, s2)) = (as_decimal(a)?, as_decimal(b)?);
            let scale = s1.max(s2);
            let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
            let precision = u8::try_from((whole + i16::from(scale)).min(38)).ok()?;
            Some(DataType::Decimal128(precision, scale))
        }
        (DataType::Date32, DataType::Timestamp(..)) => Some(b.clone()),
        (DataType::Timestamp(..), DataType::Date32) => Some(a.clone()),
        (DataType::Timestamp(..), DataType::Timestamp(..)) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into())))
        }
        (DataType::List(x), DataType::List(y)) => Some(DataType::List(Arc::new(Field::new(
            "element",
            tightest(x.data_type(), y.data_type())?,
            x.is_nullable() || y.is_nullable(),
        )))),
        (DataType::Struct(x), DataType::Struct(y)) if x.len() == y.len() => {
            let fields = x.iter().zip(y).map(|(x, y)| {
                Some(Field::new(x.name(), tightest(x.data_type(), y.data_type())?, x.is_nullable() || y.is_nullable()))
            });
            Some(DataType::Struct(fields.collect::<Option<Fields>>()?))
        }
        _ => None,
    }
}

/// The type of `coalesce`, CASE, union: where nothing else fits, text.
pub(crate) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    tightest(a, b).or_else(|| match (a, b) {
        (a, b) if (is_text(a) && !b.is_nested()) || (is_text(b) && !a.is_nested()) => Some(DataType::Utf8View),
        _ => None,
    })
}

impl Scope<'_> {
    /// The value in another type.
    pub(crate) fn cast(&self, value: Typed, to: &DataType) -> Result<Typed, SparkError> {
        self.cast_by(value, to, self.rules.ansi)
    }

    /// The value in another type, by ANSI's rules or not.
    pub(crate) fn cast_by(&self, value: Typed, to: &DataType, ansi: bool) -> Result<Typed, SparkError> {
        let from = &value.data_type;
        if from == to {
            return Ok(value);
        }
        if !can_cast(from, to) {
            let (from, to) = (sql_name(from), sql_name(to));
            return Err(SparkError::analysis(
                "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
                "42K09",
                format!("Cannot resolve \"CAST\" due to data type mismatch: cannot cast \"{from}\" to \"{to}\"."),
            )
            .with("srcType", format!("\"{from}\""))
            .with("targetType", format!("\"{to}\"")));
        }
        if let (DataType::Null, Expr::Literal(..)) = (from, &value.expr) {
            return Ok(Typed::literal(ScalarValue::try_new_null(to)?));
        }
        if is_plain(from, to) {
            let expr = Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(value.expr), to.clone()));
            return Ok(Typed { expr, data_type: to.clone() });
        }
        let rules = crate::functions::cast::CastRules { ansi, zone: self.rules.zone };
        let expr = SparkFunction::call("cast", Work::Cast(to.clone(), rules), to.clone(), vec![value.expr]);
        Ok(Typed { expr, data_type: to.clone() })
    }

    /// The value as text.
    pub(crate) fn to_text(&self, value: Typed) -> Result<Typed, SparkError> {
        if value.is_text() { Ok(value) } else { self.cast(value, &DataType::Utf8View) }
    }

    /// A condition: only BOOLEAN is one.
    pub(crate) fn boolean(&self, value: Typed, sql: &str) -> Result<Expr, SparkError> {
        match &value.data_type {
            DataType::Boolean => Ok(value.expr),
            DataType::Null => Ok(Expr::Literal(ScalarValue::Boolean(None), None)),
            other => Err(SparkError::unexpected_input_type(sql, "first", "\"BOOLEAN\"", sql, &sql_name(other))),
        }
    }

    /// Brings values to one type.
    pub(crate) fn unify(&self, values: Vec<Typed>, sql: &str) -> Result<Vec<Typed>, SparkError> {
        let mut target = DataType::Null;
        for value in &values {
            target = common(&target, &value.data_type).ok_or_else(|| self.differing(sql, &target, &value.data_type))?;
        }
        values.into_iter().map(|value| self.cast(value, &target)).collect()
    }

    fn differing(&self, sql: &str, a: &DataType, b: &DataType) -> SparkError {
        let (a, b) = (sql_name(a), sql_name(b));
        SparkError::analysis(
            "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
            "42K09",
            format!(
                "Cannot resolve \"{sql}\" due to data type mismatch: Input to `{sql}` should all be the same type, but it's (\"{a}\" or \"{b}\")."
            ),
        )
    }

    pub(crate) fn compare(&self, left: Typed, op: Operator, right: Typed, sql: &str) -> Result<Typed, SparkError> {
        let target = self.comparison_type(&left.data_type, &right.data_type).ok_or_else(|| {
            let (l, r) = (sql_name(&left.data_type), sql_name(&right.data_type));
            SparkError::analysis(
                "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
                "42K09",
                format!(
                    "Cannot resolve \"{sql}\" due to data type mismatch: the left and right operands of the binary operator have incompatible types (\"{l}\" and \"{r}\")."
                ),
            )
            .with("left", format!("\"{l}\""))
            .with("right", format!("\"{r}\""))
        })?;
        let (left, right) = (self.cast(left, &target)?, self.cast(right, &target)?);
        Ok(Typed { expr: binary_expr(left.expr, op, right.expr), data_type: DataType::Boolean })
    }

    pub(crate) fn comparison_type(&self, a: &DataType, b: &DataType) -> Option<DataType> {
        if let Some(common) = tightest(a, b) {
            return Some(common);
        }
        let (text, other) = if is_text(a) { (a, b) } else { (b, a) };
        if !is_text(text) {
            return match (a, b) {
                // Spark compares a truth value with a number as a number.
                (DataType::Boolean, n) | (n, DataType::Boolean) if n.is_numeric() && !self.rules.ansi => {
                    Some(n.clone())
                }
                _ => None,
            };
        }
        match other {
            o if o.is_integer() && self.rules.ansi => Some(DataType::Int64),
            o if o.is_integer() || o.is_floating() => Some(if self.rules.ansi { DataType::Float64 } else { o.clone() }),
            DataType::Decimal128(..) => Some(DataType::Float64),
            DataType::Date32 | DataType::Timestamp(..) | DataType::Boolean => Some(other.clone()),
            o if is_bytes(o) => Some(o.clone()),
            _ => None,
        }
    }

    /// `+ - *` and, with `None`, what DataFusion makes of times and intervals.
    pub(crate) fn arithmetic(&self, left: Typed, op: Operator, right: Typed, sql: &str) -> Result<Typed, SparkError> {
        let is_time = |t: &DataType| t.is_temporal() || matches!(t, DataType::Interval(_) | DataType::Duration(_));
        if is_time(&left.data_type) || is_time(&right.data_type) {
            return self.time_arithmetic(left, op, right);
        }
        let (left, right) = self.numbers(left, right, sql)?;
        let target = left.data_type.clone();
        if self.rules.ansi && target.is_integer() {
            let operator = match op {
                Operator::Plus => Some(arithmetic::Operator::Add),
                Operator::Minus => Some(arithmetic::Operator::Subtract),
                Operator::Multiply => Some(arithmetic::Operator::Multiply),
                _ => None,
            };
            if let Some(operator) = operator {
                let work = Work::CheckedArithmetic(operator);
                let expr = SparkFunction::call("arithmetic", work, target.clone(), vec![left.expr, right.expr]);
                return Ok(Typed { expr, data_type: target });
            }
        }
        self.typed(binary_expr(left.expr, op, right.expr))
    }

    fn time_arithmetic(&self, left: Typed, op: Operator, right: Typed) -> Result<Typed, SparkError> {
        // Days may be added to a date.
        if left.data_type == DataType::Date32 && right.data_type.is_integer() {
            let days = self.cast(right, &DataType::Int32)?;
            let name = if op == Operator::Minus { "date_sub" } else { "date_add" };
            return self.registered(name, vec![left, days]);
        }
        self.typed(binary_expr(left.expr, op, right.expr))
    }

    /// Both operands as numbers of one type; decimals stay as they are, since the result's type depends on both.
    fn numbers(&self, left: Typed, right: Typed, sql: &str) -> Result<(Typed, Typed), SparkError> {
        let as_number = |value: Typed, other: &DataType| -> Result<Typed, SparkError> {
            if value.is_text() {
                let target = if self.rules.ansi && other.is_integer() { DataType::Int64 } else { DataType::Float64 };
                return self.cast(value, &target);
            }
            if value.data_type == DataType::Null {
                let target = if other.is_numeric() { other.clone() } else { DataType::Float64 };
                return self.cast(value, &target);
            }
            if value.data_type.is_numeric() {
                return Ok(value);
            }
            Err(SparkError::unexpected_input_type(sql, "first", "\"NUMERIC\"", sql, &sql_name(&value.data_type)))
        };
        let (lt, rt) = (left.data_type.clone(), right.data_type.clone());
        let (left, right) = (as_number(left, &rt)?, as_number(right, &lt)?);
        match (&left.data_type, &right.data_type) {
            (DataType::Decimal128(..), DataType::Decimal128(..)) => Ok((left, right)),
            (DataType::Decimal128(..), other) | (other, DataType::Decimal128(..)) if !other.is_floating() => {
                let convert = |value: Typed| match as_decimal(&value.data_type) {
                    Some((p, s)) => self.cast(value, &DataType::Decimal128(p, s)),
                    None => Ok(value),
                };
                Ok((convert(left)?, convert(right)?))
            }
            (a, b) => {
                let target = tightest(a, b).unwrap_or(DataType::Float64);
                Ok((self.cast(left, &target)?, self.cast(right, &target)?))
            }
        }
    }

    /// `/`, `%`, `div`: a zero divisor gives null or, in ANSI mode, an error.
    pub(crate) fn divide(
        &self,
        left: Typed,
        op: Operator,
        right: Typed,
        whole: bool,
        sql: &str,
    ) -> Result<Typed, SparkError> {
        let (mut left, mut right) = self.numbers(left, right, sql)?;
        let target = if whole {
            DataType::Int64
        } else if op == Operator::Divide && !matches!(left.data_type, DataType::Decimal128(..)) {
            DataType::Float64
        } else {
            left.data_type.clone()
        };
        if !matches!(target, DataType::Decimal128(..)) {
            (left, right) = (self.cast(left, &target)?, self.cast(right, &target)?);
        }
        let zero = Expr::Literal(ScalarValue::new_zero(&right.data_type)?, None);
        let is_constant = matches!(&right.expr, Expr::Literal(value, _) if !value.is_null() && Expr::Literal(value.clone(), None) != zero);
        if is_constant {
            return self.typed(binary_expr(left.expr, op, right.expr));
        }
        if self.rules.ansi {
            let data_type = right.data_type.clone();
            let divisor = SparkFunction::call("refuse_zero", Work::RefuseZero, data_type, vec![right.expr]);
            return self.typed(binary_expr(left.expr, op, divisor));
        }
        let quotient = self.typed(binary_expr(left.expr, op, right.expr.clone()))?;
        let null = Expr::Literal(ScalarValue::try_new_null(&quotient.data_type)?, None);
        let expr = when(binary_expr(right.expr, Operator::Eq, zero), null).otherwise(quotient.expr)?;
        Ok(Typed { expr, data_type: quotient.data_type })
    }
}
