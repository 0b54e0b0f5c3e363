//! The guard agrees with the decoder on every request it lets through, and refuses the lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::*;
use crate::api;
use crate::kafka::protocol::{Encodable, StrBytes};
use crate::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use crate::messages::*;

fn text(s: &'static str) -> StrBytes {
    StrBytes::from_static_str(s)
}

#[test]
fn every_offered_request_has_a_layout_that_ends_where_its_encoding_ends() {
    for offered in api::BROKER {
        for version in offered.min..=offered.max {
            let mut body = BytesMut::new();
            RequestKind::default_of(offered.key).encode(&mut body, version).unwrap();
            assert_eq!(check(offered.key, version, &body), Ok(body.len()), "{:?} version {version}", offered.key);
        }
    }
}

/// A request of each API with something in it.
struct RequestKind;

impl RequestKind {
    fn default_of(key: ApiKey) -> crate::messages::RequestKind {
        use crate::messages::RequestKind as K;
        match key {
            ApiKey::Produce => K::Produce(ProduceRequest::default()),
            ApiKey::Fetch => K::Fetch(FetchRequest::default()),
            ApiKey::ListOffsets => K::ListOffsets(ListOffsetsRequest::default()),
            ApiKey::Metadata => {
                K::Metadata(MetadataRequest::default().with_topics(Some(vec![])).with_allow_auto_topic_creation(true))
            }
            ApiKey::OffsetCommit => K::OffsetCommit(OffsetCommitRequest::default()),
            ApiKey::OffsetFetch => K::OffsetFetch(OffsetFetchRequest::default()),
            ApiKey::FindCoordinator => K::FindCoordinator(FindCoordinatorRequest::default()),
            ApiKey::JoinGroup => K::JoinGroup(JoinGroupRequest::default()),
            ApiKey::Heartbeat => K::Heartbeat(HeartbeatRequest::default()),
            ApiKey::LeaveGroup => K::LeaveGroup(LeaveGroupRequest::default()),
            ApiKey::SyncGroup => K::SyncGroup(SyncGroupRequest::default()),
            ApiKey::DescribeGroups => K::DescribeGroups(DescribeGroupsRequest::default()),
            ApiKey::ListGroups => K::ListGroups(ListGroupsRequest::default()),
            ApiKey::ApiVersions => K::ApiVersions(ApiVersionsRequest::default()),
            ApiKey::CreateTopics => K::CreateTopics(CreateTopicsRequest::default()),
            ApiKey::DeleteTopics => K::DeleteTopics(DeleteTopicsRequest::default()),
            ApiKey::DeleteRecords => K::DeleteRecords(DeleteRecordsRequest::default()),
            ApiKey::InitProducerId => K::InitProducerId(InitProducerIdRequest::default()),
            ApiKey::DescribeConfigs => K::DescribeConfigs(DescribeConfigsRequest::default()),
            ApiKey::AlterConfigs => K::AlterConfigs(AlterConfigsRequest::default()),
            ApiKey::CreatePartitions => K::CreatePartitions(CreatePartitionsRequest::default()),
            ApiKey::DeleteGroups => K::DeleteGroups(DeleteGroupsRequest::default()),
            ApiKey::IncrementalAlterConfigs => K::IncrementalAlterConfigs(IncrementalAlterConfigsRequest::default()),
            ApiKey::OffsetDelete => K::OffsetDelete(OffsetDeleteRequest::default()),
            ApiKey::ConsumerGroupHeartbeat => K::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest::default()),
            ApiKey::ConsumerGroupDescribe => K::ConsumerGroupDescribe(ConsumerGroupDescribeRequest::default()),
            ApiKey::DescribeCluster => K::DescribeCluster(DescribeClusterRequest::default()),
            ApiKey::DescribeTopicPartitions => K::DescribeTopicPartitions(DescribeTopicPartitionsRequest::default()),
            other => panic!("{other:?} is offered but not tried here"),
        }
    }
}

#[test]
fn a_full_fetch_with_tagged_fields_passes_whole() {
    for version in 4..=18 {
        let (name, id) = if version >= 13 { (text(""), Uuid::from_u128(1)) } else { (text("orders"), Uuid::nil()) };
        let mut partition = FetchPartition::default().with_partition(1).with_fetch_offset(5);
        if version >= 17 {
            partition = partition.with_replica_directory_id(Uuid::from_u128(3));
        }
        let mut request = FetchRequest::default().with_topics(vec![
            FetchTopic::default()
                .with_topic(TopicName(name.clone()))
                .with_topic_id(id)
                .with_partitions(vec![partition]),
        ]);
        if version >= 7 {
            request = request.with_forgotten_topics_data(vec![
                ForgottenTopic::default().with_topic(TopicName(name)).with_topic_id(id).with_partitions(vec![1, 2]),
            ]);
        }
        if version >= 12 {
            request = request.with_cluster_id(Some(text("a cluster")));
        }
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        assert_eq!(check(ApiKey::Fetch, version, &body), Ok(body.len()), "version {version}");
    }
}

#[test]
fn lies_about_lengths_are_refused() {
    let metadata = |bytes: &'static [u8], version| check(ApiKey::Metadata, version, bytes);
    assert_eq!(
        metadata(&[0x7f, 0xff, 0xff, 0xff], 1),
        Err(GuardError::BeyondEnd { length: 0x7fff_ffff, remaining: 0 })
    );
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xfe], 1), Err(GuardError::Negative(-2)));
    assert_eq!(
        metadata(&[0xff, 0xff, 0xff, 0xff, 0x0f], 9),
        Err(GuardError::BeyondEnd { length: 0xffff_fffe, remaining: 0 })
    );
    assert_eq!(metadata(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 9), Err(GuardError::Varint));
    assert_eq!(metadata(&[0, 0, 0, 1, 0x7f, 0xff], 1), Err(GuardError::BeyondEnd { length: 0x7fff, remaining: 0 }));
}

#[test]
fn a_million_elements_is_the_end() {
    let mut body = BytesMut::new();
    body.put_i32(REQUEST_ELEMENTS_MAX as i32 + 1);
    body.put_bytes(0, 2 * (REQUEST_ELEMENTS_MAX + 1));
    assert_eq!(check(ApiKey::Metadata, 1, &body), Err(GuardError::TooManyElements));
}

#[test]
fn a_known_tagged_field_must_have_the_size_it_claims() {
    let mut body = BytesMut::new();
    FetchRequest::default().with_cluster_id(Some(text("abc"))).encode(&mut body, 12).unwrap();
    let sound = Bytes::copy_from_slice(&body);
    assert_eq!(check(ApiKey::Fetch, 12, &sound), Ok(sound.len()));
    let at = body.len() - 5; // the size, then the text's own length and the text
    body[at] += 1;
    assert_eq!(check(ApiKey::Fetch, 12, &body), Err(GuardError::TaggedFieldSize { tag: 0 }));
}
