//! Who is let in, who waits and who is turned away.
#![allow(clippy::unwrap_used, clippy::panic)]

use andiron_metadata::config::BrokerConfig;
use andiron_metadata::records::{ClientQuotaRecord, QuotaEntity as Part};

use super::*;

const TEN_SECONDS: i64 = 10_000;

fn settings(of: &[(&str, &str)]) -> BrokerConfig {
    let given = of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    BrokerConfig::new(None, given.collect()).unwrap().0
}

struct Door {
    settings: BrokerConfig,
    image: Image,
    connections: Connections,
}

impl Door {
    fn new(of: &[(&str, &str)]) -> Door {
        let connections = Connections::new(Windows::new(1, 11));
        Door { settings: settings(of), image: Image::new("c"), connections }
    }

    fn admit(&self, listener: &str, ip: &str, now: i64) -> Admission {
        let settings = Effective::new(&self.settings, &self.image);
        self.connections.admit(&settings, &self.image, listener, ip.parse().unwrap(), now)
    }

    fn lets_in(&self, listener: &str, ip: &str) -> bool {
        self.admit(listener, ip, 0) == Admission::Admitted
    }
}

#[test]
fn no_more_connections_than_there_may_be_until_one_leaves() {
    let door = Door::new(&[("max.connections", "3"), ("listener.name.inner.max.connections", "1")]);
    assert!(door.lets_in("INNER", "10.0.0.1"));
    assert_eq!(door.admit("INNER", "10.0.0.2", 0), Admission::Full, "the listener's own limit");
    assert!(door.lets_in("OUTER", "10.0.0.1") && door.lets_in("OUTER", "10.0.0.2"));
    assert_eq!(door.admit("OUTER", "10.0.0.3", 0), Admission::Full);
    door.connections.left("INNER", "10.0.0.1".parse().unwrap());
    assert!(door.lets_in("OUTER", "10.0.0.3"));
}

#[test]
fn an_address_has_its_own_limit_and_is_told_at_once() {
    let overrides = "10.0.0.9:2, [::1]:0";
    let door = Door::new(&[("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", overrides)]);
    let reason = "Rejected connection from /10.0.0.1, address already has the configured maximum of 1 connections.";
    assert!(door.lets_in("L", "10.0.0.1"));
    assert_eq!(door.admit("L", "10.0.0.1", 0), Admission::Refused { after_ms: 0, reason: reason.into() });
    assert!(door.lets_in("L", "10.0.0.2"));
    assert!(door.lets_in("L", "10.0.0.9") && door.lets_in("L", "10.0.0.9") && !door.lets_in("L", "10.0.0.9"));
    assert!(!door.lets_in("L", "::1"));
    door.connections.left("L", "10.0.0.1".parse().unwrap());
    assert!(door.lets_in("L", "10.0.0.1"));
}

#[test]
fn who_connects_too_often_is_kept_waiting_for_the_end() {
    let mut door = Door::new(&[]);
    for (offset, (name, value)) in [(0, (Some("10.0.0.1"), 0.2)), (1, (None, 100.0))] {
        let entity = vec![Part { entity_type: IP.into(), entity_name: name.map(str::to_owned) }];
        let record = ClientQuotaRecord { entity, key: "connection_creation_rate".into(), value, remove: false };
        door.image.apply(offset, &record.into()).unwrap();
    }
    assert!(door.lets_in("L", "10.0.0.1") && door.lets_in("L", "10.0.0.1"), "two in ten seconds");
    for _ in 0..3 {
        let Admission::Refused { after_ms, .. } = door.admit("L", "10.0.0.1", 0) else { panic!("let in") };
        assert_eq!(after_ms, 1_000, "no longer than a window, and the tries do not add up");
    }
    assert!((0..1_000).all(|_| door.lets_in("L", "10.0.0.2")) && !door.lets_in("L", "10.0.0.2"), "the default's");
    assert_eq!(door.admit("L", "10.0.0.1", TEN_SECONDS + 1_000), Admission::Admitted, "it is long ago");
}

#[test]
fn a_listener_waits_when_all_together_connect_too_often() {
    let of = [("max.connection.creation.rate", "100"), ("listener.name.inner.max.connection.creation.rate", "1")];
    let door = Door::new(&of);
    let arrives = |listener: &str| door.connections.arrives(&Effective::new(&door.settings, &door.image), listener, 0);
    assert!((0..10).all(|_| arrives("INNER") == 0));
    assert_eq!(arrives("INNER"), 1_000);
    assert!((0..989).all(|_| arrives("OUTER") == 0));
    assert!((0..10).map(|_| arrives("OUTER")).any(|wait| wait > 0));
}
