//! Any story: requests of clients that mostly know what they do, metadata, time, appends that fail, restarts; and what must
//! hold of all of them.

use std::collections::{BTreeMap, BTreeSet};

use andiron_coordinator::{GroupCoordinator, GroupOffsets, Record, Request, Response, StateMachine};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{ConsumerGroupDescribeRequest, GroupId};
use andiron_simulator::Choices;

use crate::stage::{Asked, Heard, Stage, text};
use crate::state::{ask, section, state_of};

const LINES_MAX: usize = 400;
const GROUPS: [&str; 2] = ["g", "h"];
/// A session, and what a rebalance may take beside the timeout that its members name.
const PATIENCE_MS: i64 = 2_000_000;

/// Tells the story that these bytes make, and returns it. `believes`: with a mistake in it, an append that fails counts as done.
pub fn run(bytes: &[u8], believes: bool) -> String {
    let mut choices = Choices::new(bytes);
    let mut stage = Stage::new();
    stage.believes = believes;
    let mut ledger = Ledger::default();
    let mut story = String::new();
    // Whether the machine may know more than its log: if that refuses the news that a classic group is empty, its members are gone.
    let mut refused = false;
    let mut longest_ms = 0;
    for _ in 0..LINES_MAX {
        if choices.are_over() {
            break;
        }
        let line = line(&mut choices, stage.now);
        longest_ms = longest_ms.max(named(&line, "rebalance"));
        if line == "restart" {
            check(&mut stage, &ledger, refused);
            refused = false;
        }
        refused |= line.starts_with("fail");
        let said = stage.act(&line);
        story.push_str(&format!("{line}\n----\n{said}\n\n"));
        ledger.read(&mut stage, &line);
        nobody_shares(stage.harness.latest_mut());
    }
    check(&mut stage, &ledger, refused);
    // Nobody waits for ever: when all time has passed, every request has its answer.
    stage.act("release");
    stage.act(&format!("at {}", stage.now + PATIENCE_MS + longest_ms.clamp(0, i64::from(i32::MAX))));
    assert_eq!((stage.waiting(), stage.harness.waiting()), (0, 0), "somebody waits for ever\n{story}");
    story
}

