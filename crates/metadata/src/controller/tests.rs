//! Stories of a controller in its harness, and tables of what it refuses. The complaints are those of Apache Kafka 4.3.1.
#![allow(clippy::unwrap_used, clippy::panic)]

mod operators;

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::alter_configs_request;
use andiron_protocol::messages::broker_registration_request::Listener;
use andiron_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use andiron_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use andiron_protocol::messages::delete_topics_request::DeleteTopicState;
use andiron_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use andiron_protocol::messages::update_features_request::FeatureUpdateKey;
use andiron_protocol::messages::{BrokerId, TopicName};
use andiron_replication::machine::{Harness, Ticket};

use super::*;
use crate::config::Effective;
use crate::features;
use crate::image::{NO_LEADER, Resource, ResourceKind};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn named(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A controller whose log is a list, committed at once.
struct Cluster {
    harness: Harness<Controller>,
    log: Vec<Record>,
    topics_made: u128,
}

impl Cluster {
    fn new(bootstrap: Vec<Record>) -> Self {
        let controller = Controller::new(Image::new("cluster"), Arc::new(BrokerConfig::without_file()));
        let mut cluster = Self { harness: Harness::new(controller, 0), log: Vec::new(), topics_made: 100 };
        cluster.ask(Request::Activate { bootstrap });
        cluster
    }

    /// A cluster of one broker, up.
    fn up() -> Self {
        let mut cluster = Self::new(features::fresh());
        let epoch = cluster.register(1, 1);
        cluster.beat(1, epoch, false, false);
        cluster
    }

    fn ask(&mut self, request: Request) -> Response {
        let log = &mut self.log;
        let outcome = self.harness.request(0, Ticket(1), request, |records| {
            // Through the bytes, as a real log would have it.
            log.extend(records.iter().map(|record| Record::decode(&record.encode().unwrap()).unwrap()));
            Ok((log.len() - records.len()) as i64)
        });
        assert_eq!(outcome.failed, None);
        assert_eq!(self.harness.latest().fault(), None);
        self.harness.committed(self.log.len() as i64).pop().unwrap().1
    }

    fn image(&self) -> Image {
        self.harness.view().clone()
    }

    fn register(&mut self, id: i32, incarnation: u128) -> i64 {
        let listener = Listener::default().with_name(text("PLAINTEXT")).with_host(text("localhost")).with_port(9092);
        let request = BrokerRegistrationRequest::default()
            .with_broker_id(BrokerId(id))
            .with_cluster_id(text("cluster"))
            .with_incarnation_id(Uuid::from_u128(incarnation))
            .with_listeners(vec![listener])
            .with_log_dirs(vec![Uuid::from_u128(50)]);
        match self.ask(Request::RegisterBroker(request)) {
            Response::RegisterBroker(response) => response.broker_epoch,
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self, id: i32, epoch: i64, fence: bool, shut_down: bool) -> BrokerHeartbeatResponse {
        let request = BrokerHeartbeatRequest::default()
            .with_broker_id(BrokerId(id))
            .with_broker_epoch(epoch)
            .with_current_metadata_offset(self.log.len() as i64 - 1)
            .with_want_fence(fence)
            .with_want_shut_down(shut_down);
        match self.ask(Request::Heartbeat(request)) {
            Response::Heartbeat(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, topics: Vec<CreatableTopic>) -> CreateTopicsResponse {
        let ids = topics.iter().map(|_| {
            self.topics_made += 1;
            Uuid::from_u128(self.topics_made)
        });
        let ids = ids.collect();
        let request = CreateTopicsRequest::default().with_topics(topics);
        match self.ask(Request::CreateTopics { request, ids }) {
            Response::CreateTopics(response) => response,
            other => panic!("{other:?}"),
        }
    }

    fn alter(&mut self, kind: ResourceKind, name: &str, changes: &[(&str, i8, Option<&str>)]) -> (i16, String) {
        let change = |(name, operation, value): &(&str, i8, Option<&str>)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(*operation)
                .with_value(value.map(text))
        };
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind.0)
            .with_resource_name(text(name))
            .with_configs(changes.iter().map(change).collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        match self.ask(Request::IncrementalAlterConfigs(request)) {
            Response::IncrementalAlterConfigs(response) => {
                let response = &response.responses[0];
                (response.error_code, response.error_message.clone().unwrap_or_default().to_string())
            }
            other => panic!("{other:?}"),
        }
    }
}

fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic::default().with_name(named(name)).with_num_partitions(partitions).with_replication_factor(factor)
}

fn with_configs(topic: CreatableTopic, configs: &[(&str, Option<&str>)]) -> CreatableTopic {
    let config = |(name, value): &(&str, Option<&str>)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(value.map(text))
    };
    topic.with_configs(configs.iter().map(config).collect())
}

fn assigned(name: &str, replicas: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(number, ids): &(i32, &[i32])| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*number)
            .with_broker_ids(ids.iter().copied().map(BrokerId).collect())
    };
    topic(name, -1, -1).with_assignments(replicas.iter().map(assignment).collect())
}

