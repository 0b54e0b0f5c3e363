//! Frames as strangers send them, and Fetch answers as kafka-protocol's own client side reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::fetch::{FetchAnswer, FetchPartition, FetchTopic};
use super::*;
use crate::error::ErrorCode;
use crate::messages::{FetchResponse, MetadataRequest};

#[test]
fn the_size_of_a_frame_is_bounded() {
    assert!(matches!(length((-1i32).to_be_bytes(), 100), Err(FrameError::Size(-1))));
    assert!(matches!(length(7i32.to_be_bytes(), 100), Err(FrameError::Size(7))));
    assert!(matches!(length(101i32.to_be_bytes(), 100), Err(FrameError::TooLarge { size: 101, max: 100 })));
    assert_eq!(length(100i32.to_be_bytes(), 100).unwrap(), 100);
}

#[test]
fn an_unknown_api_still_has_a_correlation_id() {
    let (header, _) = read(Bytes::from_static(&[3, 232, 0, 1, 0, 0, 0, 7, 0, 0])).unwrap();
    assert_eq!((header.key, header.version, header.correlation_id), (1000, 1, 7));
}

#[test]
fn a_metadata_request_of_ten_bytes_cannot_ask_for_gigabytes() {
    let body = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    assert!(matches!(decode::<MetadataRequest>(1, body), Err(FrameError::Length { .. })));
}

#[test]
fn fetch_answers_of_every_version_are_read_back() {
    for version in 4..=18 {
        let id = Uuid::from_u128(7);
        let answer = FetchAnswer {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 9,
            topics: vec![FetchTopic {
                name: StrBytes::from_static_str("orders"),
                id,
                partitions: vec![
                    FetchPartition {
                        partition: 3,
                        error: ErrorCode::None,
                        high_watermark: 10,
                        last_stable_offset: 8,
                        log_start_offset: 1,
                        aborted: Some(vec![(5, 6)]),
                        diverging: (version >= 12).then_some((2, 4)),
                        records: vec![
                            Part::Bytes(Bytes::from_static(b"one")),
                            Part::File { file: b"xxtwo", position: 2, len: 3 },
                        ],
                    },
                    FetchPartition::refused(4, ErrorCode::NotLeaderOrFollower),
                ],
            }],
        };
        let mut wire = BytesMut::new();
        for part in fetch::encode(77, version, answer) {
            match part {
                Part::Bytes(bytes) => wire.put_slice(&bytes),
                Part::File { file, position, len } => {
                    wire.put_slice(&file[position as usize..position as usize + len]);
                }
            }
        }
        let mut wire = wire.freeze();
        let size = i32::from_be_bytes(wire[..4].try_into().unwrap());
        assert_eq!(size as usize, wire.len() - 4);
        let _ = wire.split_to(if version >= 12 { 9 } else { 8 });
        let read = FetchResponse::decode(&mut wire, version).unwrap();
        assert!(wire.is_empty(), "version {version} leaves bytes");
        let topic = &read.responses[0];
        let partition = &topic.partitions[0];
        assert_eq!(partition.records.as_deref(), Some(&b"onetwo"[..]));
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (10, 8));
        assert_eq!(partition.aborted_transactions.as_ref().unwrap()[0].first_offset, 6);
        assert_eq!(topic.partitions[1].error_code, 6);
        if version >= 13 {
            assert_eq!(topic.topic_id, id);
        } else {
            assert_eq!(&*topic.topic.0, "orders");
        }
        if version >= 12 {
            assert_eq!((partition.diverging_epoch.epoch, partition.diverging_epoch.end_offset), (2, 4));
        }
    }
}
