//! One property at a time: types, ranges and Java's words for what breaks them.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::compression::Codec;

use super::{ConfigError, Partitioner};
use crate::transport::Address;

/// Names that Java's producer, consumer or admin know and that ask nothing of this client.
const KNOWN_AND_UNUSED: &[&str] = &[
    "auto.include.jmx.reporter",
    "bootstrap.controllers",
    "client.dns.lookup",
    "config.providers",
    "enable.metrics.push",
    "interceptor.classes",
    "key.deserializer",
    "key.serializer",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "security.providers",
    "share.acknowledgement.mode",
    "share.acquire.mode",
    "socket.connection.setup.timeout.max.ms",
    "transaction.two.phase.commit.enable",
    "value.deserializer",
    "value.serializer",
];

/// The properties given, and which of them have been asked for.
pub(super) struct Given<'a> {
    values: &'a BTreeMap<String, String>,
    asked: BTreeSet<&'static str>,
}

pub(super) fn invalid(name: &'static str, value: &str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { name, value: value.to_owned(), reason: reason.into() }
}

impl<'a> Given<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>) -> Self {
        Given { values, asked: BTreeSet::new() }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<&'a str> {
        self.asked.insert(name);
        self.values.get(name).map(String::as_str)
    }

    fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &mut self,
        name: &'static str,
        default: T,
        least: T,
        kind: &str,
    ) -> Result<T, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        // Java's parser takes a leading plus as well, and so does Rust's.
        let number: T = text.trim().parse().map_err(|_| invalid(name, text, format!("Not a number of type {kind}")))?;
        if number < least {
            return Err(invalid(name, &number.to_string(), format!("Value must be at least {least}")));
        }
        Ok(number)
    }

    pub(super) fn int(&mut self, name: &'static str, default: i32, least: i32) -> Result<i32, ConfigError> {
        self.number(name, default, least, "INT")
    }

    pub(super) fn long(&mut self, name: &'static str, default: i64, least: i64) -> Result<i64, ConfigError> {
        self.number(name, default, least, "LONG")
    }

    pub(super) fn boolean(&mut self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.trim() {
            yes if yes.eq_ignore_ascii_case("true") => Ok(true),
            no if no.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(invalid(name, text, "Expected value to be either true or false")),
        }
    }

    pub(super) fn one_of(
        &mut self,
        name: &'static str,
        allowed: &[&str],
        default: &'a str,
    ) -> Result<&'a str, ConfigError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) if allowed.contains(&text) => Ok(text),
            Some(text) => Err(invalid(name, text, format!("String must be one of: {}", allowed.join(", ")))),
        }
    }

    pub(super) fn codec(&mut self, name: &'static str, default: Codec) -> Result<Codec, ConfigError> {
        let text = self.one_of(name, &["none", "gzip", "snappy", "lz4", "zstd"], "none")?;
        Ok(Codec::from_name(text).unwrap_or(default))
    }

    pub(super) fn level(&mut self, name: &'static str, least: i32, most: i32) -> Result<Option<i32>, ConfigError> {
        if self.text(name).is_none() {
            return Ok(None);
        }
        let level = self.int(name, least, least)?;
        if level > most {
            return Err(invalid(name, &level.to_string(), format!("Value must be no more than {most}")));
        }
        Ok(Some(level))
    }

    /// gzip alone has a value for "its default", -1.
    pub(super) fn gzip_level(&mut self) -> Result<Option<i32>, ConfigError> {
        let name = "compression.gzip.level";
        let level = self.number(name, -1, i32::MIN, "INT")?;
        match level {
            -1 => Ok(None),
            1..=9 => Ok(Some(level)),
            _ => Err(invalid(name, &level.to_string(), "Value must be between 1 and 9 or equal to -1")),
        }
    }

    /// What is not PLAINTEXT is refused by name rather than ignored: nobody may think that he talks over TLS.
    pub(super) fn check_security(&mut self) -> Result<(), ConfigError> {
        let name = "security.protocol";
        let Some(text) = self.text(name) else { return Ok(()) };
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(()),
            "SSL" | "SASL_PLAINTEXT" | "SASL_SSL" => {
                Err(invalid(name, text, "This client does not support it yet; only PLAINTEXT"))
            }
            _ => Err(invalid(
                name,
                text,
                "String must be one of (case insensitive): SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT",
            )),
        }
    }

    pub(super) fn partitioner(&mut self) -> Result<Partitioner, ConfigError> {
        let name = "partitioner.class";
        let adaptive = self.boolean("partitioner.adaptive.partitioning.enable", true)?;
        let availability_timeout_ms = self.long("partitioner.availability.timeout.ms", 0, 0)?;
        let ignore_keys = self.boolean("partitioner.ignore.keys", false)?;
        match self.text(name).map(str::trim) {
            None | Some("") => Ok(Partitioner::BuiltIn { adaptive, availability_timeout_ms, ignore_keys }),
            Some("org.apache.kafka.clients.producer.RoundRobinPartitioner") => Ok(Partitioner::RoundRobin),
            Some(class) => Err(invalid(name, class, format!("Class {class} could not be found."))),
        }
    }

    pub(super) fn bootstrap(&mut self) -> Result<Vec<Address>, ConfigError> {
        let name = "bootstrap.servers";
        let Some(text) = self.text(name) else { return Err(ConfigError::Missing(name)) };
        if text.trim().is_empty() {
            return Err(ConfigError::Conflict(
                "Configuration 'bootstrap.servers' must not be empty. Valid values include: any non-empty value"
                    .to_owned(),
            ));
        }
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(address).collect()
    }

    pub(super) fn unknown(&self) -> Vec<String> {
        let known = |name: &str| {
            self.asked.contains(name)
                || KNOWN_AND_UNUSED.contains(&name)
                || name.starts_with("ssl.")
                || name.starts_with("sasl.")
        };
        self.values.keys().filter(|name| !known(name)).cloned().collect()
    }
}

/// `host:port`, `[v6]:port`, either with a `PROTOCOL://` before it, which says nothing here.
fn address(entry: &str) -> Result<Address, ConfigError> {
    let wrong = |what| ConfigError::Bootstrap { what, entry: entry.to_owned() };
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("url"))?;
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let sane = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    if host.is_empty() || !host.chars().all(sane) || port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong("url"));
    }
    let port = port.parse().map_err(|_| wrong("port"))?;
    Ok(Address { host: host.to_owned(), port })
}
