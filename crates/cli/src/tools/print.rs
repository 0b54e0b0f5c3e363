//! How tools print: lines on standard output that a closed pipe does not turn into a panic, complaints on standard error,
//! Java's padded columns, and the same rows as JSON for `--json`.

use std::fmt::Display;
use std::io::Write as _;

use serde_json::{Map, Value};

/// A line on standard output.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Text on standard output without an end of line.
pub(crate) fn write(text: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// A line on standard error.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// What Java's tools log as an error, in the layout of their own log4j configuration.
pub(crate) fn log_error(logger: &str, text: impl Display) {
    log("ERROR", logger, text);
}

/// What Java's tools log as a warning.
pub(crate) fn log_warn(logger: &str, text: impl Display) {
    log("WARN", logger, text);
}

fn log(level: &str, logger: &str, text: impl Display) {
    let now = super::clock::local_time_of_log();
    complain(format!("[{now}] {level} {text} ({logger})"));
}

/// A cell padded on its right to at least `width`, as `%-15s` does.
pub(crate) fn pad(text: impl Display, width: usize) -> String {
    let text = text.to_string();
    let blanks = width.saturating_sub(text.encode_utf16().count());
    format!("{text}{}", " ".repeat(blanks))
}

/// Rows under names, for `--json`: an array of objects, one a line of the table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Value>,
}

impl Rows {
    /// One row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [(&str, Value); N]) {
        let cells: Map<String, Value> = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect();
        self.rows.push(Value::Object(cells));
    }

    /// All of them on standard output.
    pub(crate) fn print(self) {
        print_json(&Value::Array(self.rows));
    }
}

/// A JSON value on standard output, indented.
pub(crate) fn print_json(value: &Value) {
    say(format_args!("{value:#}"));
}

/// `ToolsUtils.prettyPrintTable`: each column as wide as its widest cell, a tab after every cell.
pub(crate) fn tab_table(headers: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = headers.iter().map(|header| header.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.encode_utf16().count());
        }
    }
    let line = |cells: Vec<&str>| -> String {
        cells.iter().zip(&widths).map(|(cell, width)| format!("{}\t", pad(cell, *width))).collect()
    };
    say(line(headers.to_vec()));
    rows.iter().for_each(|row| say(line(row.iter().map(String::as_str).collect())));
}
