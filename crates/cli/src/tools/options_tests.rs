//! What joptsimple accepts and what it says to the rest.

#![allow(clippy::unwrap_used)]

use super::*;

const SPEC: Spec = Spec {
    tool: "kafka-example",
    about: "An example.",
    json: false,
    flags: &[
        flag("list", ""),
        flag("describe", ""),
        value("topic", "name", ""),
        value("partitions", "number", ""),
        maybe_value("state", "states", "").only_with(&["list"]),
        flag("members", "").only_with(&["describe"]),
    ],
};

fn parse(words: &[&str]) -> Result<Given, String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    SPEC.parse(&words).map_err(|thrown| thrown.to_string())
}

#[test]
fn values_follow_or_are_attached_and_one_dash_is_enough() {
    for words in [&["--topic", "a"][..], &["--topic=a"], &["-topic", "a"], &["-topic=a"]] {
        let given = parse(words).unwrap();
        assert_eq!(given.one("topic").unwrap(), Some("a"), "{words:?}");
    }
    assert_eq!(parse(&["--topic", "--list"]).unwrap().one("topic").unwrap(), Some("--list"));
    assert_eq!(parse(&["--topic="]).unwrap().one("topic").unwrap(), Some(""));
    assert!(parse(&["x", "--list=yes", "y"]).unwrap().has("list"));
    assert_eq!(parse(&["x", "--", "--list"]).unwrap().rest(), ["x", "--list"]);
}

#[test]
fn a_value_that_may_be_left_out_is_taken_unless_it_looks_like_an_option() {
    let state = |words: &[&str]| parse(words).unwrap().one("state").unwrap().map(str::to_owned);
    assert_eq!(state(&["--list", "--state", "stable"]).as_deref(), Some("stable"));
    assert_eq!(state(&["--state", "--list"]), None);
    assert_eq!(state(&["--list", "--state"]), None);
    assert_eq!(state(&["--list", "--state=a,b"]).as_deref(), Some("a,b"));
}

#[test]
fn complaints_are_joptsimples() {
    let complaint = |words: &[&str]| parse(words).unwrap_err();
    assert_eq!(complaint(&["--foo"]), "joptsimple.UnrecognizedOptionException: foo is not a recognized option");
    assert_eq!(complaint(&["--to"]), "joptsimple.UnrecognizedOptionException: to is not a recognized option");
    assert_eq!(complaint(&["-foo"]), "joptsimple.UnrecognizedOptionException: f is not a recognized option");
    assert_eq!(
        complaint(&["--topic"]),
        "joptsimple.OptionMissingRequiredArgumentException: Option topic requires an argument"
    );
    assert_eq!(
        complaint(&["--members"]),
        "joptsimple.UnavailableOptionException: Option(s) [members] are unavailable given other options on the command line"
    );
    let twice = parse(&["--topic", "a", "--topic", "b"]).unwrap().one("topic").unwrap_err();
    assert_eq!(twice.text(), "Found multiple arguments for option topic, but you asked for only one");
    let number = parse(&["--partitions", "x"]).unwrap().int("partitions").unwrap_err();
    assert_eq!(number.text(), "Cannot parse argument 'x' of option partitions");
}

#[test]
fn a_mistyped_option_is_near_the_one_that_was_meant() {
    assert_eq!(distance("topics", "topic"), 1);
    assert_eq!(distance("tpoic", "topic"), 2);
    assert_eq!(distance("", "ab"), 2);
}
