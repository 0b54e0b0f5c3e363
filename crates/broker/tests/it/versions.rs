//! Every API is answered in every version that is advertised, and the answer can be decoded in that version.

use andiron_protocol::api;
use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::messages::*;
use andiron_protocol::messages::{
    add_partitions_to_txn_request, alter_configs_request, create_partitions_request, create_topics_request,
    delete_records_request, delete_topics_request, describe_configs_request, describe_producers_request, fetch_request,
    incremental_alter_configs_request, leave_group_request, list_offsets_request, metadata_request,
    offset_commit_request, offset_delete_request, offset_fetch_request, produce_request, txn_offset_commit_request,
    write_txn_markers_request,
};
use bytes::Bytes;

use crate::node::{Fixture, name_of, text};

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

fn batch() -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(crate::node::START, Some(b"k"), Some(b"v"));
    builder.build().unwrap()
}

/// Asks in one version and requires that no error comes back.
fn try_version(f: &Fixture, key: ApiKey, v: i16) {
    let id = f.metadata(&["orders"]).topics[0].topic_id;
    let by_id = |named: bool| if named { name_of("orders") } else { TopicName::default() };
    match key {
        ApiKey::Produce => {
            let data = produce_request::PartitionProduceData::default().with_records(Some(batch()));
            let mut topic =
                produce_request::TopicProduceData::default().with_name(by_id(v < 13)).with_partition_data(vec![data]);
            if v >= 13 {
                topic = topic.with_topic_id(id);
            }
            let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![topic]);
            let answer = f.ask(v, &request);
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
        ApiKey::Fetch => {
            let partition = fetch_request::FetchPartition::default()
                .with_partition_max_bytes(1 << 20)
                .with_current_leader_epoch(-1);
            let mut topic =
                fetch_request::FetchTopic::default().with_topic(by_id(v < 13)).with_partitions(vec![partition]);
            if v >= 13 {
                topic = topic.with_topic_id(id);
            }
            let mut request = FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic]);
            if v >= 7 {
                request = request.with_session_epoch(-1);
            }
            let answer = f.ask(v, &request);
            assert_eq!(answer.responses[0].partitions[0].error_code, 0);
        }
        ApiKey::ListOffsets => {
            let partition =
                list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition]);
            let answer = f.ask(v, &ListOffsetsRequest::default().with_topics(vec![topic]));
            assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::Metadata => {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name_of("orders")));
            let request =
                MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
            let answer = f.ask(v, &request);
            assert_eq!((answer.topics[0].error_code, answer.brokers.len()), (0, 1));
        }
        ApiKey::ApiVersions => {
            let request = if v >= 3 {
                ApiVersionsRequest::default()
                    .with_client_software_name(text("it"))
                    .with_client_software_version(text("1"))
            } else {
                ApiVersionsRequest::default()
            };
            assert_eq!(f.ask(v, &request).error_code, 0);
        }
        ApiKey::CreateTopics => {
            let topic = create_topics_request::CreatableTopic::default()
                .with_name(name_of(&format!("created-{v}")))
                .with_num_partitions(2)
                .with_replication_factor(1);
            let answer = f.ask(v, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000));
            assert_eq!(answer.topics[0].error_code, 0);
            assert!(v < 5 || answer.topics[0].configs.as_ref().is_some_and(|configs| !configs.is_empty()));
        }
        ApiKey::DeleteTopics => {
            let name = format!("deleted-{v}");
            f.metadata(&[&name]);
            let request = if v >= 6 {
                let state = delete_topics_request::DeleteTopicState::default().with_name(Some(name_of(&name)));
                DeleteTopicsRequest::default().with_topics(vec![state])
            } else {
                DeleteTopicsRequest::default().with_topic_names(vec![name_of(&name)])
            };
            assert_eq!(f.ask(v, &request.with_timeout_ms(1000)).responses[0].error_code, 0);
        }
        ApiKey::DeleteRecords => {
            let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
            let topic = delete_records_request::DeleteRecordsTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition]);
            let answer = f.ask(v, &DeleteRecordsRequest::default().with_topics(vec![topic]));
            assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::InitProducerId => {
            assert_eq!(f.ask(v, &InitProducerIdRequest::default().with_transactional_id(None)).error_code, 0);
        }
        ApiKey::DescribeConfigs => {
            let resource = describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("orders"))
                .with_configuration_keys(None);
            let mut request =
                DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
            if v >= 3 {
                request = request.with_include_documentation(true);
            }
            let answer = f.ask(v, &request);
            assert_eq!(answer.results[0].error_code, 0);
            assert!(answer.results[0].configs.iter().any(|c| &*c.name == "retention.ms"));
        }
        ApiKey::AlterConfigs => {
            let resource = alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("orders"));
            let answer = f.ask(v, &AlterConfigsRequest::default().with_resources(vec![resource]));
            assert_eq!(answer.responses[0].error_code, 0);
        }
        ApiKey::IncrementalAlterConfigs => {
            let config = incremental_alter_configs_request::AlterableConfig::default()
                .with_name(text("retention.ms"))
                .with_value(Some(text("1000000")));
            let resource = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("orders"))
                .with_configs(vec![config]);
            let answer = f.ask(v, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]));
            assert_eq!(answer.responses[0].error_code, 0);
        }
        ApiKey::CreatePartitions => {
            let name = format!("grown-{v}");
            f.metadata(&[&name]);
            let topic =
                create_partitions_request::CreatePartitionsTopic::default().with_name(name_of(&name)).with_count(3);
            let answer = f.ask(v, &CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)]));
            assert_eq!(answer.results[0].error_code, 0);
            assert_eq!(f.metadata(&[&name]).topics[0].partitions.len(), 3);
        }
        ApiKey::DescribeCluster => {
            assert_eq!(f.ask(v, &DescribeClusterRequest::default().with_endpoint_type(1)).error_code, 0);
        }
        ApiKey::DescribeTopicPartitions => {
            let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(100);
            assert!(!f.ask(v, &request.with_cursor(None)).topics.is_empty());
        }
        _ if crate::admin::try_version(f, key, v) => {}
        _ => try_group_version(f, key, v),
    }
}

