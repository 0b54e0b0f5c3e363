//! Stories of a member of a classic group.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// A member with the coordinator and the application played by the test.
struct Story {
    member: Classic,
    now: Instant,
}

fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|n| TopicPartition::new("t", *n)).collect()
}

fn topics(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

impl Story {
    fn of(assignor: Assignor, instance_id: Option<&str>) -> Story {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let settings = Settings {
            instance_id: instance_id.map(str::to_owned),
            rack: String::new(),
            assignors: vec![assignor],
            timeouts: Timeouts { heartbeat_interval: ms(3_000), max_poll_interval: ms(300_000) },
            backoff: Backoff::new(100, 1_000),
        };
        let mut member = Classic::new(settings, now);
        member.polled(now);
        member.subscribe(topics(&["t"]));
        Story { member, now }
    }

    fn next(&mut self) -> Next {
        self.member.next(self.now)
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn joins(&mut self) -> Join {
        match self.next() {
            Next::Join(join) => join,
            other => panic!("{other:?} instead of a join"),
        }
    }

    fn change(&mut self) -> Change {
        match self.next() {
            Next::Change(change) => change,
            other => panic!("{other:?} instead of a change"),
        }
    }

    /// The coordinator makes this member a follower of a generation.
    fn follows(&mut self, generation: i32) {
        let protocol = self.member.settings.assignors[0].name().to_owned();
        let joined = Joined {
            member_id: "me".to_owned(),
            generation,
            protocol,
            leader: "other".to_owned(),
            skip_assignment: false,
            members: Vec::new(),
        };
        self.member.joined(Ok(joined), self.now);
    }

    fn is_given(&mut self, numbers: &[i32]) -> Change {
        assert!(matches!(self.next(), Next::Sync(_)));
        let assigned_partitions = protocol::by_topic(&partitions(numbers));
        let bytes = protocol::write(&protocol::Assignment { assigned_partitions, user_data: None }).unwrap();
        self.member.synced(Ok(bytes), self.now).unwrap()
    }

    /// A member of generation 1 that holds these.
    fn stable(assignor: Assignor, numbers: &[i32]) -> Story {
        let mut story = Story::of(assignor, None);
        story.joins();
        story.follows(1);
        story.is_given(numbers);
        story.member.changed();
        assert!(matches!(story.next(), Next::Wait(_)));
        story
    }
}

#[test]
fn a_new_member_is_given_an_id_and_joins_again_with_it() {
    let mut story = Story::of(Assignor::Range, None);
    assert_eq!(story.joins().member_id, "");
    assert!(matches!(story.next(), Next::Wait(_)), "nothing while the join is under way");
    story.member.joined(Err((ErrorCode::MemberIdRequired, "me".to_owned())), story.now);
    let again = story.joins();
    assert_eq!((again.member_id.as_str(), again.protocols[0].0), ("me", "range"));
    story.follows(1);
    let change = story.is_given(&[1, 0]);
    let expected =
        Change { lost: false, revoked: vec![], assigned: Some(partitions(&[0, 1])), added: partitions(&[0, 1]) };
    assert_eq!(change, expected);
    assert_eq!(story.member.identity(), ("me", 1));
}

#[test]
fn a_leader_learns_what_there_is_and_deals_it_out() {
    let mut story = Story::of(Assignor::RoundRobin, None);
    let join = story.joins();
    let subscription = join.protocols[0].1.clone();
    let members = ["me", "other"].map(|id| (id.to_owned(), None, subscription.clone())).into_iter().collect::<Vec<_>>();
    let joined = Joined {
        member_id: "me".to_owned(),
        generation: 4,
        protocol: "roundrobin".to_owned(),
        leader: "me".to_owned(),
        skip_assignment: false,
        members,
    };
    story.member.joined(Ok(joined), story.now);
    assert_eq!(story.next(), Next::Learn(vec![Arc::from("t")]));
    story.member.learned(Some(Layout::from([(Arc::from("t"), 3)])), story.now);
    let Next::Sync(sync) = story.next() else { panic!("no sync") };
    let given: Vec<(&str, Vec<TopicPartition>)> =
        sync.assignments.iter().map(|(m, bytes)| (m.as_str(), protocol::read_assignment(bytes).unwrap())).collect();
    assert_eq!(given, [("me", partitions(&[0, 2])), ("other", partitions(&[1]))]);
    let own = sync.assignments[0].1.clone();
    story.member.synced(Ok(own), story.now);
    story.member.changed();
    story.member.layout_changed(&Layout::from([(Arc::from("t"), 3)]));
    assert!(matches!(story.next(), Next::Wait(_)), "nothing has changed");
    story.member.layout_changed(&Layout::from([(Arc::from("t"), 4)]));
    assert_eq!(story.change().revoked, partitions(&[0, 2]), "more partitions are a reason to deal out anew");
}

#[test]
fn an_eager_member_gives_up_everything_before_it_joins_again() {
    let mut story = Story::stable(Assignor::Range, &[0, 1]);
    story.pass(3_000);
    assert_eq!(story.next(), Next::Heartbeat);
    story.member.beaten(1, ErrorCode::RebalanceInProgress, story.now);
    let change = story.change();
    assert_eq!((change.lost, change.revoked, change.assigned), (false, partitions(&[0, 1]), None));
    assert_eq!(story.member.identity().1, 1, "what is given up can still be committed");
    story.pass(3_000);
    assert_eq!(story.next(), Next::Heartbeat, "the session is kept while the application says good-bye");
    story.member.beaten(1, ErrorCode::RebalanceInProgress, story.now);
    story.member.changed();
    story.joins();
    story.follows(2);
    assert_eq!(story.is_given(&[1, 2]).added, partitions(&[1, 2]));
}

#[test]
fn a_cooperative_member_keeps_what_it_has_and_joins_twice_when_it_loses_some() {
    let mut story = Story::stable(Assignor::CooperativeSticky, &[0, 1]);
    story.pass(3_000);
    story.next();
    story.member.beaten(1, ErrorCode::RebalanceInProgress, story.now);
    let join = story.joins();
    let told = Assignor::CooperativeSticky.member("me".to_owned(), None, &join.protocols[0].1).unwrap();
    assert_eq!((told.owned, told.generation), (partitions(&[0, 1]), 1));
    story.follows(2);
    let change = story.is_given(&[1]);
    assert_eq!((change.revoked, change.assigned, change.added), (partitions(&[0]), Some(partitions(&[1])), vec![]));
    story.member.changed();
    let again = story.joins();
    assert_eq!(again.reason, "need to revoke partitions and re-join");
    story.follows(3);
    assert_eq!(story.is_given(&[1]).revoked, []);
    story.member.changed();
    assert!(matches!(story.next(), Next::Wait(_)));
}

#[test]
fn who_was_thrown_out_has_lost_everything_and_begins_anew() {
    for (code, id) in [(ErrorCode::UnknownMemberId, ""), (ErrorCode::IllegalGeneration, "me")] {
        let mut story = Story::stable(Assignor::CooperativeSticky, &[0, 1]);
        story.pass(3_000);
        story.next();
        story.member.beaten(1, code, story.now);
        assert_eq!(story.member.identity().1, -1, "nothing can be committed any more");
        let change = story.change();
        assert!(change.lost);
        assert_eq!(change.revoked, partitions(&[0, 1]));
        story.member.changed();
        assert_eq!(story.joins().member_id, id);
    }
}

#[test]
fn an_application_that_does_not_poll_leaves_the_group_until_it_polls_again() {
    let mut story = Story::stable(Assignor::Range, &[0]);
    story.pass(299_999);
    assert_eq!(story.next(), Next::Heartbeat);
    story.member.beaten(1, ErrorCode::None, story.now);
    story.pass(1);
    assert!(matches!(story.next(), Next::Leave { member_id, .. } if member_id == "me"));
    assert!(matches!(story.next(), Next::Wait(_)), "asleep");
    story.member.polled(story.now);
    assert!(story.change().lost);
    story.member.changed();
    assert_eq!(story.joins().member_id, "");
}

#[test]
fn a_static_member_neither_leaves_nor_forgets() {
    let mut story = Story::of(Assignor::Range, Some("one"));
    story.joins();
    story.follows(1);
    story.is_given(&[0]);
    story.member.changed();
    assert_eq!(story.member.unsubscribe("closing"), None);
    let mut dynamic = Story::stable(Assignor::Range, &[0]);
    assert!(matches!(dynamic.member.unsubscribe("closing"), Some(Next::Leave { .. })));
}

#[test]
fn a_coordinator_that_moves_is_tried_again_after_a_wait() {
    let mut story = Story::of(Assignor::Range, None);
    story.joins();
    story.member.joined(Err((ErrorCode::NotCoordinator, String::new())), story.now);
    let Next::Wait(until) = story.next() else { panic!("no wait") };
    assert!(until > story.now && until <= story.now + Duration::from_millis(121));
    story.pass(121);
    story.joins();
    story.follows(1);
    assert!(matches!(story.next(), Next::Sync(_)));
    story.member.synced(Err(ErrorCode::RebalanceInProgress), story.now);
    story.pass(300);
    story.joins();
}

#[test]
fn what_no_repeat_mends_is_told_and_then_tried_again() {
    let mut story = Story::of(Assignor::Range, None);
    story.joins();
    story.member.joined(Err((ErrorCode::InconsistentGroupProtocol, String::new())), story.now);
    assert!(matches!(story.next(), Next::Wait(_)));
    assert_eq!(story.member.take_fatal(), Some(ErrorCode::InconsistentGroupProtocol));
    story.joins();
}

#[test]
fn another_subscription_is_a_reason_to_join_again() {
    let mut story = Story::stable(Assignor::CooperativeSticky, &[0]);
    story.member.subscribe(topics(&["u"]));
    assert_eq!(story.change().revoked, partitions(&[0]), "of a topic no longer wanted");
    story.member.changed();
    let join = story.joins();
    let told = Assignor::CooperativeSticky.member("me".to_owned(), None, &join.protocols[0].1).unwrap();
    assert_eq!((told.topics, told.owned), (vec![Arc::from("u")], vec![]));
}

#[test]
fn an_answer_to_an_older_heartbeat_says_nothing() {
    let mut story = Story::stable(Assignor::Range, &[0]);
    story.pass(3_000);
    story.next();
    story.member.beaten(0, ErrorCode::UnknownMemberId, story.now);
    assert_eq!(story.member.identity(), ("me", 1));
}
