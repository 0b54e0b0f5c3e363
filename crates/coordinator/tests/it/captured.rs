//! A log of Apache Kafka 4.3.1, record by record.

use andiron_coordinator::record::{round_trip, type_name};
use andiron_coordinator::routing::partition_for;
use andiron_coordinator::{EndOfTransaction, GroupConfig, GroupCoordinator, Record, StateMachine};

use crate::stage::Stage;

struct Line {
    partition: u8,
    offset: i64,
    kind: String,
    producer: i64,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (hex != "-").then(|| (0..hex.len()).step_by(2).map(pair).collect())
}

fn lines() -> Vec<Line> {
    let text = include_str!("../../testdata/captured/kafka-4.3.1.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        Line {
            partition: words[0].parse().unwrap(),
            offset: words[1].parse().unwrap(),
            kind: words[2].into(),
            producer: words[3].parse().unwrap(),
            key: bytes(words[4]).unwrap(),
            value: bytes(words[5]),
        }
    });
    lines.collect()
}

fn records_of(partition: u8) -> Vec<Record> {
    let lines = lines();
    let lines = lines.iter().filter(|line| line.partition == partition);
    lines.map(|line| Record::decode(Some(&line.key), line.value.as_deref()).unwrap()).collect()
}

#[test]
fn each_record_is_understood_to_the_last_byte() {
    let mut seen = std::collections::BTreeSet::new();
    for line in lines().iter().filter(|line| line.kind != "control") {
        let (key, value) = round_trip(&line.key, line.value.as_deref()).unwrap().unwrap();
        assert_eq!((&key, &value), (&line.key, &line.value), "offset {}", line.offset);
        seen.insert(type_name(i16::from_be_bytes([key[0], key[1]])).unwrap());
    }
    let expected = [
        "ConsumerGroupCurrentMemberAssignment",
        "ConsumerGroupMemberMetadata",
        "ConsumerGroupMetadata",
        "ConsumerGroupTargetAssignmentMember",
        "ConsumerGroupTargetAssignmentMetadata",
        "GroupMetadata",
        "OffsetCommit",
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_we_write_is_what_apache_kafka_wrote() {
    for line in lines().iter().filter(|line| line.kind != "control") {
        let record = Record::decode(Some(&line.key), line.value.as_deref()).unwrap();
        let (key, value) = record.encode().unwrap();
        assert_eq!((key.as_ref(), value.as_deref()), (&line.key[..], line.value.as_deref()), "offset {}", line.offset);
    }
}

#[test]
fn groups_lie_in_the_partition_that_their_name_says() {
    let lines = lines();
    let keys =
        lines.iter().filter_map(|line| Record::decode(Some(&line.key), None).ok().map(|key| (line.partition, key)));
    for (partition, record) in keys {
        let group = match record {
            Record::OffsetCommit { key, .. } => key.group,
            Record::GroupMetadata { group, .. } => group,
            Record::ConsumerGroup(change) => change.group,
            Record::Other { .. } | Record::OffsetInTransaction { .. } | Record::EndOfTransaction(_) => continue,
        };
        assert_eq!(partition_for(&group, 3), i32::from(partition), "{group}");
    }
    // Java's hash of this string is the one number whose sign cannot be taken away.
    assert_eq!(partition_for("polygenelubricants", 50), 0);
    assert_eq!((partition_for("", 50), partition_for("Gruppe \u{1f980}", 50), partition_for("g", 0)), (0, 17, 0));
}

#[test]
fn a_partition_of_apache_kafka_loads_with_its_groups_and_offsets() {
    let mut told = String::new();
    for partition in 0..3 {
        let mut machine = GroupCoordinator::new(GroupConfig::default());
        for line in lines().iter().filter(|line| line.partition == partition) {
            match line.kind.as_str() {
                // The second number of a control record's key says whether the transaction was committed.
                "control" => machine.replay(
                    line.offset,
                    &Record::EndOfTransaction(EndOfTransaction {
                        producer_id: line.producer,
                        producer_epoch: 0,
                        coordinator_epoch: 0,
                        committed: line.key[3] == 1,
                    }),
                ),
                "txn" => {
                    let record = Record::decode(Some(&line.key), line.value.as_deref()).unwrap();
                    machine.replay(line.offset, &record.in_transaction(line.producer, 0));
                }
                _ => machine.replay(line.offset, &Record::decode(Some(&line.key), line.value.as_deref()).unwrap()),
            }
        }
        machine.loaded(0);
        told.push_str(&format!("partition {partition}\n{}", crate::state::state_of(&mut machine)));
        assert_eq!(machine.foreign_records(), 0);
    }
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captured/kafka-4.3.1.loaded.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(file).unwrap());
}

#[test]
fn a_group_of_the_new_protocol_becomes_classic_or_goes_with_all_its_records() {
    for (act, left) in [("delete X captured-848", 0), ("join X captured-848 v=3 protocols=range:topics+t", 1)] {
        let mut stage = Stage::new();
        stage.log = records_of(1);
        stage.act("restart");
        stage.act(act);
        let mut last = std::collections::BTreeMap::new();
        for (key, value) in stage.log.iter().map(|record| record.encode().unwrap()) {
            last.insert(key, value);
        }
        let about = |key: &[u8]| key.windows(12).any(|window| window == b"captured-848") && key[1] != 1;
        assert_eq!(last.iter().filter(|(key, value)| about(key) && value.is_some()).count(), left, "{act}");
    }
}

#[test]
fn no_prefix_of_a_record_and_no_flipped_byte_makes_the_reader_panic() {
    for line in lines() {
        for end in 0..line.key.len() {
            let _ = Record::decode(Some(&line.key[..end]), line.value.as_deref());
        }
        let value = line.value.unwrap_or_default();
        for end in 0..value.len() {
            let _ = Record::decode(Some(&line.key), Some(&value[..end]));
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut changed = value.clone();
                changed[end] = byte;
                let _ = Record::decode(Some(&line.key), Some(&changed));
                let _ = round_trip(&line.key, Some(&changed));
            }
        }
    }
}
