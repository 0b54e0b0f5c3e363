//! Columns in their order, whatever is asked for, and the JSON of coordinators' records.
#![allow(clippy::unwrap_used)]

use andiron_client::TopicPartition;

use super::*;

const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

fn row() -> ConsumerRecord {
    ConsumerRecord {
        partition: TopicPartition::new("t", 3),
        offset: 7,
        leader_epoch: Some(4),
        timestamp: 1_700,
        log_append_time: false,
        key: Some(Bytes::from_static(b"k")),
        value: None,
        headers: vec![(Bytes::from_static(b"a"), Some(Bytes::from_static(b"1"))), (Bytes::from_static(b"b"), None)],
    }
}

fn shown(class: &str, properties: &[(&str, &str)], row: &ConsumerRecord) -> String {
    let properties = properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let mut out = Vec::new();
    Formatter::new(class, &properties).unwrap().write(row, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn columns_stand_in_kafkas_order() {
    let all: Vec<(&str, &str)> = ["timestamp", "partition", "offset", "delivery", "epoch", "headers", "key"]
        .map(|name| match name {
            "timestamp" => ("print.timestamp", "true"),
            "partition" => ("print.partition", " TRUE"),
            "offset" => ("print.offset", "true"),
            "delivery" => ("print.delivery", "true"),
            "epoch" => ("print.epoch", "true"),
            "headers" => ("print.headers", "true"),
            _ => ("print.key", "true"),
        })
        .to_vec();
    assert_eq!(
        shown(DEFAULT, &all, &row()),
        "CreateTime:1700\tPartition:3\tOffset:7\tDelivery:NOT_PRESENT\tEpoch:NOT_PRESENT\ta:1,b:null\tk\tnull\n"
    );
    assert_eq!(shown(DEFAULT, &[], &row()), "null\n");
    assert_eq!(shown(DEFAULT, &[("print.key", "true"), ("print.value", "false")], &row()), "k\n");
    let separators = [("print.key", "true"), ("key.separator", "|"), ("line.separator", "#"), ("null.literal", "NIL")];
    assert_eq!(shown(DEFAULT, &separators, &row()), "k|NIL#");
    let bare = ConsumerRecord { headers: Vec::new(), ..row() };
    assert_eq!(shown(DEFAULT, &[("print.headers", "true"), ("print.value", "no")], &bare), "NO_HEADERS\n");
}

#[test]
fn a_class_that_is_not_there_is_named() {
    assert_eq!(Formatter::new("no.Such", &BTreeMap::new()).unwrap_err(), "no.Such");
}

#[test]
fn records_of_a_coordinator_are_json_and_those_of_other_types_are_left_out() {
    let key = b"\0\x01\0\x01g\0\x01t\0\0\0\x02";
    let value = b"\0\x03\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\0\x01m\0\0\0\0\0\0\0\x09";
    let commit = ConsumerRecord { key: Some(Bytes::from_static(key)), value: Some(Bytes::from_static(value)), ..row() };
    let offsets = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
    let printed = r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":2}},"value":{"version":3,"data":{"offset":5,"leaderEpoch":-1,"metadata":"m","commitTimestamp":9}}}"#;
    assert_eq!(shown(offsets, &[], &commit), printed);
    let gone = ConsumerRecord { value: None, ..commit.clone() };
    assert_eq!(
        shown(offsets, &[], &gone),
        r#"{"key":{"type":1,"data":{"group":"g","topic":"t","partition":2}},"value":null}"#
    );
    assert_eq!(shown("org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter", &[], &commit), "");
}
