//! What operators ask of the controller. The complaints are those of Apache Kafka 4.3.1.

use andiron_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use andiron_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use andiron_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use andiron_protocol::messages::elect_leaders_request::TopicPartitions;
use bytes::Bytes;

use super::*;

/// Whom a quota is for.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn quota(cluster: &mut Cluster, entity: Entity<'_>, ops: &[(&str, Option<f64>)]) -> (i16, String) {
    let part = |(kind, name): &(&str, Option<&str>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
    };
    let entry =
        EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect());
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    match cluster.ask(Request::AlterClientQuotas(request)) {
        Response::AlterClientQuotas(answer) => {
            let entry = &answer.entries[0];
            (entry.error_code, entry.error_message.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn quotas_are_set_taken_back_and_refused() {
    let mut cluster = Cluster::up();
    let user: Entity<'_> = &[("user", Some("alice"))];
    let of = |cluster: &Cluster| {
        let entity = [("user".to_string(), Some("alice".to_string()))].into();
        cluster.image().quota(&entity).cloned().unwrap_or_default()
    };
    assert_eq!(quota(&mut cluster, user, &[("producer_byte_rate", Some(1024.0))]), (0, String::new()));
    assert_eq!(of(&cluster), [("producer_byte_rate".to_string(), 1024.0)].into());
    let length = cluster.log.len();
    assert_eq!(quota(&mut cluster, user, &[("producer_byte_rate", Some(1024.0))]).0, 0);
    assert_eq!(quota(&mut cluster, user, &[("request_percentage", None)]).0, 0);
    assert_eq!(cluster.log.len(), length, "what is as it was is not written");
    let refused: &[(Entity<'_>, &str, f64, &str)] = &[
        (user, "producer_byte_rate", -1.0, "Quota producer_byte_rate must be greater than 0"),
        (user, "producer_byte_rate", 1.5, "producer_byte_rate cannot be a fractional value."),
        (user, "nope", 1.0, "Invalid configuration key nope"),
        (user, "connection_creation_rate", 1.0, "Invalid configuration key connection_creation_rate"),
        (&[], "producer_byte_rate", 1.0, "Invalid empty client quota entity"),
        (&[("user", Some(""))], "producer_byte_rate", 1.0, "Empty user not supported"),
        (&[("planet", None)], "producer_byte_rate", 1.0, "Unhandled client quota entity type: planet"),
        (
            &[("ip", Some("not an ip"))],
            "connection_creation_rate",
            1.0,
            "not an ip is not a valid IP or resolvable host.",
        ),
        (
            &[("ip", Some("127.0.0.1")), ("user", None)],
            "connection_creation_rate",
            1.0,
            "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
        ),
    ];
    for (entity, key, value, complaint) in refused {
        assert_eq!(quota(&mut cluster, entity, &[(key, Some(*value))]), (42, (*complaint).to_string()));
    }
    assert_eq!(quota(&mut cluster, user, &[("producer_byte_rate", None)]).0, 0);
    assert_eq!(of(&cluster).len(), 0);
    assert_eq!(quota(&mut cluster, &[("ip", None)], &[("connection_creation_rate", Some(5.0))]).0, 0);
    assert_eq!(cluster.image().quotas().count(), 1, "of all addresses");
}

fn scram(cluster: &mut Cluster, request: AlterUserScramCredentialsRequest) -> Vec<(String, i16, String)> {
    let Response::AlterUserScramCredentials(answer) = cluster.ask(Request::AlterUserScramCredentials(request)) else {
        panic!()
    };
    let told = |text: &Option<StrBytes>| text.as_ref().map(ToString::to_string).unwrap_or_default();
    answer.results.iter().map(|r| (r.user.to_string(), r.error_code, told(&r.error_message))).collect()
}

#[test]
fn a_password_is_kept_as_keys_that_do_not_give_it_away() {
    let mut cluster = Cluster::up();
    let upsertion = |name: &str, mechanism: i8, iterations: i32| {
        ScramCredentialUpsertion::default()
            .with_name(text(name))
            .with_mechanism(mechanism)
            .with_iterations(iterations)
            .with_salt(Bytes::from_static(b"salt"))
            .with_salted_password(Bytes::from_static(&[7; 32]))
    };
    let set = |u: Vec<ScramCredentialUpsertion>| AlterUserScramCredentialsRequest::default().with_upsertions(u);
    let delete = |name: &str| {
        let deletion = ScramCredentialDeletion::default().with_name(text(name)).with_mechanism(1);
        AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion])
    };
    assert_eq!(scram(&mut cluster, set(vec![upsertion("bob", 1, 4096)])), [("bob".to_string(), 0, String::new())]);
    let kept = cluster.image().scram_credential(1, "bob").cloned().unwrap();
    assert_eq!((kept.stored_key.len(), kept.server_key.len(), kept.iterations), (32, 32, 4096));
    assert!(kept.stored_key != kept.server_key && *kept.stored_key != [7; 32]);
    let refused = [
        (upsertion("bob", 1, 10), 93, "Too few iterations"),
        (upsertion("bob", 1, 99_999), 93, "Too many iterations"),
        (upsertion("bob", 3, 4096), 33, "Unknown SCRAM mechanism"),
        (upsertion("", 1, 4096), 93, "Username must not be empty"),
    ];
    for (asked, code, complaint) in refused {
        let told = scram(&mut cluster, set(vec![asked])).remove(0);
        assert_eq!((told.1, told.2.as_str()), (code, complaint));
    }
    let twice = scram(&mut cluster, set(vec![upsertion("eve", 1, 4096), upsertion("eve", 2, 4096)]));
    let complaint = "A user credential cannot be altered twice in the same request".to_string();
    assert_eq!(twice, [("eve".to_string(), 92, complaint)]);
    assert_eq!(scram(&mut cluster, delete("bob")), [("bob".to_string(), 0, String::new())]);
    let complaint = "Attempt to delete a user credential that does not exist".to_string();
    assert_eq!(scram(&mut cluster, delete("bob")), [("bob".to_string(), 91, complaint)]);
}

/// Two brokers with a topic on both, led by 1; then 1 goes and comes back, so that 2 leads.
fn led_by_the_second() -> Cluster {
    let mut cluster = Cluster::up();
    let first = cluster.image().broker(1).unwrap().epoch;
    let second = cluster.register(2, 2);
    cluster.beat(2, second, false, false);
    cluster.create(vec![topic("t", 1, 2)]);
    cluster.beat(1, first, true, false);
    cluster.beat(1, first, false, false);
    cluster
}

fn elect(cluster: &mut Cluster, kind: i8, name: &str, number: i32) -> i16 {
    let topics = TopicPartitions::default().with_topic(named(name)).with_partitions(vec![number]);
    let request = ElectLeadersRequest::default().with_election_type(kind).with_topic_partitions(Some(vec![topics]));
    let Response::ElectLeaders(answer) = cluster.ask(Request::ElectLeaders(request)) else { panic!() };
    answer.replica_election_results[0].partition_result[0].error_code
}

#[test]
fn the_preferred_replica_leads_again_when_it_may() {
    let mut cluster = led_by_the_second();
    let partition = |cluster: &Cluster| cluster.image().partition("t", 0).unwrap().clone();
    let leads = partition(&cluster).leader;
    let preferred = partition(&cluster).replicas[0];
    if leads != preferred {
        let not_in_sync = ErrorCode::PreferredLeaderNotAvailable.code();
        assert_eq!(elect(&mut cluster, 0, "t", 0), not_in_sync, "it has not caught up");
    }
    assert_eq!(elect(&mut cluster, 1, "t", 0), ErrorCode::ElectionNotNeeded.code());
    assert_eq!(elect(&mut cluster, 0, "nix", 0), ErrorCode::UnknownTopicOrPartition.code());
    assert_eq!(elect(&mut cluster, 0, "t", 5), ErrorCode::UnknownTopicOrPartition.code());
    let request = ElectLeadersRequest::default().with_election_type(7).with_topic_partitions(None);
    let Response::ElectLeaders(answer) = cluster.ask(Request::ElectLeaders(request)) else { panic!() };
    assert_eq!(answer.error_code, ErrorCode::InvalidRequest.code());
}

fn reassign(cluster: &mut Cluster, name: &str, number: i32, to: Option<&[i32]>) -> (i16, String) {
    let replicas = to.map(|to| to.iter().map(|id| BrokerId(*id)).collect());
    let partition = ReassignablePartition::default().with_partition_index(number).with_replicas(replicas);
    let topic = ReassignableTopic::default().with_name(named(name)).with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    let Response::AlterPartitionReassignments(answer) = cluster.ask(Request::AlterPartitionReassignments(request))
    else {
        panic!()
    };
    let partition = &answer.responses[0].partitions[0];
    (partition.error_code, partition.error_message.as_ref().map(ToString::to_string).unwrap_or_default())
}

#[test]
fn replicas_move_and_the_move_can_be_taken_back() {
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("t", 1, 1)]);
    let epoch = cluster.register(2, 2);
    cluster.beat(2, epoch, false, false);
    let partition = |cluster: &Cluster| cluster.image().partition("t", 0).unwrap().clone();
    let before = partition(&cluster);
    assert_eq!(reassign(&mut cluster, "t", 0, Some(&[1])), (0, String::new()));
    assert_eq!(partition(&cluster), before, "it is there already");
    let none = ErrorCode::NoReassignmentInProgress.code();
    assert_eq!(reassign(&mut cluster, "t", 0, None).0, none);
    let refused = [
        ("nix", 0, 3, "Unable to find a topic named nix."),
        ("t", 9, 3, "Unable to find partition t:9."),
        ("t", 0, 39, "The manual partition assignment includes broker 7, but no such broker is registered."),
    ];
    for (name, number, code, complaint) in refused {
        assert_eq!(reassign(&mut cluster, name, number, Some(&[7])), (code, complaint.to_string()));
    }
    assert_eq!(reassign(&mut cluster, "t", 0, Some(&[2])), (0, String::new()));
    let moving = partition(&cluster);
    assert_eq!((moving.replicas.as_slice(), moving.leader), ([2, 1].as_slice(), 1));
    assert_eq!(
        (moving.adding_replicas.as_slice(), moving.removing_replicas.as_slice()),
        ([2].as_slice(), [1].as_slice())
    );
    assert_eq!(reassign(&mut cluster, "t", 0, None), (0, String::new()));
    let back = partition(&cluster);
    assert_eq!((back.replicas, back.adding_replicas, back.removing_replicas), (vec![1], vec![], vec![]));
}

