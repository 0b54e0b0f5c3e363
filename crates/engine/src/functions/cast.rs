//! Spark's casts. Outside ANSI mode a value that cannot be cast is null and numbers wrap around; in ANSI mode both are errors.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringViewArray,
    StringViewBuilder, StructArray, new_null_array,
};
use arrow::compute;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};

use crate::datetime::{
    DAY_US, SECOND_US, Zone, parse_date, parse_timestamp, parse_timestamp_ntz, write_date, write_local_timestamp,
};
use crate::number::{parse_decimal, write_decimal, write_double, write_float};
use crate::{Exception, SparkError, types};

/// How a cast behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CastRules {
    /// What cannot be cast is an error.
    pub ansi: bool,
    /// The session's zone.
    pub zone: Zone,
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Whether DataFusion's own cast does what Spark does, so that its optimiser may see through it.
pub(crate) fn is_plain(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Null};
    if from == to || from == &Null || (is_text(from) && is_text(to)) || (is_bytes(from) && is_bytes(to)) {
        return true;
    }
    match (from, to) {
        (Int8, Int16 | Int32 | Int64 | Float32 | Float64)
        | (Int16, Int32 | Int64 | Float32 | Float64)
        | (Int32, Int64 | Float32 | Float64)
        | (Int64, Float32 | Float64)
        | (Float32, Float64)
        | (Float64, Float32)
        | (Boolean, Int8 | Int16 | Int32 | Int64 | Float32 | Float64)
        | (Decimal128(..), Float32 | Float64) => true,
        (Int8 | Int16 | Int32 | Int64, Decimal128(p, s)) => {
            // Wide enough for any value of the type, so that nothing can overflow.
            let digits = match from {
                Int8 => 3,
                Int16 => 5,
                Int32 => 10,
                _ => 19,
            };
            i16::from(*p) - i16::from(*s) >= digits
        }
        (Decimal128(p1, s1), Decimal128(p2, s2)) => {
            s2 >= s1 && i16::from(*p2) - i16::from(*s2) >= i16::from(*p1) - i16::from(*s1)
        }
        (Date32, Int32) => false,
        _ => false,
    }
}

/// Whether Spark casts one type to the other at all.
pub(crate) fn can_cast(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, List, Map, Null, Struct, Timestamp};
    if from == to || from == &Null || is_text(to) || (is_text(from) && !to.is_nested()) {
        return true;
    }
    match (from, to) {
        (f, t) if is_bytes(t) => is_bytes(f) || f.is_integer(),
        (f, t) if is_bytes(f) => t.is_integer(),
        (f, t) if f.is_numeric() && (t.is_numeric() || matches!(t, Boolean | Timestamp(_, Some(_)))) => true,
        (Boolean, t) => t.is_numeric() || matches!(t, Timestamp(_, Some(_))),
        (Date32, Timestamp(..)) => true,
        (Timestamp(..), Date32 | Timestamp(..)) => true,
        (Timestamp(_, Some(_)), t) => t.is_numeric(),
        (List(f), List(t)) => can_cast(f.data_type(), t.data_type()),
        (Map(f, _), Map(t, _)) => can_cast(f.data_type(), t.data_type()),
        (Struct(f), Struct(t)) => {
            f.len() == t.len() && f.iter().zip(t).all(|(f, t)| can_cast(f.data_type(), t.data_type()))
        }
        _ => false,
    }
}

