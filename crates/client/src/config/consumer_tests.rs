//! The consumer's properties: defaults, resets by duration, and what belongs to the other group protocol.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

fn config(properties: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
    let all = [("bootstrap.servers", "b:9092")].into_iter().chain(properties.iter().copied());
    ClientConfig::from_properties(all)
}

#[test]
fn a_consumer_without_properties_has_kafkas_defaults() {
    let consumer = config(&[]).unwrap().consumer;
    assert_eq!(consumer.group_protocol, GroupProtocol::Classic);
    assert_eq!(consumer.assignors, [Assignor::Range, Assignor::CooperativeSticky]);
    assert_eq!((consumer.session_timeout_ms, consumer.heartbeat_interval_ms), (45_000, 3_000));
    assert_eq!((consumer.max_poll_interval_ms, consumer.max_poll_records), (300_000, 500));
    assert_eq!((consumer.enable_auto_commit, consumer.auto_commit_interval_ms), (false, 5_000));
    assert_eq!(consumer.auto_offset_reset, OffsetReset::Latest);
    assert!(config(&[("group.id", "g")]).unwrap().consumer.enable_auto_commit, "with a group, offsets are committed");
}

#[test]
fn a_reset_by_duration_reads_iso_8601() {
    for (text, seconds) in [("P1D", 86_400.0), ("PT1H30M", 5_400.0), ("p2dt0.5s", 172_800.5), ("PT5S", 5.0)] {
        let consumer = config(&[("auto.offset.reset", &format!("by_duration:{text}"))]).unwrap().consumer;
        assert_eq!(consumer.auto_offset_reset, OffsetReset::ByDuration(Duration::from_secs_f64(seconds)), "{text}");
    }
    for wrong in ["by_duration:", "by_duration:P", "by_duration:-PT1S", "by_duration:PT1X", "by_duration:1s", "first"] {
        assert!(config(&[("auto.offset.reset", wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn assignors_go_by_their_class_names() {
    let classes =
        "org.apache.kafka.clients.consumer.RoundRobinAssignor, org.apache.kafka.clients.consumer.StickyAssignor";
    let consumer = config(&[("partition.assignment.strategy", classes)]).unwrap().consumer;
    assert_eq!(consumer.assignors, [Assignor::RoundRobin, Assignor::Sticky]);
    let error = config(&[("partition.assignment.strategy", "mine")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid value mine for configuration partition.assignment.strategy: Class mine could not be found."
    );
}

#[test]
fn what_belongs_to_the_other_protocol_is_refused() {
    let refused = |properties: &[(&str, &str)]| config(properties).unwrap().check_consumer().unwrap_err().to_string();
    assert_eq!(
        refused(&[("group.id", "g"), ("group.protocol", "consumer"), ("session.timeout.ms", "1000")]),
        "session.timeout.ms cannot be set when group.protocol=CONSUMER"
    );
    assert_eq!(
        refused(&[("group.id", "g"), ("group.remote.assignor", "uniform")]),
        "group.remote.assignor cannot be set when group.protocol=CLASSIC"
    );
    assert_eq!(
        refused(&[("enable.auto.commit", "true")]),
        "enable.auto.commit cannot be set to true when default group id (null) is used."
    );
}
