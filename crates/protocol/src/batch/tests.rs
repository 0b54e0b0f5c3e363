//! Batches built here are read back, and lies in a batch are seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::compression::Codec;

type Kept = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn build(codec: Codec, records: &[Kept]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions { codec, base_offset: 40, ..BatchOptions::default() });
    for (timestamp, key, value, headers) in records {
        builder.append_with_headers(
            *timestamp,
            key.as_deref(),
            value.as_deref(),
            headers.iter().map(|(k, v)| (k.as_slice(), v.as_deref())),
        );
    }
    builder.build().unwrap().to_vec()
}

fn some_records(count: i64) -> Vec<Kept> {
    (0..count).map(|i| (1000 + i, Some(format!("key-{i}").into_bytes()), Some(vec![b'v'; 100]), vec![])).collect()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..40)
}

fn record() -> impl Strategy<Value = Kept> {
    (
        0..i64::MAX / 4,
        proptest::option::of(bytes()),
        proptest::option::of(bytes()),
        proptest::collection::vec((bytes(), proptest::option::of(bytes())), 0..3),
    )
}

proptest! {
    #[test]
    fn every_record_comes_back(records in proptest::collection::vec(record(), 1..30), codec in 0i16..5) {
        let codec = Codec::from_id(codec).unwrap();
        let batch = build(codec, &records);
        let batch = Batch::first(&batch).unwrap();
        batch.check_crc().unwrap();
        let facts = walk_records(&batch).unwrap();
        prop_assert_eq!(facts.count as usize, records.len());
        prop_assert_eq!(facts.max_timestamp, batch.header.max_timestamp);
        prop_assert_eq!(facts.first_without_key.map(|i| i as usize), records.iter().position(|r| r.1.is_none()));
        let mut scratch = Vec::new();
        let mut back: Vec<Kept> = Vec::new();
        for (i, r) in batch.records(&mut scratch).unwrap().enumerate() {
            let r = r.unwrap();
            prop_assert_eq!(r.offset, 40 + i as i64);
            let headers = r.headers.map(|h| h.unwrap()).map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec))).collect();
            back.push((r.timestamp, r.key.map(<[u8]>::to_vec), r.value.map(<[u8]>::to_vec), headers));
        }
        prop_assert_eq!(back, records);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), codec in 0u8..8) {
        if bytes.len() > 22 { bytes[16] = 2; bytes[8] = 0; bytes[9] = 0; bytes[10] = 0; bytes[22] = codec; }
        for batch in Batches::new(&bytes).flatten() {
            let _ = walk_records(&batch);
            let mut scratch = Vec::new();
            if let Ok(records) = batch.records(&mut scratch) {
                for record in records.flatten() { let _ = record.headers.flatten().collect::<Vec<_>>(); }
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_seen(at in 21usize..600, bit in 0u8..8) {
        let mut bytes = build(Codec::None, &some_records(10));
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        prop_assert!(Batch::first(&bytes).unwrap().check_crc().is_err());
    }

    #[test]
    fn varints(value: i64, small: i32) {
        let mut out = Vec::new();
        varint::write_i64(value, &mut out);
        prop_assert_eq!(out.len(), varint::size_i64(value));
        let split = out.len();
        varint::write_i32(small, &mut out);
        prop_assert_eq!(out.len() - split, varint::size_i32(small));
        let mut at = 0;
        prop_assert_eq!(varint::read_i64(&out, &mut at), Some(value));
        prop_assert_eq!(varint::read_i32(&out, &mut at), Some(small));
    }
}

#[test]
fn the_header_is_what_kafka_writes() {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: 7,
        producer_epoch: 1,
        base_sequence: 3,
        ..BatchOptions::default()
    });
    builder.append(5, Some(b"k"), Some(b"v"));
    let bytes = builder.build().unwrap();
    let header = BatchHeader::read(&bytes).unwrap();
    assert_eq!(header.to_bytes(), bytes[..HEADER_BYTES]);
    assert_eq!((header.base_offset, header.batch_length, header.record_count, header.last_sequence()), (0, 58, 1, 3));
    // length 8, attributes 0, timestamp delta 0, offset delta 0, key, value, no headers
    assert_eq!(bytes[HEADER_BYTES..], [16, 0, 0, 0, 2, b'k', 2, b'v', 0][..]);
}

