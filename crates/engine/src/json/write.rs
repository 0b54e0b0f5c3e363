//! Arrow values to JSON text: the work of `to_json`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, GenericListArray, MapArray, PrimitiveArray,
    StringViewArray, StringViewBuilder, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use base64::Engine as _;

use super::options::JsonWriteOptions;
use super::tape::write_text;
use crate::SparkError;
use crate::datetime::{DAY_US, write_date, write_json_timestamp};
use crate::number::{write_decimal, write_double, write_float};

/// Writes structs, lists and maps as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonWriter {
    options: JsonWriteOptions,
}

impl JsonWriter {
    /// A writer.
    pub fn new(options: JsonWriteOptions) -> Self {
        Self { options }
    }

    /// One text for each value; null for null.
    pub fn write(&self, input: &ArrayRef) -> Result<StringViewArray, SparkError> {
        let encoder = Encoder::new(input)?;
        let mut out = StringViewBuilder::with_capacity(input.len());
        let mut text = String::new();
        for row in 0..input.len() {
            if input.is_null(row) {
                out.append_null();
            } else {
                text.clear();
                encoder.write(row, &mut text, &self.options);
                out.append_value(&text);
            }
        }
        Ok(out.finish())
    }
}

/// An array with its type already looked at, so that rows need no dispatch on `DataType`.
enum Encoder {
    Null,
    Boolean(BooleanArray),
    Byte(PrimitiveArray<Int8Type>),
    Short(PrimitiveArray<Int16Type>),
    Int(PrimitiveArray<Int32Type>),
    Long(PrimitiveArray<Int64Type>),
    Float(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, i8),
    Text(StringViewArray),
    Binary(BinaryViewArray),
    Date(PrimitiveArray<Date32Type>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>, bool),
    Duration(PrimitiveArray<DurationMicrosecondType>),
    List(GenericListArray<i64>, Box<Encoder>),
    Map(MapArray, StringViewArray, Box<Encoder>),
    Struct(StructArray, Vec<(String, Option<NullBuffer>, Encoder)>),
}

