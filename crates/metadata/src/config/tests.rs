//! The tables against what Apache Kafka 4.3.1 answers, and the file that a broker is started with.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::image::{Image, Resource, ResourceKind};
use crate::records::ConfigRecord;

/// The settings of the broker that was asked.
const FILE: &str = "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:29371
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:19371,CONTROLLER://127.0.0.1:29371
advertised.listeners=PLAINTEXT://localhost:19371
log.dirs=/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
";

fn started() -> BrokerConfig {
    let (config, warnings) = BrokerConfig::new(Some(properties::parse(FILE).unwrap()), vec![]).unwrap();
    assert_eq!(warnings, [""; 0]);
    config
}

fn image(set: &[(ResourceKind, &str, &str, &str)]) -> Image {
    let mut image = Image::new("cluster");
    for (kind, resource, name, value) in set {
        let record = ConfigRecord {
            resource_type: kind.0,
            resource_name: (*resource).into(),
            name: (*name).into(),
            value: Some((*value).into()),
        };
        image.apply(0, &record.into()).unwrap();
    }
    image
}

/// What was set when the answers were captured.
fn captured() -> Image {
    image(&[
        (ResourceKind::BROKER, "", "min.insync.replicas", "1"),
        (ResourceKind::BROKER, "", "log.retention.ms", "100000"),
        (ResourceKind::BROKER, "1", "log.cleaner.threads", "2"),
        (ResourceKind::TOPIC, "flights", "cleanup.policy", "compact,delete"),
        (ResourceKind::TOPIC, "flights", "segment.bytes", "2000000"),
        (ResourceKind::GROUP, "g1", "consumer.session.timeout.ms", "50000"),
    ])
}

/// An entry as kafka-configs prints it.
fn line(entry: &Entry) -> String {
    let source = |source: Source| match source {
        Source::Topic => "DYNAMIC_TOPIC_CONFIG",
        Source::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        Source::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        Source::StaticBroker => "STATIC_BROKER_CONFIG",
        Source::Default => "DEFAULT_CONFIG",
        Source::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        Source::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        Source::Group => "DYNAMIC_GROUP_CONFIG",
    };
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".into());
    let synonym = |s: &Synonym| format!("{}:{}={}", source(s.source), s.name, or_null(&s.value));
    let synonyms: Vec<String> = entry.synonyms.iter().map(synonym).collect();
    let value = or_null(&entry.value);
    format!("  {}={value} sensitive={} synonyms={{{}}}", entry.name, entry.sensitive, synonyms.join(", "))
}

#[test]
fn every_config_is_described_as_by_kafka() {
    let (config, image) = (started(), captured());
    let effective = Effective::new(&config, &image);
    let table = [
        (ResourceKind::TOPIC, "flights", include_str!("../../testdata/captured/kafka-4.3.1-describe-topic.txt")),
        (ResourceKind::GROUP, "g1", include_str!("../../testdata/captured/kafka-4.3.1-describe-group.txt")),
        (ResourceKind::BROKER, "1", include_str!("../../testdata/captured/kafka-4.3.1-describe-broker.txt")),
    ];
    for (kind, name, theirs) in table {
        let ours = effective.describe(&Resource::new(kind, name)).unwrap();
        let by_name: BTreeMap<&str, String> = ours.iter().map(|entry| (&*entry.name, line(entry))).collect();
        let ours: Vec<&str> = by_name.values().map(String::as_str).collect();
        let mut theirs: Vec<&str> = theirs.lines().filter(|line| !line.starts_with('#')).collect();
        theirs.sort_by_key(|line| line.split('=').next().unwrap_or_default().trim());
        assert_eq!(ours.len(), theirs.len());
        let differ: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
        assert!(differ.is_empty(), "{differ:#?}");
    }
    let ours = effective.describe(&Resource::new(ResourceKind::BROKER, "")).unwrap();
    let ours: Vec<String> = ours.iter().map(line).collect();
    let theirs = [
        "  log.retention.ms=100000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=100000}",
        "  min.insync.replicas=1 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:min.insync.replicas=1}",
    ];
    assert_eq!(ours, theirs);
    let ours = effective.describe(&Resource::new(ResourceKind::CLIENT_METRICS, "m")).unwrap();
    let ours: Vec<String> = ours.iter().map(line).collect();
    let theirs = [
        "  interval.ms=300000 sensitive=false synonyms={}",
        "  match= sensitive=false synonyms={}",
        "  metrics= sensitive=false synonyms={}",
    ];
    assert_eq!(ours, theirs);
    assert_eq!(effective.describe(&Resource::new(ResourceKind::BROKER_LOGGER, "1")), None);
}

