//! Who shares a quota with whom, and how long one waits who went over it.

use andiron_metadata::records::{ClientQuotaRecord, QuotaEntity as Part};

use super::*;

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];

fn image(quotas: &[(Entity<'_>, f64)]) -> Image {
    let mut image = Image::new("c");
    for (offset, (entity, value)) in (0..).zip(quotas) {
        let part = |(kind, name): &(&str, Option<&str>)| Part {
            entity_type: (*kind).to_owned(),
            entity_name: name.map(str::to_owned),
        };
        let entity = entity.iter().map(part).collect();
        let record = ClientQuotaRecord { entity, key: "producer_byte_rate".into(), value: *value, remove: false };
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
    let quotas = Quotas::new(1_000, 11);
    let record = |bytes: usize, now: i64| quotas.record(&image, Flow::Produce, "a", "x", bytes, now);
    assert_eq!(record(10_000, 0), 0, "ten seconds' worth is within the windows");
    assert_eq!(record(5_000, 1), 5_000, "five seconds' worth too many");
    assert_eq!(record(0, 5_001), 5_000, "the windows that count are still the same ten seconds");
    assert_eq!(record(0, 15_001), 0, "it is long ago");
    assert_eq!(quotas.record(&image, Flow::Produce, "b", "x", 1 << 30, 0), 0, "who has no quota waits for nothing");
}
