//! Which levels a folder begins with, and each refusal of `format` with its sentence.
#![allow(clippy::unwrap_used)]

use super::*;

fn config(lines: &str) -> BrokerConfig {
    let mut pairs: BTreeMap<String, String> = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        ("log.dirs", "/nowhere/a,/nowhere/b"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    pairs.extend(lines.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())));
    BrokerConfig::new(Some(pairs.into_iter().collect()), Vec::new()).map(|(config, _)| config).unwrap_or_default()
}

const BOOTSTRAP: &str = "controller.quorum.bootstrap.servers=localhost:9093";
const STATIC: &str = "controller.quorum.voters=1@localhost:9093";

fn refused(format: Format, lines: &str) -> String {
    match format.run(&config(lines), &[]) {
        Ok(()) => "done".to_owned(),
        Err(Failed::Terse(sentence)) => sentence,
        Err(Failed::Thrown(thrown)) => thrown.to_string(),
    }
}

fn standing() -> Format {
    Format { cluster_id: "c".to_owned(), standalone: true, ..Format::default() }
}

#[test]
fn what_does_not_go_together_is_refused_in_kafkas_words() {
    let features = |text: &str| vec![text.to_owned()];
    let table = [
        (
            Format { standalone: false, ..standing() },
            BOOTSTRAP,
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers.",
        ),
        (
            standing(),
            STATIC,
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.",
        ),
        (
            Format { features: features("nope=1"), ..standing() },
            BOOTSTRAP,
            "Unsupported feature: nope. Supported features are: eligible.leader.replicas.version, group.version, kraft.version, share.version, streams.version, transaction.version",
        ),
        (
            Format { features: features("nope"), ..standing() },
            BOOTSTRAP,
            "java.lang.RuntimeException: Can't parse feature=level string nope: equals sign not found.",
        ),
        (
            Format { features: features("group.version=x"), ..standing() },
            BOOTSTRAP,
            "java.lang.RuntimeException: Can't parse feature=level string group.version=x: unable to parse x as a short.",
        ),
        (
            Format { features: features("group.version=9"), ..standing() },
            BOOTSTRAP,
            "java.lang.IllegalArgumentException: No feature:group.version with feature level 9",
        ),
        (
            Format {
                features: vec!["metadata.version=22".into(), "eligible.leader.replicas.version=1".into()],
                ..standing()
            },
            BOOTSTRAP,
            "java.lang.IllegalArgumentException: eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
        ),
        (
            Format { features: features("metadata.version=31"), ..standing() },
            BOOTSTRAP,
            "metadata.version 4.4-IV0 is not yet stable.",
        ),
        (
            Format { release_version: Some("4.2".into()), features: features("metadata.version=30"), ..standing() },
            BOOTSTRAP,
            "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
        ),
    ];
    for (format, lines, sentence) in table {
        let shown = format!("{format:?}");
        assert_eq!(refused(format, lines), sentence, "{shown}");
    }
    let no_such = refused(Format { release_version: Some("9.9".into()), ..standing() }, BOOTSTRAP);
    assert!(no_such.starts_with("Unknown metadata.version '9.9'. Supported metadata.version are: 3.3-IV3, 3.4-IV0,"));
    assert!(no_such.ends_with("4.2-IV1, 4.3-IV0"), "{no_such}");
    let kraft = refused(Format { features: features("kraft.version=0"), ..standing() }, BOOTSTRAP);
    assert!(kraft.starts_with("Cannot set kraft.version to 0 if controller.quorum.voters is empty"), "{kraft}");
}

#[test]
fn a_level_of_nothing_is_not_written_and_the_quorums_own_is_no_record() {
    let levels = effective_levels(BTreeMap::from([("group.version".to_owned(), 0)]), LATEST_PRODUCTION, false);
    let records = bootstrap_records(LATEST_PRODUCTION, &levels.unwrap());
    let shown: Vec<_> = records.iter().map(|record| (record.name.as_str(), record.feature_level)).collect();
    assert_eq!(
        shown,
        [
            ("metadata.version", 30),
            ("eligible.leader.replicas.version", 1),
            ("share.version", 1),
            ("streams.version", 1),
            ("transaction.version", 2),
        ]
    );
}

#[test]
fn a_date_reads_as_javas() {
    assert_eq!(date(0), "Thu Jan 01 00:00:00 UTC 1970");
    assert_eq!(date(1_795_729_471_000), "Thu Nov 26 21:44:31 UTC 2026");
}
