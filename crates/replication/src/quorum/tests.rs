//! Against the files of Apache Kafka 4.3.1.
#![allow(clippy::unwrap_used)]

use andiron_protocol::KafkaUuid;
use andiron_protocol::batch::Batches;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}

const BOOTSTRAP: &str = include_str!("../../testdata/captured/kafka-4.3.1-bootstrap.hex");
const VOTERS: &str = include_str!("../../testdata/captured/kafka-4.3.1-00000000000000000000-0000000000.hex");

fn myself() -> Vec<Voter> {
    let directory = Uuid::from_kafka("qLB4XE4-Rd-6aP6Tc9vEeA").unwrap();
    let endpoint = VoterEndpoint { name: "CONTROLLER".into(), host: "127.0.0.1".into(), port: 29371 };
    vec![Voter::new(1, directory, vec![endpoint])]
}

#[test]
fn the_checkpoint_of_a_standalone_quorum_is_written_as_by_kafka() {
    let theirs = unhex(VOTERS);
    let read = SnapshotReader::read(&theirs).unwrap();
    assert_eq!((read.k_raft_version, read.voters.as_deref(), read.values.len()), (1, Some(&myself()[..]), 0));
    // Header and footer have timestamps of their own; all else is decided.
    let times: Vec<i64> = Batches::new(&theirs).map(|batch| batch.unwrap().header.base_timestamp).collect();
    let last = read.last_contained_log_timestamp;
    let writer = SnapshotWriter::new(0, last, times[0], Some(&myself()), 1000).unwrap();
    assert_eq!(writer.finish(times[1]).unwrap(), theirs);
}

#[test]
fn the_bootstrap_checkpoint_is_written_as_by_kafka() {
    let theirs = unhex(BOOTSTRAP);
    let read = SnapshotReader::read(&theirs).unwrap();
    assert_eq!((read.k_raft_version, &read.voters, read.values.len()), (0, &None, 6));
    let times: Vec<i64> = Batches::new(&theirs).map(|batch| batch.unwrap().header.base_timestamp).collect();
    let mut writer = SnapshotWriter::new(0, read.last_contained_log_timestamp, times[0], None, 10_000).unwrap();
    for value in &read.values {
        writer.append(times[1], value).unwrap();
    }
    assert_eq!(writer.finish(times[2]).unwrap(), theirs);
}

#[test]
fn a_snapshot_that_was_not_finished_or_is_damaged_is_refused() {
    let whole = unhex(BOOTSTRAP);
    let ends: Vec<usize> = Batches::new(&whole)
        .scan(0, |end, batch| {
            *end += batch.unwrap().bytes.len();
            Some(*end)
        })
        .collect();
    assert!(matches!(SnapshotReader::read(&whole[..ends[1]]), Err(SnapshotError::NoFooter)));
    assert!(matches!(SnapshotReader::read(&whole[ends[0]..]), Err(SnapshotError::NoHeader)));
    assert!(matches!(SnapshotReader::read(&[]), Err(SnapshotError::NoHeader)));
    for cut in 1..whole.len() {
        assert!(SnapshotReader::read(&whole[..cut]).is_err(), "cut at {cut}");
    }
    let mut flipped = whole.clone();
    flipped[ends[0] + 100] ^= 1;
    assert!(matches!(SnapshotReader::read(&flipped), Err(SnapshotError::Batch { .. })));
}

#[test]
fn many_records_make_many_batches_with_offsets_that_go_on() {
    let mut writer = SnapshotWriter::new(3, 0, 1, None, 100).unwrap();
    (0u8..50).for_each(|n| writer.append(1, &[n; 20]).unwrap());
    let bytes = writer.finish(1).unwrap();
    let mut next = 0;
    for batch in Batches::new(&bytes) {
        let header = batch.unwrap().header;
        assert_eq!((header.base_offset, header.partition_leader_epoch), (next, 3));
        next = header.next_offset();
    }
    assert_eq!(next, 52);
    assert_eq!(SnapshotReader::read(&bytes).unwrap().values.len(), 50);
}

#[test]
fn an_epoch_begins_as_kafka_begins_it() {
    let batch = epoch_start(0, 1, 1_795_415_877_188, 1, Some(&myself())).unwrap();
    let batch = Batches::new(&batch).next().unwrap().unwrap();
    let mut scratch = Vec::new();
    let records = batch.records(&mut scratch).unwrap();
    let mut values = Vec::new();
    for record in records {
        values.push(record.unwrap().value.unwrap().to_vec());
    }
    let theirs = [
        "00000000000102000000010002000000010000",
        "0000000100",
        "00000200000001a8b0785c4e3e45dfba68fe9373dbc478020b434f4e54524f4c4c45520a3132372e302e302e3172bb0000000001000000",
    ];
    assert_eq!(values, theirs.map(unhex));
    assert!(batch.header.attributes.is_control());
    assert_eq!(batch.bytes.len(), 174);
}

#[test]
fn quorum_state_is_written_and_read_as_by_kafka() {
    let theirs =
        r#"{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#;
    let state = QuorumState::leading(1, 3, None);
    assert_eq!(state.to_json(), theirs);
    assert_eq!(QuorumState::from_json(theirs).unwrap(), state);
    let old = QuorumState::leading(1, 3, Some(vec![1]));
    assert_eq!(QuorumState::from_json(&old.to_json()).unwrap(), old);
    let table = [
        ("", "quorum-state is no JSON: EOF while parsing a value at line 1 column 0"),
        ("{}", "quorum-state has no valid data_version"),
        (r#"{"data_version":9}"#, "quorum-state has data_version 9, which is neither 0 nor 1"),
        (r#"{"data_version":0}"#, "quorum-state has no valid leaderId"),
    ];
    for (text, complaint) in table {
        assert_eq!(QuorumState::from_json(text).unwrap_err().to_string(), complaint);
    }
}

#[test]
fn snapshots_are_named_by_what_they_stand_for() {
    let id = SnapshotId { end_offset: 264, epoch: 3 };
    assert_eq!(id.file_name(), "00000000000000000264-0000000003.checkpoint");
    assert_eq!(SnapshotId::from_file_name(&id.file_name()), Some(id));
    for name in ["bootstrap.checkpoint", "264-3.checkpoint", "00000000000000000264-0000000003.checkpoint.part"] {
        assert_eq!(SnapshotId::from_file_name(name), None);
    }
}