impl Encoder {
    fn new(array: &ArrayRef) -> Result<Self, SparkError> {
        fn of<T: ArrowPrimitiveType>(array: &ArrayRef) -> PrimitiveArray<T> {
            array.as_primitive::<T>().clone()
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Self::Byte(of(array)),
            DataType::Int16 => Self::Short(of(array)),
            DataType::Int32 => Self::Int(of(array)),
            DataType::Int64 => Self::Long(of(array)),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Self::Long(of(&cast(array, &DataType::Int64)?)),
            DataType::Float32 => Self::Float(of(array)),
            DataType::Float64 => Self::Double(of(array)),
            DataType::Decimal128(_, scale) => Self::Decimal(of(array), *scale),
            DataType::Utf8View => Self::Text(array.as_string_view().clone()),
            DataType::Utf8 | DataType::LargeUtf8 => {
                Self::Text(cast(array, &DataType::Utf8View)?.as_string_view().clone())
            }
            DataType::BinaryView => Self::Binary(array.as_binary_view().clone()),
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                Self::Binary(cast(array, &DataType::BinaryView)?.as_binary_view().clone())
            }
            DataType::Date32 => Self::Date(of(array)),
            DataType::Timestamp(unit, zone) => {
                let has_zone = zone.is_some();
                let array = if *unit == TimeUnit::Microsecond {
                    Arc::clone(array)
                } else {
                    cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?
                };
                Self::Timestamp(of(&array), has_zone)
            }
            DataType::Duration(TimeUnit::Microsecond) => Self::Duration(of(array)),
            DataType::List(field) => {
                let list = cast(array, &DataType::LargeList(Arc::clone(field)))?;
                let list = list.as_list::<i64>().clone();
                let child = Self::new(list.values())?;
                Self::List(list, Box::new(child))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>().clone();
                let child = Self::new(list.values())?;
                Self::List(list, Box::new(child))
            }
            DataType::Map(_, _) => {
                let map = array.as_map().clone();
                let keys = crate::functions::cast::to_text(map.keys(), crate::datetime::Zone::UTC)?;
                let values = Self::new(map.values())?;
                Self::Map(map, keys, Box::new(values))
            }
            DataType::Struct(fields) => {
                let array = array.as_struct().clone();
                let children = fields
                    .iter()
                    .zip(array.columns())
                    .map(|(field, column)| Ok((field.name().clone(), column.logical_nulls(), Self::new(column)?)))
                    .collect::<Result<Vec<_>, SparkError>>()?;
                Self::Struct(array, children)
            }
            DataType::Dictionary(_, value) => Self::new(&cast(array, value)?)?,
            DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
                return Err(SparkError::unsupported("to_json of intervals"));
            }
            other => return Err(SparkError::unsupported(format!("to_json of {other}"))),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Null => true,
            Self::Boolean(a) => a.is_null(row),
            Self::Byte(a) => a.is_null(row),
            Self::Short(a) => a.is_null(row),
            Self::Int(a) => a.is_null(row),
            Self::Long(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Double(a) => a.is_null(row),
            Self::Decimal(a, _) => a.is_null(row),
            Self::Text(a) => a.is_null(row),
            Self::Binary(a) => a.is_null(row),
            Self::Date(a) => a.is_null(row),
            Self::Timestamp(a, _) => a.is_null(row),
            Self::Duration(a) => a.is_null(row),
            Self::List(a, _) => a.is_null(row),
            Self::Map(a, ..) => a.is_null(row),
            Self::Struct(a, _) => a.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut String, options: &JsonWriteOptions) {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let whole = |value: i64, out: &mut String| {
            let _ = write!(out, "{value}");
        };
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(a) => out.push_str(if a.value(row) { "true" } else { "false" }),
            Self::Byte(a) => whole(i64::from(a.value(row)), out),
            Self::Short(a) => whole(i64::from(a.value(row)), out),
            Self::Int(a) => whole(i64::from(a.value(row)), out),
            Self::Long(a) => whole(a.value(row), out),
            Self::Duration(a) => whole(a.value(row), out),
            Self::Float(a) if a.value(row).is_finite() => write_float(out, a.value(row)),
            Self::Double(a) if a.value(row).is_finite() => write_double(out, a.value(row)),
            Self::Float(a) => quoted(out, |out| write_float(out, a.value(row))),
            Self::Double(a) => quoted(out, |out| write_double(out, a.value(row))),
            Self::Decimal(a, scale) => write_decimal(out, a.value(row), *scale),
            Self::Text(a) => write_text(out, a.value(row)),
            Self::Binary(a) => {
                quoted(out, |out| base64::engine::general_purpose::STANDARD.encode_string(a.value(row), out));
            }
            Self::Date(a) => quoted(out, |out| match &options.date_format {
                Some(pattern) => pattern.write(out, i64::from(a.value(row)) * DAY_US, 0),
                None => write_date(out, i64::from(a.value(row))),
            }),
            Self::Timestamp(a, has_zone) => quoted(out, |out| {
                let zone = has_zone.then_some(options.zone);
                match &options.timestamp_format {
                    Some(pattern) => {
                        let offset = zone.map_or(0, |zone| zone.offset_at(a.value(row)));
                        pattern.write(out, a.value(row) + i64::from(offset) * crate::datetime::SECOND_US, offset);
                    }
                    None => write_json_timestamp(out, a.value(row), zone),
                }
            }),
            Self::List(a, child) => {
                out.push('[');
                let offsets = a.value_offsets();
                let range = at(offsets[row])..at(offsets[row + 1]);
                for i in range.clone() {
                    if i > range.start {
                        out.push(',');
                    }
                    child.write_or_null(i, out, options);
                }
                out.push(']');
            }
            Self::Map(a, keys, values) => {
                out.push('{');
                let offsets = a.value_offsets();
                let range = at(i64::from(offsets[row]))..at(i64::from(offsets[row + 1]));
                let mut first = true;
                for i in range {
                    // A map keeps its nulls, unlike a struct.
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    write_text(out, keys.value(i));
                    out.push(':');
                    values.write_or_null(i, out, options);
                }
                out.push('}');
            }
            Self::Struct(_, children) => {
                out.push('{');
                let mut first = true;
                for (name, nulls, child) in children {
                    let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                    if is_null && options.ignore_null_fields {
                        continue;
                    }
                    if !first {
                        out.push(',');
                    }
                    first = false;
                    write_text(out, name);
                    out.push(':');
                    if is_null {
                        out.push_str("null");
                    } else {
                        child.write(row, out, options);
                    }
                }
                out.push('}');
            }
        }
    }

    fn write_or_null(&self, row: usize, out: &mut String, options: &JsonWriteOptions) {
        if self.is_null(row) {
            out.push_str("null");
        } else {
            self.write(row, out, options);
        }
    }
}

fn quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

fn at(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or(0)
}
