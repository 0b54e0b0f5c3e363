//! Each rule refuses what it is there for, and lets the rest pass.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::arrows::{self, Member};
use super::files::{self, Source};
use super::licences::{self, Licensed};

fn uses(name: &str, dependencies: &[&str]) -> Vec<String> {
    arrows::check(&[Member { name: name.into(), uses: dependencies.iter().map(|d| (*d).to_owned()).collect() }])
}

#[test]
fn an_arrow_that_points_back_is_refused() {
    assert_eq!(
        uses("andiron-storage", &["andiron-broker"]),
        ["storage uses broker: no arrow broker -> storage in the design"]
    );
    assert_eq!(uses("andiron-engine", &["andiron-broker"]).len(), 1);
    assert_eq!(uses("andiron-simulator", &["andiron-engine"]).len(), 1);
}

#[test]
fn arrows_downwards_are_transitive() {
    let none: Vec<String> = Vec::new();
    assert_eq!(uses("andiron-cli", &["andiron-protocol", "andiron-client", "andiron-server"]), none);
    assert_eq!(uses("andiron-coordinator", &["andiron-protocol", "andiron-replication"]), none);
}

#[test]
fn a_crate_nobody_drew_is_refused() {
    assert!(uses("andiron-utils", &[])[0].contains("not in the table"));
}

#[test]
fn a_runtime_in_a_pure_room_is_refused() {
    assert!(uses("andiron-broker", &["tokio"])[0].contains("broker depends on tokio"));
    assert!(uses("andiron-plan", &["tonic-prost"])[0].contains("plan depends on tonic-prost"));
    assert!(uses("andiron-client", &["tokio"]).is_empty());
}

#[test]
fn datafusion_outside_the_engine_is_refused() {
    assert!(uses("andiron-server", &["datafusion"])[0].contains("known to engine only"));
    assert!(uses("andiron-cli", &["arrow-json"])[0].contains("known to engine only"));
    assert!(uses("andiron-engine", &["datafusion-spark", "arrow", "deltalake"]).is_empty());
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let file = |lines: usize| {
        files::check(&[Source {
            path: "crates/x/src/long.rs".into(),
            text: format!("//! Why.\n{}", "//\n".repeat(lines - 1)),
        }])
    };
    assert!(file(files::LINES_MAX).is_empty());
    assert_eq!(
        file(files::LINES_MAX + 1),
        ["crates/x/src/long.rs has 1001 lines; 1000 is the limit, split it by what its parts do"]
    );
}

#[test]
fn a_file_that_does_not_say_why_it_exists_is_refused() {
    assert_eq!(files::check(&[Source { path: "a.rs".into(), text: "fn main() {}".into() }]).len(), 1);
    assert!(files::check(&[Source { path: "a.py".into(), text: "x = 1".into() }]).is_empty());
}

#[test]
fn a_licence_that_is_not_permissive_is_refused() {
    let licence =
        |text: Option<&str>| licences::check(&[Licensed { name: "x 1.0".into(), licence: text.map(Into::into) }]);
    assert_eq!(
        licence(Some("GPL-3.0-only")),
        ["dependency x 1.0: its licence \"GPL-3.0-only\" is not a permissive one"]
    );
    assert_eq!(licence(Some("MIT AND LGPL-2.1-only")).len(), 1);
    assert_eq!(licence(None).len(), 1);
    for fine in [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-2.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(licence(Some(fine)).is_empty(), "{fine}");
    }
}