fn try_group_version(f: &Fixture, key: ApiKey, v: i16) {
    match key {
        ApiKey::FindCoordinator => {
            let request = if v >= 4 {
                FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])
            } else {
                FindCoordinatorRequest::default().with_key(text("g"))
            };
            let answer = f.ask(v, &request);
            let port = if v >= 4 { answer.coordinators[0].port } else { answer.port };
            assert_eq!(port, 9092);
        }
        ApiKey::JoinGroup => {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(group(&format!("join-{v}")))
                .with_session_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            let request = if v >= 1 { request.with_rebalance_timeout_ms(10_000) } else { request };
            let answer = f.send(v, &request);
            f.node.tick(f.now + 1);
            let answer = crate::node::decode::<JoinGroupRequest>(v, answer.try_recv().expect("a joined member"));
            // From version 4 on a member without an id is given one first.
            assert_eq!(answer.error_code, if v >= 4 { 79 } else { 0 });
        }
        ApiKey::SyncGroup => {
            let request = SyncGroupRequest::default().with_group_id(group("nobody")).with_member_id(text("m"));
            let request = if v >= 5 {
                request.with_protocol_name(Some(text("range"))).with_protocol_type(Some(text("consumer")))
            } else {
                request
            };
            assert_eq!(f.ask(v, &request).error_code, 25);
        }
        ApiKey::Heartbeat => {
            let request = HeartbeatRequest::default().with_group_id(group("nobody")).with_member_id(text("m"));
            assert_eq!(f.ask(v, &request).error_code, 25);
        }
        ApiKey::LeaveGroup => {
            let request = LeaveGroupRequest::default().with_group_id(group("nobody"));
            let request = if v >= 3 {
                let member = leave_group_request::MemberIdentity::default().with_member_id(text("m"));
                request.with_members(vec![member])
            } else {
                request.with_member_id(text("m"))
            };
            let answer = f.ask(v, &request);
            let code = if v >= 3 { answer.members[0].error_code } else { answer.error_code };
            assert_eq!(code, 25);
        }
        ApiKey::OffsetCommit => {
            let partition = |index| {
                offset_commit_request::OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(9)
            };
            let topic = offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition(7), partition(0)]);
            let request = OffsetCommitRequest::default()
                .with_group_id(group("committer"))
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic]);
            let answer = f.ask(v, &request);
            let codes: Vec<i16> = answer.topics[0].partitions.iter().map(|p| p.error_code).collect();
            assert_eq!(codes, [3, 0], "the partition that does not exist, then the one that does");
        }
        ApiKey::OffsetFetch => {
            let request = if v >= 8 {
                let group = offset_fetch_request::OffsetFetchRequestGroup::default()
                    .with_group_id(group("committer"))
                    .with_topics(None);
                OffsetFetchRequest::default().with_groups(vec![group])
            } else {
                let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
                    .with_name(name_of("orders"))
                    .with_partition_indexes(vec![0]);
                OffsetFetchRequest::default().with_group_id(group("committer")).with_topics(Some(vec![topic]))
            };
            let answer = f.ask(v, &request);
            let offset = if v >= 8 {
                answer.groups[0].topics[0].partitions[0].committed_offset
            } else {
                answer.topics[0].partitions[0].committed_offset
            };
            assert_eq!(offset, 9);
        }
        ApiKey::DescribeGroups => {
            let request = DescribeGroupsRequest::default().with_groups(vec![group("committer")]);
            assert_eq!(&*f.ask(v, &request).groups[0].group_id.0, "committer");
        }
        ApiKey::ListGroups => {
            let answer = f.ask(v, &ListGroupsRequest::default());
            assert!(answer.groups.iter().any(|g| &*g.group_id.0 == "committer"));
        }
        ApiKey::DeleteGroups => {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![group("no-such-group")]);
            assert_eq!(f.ask(v, &request).results[0].error_code, 69);
        }
        ApiKey::OffsetDelete => {
            let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
            let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition]);
            let request = OffsetDeleteRequest::default().with_group_id(group("committer")).with_topics(vec![topic]);
            assert_eq!(f.ask(v, &request).topics[0].partitions[0].error_code, 0);
        }
        ApiKey::ConsumerGroupHeartbeat => {
            let request = ConsumerGroupHeartbeatRequest::default()
                .with_group_id(group(&format!("consumers-{v}")))
                .with_member_id(text("m"))
                .with_rebalance_timeout_ms(10_000)
                .with_subscribed_topic_names(Some(vec![name_of("orders")]))
                .with_topic_partitions(Some(Vec::new()));
            let answer = f.ask(v, &request);
            assert_eq!((answer.error_code, answer.member_epoch), (0, 2));
            assert_eq!(answer.assignment.unwrap().topic_partitions[0].partitions, [0]);
        }
        ApiKey::ConsumerGroupDescribe => {
            let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("consumers-0")]);
            let described = &f.ask(v, &request).groups[0];
            assert_eq!((described.error_code, &*described.group_state), (0, "Stable"));
        }
        _ => try_transaction_version(f, key, v),
    }
}

