//! Who shares a quota with whom, and how long one waits who went over it.

use andiron_metadata::records::{ClientQuotaRecord, QuotaEntity as Part};

use super::*;

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

const TEN_AND_ONE: Windows = Windows { ms: 1_000, count: 11 };

fn image(quotas: &[(Entity<'_>, f64)]) -> Image {
    image_of("producer_byte_rate", quotas)
}

fn image_of(key: &str, quotas: &[(Entity<'_>, f64)]) -> Image {
    let mut image = Image::new("c");
    for (offset, (entity, value)) in (0..).zip(quotas) {
        let part = |(kind, name): &(&str, Option<&str>)| Part {
            entity_type: (*kind).to_owned(),
            entity_name: name.map(str::to_owned),
        };
        let entity = entity.iter().map(part).collect();
        let record = ClientQuotaRecord { entity, key: key.into(), value: *value, remove: false };
        assert_eq!(image.apply(offset, &record.into()), Ok(()));
    }
    image
}

#[test]
fn the_most_exact_quota_holds() {
    let image = image(&[
        (&[("user", Some("a")), ("client-id", Some("x"))], 1.0),
        (&[("user", Some("a"))], 2.0),
        (&[("user", None)], 3.0),
        (&[("client-id", None)], 4.0),
    ]);
    let of = |user: &str, client: &str| find(&image, Flow::Produce, user, client).map(|(quota, _)| quota);
    assert_eq!((of("a", "x"), of("a", "y"), of("b", "x")), (Some(1.0), Some(2.0), Some(3.0)));
    assert_eq!(find(&image, Flow::Fetch, "a", "x"), None, "another flow");
    let shared = find(&image, Flow::Produce, "b", "x").map(|(_, shared)| shared);
    assert_eq!(shared, Some((Flow::Produce, Some("b".to_owned()), None)), "all clients of a user together");
}

#[test]
fn whoever_goes_over_the_rate_waits_until_it_is_met() {
    let image = image(&[(&[("user", Some("a"))], 1000.0)]);
    let quotas = Quotas::new(TEN_AND_ONE, TEN_AND_ONE);
    let record = |bytes: f64, now: i64| quotas.record(&image, Flow::Produce, "a", "x", bytes, now);
    assert_eq!(record(10_000.0, 0), 0, "ten seconds' worth is within the windows");
    assert_eq!(record(5_000.0, 1), 5_000, "five seconds' worth too many");
    assert_eq!(record(0.0, 5_001), 5_000, "the windows that count are still the same ten seconds");
    assert_eq!(record(0.0, 15_001), 0, "it is long ago");
    assert_eq!(quotas.record(&image, Flow::Produce, "b", "x", 1e9, 0), 0, "who has no quota waits for nothing");
}

#[test]
fn nobody_waits_longer_than_a_window_for_time_that_was_taken() {
    let image = image_of("request_percentage", &[(&[("client-id", Some("x"))], 1.0)]);
    let quotas = Quotas::new(TEN_AND_ONE, TEN_AND_ONE);
    assert!(Quotas::measures_time(&image, "a", "x") && !Quotas::measures_time(&image, "a", "y"));
    assert_eq!(quotas.record(&image, Flow::Time, "a", "x", 10.0, 0), 0);
    assert_eq!(quotas.record(&image, Flow::Time, "a", "x", 0.5, 0), 500);
    assert_eq!(quotas.record(&image, Flow::Time, "a", "x", 1e6, 0), 1_000);
}

#[test]
fn changes_of_partitions_may_be_owed_once_and_are_refused_until_they_are_paid() {
    let image = image_of("controller_mutation_rate", &[(&[("user", None)], 2.0)]);
    let quotas = Quotas::new(TEN_AND_ONE, TEN_AND_ONE);
    let change = |count: usize, now: i64| quotas.change(&image, ("a", "x"), count, true, now);
    assert_eq!(change(22, 0), Ok(0), "eleven seconds' worth is in the bucket");
    assert_eq!(change(10, 0), Ok(5_000), "the bucket is empty, not overdrawn: it may be overdrawn once");
    assert_eq!(change(1, 1_000), Err(4_000));
    assert_eq!(change(1, 4_999), Err(1));
    assert_eq!(change(1, 5_000), Ok(500));
    assert_eq!(quotas.change(&image, ("a", "x"), 1, false, 5_000), Ok(1_000), "old clients cannot be refused");
    assert_eq!(
        quotas.change(&Image::new("c"), ("a", "x"), 1_000_000, true, 0),
        Ok(0),
        "who has no quota waits for nothing"
    );
}
