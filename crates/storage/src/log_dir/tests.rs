//! The files of a log directory, as Apache Kafka writes and reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::disk::RealDisk;

fn open(path: &Path) -> Result<LogDir, LogDirError> {
    LogDir::open(Arc::new(RealDisk::new()), path)
}

#[test]
fn one_owner_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("deep/log");
    let held = open(&dir).unwrap();
    let refused = open(&dir).unwrap_err().to_string();
    assert!(refused.starts_with("Failed to acquire lock on file .lock in "), "{refused}");
    drop(held);
    open(&dir).unwrap();
}

#[test]
fn a_clean_shutdown_counts_once() {
    let place = tempfile::tempdir().unwrap();
    let dir = open(place.path()).unwrap();
    assert!(!dir.was_clean());
    dir.mark_clean(12).unwrap();
    let marker = place.path().join(".kafka_cleanshutdown");
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "{\"version\":0,\"brokerEpoch\":12}");
    drop(dir);
    let dir = open(place.path()).unwrap();
    assert_eq!((dir.was_clean(), dir.clean_shutdown_epoch(), marker.exists()), (true, 12, false));
    drop(dir);
    assert!(!open(place.path()).unwrap().was_clean(), "from the second start on a crash is a crash");
}

#[test]
fn what_kafka_wrote_is_read() {
    let place = tempfile::tempdir().unwrap();
    let dir = open(place.path()).unwrap();
    assert_eq!(dir.meta_properties().unwrap(), None);
    let meta = "#\n#Mon Nov 23 06:43:38 UTC 2026\nnode.id=1\ndirectory.id=ZzuejwXR0MaMDRLZzeJTng\nversion=1\ncluster.id=AjtJUBfaRYS1fqhWubkuTg\n";
    std::fs::write(place.path().join("meta.properties"), meta).unwrap();
    let read = dir.meta_properties().unwrap().unwrap();
    assert_eq!((read.node_id, read.cluster_id.as_str()), (1, "AjtJUBfaRYS1fqhWubkuTg"));
    dir.write_meta_properties(&read).unwrap();
    assert_eq!(dir.meta_properties().unwrap().unwrap(), read);

    std::fs::write(place.path().join("recovery-point-offset-checkpoint"), "0\n2\nlat 0 10\ncodecs 1 15020\n").unwrap();
    let points = dir.recovery_points().unwrap();
    assert_eq!(points[&TopicPartition::new("codecs", 1)], 15020);
    dir.write_high_watermarks(&points).unwrap();
    let text = std::fs::read_to_string(place.path().join("replication-offset-checkpoint")).unwrap();
    assert_eq!(text, "0\n2\ncodecs 1 15020\nlat 0 10\n");
    assert_eq!(dir.high_watermarks().unwrap(), points);
    std::fs::write(place.path().join("log-start-offset-checkpoint"), "").unwrap();
    assert!(dir.log_start_offsets().unwrap().is_empty());
}

#[test]
fn broken_files_are_named() {
    let place = tempfile::tempdir().unwrap();
    let dir = open(place.path()).unwrap();
    for text in ["1\n0\n", "0\nx\n", "0\n2\nt 0 1\n", "0\n1\nt 0\n", "0\n1\nt 0 1", "0\n1\nt 0 1\nt 1 1\n"] {
        std::fs::write(place.path().join("recovery-point-offset-checkpoint"), text).unwrap();
        let error = dir.recovery_points().unwrap_err().to_string();
        assert!(error.contains("recovery-point-offset-checkpoint: "), "{text:?}: {error}");
    }
    std::fs::write(place.path().join("meta.properties"), "version=1\ncluster.id=x\n").unwrap();
    assert!(dir.meta_properties().unwrap_err().to_string().ends_with("node.id is missing"));
}

#[test]
fn which_directories_are_partitions() {
    let place = tempfile::tempdir().unwrap();
    let dir = open(place.path()).unwrap();
    let over = ["b-1.77-future", "gone-0.0123-delete"];
    for name in ["a-0", "with-dash-12", "__cluster_metadata-0", over[0], over[1], "c-1.77-stray", "other"] {
        std::fs::create_dir(place.path().join(name)).unwrap();
    }
    let names: Vec<String> = dir.partitions().unwrap().iter().map(|p| format!("{}/{}", p.topic, p.partition)).collect();
    assert_eq!(names, ["__cluster_metadata/0", "a/0", "with-dash/12"]);
    assert_eq!(dir.deleted_dirs().unwrap(), over.map(|name| place.path().join(name)));
    assert_eq!(dir.coming().unwrap(), [TopicPartition::new("b", 1)]);
    let aside = dir.set_aside(&TopicPartition::new("a", 0), Uuid::nil()).unwrap();
    assert_eq!(aside, place.path().join("a-0.00000000000000000000000000000000-stray"));
    assert!(aside.is_dir() && dir.partitions().unwrap().len() == 2);
}