#[test]
fn the_log_of_a_new_cluster_begins_as_kafkas() {
    let cluster = Cluster::up();
    let names: Vec<&str> = cluster
        .log
        .iter()
        .map(|record| match record {
            Record::BeginTransaction(begin) => begin.name.as_deref().unwrap_or_default(),
            Record::FeatureLevel(level) => &level.name,
            Record::EndTransaction(_) => "end",
            Record::RegisterBroker(_) => "register",
            Record::BrokerRegistrationChange(change) if change.fenced == -1 => "unfence",
            other => panic!("{other:?}"),
        })
        .collect();
    let expected =
        ["Bootstrap records", "metadata.version", "group.version", "transaction.version", "end", "register", "unfence"];
    assert_eq!(names, expected);
    let image = cluster.image();
    let broker = image.broker(1).unwrap();
    assert!(!broker.fenced && broker.epoch == 5 && broker.endpoint("PLAINTEXT").is_some());
    assert_eq!(image.feature("metadata.version"), 30);
}

#[test]
fn a_log_that_holds_metadata_is_not_begun_again() {
    let mut cluster = Cluster::up();
    let length = cluster.log.len();
    assert_eq!(cluster.ask(Request::Activate { bootstrap: features::fresh() }), Response::Activate);
    assert_eq!(cluster.log.len(), length);
}

#[test]
fn with_eligible_leader_replicas_min_insync_replicas_is_written_for_the_cluster() {
    let mut bootstrap = features::fresh();
    let level = crate::records::FeatureLevelRecord { name: features::ELR_VERSION.into(), feature_level: 1 };
    bootstrap.push(level.into());
    let image = Cluster::new(bootstrap).image();
    assert_eq!(image.config(&Resource::new(ResourceKind::BROKER, ""), "min.insync.replicas"), Some("1"));
}

#[test]
fn a_topic_is_created_with_its_partitions_and_configs() {
    let mut cluster = Cluster::up();
    let flights = with_configs(topic("flights", 3, 1), &[("retention.ms", Some("1000"))]);
    let response = cluster.create(vec![flights, topic("plain", -1, -1)]);
    let result = &response.topics[0];
    assert_eq!((result.error_code, result.num_partitions, result.replication_factor), (0, 3, 1));
    assert_eq!(result.topic_id, Uuid::from_u128(101));
    let configs = result.configs.as_ref().unwrap();
    assert_eq!(configs.len(), crate::config::topic().iter().filter(|d| !d.internal).count());
    let retention = configs.iter().find(|config| config.name.as_str() == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1));
    assert_eq!((response.topics[1].num_partitions, response.topics[1].replication_factor), (1, 1));

    let image = cluster.image();
    let flights = image.topic("flights").unwrap();
    assert_eq!(image.topic_by_id(flights.id), Some(flights));
    assert_eq!(flights.partitions.len(), 3);
    for partition in &flights.partitions {
        assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (1, 0, 0));
        assert_eq!((&partition.replicas[..], &partition.isr[..]), (&[1][..], &[1][..]));
        assert_eq!(partition.directory(1), Some(Uuid::from_u128(50)));
    }
    assert_eq!(Effective::new(&BrokerConfig::without_file(), &image).topic_long("flights", "retention.ms"), 1000);
}

