//! What `--value-decoder-class`, `--offsets-decoder` and their like make of keys and values.

use andiron_coordinator::record::json::{PrintError, PrintedRecord};
use andiron_coordinator::record::{self, share_state};
use andiron_metadata::records::{Record as MetadataRecord, RecordError};
use andiron_protocol::batch::Record;
use andiron_protocol::consumer_protocol::{Assignment, Subscription};
use andiron_protocol::schema::{Json, Message};

use super::Thrown;

/// How plain bytes are shown, by the class that does it in Apache Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// UTF-8.
    Text,
    /// Four bytes.
    Integer,
    /// Eight bytes.
    Long,
}

impl Plain {
    /// The class of this name, which must be one of Apache Kafka's own: there is no Java here to load others.
    pub(crate) fn of_class(name: &str) -> Result<Plain, Thrown> {
        match name {
            "org.apache.kafka.tools.api.StringDecoder" => Ok(Plain::Text),
            "org.apache.kafka.tools.api.IntegerDecoder" => Ok(Plain::Integer),
            "org.apache.kafka.tools.api.LongDecoder" => Ok(Plain::Long),
            _ => {
                let cause = Thrown::new("java.lang.ClassNotFoundException", name);
                let failed = Thrown::new("java.lang.RuntimeException", "Failed to load decoder class");
                Err(Thrown { cause: Some(Box::new(cause)), ..failed })
            }
        }
    }

    fn show(self, bytes: &[u8]) -> Result<String, Thrown> {
        let short = || Thrown::bare("java.nio.BufferUnderflowException");
        Ok(match self {
            Plain::Text => String::from_utf8_lossy(bytes).into_owned(),
            Plain::Integer => i32::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
            Plain::Long => i64::from_be_bytes(*bytes.first_chunk().ok_or_else(short)?).to_string(),
        })
    }
}

/// How the records of a data log are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoder {
    /// Each as its class says.
    Plain {
        /// Keys.
        key: Plain,
        /// Values.
        value: Plain,
    },
    /// `__consumer_offsets`
    Offsets,
    /// `__transaction_state`
    TransactionLog,
    /// `__cluster_metadata`
    ClusterMetadata,
    /// `__share_group_state`
    ShareGroupState,
}

/// What is shown of a record: its key and its value.
pub(crate) type Shown = (Option<String>, Option<String>);

impl Decoder {
    /// Key and value as they are shown.
    pub(crate) fn show(self, record: &Record<'_>) -> Result<Shown, Thrown> {
        match self {
            Decoder::Plain { key, value } => Ok((
                record.key.map(|bytes| key.show(bytes)).transpose()?,
                record.value.map(|bytes| value.show(bytes)).transpose()?,
            )),
            Decoder::Offsets => coordinator(record, offsets),
            Decoder::TransactionLog => coordinator(record, record::transaction_to_json),
            Decoder::ShareGroupState => coordinator(record, share_state::to_json),
            Decoder::ClusterMetadata => Ok((None, Some(metadata(record)))),
        }
    }
}

fn metadata(record: &Record<'_>) -> String {
    let version_and_record = MetadataRecord::decode_with_version(record.value.unwrap_or_default());
    match version_and_record {
        Ok((version, read)) => Json::Object(vec![
            ("type".to_owned(), Json::Text(read.type_name())),
            ("version".to_owned(), Json::Whole(i64::from(version))),
            ("data".to_owned(), read.to_json(version)),
        ])
        .to_string(),
        Err(error) => {
            let why = match error {
                RecordError::Frame(version) => format!(
                    "Could not deserialize metadata record due to unknown frame version {version}(only frame version 1 is supported)"
                ),
                RecordError::Unknown(key) => {
                    format!("org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id {key}")
                }
                // No type was read: the frame around the record is cut off.
                RecordError::Schema { key: u32::MAX, .. } if record.value.is_none_or(<[u8]>::is_empty) => {
                    "Error while reading frame version".to_owned()
                }
                RecordError::Schema { key: u32::MAX, .. } => "Error while reading type".to_owned(),
                RecordError::Schema { key, .. } => format!("Failed to deserialize record with type {key}"),
                RecordError::Rest { key, left } => format!("Found {left} byte(s) of garbage after {key}"),
            };
            format!("Error at {}, skipping. {why}", record.offset)
        }
    }
}

/// The records of `__consumer_offsets`; what the members of a classic consumer group said of themselves is read too.
fn offsets(key: &[u8], value: Option<&[u8]>) -> Result<PrintedRecord, PrintError> {
    let mut printed = record::to_json(key, value)?;
    let group_metadata = 2;
    if printed.key_type == group_metadata
        && let Some((_, value)) = &mut printed.value
        && value.get("protocolType") == Some(&Json::text("consumer"))
        && let Some(Json::List(members)) = value.get_mut("members")
    {
        for member in members {
            unfold::<Subscription>(member.get_mut("subscription"));
            unfold::<Assignment>(member.get_mut("assignment"));
        }
    }
    Ok(printed)
}

/// Replaces bytes by what they say; bytes that say nothing stay.
fn unfold<M: Message>(field: Option<&mut Json>) {
    if let Some(field) = field
        && let Json::Bytes(bytes) = &*field
        && let Ok((version, read)) = M::from_slice_with_version(bytes)
    {
        *field = read.to_json(version);
    }
}

/// Reads a coordinator's record: its key and its value.
type Read = fn(&[u8], Option<&[u8]>) -> Result<PrintedRecord, PrintError>;

fn coordinator(record: &Record<'_>, read: Read) -> Result<Shown, Thrown> {
    let offset = record.offset;
    let Some(key) = record.key else {
        return Err(Thrown::new(
            "java.lang.RuntimeException",
            format!(
                "Failed to decode message at offset {offset} using the specified decoder (message had a missing key)"
            ),
        ));
    };
    let tagged = |name: &str, number: i16, data: Json| {
        Json::Object(vec![(name.to_owned(), Json::Text(number.to_string())), ("data".to_owned(), data)]).to_string()
    };
    Ok(match read(key, record.value) {
        Ok(printed) => {
            let value = match printed.value {
                Some((version, data)) => tagged("version", version, data),
                None => "<DELETE>".to_owned(),
            };
            (Some(tagged("type", printed.key_type, printed.key)), Some(value))
        }
        Err(PrintError::UnknownType(number)) => {
            (Some(format!("Unknown record type {number} at offset {offset}, skipping.")), None)
        }
        Err(error) => (Some(format!("Error at offset {offset}, skipping. {error}")), None),
    })
}