fn named(line: &str, key: &str) -> i64 {
    let word = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    word.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn who(c: &mut Choices<'_>) -> &'static str {
    c.one_of(&["A", "B", "C"])
}

fn group(c: &mut Choices<'_>) -> &'static str {
    c.one_of(&["g", "g", "g", "g", "h", "h", "-"])
}

/// The id of a classic member; they are numbered as they come.
fn id(c: &mut Choices<'_>) -> String {
    format!("{}#{}", who(c), 1 + c.below(10))
}

/// The id of a member of either protocol.
fn member(c: &mut Choices<'_>) -> String {
    match c.below(8) {
        0 => id(c),
        other => c.one_of(&["m1", "m2", "m3", "m4"])[..].to_owned() + if other == 1 { "x" } else { "" },
    }
}

fn instance(c: &mut Choices<'_>) -> &'static str {
    c.one_of(&["", "", "", "", " instance=i", " instance=j"])
}

/// A generation or an epoch.
fn generation(c: &mut Choices<'_>) -> i32 {
    match c.below(14) {
        0 => c.narrow(),
        other => i32::from(other / 2),
    }
}

fn version(c: &mut Choices<'_>, max: u8) -> u8 {
    max - c.below(max + 1)
}

fn place(c: &mut Choices<'_>) -> &'static str {
    c.one_of(&["t/0", "t/1", "t/2", "u/0", "u/1", "v/7"])
}

/// Offsets for some partitions.
fn offsets(c: &mut Choices<'_>) -> String {
    let one = |c: &mut Choices<'_>| {
        let words = c.one_of(&["", "", ":words", ":more-words-than-some-settings-allow"]);
        format!(" {}={}{words}", place(c), c.number())
    };
    (0..=c.below(3)).map(|_| one(c)).collect()
}

fn pattern(c: &mut Choices<'_>) -> String {
    let parts =
        ["t", "u", "|", ".*", "[tu]", "(", ")", "+", "?", "{2}", "\\d", "^", "$", "\\p{L}", "(?:", "{999}", "*"];
    (0..=c.below(6)).map(|_| c.one_of(&parts)).collect()
}

/// What a member of a consumer group wants.
fn wants(c: &mut Choices<'_>) -> String {
    match c.below(8) {
        0 => " topics=".to_owned(),
        1 => " topics=t,u".to_owned(),
        2 => " topics=u assignor=range".to_owned(),
        3 => " topics=t,v assignor=uniform".to_owned(),
        4 => format!(" regex={}", pattern(c)),
        5 => " topics=u regex=t|u.*".to_owned(),
        _ => " topics=t".to_owned(),
    }
}

fn classic_wants(c: &mut Choices<'_>) -> &'static str {
    c.one_of(&[
        " protocols=range:topics+t",
        " protocols=range:topics+t,sticky:x",
        " protocols=range:topics+t+u",
        " protocols=sticky:topics+u,range:topics+t",
        " protocols=range:damaged",
        " protocols=x type=connect",
        " protocols=",
    ])
}

/// The timeouts that a classic member names.
fn timeouts(c: &mut Choices<'_>) -> String {
    let session = match c.below(12) {
        0 => c.narrow::<i32>(),
        other => [10_000, 6_000, 45_000, 1_800_000][usize::from(other) % 4],
    };
    let rebalance = match c.below(16) {
        0 => c.narrow::<i32>(),
        other => [7_000, 60_000, 300_000, 0][usize::from(other) % 4],
    };
    format!(" session={session} rebalance={rebalance}")
}

/// The next line of a story.
fn line(c: &mut Choices<'_>, now: i64) -> String {
    match c.below(64) {
        0..=4 => join(c, ""),
        5..=10 => {
            let known = format!(" as={}", id(c));
            join(c, &known)
        }
        11..=18 => {
            let (w, g, member) = (who(c), group(c), id(c));
            let assign = match c.below(4) {
                0 => String::new(),
                1 => format!(" assign={}:y", id(c)),
                _ => format!(" assign={member}:x,{}:y", id(c)),
            };
            format!("sync {w} {g} as={member} gen={} v={}{}{assign}", generation(c), version(c, 5), instance(c))
        }
        19..=20 => {
            format!("heartbeat {} {} as={} gen={}{}", who(c), group(c), id(c), generation(c), instance(c))
        }
        21 => format!("leave {} {} as={} v={}", who(c), group(c), member(c), version(c, 5)),
        22 => format!("leave {} {} instance={}", who(c), group(c), c.one_of(&["i", "j", "i,j"])),
        23..=24 => {
            let (w, g, v) = (who(c), group(c), version(c, 7) + 2);
            let retention = if v <= 4 { format!(" retention={}", c.number()) } else { String::new() };
            format!("commit {w} {g} as={} gen={} v={v}{retention}{}", member(c), generation(c), offsets(c))
        }
        25 => format!("commit {} {}{}", who(c), group(c), offsets(c)),
        26..=27 => {
            let (w, g, producer) = (who(c), group(c), 7 + c.below(3));
            let from = match c.below(3) {
                0 => format!(" as={} gen={}", member(c), generation(c)),
                _ => String::new(),
            };
            format!("commit-in-transaction {w} {g} producer={producer}{from}{}", offsets(c))
        }
        28..=29 => format!("end-transaction C {} producer={}", c.one_of(&["commit", "abort"]), 7 + c.below(3)),
        30 => format!("delete-offsets {} {} {} {}", who(c), group(c), place(c), place(c)),
        31 => format!("delete {} {}", who(c), group(c)),
        32 => ask_for_something(c),
        33..=38 => format!(
            "beat {} {} as={} epoch=0{}{} rebalance={}",
            who(c),
            group(c),
            member(c),
            instance(c),
            wants(c),
            c.one_of(&[60_000, 7_000, 300_000])
        ),
        39..=46 => {
            let owns = c.one_of(&[
                "",
                "",
                " owns=-",
                " owns=t:0",
                " owns=t:1.2",
                " owns=t:0.1.2",
                " owns=t:0,u:0",
                " owns=u:9",
            ]);
            format!("beat {} {} as={} epoch={}{owns}{}", who(c), group(c), member(c), generation(c), instance(c))
        }
        47..=48 => format!("beat {} {} as={} epoch={}{}", who(c), group(c), member(c), generation(c), wants(c)),
        49 => format!("beat {} {} as={} epoch={}{}", who(c), group(c), member(c), c.one_of(&[-1, -2]), instance(c)),
        50..=51 => match c.below(4) {
            0 => "topics".to_owned(),
            some => format!("topics t/{some} u/{}", c.below(4)),
        },
        52 => format!("topic-deleted {} {}", place(c), place(c)),
        53 => {
            let errors =
                ["NOT_ENOUGH_REPLICAS", "MESSAGE_TOO_LARGE", "NOT_LEADER_OR_FOLLOWER", "RECORD_LIST_TOO_LARGE"];
            format!("fail {}", c.one_of(&errors))
        }
        54 => c.one_of(&["hold", "release", "release"]).to_owned(),
        55 => "restart".to_owned(),
        56 => setting(c),
        _ => {
            let passes = [1, 100, 1_000, 3_000, 5_000, 7_000, 10_000, 45_000, 60_000, 700_000, 86_400_000];
            format!("at {}", now + c.one_of(&passes))
        }
    }
}

fn join(c: &mut Choices<'_>, known: &str) -> String {
    let (w, g, v) = (who(c), group(c), version(c, 9));
    format!("join {w} {g}{known} v={v}{}{}{}", instance(c), timeouts(c), classic_wants(c))
}

fn ask_for_something(c: &mut Choices<'_>) -> String {
    match c.below(5) {
        0 => format!("describe {} {} none v={}", who(c), group(c), version(c, 6)),
        1 => format!("describe-consumer {} {} none", who(c), group(c)),
        2 => format!("list {} v={} states={}", who(c), version(c, 5), c.one_of(&["Stable", "Empty", "nonsense"])),
        3 => format!("fetch {} {} as={} epoch={}", who(c), group(c), member(c), generation(c)),
        _ => format!("fetch {} {} {}{}", who(c), group(c), place(c), c.one_of(&["", " stable=yes"])),
    }
}

fn setting(c: &mut Choices<'_>) -> String {
    match c.below(7) {
        0 => format!("config group.initial.rebalance.delay.ms={}", c.one_of(&[0, 3_000])),
        1 => format!("config group.max.size={} group.consumer.max.size={}", 1 + c.below(3), 1 + c.below(3)),
        2 => format!("config offset.metadata.max.bytes={}", c.one_of(&[0, 8, 4_096])),
        3 => format!("config offsets.retention.minutes={}", c.one_of(&[1, 20, 10_080])),
        4 => format!("config group.consumer.assignment.interval.ms={}", c.one_of(&[0, 1_000])),
        5 => format!(
            "config group.consumer.migration.policy={}",
            c.one_of(&["bidirectional", "upgrade", "downgrade", "disabled"])
        ),
        _ => format!(
            "group-config {} consumer.{}={}",
            c.one_of(&GROUPS),
            c.one_of(&["session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms"]),
            c.number()
        ),
    }
}

type Place = (String, String, i32);

/// An offset, and where in the log it was written.
#[derive(Clone, Debug)]
struct Written {
    offset: i64,
    at: usize,
    expires: i64,
}

/// The committed offsets by the plainest reading of the log.
#[derive(Debug, Default)]
struct Ledger {
    offsets: BTreeMap<Place, Written>,
    open: BTreeMap<i64, BTreeMap<Place, Written>>,
    read: usize,
}

impl Ledger {
    /// Takes in what a line has written and what was answered to it.
    fn read(&mut self, stage: &mut Stage, line: &str) {
        let may_delete = ["delete", "topic-deleted"].iter().any(|verb| line.starts_with(verb));
        let new = stage.log.iter().enumerate().skip(self.read);
        for (at, record) in new {
            match record {
                Record::OffsetCommit { key, value: Some(value) } => {
                    let place = (key.group.clone(), key.topic.clone(), key.partition);
                    self.offsets.insert(place, Written { offset: value.offset, at, expires: value.expire_timestamp });
                }
                Record::OffsetCommit { key, value: None } => {
                    let place = (key.group.clone(), key.topic.clone(), key.partition);
                    if !may_delete {
                        self.must_have_expired(&place, line, stage.now);
                    }
                    self.offsets.remove(&place);
                    self.open.values_mut().for_each(|open| _ = open.remove(&place));
                }
                Record::OffsetInTransaction { producer_id, key, value, .. } => {
                    let place = (key.group.clone(), key.topic.clone(), key.partition);
                    let written = Written { offset: value.offset, at, expires: value.expire_timestamp };
                    self.open.entry(*producer_id).or_default().insert(place, written);
                }
                Record::EndOfTransaction(end) => {
                    for (place, written) in self.open.remove(&end.producer_id).unwrap_or_default() {
                        if end.committed && self.offsets.get(&place).is_none_or(|earlier| earlier.at < written.at) {
                            self.offsets.insert(place, written);
                        }
                    }
                }
                _ => {}
            }
        }
        self.read = stage.log.len();
        for (asked, heard) in std::mem::take(&mut stage.heard) {
            if let Heard::Answered(answer) = heard {
                was_kept(&asked, &answer, &stage.log[asked.log_end..]);
            }
        }
    }

    fn must_have_expired(&self, place: &Place, line: &str, now: i64) {
        assert!(line.starts_with("at "), "{line} deletes {place:?}");
        assert!(self.open.values().all(|open| !open.contains_key(place)), "{place:?} expires in an open transaction");
        let written = &self.offsets[place];
        assert!(written.expires < 0 || written.expires <= now, "{place:?} expires before its time: {written:?}");
    }
}

/// What is acknowledged stands in the log.
fn was_kept(asked: &Asked, answer: &Response, log: &[Record]) {
    match (&asked.request, answer) {
        (Request::OffsetCommit(request), Response::OffsetCommit(answer)) => {
            for (topic, told) in request.topics.iter().zip(&answer.topics) {
                for (at, told) in topic.partitions.iter().zip(&told.partitions).filter(|(_, told)| told.error_code == 0)
                {
                    assert_eq!(at.partition_index, told.partition_index);
                    let kept = log.iter().any(|record| {
                        matches!(record, Record::OffsetCommit { key, value: Some(value) }
                            if key.group == *request.group_id.0
                                && key.topic == *topic.name.0
                                && key.partition == at.partition_index
                                && value.offset == at.committed_offset)
                    });
                    assert!(kept, "an acknowledged offset is nowhere: {request:?}");
                }
            }
        }
        (Request::TxnOffsetCommit(request), Response::TxnOffsetCommit(answer)) => {
            for (topic, told) in request.topics.iter().zip(&answer.topics) {
                for (at, _) in topic.partitions.iter().zip(&told.partitions).filter(|(_, told)| told.error_code == 0) {
                    let kept = log.iter().any(|record| {
                        matches!(record, Record::OffsetInTransaction { producer_id, key, value, .. }
                            if *producer_id == request.producer_id.0
                                && key.group == *request.group_id.0
                                && key.topic == *topic.name.0
                                && key.partition == at.partition_index
                                && value.offset == at.committed_offset)
                    });
                    assert!(kept, "an acknowledged offset of a transaction is nowhere: {request:?}");
                }
            }
        }
        (Request::EndOfTransaction(end), Response::EndOfTransaction) => {
            let kept = log.iter().any(|record| *record == Record::EndOfTransaction(*end));
            assert!(kept, "an acknowledged marker is nowhere: {end:?}");
        }
        _ => {}
    }
}

/// The machine knows what its log says.
fn check(stage: &mut Stage, ledger: &Ledger, refused: bool) {
    for group in GROUPS.into_iter().chain([""]) {
        offsets_agree(stage.harness.latest_mut(), group, ledger);
    }
    let live = state_of(stage.harness.latest_mut());
    let mut again = GroupCoordinator::new(Default::default());
    again.set_image(stage.image.clone(), &BTreeSet::new(), false);
    for (offset, record) in stage.log.iter().enumerate() {
        again.replay(offset as i64, record);
    }
    let replayed = state_of(&mut again);
    let heads = live.lines().filter(|line| !line.starts_with(' '));
    let settled = heads.filter_map(|line| line.split_once(' ')).filter(|(_, rest)| !rest.contains("Rebalance"));
    for (group, _) in settled.filter(|(_, rest)| !refused || rest.ends_with("consumer")) {
        assert_eq!(section(&live, group), section(&replayed, group), "the log says otherwise of {group}");
    }
}

fn offsets_agree(machine: &mut GroupCoordinator, group: &str, ledger: &Ledger) {
    let mut found = BTreeMap::new();
    for require_stable in [false, true] {
        let mut asked = GroupOffsets { require_stable, ..GroupOffsets::default() };
        asked.group.group_id = text(group).into();
        asked.group.topics = None;
        asked.group.member_epoch = -1;
        let Response::OffsetFetch(fetched) = ask(machine, Request::OffsetFetch(asked)) else { panic!("no answer") };
        for topic in &fetched.topics {
            for at in &topic.partitions {
                let place = (group.to_owned(), topic.name.to_string(), at.partition_index);
                let open = ledger.open.values().any(|open| open.contains_key(&place));
                if require_stable {
                    let unstable = at.error_code == ErrorCode::UnstableOffsetCommit.code();
                    assert_eq!(unstable, open, "{place:?}: a transaction is open");
                } else {
                    found.insert(place, at.committed_offset);
                }
            }
        }
    }
    let wanted = ledger.offsets.iter().filter(|((of, ..), _)| of == group);
    let wanted: BTreeMap<Place, i64> = wanted.map(|(place, written)| (place.clone(), written.offset)).collect();
    assert_eq!(wanted, found, "the offsets of {group:?}: those written, and those told");
}

/// No partition has two owners in a consumer group.
fn nobody_shares(machine: &mut GroupCoordinator) {
    let names: Vec<GroupId> = GROUPS.iter().map(|name| text(name).into()).collect();
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(names);
    let Response::ConsumerGroupDescribe(described) = ask(machine, Request::ConsumerGroupDescribe(request)) else {
        panic!("no answer")
    };
    for group in &described.groups {
        let mut owners = BTreeMap::new();
        for member in &group.members {
            for topic in &member.assignment.topic_partitions {
                for at in &topic.partitions {
                    let other = owners.insert((topic.topic_id, *at), &member.member_id);
                    assert!(
                        other.is_none(),
                        "{other:?} and {:?} both have {}/{at}",
                        member.member_id,
                        &**topic.topic_name
                    );
                }
            }
        }
    }
}