/// Casts a column.
pub fn cast_array(input: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef, SparkError> {
    use DataType::{Boolean, Date32, Decimal128, List, Map, Null, Struct, Timestamp};
    let from = input.data_type();
    if from == to {
        return Ok(Arc::clone(input));
    }
    match (from, to) {
        (Null, _) => Ok(new_null_array(to, input.len())),
        (DataType::Dictionary(_, value), _) => cast_array(&compute::cast(input, value)?, to, rules),
        (f, t) if is_text(f) && is_text(t) => Ok(compute::cast(input, to)?),
        (_, t) if is_text(t) => {
            let text: ArrayRef = Arc::new(to_text(input, rules.zone)?);
            Ok(if t == &DataType::Utf8View { text } else { compute::cast(&text, to)? })
        }
        (f, t) if is_text(f) => {
            let text = compute::cast(input, &DataType::Utf8View)?;
            from_text(text.as_string_view(), t, rules)
        }
        (f, t) if is_plain(f, t) => Ok(compute::cast(input, to)?),
        (f, t) if f.is_floating() && t.is_integer() => float_to_whole(input, t, rules),
        (f, t) if f.is_integer() && t.is_integer() => narrow(input, t, rules),
        (f, t) if f.is_integer() && is_bytes(t) => Ok(whole_to_bytes(input, t)?),
        (Decimal128(..), t) if t.is_integer() => {
            let whole = checked(compute::cast(input, &Decimal128(38, 0))?, input, to, rules)?;
            let wide = checked(compute::cast(&whole, &DataType::Int64)?, input, to, rules)?;
            narrow(&wide, t, rules)
        }
        (f, Decimal128(..)) if f.is_numeric() || f == &Boolean => {
            let source = if f == &Boolean { compute::cast(input, &DataType::Int64)? } else { Arc::clone(input) };
            checked(compute::cast(&source, to)?, input, to, rules)
        }
        (f, Boolean) if f.is_numeric() => Ok(compute::cast(input, to)?),
        (Boolean, t) if t.is_numeric() => Ok(compute::cast(input, to)?),
        (Date32, Timestamp(TimeUnit::Microsecond, zone)) => {
            let has_zone = zone.is_some();
            let values: PrimitiveArray<TimestampMicrosecondType> = input.as_primitive::<Date32Type>().unary(|days| {
                let local = i64::from(days) * DAY_US;
                if has_zone { rules.zone.to_utc(local) } else { local }
            });
            Ok(Arc::new(values.with_timezone_opt(zone.clone())))
        }
        (Timestamp(unit, zone), _) => {
            let has_zone = zone.is_some();
            let micros = if *unit == TimeUnit::Microsecond {
                Arc::clone(input)
            } else {
                compute::cast(input, &Timestamp(TimeUnit::Microsecond, zone.clone()))?
            };
            from_timestamp(micros.as_primitive(), has_zone, to, rules)
        }
        (f, Timestamp(TimeUnit::Microsecond, zone)) if f.is_numeric() || f == &Boolean => {
            let values: PrimitiveArray<TimestampMicrosecondType> = if f.is_floating() {
                let seconds = compute::cast(input, &DataType::Float64)?;
                #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "as Java does it")]
                seconds
                    .as_primitive::<Float64Type>()
                    .unary_opt(|s| s.is_finite().then_some((s * SECOND_US as f64) as i64))
            } else {
                let seconds = compute::cast(input, &DataType::Int64)?;
                seconds.as_primitive::<Int64Type>().unary(|s| s.saturating_mul(SECOND_US))
            };
            Ok(Arc::new(values.with_timezone_opt(zone.clone())))
        }
        (List(_), List(field)) => {
            let list = input.as_list::<i32>();
            let child = cast_array(list.values(), field.data_type(), rules)?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), child, list.nulls().cloned())?))
        }
        (Map(_, _), Map(field, sorted)) => {
            let map = input.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = cast_array(&entries, field.data_type(), rules)?;
            let entries = entries.as_struct().clone();
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(field),
                map.offsets().clone(),
                entries,
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        (Struct(_), Struct(fields)) => {
            let array = input.as_struct();
            let columns = array
                .columns()
                .iter()
                .zip(fields)
                .map(|(column, field)| cast_array(column, field.data_type(), rules))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                array.nulls().cloned(),
                array.len(),
            )?))
        }
        // Large lists and what else Arrow knows as the same thing in another shape.
        _ => Ok(compute::cast(input, to)?),
    }
}

fn type_name(data_type: &DataType) -> String {
    types::from_arrow_type(data_type)
        .map_or_else(|_| data_type.to_string(), |spark| andiron_plan::types::sql_string(&spark))
}

fn overflow(value: &str, from: &DataType, to: &DataType) -> SparkError {
    let (from, to) = (type_name(from), type_name(to));
    SparkError::new(
        Exception::Arithmetic,
        "CAST_OVERFLOW",
        "22003",
        format!(
            "The value {value} of the type \"{from}\" cannot be cast to \"{to}\" due to an overflow. \
             Use `try_cast` to tolerate overflow and return NULL instead."
        ),
    )
    .with("value", value)
    .with("sourceType", format!("\"{from}\""))
    .with("targetType", format!("\"{to}\""))
}

