//! The committed corpus, run again by an ordinary test; and the means by which its made inputs are written:
//! `UPDATE=1 cargo test -p andiron-fuzz`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use andiron_protocol::api::{self, Offered};
use andiron_protocol::frame::read;
use andiron_protocol::guard;
use andiron_simulator::bytes_of;
use bytes::Bytes;

use crate::recovery::{end_of, moved_to_a_journal};

/// Runs what lies in a target's folder of the corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = folder(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let file = entry.map(|entry| entry.path()).unwrap_or_else(|error| panic!("{error}"));
        let input = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if let Err(panicked) = std::panic::catch_unwind(|| run(&input)) {
            eprintln!("the input is {}", file.display());
            std::panic::resume_unwind(panicked);
        }
        count += 1;
    }
    assert!(count > 10, "{count} inputs in {}", folder.display());
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The shortest request of zeros that its guard lets through, as a frame, of an API that no client of the corpus sends.
fn made_frame(offered: &Offered, version: i16) -> Vec<u8> {
    const BODY_BYTES_MAX: usize = 64;
    let body = (0..BODY_BYTES_MAX).map(|length| vec![0; length]);
    let body = body.into_iter().find(|body| guard::check(offered.key, version, body).is_ok()).unwrap_or_default();
    let mut frame = [(offered.key as i16).to_be_bytes(), version.to_be_bytes()].concat();
    // The correlation id and no client id; where a header has tagged fields, there are none.
    frame.extend([0, 0, 0, 0, 0xff, 0xff]);
    if offered.key.request_header_version(version) >= 2 {
        frame.push(0);
    }
    frame.extend(body);
    [(frame.len() as i32).to_be_bytes().to_vec(), frame].concat()
}

#[test]
fn every_offered_api_has_a_frame() {
    let keys = || -> BTreeSet<i16> {
        let files = std::fs::read_dir(folder("frame")).into_iter().flatten().flatten();
        let frames = files.filter_map(|file| std::fs::read(file.path()).ok()).filter(|bytes| bytes.len() > 4);
        frames.filter_map(|bytes| read(Bytes::from(bytes).slice(4..)).ok()).map(|(header, _)| header.key).collect()
    };
    if std::env::var_os("UPDATE").is_some() {
        let known = keys();
        for offered in api::BROKER.iter().filter(|offered| !known.contains(&(offered.key as i16))) {
            for version in BTreeSet::from([offered.min, offered.max]) {
                let name = format!("made-api{:02}-v{version:02}", offered.key as i16);
                let written = std::fs::write(folder("frame").join(name), made_frame(offered, version));
                written.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
    let known = keys();
    let missing: Vec<_> = api::BROKER.iter().map(|o| o.key).filter(|key| !known.contains(&(*key as i16))).collect();
    assert!(missing.is_empty(), "no input of the corpus is a request of {missing:?}");
}

#[test]
fn frames() {
    replay("frame", crate::frame::frame);
}

#[test]
fn batches() {
    replay("batches", crate::batches::batches);
}

#[test]
fn recovery() {
    replay("recovery", crate::recovery::recovery);
}

#[test]
fn what_was_moved_to_a_journal_is_put_back() {
    let mut moved = 0;
    for (name, input) in killed() {
        let Some(journaled) = moved_to_a_journal(&input) else { continue };
        moved += 1;
        let (end, before) = end_of(&input).unwrap_or_else(|| panic!("{name} does not open"));
        let (again, restored) = end_of(&journaled).unwrap_or_else(|| panic!("{name} does not open with a journal"));
        assert_eq!((again, before), (end, 0), "{name}");
        assert!(restored > 0, "{name}: nothing was in the journal only");
        if std::env::var_os("UPDATE").is_some() {
            let written = std::fs::write(folder("recovery").join(format!("made-journal-{name}")), journaled);
            written.unwrap_or_else(|error| panic!("{error}"));
        }
    }
    assert!(moved > 5, "{moved} inputs have two batches");
}

/// The folders of the corpus that a kill left, by name.
fn killed() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder("recovery")).into_iter().flatten().flatten();
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    let killed = named.filter(|(name, _)| name.contains("killed") && !name.starts_with("made"));
    killed.filter_map(|(name, path)| Some((name, std::fs::read(path).ok()?))).collect()
}

#[test]
fn groups() {
    made("groups", |input| crate::arbitrary::run(input, false));
    replay("groups", crate::groups::groups);
}

#[test]
fn transactions() {
    made("transactions", |input| crate::arbitrary_transactions::run(input, false));
    replay("transactions", crate::transactions::transactions);
}

#[test]
fn compaction() {
    made("compaction", |input| crate::arbitrary_cleaning::run(input, false));
    replay("compaction", crate::compaction::compaction);
}

/// How many stories are told to find those that say something new, and how many bytes each is made of.
const STORIES: u64 = 400;
const STORY_BYTES: usize = 260;
const KEPT_MAX: usize = 40;

/// Writes, if it is asked for, the stories in which something is said that was not said in those before.
fn made(target: &str, tell: fn(&[u8]) -> String) {
    if std::env::var_os("UPDATE").is_none() {
        return;
    }
    let folder = folder(target);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut known = BTreeSet::new();
    let mut kept = 0;
    for seed in 0..STORIES {
        let input = bytes_of(seed, STORY_BYTES);
        let before = known.len();
        known.extend(tell(&input).lines().map(outline));
        if known.len() > before && kept < KEPT_MAX {
            std::fs::write(folder.join(format!("made-{seed:04}")), input).unwrap_or_else(|error| panic!("{error}"));
            kept += 1;
        }
    }
}

/// A line without what differs from one to the next in any case.
fn outline(line: &str) -> String {
    let words = line.split(' ').map(|word| word.split_once(['=', '#', '/']).map_or(word, |(name, _)| name));
    words.filter(|word| word.len() > 2).map(|word| word.trim_matches(|c: char| !c.is_alphabetic())).collect()
}
