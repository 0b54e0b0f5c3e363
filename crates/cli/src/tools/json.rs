//! Fields of the JSON files that tools read, with the complaints of Kafka's own decoder (`org.apache.kafka.server.util.json`).

use serde_json::Value;

use super::failure::Thrown;

const MAPPING: &str = "com.fasterxml.jackson.databind.JsonMappingException";

/// A value of the wrong kind.
pub(crate) fn expected(kind: &str, value: &Value) -> Thrown {
    Thrown::new(MAPPING, format!("Expected `{kind}` value, received {value}"))
}

/// A field that need not be there, of a value that must be an object.
pub(crate) fn maybe<'a>(object: &'a Value, name: &str) -> Result<Option<&'a Value>, Thrown> {
    let wrong = || Thrown::new(MAPPING, format!("Expected JSON object, received {object}"));
    Ok(object.as_object().ok_or_else(wrong)?.get(name))
}

/// A field that must be there.
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> Result<&'a Value, Thrown> {
    maybe(object, name)?.ok_or_else(|| Thrown::new(MAPPING, format!("No such field exists: `{name}`")))
}

/// A list.
pub(crate) fn array(value: &Value) -> Result<&Vec<Value>, Thrown> {
    value.as_array().ok_or_else(|| Thrown::new(MAPPING, format!("Expected JSON array, received {value}")))
}

/// A field with text.
pub(crate) fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, Thrown> {
    let value = field(object, name)?;
    value.as_str().ok_or_else(|| expected("String", value))
}

/// A field with a number that fits Java's `int`.
pub(crate) fn int(object: &Value, name: &str) -> Result<i32, Thrown> {
    as_int(field(object, name)?)
}

/// A number that fits Java's `int`.
pub(crate) fn as_int(value: &Value) -> Result<i32, Thrown> {
    value.as_i64().and_then(|number| i32::try_from(number).ok()).ok_or_else(|| expected("Integer", value))
}

/// A field with a number that fits Java's `long`.
pub(crate) fn long(object: &Value, name: &str) -> Result<i64, Thrown> {
    let value = field(object, name)?;
    value.as_i64().ok_or_else(|| expected("Long", value))
}