/// In ANSI mode: an error if the cast lost a value.
fn checked(cast: ArrayRef, input: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef, SparkError> {
    if rules.ansi && cast.null_count() > input.null_count() {
        let row = (0..input.len()).find(|&row| cast.is_null(row) && input.is_valid(row)).unwrap_or(0);
        let value = to_text(&input.slice(row, 1), rules.zone)?;
        return Err(overflow(value.value(0), input.data_type(), to));
    }
    Ok(cast)
}

fn float_to_whole(input: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef, SparkError> {
    let wide = compute::cast(input, &DataType::Float64)?;
    let wide = wide.as_primitive::<Float64Type>();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "Java's narrowing of doubles is Rust's: towards zero, saturating"
    )]
    let cast: ArrayRef = match to {
        DataType::Int64 => Arc::new(wide.unary::<_, Int64Type>(|v| v as i64)),
        DataType::Int32 => Arc::new(wide.unary::<_, Int32Type>(|v| v as i32)),
        // Java narrows to int first, then cuts bits off.
        DataType::Int16 => Arc::new(wide.unary::<_, Int16Type>(|v| (v as i32) as i16)),
        DataType::Int8 => Arc::new(wide.unary::<_, Int8Type>(|v| (v as i32) as i8)),
        other => compute::cast(wide, other)?,
    };
    if rules.ansi {
        let back = compute::cast(&cast, &DataType::Float64)?;
        let back = back.as_primitive::<Float64Type>();
        for row in 0..wide.len() {
            if wide.is_valid(row) {
                let value = wide.value(row);
                #[allow(clippy::float_cmp, reason = "whole doubles compare exactly")]
                if value.is_nan() || value.trunc() != back.value(row) {
                    let mut text = String::new();
                    write_double(&mut text, value);
                    text.push('D');
                    return Err(overflow(&text, input.data_type(), to));
                }
            }
        }
    }
    Ok(cast)
}

fn narrow(input: &ArrayRef, to: &DataType, rules: CastRules) -> Result<ArrayRef, SparkError> {
    let wide = compute::cast(input, &DataType::Int64)?;
    if rules.ansi {
        return checked(compute::cast(&wide, to)?, input, to, rules);
    }
    let wide = wide.as_primitive::<Int64Type>();
    #[allow(clippy::cast_possible_truncation, reason = "Java cuts the upper bits off")]
    Ok(match to {
        DataType::Int8 => Arc::new(wide.unary::<_, Int8Type>(|v| v as i8)),
        DataType::Int16 => Arc::new(wide.unary::<_, Int16Type>(|v| v as i16)),
        DataType::Int32 => Arc::new(wide.unary::<_, Int32Type>(|v| v as i32)),
        DataType::Int64 => Arc::new(wide.clone()),
        other => compute::cast(wide, other)?,
    })
}

fn whole_to_bytes(input: &ArrayRef, to: &DataType) -> Result<ArrayRef, SparkError> {
    let width = input.data_type().primitive_width().unwrap_or(8);
    let wide = compute::cast(input, &DataType::Int64)?;
    let wide = wide.as_primitive::<Int64Type>();
    let bytes: arrow::array::BinaryViewArray =
        wide.iter().map(|v| v.map(|v| v.to_be_bytes()[8 - width..].to_vec())).collect();
    Ok(compute::cast(&bytes, to)?)
}

