//! What operators ask for: every API in every version, and what becomes of it.

use andiron_broker::Door;
use andiron_broker::Session;
use andiron_protocol::batch::BatchOptions;
use andiron_protocol::messages::*;
use andiron_protocol::messages::{
    alter_client_quotas_request, alter_partition_reassignments_request, alter_replica_log_dirs_request,
    alter_user_scram_credentials_request, create_acls_request, delete_acls_request, describe_client_quotas_request,
    describe_log_dirs_response, describe_quorum_request, elect_leaders_request, offset_for_leader_epoch_request,
    produce_request, update_features_request,
};
use andiron_protocol::{ErrorCode, Uuid, api};
use bytes::Bytes;

use crate::node::{Fixture, name_of, text};
use crate::produce_and_fetch::{batch, count, fetch_request, produce};

const UNKNOWN_TOPIC: i16 = ErrorCode::UnknownTopicOrPartition.code();

/// Asks in one version; false for an API that is not an operator's.
pub(crate) fn try_version(f: &Fixture, key: ApiKey, v: i16) -> bool {
    match key {
        ApiKey::OffsetForLeaderEpoch => {
            let asked = |epoch| {
                offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
                    .with_current_leader_epoch(-1)
                    .with_leader_epoch(epoch)
            };
            let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(name_of("orders"))
                .with_partitions(vec![asked(0), asked(7)]);
            let answer = f.ask(v, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic]));
            let found: Vec<(i16, i32)> =
                answer.topics[0].partitions.iter().map(|p| (p.error_code, p.leader_epoch)).collect();
            assert_eq!(found, [(0, 0), (0, -1)]);
        }
        ApiKey::DescribeAcls => {
            let request = DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1);
            let answer = f.ask(v, &request.with_operation(1).with_permission_type(1));
            assert_eq!(answer.error_code, ErrorCode::SecurityDisabled.code());
        }
        ApiKey::CreateAcls => {
            let creation = create_acls_request::AclCreation::default()
                .with_resource_type(2)
                .with_resource_name(text("orders"))
                .with_principal(text("User:a"))
                .with_host(text("*"))
                .with_operation(3)
                .with_permission_type(3);
            let answer = f.ask(v, &CreateAclsRequest::default().with_creations(vec![creation; 2]));
            assert_eq!((answer.results.len(), answer.results[1].error_code), (2, ErrorCode::SecurityDisabled.code()));
        }
        ApiKey::DeleteAcls => {
            let filter = delete_acls_request::DeleteAclsFilter::default();
            let filter = filter.with_resource_type_filter(1).with_operation(1).with_permission_type(1);
            let answer = f.ask(v, &DeleteAclsRequest::default().with_filters(vec![filter]));
            assert_eq!(answer.filter_results[0].error_code, ErrorCode::SecurityDisabled.code());
        }
        ApiKey::AlterReplicaLogDirs => {
            let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![0]);
            let dir = alter_replica_log_dirs_request::AlterReplicaLogDir::default()
                .with_path(text("/nowhere"))
                .with_topics(vec![topic]);
            let answer = f.ask(v, &AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]));
            assert_eq!(answer.results[0].partitions[0].error_code, ErrorCode::LogDirNotFound.code());
        }
        ApiKey::DescribeLogDirs => {
            let answer = f.ask(v, &DescribeLogDirsRequest::default().with_topics(None));
            assert_eq!(answer.results.len(), 1);
            assert!(answer.results[0].topics.iter().any(|topic| topic.name.as_str() == "orders"));
            assert!(v < 4 || answer.results[0].total_bytes >= answer.results[0].usable_bytes);
        }
        ApiKey::ElectLeaders => {
            let topic = |name: &str| {
                elect_leaders_request::TopicPartitions::default().with_topic(name_of(name)).with_partitions(vec![0])
            };
            let request =
                ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic("orders"), topic("no")]));
            let answer = f.ask(v, &request);
            let codes = answer.replica_election_results.iter().map(|result| result.partition_result[0].error_code);
            assert_eq!(codes.collect::<Vec<_>>(), [ErrorCode::ElectionNotNeeded.code(), UNKNOWN_TOPIC]);
        }
        ApiKey::AlterPartitionReassignments => {
            let partition = alter_partition_reassignments_request::ReassignablePartition::default();
            let topic = alter_partition_reassignments_request::ReassignableTopic::default()
                .with_name(name_of("orders"))
                .with_partitions(vec![partition.with_replicas(Some(vec![BrokerId(1)]))]);
            let answer = f.ask(v, &AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]));
            assert_eq!((answer.error_code, answer.responses[0].partitions[0].error_code), (0, 0));
        }
        ApiKey::ListPartitionReassignments => {
            let answer = f.ask(v, &ListPartitionReassignmentsRequest::default().with_topics(None));
            assert_eq!((answer.error_code, answer.topics.len()), (0, 0));
        }
        ApiKey::DescribeClientQuotas => {
            let component = describe_client_quotas_request::ComponentData::default()
                .with_entity_type(text("user"))
                .with_match_type(2)
                .with_match(None);
            let answer = f.ask(v, &DescribeClientQuotasRequest::default().with_components(vec![component]));
            assert_eq!((answer.error_code, answer.entries), (0, Some(Vec::new())));
        }
        ApiKey::AlterClientQuotas => {
            let user = alter_client_quotas_request::EntityData::default()
                .with_entity_type(text("client-id"))
                .with_entity_name(Some(text("app")));
            let op =
                alter_client_quotas_request::OpData::default().with_key(text("producer_byte_rate")).with_value(1e9);
            let entry = alter_client_quotas_request::EntryData::default().with_entity(vec![user]).with_ops(vec![op]);
            let answer = f.ask(v, &AlterClientQuotasRequest::default().with_entries(vec![entry]));
            assert_eq!(answer.entries[0].error_code, 0);
        }
        ApiKey::AlterUserScramCredentials => {
            let user = alter_user_scram_credentials_request::ScramCredentialUpsertion::default()
                .with_name(text("alice"))
                .with_mechanism(1)
                .with_iterations(4096)
                .with_salt(Bytes::from_static(b"salt"))
                .with_salted_password(Bytes::from_static(&[7; 32]));
            let answer = f.ask(v, &AlterUserScramCredentialsRequest::default().with_upsertions(vec![user]));
            assert_eq!(answer.results[0].error_code, 0);
        }
        ApiKey::DescribeUserScramCredentials => {
            assert_eq!(f.ask(v, &DescribeUserScramCredentialsRequest::default().with_users(None)).error_code, 0);
        }
        ApiKey::DescribeQuorum => {
            let partition = describe_quorum_request::PartitionData::default();
            let topic = describe_quorum_request::TopicData::default()
                .with_topic_name(name_of("__cluster_metadata"))
                .with_partitions(vec![partition]);
            let answer = f.ask(v, &DescribeQuorumRequest::default().with_topics(vec![topic]));
            let partition = &answer.topics[0].partitions[0];
            assert_eq!((partition.error_code, partition.leader_id, partition.leader_epoch), (0, BrokerId(1), 1));
            assert_eq!(partition.current_voters.len(), 1);
            assert!(v < 2 || partition.current_voters[0].replica_directory_id != Uuid::nil());
        }
        ApiKey::UpdateFeatures => {
            let update = update_features_request::FeatureUpdateKey::default()
                .with_feature(text("metadata.version"))
                .with_max_version_level(30);
            let answer = f.ask(v, &UpdateFeaturesRequest::default().with_feature_updates(vec![update]));
            assert_eq!(answer.error_code, 0);
        }
        ApiKey::UnregisterBroker => {
            let answer = f.ask(v, &UnregisterBrokerRequest::default().with_broker_id(BrokerId(7)));
            assert_eq!(answer.error_code, ErrorCode::BrokerIdNotRegistered.code());
        }
        ApiKey::ListConfigResources => {
            let answer = f.ask(v, &ListConfigResourcesRequest::default());
            let names: Vec<&str> = answer.config_resources.iter().map(|r| &*r.resource_name).collect();
            assert_eq!((answer.error_code, names.contains(&"orders")), (0, v >= 1));
        }
        _ => return false,
    }
    true
}