/// Nobody has the transactional id: what is answered says so.
fn try_transaction_version(f: &Fixture, key: ApiKey, v: i16) {
    let id = || TransactionalId(text("nobody"));
    let unknown = andiron_protocol::ErrorCode::InvalidProducerIdMapping.code();
    match key {
        ApiKey::AddPartitionsToTxn => {
            let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![0]);
            let request = if v < 4 {
                AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(id())
                    .with_v3_and_below_topics(vec![topic])
            } else {
                let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
                    .with_transactional_id(id())
                    .with_topics(vec![topic]);
                AddPartitionsToTxnRequest::default().with_transactions(vec![transaction])
            };
            let answer = f.ask(v, &request);
            let topics = match answer.results_by_transaction.first() {
                Some(result) => &result.topic_results,
                None => &answer.results_by_topic_v3_and_below,
            };
            assert_eq!(topics[0].results_by_partition[0].partition_error_code, unknown);
        }
        ApiKey::AddOffsetsToTxn => {
            let request = AddOffsetsToTxnRequest::default().with_transactional_id(id()).with_group_id(group("g"));
            assert_eq!(f.ask(v, &request).error_code, unknown);
        }
        ApiKey::EndTxn => {
            assert_eq!(f.ask(v, &EndTxnRequest::default().with_transactional_id(id())).error_code, unknown);
        }
        ApiKey::TxnOffsetCommit => {
            let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default();
            let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition]);
            let request = TxnOffsetCommitRequest::default()
                .with_transactional_id(id())
                .with_group_id(group("committer"))
                .with_topics(vec![topic]);
            assert_eq!(f.ask(v, &request).topics[0].partitions[0].error_code, unknown);
        }
        ApiKey::WriteTxnMarkers => {
            let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
                .with_name(name_of("nowhere"))
                .with_partition_indexes(vec![0]);
            let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![topic]);
            let answer = f.ask(v, &WriteTxnMarkersRequest::default().with_markers(vec![marker]));
            assert_eq!(answer.markers[0].topics[0].partitions[0].error_code, 3);
        }
        ApiKey::DescribeProducers => {
            let topic = describe_producers_request::TopicRequest::default()
                .with_name(name_of("orders"))
                .with_partition_indexes(vec![0]);
            let answer = f.ask(v, &DescribeProducersRequest::default().with_topics(vec![topic]));
            assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        }
        ApiKey::DescribeTransactions => {
            let answer = f.ask(v, &DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]));
            assert_eq!(answer.transaction_states[0].error_code, 105);
        }
        ApiKey::ListTransactions => {
            assert_eq!(f.ask(v, &ListTransactionsRequest::default()).error_code, 0);
        }
        other => panic!("{other:?} is offered and not tried"),
    }
}

#[test]
fn every_offered_version_of_every_api_is_answered() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    // The coordinator must be there before groups are asked of it.
    try_group_version(&f, ApiKey::FindCoordinator, 0);
    let transactions = FindCoordinatorRequest::default().with_key_type(1).with_key(text("nobody"));
    assert_eq!(f.ask(1, &transactions).error_code, 0);
    for offered in api::BROKER {
        for version in offered.min..=offered.max {
            println!("{:?} {version}", offered.key);
            try_version(&f, offered.key, version);
        }
    }
}