fn from_timestamp(
    input: &PrimitiveArray<TimestampMicrosecondType>,
    has_zone: bool,
    to: &DataType,
    rules: CastRules,
) -> Result<ArrayRef, SparkError> {
    let zone = rules.zone;
    Ok(match to {
        DataType::Date32 => {
            let days: PrimitiveArray<Date32Type> = input.unary(|us| {
                let local = if has_zone { zone.to_local(us) } else { us };
                i32::try_from(local.div_euclid(DAY_US)).unwrap_or(0)
            });
            Arc::new(days)
        }
        DataType::Timestamp(unit, target) => {
            let values: PrimitiveArray<TimestampMicrosecondType> = match (has_zone, target.is_some()) {
                (true, false) => input.unary(|us| zone.to_local(us)),
                (false, true) => input.unary(|us| zone.to_utc(us)),
                _ => input.clone(),
            };
            let values: ArrayRef = Arc::new(values.with_timezone_opt(target.clone()));
            if *unit == TimeUnit::Microsecond { values } else { compute::cast(&values, to)? }
        }
        t if t.is_floating() || matches!(t, DataType::Decimal128(..)) => {
            #[allow(clippy::cast_precision_loss, reason = "seconds as a double, as Java does it")]
            let seconds: PrimitiveArray<Float64Type> = input.unary(|us| us as f64 / SECOND_US as f64);
            compute::cast(&seconds, t)?
        }
        t if t.is_integer() => {
            let seconds: PrimitiveArray<Int64Type> = input.unary(|us| us.div_euclid(SECOND_US));
            let seconds: ArrayRef = Arc::new(seconds);
            narrow(&seconds, t, rules)?
        }
        other => return Err(SparkError::unsupported(format!("a cast of TIMESTAMP to {}", type_name(other)))),
    })
}

/// Parses each text; one that does not parse is null or, in ANSI mode, an error.
fn parse_each<T: ArrowPrimitiveType>(
    text: &StringViewArray,
    to: &DataType,
    ansi: bool,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, SparkError> {
    let mut out = PrimitiveArray::<T>::builder(text.len());
    for value in text {
        match value {
            None => out.append_null(),
            Some(value) => match parse(value) {
                Some(parsed) => out.append_value(parsed),
                None if ansi => return Err(SparkError::cast_invalid_input(value, "STRING", &type_name(to))),
                None => out.append_null(),
            },
        }
    }
    Ok(out.finish())
}

fn from_text(text: &StringViewArray, to: &DataType, rules: CastRules) -> Result<ArrayRef, SparkError> {
    fn whole<N: TryFrom<i64>>(value: &str, ansi: bool) -> Option<N> {
        N::try_from(parse_whole(value, ansi)?).ok()
    }
    let ansi = rules.ansi;
    #[allow(clippy::cast_possible_truncation, reason = "a float is read as a double and narrowed, as Java does it")]
    Ok(match to {
        DataType::Int8 => Arc::new(parse_each::<Int8Type>(text, to, ansi, |v| whole(v, ansi))?),
        DataType::Int16 => Arc::new(parse_each::<Int16Type>(text, to, ansi, |v| whole(v, ansi))?),
        DataType::Int32 => Arc::new(parse_each::<Int32Type>(text, to, ansi, |v| whole(v, ansi))?),
        DataType::Int64 => Arc::new(parse_each::<Int64Type>(text, to, ansi, |v| whole(v, ansi))?),
        DataType::Float32 => {
            Arc::new(parse_each::<Float32Type>(text, to, ansi, |v| parse_double(v).map(|v| v as f32))?)
        }
        DataType::Float64 => Arc::new(parse_each::<Float64Type>(text, to, ansi, parse_double)?),
        DataType::Decimal128(precision, scale) => Arc::new(
            parse_each::<Decimal128Type>(text, to, ansi, |v| parse_decimal(v, *precision, *scale))?
                .with_data_type(to.clone()),
        ),
        DataType::Date32 => Arc::new(parse_each::<Date32Type>(text, to, ansi, parse_date)?),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => Arc::new(
            parse_each::<TimestampMicrosecondType>(text, to, ansi, |v| parse_timestamp(v, rules.zone))?
                .with_timezone(Arc::clone(zone)),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Arc::new(parse_each::<TimestampMicrosecondType>(text, to, ansi, parse_timestamp_ntz)?)
        }
        DataType::Boolean => {
            let mut out = BooleanArray::builder(text.len());
            for value in text {
                match value.map(|v| (v, v.trim().to_ascii_lowercase())) {
                    None => out.append_null(),
                    Some((raw, lower)) => match lower.as_str() {
                        "t" | "true" | "y" | "yes" | "1" => out.append_value(true),
                        "f" | "false" | "n" | "no" | "0" => out.append_value(false),
                        _ if ansi => return Err(SparkError::cast_invalid_input(raw, "STRING", "BOOLEAN")),
                        _ => out.append_null(),
                    },
                }
            }
            Arc::new(out.finish())
        }
        t if is_bytes(t) => {
            let bytes: ArrayRef = Arc::new(text.clone().to_binary_view());
            compute::cast(&bytes, t)?
        }
        other => return Err(SparkError::unsupported(format!("a cast of STRING to {}", type_name(other)))),
    })
}

/// A whole number with blanks around it; outside ANSI mode digits behind a point are dropped.
fn parse_whole(text: &str, ansi: bool) -> Option<i64> {
    let text = text.trim();
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let (whole, fraction) = text.split_once('.')?;
    if ansi || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match whole {
        "" | "-" | "+" => (!fraction.is_empty()).then_some(0),
        digits => digits.parse().ok(),
    }
}

fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let bare =
        text.strip_suffix(['d', 'D', 'f', 'F']).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
    let number = bare.unwrap_or(text);
    match number.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "+inf" | "infinity" | "+infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ => number.parse().ok(),
    }
}

