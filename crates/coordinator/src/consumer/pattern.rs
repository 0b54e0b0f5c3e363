//! The regular expressions that members subscribe with: the syntax of RE2, matched against whole topic names.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};

use super::topics::Topics;
use crate::limits::PATTERN_PROGRAM_BYTES_MAX;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub String);

/// Reads a pattern that is to match a whole name.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Unreadable> {
    let plain = unquoted(pattern);
    let build = |pattern: &str| RegexBuilder::new(pattern).size_limit(PATTERN_PROGRAM_BYTES_MAX).build();
    // Read alone first: a parenthesis too many must not pair with the one that is put around it.
    let checked = build(&plain).and_then(|_| build(&format!(r"\A(?:{plain})\z")));
    checked.map_err(|error| Unreadable(description(&error)))
}

/// RE2's `\Q...\E`: what stands between means itself.
fn unquoted(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match from.strip_prefix("\\Q") {
            Some(quoted) => {
                let (meant, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                out.push_str(&regex::escape(meant));
                rest = after;
            }
            None => {
                let escaped = from.chars().nth(1).map_or(1, |next| 1 + next.len_utf8());
                let (escape, after) = from.split_at(escaped);
                out.push_str(escape);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The last line of what the reader says, which is the reason.
fn description(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// The topics whose names match. A pattern that cannot be read, which may have come from another program's log, matches none.
pub(crate) fn matching(pattern: &str, topics: &Topics) -> BTreeSet<String> {
    let Ok(regex) = compile(pattern) else { return BTreeSet::new() };
    topics.all().filter(|topic| regex.is_match(&topic.name)).map(|topic| topic.name.to_string()).collect()
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
