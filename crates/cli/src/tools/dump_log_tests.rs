//! Files made by hand and what is printed of them. Whether that is what Apache Kafka prints is asked by the judges.
#![allow(clippy::unwrap_used)]

use andiron_protocol::batch::{BatchBuilder, BatchOptions};

use super::*;

/// A folder of one's own, gone when the test is over.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

/// Key and value.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

fn batch(base_offset: i64, records: &[Pair<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..BatchOptions::default() });
    records.iter().for_each(|(key, value)| builder.append(1_000, *key, *value));
    builder.build().unwrap().to_vec()
}

/// What is printed on both outputs, and what is thrown.
fn shown(words: &[&str]) -> (Vec<String>, Vec<String>, Option<String>) {
    let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    let given = SPEC.parse(&words).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let thrown = dump(&Options { given: &given }, &mut out, &mut err).err().map(|thrown| thrown.to_string());
    let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    (lines(out), lines(err), thrown)
}

#[test]
fn records_are_shown_with_their_batch_and_what_is_cut_off_is_counted() {
    let folder = Folder::new();
    let whole = batch(0, &[(Some(b"k"), Some(b"hello")), (None, None)]);
    let mut bytes = whole.clone();
    bytes.extend_from_slice(&batch(7, &[(None, Some(b"x"))]));
    bytes.extend_from_slice(&whole[..20]);
    let log = folder.write("00000000000000000000.log", &bytes);
    let (out, err, thrown) = shown(&["--files", &log, "--print-data-log"]);
    assert_eq!(thrown, None);
    assert_eq!(out[0], format!("Dumping {log}"));
    assert_eq!(out[1], "Log starting offset: 0");
    assert!(
        out[2].starts_with("baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1")
    );
    assert!(out[2].ends_with(" isvalid: true"), "{}", out[2]);
    let record = "CreateTime: 1000 keySize: 1 valueSize: 5 sequence: -1 headerKeys: [] key: k payload: hello";
    assert_eq!(out[3], format!("| offset: 0 {record}"));
    assert_eq!(out[4], "| offset: 1 CreateTime: 1000 keySize: -1 valueSize: -1 sequence: -1 headerKeys: []");
    assert_eq!(out[7], "Found 20 invalid bytes at the end of 00000000000000000000.log");
    assert_eq!(err, [format!("Non-consecutive offsets in {log}"), "  1 is followed by 7".to_owned()]);
    let (out, _, _) = shown(&["--files", &log, "--print-data-log", "--skip-record-metadata"]);
    assert_eq!(out[3..5], ["| key: k payload: hello".to_owned(), String::new()]);
    let first = whole.len().to_string();
    let (out, _, _) = shown(&["--files", &log, "--max-bytes", &first]);
    assert_eq!(out.len(), 3, "only the first batch, and nothing is said of the rest");
}

#[test]
fn zeros_where_a_batch_should_begin_end_it_as_in_java() {
    let folder = Folder::new();
    let log = folder.write("00000000000000000005.log", &[0; 100]);
    let (out, _, thrown) = shown(&["--files", &log]);
    assert_eq!(out[1], "Log starting offset: 5");
    let sentence = "Found record size 0 smaller than minimum record overhead (14) in file";
    let class = "org.apache.kafka.common.errors.CorruptRecordException";
    assert_eq!(thrown, Some(format!("{class}: {sentence} {log}.")));
}

