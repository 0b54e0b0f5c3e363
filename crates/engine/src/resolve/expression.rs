//! Expressions: names become columns, functions become DataFusion's or ours, types are brought together.

use std::cell::RefCell;
use std::sync::Arc;

use andiron_plan::spec::{self, CastMode, Literal};
use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Case, Sort};
use datafusion::logical_expr::{Expr, Operator};

use super::names::pretty;
use super::scope::{Aggregates, Scope, Typed, is_text};
use crate::functions::cast::cast_array;
use crate::{SparkError, datetime, types};

impl Scope<'_> {
    /// Resolves an expression to a value.
    pub(crate) fn expr(&self, expr: &spec::Expr) -> Result<Typed, SparkError> {
        use spec::Expr as E;
        match expr {
            E::Literal(literal) => Ok(Typed::literal(self.literal(literal)?)),
            E::Attribute { name, plan_id, is_metadata } => {
                if *is_metadata {
                    return Err(SparkError::unsupported("the column _metadata"));
                }
                Ok(self.attribute(name, *plan_id)?.0)
            }
            E::Function(function) => self.function(function, expr),
            E::Cast { expr, data_type, mode } => {
                let value = self.expr(expr)?;
                let to = types::to_arrow(data_type)?;
                let ansi = match mode {
                    CastMode::Session => self.rules.ansi,
                    CastMode::Ansi => true,
                    CastMode::Legacy | CastMode::Try => false,
                };
                // Any text is text: what a column holds already need not become the engine's favourite kind.
                if is_text(&to) && value.is_text() {
                    return Ok(value);
                }
                self.cast_by(value, &to, ansi)
            }
            E::Alias { expr, .. } => self.expr(expr),
            E::ExtractValue { child, extraction } => self.extract(self.expr(child)?, extraction),
            E::Case { operand, branches, otherwise } => {
                let mut conditions = Vec::with_capacity(branches.len());
                for (condition, _) in branches {
                    let condition = match operand {
                        Some(operand) => {
                            self.compare(self.expr(operand)?, Operator::Eq, self.expr(condition)?, &pretty(expr))?
                        }
                        None => self.expr(condition)?,
                    };
                    conditions.push(self.boolean(condition, &pretty(expr))?);
                }
                let mut values = branches.iter().map(|(_, v)| self.expr(v)).collect::<Result<Vec<_>, _>>()?;
                values.extend(otherwise.iter().map(|v| self.expr(v)).collect::<Result<Vec<_>, _>>()?);
                self.case(conditions, values, &pretty(expr))
            }
            E::NamedArgument { value, .. } => self.expr(value),
            E::SortOrder(order) => self.expr(&order.child),
            E::Window(window) => self.window(window),
            E::UpdateFields { child, field, value } => self.update_fields(self.expr(child)?, field, value.as_deref()),
            E::Star { .. } | E::Regex { .. } => Err(SparkError::analysis(
                "INVALID_USAGE_OF_STAR_OR_REGEX",
                "42000",
                "Invalid usage of '*' in an expression.",
            )),
            E::PythonUdf(udf) => Err(SparkError::unsupported(format!("the Python function {}", udf.name))),
            other @ (E::Lambda { .. } | E::LambdaVariable { .. } | E::Subquery { .. } | E::Extension(_)) => {
                Err(SparkError::unsupported(other.name()))
            }
        }
    }

    /// CASE over conditions; one value more than conditions is ELSE.
    pub(crate) fn case(&self, conditions: Vec<Expr>, values: Vec<Typed>, sql: &str) -> Result<Typed, SparkError> {
        let mut values = self.unify(values, sql)?;
        let otherwise = if values.len() > conditions.len() { values.pop() } else { None };
        let data_type = values.first().map_or(DataType::Null, |v| v.data_type.clone());
        let branches = conditions.into_iter().zip(values).map(|(c, v)| (Box::new(c), Box::new(v.expr))).collect();
        let case = Case { expr: None, when_then_expr: branches, else_expr: otherwise.map(|v| Box::new(v.expr)) };
        Ok(Typed { expr: Expr::Case(case), data_type })
    }

    fn extract(&self, child: Typed, extraction: &spec::Expr) -> Result<Typed, SparkError> {
        match &child.data_type {
            DataType::Struct(_) => match self.expr(extraction)?.as_text() {
                Some(name) => self.field(child, name),
                None => Err(SparkError::analysis(
                    "INVALID_EXTRACT_FIELD_TYPE",
                    "42000",
                    format!("Field name should be a non-null string literal, but it's {}.", pretty(extraction)),
                )),
            },
            DataType::List(element) => {
                let element = element.data_type().clone();
                // Spark counts an array's elements from 0 here, DataFusion from 1 and, below that, from the end.
                let index = self.cast(self.expr(extraction)?, &DataType::Int64)?;
                let expr = match index.as_integer() {
                    Some(i) if i < 0 => return Ok(Typed::literal(ScalarValue::try_new_null(&element)?)),
                    _ => datafusion::functions_nested::expr_fn::array_element(
                        child.expr,
                        index.expr + Expr::Literal(ScalarValue::Int64(Some(1)), None),
                    ),
                };
                Ok(Typed { expr, data_type: element })
            }
            DataType::Map(..) => {
                let key = self.expr(extraction)?;
                self.map_value(child, key)
            }
            _ => match self.expr(extraction)?.as_text() {
                Some(name) => self.field(child, name),
                None => self.field(child, &pretty(extraction)),
            },
        }
    }

    /// The value of a map's key, or null.
    pub(crate) fn map_value(&self, map: Typed, key: Typed) -> Result<Typed, SparkError> {
        let DataType::Map(entries, _) = &map.data_type else {
            return Err(SparkError::internal("map_value of what is no map"));
        };
        let DataType::Struct(pair) = entries.data_type() else {
            return Err(SparkError::internal("a map without entries"));
        };
        let key = self.cast(key, pair[0].data_type())?;
        let values = datafusion::functions_nested::expr_fn::map_extract(map.expr, key.expr);
        let first = Expr::Literal(ScalarValue::Int64(Some(1)), None);
        self.typed(datafusion::functions_nested::expr_fn::array_element(values, first))
    }

    fn update_fields(&self, of: Typed, field: &str, value: Option<&spec::Expr>) -> Result<Typed, SparkError> {
        let DataType::Struct(fields) = of.data_type.clone() else {
            return Err(SparkError::unexpected_input_type(
                "update_fields",
                "first",
                "\"STRUCT\"",
                "",
                &super::coerce::sql_name(&of.data_type),
            ));
        };
        if field.contains('.') {
            return Err(SparkError::unsupported("withField or dropFields of a nested field"));
        }
        let value = value.map(|v| self.expr(v)).transpose()?;
        let mut members: Vec<(String, Typed)> = Vec::new();
        let mut replaced = false;
        for own in &fields {
            if self.same_name(own.name(), field) {
                replaced = true;
                if let Some(value) = &value {
                    members.push((own.name().clone(), value.clone()));
                }
                continue;
            }
            members.push((own.name().clone(), self.field(of.clone(), own.name())?));
        }
        if let (false, Some(value)) = (replaced, value) {
            members.push((field.to_owned(), value));
        }
        self.named_struct(members)
    }

    /// A struct of named values.
    pub(crate) fn named_struct(&self, members: Vec<(String, Typed)>) -> Result<Typed, SparkError> {
        let mut args = Vec::with_capacity(members.len() * 2);
        for (name, value) in members {
            args.push(Expr::Literal(ScalarValue::Utf8(Some(name)), None));
            args.push(value.expr);
        }
        self.typed(datafusion::functions::core::expr_fn::named_struct(args))
    }

    /// A constant.
    pub(crate) fn literal(&self, literal: &Literal) -> Result<ScalarValue, SparkError> {
        use ScalarValue as S;
        Ok(match literal {
            Literal::Null(data_type) => ScalarValue::try_new_null(&types::to_arrow(data_type)?)?,
            Literal::Binary(bytes) => S::Binary(Some(bytes.to_vec())),
            Literal::Boolean(v) => S::Boolean(Some(*v)),
            Literal::Byte(v) => S::Int8(Some(*v)),
            Literal::Short(v) => S::Int16(Some(*v)),
            Literal::Integer(v) => S::Int32(Some(*v)),
            Literal::Long(v) => S::Int64(Some(*v)),
            Literal::Float(v) => S::Float32(Some(*v)),
            Literal::Double(v) => S::Float64(Some(*v)),
            Literal::Decimal { unscaled, precision, scale } => S::Decimal128(Some(*unscaled), *precision, *scale),
            Literal::String(text) => S::Utf8(Some(text.clone())),
            Literal::Date(days) => S::Date32(Some(*days)),
            Literal::Timestamp(us) => S::TimestampMicrosecond(Some(*us), Some(types::UTC.into())),
            Literal::TimestampNtz(us) => S::TimestampMicrosecond(Some(*us), None),
            Literal::TimestampText(text) => match datetime::parse_timestamp(text, self.rules.zone) {
                Some(us) => S::TimestampMicrosecond(Some(us), Some(types::UTC.into())),
                None => return Err(SparkError::cast_invalid_input(text, "STRING", "TIMESTAMP")),
            },
            Literal::Time { nanos, .. } => S::Time64Nanosecond(Some(*nanos)),
            Literal::CalendarInterval { months, days, microseconds } => {
                let nanos = microseconds
                    .checked_mul(1000)
                    .ok_or_else(|| SparkError::unsupported("an interval of more than 292 years"))?;
                S::new_interval_mdn(*months, *days, nanos)
            }
            Literal::YearMonthInterval(months) => S::new_interval_ym(0, *months),
            Literal::DayTimeInterval(us) => S::DurationMicrosecond(Some(*us)),
            Literal::Array { element_type, elements } => {
                let element = types::to_arrow(element_type)?;
                let values = elements.iter().map(|e| self.literal(e)).collect::<Result<Vec<_>, _>>()?;
                let array = self.array_of(values, &element)?;
                let field = Arc::new(arrow::datatypes::Field::new("element", element, true));
                let offsets = arrow::buffer::OffsetBuffer::from_lengths([array.len()]);
                S::List(Arc::new(arrow::array::ListArray::try_new(field, offsets, array, None)?))
            }
            Literal::Map { key_type, value_type, entries } => {
                let data_type = types::to_arrow(&literal.data_type())?;
                let DataType::Map(field, sorted) = &data_type else { return Err(SparkError::internal("a map's type")) };
                let keys = entries.iter().map(|(k, _)| self.literal(k)).collect::<Result<Vec<_>, _>>()?;
                let values = entries.iter().map(|(_, v)| self.literal(v)).collect::<Result<Vec<_>, _>>()?;
                let keys = self.array_of(keys, &types::to_arrow(key_type)?)?;
                let values = self.array_of(values, &types::to_arrow(value_type)?)?;
                let DataType::Struct(pair) = field.data_type() else {
                    return Err(SparkError::internal("a map's entries"));
                };
                let len = keys.len();
                let entries = arrow::array::StructArray::try_new(pair.clone(), vec![keys, values], None)?;
                let offsets = arrow::buffer::OffsetBuffer::from_lengths([len]);
                let map = arrow::array::MapArray::try_new(Arc::clone(field), offsets, entries, None, *sorted)?;
                S::Map(Arc::new(map))
            }
            Literal::Struct { struct_type, values } => {
                let fields = types::arrow_fields(struct_type)?;
                let columns = values
                    .iter()
                    .zip(&fields)
                    .map(|(v, f)| self.array_of(vec![self.literal(v)?], f.data_type()))
                    .collect::<Result<Vec<_>, _>>()?;
                S::Struct(Arc::new(arrow::array::StructArray::try_new_with_length(fields, columns, None, 1)?))
            }
        })
    }

    fn array_of(&self, values: Vec<ScalarValue>, data_type: &DataType) -> Result<ArrayRef, SparkError> {
        if values.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        cast_array(&ScalarValue::iter_to_array(values)?, data_type, self.rules)
    }

    /// An order.
    pub(crate) fn sort(&self, order: &spec::SortOrder) -> Result<Sort, SparkError> {
        let value = self.expr(&order.child)?;
        Ok(Sort { expr: value.expr, asc: order.ascending, nulls_first: order.nulls_first })
    }

    /// The same place with aggregate functions allowed, whose calls are gathered.
    pub(crate) fn gathering<'b>(&'b self, aggregates: &'b RefCell<Aggregates>) -> Scope<'b> {
        Scope {
            session: self.session,
            state: self.state,
            columns: self.columns,
            schema: self.schema,
            rules: self.rules,
            case_sensitive: self.case_sensitive,
            aggregates: Some(aggregates),
        }
    }

    /// The same place without aggregate functions: the arguments of one.
    pub(crate) fn plain(&self) -> Scope<'_> {
        Scope {
            session: self.session,
            state: self.state,
            columns: self.columns,
            schema: self.schema,
            rules: self.rules,
            case_sensitive: self.case_sensitive,
            aggregates: None,
        }
    }

    /// Microseconds of the instant of a value, as engine timestamps are.
    pub(crate) fn timestamp(&self, value: Typed) -> Result<Typed, SparkError> {
        self.cast(value, &DataType::Timestamp(TimeUnit::Microsecond, Some(types::UTC.into())))
    }

    /// The wall-clock time of a value in the session's zone.
    pub(crate) fn wall_clock(&self, value: Typed) -> Result<Typed, SparkError> {
        if value.data_type == DataType::Date32 {
            return Ok(value);
        }
        let instant = if matches!(value.data_type, DataType::Timestamp(..)) { value } else { self.timestamp(value)? };
        self.cast(instant, &DataType::Timestamp(TimeUnit::Microsecond, None))
    }
}
