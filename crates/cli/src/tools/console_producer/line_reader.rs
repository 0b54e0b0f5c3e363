//! Lines of text to records: `org.apache.kafka.tools.LineMessageReader`.

use std::collections::BTreeMap;

use fancy_regex::Regex;

use crate::tools::failure::Thrown;

const KAFKA: &str = "org.apache.kafka.common.KafkaException";

/// A record as a line said it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) headers: Vec<(String, Option<String>)>,
}

/// How lines are cut.
#[derive(Debug)]
pub(super) struct LineReader {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    number: u64,
}

impl LineReader {
    /// `configure`
    pub(super) fn new(properties: &BTreeMap<String, String>) -> Result<LineReader, Thrown> {
        let is = |name: &str| properties.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text = |name: &str, default: &str| properties.get(name).map_or(default, String::as_str).to_owned();
        let key_separator = text("key.separator", "\t");
        let headers_delimiter = text("headers.delimiter", "\t");
        let headers_separator = text("headers.separator", ",");
        let headers_key_separator = text("headers.key.separator", ":");
        let null_marker = properties.get("null.marker").cloned();
        let pattern = Regex::new(&headers_separator).map_err(|error| {
            Thrown::new("java.util.regex.PatternSyntaxException", format!("{error} near {headers_separator}"))
        })?;
        let marker = null_marker.as_deref();
        let clashes = [
            (headers_delimiter == headers_separator, "headers.delimiter and headers.separator may not be equal"),
            (
                headers_delimiter == headers_key_separator,
                "headers.delimiter and headers.key.separator may not be equal",
            ),
            (
                headers_separator == headers_key_separator,
                "headers.separator and headers.key.separator may not be equal",
            ),
            (marker == Some(key_separator.as_str()), "null.marker and key.separator may not be equal"),
            (marker == Some(headers_separator.as_str()), "null.marker and headers.separator may not be equal"),
            (marker == Some(headers_delimiter.as_str()), "null.marker and headers.delimiter may not be equal"),
            (marker == Some(headers_key_separator.as_str()), "null.marker and headers.key.separator may not be equal"),
        ];
        if let Some((_, sentence)) = clashes.iter().find(|(clash, _)| *clash) {
            return Err(Thrown::new(KAFKA, *sentence));
        }
        Ok(LineReader {
            parse_key: is("parse.key"),
            key_separator,
            parse_headers: is("parse.headers"),
            headers_delimiter,
            headers_separator: pattern,
            headers_key_separator,
            ignore_error: is("ignore.error"),
            null_marker,
            number: 0,
        })
    }

    /// The record of the next line.
    pub(super) fn read(&mut self, line: &str) -> Result<Line, Thrown> {
        self.number += 1;
        let (headers, rest) = self.cut(self.parse_headers, line, line, &self.headers_delimiter, "headers delimiter")?;
        let (key, value) = self.cut(self.parse_key, line, rest, &self.key_separator, "key separator")?;
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.headers(headers)?,
            None => Vec::new(),
        };
        let kept = |text: &str| (!self.is_null(text)).then(|| text.to_owned());
        Ok(Line { key: key.and_then(kept), value: kept(value), headers })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    /// What stands in front of the separator, and what behind it.
    fn cut<'l>(
        &self,
        enabled: bool,
        line: &str,
        rest: &'l str,
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'l str>, &'l str), Thrown> {
        if !enabled {
            return Ok((None, rest));
        }
        match rest.split_once(separator) {
            Some((front, behind)) => Ok((Some(front), behind)),
            None if self.ignore_error => Ok((None, rest)),
            None => Err(Thrown::new(KAFKA, format!("No {name} found on line number {}: '{line}'", self.number))),
        }
    }

    fn headers(&self, text: &str) -> Result<Vec<(String, Option<String>)>, Thrown> {
        let unreadable = |error: fancy_regex::Error| Thrown::new(KAFKA, error.to_string());
        let mut pairs = Vec::new();
        for pair in self.headers_separator.split(text) {
            pairs.push(pair.map_err(unreadable)?);
        }
        // As Java's `split`, empty ones at the end are left out, unless there is nothing else.
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header(&self, pair: &str) -> Result<(String, Option<String>), Thrown> {
        let Some((key, value)) = pair.split_once(self.headers_key_separator.as_str()) else {
            if self.ignore_error {
                return Ok((pair.to_owned(), None));
            }
            let number = self.number;
            return Err(Thrown::new(
                KAFKA,
                format!("No header key separator found in pair '{pair}' on line number {number}"),
            ));
        };
        if self.is_null(key) {
            let marker = self.null_marker.as_deref().unwrap_or_default();
            return Err(Thrown::new(
                KAFKA,
                format!("Header keys should not be equal to the null marker '{marker}' as they can't be null"),
            ));
        }
        Ok((key.to_owned(), (!self.is_null(value)).then(|| value.to_owned())))
    }
}

#[cfg(test)]
#[path = "line_reader_tests.rs"]
mod tests;
