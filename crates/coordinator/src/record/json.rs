//! Coordinators' records as JSON, for the tools that print them: the same for every topic in which a coordinator keeps
//! records under a type (the first two bytes of the key) with values that begin with their version.

use andiron_protocol::schema::{Json, Message, SchemaError};

/// A record of a coordinator, read to be printed.
#[derive(Clone, Debug, PartialEq)]
pub struct PrintedRecord {
    /// The first two bytes of the key.
    pub key_type: i16,
    /// The key's fields.
    pub key: Json,
    /// The value's version and its fields; none of a tombstone.
    pub value: Option<(i16, Json)>,
}

/// Why a record cannot be printed; the texts are Apache Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// Less than two bytes.
    #[error("Could not read version from {0}'s buffer.")]
    NoVersion(&'static str),
    /// A type that the topic's coordinator does not have.
    #[error("Found an unknown record type {0}")]
    UnknownType(i16),
    /// A version that the type does not have.
    #[error("Found an unknown record version {version} for {key_type} type")]
    UnknownVersion {
        /// The type.
        key_type: i16,
        /// The version.
        version: i16,
    },
    /// Bytes that do not follow the schema.
    #[error("Could not read record with version {version} from {part}'s buffer due to: {error}.")]
    Schema {
        /// The type of a key, the version of a value.
        version: i16,
        /// `key` or `value`
        part: &'static str,
        /// What is wrong.
        error: SchemaError,
    },
}

/// The type of a key and the bytes behind it.
pub fn split_key(key: &[u8]) -> Result<(i16, &[u8]), PrintError> {
    let (number, fields) = key.split_first_chunk::<2>().ok_or(PrintError::NoVersion("key"))?;
    Ok((i16::from_be_bytes(*number), fields))
}

/// Reads a record whose type is known. Bytes behind its fields are passed over.
pub fn print<K: Message, V: Message>(
    key_type: i16,
    mut fields: &[u8],
    value: Option<&[u8]>,
) -> Result<PrintedRecord, PrintError> {
    let bad_key = |error| PrintError::Schema { version: key_type, part: "key", error };
    let key = K::decode(0, &mut fields).map_err(bad_key)?.to_json(0);
    let Some(mut value) = value else { return Ok(PrintedRecord { key_type, key, value: None }) };
    let from = &mut value;
    let version = andiron_protocol::schema::take(from).map_err(|_| PrintError::NoVersion("value"))?;
    let version = i16::from_be_bytes(version);
    if !V::VERSIONS.contains(&version) {
        return Err(PrintError::UnknownVersion { key_type, version });
    }
    let bad_value = |error| PrintError::Schema { version, part: "value", error };
    let value = V::decode(version, from).map_err(bad_value)?.to_json(version);
    Ok(PrintedRecord { key_type, key, value: Some((version, value)) })
}
