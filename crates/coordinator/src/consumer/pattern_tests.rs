//! Patterns as members write them.
#![allow(clippy::unwrap_used)]

use super::{compile, unquoted};

#[test]
fn a_pattern_matches_the_whole_name() {
    for (pattern, name, matches) in [
        ("t.*", "topic", true),
        ("opi", "topic", false),
        ("a|topic", "topic", true),
        ("^topic$", "topic", true),
        ("(?i)TOPIC", "topic", true),
        (r"\Qa.b\E.*", "a.b1", true),
        (r"\Qa.b\E", "axb", false),
        (r"\\Q", r"\Q", true),
        ("[[:alpha:]]+", "topic", true),
    ] {
        assert_eq!(compile(pattern).unwrap().is_match(name), matches, "{pattern} {name}");
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    for pattern in ["[", "(", "a)(b", "*", r"\", "(?=a)", "a{9999}{9999}{9999}"] {
        assert!(!compile(pattern).unwrap_err().0.is_empty(), "{pattern}");
    }
    assert_eq!(unquoted(r"\Q*"), r"\*");
}