#[test]
fn a_broker_that_is_forgotten_leads_nothing_and_a_stranger_cannot_be() {
    let mut cluster = Cluster::up();
    cluster.create(vec![topic("t", 1, 1)]);
    let ask = |cluster: &mut Cluster, id: i32| {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
        let Response::UnregisterBroker(answer) = cluster.ask(Request::UnregisterBroker(request)) else { panic!() };
        (answer.error_code, answer.error_message.unwrap_or_default().to_string())
    };
    assert_eq!(ask(&mut cluster, 7), (102, "Broker ID 7 is not currently registered".to_string()));
    assert_eq!(ask(&mut cluster, 1), (0, String::new()));
    assert!(cluster.image().broker(1).is_none());
    assert_eq!(cluster.image().partition("t", 0).unwrap().leader, NO_LEADER);
}

#[test]
fn subscriptions_and_what_a_running_broker_takes_are_checked() {
    let mut cluster = Cluster::up();
    let metrics = ResourceKind::CLIENT_METRICS;
    let broker = ResourceKind::BROKER;
    let too_few = "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the current value 8 for configuration Invalid dynamic configuration";
    let too_many = "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for num.io.threads=300, value should not be greater than double the current value 8 for configuration Invalid dynamic configuration";
    let security = "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.password]";
    let cordoned = "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /x";
    let table = [
        (metrics, "s", "interval.ms", "1000", 0, ""),
        (
            metrics,
            "s",
            "interval.ms",
            "1",
            42,
            "Invalid value 1 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        ),
        (metrics, "s", "nope", "1", 42, "Unknown client metrics configuration: nope"),
        (metrics, "s", "match", "client_id=a.*", 0, ""),
        (metrics, "s", "match", "x", 40, "Illegal client matching pattern: x"),
        (metrics, "s", "match", "nope=x", 40, "Illegal client matching pattern: nope=x"),
        (metrics, "s", "match", "client_id=(", 40, "Illegal client matching pattern: client_id=("),
        (broker, "1", "num.io.threads", "3", 42, too_few),
        (broker, "1", "num.io.threads", "300", 42, too_many),
        (broker, "1", "num.io.threads", "12", 0, ""),
        (
            broker,
            "1",
            "num.network.threads",
            "0",
            42,
            "Invalid value 0 for configuration num.network.threads: Value must be at least 1",
        ),
        (broker, "1", "log.cleaner.threads", "2", 0, ""),
        (broker, "1", "ssl.keystore.password", "x", 42, security),
        (broker, "1", "cordoned.log.dirs", "/x", 42, cordoned),
        (
            broker,
            "1",
            "connections.max.idle.ms",
            "1",
            42,
            "Cannot update these configs dynamically: [connections.max.idle.ms]",
        ),
    ];
    for (kind, name, key, value, code, complaint) in table {
        assert_eq!(cluster.alter(kind, name, &[(key, 0, Some(value))]), (code, complaint.to_string()), "{key}={value}");
    }
}