#[test]
fn every_line_of_the_tables_is_read() {
    let files = [
        (topic(), include_str!("topic.tsv")),
        (broker(), include_str!("broker.tsv")),
        (group(), include_str!("group.tsv")),
        (client_metrics(), include_str!("client_metrics.tsv")),
        (throttle(), include_str!("throttle.tsv")),
        (own(), include_str!("own.tsv")),
    ];
    for (table, file) in files {
        let names: Vec<&str> = file.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(table.iter().count(), names.len());
        names.iter().for_each(|name| assert!(table.get(name).is_some(), "{name}"));
        for definition in table.iter() {
            assert!(definition.doc.ends_with(['.', '`']), "{} has no doc", definition.name);
            for (synonym, _) in &definition.synonyms {
                assert!(broker().get(synonym).is_some(), "{synonym}");
            }
            if let Some(default) = definition.default.filter(|default| !default.is_empty()) {
                assert_eq!(definition.parse(default).as_deref(), Ok(default), "{}", definition.name);
            }
        }
    }
}

#[test]
fn bad_values_are_refused_in_kafkas_words() {
    let table = [
        (
            "cleanup.policy",
            "foo",
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        ("retention.ms", "soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG"),
        ("retention.ms", "-5", "Invalid value -5 for configuration retention.ms: Value must be at least -1"),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.zstd.level",
            "99",
            "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22",
        ),
        (
            "preallocate",
            "maybe",
            "Invalid value maybe for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "min.cleanable.dirty.ratio",
            "2",
            "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "min.cleanable.dirty.ratio",
            "abc",
            "Invalid value abc for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE",
        ),
        (
            "compression.type",
            "foo",
            "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "segment.bytes",
            "99999999999",
            "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        ("flush.ms", "1.5", "Invalid value 1.5 for configuration flush.ms: Not a number of type LONG"),
        (
            "message.timestamp.type",
            "foo",
            "Invalid value foo for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
        ),
        (
            "follower.replication.throttled.replicas",
            "x",
            "Invalid value [x] for configuration follower.replication.throttled.replicas: follower.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
    ];
    for (name, value, complaint) in table {
        assert_eq!(topic().get(name).unwrap().parse(value).unwrap_err(), complaint);
    }
    let good = [
        ("cleanup.policy", "", ""),
        ("cleanup.policy", " compact , delete ", "compact,delete"),
        ("retention.ms", " 5 ", "5"),
        ("preallocate", "TRUE", "true"),
        ("follower.replication.throttled.replicas", "1:2,3:4", "1:2,3:4"),
        ("follower.replication.throttled.replicas", "*", "*"),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
    ];
    for (name, value, parsed) in good {
        assert_eq!(topic().get(name).unwrap().parse(value).as_deref(), Ok(parsed));
    }
}

#[test]
fn dynamic_stands_over_override_over_file_over_default() {
    let file = |more: &str| Some(properties::parse(&format!("{FILE}{more}")).unwrap());
    let holds = |file: &str, over: &[(&str, &str)], dynamic: &[(ResourceKind, &str, &str, &str)]| {
        let over = over.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let pairs = properties::parse(&format!("{FILE}{file}")).unwrap();
        let (config, _) = BrokerConfig::new(Some(pairs), over).unwrap();
        Effective::new(&config, &image(dynamic)).topic_long("t", "retention.ms")
    };
    assert_eq!(holds("", &[], &[]), 604_800_000);
    assert_eq!(holds("log.retention.hours=1", &[], &[]), 3_600_000);
    assert_eq!(holds("log.retention.hours=-1", &[], &[]), -1);
    assert_eq!(holds("log.retention.hours=1\nlog.retention.minutes=2", &[], &[]), 120_000);
    let over = [("log.retention.ms", "7")];
    assert_eq!(holds("log.retention.hours=1", &over, &[]), 7);
    let cluster = (ResourceKind::BROKER, "", "log.retention.ms", "8");
    let node = (ResourceKind::BROKER, "1", "log.retention.ms", "9");
    let on_topic = (ResourceKind::TOPIC, "t", "retention.ms", "10");
    assert_eq!(holds("", &over, &[cluster]), 8);
    assert_eq!(holds("", &over, &[cluster, node]), 9);
    assert_eq!(holds("", &over, &[cluster, node, on_topic]), 10);

    let (_, warnings) = BrokerConfig::new(file("foo.bar=1\nlistener.name.x.ssl.key.password=p"), vec![]).unwrap();
    assert_eq!(warnings, ["unknown config foo.bar is ignored"]);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let refused = |more: &str| {
        BrokerConfig::new(Some(properties::parse(&format!("{FILE}{more}")).unwrap()), vec![]).unwrap_err().to_string()
    };
    assert_eq!(
        refused("num.partitions=many"),
        "Invalid value many for configuration num.partitions: Not a number of type INT"
    );
    assert_eq!(
        refused("num.io.threads=0"),
        "Invalid value 0 for configuration num.io.threads: Value must be at least 1"
    );
    assert_eq!(
        refused("process.roles=x"),
        "Invalid value x for configuration process.roles: String must be one of: broker, controller"
    );
    assert_eq!(
        refused("andiron.fsync=2"),
        "Invalid value 2 for configuration andiron.fsync: Expected value to be either true or false"
    );
    assert!(
        refused("listeners=PLAINTEXT://:port")
            .starts_with("Invalid value PLAINTEXT://:port for configuration listeners")
    );
    assert!(
        refused("listeners=PLAINTEXT://:9092").starts_with("controller.listener.names must contain at least one value")
    );
    let twice = "listeners=CONTROLLER://:1,PLAINTEXT://:2,PLAINTEXT://:3";
    assert!(refused(twice).ends_with("each listener must have a different name, and PLAINTEXT comes twice"));
    assert!(refused("broker.id=2").contains("node.id is 1, broker.id is 2"));
    let missing = BrokerConfig::new(Some(vec![]), vec![]).unwrap_err().to_string();
    assert_eq!(missing, "Missing required configuration \"controller.listener.names\" which has no default value.");
}

#[test]
fn the_file_that_kafka_is_delivered_with_needs_no_change() {
    let file = "
# The role of this server. Setting this puts us in KRaft mode
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";
    let (config, warnings) = BrokerConfig::new(Some(properties::parse(file).unwrap()), vec![]).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.log_dirs(), ["/tmp/kraft-combined-logs"]);
    assert_eq!(config.metadata_log_dir(), "/tmp/kraft-combined-logs");
    assert_eq!(config.long("socket.request.max.bytes"), 104_857_600);
}

#[test]
fn without_a_file_one_node_is_everything_on_loopback() {
    let (config, warnings) = BrokerConfig::new(None, vec![]).unwrap();
    assert!(warnings.is_empty());
    assert_eq!((config.node_id(), config.log_dirs()), (1, vec!["./andiron-data/log".to_string()]));
    assert_eq!(config.list("process.roles"), ["broker", "controller"]);
    assert_eq!(config.int("offsets.topic.replication.factor"), 1);
    assert_eq!(config.advertised_listeners(), ["PLAINTEXT://localhost:9092"]);
    assert!(config.bool("auto.create.topics.enable") && config.bool("andiron.fsync"));
    assert_eq!(config.get("spark.connect.grpc.binding.port").as_deref(), Some("15002"));
    let over = vec![("listeners".to_string(), "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0".to_string())];
    let (config, _) = BrokerConfig::new(None, over).unwrap();
    assert_eq!(config.advertised_listeners(), ["PLAINTEXT://127.0.0.1:0"]);
}

#[test]
fn properties_are_read_as_by_java() {
    let table: [(&str, &[(&str, &str)]); 9] = [
        ("a=1\nb: 2\nc 3\r\n  d\t=\t4 \n", &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4 ")]),
        ("# comment\n! another\n\n  # and one\na=1", &[("a", "1")]),
        ("a=one \\\n   two\\\nthree", &[("a", "one twothree")]),
        ("a\\ b\\=c=x\\:y", &[("a b=c", "x:y")]),
        ("a=\\u00e9\\t\\n\\\\\\q", &[("a", "\u{e9}\t\n\\q")]),
        ("a=\\ud83d\\ude00", &[("a", "\u{1f600}")]),
        ("a=", &[("a", "")]),
        ("a", &[("a", "")]),
        ("a==b\na=#no comment", &[("a", "=b"), ("a", "#no comment")]),
    ];
    for (text, pairs) in table {
        let read = properties::parse(text).unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(read, pairs, "{text:?}");
    }
    let wrong = properties::parse("a=1\nb=\\u12").unwrap_err();
    assert_eq!(wrong.to_string(), "line 2: malformed \\uxxxx encoding");
}
