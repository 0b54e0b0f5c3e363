//! The notation against bytes worked out by hand from Kafka's rules.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::message;

message! {
    /// A value with a history, as `OffsetCommitValue` has one.
    pub struct Committed(versions 0..=4, flexible 4..) {
        /// Always there.
        offset: i64 [0..],
        /// Came later.
        leader_epoch: i32 [3..] = -1,
        /// A string.
        metadata: String [0..],
        /// Came and went.
        expire_timestamp: i64 [1..=1] = -1,
        /// Two tags, declared in the wrong order.
        last: Option<Vec<i32>> [4.., tag 7],
        /// The tag that is written first.
        topic_id: Uuid [4.., tag 0],
        /// Structures inside.
        members: Vec<Inner> [2..],
        /// A structure that may be null.
        one: Option<Inner> [3..],
    }
    /// Follows the one around it.
    pub struct Inner(part) {
        /// May be null.
        name: Option<String> [0..],
        /// Only later.
        bytes: Bytes [4..],
    }
    /// Nothing inside, never flexible.
    pub struct Nothing(versions 0..=0) {}
}

fn full() -> Committed {
    Committed {
        offset: 5,
        leader_epoch: 2,
        metadata: "m".into(),
        expire_timestamp: 9,
        last: Some(vec![300]),
        topic_id: Uuid::from_u128(1),
        members: vec![Inner { name: None, bytes: Bytes::from_static(b"xy") }],
        one: Some(Inner { name: Some("n".into()), bytes: Bytes::new() }),
    }
}

#[test]
fn every_version_writes_its_own_fields_and_reads_them_back() {
    let table: [(i16, &[u8]); 5] = [
        (0, b"\0\0\0\0\0\0\0\x05\0\x01m"),
        (1, b"\0\0\0\0\0\0\0\x05\0\x01m\0\0\0\0\0\0\0\x09"),
        (2, b"\0\0\0\0\0\0\0\x05\0\x01m\0\0\0\x01\xff\xff"),
        (3, b"\0\0\0\0\0\0\0\x05\0\0\0\x02\0\x01m\0\0\0\x01\xff\xff\x01\0\x01n"),
        (
            4,
            b"\0\0\0\0\0\0\0\x05\0\0\0\x02\x02m\x02\0\x03xy\0\x01\x02n\x01\0\x02\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x07\x05\x02\0\0\x01\x2c",
        ),
    ];
    for (version, bytes) in table {
        assert_eq!(full().to_vec(version).unwrap(), bytes, "version {version}");
        let mut rest = bytes;
        let back = Committed::decode(version, &mut rest).unwrap();
        assert!(rest.is_empty());
        assert_eq!(back.to_vec(version).unwrap(), bytes);
        assert_eq!(back.leader_epoch, if version >= 3 { 2 } else { -1 });
    }
    assert_eq!(
        Committed::decode(4, &mut &full().to_vec(4).unwrap()[..]).unwrap(),
        Committed { expire_timestamp: -1, ..full() }
    );
    assert_eq!(Nothing {}.to_vec_with_version(0).unwrap(), [0, 0]);
}

#[test]
fn tagged_fields_at_their_default_are_not_written_and_unknown_ones_are_skipped() {
    let plain = Committed::default().to_vec(4).unwrap();
    assert_eq!(plain, b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x01\x01\xff\0");
    let mut with_unknown = plain[..plain.len() - 1].to_vec();
    with_unknown.extend_from_slice(b"\x01\x63\x03abc");
    assert_eq!(Committed::decode(4, &mut &with_unknown[..]).unwrap(), Committed::default());
}

#[test]
fn bytes_that_lie_are_refused() {
    let table: [(i16, &[u8], SchemaError); 7] = [
        (0, b"\0\0", SchemaError::Short { missing: 6 }),
        (0, b"\0\0\0\0\0\0\0\x05\0\x09m", SchemaError::Short { missing: 8 }),
        (0, b"\0\0\0\0\0\0\0\x05\xff\xff", SchemaError::Null),
        (0, b"\0\0\0\0\0\0\0\x05\0\x01\xff", SchemaError::NotUtf8),
        (2, b"\0\0\0\0\0\0\0\x05\0\x01m\x7f\xff\xff\xff", SchemaError::Length(0x7fff_ffff)),
        (4, b"\0\0\0\0\0\0\0\x05\0\0\0\x02\xff\xff\xff\xff\x7f", SchemaError::Varint),
        (5, b"", SchemaError::Version { name: "Committed", version: 5 }),
    ];
    for (version, bytes, error) in table {
        assert_eq!(Committed::decode(version, &mut &bytes[..]), Err(error));
    }
    assert_eq!(Committed { metadata: "x".repeat(40_000), ..full() }.to_vec(0), Err(SchemaError::TooLong(40_000)));
}

#[test]
fn no_prefix_and_no_flipped_byte_makes_the_reader_panic() {
    for version in 0..=4 {
        let bytes = full().to_vec(version).unwrap();
        for end in 0..bytes.len() {
            assert!(Committed::decode(version, &mut &bytes[..end]).is_err());
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[end] = value;
                let _ = Committed::decode(version, &mut &changed[..]);
            }
        }
    }
}

#[test]
fn varints_go_both_ways() {
    for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u32::MAX] {
        let mut out = Vec::new();
        put_uvarint(value, &mut out);
        assert_eq!(out.len(), uvarint_len(value));
        assert_eq!(get_uvarint(&mut &out[..]).unwrap(), value);
    }
    for value in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
        let mut out = Vec::new();
        put_varint(value, &mut out);
        assert_eq!(get_varint(&mut &out[..]).unwrap(), value);
    }
}

#[test]
fn json_has_kafkas_names_and_leaves_out_what_a_version_does_not_have() {
    let table = [
        (0, r#"{"offset":5,"metadata":"m"}"#),
        (1, r#"{"offset":5,"metadata":"m","expireTimestamp":9}"#),
        (3, r#"{"offset":5,"leaderEpoch":2,"metadata":"m","members":[{"name":null}],"one":{"name":"n"}}"#),
        (
            4,
            concat!(
                r#"{"offset":5,"leaderEpoch":2,"metadata":"m","last":[300],"topicId":"AAAAAAAAAAAAAAAAAAAAAQ","#,
                r#""members":[{"name":null,"bytes":"eHk="}],"one":{"name":"n","bytes":""}}"#
            ),
        ),
    ];
    for (version, text) in table {
        assert_eq!(full().to_json(version).to_string(), text);
    }
    assert_eq!(
        Committed::default().to_json(4).to_string(),
        r#"{"offset":0,"leaderEpoch":-1,"metadata":"","members":[],"one":null}"#
    );
}

#[test]
fn json_text_and_numbers_look_as_javas() {
    assert_eq!(Json::text("a\"b\\c\n\t\u{1}\u{8}é/").to_string(), r#""a\"b\\c\n\t\u0001\bé/""#);
    let table = [
        (0.0, "0.0"),
        (1024.0, "1024.0"),
        (0.001, "0.001"),
        (0.000_5, "5.0E-4"),
        (1e7, "1.0E7"),
        (12_345_678.9, "1.23456789E7"),
        (-2.5e20, "-2.5E20"),
    ];
    for (value, text) in table {
        assert_eq!(Json::Real(value).to_string(), text);
    }
}
