//! What argparse4j accepts and what it says to the rest: each sentence here was seen from `kafka-metadata-quorum.sh`.

#![allow(clippy::unwrap_used)]

use super::*;

const PARSER: Parser = Parser {
    tool: "kafka-example",
    prog: "kafka-example",
    about: "An example.",
    args: &[
        arg(&["--bootstrap-server"], "").group("where"),
        arg(&["--bootstrap-controller"], "").group("where"),
        arg(&["--command-config"], ""),
    ],
    required_groups: &["where"],
    commands: &[
        Command { name: "describe", about: "", args: &[switch(&["--status"], ""), switch(&["--replication"], "")] },
        Command {
            name: "remove",
            about: "",
            args: &[
                arg(&["--id", "-i"], "").kind(Kind::Int).required(),
                arg(&["--directory-id", "-d"], "").required(),
                arg(&["--feature"], "").takes(Takes::Each),
                arg(&["--props"], "").takes(Takes::Many),
                arg(&["--acks"], "").kind(Kind::Int).choices(&["0", "1", "-1"]),
            ],
        },
    ],
    json: false,
};

fn parse(line: &str) -> Result<Arguments, String> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    PARSER.parse(&words).map_err(|unparsed| match unparsed {
        Unparsed::Help => "help".to_owned(),
        Unparsed::Wrong(complaint) => complaint,
    })
}

#[test]
fn complaints_are_argparse4js() {
    for (line, complaint) in [
        ("", "too few arguments"),
        ("--foo", "unrecognized arguments: '--foo'"),
        ("--bootstrap-server a:1", "too few arguments"),
        ("--bootstrap-server a:1 foo", "invalid choice: 'foo' (choose from 'describe', 'remove')"),
        ("--bootstrap-server a:1 describe --x", "unrecognized arguments: '--x'"),
        ("describe --status", "one of the arguments --bootstrap-server --bootstrap-controller is required"),
        (
            "--bootstrap-server a --bootstrap-controller b describe",
            "argument --bootstrap-controller: not allowed with argument --bootstrap-server",
        ),
        ("--bootstrap-server a describe --status extra", "unrecognized arguments: 'extra'"),
        ("--bootstrap-server", "argument --bootstrap-server: expected one argument"),
        ("--bootstrap-server a remove", "argument --directory-id/-d is required"),
        (
            "--bootstrap-server a remove -i x -d y",
            "argument --id/-i: could not convert 'x' to Integer (For input string: \"x\")",
        ),
        ("--boot a describe", "ambiguous option: --boot could match --bootstrap-controller, --bootstrap-server"),
        ("--bootstrap-server a remove --acks 7", "argument --acks: invalid choice: '7' (choose from {0,1,-1})"),
    ] {
        assert_eq!(parse(line).unwrap_err(), complaint, "{line}");
    }
}

#[test]
fn values_are_attached_or_follow_and_some_repeat() {
    let read =
        parse("--bootstrap-server=a:1 remove -i5 -d x --feature a=1 --feat b=2 --props p=1 q=2 --acks -1").unwrap();
    assert_eq!(read.command, Some("remove"));
    assert_eq!(read.text("--bootstrap-server"), Some("a:1"));
    assert_eq!(read.number::<i32>("--id"), Some(5));
    assert_eq!(read.all("--feature"), ["a=1", "b=2"]);
    assert_eq!(read.all("--props"), ["p=1", "q=2"]);
    assert_eq!(read.text("--acks"), Some("-1"));
    assert!(parse("--bootstrap-server a describe --stat").unwrap().has("--status"));
}

/// As in kafka-cluster, whose commands each ask where the cluster is.
#[test]
fn a_required_group_may_be_the_commands_own() {
    const NESTED: Parser = Parser {
        args: &[],
        commands: &[Command {
            name: "id",
            about: "",
            args: &[arg(&["--here"], "").group("where"), arg(&["--there"], "").group("where")],
        }],
        ..PARSER
    };
    let parse = |line: &str| NESTED.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    assert!(parse("id --here x").is_ok());
    assert!(
        matches!(parse("id"), Err(Unparsed::Wrong(said)) if said.starts_with("one of the arguments --here --there"))
    );
}
