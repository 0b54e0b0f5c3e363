//! Constants on the wire of Spark Connect.

use spark_connect_proto::expression::{
    Literal as Message,
    literal::{LiteralType, specialized_array::ValueType},
};

use super::{Lower, required, types::data_type_from_proto};
use crate::{
    PlanError,
    spec::{DataType, Literal},
};

impl Lower<'_> {
    pub(super) fn literal(&mut self, message: &Message) -> Result<Literal, PlanError> {
        self.depth.enter()?;
        let literal = crate::with_stack(|| self.literal_here(message))?;
        self.depth.leave();
        Ok(literal)
    }

    #[allow(deprecated, reason = "clients before 4.1 send the types of elements in what are now deprecated fields")]
    fn literal_here(&mut self, message: &Message) -> Result<Literal, PlanError> {
        let declared = message.data_type.as_ref().map(data_type_from_proto).transpose()?;
        Ok(match required(message.literal_type.as_ref(), "a literal's value")? {
            LiteralType::Null(data_type) => Literal::Null(match declared {
                Some(declared) => declared,
                None => data_type_from_proto(data_type)?,
            }),
            LiteralType::Binary(bytes) => Literal::Binary(bytes.clone()),
            LiteralType::Boolean(value) => Literal::Boolean(*value),
            LiteralType::Byte(value) => {
                Literal::Byte(i8::try_from(*value).map_err(|_| PlanError::invalid(format!("{value} is no byte")))?)
            }
            LiteralType::Short(value) => {
                Literal::Short(i16::try_from(*value).map_err(|_| PlanError::invalid(format!("{value} is no short")))?)
            }
            LiteralType::Integer(value) => Literal::Integer(*value),
            LiteralType::Long(value) => Literal::Long(*value),
            LiteralType::Float(value) => Literal::Float(*value),
            LiteralType::Double(value) => Literal::Double(*value),
            LiteralType::Decimal(decimal) => {
                parse_decimal(&decimal.value, decimal.precision.zip(decimal.scale)).ok_or_else(|| {
                    PlanError::TypedLiteral { type_name: "\"DECIMAL\"".to_owned(), value: decimal.value.clone() }
                })?
            }
            LiteralType::String(value) => Literal::String(value.clone()),
            LiteralType::Date(days) => Literal::Date(*days),
            LiteralType::Timestamp(micros) => Literal::Timestamp(*micros),
            LiteralType::TimestampNtz(micros) => Literal::TimestampNtz(*micros),
            LiteralType::CalendarInterval(interval) => Literal::CalendarInterval {
                months: interval.months,
                days: interval.days,
                microseconds: interval.microseconds,
            },
            LiteralType::YearMonthInterval(months) => Literal::YearMonthInterval(*months),
            LiteralType::DayTimeInterval(micros) => Literal::DayTimeInterval(*micros),
            LiteralType::Time(time) => {
                let precision = u8::try_from(time.precision.unwrap_or(6)).unwrap_or(6).min(6);
                Literal::Time { nanos: time.nano, precision }
            }
            LiteralType::Array(array) => {
                let elements = self.literals(&array.elements)?;
                let element_type = match (declared, &array.element_type) {
                    (Some(DataType::Array { element, .. }), _) => *element,
                    (_, Some(data_type)) => data_type_from_proto(data_type)?,
                    _ => first_type(&elements),
                };
                Literal::Array { element_type, elements }
            }
            LiteralType::Map(map) => {
                let keys = self.literals(&map.keys)?;
                let values = self.literals(&map.values)?;
                if keys.len() != values.len() {
                    return Err(PlanError::invalid("a map literal has more keys than values, or fewer"));
                }
                let (key_type, value_type) = match (declared, &map.key_type, &map.value_type) {
                    (Some(DataType::Map { key, value, .. }), ..) => (*key, *value),
                    (_, Some(key), Some(value)) => (data_type_from_proto(key)?, data_type_from_proto(value)?),
                    _ => (first_type(&keys), first_type(&values)),
                };
                Literal::Map { key_type, value_type, entries: keys.into_iter().zip(values).collect() }
            }
            LiteralType::Struct(structure) => {
                let values = self.literals(&structure.elements)?;
                let declared = match (declared, &structure.struct_type) {
                    (Some(declared), _) => Some(declared),
                    (None, Some(data_type)) => Some(data_type_from_proto(data_type)?),
                    (None, None) => None,
                };
                match declared {
                    Some(DataType::Struct(struct_type)) if struct_type.fields.len() == values.len() => {
                        Literal::Struct { struct_type, values }
                    }
                    _ => return Err(PlanError::invalid("a struct literal does not have its type's fields")),
                }
            }
            LiteralType::SpecializedArray(array) => {
                let value_type = required(array.value_type.as_ref(), "an array's values")?;
                let (element_type, elements) = match value_type {
                    ValueType::Bools(v) => {
                        (DataType::Boolean, v.values.iter().copied().map(Literal::Boolean).collect())
                    }
                    ValueType::Ints(v) => (DataType::Integer, v.values.iter().copied().map(Literal::Integer).collect()),
                    ValueType::Longs(v) => (DataType::Long, v.values.iter().copied().map(Literal::Long).collect()),
                    ValueType::Floats(v) => (DataType::Float, v.values.iter().copied().map(Literal::Float).collect()),
                    ValueType::Doubles(v) => {
                        (DataType::Double, v.values.iter().copied().map(Literal::Double).collect())
                    }
                    ValueType::Strings(v) => {
                        (DataType::String, v.values.iter().cloned().map(Literal::String).collect())
                    }
                };
                Literal::Array { element_type, elements }
            }
            LiteralType::TimestampNtzNanos(_) | LiteralType::TimestampLtzNanos(_) => {
                return Err(PlanError::unsupported("timestamps in nanoseconds"));
            }
        })
    }

    fn literals(&mut self, messages: &[Message]) -> Result<Vec<Literal>, PlanError> {
        messages.iter().map(|message| self.literal(message)).collect()
    }
}

/// What elements are when nobody said: as the first, or nothing.
fn first_type(elements: &[Literal]) -> DataType {
    elements.first().map_or(DataType::Null, Literal::data_type)
}

/// `-12.50` as a decimal of its own precision and scale, or of the given ones.
pub(crate) fn parse_decimal(text: &str, precision_and_scale: Option<(i32, i32)>) -> Option<Literal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut unscaled: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    while scale < 0 {
        unscaled = unscaled.checked_mul(10)?;
        scale += 1;
    }
    let precision = match precision_and_scale {
        None => i32::try_from(unscaled.to_string().len()).ok()?.max(scale),
        Some((precision, wanted)) => {
            while scale < wanted {
                unscaled = unscaled.checked_mul(10)?;
                scale += 1;
            }
            while scale > wanted && unscaled % 10 == 0 {
                unscaled /= 10;
                scale -= 1;
            }
            if scale > wanted {
                return None;
            }
            precision
        }
    };
    let precision = u8::try_from(precision).ok().filter(|p| (1..=38).contains(p))?;
    let scale = i8::try_from(scale).ok().filter(|s| *s <= 38)?;
    if unscaled.to_string().len() > 38 {
        return None;
    }
    Some(Literal::Decimal { unscaled: if negative { -unscaled } else { unscaled }, precision, scale })
}
