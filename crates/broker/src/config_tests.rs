//! What a node refuses to be started with, and where it says clients are to connect.
#![allow(clippy::unwrap_used)]

use super::BrokerConfig;

fn config(overrides: &[(&str, &str)]) -> Result<BrokerConfig, String> {
    let overrides = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    BrokerConfig::from_properties(None, overrides).map_err(|e| e.to_string())
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    for (key, value, word) in [
        ("listeners", "SSL://localhost:0,CONTROLLER://localhost:0", "listener SSL is to speak SSL"),
        ("listener.security.protocol.map", "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT", "PLAINTEXT is to speak SASL_SSL"),
        ("process.roles", "broker", "process.roles"),
        ("listeners", "nonsense", "nonsense"),
        ("num.partitions", "many", "num.partitions"),
    ] {
        let refused = config(&[(key, value)]).unwrap_err();
        assert!(refused.contains(word), "{key}={value}: {refused}");
    }
}

#[test]
fn without_a_file_everything_is_on_loopback() {
    let config = config(&[]).unwrap();
    assert_eq!((config.node_id, config.listeners.len(), config.fsync), (1, 2, true));
    assert_eq!(config.advertised("PLAINTEXT"), ("localhost".to_owned(), 9092));
    assert!(config.is_controller_listener("CONTROLLER"));
}

#[test]
fn a_send_buffer_that_nobody_asked_for_is_the_larger_one() {
    for (given, bytes) in [(None, Some(524_288)), (Some("102400"), Some(102_400)), (Some("-1"), None)] {
        let given: Vec<_> = given.iter().map(|bytes| ("socket.send.buffer.bytes", *bytes)).collect();
        assert_eq!(config(&given).unwrap().send_buffer_bytes(), bytes, "{given:?}");
    }
}

#[test]
fn port_0_is_advertised_as_the_port_that_was_found() {
    let mut config = config(&[("listeners", "PLAINTEXT://0.0.0.0:0,CONTROLLER://localhost:0")]).unwrap();
    config.resolve(&[("PLAINTEXT".to_owned(), 4711), ("CONTROLLER".to_owned(), 4712)], "here");
    assert_eq!(config.advertised("PLAINTEXT"), ("here".to_owned(), 4711));
    assert_eq!(config.advertised("CONTROLLER"), ("localhost".to_owned(), 4712));
}
