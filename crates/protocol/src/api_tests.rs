//! The offered versions are those that both messages have.

use super::*;

#[test]
fn the_offered_versions_are_those_of_request_and_response() {
    for (key, min, max) in [
        (ApiKey::Produce, 3, 13),
        (ApiKey::Fetch, 4, 18),
        (ApiKey::ListOffsets, 1, 10),
        (ApiKey::OffsetCommit, 2, 9),
        (ApiKey::OffsetFetch, 1, 9),
        (ApiKey::InitProducerId, 0, 5),
        (ApiKey::ApiVersions, 0, 4),
        (ApiKey::JoinGroup, 0, 9),
        (ApiKey::ConsumerGroupHeartbeat, 0, 1),
    ] {
        assert_eq!(find(BROKER, key as i16), Some(&Offered { key, min, max }));
    }
}

#[test]
fn produce_is_advertised_from_0_as_librdkafka_wants_it() {
    let produce = find(BROKER, 0).map(|o| (o.advertised_min(), o.has(2), o.has(3)));
    assert_eq!(produce, Some((0, false, true)));
}

#[test]
fn the_table_is_in_order_of_its_keys() {
    assert!(BROKER.windows(2).all(|pair| (pair[0].key as i16) < (pair[1].key as i16)));
}
