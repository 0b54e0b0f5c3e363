//! What waits for the disk waits for the journal where one can be written, and for its own log where none can.

use std::path::Path;

use andiron_protocol::ErrorCode;
use andiron_protocol::batch::BatchOptions;
use andiron_protocol::messages::ProduceRequest;

use crate::admin::move_to;
use crate::node::{Fixture, START, decode};
use crate::produce_and_fetch::{batch, produce_request};

/// A node with the topic `orders` that waits for the disk.
fn fixture() -> Fixture {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    f.restart_with(&[("andiron.fsync", "true")]);
    while f.node.sync_due(f.now) {}
    f
}

/// Produces with acks=all; the offset that is answered when the disk has it.
fn produce(f: &Fixture) -> i64 {
    let answer = f.send(9, &produce_request(-1, batch(BatchOptions::default(), &[START])));
    assert!(answer.try_recv().is_err(), "answered before the disk has it");
    while f.node.sync_due(f.now) {}
    let answer = decode::<ProduceRequest>(9, answer.try_recv().expect("an answer"));
    let answer = &answer.responses[0].partition_responses[0];
    assert_eq!(ErrorCode::from_code(answer.error_code), Some(ErrorCode::None));
    answer.base_offset
}

fn journals(f: &Fixture) -> Vec<String> {
    journals_in(&f.folder.path().join("log"))
}

fn journals_in(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("andiron-journal-")).collect()
}

#[test]
fn a_journal_is_there_while_the_node_runs_and_after_a_crash_until_the_next_start() {
    let mut f = fixture();
    // The first record begins the leader's epoch, which is more than a record.
    assert_eq!((produce(&f), journals(&f).len()), (0, 0));
    assert_eq!((produce(&f), journals(&f)), (1, vec!["andiron-journal-0".to_owned()]));
    f.crash(&[]);
    assert_eq!(journals(&f), [""; 0]);
    while f.node.sync_due(f.now) {}
    assert_eq!((produce(&f), produce(&f)), (2, 3));
    assert_eq!(journals(&f), ["andiron-journal-1"]);
    f.restart();
    assert_eq!(journals(&f), [""; 0]);
}

#[test]
fn a_partition_that_has_moved_is_in_the_journal_of_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let dirs = [folder.path().join("one"), folder.path().join("two")];
    let list = format!("{},{}", dirs[0].display(), dirs[1].display());
    let mut f = Fixture::with(&[("log.dirs", &list)]);
    f.metadata(&["orders"]);
    f.restart_with(&[("andiron.fsync", "true")]);
    while f.node.sync_due(f.now) {}
    let home = usize::from(dirs[1].join("orders-0").exists());
    for (offset, home) in [(0, home), (2, 1 - home), (4, home)] {
        if offset > 0 {
            assert_eq!(move_to(&f, &dirs[home]), 0);
            f.node.keep_house(f.now);
        }
        while f.node.sync_due(f.now) {}
        assert!(dirs[home].join("orders-0").exists());
        let before = journaled(&dirs[home]);
        assert_eq!((produce(&f), produce(&f)), (offset, offset + 1));
        assert!(journaled(&dirs[home]) > before, "the journal of {home} has nothing of {offset}");
    }
    f.crash(&[]);
    assert_eq!(produce(&f), 6);
}

/// Bytes other than zero in the journals of a directory.
fn journaled(dir: &Path) -> usize {
    let bytes = journals_in(dir).into_iter().flat_map(|name| std::fs::read(dir.join(name)).unwrap());
    bytes.filter(|byte| *byte != 0).count()
}

#[test]
fn without_a_journal_each_log_is_synced_by_itself() {
    for (what, bytes) in [("none is wanted", "0"), ("it cannot be written", "1000")] {
        let mut f = fixture();
        f.restart_with(&[("andiron.journal.bytes", bytes)]);
        while f.node.sync_due(f.now) {}
        // A directory has the name of its first file.
        std::fs::create_dir(f.folder.path().join("log/andiron-journal-0")).unwrap();
        for offset in 0..3 {
            assert_eq!(produce(&f), offset, "{what}");
        }
        assert_eq!(journals(&f).len(), 1, "{what}: the directory alone");
    }
}