#[test]
fn a_topic_that_cannot_be_is_refused_in_kafkas_words() {
    let long = "a".repeat(250);
    let table: Vec<(CreatableTopic, ErrorCode, &str)> = vec![
        (topic("", 1, 1), ErrorCode::InvalidTopicException, "Topic name is invalid: the empty string is not allowed"),
        (topic("..", 1, 1), ErrorCode::InvalidTopicException, "Topic name is invalid: '..' is not allowed"),
        (
            topic("a b", 1, 1),
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (topic(&long, 1, 1), ErrorCode::InvalidTopicException, "is longer than the max allowed length 249"),
        (topic("x.y", 1, 1), ErrorCode::TopicAlreadyExists, "Topic 'x.y' already exists."),
        (topic("x_y", 1, 1), ErrorCode::InvalidTopicException, "Topic 'x_y' collides with existing topic: x.y"),
        (
            topic("n", 0, 1),
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            topic("n", 1, 0),
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            topic("n", 1, 3),
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (topic("n", 20_000, 1), ErrorCode::PolicyViolation, "Excessively large number of partitions per request."),
        (
            assigned("n", &[(0, &[7])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
        (
            assigned("n", &[(0, &[1, 1])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes the broker 1 more than once.",
        ),
        (
            assigned("n", &[(0, &[])]),
            ErrorCode::InvalidReplicaAssignment,
            "The manual partition assignment includes an empty replica list.",
        ),
        (
            assigned("n", &[(1, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (
            assigned("n", &[(0, &[1]), (0, &[1])]),
            ErrorCode::InvalidReplicaAssignment,
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            assigned("n", &[(0, &[1])]).with_num_partitions(1),
            ErrorCode::InvalidRequest,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            with_configs(topic("n", 1, 1), &[("retention.ms", Some("soon"))]),
            ErrorCode::InvalidConfig,
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        (
            with_configs(topic("n", 1, 1), &[("foo.bar", Some("1")), ("aaa", Some("2"))]),
            ErrorCode::InvalidConfig,
            "Unknown topic config name: aaa",
        ),
        (
            with_configs(topic("n", 1, 1), &[("retention.ms", None)]),
            ErrorCode::InvalidConfig,
            "Null value not supported for topic configs: retention.ms",
        ),
        (
            with_configs(
                topic("n", 1, 1),
                &[("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("5"))],
            ),
            ErrorCode::InvalidConfig,
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
    ];
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("x.y", 1, 1)]);
    let length = cluster.log.len();
    for (topic, code, complaint) in table {
        let result = cluster.create(vec![topic]).topics.remove(0);
        let message = result.error_message.unwrap_or_default();
        assert_eq!(result.error_code, code.code(), "{message:?}");
        assert!(message.ends_with(complaint), "{message:?}");
    }
    let response = cluster.create(vec![topic("t", 1, 1), topic("t", 1, 1), topic("p.q", 1, 1), topic("p_q", 1, 1)]);
    let told: Vec<(&str, i16)> = response.topics.iter().map(|t| (t.name.as_str(), t.error_code)).collect();
    assert_eq!(told, [("t", 42), ("p.q", 0), ("p_q", 17)]);
    assert_eq!(cluster.log.len(), length + 2);
}

#[test]
fn a_request_that_only_validates_changes_nothing() {
    let mut cluster = Cluster::up();
    let length = cluster.log.len();
    let request = CreateTopicsRequest::default().with_topics(vec![topic("t", 2, 1)]).with_validate_only(true);
    match cluster.ask(Request::CreateTopics { request, ids: vec![Uuid::from_u128(9)] }) {
        Response::CreateTopics(response) => {
            let result = &response.topics[0];
            assert_eq!((result.error_code, result.num_partitions, result.topic_id), (0, 2, Uuid::nil()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(cluster.log.len(), length);
}

#[test]
fn topics_are_deleted_by_name_or_id_with_their_configs() {
    let mut cluster = Cluster::up();
    let one = with_configs(topic("one", 1, 1), &[("flush.ms", Some("1"))]);
    cluster.create(vec![one, topic("two", 1, 1), topic("three", 1, 1)]);
    let two = cluster.image().topic("two").unwrap().id;
    let state = |name: Option<&str>, id: Uuid| DeleteTopicState::default().with_name(name.map(named)).with_topic_id(id);
    let request = DeleteTopicsRequest::default().with_topics(vec![
        state(Some("one"), Uuid::nil()),
        state(None, two),
        state(Some("nix"), Uuid::nil()),
        state(None, Uuid::from_u128(1)),
        state(None, Uuid::nil()),
        state(Some("three"), two),
    ]);
    let Response::DeleteTopics(response) = cluster.ask(Request::DeleteTopics(request)) else { panic!() };
    let codes: Vec<i16> = response.responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [0, 0, 3, 100, 42, 42]);
    let image = cluster.image();
    let left: Vec<&str> = image.topics().map(|topic| topic.name.as_ref()).collect();
    assert_eq!(left, ["three"]);
    assert_eq!(image.resources(ResourceKind::TOPIC).count(), 0);
    // The older versions.
    let request = DeleteTopicsRequest::default().with_topic_names(vec![named("three"), named("three"), named("nix")]);
    let Response::DeleteTopics(response) = cluster.ask(Request::DeleteTopics(request)) else { panic!() };
    let codes: Vec<i16> = response.responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [42, 3]);
}

#[test]
fn partitions_are_added_but_never_taken_away() {
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("t", 2, 1)]);
    let asked = |count: i32, assignments: Option<&[&[i32]]>| {
        let assignment = |ids: &&[i32]| {
            CreatePartitionsAssignment::default().with_broker_ids(ids.iter().copied().map(BrokerId).collect())
        };
        CreatePartitionsTopic::default()
            .with_name(named("t"))
            .with_count(count)
            .with_assignments(assignments.map(|lists| lists.iter().map(assignment).collect()))
    };
    let table: Vec<(CreatePartitionsTopic, i16, &str)> = vec![
        (asked(2, None), 37, "Topic already has 2 partition(s)."),
        (asked(1, None), 37, "The topic t currently has 2 partition(s); 1 would not be an increase."),
        (
            asked(4, Some(&[&[1]])),
            39,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            asked(3, Some(&[&[9]])),
            39,
            "The manual partition assignment includes broker 9, but no such broker is registered.",
        ),
        (asked(5, None).with_name(named("nix")), 3, ""),
        (asked(20_000, None), -1, ""),
        (asked(4, Some(&[&[1], &[1]])), 0, ""),
        (asked(5, None), 0, ""),
    ];
    for (topic, code, complaint) in table {
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        let Response::CreatePartitions(response) = cluster.ask(Request::CreatePartitions(request)) else { panic!() };
        let result = &response.results[0];
        assert_eq!((result.error_code, result.error_message.as_deref().unwrap_or_default()), (code, complaint));
    }
    assert_eq!(cluster.image().topic("t").unwrap().partitions.len(), 5);
}

#[test]
fn configs_are_set_appended_subtracted_and_removed() {
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("t", 1, 1)]);
    const T: ResourceKind = ResourceKind::TOPIC;
    type Row<'a> = (&'a [(&'a str, i8, Option<&'a str>)], i16, &'a str, Option<&'a str>);
    let table: Vec<Row<'_>> = vec![
        (&[("cleanup.policy", 2, Some("compact"))], 0, "", Some("delete,compact")),
        (&[("cleanup.policy", 3, Some("delete"))], 0, "", Some("compact")),
        (
            &[("cleanup.policy", 0, Some("nix"))],
            40,
            "Invalid value nix for configuration cleanup.policy: String must be one of: compact, delete",
            Some("compact"),
        ),
        (
            &[("retention.ms", 2, Some("1"))],
            40,
            "Can't APPEND to key retention.ms because its type is not LIST.",
            Some("compact"),
        ),
        (&[("foo", 0, Some("1"))], 40, "Unknown topic config name: foo", Some("compact")),
        (&[("retention.ms", 0, None)], 42, "Null value not supported for : retention.ms", Some("compact")),
        (&[("retention.ms", 9, Some("1"))], 42, "Unknown operation type 9 is not supported.", Some("compact")),
        (&[("foo", 1, None)], 0, "", Some("compact")),
        (&[("cleanup.policy", 1, None)], 0, "", None),
    ];
    for (changes, code, complaint, holds) in table {
        assert_eq!(cluster.alter(T, "t", changes), (code, complaint.to_string()));
        assert_eq!(cluster.image().config(&Resource::new(T, "t"), "cleanup.policy"), holds);
    }
    let length = cluster.log.len();
    assert_eq!(cluster.alter(T, "t", &[("retention.ms", 1, None)]), (0, String::new()));
    assert_eq!(cluster.log.len(), length, "what is as it was is not written");
    let (code, complaint) = cluster.alter(T, "nix", &[("retention.ms", 0, Some("1"))]);
    assert_eq!((code, complaint.as_str()), (3, "The topic 'nix' does not exist."));
    let broker: Vec<(&str, &str, &str, i16, &str)> = vec![
        ("1", "node.id", "3", 42, "Cannot update these configs dynamically: [node.id]"),
        (
            "1",
            "log.cleaner.threads",
            "x",
            42,
            "Invalid value x for configuration log.cleaner.threads: Not a number of type INT",
        ),
        ("1", "foo", "x", 0, ""),
        (
            "",
            "listeners",
            "PLAINTEXT://:1",
            42,
            "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
        ),
        ("", "log.retention.ms", "5", 0, ""),
    ];
    for (name, key, value, code, complaint) in broker {
        let told = cluster.alter(ResourceKind::BROKER, name, &[(key, 0, Some(value))]);
        assert_eq!(told, (code, complaint.to_string()));
    }
    let group = |cluster: &mut Cluster, key: &str, value: &str| {
        cluster.alter(ResourceKind::GROUP, "g", &[(key, 0, Some(value))])
    };
    let low = "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms";
    assert_eq!(group(&mut cluster, "consumer.session.timeout.ms", "1"), (40, low.to_string()));
    assert_eq!(group(&mut cluster, "foo", "1"), (40, "Unknown group config name: foo".to_string()));
    assert_eq!(group(&mut cluster, "consumer.session.timeout.ms", "50000"), (0, String::new()));
}

#[test]
fn the_older_way_replaces_all_configs_of_a_resource() {
    let mut cluster = Cluster::up();
    cluster.create(vec![with_configs(topic("t", 1, 1), &[("flush.ms", Some("1")), ("retention.ms", Some("2"))])]);
    let config =
        alter_configs_request::AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("3")));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let Response::AlterConfigs(response) = cluster.ask(Request::AlterConfigs(request)) else { panic!() };
    assert_eq!(response.responses[0].error_code, 0);
    let image = cluster.image();
    let left = image.configs(&Resource::new(ResourceKind::TOPIC, "t")).unwrap();
    assert_eq!(left.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), [("retention.ms", "3")]);
}

#[test]
fn producer_ids_are_given_away_in_blocks() {
    let mut cluster = Cluster::up();
    let epoch = cluster.image().broker(1).unwrap().epoch;
    for first in [0, 1000, 2000] {
        let request = AllocateProducerIdsRequest::default().with_broker_id(BrokerId(1)).with_broker_epoch(epoch);
        let Response::AllocateProducerIds(response) = cluster.ask(Request::AllocateProducerIds(request)) else {
            panic!()
        };
        assert_eq!((response.producer_id_start.0, response.producer_id_len), (first, 1000));
    }
    let stale = AllocateProducerIdsRequest::default().with_broker_id(BrokerId(1)).with_broker_epoch(epoch - 1);
    let Response::AllocateProducerIds(response) = cluster.ask(Request::AllocateProducerIds(stale)) else { panic!() };
    assert_eq!(response.error_code, ErrorCode::StaleBrokerEpoch.code());
}

/// (leader, leader epoch, isr, elr) of partition 0 of `t`.
fn leads(cluster: &Cluster) -> (i32, i32, Vec<i32>, Vec<i32>) {
    let image = cluster.image();
    let partition = image.partition("t", 0).unwrap();
    (partition.leader, partition.leader_epoch, partition.isr.clone(), partition.elr.clone())
}

#[test]
fn a_broker_that_shuts_down_leads_nothing_until_it_is_back() {
    for elr in [false, true] {
        let mut bootstrap = features::fresh();
        if elr {
            let level = crate::records::FeatureLevelRecord { name: features::ELR_VERSION.into(), feature_level: 1 };
            bootstrap.push(level.into());
        }
        let mut cluster = Cluster::new(bootstrap);
        let epoch = cluster.register(1, 1);
        assert!(!cluster.beat(1, epoch, false, false).is_fenced);
        cluster.create(vec![topic("t", 1, 1)]);
        assert!(!cluster.beat(1, epoch, false, true).should_shut_down);
        let alone = if elr { (vec![], vec![1]) } else { (vec![1], vec![]) };
        assert_eq!(leads(&cluster), (NO_LEADER, 1, alone.0, alone.1));
        assert!(cluster.beat(1, epoch, false, true).should_shut_down);
        assert!(cluster.image().broker(1).unwrap().fenced);

        let epoch = cluster.register(1, 2);
        assert_eq!(leads(&cluster).0, NO_LEADER);
        cluster.beat(1, epoch, false, false);
        assert_eq!(leads(&cluster), (1, 2, vec![1], vec![]));
    }
}

#[test]
fn a_broker_that_was_killed_leads_again_in_a_new_epoch() {
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("t", 1, 1)]);
    let epoch = cluster.register(1, 2);
    assert_eq!(leads(&cluster), (NO_LEADER, 1, vec![1], vec![]));
    cluster.beat(1, epoch, false, false);
    assert_eq!(leads(&cluster), (1, 2, vec![1], vec![]));
    let again = cluster.register(1, 2);
    assert_eq!(again, epoch, "the same run of a broker keeps its epoch");
}

#[test]
fn replicas_follow_when_a_leader_goes() {
    let mut cluster = Cluster::up();
    let second = cluster.register(2, 2);
    cluster.beat(2, second, false, false);
    cluster.create(vec![topic("t", 2, 2)]);
    let image = cluster.image();
    let leaders: Vec<i32> = image.topic("t").unwrap().partitions.iter().map(|p| p.leader).collect();
    assert_eq!(leaders, [1, 2]);
    cluster.beat(1, image.broker(1).unwrap().epoch, true, false);
    let image = cluster.image();
    for partition in &image.topic("t").unwrap().partitions {
        assert_eq!((partition.leader, &partition.isr[..]), (2, &[2][..]));
    }
}

#[test]
fn strangers_are_refused() {
    let mut cluster = Cluster::up();
    assert_eq!(cluster.beat(7, 1, false, false).error_code, ErrorCode::BrokerIdNotRegistered.code());
    assert_eq!(cluster.beat(1, 99, false, false).error_code, ErrorCode::StaleBrokerEpoch.code());
    let request = BrokerRegistrationRequest::default().with_broker_id(BrokerId(1)).with_cluster_id(text("other"));
    let Response::RegisterBroker(response) = cluster.ask(Request::RegisterBroker(request)) else { panic!() };
    assert_eq!(response.error_code, ErrorCode::InconsistentClusterId.code());
}

#[test]
fn features_change_within_what_this_program_knows() {
    let mut cluster = Cluster::up();
    let mut update = |name: &str, level: i16, kind: i8| {
        let key =
            FeatureUpdateKey::default().with_feature(text(name)).with_max_version_level(level).with_upgrade_type(kind);
        let request = UpdateFeaturesRequest::default().with_feature_updates(vec![key]);
        let Response::UpdateFeatures(response) = cluster.ask(Request::UpdateFeatures(request)) else { panic!() };
        (response.error_code, cluster.image().feature(name))
    };
    assert_eq!(update("group.version", 1, 1), (0, 1));
    assert_eq!(update("group.version", 0, 1), (95, 1));
    assert_eq!(update("group.version", 0, 2), (0, 0));
    assert_eq!(update("group.version", 9, 1), (95, 0));
    assert_eq!(update("nix", 1, 1), (95, 0));
    assert_eq!(update("metadata.version", 29, 2), (95, 30));
}

#[test]
fn the_view_shows_a_transaction_of_records_when_it_ends() {
    let mut controller = Controller::new(Image::new("c"), Arc::default());
    let begin = crate::records::BeginTransactionRecord { name: None }.into();
    let level = |level: i16| crate::records::FeatureLevelRecord { name: "f".into(), feature_level: level }.into();
    let end: Record = crate::records::EndTransactionRecord {}.into();
    let abort: Record = crate::records::AbortTransactionRecord { reason: None }.into();
    for (offset, (record, sees)) in (0..).zip([
        (begin, 0),
        (level(1), 0),
        (end, 1),
        (crate::records::BeginTransactionRecord { name: None }.into(), 1),
        (level(2), 1),
        (abort, 1),
        (level(3), 3),
    ]) {
        controller.replay(offset, &record);
        assert_eq!(controller.view().feature("f"), sees, "after {offset}");
    }
    assert_eq!(controller.image().offset(), 6);
}