#[test]
fn the_controllers_listener_answers_operators_too() {
    let mut f = Fixture::new();
    f.metadata(&["orders"]);
    f.session = Session::new("127.0.0.1:50000".parse().unwrap(), "CONTROLLER", Door::Controller);
    let mut tried = 0;
    for offered in api::CONTROLLER {
        for version in offered.min..=offered.max {
            tried += usize::from(try_version(&f, offered.key, version));
        }
    }
    assert!(tried > 20, "{tried}");
}

/// Has the first partition of `orders` moved to another log directory; the answer's code.
pub(crate) fn move_to(f: &Fixture, path: &std::path::Path) -> i16 {
    let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
        .with_name(name_of("orders"))
        .with_partitions(vec![0]);
    let dir = alter_replica_log_dirs_request::AlterReplicaLogDir::default()
        .with_path(text(&path.display().to_string()))
        .with_topics(vec![topic]);
    f.ask(2, &AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])).results[0].partitions[0].error_code
}

#[test]
fn a_partition_moves_to_another_directory_with_its_records_and_stays_there() {
    let folder = tempfile::tempdir().unwrap();
    let dirs = [folder.path().join("one"), folder.path().join("two")];
    let list = format!("{},{}", dirs[0].display(), dirs[1].display());
    let mut f = Fixture::with(&[("log.dirs", &list), ("log.segment.delete.delay.ms", "100")]);
    f.metadata(&["orders"]);
    produce(&f, batch(BatchOptions::default(), &[f.now; 3]));
    let home = |dir: &std::path::Path| dir.join("orders-0").exists();
    let to = if home(&dirs[0]) { &dirs[1] } else { &dirs[0] };
    assert_eq!((move_to(&f, to), move_to(&f, to)), (0, 0));
    let answer = f.ask(4, &DescribeLogDirsRequest::default().with_topics(None));
    let of = |dir: &describe_log_dirs_response::DescribeLogDirsResult| {
        let partitions = dir.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|p| (p.is_future_key, p.offset_lag)).collect::<Vec<_>>()
    };
    let mut told: Vec<_> = answer.results.iter().map(of).collect();
    told.sort();
    assert_eq!(told, [vec![(false, 0)], vec![(true, 3)]], "where it is, and where it goes");
    f.node.keep_house(f.now);
    produce(&f, batch(BatchOptions::default(), &[f.now; 2]));
    f.node.keep_house(f.now + 200);
    let at = |dir: &std::path::Path| {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("orders")).collect::<Vec<_>>()
    };
    let from = if to == &dirs[0] { &dirs[1] } else { &dirs[0] };
    assert_eq!((at(to), at(from)), (vec!["orders-0".to_owned()], Vec::new()));
    for _ in 0..2 {
        assert_eq!(count(&f.ask(11, &fetch_request(0, 0, (0, -1)))), 5, "records");
        let answer = f.ask(4, &DescribeLogDirsRequest::default().with_topics(None));
        let full = answer.results.iter().find(|dir| !dir.topics.is_empty()).unwrap();
        assert_eq!(full.log_dir.to_string(), to.display().to_string());
        assert!(full.topics[0].partitions[0].partition_size > 0);
        f.restart();
    }
    // As a crash between two names leaves it, and one before.
    for (at, name) in [(from, "orders-0"), (from, "payments-0.0123456789abcdef0123456789abcdef-future")] {
        let copy = at.join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(to.join("orders-0")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
    f.crash(&[]);
    f.node.keep_house(f.now + 200);
    assert_eq!(count(&f.ask(11, &fetch_request(0, 0, (0, -1)))), 5, "records");
    let mut names = [at(to), at(from)].concat();
    names.sort();
    assert_eq!((names.len(), &*names[0]), (2, "orders-0"), "{names:?}");
    assert!(names[1].ends_with("-stray"), "{names:?}");
    assert!(!from.join("payments-0.0123456789abcdef0123456789abcdef-future").exists());
}

#[test]
fn scram_users_and_quotas_are_kept_by_a_restart_and_the_password_is_told_to_nobody() {
    let mut f = Fixture::new();
    assert!(try_version(&f, ApiKey::AlterUserScramCredentials, 0) && try_version(&f, ApiKey::AlterClientQuotas, 1));
    f.restart();
    let answer = f.ask(0, &DescribeUserScramCredentialsRequest::default().with_users(None));
    let infos: Vec<(i8, i32)> =
        answer.results[0].credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
    assert_eq!((answer.results[0].user.as_str(), infos), ("alice", vec![(1, 4096)]));
    let answer = f.ask(1, &DescribeClientQuotasRequest::default());
    let values = &answer.entries.unwrap()[0].values;
    assert_eq!((values[0].key.as_str(), values[0].value), ("producer_byte_rate", 1e9));
}

/// A quota of `rate` bytes a second for whoever is called `it`, which this test is.
fn limit(f: &Fixture, key: &str, rate: f64) {
    let client = alter_client_quotas_request::EntityData::default()
        .with_entity_type(text("client-id"))
        .with_entity_name(Some(text("it")));
    let op = alter_client_quotas_request::OpData::default().with_key(text(key)).with_value(rate);
    let entry = alter_client_quotas_request::EntryData::default().with_entity(vec![client]).with_ops(vec![op]);
    assert_eq!(f.ask(1, &AlterClientQuotasRequest::default().with_entries(vec![entry])).entries[0].error_code, 0);
}

#[test]
fn a_producer_over_its_quota_is_told_to_wait_and_not_read_from_meanwhile() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    let produce = || {
        let data = produce_request::PartitionProduceData::default()
            .with_records(Some(batch(BatchOptions::default(), &[f.now; 3])));
        let topic =
            produce_request::TopicProduceData::default().with_name(name_of("orders")).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(1).with_timeout_ms(1000).with_topic_data(vec![topic]);
        f.ask(9, &request)
    };
    assert_eq!((produce().throttle_time_ms, f.session.muted_until()), (0, 0));
    limit(&f, "producer_byte_rate", 1.0);
    let answer = produce();
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "it is late, not refused");
    assert!(answer.throttle_time_ms > 1_000, "{}", answer.throttle_time_ms);
    assert_eq!(f.session.muted_until(), f.now + i64::from(answer.throttle_time_ms));
}