#[test]
fn the_same_bytes_as_an_independent_codec() {
    use kafka_protocol::records::RecordBatchDecoder;
    let mut buf = bytes::Bytes::from(build(Codec::None, &some_records(5)));
    let set = RecordBatchDecoder::decode(&mut buf).unwrap();
    assert_eq!(set.records.len(), 5);
    assert_eq!(set.records[4].offset, 44);
    assert_eq!(set.records[4].key.as_deref(), Some(&b"key-4"[..]));
}

#[test]
fn a_patched_offset_keeps_the_checksum() {
    let mut bytes = build(Codec::Lz4, &some_records(3));
    patch_offset(&mut bytes, 1_000_000, 9);
    let batch = Batch::first(&bytes).unwrap();
    batch.check_crc().unwrap();
    assert_eq!(
        (batch.header.base_offset, batch.header.last_offset(), batch.header.partition_leader_epoch),
        (1_000_000, 1_000_002, 9)
    );
    patch_max_timestamp(&mut bytes, 77, TimestampType::LogAppendTime);
    assert!(Batch::first(&bytes).unwrap().check_crc().is_err());
    patch_crc(&mut bytes);
    let batch = Batch::first(&bytes).unwrap();
    batch.check_crc().unwrap();
    let mut scratch = Vec::new();
    assert!(batch.records(&mut scratch).unwrap().all(|r| r.unwrap().timestamp == 77));
}

#[test]
fn a_count_that_lies_is_seen() {
    for codec in Codec::ALL {
        for (count, last_delta) in [(9, 8), (11, 10), (10, 10), (0, -1), (i32::MAX, i32::MAX - 1), (-1, 9)] {
            let mut bytes = build(codec, &some_records(10));
            bytes[57..61].copy_from_slice(&i32::to_be_bytes(count));
            bytes[23..27].copy_from_slice(&i32::to_be_bytes(last_delta));
            assert!(walk_records(&Batch::first(&bytes).unwrap()).is_err(), "{codec} {count} {last_delta}");
        }
    }
}

#[test]
fn large_records_stream_through_the_window() {
    let records: Vec<Kept> = (0..20).map(|i| (i, None, Some(vec![i as u8; 5000 * i as usize]), vec![])).collect();
    for codec in Codec::ALL {
        let bytes = build(codec, &records);
        let facts = walk_records(&Batch::first(&bytes).unwrap()).unwrap();
        assert_eq!(
            (facts.count, facts.max_timestamp, facts.min_timestamp, facts.first_without_key),
            (20, 19, 0, Some(0)),
            "{codec}"
        );
    }
}

/// A batch of one record with these bytes behind its length, compressed as a client would.
fn of_one(codec: Codec, length: i32, record: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    varint::write_i32(length, &mut body);
    body.extend_from_slice(record);
    let mut bytes = build(codec, &some_records(1));
    bytes.truncate(HEADER_BYTES);
    codec.compress(None, &body, &mut bytes).unwrap();
    let size = (bytes.len() - LOG_OVERHEAD_BYTES) as i32;
    bytes[8..12].copy_from_slice(&size.to_be_bytes());
    patch_crc(&mut bytes);
    bytes
}

/// What stands in a record: numbers, and bytes as they are.
enum Part {
    Number(i32),
    Bytes(usize),
}