/// Any column as text, as `CAST(.. AS STRING)` prints it.
pub(crate) fn to_text(input: &ArrayRef, zone: Zone) -> Result<StringViewArray, SparkError> {
    if is_bytes(input.data_type()) {
        return bytes_to_text(input);
    }
    if is_text(input.data_type()) {
        return Ok(compute::cast(input, &DataType::Utf8View)?.as_string_view().clone());
    }
    let printer = Printer::new(input, zone, false)?;
    let mut out = StringViewBuilder::with_capacity(input.len());
    let mut text = String::new();
    for row in 0..input.len() {
        if input.is_null(row) {
            out.append_null();
        } else {
            text.clear();
            printer.write(row, &mut text);
            out.append_value(&text);
        }
    }
    Ok(out.finish())
}

/// Bytes as text. Spark keeps bytes that are not UTF-8 as they are; Arrow's text cannot, so they become replacement characters.
/// Valid text, which is nearly always all of it, is not copied.
fn bytes_to_text(input: &ArrayRef) -> Result<StringViewArray, SparkError> {
    let views = compute::cast(input, &DataType::BinaryView)?;
    let views = views.as_binary_view();
    if let Ok(text) = views.clone().to_string_view() {
        return Ok(text);
    }
    Ok(views.iter().map(|v| v.map(String::from_utf8_lossy)).collect())
}

/// Prints the values of a column; also what `show` uses, whose nested nulls read `NULL`.
pub(crate) struct Printer {
    kind: Kind,
    zone: Zone,
    null: &'static str,
}

enum Kind {
    Null,
    Boolean(BooleanArray),
    Whole(PrimitiveArray<Int64Type>),
    Float(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, i8),
    Text(StringViewArray),
    Bytes(arrow::array::BinaryViewArray),
    Date(PrimitiveArray<Date32Type>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>, bool),
    List(ListArray, Box<Printer>),
    Map(MapArray, Box<Printer>, Box<Printer>),
    Struct(StructArray, Vec<Printer>),
    Other(ArrayRef),
}