#[test]
fn a_reader_over_its_quota_reads_nothing_until_it_has_waited() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    produce(&f, batch(BatchOptions::default(), &[f.now; 3]));
    limit(&f, "consumer_byte_rate", 1.0);
    assert_eq!(count(&f.ask(11, &fetch_request(0, 0, (0, -1)))), 3, "who has read nothing yet may");
    let answer = f.ask(11, &fetch_request(0, 0, (0, -1)));
    assert!(answer.throttle_time_ms > 1_000 && answer.responses.is_empty(), "{answer:?}");
}

#[test]
fn who_makes_partitions_faster_than_the_quota_is_refused_until_they_are_paid_for() {
    let f = Fixture::new();
    limit(&f, "controller_mutation_rate", 1.0);
    let create = |version: i16, names: &[&str], partitions: i32| {
        let topic = |name: &&str| {
            let topic = create_topics_request::CreatableTopic::default().with_name(name_of(name));
            topic.with_num_partitions(partitions).with_replication_factor(1)
        };
        let topics = names.iter().map(topic).collect();
        let answer = f.ask(version, &CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(1_000));
        let codes: Vec<_> = answer.topics.iter().map(|t| (t.name.to_string(), t.error_code)).collect();
        (codes, answer.throttle_time_ms)
    };
    let over = ErrorCode::ThrottlingQuotaExceeded.code();
    assert_eq!(create(7, &["a"], 12), (vec![("a".into(), 0)], 1_000), "eleven are in the bucket");
    assert_eq!(f.session.muted_until(), f.now + 1_000);
    assert_eq!(create(7, &["b", "c"], 1), (vec![("b".into(), over), ("c".into(), over)], 1_000));
    assert_eq!(create(5, &["b"], 1), (vec![("b".into(), 0)], 2_000), "old clients are late, not refused");
    let more = create_partitions_request::CreatePartitionsTopic::default().with_name(name_of("b")).with_count(2);
    let answer = f.ask(3, &CreatePartitionsRequest::default().with_topics(vec![more]).with_timeout_ms(1_000));
    assert_eq!((answer.results[0].error_code, answer.throttle_time_ms), (over, 2_000));
    let gone = delete_topics_request::DeleteTopicState::default().with_name(Some(name_of("a")));
    let answer = f.ask(6, &DeleteTopicsRequest::default().with_topics(vec![gone]).with_timeout_ms(1_000));
    let told = answer.responses[0].error_message.as_deref();
    assert_eq!((answer.responses[0].error_code, told), (over, Some("The throttling quota has been exceeded.")));
}

#[test]
fn who_takes_more_of_the_brokers_time_than_the_quota_is_not_read_from_for_a_while() {
    let f = Fixture::new();
    f.metadata(&["orders"]);
    assert_eq!(f.session.muted_until(), 0);
    limit(&f, "request_percentage", 1e-9);
    f.metadata(&["orders"]);
    assert_eq!(f.session.muted_until(), f.now + 1_000, "a window at most");
}
