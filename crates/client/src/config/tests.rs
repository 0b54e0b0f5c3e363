//! Properties as users write them, and what they become.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn parse(properties: &[(&str, &str)]) -> Result<ClientConfig, String> {
    let with_bootstrap = properties.iter().any(|(name, _)| *name == "bootstrap.servers");
    let extra = if with_bootstrap { vec![] } else { vec![("bootstrap.servers", "localhost:9092")] };
    ClientConfig::from_properties(extra.into_iter().chain(properties.iter().copied())).map_err(|e| e.to_string())
}

#[test]
fn wrong_values_are_refused_in_javas_words() {
    for (properties, words) in [
        (vec![("linger.ms", "abc")], "Invalid value abc for configuration linger.ms: Not a number of type LONG"),
        (vec![("linger.ms", "-1")], "Invalid value -1 for configuration linger.ms: Value must be at least 0"),
        (vec![("linger.ms", "")], "Invalid value  for configuration linger.ms: Not a number of type LONG"),
        (vec![("acks", "2")], "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1"),
        (
            vec![("compression.type", "foo")],
            "Invalid value foo for configuration compression.type: String must be one of: none, gzip, snappy, lz4, zstd",
        ),
        (vec![("batch.size", "1.5")], "Invalid value 1.5 for configuration batch.size: Not a number of type INT"),
        (
            vec![("batch.size", "99999999999")],
            "Invalid value 99999999999 for configuration batch.size: Not a number of type INT",
        ),
        (
            vec![("enable.idempotence", "maybe")],
            "Invalid value maybe for configuration enable.idempotence: Expected value to be either true or false",
        ),
        (
            vec![("security.protocol", "X")],
            "Invalid value X for configuration security.protocol: String must be one of (case insensitive): SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT",
        ),
        (
            vec![("security.protocol", "SASL_SSL")],
            "Invalid value SASL_SSL for configuration security.protocol: This client does not support it yet; only PLAINTEXT",
        ),
        (vec![("bootstrap.servers", "nohostport")], "Invalid url in bootstrap.servers: nohostport"),
        (vec![("bootstrap.servers", "a:b")], "Invalid url in bootstrap.servers: a:b"),
        (vec![("bootstrap.servers", "localhost:99999")], "Invalid port in bootstrap.servers: localhost:99999"),
        (
            vec![("bootstrap.servers", "")],
            "Configuration 'bootstrap.servers' must not be empty. Valid values include: any non-empty value",
        ),
        (
            vec![("isolation.level", "x")],
            "Invalid value x for configuration isolation.level: String must be one of: read_committed, read_uncommitted",
        ),
        (
            vec![("max.in.flight.requests.per.connection", "0")],
            "Invalid value 0 for configuration max.in.flight.requests.per.connection: Value must be at least 1",
        ),
        (
            vec![("enable.idempotence", "true"), ("max.in.flight.requests.per.connection", "6")],
            "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most 5. Current value is 6.",
        ),
        (
            vec![("enable.idempotence", "true"), ("acks", "1")],
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence.",
        ),
        (
            vec![("delivery.timeout.ms", "10")],
            "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
        ),
        (
            vec![("compression.zstd.level", "99")],
            "Invalid value 99 for configuration compression.zstd.level: Value must be no more than 22",
        ),
        (
            vec![("receive.buffer.bytes", "-2")],
            "Invalid value -2 for configuration receive.buffer.bytes: Value must be at least -1",
        ),
        (
            vec![("partitioner.class", "foo.Bar")],
            "Invalid value foo.Bar for configuration partitioner.class: Class foo.Bar could not be found.",
        ),
    ] {
        assert_eq!(parse(&properties).expect_err(words), words);
    }
    let nothing: [(&str, &str); 0] = [];
    assert_eq!(
        ClientConfig::from_properties(nothing).unwrap_err().to_string(),
        "Missing required configuration \"bootstrap.servers\" which has no default value."
    );
}

#[test]
fn defaults_are_kafkas() {
    let config = parse(&[]).unwrap();
    assert_eq!((config.linger_ms, config.batch_size, config.buffer_memory), (5, 16_384, 33_554_432));
    assert_eq!((config.acks, config.idempotence, config.max_in_flight), (Acks::All, true, 5));
    assert_eq!(
        (config.fetch_min_bytes, config.fetch_max_wait_ms, config.max_partition_fetch_bytes),
        (1, 500, 1_048_576)
    );
    assert_eq!(config.isolation, Isolation::ReadUncommitted);
    assert_eq!(config.compression, Compression { codec: Codec::None, level: None });
}

#[test]
fn idempotence_yields_to_other_settings_unless_asked_for_by_name() {
    assert!(!parse(&[("acks", "1")]).unwrap().idempotence);
    assert!(!parse(&[("retries", "0")]).unwrap().idempotence);
    assert!(parse(&[("acks", "-1")]).unwrap().idempotence);
}

#[test]
fn unknown_names_are_kept_and_named_and_the_java_clients_own_are_not_unknown() {
    let config = parse(&[("frobnicate", "1"), ("group.id", "g"), ("ssl.truststore.location", "x")]).unwrap();
    assert_eq!(config.unknown, ["frobnicate"]);
    assert_eq!(config.originals["frobnicate"], "1");
}

#[test]
fn numbers_and_booleans_may_stand_in_blanks() {
    let config = parse(&[("linger.ms", " 5 "), ("enable.idempotence", " TRUE ")]).unwrap();
    assert!(config.idempotence && config.linger_ms == 5);
}

#[test]
fn bootstrap_takes_lists_ipv6_and_protocol_prefixes() {
    let config = parse(&[("bootstrap.servers", "a:1, PLAINTEXT://b:2,[::1]:3,")]).unwrap();
    let shown: Vec<String> = config.bootstrap.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["a:1", "b:2", "[::1]:3"]);
}

#[test]
fn a_compression_level_belongs_to_its_codec() {
    let config =
        parse(&[("compression.type", "zstd"), ("compression.zstd.level", "7"), ("compression.gzip.level", "2")])
            .unwrap();
    assert_eq!(config.compression, Compression { codec: Codec::Zstd, level: Some(7) });
}
