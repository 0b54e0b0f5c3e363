//! The bytes are those of a checkpoint that Spark wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn metadata_is_one_line_without_version() {
    let text = r#"{"id":"28355422-4808-475b-8d3d-945ac4981566"}"#;
    let metadata = Metadata::decode(text).unwrap();
    assert_eq!(metadata.id, "28355422-4808-475b-8d3d-945ac4981566");
    assert_eq!(metadata.encode(), text);
    assert!(matches!(Metadata::decode("{}"), Err(CheckpointError::Metadata(_))));
}

#[test]
fn an_offset_file_comes_back_byte_for_byte() {
    let text = "v1\n{\"batchWatermarkMs\":0,\"batchTimestampMs\":1795392228765,\"conf\":{\"spark.sql.shuffle.partitions\":\"200\",\"spark.sql.streaming.multipleWatermarkPolicy\":\"min\"}}\n{\"topic\":{\"0\":23,\"1\":345}}\n-";
    let seq = OffsetSeq::decode(text).unwrap();
    assert_eq!(seq.sources, [Some(r#"{"topic":{"0":23,"1":345}}"#.to_owned()), None]);
    assert_eq!(seq.metadata.as_ref().unwrap().batch_timestamp_ms, 1_795_392_228_765);
    assert_eq!(seq.encode(), text);
}

#[test]
fn an_offset_file_of_spark_2_0_has_no_metadata() {
    assert_eq!(
        OffsetSeq::decode("v1\n\n5").unwrap(),
        OffsetSeq { metadata: None, sources: vec![Some("5".to_owned())] }
    );
}

#[test]
fn a_commit_is_a_version_and_a_watermark() {
    assert_eq!(CommitMetadata::default().encode(), "v1\n{\"nextBatchWatermarkMs\":0}");
    assert_eq!(CommitMetadata::decode("v1\n{\"nextBatchWatermarkMs\":7}").unwrap().next_batch_watermark_ms, 7);
    assert_eq!(CommitMetadata::decode("v1\n{}").unwrap(), CommitMetadata::default());
}

#[test]
fn the_initial_offset_begins_with_a_zero_byte() {
    let bytes = encode_initial_offset(r#"{"topic":{"0":12,"1":7}}"#);
    assert_eq!(bytes, b"\0v1\n{\"topic\":{\"0\":12,\"1\":7}}");
    assert_eq!(decode_initial_offset(&bytes).unwrap(), r#"{"topic":{"0":12,"1":7}}"#);
    assert_eq!(decode_initial_offset(b"{\"t\":{}}").unwrap(), "{\"t\":{}}");
    assert!(decode_initial_offset(b"\0v9\n{}").is_err());
}

#[test]
fn a_newer_version_is_refused_in_sparks_words() {
    let said = OffsetSeq::decode("v99999\n{}").unwrap_err().to_string();
    assert_eq!(
        said,
        "UnsupportedLogVersion: maximum supported log version is v1, but encountered v99999. The log file was produced by a newer version of Spark and cannot be read by this version. Please upgrade."
    );
    assert_eq!(CommitMetadata::decode("v2\n{}").unwrap_err(), CheckpointError::Unsupported(2));
    for bad in ["", "1\n", "v\n", "v0\n{}", "vx\n"] {
        let said = OffsetSeq::decode(bad).unwrap_err().to_string();
        assert!(said.contains("Log file was malformed") || said.contains("Incomplete"), "{bad:?}: {said}");
    }
}

#[test]
fn pinned_settings_take_the_sessions_values() {
    let pinned = pinned_confs(|name| (name == "spark.sql.shuffle.partitions").then(|| "7".to_owned()));
    assert_eq!(pinned["spark.sql.shuffle.partitions"], "7");
    assert_eq!(pinned["spark.sql.streaming.multipleWatermarkPolicy"], "min");
}
