//! `name=value` on the command line, and options that stand for properties (`CommandLineUtils`, `ToolsUtils`).

use super::session::with;

/// `parseKeyValueArgs`: a name without a value has an empty one.
pub(crate) fn key_values(words: &[String]) -> Vec<(String, String)> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    };
    words.iter().map(pair).collect()
}

/// `maybeMergeOptions`: an option that is given stands over the property, its default only where there is none.
pub(crate) fn merge(properties: Vec<(String, String)>, name: &str, given: bool, value: &str) -> Vec<(String, String)> {
    if given || !properties.iter().any(|(known, _)| known == name) { with(properties, name, value) } else { properties }
}
