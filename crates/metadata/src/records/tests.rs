//! Records against the bytes that Apache Kafka 4.3.1 wrote, and those that it seldom writes against themselves.
#![allow(clippy::unwrap_used)]

use andiron_protocol::schema::Uuid;

use super::*;

fn unhex(line: &str) -> Vec<u8> {
    (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn what_kafka_wrote_is_read_and_written_back_byte_for_byte() {
    let captured = include_str!("../../testdata/captured/kafka-4.3.1-records.hex");
    let mut seen = std::collections::BTreeSet::new();
    for line in captured.lines().filter(|line| !line.starts_with('#')) {
        let (version, record) = Record::decode_with_version(&unhex(line)).unwrap();
        assert_eq!(record.version(), version, "{record:?}");
        assert_eq!(record.encode().unwrap(), unhex(line), "{record:?}");
        seen.insert(record.key());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 2, 3, 4, 5, 9, 11, 12, 14, 15, 17, 20, 23, 24, 27]);
}

#[test]
fn every_type_goes_there_and_back() {
    let id = Uuid::from_u128(7);
    let records: Vec<Record> = vec![
        UnregisterBrokerRecord { broker_id: 3, broker_epoch: 9 }.into(),
        PartitionRecord { topic_id: id, last_known_elr: Some(vec![2]), leader_recovery_state: 1, ..Default::default() }
            .into(),
        FenceBrokerRecord { id: 1, epoch: 2 }.into(),
        UnfenceBrokerRecord { id: 1, epoch: 2 }.into(),
        DelegationTokenRecord { owner: "o".into(), renewers: vec!["r".into()], ..Default::default() }.into(),
        AccessControlEntryRecord { id, principal: "User:a".into(), ..Default::default() }.into(),
        RemoveAccessControlEntryRecord { id }.into(),
        ZkMigrationStateRecord { zk_migration_state: 2 }.into(),
        RemoveUserScramCredentialRecord { name: "alice".into(), mechanism: 1 }.into(),
        AbortTransactionRecord { reason: Some("why".into()) }.into(),
        BeginTransactionRecord { name: None }.into(),
        RemoveDelegationTokenRecord { token_id: "t".into() }.into(),
        ClearElrRecord { topic_name: String::new() }.into(),
        BrokerRegistrationChangeRecord { log_dirs: vec![id], ..Default::default() }.into(),
    ];
    for record in records {
        let (version, back) = Record::decode_with_version(&record.encode().unwrap()).unwrap();
        assert_eq!((version, &back), (record.version(), &record));
    }
}

#[test]
fn what_is_no_record_is_refused() {
    let table: [(&[u8], RecordError); 6] = [
        (b"\x00\x02\x00", RecordError::Frame(0)),
        (b"\x01\x06\x00", RecordError::Unknown(6)),
        (b"\x01\x63\x00", RecordError::Unknown(99)),
        (
            b"\x01\x02\x07",
            RecordError::Schema { key: 2, error: SchemaError::Version { name: "TopicRecord", version: 7 } },
        ),
        (b"\x01\x14\x00", RecordError::Schema { key: 20, error: SchemaError::Short { missing: 1 } }),
        (b"\x01\x14\x00\x00\x00", RecordError::Rest { key: 20, left: 1 }),
    ];
    for (bytes, error) in table {
        assert_eq!(Record::decode(bytes), Err(error));
    }
}

#[test]
fn no_prefix_and_no_changed_byte_makes_the_reader_panic() {
    let captured = include_str!("../../testdata/captured/kafka-4.3.1-records.hex");
    for line in captured.lines().filter(|line| !line.starts_with('#')) {
        let bytes = unhex(line);
        for at in 0..bytes.len() {
            assert!(Record::decode(&bytes[..at]).is_err());
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = Record::decode(&changed);
            }
        }
    }
}

#[test]
fn a_record_is_printed_as_kafkas_tools_print_it() {
    let record = Record::from(FeatureLevelRecord { name: "metadata.version".into(), feature_level: 30 });
    assert_eq!(record.type_name(), "FEATURE_LEVEL_RECORD");
    assert_eq!(record.to_json(0).to_string(), r#"{"name":"metadata.version","featureLevel":30}"#);
    assert_eq!(Record::from(NoOpRecord {}).to_json(0).to_string(), "{}");
}
