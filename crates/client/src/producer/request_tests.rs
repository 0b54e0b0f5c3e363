//! What is written by hand must be what the message definitions read.
#![allow(clippy::unwrap_used)]

use andiron_protocol::kafka::protocol::Decodable;
use andiron_protocol::messages::{ProduceRequest, RequestHeader};

use super::*;

#[test]
fn every_version_reads_back() {
    let id = uuid::Uuid::from_u128(7);
    let big = Bytes::from(vec![1; 300]);
    for version in 3..=13 {
        let topics = [TopicBatches { name: "t", id, batches: vec![(0, Bytes::from_static(b"abc")), (5, big.clone())] }];
        let transactional = (version % 2 == 0).then_some("txn");
        let frame = produce(version, 9, "me", transactional, -1, 1500, &topics);
        let mut bytes = BytesMut::new();
        frame.parts.iter().for_each(|part| bytes.put_slice(part));
        let mut bytes = bytes.freeze();
        let header = RequestHeader::decode(&mut bytes, if version >= 9 { 2 } else { 1 }).unwrap();
        assert_eq!((header.request_api_key, header.request_api_version, header.correlation_id), (0, version, 9));
        assert_eq!(header.client_id.unwrap().as_str(), "me");
        let body = ProduceRequest::decode(&mut bytes, version).unwrap();
        assert!(bytes.is_empty(), "version {version} leaves {} bytes", bytes.len());
        assert_eq!(body.transactional_id.as_ref().map(|id| id.as_str()), transactional);
        assert_eq!((body.acks, body.timeout_ms), (-1, 1500));
        let topic = &body.topic_data[0];
        assert!(if version >= 13 { topic.topic_id == id } else { topic.name.as_str() == "t" });
        let parts: Vec<(i32, Bytes)> =
            topic.partition_data.iter().map(|p| (p.index, p.records.clone().unwrap())).collect();
        assert_eq!(parts, [(0, Bytes::from_static(b"abc")), (5, big.clone())]);
    }
}
