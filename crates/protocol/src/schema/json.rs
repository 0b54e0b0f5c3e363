//! A structure as JSON, in the form that Apache Kafka's own tools print: fields in the order of the schema under their
//! camel-case names, bytes in base64, UUIDs in Kafka's 22 characters; a tagged field only when it differs from its default.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use uuid::Uuid;

use crate::KafkaUuid as _;

/// A value of JSON. Its `Display` is the text without blanks, as Jackson (which Apache Kafka uses) writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// A number that need not be whole.
    Real(f64),
    /// A string.
    Text(String),
    /// Bytes, printed as a string of base64.
    Bytes(Bytes),
    /// An array.
    List(Vec<Json>),
    /// An object; its members keep their order.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A string.
    pub fn text(text: impl Into<String>) -> Json {
        Json::Text(text.into())
    }

    /// The member of this name, if this is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, to be changed in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        match self {
            Json::Object(members) => members.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Whole(value) => write!(f, "{value}"),
            Json::Real(value) => real(*value, f),
            Json::Text(value) => quoted(value, f),
            Json::Bytes(value) => write!(f, "\"{}\"", STANDARD.encode(value)),
            Json::List(values) => {
                f.write_char('[')?;
                for (at, value) in values.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{value}")?;
                }
                f.write_char(']')
            }
            Json::Object(members) => {
                f.write_char('{')?;
                for (at, (name, value)) in members.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { "," })?;
                    quoted(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// A number as Java prints it: always with a point, and with an exponent below 0.001 and from ten million on.
fn real(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("\"NaN\"");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return write!(f, "{value:?}");
    }
    let digits = format!("{value:e}");
    match digits.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => write!(f, "{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => write!(f, "{mantissa}.0E{exponent}"),
        None => f.write_str(&digits),
    }
}

/// A field's value as JSON. `None` of a nullable field is null.
pub trait ToJson {
    /// At this version: fields that it does not have are left out.
    fn to_json(&self, version: i16) -> Json;
}

macro_rules! to_json {
    ($($type:ty: $value:ident => $json:expr;)*) => {$(
        impl ToJson for $type {
            fn to_json(&self, _version: i16) -> Json {
                let $value = self;
                $json
            }
        }
    )*};
}
to_json! {
    bool: value => Json::Bool(*value);
    i8: value => Json::Whole(i64::from(*value));
    i16: value => Json::Whole(i64::from(*value));
    u16: value => Json::Whole(i64::from(*value));
    i32: value => Json::Whole(i64::from(*value));
    i64: value => Json::Whole(*value);
    f64: value => Json::Real(*value);
    String: value => Json::Text(value.clone());
    Arc<str>: value => Json::Text(value.to_string());
    Bytes: value => Json::Bytes(value.clone());
    Uuid: value => Json::Text(value.to_kafka());
}

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self, version: i16) -> Json {
        self.as_ref().map_or(Json::Null, |value| value.to_json(version))
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self, version: i16) -> Json {
        Json::List(self.iter().map(|value| value.to_json(version)).collect())
    }
}

/// A field's name in Kafka's schemas: `transaction_last_update_timestamp_ms` is `transactionLastUpdateTimestampMs`.
pub fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.trim_start_matches("r#").chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
