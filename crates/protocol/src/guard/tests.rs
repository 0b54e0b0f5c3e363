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
            ApiKey::AddPartitionsToTxn => K::AddPartitionsToTxn(AddPartitionsToTxnRequest::default()),
            ApiKey::AddOffsetsToTxn => K::AddOffsetsToTxn(AddOffsetsToTxnRequest::default()),
            ApiKey::EndTxn => K::EndTxn(EndTxnRequest::default()),
            ApiKey::WriteTxnMarkers => K::WriteTxnMarkers(WriteTxnMarkersRequest::default()),
            ApiKey::TxnOffsetCommit => K::TxnOffsetCommit(TxnOffsetCommitRequest::default()),
            ApiKey::DescribeProducers => K::DescribeProducers(DescribeProducersRequest::default()),
            ApiKey::DescribeTransactions => K::DescribeTransactions(DescribeTransactionsRequest::default()),
            ApiKey::ListTransactions => K::ListTransactions(ListTransactionsRequest::default()),
            ApiKey::OffsetForLeaderEpoch => K::OffsetForLeaderEpoch(OffsetForLeaderEpochRequest::default()),
            ApiKey::DescribeAcls => K::DescribeAcls(DescribeAclsRequest::default()),
            ApiKey::CreateAcls => K::CreateAcls(CreateAclsRequest::default()),
            ApiKey::DeleteAcls => K::DeleteAcls(DeleteAclsRequest::default()),
            ApiKey::AlterReplicaLogDirs => K::AlterReplicaLogDirs(AlterReplicaLogDirsRequest::default()),
            ApiKey::DescribeLogDirs => K::DescribeLogDirs(DescribeLogDirsRequest::default()),
            ApiKey::ElectLeaders => K::ElectLeaders(ElectLeadersRequest::default()),
            ApiKey::AlterPartitionReassignments => {
                K::AlterPartitionReassignments(AlterPartitionReassignmentsRequest::default())
            }
            ApiKey::ListPartitionReassignments => {
                K::ListPartitionReassignments(ListPartitionReassignmentsRequest::default())
            }
            ApiKey::DescribeClientQuotas => K::DescribeClientQuotas(DescribeClientQuotasRequest::default()),
            ApiKey::AlterClientQuotas => K::AlterClientQuotas(AlterClientQuotasRequest::default()),
            ApiKey::DescribeUserScramCredentials => {
                K::DescribeUserScramCredentials(DescribeUserScramCredentialsRequest::default())
            }
            ApiKey::AlterUserScramCredentials => {
                K::AlterUserScramCredentials(AlterUserScramCredentialsRequest::default())
            }
            ApiKey::DescribeQuorum => K::DescribeQuorum(DescribeQuorumRequest::default()),
            ApiKey::UpdateFeatures => K::UpdateFeatures(UpdateFeaturesRequest::default()),
            ApiKey::UnregisterBroker => K::UnregisterBroker(UnregisterBrokerRequest::default()),
            ApiKey::ListConfigResources => K::ListConfigResources(ListConfigResourcesRequest::default()),
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

/// Walks a request that holds something of everything.
fn walks<R: Encodable>(key: ApiKey, versions: std::ops::RangeInclusive<i16>, request: impl Fn(i16) -> R) {
    for version in versions {
        let mut body = BytesMut::new();
        request(version).encode(&mut body, version).unwrap();
        assert_eq!(check(key, version, &body), Ok(body.len()), "{key:?} version {version}");
    }
}

#[test]
fn full_requests_about_transactions_pass_whole() {
    let (id, name) = (|| TransactionalId(text("tx")), || TopicName(text("orders")));
    walks(ApiKey::AddPartitionsToTxn, 0..=5, |version| {
        use crate::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
        let topics = vec![AddPartitionsToTxnTopic::default().with_name(name()).with_partitions(vec![1, 2])];
        if version < 4 {
            AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(id())
                .with_v3_and_below_producer_id(ProducerId(7))
                .with_v3_and_below_producer_epoch(1)
                .with_v3_and_below_topics(topics)
        } else {
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(id())
                .with_producer_id(ProducerId(7))
                .with_verify_only(true)
                .with_topics(topics);
            AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
        }
    });
    walks(ApiKey::WriteTxnMarkers, 1..=1, |_| {
        use crate::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
        let topic = WritableTxnMarkerTopic::default().with_name(name()).with_partition_indexes(vec![0, 1]);
        let marker = WritableTxnMarker::default().with_producer_id(ProducerId(7)).with_topics(vec![topic]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    });
    walks(ApiKey::TxnOffsetCommit, 0..=5, |version| {
        use crate::messages::txn_offset_commit_request::{
            TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
        };
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_metadata(Some(text("words")));
        let topic = TxnOffsetCommitRequestTopic::default().with_name(name()).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default().with_transactional_id(id()).with_topics(vec![topic]);
        if version >= 3 { request.with_member_id(text("m")).with_group_instance_id(Some(text("i"))) } else { request }
    });
    walks(ApiKey::DescribeProducers, 0..=0, |_| {
        use crate::messages::describe_producers_request::TopicRequest;
        let topic = TopicRequest::default().with_name(name()).with_partition_indexes(vec![3]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    });
    walks(ApiKey::DescribeTransactions, 0..=0, |_| {
        DescribeTransactionsRequest::default().with_transactional_ids(vec![id(), id()])
    });
    walks(ApiKey::ListTransactions, 0..=2, |version| {
        let request = ListTransactionsRequest::default()
            .with_state_filters(vec![text("Ongoing")])
            .with_producer_id_filters(vec![ProducerId(7)]);
        let request = if version >= 1 { request.with_duration_filter(5) } else { request };
        if version >= 2 { request.with_transactional_id_pattern(Some(text("t.*"))) } else { request }
    });
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
