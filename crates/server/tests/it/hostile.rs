//! Whatever a stranger sends, only the stranger's connection ends; a neighbour goes on through all of it.

use std::io::Write as _;

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::Decodable as _;
use andiron_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use bytes::{Bytes, BytesMut};

use crate::wire::{Client, batch, produce_request, server};

/// A request header of version 1 and a body, with a size that may lie.
fn raw(size: Option<i32>, key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7i32.to_be_bytes());
    frame.extend((-1i16).to_be_bytes());
    frame.extend(body);
    let mut out = size.unwrap_or(frame.len() as i32).to_be_bytes().to_vec();
    out.extend(frame);
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_frame_closes_its_connection_and_no_other() {
    let server = server(&[("socket.request.max.bytes", "1000000")]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut neighbour = Client::connect(port);
        neighbour.topic("quiet");
        for (what, bytes) in [
            ("a negative size", raw(Some(-5), 3, 1, &[])),
            ("a size too small for a header", raw(Some(3), 3, 1, &[])),
            ("a size above socket.request.max.bytes", raw(Some(1_000_001), 3, 1, &[])),
            ("an unknown API", raw(None, 999, 0, &[])),
            ("an API of the controller's listener", raw(None, 52, 0, &[])),
            ("a version out of range", raw(None, 3, 99, &[])),
            ("a Produce of a version that is advertised and gone", raw(None, 0, 2, &[])),
            ("an array of two thousand million topics", raw(None, 3, 1, &[0x7f, 0xff, 0xff, 0xff])),
            ("a text longer than the frame", raw(None, 3, 1, &[0, 0, 0, 1, 0x7f, 0xff, b'a'])),
            ("a text that is not UTF-8", raw(None, 3, 1, &[0, 0, 0, 1, 0, 2, 0xff, 0xfe])),
            ("no body at all", raw(None, 3, 4, &[])),
        ] {
            let mut stranger = Client::connect(port);
            stranger.stream.write_all(&bytes).unwrap();
            assert!(stranger.is_closed(), "{what} is borne");
            let answer = neighbour.topic("quiet");
            assert_eq!(answer.topics[0].error_code, 0, "{what} harms the neighbour");
        }
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_versions_of_the_future_is_answered_in_version_0() {
    let server = server(&[]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        // Header version 2: tagged fields behind the client id; a body that nobody here can know.
        client.stream.write_all(&raw(None, 18, 9, &[0, 1, 2, 3, 4])).unwrap();
        let mut answer = client.frame().unwrap();
        let _ = answer.split_to(4);
        let answer = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
        assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
        let own = answer.api_keys.iter().find(|k| k.api_key == 18).unwrap();
        assert_eq!((own.min_version, own.max_version), (0, 4));
        // The connection is still good.
        let again = client.ask(0, &ApiVersionsRequest::default());
        assert_eq!(again.error_code, 0);
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_batches_are_refused_by_name_and_the_next_one_is_taken() {
    let server = server(&[]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.topic("orders");
        let sound = batch(3);
        let damaged = |at: usize, byte: u8| {
            let mut bytes = BytesMut::from(&sound[..]);
            bytes[at] ^= byte;
            bytes.freeze()
        };
        let lying_count = {
            // 57..61 is the record count; the checksum is made good again.
            let mut bytes = sound.to_vec();
            bytes[57..61].copy_from_slice(&2i32.to_be_bytes());
            bytes[23..27].copy_from_slice(&1i32.to_be_bytes());
            andiron_protocol::batch::patch_crc(&mut bytes);
            Bytes::from(bytes)
        };
        let two = Bytes::from([&sound[..], &sound[..]].concat());
        for (what, records, error) in [
            ("a flipped bit in a record", damaged(sound.len() - 1, 1), ErrorCode::CorruptMessage),
            ("a wrong checksum", damaged(18, 1), ErrorCode::CorruptMessage),
            ("a count that lies", lying_count, ErrorCode::InvalidRecord),
            ("a batch cut off", sound.slice(..sound.len() - 4), ErrorCode::CorruptMessage),
            ("two batches in one", two, ErrorCode::InvalidRecord),
            ("nothing", Bytes::new(), ErrorCode::CorruptMessage),
        ] {
            let answer = client.produce("orders", records);
            let partition = &answer.responses[0].partition_responses[0];
            let got = ErrorCode::from_code(partition.error_code).unwrap();
            assert_eq!(got, error, "{what}");
            assert_eq!(partition.base_offset, -1, "{what}");
        }
        let answer = client.produce("orders", sound.clone());
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, 0));
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_produce_with_acks_0_closes_the_connection_for_want_of_an_answer() {
    let server = server(&[]);
    let port = server.running.port();
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(port);
        client.topic("orders");
        client.send(9, &produce_request("orders", batch(1), 0));
        // The answer to the next request is the first to come back.
        assert_eq!(client.topic("orders").topics[0].error_code, 0);
        client.send(9, &produce_request("no-such-topic", batch(1), 0));
        assert!(client.is_closed());
    })
    .await
    .unwrap();
    server.running.shutdown().await;
}
