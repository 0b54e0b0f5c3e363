//! Kafka's own deserializers, as what they make of bytes is printed (`org.apache.kafka.common.serialization`).

use andiron_protocol::Uuid;
use andiron_protocol::schema::Json;

use crate::tools::failure::Thrown;

const SERIALIZATION: &str = "org.apache.kafka.common.errors.SerializationException";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deserializer {
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
    Bytes,
    Void,
}

impl Deserializer {
    /// The one of this class.
    pub(super) fn of_class(class: &str) -> Option<Deserializer> {
        Some(match class.strip_prefix("org.apache.kafka.common.serialization.")?.strip_suffix("Deserializer")? {
            "String" => Deserializer::Text,
            "Short" => Deserializer::Short,
            "Integer" => Deserializer::Integer,
            "Long" => Deserializer::Long,
            "Float" => Deserializer::Float,
            "Double" => Deserializer::Double,
            "Boolean" => Deserializer::Boolean,
            "UUID" => Deserializer::Uuid,
            "Bytes" => Deserializer::Bytes,
            "Void" => Deserializer::Void,
            _ => return None,
        })
    }

    /// What is printed of these bytes.
    pub(super) fn show(self, bytes: &[u8]) -> Result<String, Thrown> {
        let sized = |name: &str, size: usize| {
            let text = match self {
                Deserializer::Boolean => "Size of data received by BooleanDeserializer is not 1".to_owned(),
                _ => format!("Size of data received by {name}Deserializer is not {size}"),
            };
            Thrown::new(SERIALIZATION, text)
        };
        Ok(match self {
            Deserializer::Text => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Short => i16::from_be_bytes(fixed(bytes).ok_or_else(|| sized("Short", 2))?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(fixed(bytes).ok_or_else(|| sized("Integer", 4))?).to_string(),
            Deserializer::Long => i64::from_be_bytes(fixed(bytes).ok_or_else(|| sized("Long", 8))?).to_string(),
            Deserializer::Float => {
                let value = f32::from_be_bytes(fixed(bytes).ok_or_else(|| sized("Float", 4))?);
                // Through its shortest text, so that the digits stay those of 32 bits.
                java(value.to_string().parse().unwrap_or(f64::NAN))
            }
            Deserializer::Double => java(f64::from_be_bytes(fixed(bytes).ok_or_else(|| sized("Double", 8))?)),
            Deserializer::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => {
                    return Err(Thrown::new(
                        SERIALIZATION,
                        format!("Unexpected byte received by BooleanDeserializer: {}", *other as i8),
                    ));
                }
                _ => return Err(sized("Boolean", 1)),
            },
            Deserializer::Uuid => match std::str::from_utf8(bytes).ok().and_then(|text| Uuid::parse_str(text).ok()) {
                Some(id) => id.to_string(),
                None => return Err(Thrown::new(SERIALIZATION, "Error parsing data into UUID")),
            },
            Deserializer::Bytes => printable(bytes),
            Deserializer::Void => {
                let text = "Data should be null for a VoidDeserializer.";
                return Err(Thrown::illegal(text));
            }
        })
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn java(value: f64) -> String {
    Json::Real(value).to_string().trim_matches('"').to_owned()
}

/// `Bytes.toString`: printable ASCII as it is, everything else as `\xFF`.
fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b' '..=b'~' if *byte != b'\\' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("\\x{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_their_class_has_it() {
        let table: [(&str, &[u8], Result<&str, &str>); 10] = [
            ("String", b"a\xff", Ok("a\u{fffd}")),
            ("Long", &[0, 0, 0, 0, 0, 0, 1, 0], Ok("256")),
            ("Long", b"null", Err("Size of data received by LongDeserializer is not 8")),
            ("Integer", &[0xff; 4], Ok("-1")),
            ("Float", &0.1f32.to_be_bytes(), Ok("0.1")),
            ("Double", &1e7f64.to_be_bytes(), Ok("1.0E7")),
            ("Boolean", &[1], Ok("true")),
            ("Boolean", &[2], Err("Unexpected byte received by BooleanDeserializer: 2")),
            ("Bytes", b"a\\\n", Ok("a\\x5C\\x0A")),
            ("UUID", b"nonsense", Err("Error parsing data into UUID")),
        ];
        for (class, bytes, shown) in table {
            let class = format!("org.apache.kafka.common.serialization.{class}Deserializer");
            let found = Deserializer::of_class(&class).map(|it| it.show(bytes));
            let found = found.map(|result| result.map_err(|thrown| thrown.text().to_owned()));
            assert_eq!(found, Some(shown.map(str::to_owned).map_err(str::to_owned)), "{class}");
        }
        assert_eq!(Deserializer::of_class("no.Such"), None);
    }
}
