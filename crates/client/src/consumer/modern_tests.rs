//! Stories of a member whose coordinator assigns (KIP-848).
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const INTERVAL: Duration = Duration::from_secs(5);

/// A member with the coordinator and the application played by the test.
struct Story {
    member: Modern,
    now: Instant,
}

fn id() -> Uuid {
    Uuid::from_u128(7)
}

fn by_id(numbers: &[i32]) -> ById {
    if numbers.is_empty() { ById::new() } else { ById::from([(id(), numbers.iter().copied().collect())]) }
}

fn partitions(numbers: &[i32]) -> Vec<TopicPartition> {
    numbers.iter().map(|n| TopicPartition::new("t", *n)).collect()
}

fn topics(names: &[&str]) -> Wanted {
    Wanted::Topics(names.iter().map(|name| Arc::from(*name)).collect())
}

impl Story {
    fn new(is_static: bool) -> Story {
        let now = Instant::now();
        let max_poll_interval = Duration::from_secs(300);
        let settings = Settings { is_static, max_poll_interval, backoff: Backoff::new(100, 1_000) };
        let mut member = Modern::new(settings, "me".to_owned(), now);
        member.polled(now);
        member.subscribe(topics(&["t"]), now);
        Story { member, now }
    }

    fn beats(&mut self) -> Beat {
        match self.member.next(self.now) {
            Next::Heartbeat(beat) => beat,
            other => panic!("{other:?} instead of a heartbeat"),
        }
    }

    fn change(&mut self) -> Change {
        match self.member.next(self.now) {
            Next::Change(change) => change,
            other => panic!("{other:?} instead of a change"),
        }
    }

    fn waits(&mut self) {
        let next = self.member.next(self.now);
        assert!(matches!(next, Next::Wait(_)), "{next:?} instead of nothing");
    }

    fn is_told(&mut self, number: u64, epoch: i32, assignment: Option<&[i32]>) {
        let assignment = assignment.map(by_id);
        self.member.beaten(number, Ok(Beaten { epoch, interval: INTERVAL, assignment }), None, self.now);
    }

    /// A member of epoch 1 that holds these and has said so.
    fn stable(numbers: &[i32]) -> Story {
        let mut story = Story::new(false);
        let beat = story.beats();
        story.is_told(beat.number, 1, Some(numbers));
        story.member.named([(id(), Arc::from("t"))]);
        story.change();
        story.member.changed(story.now);
        let beat = story.beats();
        assert_eq!((beat.epoch, beat.held), (1, Some(by_id(numbers))), "what is held is said at once");
        story.is_told(beat.number, 1, None);
        story.waits();
        story
    }
}

#[test]
fn the_first_heartbeat_says_everything_and_the_next_ones_what_has_changed() {
    let mut story = Story::new(false);
    let first = story.beats();
    assert_eq!((first.epoch, first.full, first.wanted), (0, true, Some(topics(&["t"]))));
    assert_eq!(first.held, Some(ById::new()));
    story.waits();
    story.is_told(first.number, 1, None);
    story.waits();
    story.now += INTERVAL;
    let second = story.beats();
    assert_eq!((second.epoch, second.full, second.wanted, second.held), (1, false, None, None));
}

#[test]
fn a_topic_without_a_name_waits_for_it() {
    let mut story = Story::new(false);
    let beat = story.beats();
    story.is_told(beat.number, 1, Some(&[0, 1]));
    assert_eq!(story.member.next(story.now), Next::Name);
    story.waits();
    story.member.named([(id(), Arc::from("t"))]);
    assert_eq!(story.change().added, partitions(&[0, 1]));
}

#[test]
fn a_member_moves_to_what_it_is_given_and_says_so() {
    let mut story = Story::stable(&[0, 1]);
    story.now += INTERVAL;
    let beat = story.beats();
    story.is_told(beat.number, 2, Some(&[1, 2]));
    let change = story.change();
    assert_eq!((change.revoked, change.added), (partitions(&[0]), partitions(&[2])));
    assert_eq!(story.member.identity(), ("me", 2));
    story.now += INTERVAL;
    assert_eq!(story.beats().held, None, "heartbeats go on while the application is told");
    story.member.changed(story.now);
    story.is_told(story.member.beats, 2, None);
    assert_eq!(story.beats().held, Some(by_id(&[1, 2])));
}

#[test]
fn who_is_fenced_loses_everything_and_joins_anew() {
    for code in [ErrorCode::FencedMemberEpoch, ErrorCode::UnknownMemberId] {
        let mut story = Story::stable(&[0]);
        story.now += INTERVAL;
        let beat = story.beats();
        story.member.beaten(beat.number, Err(code), None, story.now);
        assert_eq!(story.member.identity().1, -1);
        let change = story.change();
        assert!(change.lost);
        assert_eq!(change.revoked, partitions(&[0]));
        story.waits();
        story.member.changed(story.now);
        let again = story.beats();
        assert_eq!((again.epoch, again.full, again.held), (0, true, Some(ById::new())));
    }
}

#[test]
fn an_application_that_does_not_poll_is_out_until_it_does() {
    let mut story = Story::stable(&[0]);
    story.now += Duration::from_secs(300);
    assert_eq!(story.member.next(story.now), Next::Leave(-1));
    assert!(story.change().lost);
    story.member.changed(story.now);
    story.waits();
    story.member.polled(story.now);
    assert_eq!(story.beats().epoch, 0);
}

#[test]
fn leaving_says_whether_one_will_be_back() {
    let mut story = Story::stable(&[0]);
    assert_eq!(story.member.unsubscribe(), Some(Next::Leave(-1)));
    let mut story = Story::new(true);
    let beat = story.beats();
    story.is_told(beat.number, 1, None);
    assert_eq!(story.member.unsubscribe(), Some(Next::Leave(-2)));
    assert_eq!(story.member.unsubscribe(), None);
}

#[test]
fn after_a_lost_heartbeat_everything_is_said_again() {
    let mut story = Story::stable(&[0]);
    story.now += INTERVAL;
    let beat = story.beats();
    story.member.beaten(beat.number, Err(ErrorCode::NetworkException), None, story.now);
    story.waits();
    story.now += Duration::from_millis(121);
    let beat = story.beats();
    assert_eq!((beat.full, beat.epoch, beat.held), (true, 1, Some(by_id(&[0]))));
    story.member.beaten(beat.number - 1, Err(ErrorCode::FencedMemberEpoch), None, story.now);
    assert_eq!(story.member.identity().1, 1, "an answer to an older one says nothing");
}

#[test]
fn what_no_repeat_mends_is_told() {
    let mut story = Story::new(false);
    let beat = story.beats();
    story.member.beaten(beat.number, Err(ErrorCode::UnsupportedAssignor), None, story.now);
    story.waits();
    assert_eq!(story.member.take_fatal(), Some(ErrorCode::UnsupportedAssignor));
    assert_eq!(story.beats().epoch, 0);
}
