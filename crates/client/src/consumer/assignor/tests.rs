//! The assignors as tables: who wants and holds what, and who is given what.
#![allow(clippy::unwrap_used)]

use super::*;

fn layout(topics: &[(&str, i32)]) -> Layout {
    topics.iter().map(|(topic, count)| (Arc::from(*topic), *count)).collect()
}

fn member(id: &str, topics: &[&str]) -> Member {
    Member {
        id: id.to_owned(),
        topics: topics.iter().map(|t| Arc::from(*t)).collect(),
        generation: -1,
        ..Member::default()
    }
}

fn holding(id: &str, topics: &[&str], owned: &[(&str, i32)], generation: i32) -> Member {
    Member { owned: partitions(owned), generation, ..member(id, topics) }
}

fn partitions(of: &[(&str, i32)]) -> Vec<TopicPartition> {
    of.iter().map(|(topic, partition)| TopicPartition::new(*topic, *partition)).collect()
}

/// `a: t0 t1; b: t2` for short.
fn told(assigned: &Assigned) -> String {
    let of = |(id, partitions): (&String, &Vec<TopicPartition>)| {
        let names: Vec<String> = partitions.iter().map(|p| format!("{}{}", p.topic, p.partition)).collect();
        format!("{id}: {}", names.join(" "))
    };
    assigned.iter().map(of).collect::<Vec<_>>().join("; ")
}

#[test]
fn range_gives_the_first_members_the_extra_partitions_of_each_topic() {
    let members = [member("b", &["t", "u"]), member("a", &["t", "u"]), member("c", &["u"])];
    let assigned = Assignor::Range.assign(&members, &layout(&[("t", 3), ("u", 4), ("v", 2)]));
    assert_eq!(told(&assigned), "a: t0 t1 u0 u1; b: t2 u2; c: u3");
}

#[test]
fn static_members_stand_before_the_others_by_their_instance() {
    let stat = |id: &str, instance: &str| Member { instance_id: Some(instance.to_owned()), ..member(id, &["t"]) };
    let members = [member("a", &["t"]), stat("z", "1"), stat("b", "2")];
    assert_eq!(told(&Assignor::Range.assign(&members, &layout(&[("t", 4)]))), "a: t3; b: t2; z: t0 t1");
}

#[test]
fn round_robin_goes_on_over_topics_and_passes_over_who_does_not_want() {
    let both = [member("a", &["t", "u"]), member("b", &["t", "u"])];
    let topics = layout(&[("t", 3), ("u", 3)]);
    assert_eq!(told(&Assignor::RoundRobin.assign(&both, &topics)), "a: t0 t2 u1; b: t1 u0 u2");
    let uneven = [member("a", &["t"]), member("b", &["t", "u"]), member("c", &["u"])];
    assert_eq!(told(&Assignor::RoundRobin.assign(&uneven, &topics)), "a: t0 t2; b: t1 u0 u2; c: u1");
}

#[test]
fn a_member_that_joins_takes_no_more_than_its_share() {
    let members = [
        holding("a", &["t"], &[("t", 0), ("t", 2), ("t", 4)], 5),
        holding("b", &["t"], &[("t", 1), ("t", 3), ("t", 5)], 5),
        member("c", &["t"]),
    ];
    assert_eq!(told(&Assignor::Sticky.assign(&members, &layout(&[("t", 6)]))), "a: t0 t2; b: t1 t3; c: t4 t5");
}

#[test]
fn a_cooperative_member_gets_what_is_free_now_and_the_rest_when_it_is_given_up() {
    let topics = layout(&[("t", 6)]);
    let (a, b) = ([("t", 0), ("t", 2), ("t", 4)], [("t", 1), ("t", 3), ("t", 5)]);
    let first = [holding("a", &["t"], &a, 5), holding("b", &["t"], &b, 5), member("c", &["t"])];
    assert_eq!(told(&Assignor::CooperativeSticky.assign(&first, &topics)), "a: t0 t2; b: t1 t3; c: ");
    let then = [holding("a", &["t"], &a[..2], 6), holding("b", &["t"], &b[..2], 6), holding("c", &["t"], &[], 6)];
    assert_eq!(told(&Assignor::CooperativeSticky.assign(&then, &topics)), "a: t0 t2; b: t1 t3; c: t4 t5");
}