#[test]
fn an_index_is_held_against_its_log() {
    let folder = Folder::new();
    let first = batch(0, &[(None, Some(b"a")), (None, Some(b"b"))]);
    let mut bytes = first.clone();
    bytes.extend_from_slice(&batch(2, &[(None, Some(b"c"))]));
    folder.write("00000000000000000000.log", &bytes);
    let position = first.len() as u32;
    let entry = |offset: u32, position: u32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
    let good = [entry(1, 0), entry(2, position), entry(0, 0)].concat();
    let index = folder.write("00000000000000000000.index", &good);
    let (out, err, thrown) = shown(&["--files", &index]);
    assert_eq!((err, thrown), (Vec::new(), None));
    assert_eq!(out[1..], ["offset: 1 position: 0".to_owned(), format!("offset: 2 position: {position}")]);
    let index = folder.write("00000000000000000000.index", &[entry(0, 0), entry(3, position)].concat());
    let (out, err, _) = shown(&["--files", &index, "--verify-index-only"]);
    assert_eq!(out.len(), 1);
    let told = ["  Index offset: 3, log offset: 2", "  Index offset: 0, log offset: 1"].map(str::to_owned);
    assert_eq!(err, [vec![format!("Mismatches in :{index}")], told.to_vec()].concat());
    let time = |timestamp: i64, offset: u32| [&timestamp.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    folder.write("00000000000000000000.index", &good[..16]);
    let times = folder.write("00000000000000000000.timeindex", &[time(1_000, 1), time(900, 2)].concat());
    let (out, err, _) = shown(&["--files", &times]);
    assert_eq!(out[1..], ["timestamp: 1000 offset: 1".to_owned(), "timestamp: 900 offset: 2".to_owned()]);
    assert_eq!(
        err,
        [
            format!("Found timestamp mismatch in :{times}"),
            "  Index timestamp: 900, log timestamp: 1000".to_owned(),
            format!("Found out of order timestamp in :{times}"),
            "  Index timestamp: 900, Previously indexed timestamp: 1000".to_owned(),
        ]
    );
    let (out, _, _) = shown(&["--files", &times, "--index-sanity-check"]);
    assert_eq!(out.len(), 1, "the last timestamp is less than the first: thrown");
}

#[test]
fn other_files_are_shown_or_named() {
    let folder = Folder::new();
    let mut aborted = vec![0; 2];
    [1i64, 2, 3, 4].iter().for_each(|number| aborted.extend_from_slice(&number.to_be_bytes()));
    let index = folder.write("00000000000000000000.txnindex", &aborted);
    let torn = folder.write("00000000000000000009.snapshot", &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
    let files = format!("{index},{torn},/tmp//x.y/");
    let (out, err, thrown) = shown(&["--files", &files]);
    assert_eq!(thrown, None);
    assert_eq!(out[1], "version: 0 producerId: 1 firstOffset: 2 lastOffset: 3 lastStableOffset: 4");
    assert_eq!(out[3], "Dumping /tmp/x.y");
    assert_eq!(
        err,
        [
            "Snapshot failed schema validation: Snapshot contained an unknown file version 9",
            "Ignoring unknown file /tmp/x.y"
        ]
    );
}

#[test]
fn what_a_coordinator_wrote_is_json_and_what_it_did_not_is_said() {
    let folder = Folder::new();
    let commit: &[u8] = b"\0\x01\0\x01g\0\x01t\0\0\0\x02";
    let records = [(Some(commit), None), (Some(&b"\0\x63"[..]), None), (Some(&b"\0"[..]), None)];
    let log = folder.write("00000000000000000000.log", &batch(0, &records));
    let (out, _, _) = shown(&["--files", &log, "--offsets-decoder", "--skip-record-metadata"]);
    let key = r#"{"type":"1","data":{"group":"g","topic":"t","partition":2}}"#;
    assert_eq!(out[3], format!("| key: {key} payload: <DELETE>"));
    assert_eq!(out[4], "| key: Unknown record type 99 at offset 1, skipping.");
    assert_eq!(out[5], "| key: Error at offset 2, skipping. Could not read version from key's buffer.");
    let keyless = folder.write("00000000000000000001.log", &batch(1, &[(None, Some(b"v"))]));
    let (_, _, thrown) = shown(&["--files", &keyless, "--offsets-decoder"]);
    assert!(thrown.is_some_and(|text| text.ends_with("using the specified decoder (message had a missing key)")));
}