impl Printer {
    /// A printer; for `show`, bytes are printed in hexadecimal and nested nulls in capitals.
    pub(crate) fn new(input: &ArrayRef, zone: Zone, for_show: bool) -> Result<Self, SparkError> {
        let child = |array: &ArrayRef| Self::new(array, zone, for_show);
        let kind = match input.data_type() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Boolean(input.as_boolean().clone()),
            t if t.is_integer() => Kind::Whole(compute::cast(input, &DataType::Int64)?.as_primitive().clone()),
            DataType::Float32 => Kind::Float(input.as_primitive().clone()),
            DataType::Float64 => Kind::Double(input.as_primitive().clone()),
            DataType::Decimal128(_, scale) => Kind::Decimal(input.as_primitive().clone(), *scale),
            t if is_text(t) => Kind::Text(compute::cast(input, &DataType::Utf8View)?.as_string_view().clone()),
            t if is_bytes(t) && for_show => {
                Kind::Bytes(compute::cast(input, &DataType::BinaryView)?.as_binary_view().clone())
            }
            t if is_bytes(t) => Kind::Text(bytes_to_text(input)?),
            DataType::Date32 => Kind::Date(input.as_primitive().clone()),
            DataType::Timestamp(_, own) => {
                let has_zone = own.is_some();
                let micros = compute::cast(input, &DataType::Timestamp(TimeUnit::Microsecond, own.clone()))?;
                Kind::Timestamp(micros.as_primitive().clone(), has_zone)
            }
            DataType::List(_) => {
                let list = input.as_list::<i32>().clone();
                let values = child(list.values())?;
                Kind::List(list, Box::new(values))
            }
            DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                return Self::new(&compute::cast(input, &DataType::List(Arc::clone(field)))?, zone, for_show);
            }
            DataType::Map(..) => {
                let map = input.as_map().clone();
                let (keys, values) = (child(map.keys())?, child(map.values())?);
                Kind::Map(map, Box::new(keys), Box::new(values))
            }
            DataType::Struct(_) => {
                let array = input.as_struct().clone();
                let children = array.columns().iter().map(child).collect::<Result<_, _>>()?;
                Kind::Struct(array, children)
            }
            DataType::Dictionary(_, value) => return Self::new(&compute::cast(input, value)?, zone, for_show),
            _ => Kind::Other(Arc::clone(input)),
        };
        Ok(Self { kind, zone, null: if for_show { "NULL" } else { "null" } })
    }

    fn is_null(&self, row: usize) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Boolean(a) => a.is_null(row),
            Kind::Whole(a) => a.is_null(row),
            Kind::Float(a) => a.is_null(row),
            Kind::Double(a) => a.is_null(row),
            Kind::Decimal(a, _) => a.is_null(row),
            Kind::Text(a) => a.is_null(row),
            Kind::Bytes(a) => a.is_null(row),
            Kind::Date(a) => a.is_null(row),
            Kind::Timestamp(a, _) => a.is_null(row),
            Kind::List(a, _) => a.is_null(row),
            Kind::Map(a, ..) => a.is_null(row),
            Kind::Struct(a, _) => a.is_null(row),
            Kind::Other(a) => a.is_null(row),
        }
    }

    /// Appends a value, or the word for null.
    pub(crate) fn write_or_null(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str(self.null);
        } else {
            self.write(row, out);
        }
    }

    fn write(&self, row: usize, out: &mut String) {
        use std::fmt::Write;
        let range = |from: i32, to: i32| usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
        match &self.kind {
            Kind::Null => out.push_str(self.null),
            Kind::Boolean(a) => out.push_str(if a.value(row) { "true" } else { "false" }),
            // Writing to a String cannot fail.
            Kind::Whole(a) => {
                let _ = write!(out, "{}", a.value(row));
            }
            Kind::Float(a) => write_float(out, a.value(row)),
            Kind::Double(a) => write_double(out, a.value(row)),
            Kind::Decimal(a, scale) => write_decimal(out, a.value(row), *scale),
            Kind::Text(a) => out.push_str(a.value(row)),
            Kind::Bytes(a) => {
                out.push('[');
                for (i, byte) in a.value(row).iter().enumerate() {
                    let _ = write!(out, "{}{byte:02X}", if i == 0 { "" } else { " " });
                }
                out.push(']');
            }
            Kind::Date(a) => write_date(out, i64::from(a.value(row))),
            Kind::Timestamp(a, has_zone) => {
                let us = a.value(row);
                write_local_timestamp(out, if *has_zone { self.zone.to_local(us) } else { us });
            }
            Kind::List(a, child) => {
                out.push('[');
                let range = range(a.value_offsets()[row], a.value_offsets()[row + 1]);
                for i in range.clone() {
                    if i > range.start {
                        out.push_str(", ");
                    }
                    child.write_or_null(i, out);
                }
                out.push(']');
            }
            Kind::Map(a, keys, values) => {
                out.push('{');
                let range = range(a.value_offsets()[row], a.value_offsets()[row + 1]);
                for i in range.clone() {
                    if i > range.start {
                        out.push_str(", ");
                    }
                    keys.write_or_null(i, out);
                    out.push_str(" -> ");
                    values.write_or_null(i, out);
                }
                out.push('}');
            }
            Kind::Struct(_, children) => {
                out.push('{');
                for (i, child) in children.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    child.write_or_null(row, out);
                }
                out.push('}');
            }
            Kind::Other(a) => {
                if let Ok(text) = arrow::util::display::array_value_to_string(a, row) {
                    out.push_str(&text);
                }
            }
        }
    }
}