#[test]
fn what_a_record_holds_fills_its_length() {
    use Part::{Bytes, Number};
    // Attributes, timestamp delta and offset delta stand in front.
    let cases: [(&str, &[Part], i32, bool); 17] = [
        ("nothing at all", &[Number(-1), Number(-1), Number(0)], 0, true),
        ("a key and a value", &[Number(3), Bytes(3), Number(4), Bytes(4), Number(0)], 0, true),
        ("any negative length is none", &[Number(-7), Number(-9), Number(0)], 0, true),
        (
            "headers, of one the value is none",
            &[Number(-1), Number(-1), Number(2), Number(1), Bytes(1), Number(2), Bytes(2), Number(0), Number(-1)],
            0,
            true,
        ),
        ("a large value", &[Number(-1), Number(50_000), Bytes(50_000), Number(0)], 0, true),
        ("a large header", &[Number(-1), Number(-1), Number(1), Number(40_000), Bytes(40_000), Number(-1)], 0, true),
        ("a key beyond the end", &[Number(9), Number(-1), Number(0)], 0, false),
        ("a value beyond the end", &[Number(-1), Number(9), Number(0)], 0, false),
        ("a value of the greatest length", &[Number(-1), Number(i32::MAX), Number(0)], 0, false),
        ("no value", &[Number(-1)], 0, false),
        ("no number of headers", &[Number(-1), Number(-1)], 0, false),
        ("fewer headers than none", &[Number(-1), Number(-1), Number(-1)], 0, false),
        ("more headers than there are", &[Number(-1), Number(-1), Number(i32::MAX)], 0, false),
        ("a header without a key", &[Number(-1), Number(-1), Number(1), Number(-1), Number(-1)], 0, false),
        ("bytes behind the headers", &[Number(-1), Number(-1), Number(0), Bytes(1)], 0, false),
        ("bytes behind a large value", &[Number(-1), Number(50_000), Bytes(50_000), Number(0), Bytes(1)], 0, false),
        ("a length that is too short", &[Number(-1), Number(50_000), Bytes(50_000), Number(0)], -1, false),
    ];
    for (case, parts, lie, valid) in cases {
        let mut record = vec![0, 0, 0];
        for part in parts {
            match part {
                Number(number) => varint::write_i32(*number, &mut record),
                Bytes(count) => record.resize(record.len() + count, 1),
            }
        }
        for codec in Codec::ALL {
            let bytes = of_one(codec, record.len() as i32 + lie, &record);
            let batch = Batch::first(&bytes).unwrap();
            batch.check_crc().unwrap();
            let walked = walk_records(&batch);
            assert_eq!(walked.is_ok(), valid, "{case}, {codec}: {walked:?}");
            assert!(valid || matches!(walked, Err(BatchError::Records(_))), "{case}, {codec}: {walked:?}");
            let mut scratch = Vec::new();
            let records = batch.records(&mut scratch).unwrap().collect::<Result<Vec<_>, _>>();
            let read = records.and_then(|records| records[0].headers.clone().collect::<Result<Vec<_>, _>>());
            assert!(!valid || read.is_ok(), "{case}, {codec}: what is accepted can be read");
        }
    }
}

#[test]
fn a_batch_cut_off_at_the_end_is_not_an_error() {
    let mut bytes = build(Codec::None, &some_records(3));
    let whole = bytes.len();
    bytes.extend_from_slice(&build(Codec::None, &some_records(3))[..70]);
    let mut batches = Batches::new(&bytes);
    assert_eq!(batches.by_ref().map(|b| b.unwrap().header.record_count).collect::<Vec<_>>(), [3]);
    assert_eq!(batches.position(), whole);
}

#[test]
fn old_magic_and_silly_lengths() {
    let mut bytes = build(Codec::None, &some_records(1));
    bytes[16] = 1;
    assert!(matches!(Batch::first(&bytes), Err(BatchError::Magic(1))));
    bytes[16] = 2;
    bytes[8..12].copy_from_slice(&(-5i32).to_be_bytes());
    assert!(matches!(Batch::first(&bytes), Err(BatchError::Length(-5))));
    bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(matches!(Batch::first(&bytes), Err(BatchError::Short { .. })));
}

#[test]
fn control_records() {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        transactional: true,
        control: true,
        ..BatchOptions::default()
    });
    builder.append(5, Some(&control_key(ControlType::Commit)), Some(&EndTxnMarker { coordinator_epoch: 4 }.to_bytes()));
    let bytes = builder.build().unwrap();
    let batch = Batch::first(&bytes).unwrap();
    assert!(batch.header.attributes.is_control() && batch.header.attributes.is_transactional());
    let mut scratch = Vec::new();
    let record = batch.records(&mut scratch).unwrap().next().unwrap().unwrap();
    assert_eq!(ControlType::from_key(record.key.unwrap()), Some(ControlType::Commit));
    assert_eq!(EndTxnMarker::read(record.value.unwrap()), Some(EndTxnMarker { coordinator_epoch: 4 }));
}

#[test]
fn sequence_numbers_wrap() {
    assert_eq!(header::increment_sequence(i32::MAX, 1), 0);
    assert_eq!(header::increment_sequence(i32::MAX - 2, 5), 2);
    assert_eq!(header::increment_sequence(0, 4), 4);
}
