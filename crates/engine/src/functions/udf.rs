//! Our own functions as DataFusion knows functions. The resolver makes one instance for each call, with the types of that call
//! already in it, so that nothing has to be coerced or looked up afterwards.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result as DataFusionResult;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::cast::{CastRules, cast_array};
use crate::SparkError;
use crate::datetime::{DAY_US, Pattern, SECOND_US, Zone};
use crate::json::{JsonReader, JsonWriter};

/// What one of our functions computes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// A cast.
    Cast(DataType, CastRules),
    /// `from_json`.
    FromJson(JsonReader, DataType),
    /// `to_json`.
    ToJson(JsonWriter),
    /// `date_format` over microseconds.
    FormatTime(Pattern, Zone),
    /// Text to microseconds by a pattern.
    ParseTime(Pattern, CastRules),
    /// `get_json_object` with a constant path.
    JsonPath(super::json_path::JsonPath),
    /// An error when a row of the first argument is zero; the value otherwise.
    RefuseZero,
    /// An error with the text of the argument.
    RaiseError,
    /// Ours alone: stops the query where a divisor is zero or a number overflows, in ANSI mode.
    CheckedArithmetic(super::arithmetic::Operator),
}

/// One call of one of our functions.
#[derive(Debug)]
pub(crate) struct SparkFunction {
    name: &'static str,
    work: Work,
    returns: DataType,
    signature: Signature,
}

impl PartialEq for SparkFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.work == other.work && self.returns == other.returns
    }
}

impl Eq for SparkFunction {}

impl Hash for SparkFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.work.hash(state);
    }
}

impl SparkFunction {
    /// The call as an expression.
    pub(crate) fn call(name: &'static str, work: Work, returns: DataType, args: Vec<Expr>) -> Expr {
        let volatility = match work {
            // Not because its result varies: so that the optimiser neither repeats it in a filter below the projection in
            // which it stands nor merges it into another, either of which would parse every row twice.
            Work::FromJson(..) => Volatility::Volatile,
            Work::RefuseZero | Work::RaiseError => Volatility::Stable,
            _ => Volatility::Immutable,
        };
        let signature = Signature::any(args.len(), volatility);
        let udf = ScalarUDF::new_from_impl(Self { name, work, returns, signature });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
    }

    /// What a function of ours computes, if this is one.
    pub(crate) fn work_of(function: &ScalarFunction) -> Option<&Work> {
        function.func.inner().downcast_ref::<Self>().map(|ours| &ours.work)
    }
}

impl ScalarUDFImpl for SparkFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.returns.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        let nullable = match &self.work {
            Work::Cast(to, rules) => {
                let from = args.arg_fields.first();
                from.is_none_or(|from| from.is_nullable() || (!rules.ansi && may_lose(from.data_type(), to)))
            }
            Work::ToJson(_) | Work::RefuseZero | Work::CheckedArithmetic(_) | Work::FormatTime(..) => {
                args.arg_fields.iter().any(|f| f.is_nullable())
            }
            _ => true,
        };
        Ok(Arc::new(Field::new(self.name, self.returns.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let constant = !args.args.is_empty() && args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<DataFusionResult<Vec<_>>>()?;
        let result = self.run(&arrays).map_err(SparkError::into_datafusion)?;
        if constant {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

/// Whether a cast outside ANSI mode may turn a value into null.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    let to_text = matches!(to, DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8);
    let both_whole = from.is_integer() && (to.is_integer() || to.is_floating());
    let from_float = from.is_floating() && (to.is_integer() || to.is_floating());
    let times = from.is_temporal() && to.is_temporal();
    !(to_text || both_whole || from_float || times || super::cast::is_plain(from, to))
}

impl SparkFunction {
    fn run(&self, args: &[ArrayRef]) -> Result<ArrayRef, SparkError> {
        let [first, ..] = args else { return Err(SparkError::internal(format!("{} without arguments", self.name))) };
        match &self.work {
            Work::Cast(to, rules) => cast_array(first, to, *rules),
            Work::FromJson(reader, _) => reader.read(first),
            Work::ToJson(writer) => Ok(Arc::new(writer.write(first)?)),
            Work::FormatTime(pattern, zone) => {
                let micros = arrow::compute::cast(first, &DataType::Int64)?;
                let mut out = StringViewBuilder::with_capacity(first.len());
                let mut text = String::new();
                for value in micros.as_primitive::<arrow::datatypes::Int64Type>() {
                    match value {
                        None => out.append_null(),
                        Some(us) => {
                            text.clear();
                            let offset = zone.offset_at(us);
                            pattern.write(&mut text, us + i64::from(offset) * SECOND_US, offset);
                            out.append_value(&text);
                        }
                    }
                }
                Ok(Arc::new(out.finish()))
            }
            Work::ParseTime(pattern, rules) => {
                let text = super::cast::to_text(first, rules.zone)?;
                let mut values: Vec<Option<i64>> = Vec::with_capacity(text.len());
                for value in &text {
                    let parsed = value
                        .and_then(|v| pattern.read(v))
                        .map(|(local, zone)| zone.unwrap_or(rules.zone).to_utc(local));
                    if rules.ansi && parsed.is_none() && value.is_some() {
                        return Err(SparkError::new(
                            crate::Exception::DateTime,
                            "CANNOT_PARSE_TIMESTAMP",
                            "22007",
                            format!(
                                "Text '{}' could not be parsed by the pattern {}. Use `try_to_timestamp` to tolerate invalid input string and return NULL instead.",
                                value.unwrap_or_default(),
                                pattern.text()
                            ),
                        ));
                    }
                    values.push(parsed);
                }
                let array = arrow::array::TimestampMicrosecondArray::from(values).with_timezone(crate::types::UTC);
                if self.returns == DataType::Date32 {
                    let local: arrow::array::Date32Array =
                        array.unary(|us| i32::try_from(rules.zone.to_local(us).div_euclid(DAY_US)).unwrap_or_default());
                    return Ok(Arc::new(local));
                }
                Ok(Arc::new(array))
            }
            Work::JsonPath(path) => {
                let text = super::cast::to_text(first, Zone::UTC)?;
                Ok(Arc::new(path.read(&text)))
            }
            Work::RefuseZero => {
                super::arithmetic::refuse_zero(first)?;
                Ok(Arc::clone(first))
            }
            Work::RaiseError => {
                let text = super::cast::to_text(first, Zone::UTC)?;
                match text.iter().flatten().next() {
                    Some(text) => Err(SparkError::new(
                        crate::Exception::Runtime,
                        "USER_RAISED_EXCEPTION",
                        "P0001",
                        text.to_owned(),
                    )),
                    None => Ok(arrow::array::new_null_array(&self.returns, first.len())),
                }
            }
            Work::CheckedArithmetic(operator) => match args {
                [left, right] => operator.run(left, right),
                _ => Err(SparkError::internal("arithmetic takes two values")),
            },
        }
    }
}
