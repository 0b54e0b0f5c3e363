//! How `kafka-console-consumer` prints a record: by default columns of text, for the topics of the coordinators JSON
//! (`org.apache.kafka.tools.consumer.DefaultMessageFormatter` and its siblings).

use std::collections::BTreeMap;
use std::io::{self, Write};

use andiron_client::ConsumerRecord;
use andiron_coordinator::record::json::{PrintError, PrintedRecord};
use andiron_coordinator::record::{to_json, transaction_to_json};
use andiron_protocol::schema::Json;
use bytes::Bytes;

use super::deserializer::Deserializer;
use crate::tools::failure::Thrown;
use crate::tools::print::log_error;

const LOGGER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

/// One of them, set up.
#[derive(Debug)]
pub(super) enum Formatter {
    /// Columns.
    Columns(Box<Columns>),
    /// Nothing.
    Nothing,
    /// JSON of a coordinator's records of these types; all if there are none.
    Coordinator(Read, &'static [i16]),
}

/// Reads a coordinator's record: its key and its value.
type Read = fn(&[u8], Option<&[u8]>) -> Result<PrintedRecord, PrintError>;

impl Formatter {
    /// The one of this class; the name of a class that is not there is the error.
    pub(super) fn new(class: &str, properties: &BTreeMap<String, String>) -> Result<Formatter, String> {
        Ok(match class.strip_prefix("org.apache.kafka.tools.consumer.").unwrap_or_default() {
            "DefaultMessageFormatter" | "LoggingMessageFormatter" => {
                Formatter::Columns(Box::new(Columns::new(properties)))
            }
            "NoOpMessageFormatter" => Formatter::Nothing,
            "OffsetsMessageFormatter" => Formatter::Coordinator(to_json, &[0, 1]),
            "GroupMetadataMessageFormatter" => Formatter::Coordinator(to_json, &[2]),
            "TransactionLogMessageFormatter" => Formatter::Coordinator(transaction_to_json, &[]),
            "ShareGroupMessageFormatter" => Formatter::Coordinator(to_json, &[10, 11, 12, 13, 14, 15]),
            _ => return Err(class.to_owned()),
        })
    }

    /// Prints a record.
    pub(super) fn write(&self, row: &ConsumerRecord, out: &mut dyn Write) -> Result<(), Thrown> {
        match self {
            Formatter::Nothing => Ok(()),
            Formatter::Columns(columns) => columns.write(row, out),
            Formatter::Coordinator(read, types) => {
                let Some(key) = &row.key else { return Ok(()) };
                let printed = match read(key, row.value.as_deref()) {
                    Ok(printed) => printed,
                    Err(PrintError::UnknownType(_)) => return Ok(()),
                    Err(error) => {
                        let text = format!("Could not read record at offset {} due to: {error}", row.offset);
                        return Err(Thrown::new("java.lang.RuntimeException", text));
                    }
                };
                if !types.is_empty() && !types.contains(&printed.key_type) {
                    return Ok(());
                }
                let part = |name: &str, number: i16, data: Json| {
                    Json::Object(vec![(name.to_owned(), Json::Whole(i64::from(number))), ("data".to_owned(), data)])
                };
                let value = printed.value.map_or(Json::Null, |(version, data)| part("version", version, data));
                let key = part("type", printed.key_type, printed.key);
                ignored(write!(out, "{}", Json::Object(vec![("key".to_owned(), key), ("value".to_owned(), value)])));
                Ok(())
            }
        }
    }
}

/// Whether what was written could be written is asked after each record.
fn ignored(_: io::Result<()>) {}

/// Writes one column.
type Column<'a> = &'a dyn Fn(&mut dyn Write) -> Result<(), Thrown>;

/// The default formatter.
#[derive(Debug)]
pub(super) struct Columns {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl Columns {
    fn new(properties: &BTreeMap<String, String>) -> Columns {
        let is = |name: &str, default: bool| {
            properties.get(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let text = |name: &str, default: &str| properties.get(name).map_or(default, String::as_str).to_owned();
        let deserializer = |name: &str| {
            let class = properties.get(name)?;
            let found = Deserializer::of_class(class);
            if found.is_none() {
                log_error(LOGGER, format_args!("Unable to instantiate a deserializer from {class}"));
            }
            found
        };
        Columns {
            timestamp: is("print.timestamp", false),
            partition: is("print.partition", false),
            offset: is("print.offset", false),
            delivery: is("print.delivery", false),
            epoch: is("print.epoch", false),
            headers: is("print.headers", false),
            key: is("print.key", false),
            value: is("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        }
    }

    fn write(&self, row: &ConsumerRecord, out: &mut dyn Write) -> Result<(), Thrown> {
        let columns: [(bool, Column<'_>); 8] = [
            (self.timestamp, &|out| {
                let kind = if row.log_append_time { "LogAppendTime" } else { "CreateTime" };
                put(out, format!("{kind}:{}", row.timestamp).as_bytes())
            }),
            (self.partition, &|out| put(out, format!("Partition:{}", row.partition.partition).as_bytes())),
            (self.offset, &|out| put(out, format!("Offset:{}", row.offset).as_bytes())),
            // The original hands neither on to its formatter.
            (self.delivery, &|out| put(out, b"Delivery:NOT_PRESENT")),
            (self.epoch, &|out| put(out, b"Epoch:NOT_PRESENT")),
            (self.headers, &|out| self.write_headers(row, out)),
            (self.key, &|out| self.write_bytes(row.key.as_ref(), self.key_deserializer, out)),
            (self.value, &|out| self.write_bytes(row.value.as_ref(), self.value_deserializer, out)),
        ];
        for (at, (_, column)) in columns.iter().enumerate().filter(|(_, (wanted, _))| *wanted) {
            column(out)?;
            let more = columns.iter().skip(at + 1).any(|(wanted, _)| *wanted);
            put(out, if more { self.key_separator.as_bytes() } else { self.line_separator.as_bytes() })?;
        }
        Ok(())
    }

    fn write_headers(&self, row: &ConsumerRecord, out: &mut dyn Write) -> Result<(), Thrown> {
        if row.headers.is_empty() {
            return put(out, b"NO_HEADERS");
        }
        for (at, (key, value)) in row.headers.iter().enumerate() {
            if at > 0 {
                put(out, self.headers_separator.as_bytes())?;
            }
            put(out, key)?;
            put(out, b":")?;
            self.write_bytes(value.as_ref(), self.headers_deserializer, out)?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        bytes: Option<&Bytes>,
        deserializer: Option<Deserializer>,
        out: &mut dyn Write,
    ) -> Result<(), Thrown> {
        let bytes = bytes.map_or(self.null_literal.as_bytes(), |bytes| bytes);
        match deserializer {
            Some(deserializer) => put(out, deserializer.show(bytes)?.as_bytes()),
            None => put(out, bytes),
        }
    }
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Thrown> {
    ignored(out.write_all(bytes));
    Ok(())
}

#[cfg(test)]
#[path = "formatter_tests.rs"]
mod tests;