#[test]
fn who_claims_by_an_older_generation_has_lost_it() {
    let members = [holding("a", &["t"], &[("t", 0), ("t", 1)], 4), holding("b", &["t"], &[("t", 0), ("t", 1)], 5)];
    assert_eq!(told(&Assignor::Sticky.assign(&members, &layout(&[("t", 2)]))), "a: t1; b: t0");
    let same = [holding("a", &["t"], &[("t", 0)], 5), holding("b", &["t"], &[("t", 0)], 5)];
    assert_eq!(told(&Assignor::CooperativeSticky.assign(&same, &layout(&[("t", 1)]))), "a: ; b: ");
}

#[test]
fn what_is_gone_or_no_longer_wanted_is_not_kept() {
    let members = [holding("a", &["u"], &[("t", 0), ("u", 0), ("u", 7)], 1), member("b", &["t"])];
    assert_eq!(told(&Assignor::Sticky.assign(&members, &layout(&[("t", 1), ("u", 1)]))), "a: u0; b: t0");
}

/// Whatever members want and hold: every wanted partition has one owner who wants it, and no move would make the loads
/// of two members more alike.
#[test]
fn sticky_is_complete_and_balanced_whatever_it_is_given() {
    let mut seed = 7_u32;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for round in 0..300 {
        let topics: Vec<(String, i32)> = (0..1 + random(5)).map(|t| (format!("t{t}-"), 1 + random(7) as i32)).collect();
        let alike = round % 3 == 0;
        let members: Vec<Member> = (0..1 + random(6))
            .map(|m| {
                let wanted: Vec<&str> =
                    topics.iter().filter(|_| alike || random(3) > 0).map(|(topic, _)| topic.as_str()).collect();
                let owned: Vec<(&str, i32)> = topics
                    .iter()
                    .filter(|_| random(2) == 0)
                    .map(|(topic, count)| (topic.as_str(), *count - 1))
                    .collect();
                holding(&format!("m{m}"), &wanted, &owned, random(3) as i32)
            })
            .collect();
        let topics: Vec<(&str, i32)> = topics.iter().map(|(topic, count)| (topic.as_str(), *count)).collect();
        let layout = layout(&topics);
        let assigned = Assignor::Sticky.assign(&members, &layout);
        let mut owner: BTreeMap<&TopicPartition, &str> = BTreeMap::new();
        for member in &members {
            for partition in &assigned[&member.id] {
                assert!(member.topics.contains(&partition.topic), "{round}: {} has {partition}", member.id);
                assert!(owner.insert(partition, &member.id).is_none(), "{round}: {partition} twice");
            }
        }
        for (topic, count) in &layout {
            let wanting: Vec<&Member> = members.iter().filter(|m| m.topics.contains(topic)).collect();
            for partition in (0..*count).map(|p| TopicPartition::new(topic.clone(), p)) {
                let Some(least) = wanting.iter().map(|m| assigned[&m.id].len()).min() else { continue };
                let load = assigned[owner[&partition]].len();
                assert!(load < least + 2, "{round}: {partition} could move; {}", told(&assigned));
            }
        }
    }
}

#[test]
fn a_subscription_tells_the_leader_what_it_has_to_know() {
    let held = partitions(&[("t", 1)]);
    let topics = [Arc::from("t")];
    for assignor in Assignor::ALL {
        let bytes = assignor.subscription(&topics, &held, &held, 3, "r").unwrap();
        let read = assignor.member("m".to_owned(), None, &bytes).unwrap();
        assert_eq!(read, holding("m", &["t"], &[("t", 1)], 3), "{assignor:?}");
        assert_eq!(Assignor::from_class(assignor.name()), Some(assignor));
    }
}
