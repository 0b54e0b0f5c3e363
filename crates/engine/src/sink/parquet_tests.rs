//! The log of the file sink: Spark's text, and what a reader sees.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn an_entry_is_a_version_and_a_line_per_file() {
    let file = SinkFile {
        path: "file:///out/part-0.parquet".to_owned(),
        size: 7,
        is_dir: false,
        modification_time: 5,
        block_replication: 1,
        block_size: 33_554_432,
        action: "add".to_owned(),
    };
    let text = "v1\n{\"path\":\"file:///out/part-0.parquet\",\"size\":7,\"isDir\":false,\"modificationTime\":5,\"blockReplication\":1,\"blockSize\":33554432,\"action\":\"add\"}";
    assert_eq!(encode(std::slice::from_ref(&file)), text);
    assert_eq!(decode(text).unwrap(), [file]);
    assert!(decode("v2\n").is_err());
}

#[test]
fn a_reader_starts_at_the_last_compacted_entry() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(committed_files(folder.path()).unwrap(), None);
    let log = folder.path().join(METADATA_FOLDER);
    std::fs::create_dir(&log).unwrap();
    let entry = |name: &str, files: &[&str]| {
        let files: Vec<SinkFile> = files.iter().map(|f| described(Path::new(f), 1)).collect();
        std::fs::write(log.join(name), encode(&files)).unwrap();
    };
    entry("8", &["/o/a"]);
    entry("9.compact", &["/o/a", "/o/b"]);
    entry("10", &["/o/c"]);
    std::fs::write(log.join(".10.crc"), "x").unwrap();
    let seen = committed_files(folder.path()).unwrap().unwrap();
    assert_eq!(seen, [PathBuf::from("/o/a"), PathBuf::from("/o/b"), PathBuf::from("/o/c")]);
}
