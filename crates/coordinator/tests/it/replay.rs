//! Whatever was asked of a machine: one that reads its log knows the same settled groups and the same offsets.

use andiron_coordinator::{
    Call, GroupCoordinator, GroupOffsets, Request, RequestContext, Response, StateMachine, Ticket,
};
use andiron_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};
use proptest::prelude::*;

use crate::stage::Stage;

fn ask(machine: &mut GroupCoordinator, request: Request) -> Response {
    let context =
        RequestContext { api_version: 5, client_id: "".into(), client_host: "".into(), random: uuid::Uuid::nil() };
    machine.handle(0, Ticket(0), Call { context, request }).parked.remove(0).1
}

/// Groups that are settled, and all offsets, in words.
pub fn state_of(machine: &mut GroupCoordinator) -> String {
    let Response::ListGroups(list) = ask(machine, Request::ListGroups(ListGroupsRequest::default())) else { panic!() };
    let mut out = String::new();
    for listed in list.groups {
        let id = listed.group_id.clone();
        if listed.group_type == *"consumer" {
            let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![id.clone()]);
            let Response::ConsumerGroupDescribe(described) = ask(machine, Request::ConsumerGroupDescribe(describe))
            else {
                panic!()
            };
            out.push_str(&format!("{} {} consumer\n", &**id, &*listed.group_state));
            let lines = crate::consumer_words::described(&described);
            out.push_str(&lines.iter().map(|line| format!("  {}\n", line.trim())).collect::<String>());
            fetch_all(machine, &id, &mut out);
            continue;
        }
        let describe = DescribeGroupsRequest::default().with_groups(vec![id.clone()]);
        let Response::DescribeGroups(described) = ask(machine, Request::DescribeGroups(describe)) else { panic!() };
        let group = &described.groups[0];
        out.push_str(&format!("{} {} {}\n", &**id, &*group.group_state, &*group.protocol_data));
        if group.group_state == *"Stable" {
            for m in &group.members {
                out.push_str(&format!(
                    "  {} {:?} {} {} {} {}\n",
                    &*m.member_id,
                    m.group_instance_id,
                    &*m.client_id,
                    &*m.client_host,
                    m.member_metadata.escape_ascii(),
                    m.member_assignment.escape_ascii()
                ));
            }
        }
        fetch_all(machine, &id, &mut out);
    }
    out
}

fn fetch_all(machine: &mut GroupCoordinator, group: &GroupId, out: &mut String) {
    let mut asked = GroupOffsets::default();
    asked.group.group_id = group.clone();
    asked.group.topics = None;
    asked.group.member_epoch = -1;
    let Response::OffsetFetch(fetched) = ask(machine, Request::OffsetFetch(asked)) else { panic!() };
    for topic in &fetched.topics {
        for p in &topic.partitions {
            out.push_str(&format!(
                "  {}/{} = {} {:?}\n",
                &**topic.name, p.partition_index, p.committed_offset, p.metadata
            ));
        }
    }
}

/// Requests of clients that mostly know what they do: the ids and generations named have often existed.
fn line() -> impl Strategy<Value = String> {
    let who = prop_oneof![Just("A"), Just("B"), Just("C")];
    let group = prop_oneof![3 => Just("g"), 1 => Just("h")];
    let id = (who.clone(), 1..9u8).prop_map(|(who, number)| format!("{who}#{number}"));
    let instance = prop_oneof![3 => Just(String::new()), 1 => Just(" instance=i".to_owned())];
    let id2 = id.clone();
    let member = prop_oneof![Just("m1"), Just("m2"), Just("m3")];
    let wants = prop_oneof![
        3 => Just("topics=t".to_owned()),
        1 => Just("topics=t,u".to_owned()),
        1 => Just("regex=t|u.*".to_owned()),
        1 => Just("topics=u assignor=range".to_owned()),
    ];
    let owns = prop_oneof![
        2 => Just(String::new()),
        1 => Just(" owns=-".to_owned()),
        1 => Just(" owns=t:0".to_owned()),
        1 => Just(" owns=t:1.2".to_owned()),
    ];
    prop_oneof![
        4 => (who.clone(), group.clone(), instance.clone(), 0..10i16)
            .prop_map(|(w, g, i, v)| format!("join {w} {g} v={v}{i} rebalance=7000 protocols=range:topics+t,sticky:x")),
        4 => (who.clone(), group.clone(), id.clone(), instance.clone(), 0..10i16)
            .prop_map(|(w, g, id, i, v)| format!("join {w} {g} as={id}{i} v={v} rebalance=7000 protocols=range:topics+t")),
        6 => (who.clone(), group.clone(), id.clone(), id2, 1..6u8, 0..6i16).prop_map(|(w, g, id, other, gen_, v)| {
            format!("sync {w} {g} as={id} gen={gen_} v={v} assign={id}:x,{other}:y")
        }),
        2 => (who.clone(), group.clone(), id.clone(), 1..6u8)
            .prop_map(|(w, g, id, gen_)| format!("heartbeat {w} {g} as={id} gen={gen_}")),
        2 => (who.clone(), group.clone(), id.clone(), 0..6i16)
            .prop_map(|(w, g, id, v)| format!("leave {w} {g} as={id} v={v}")),
        1 => (who.clone(), group.clone()).prop_map(|(w, g)| format!("leave {w} {g} instance=i")),
        3 => (who.clone(), group.clone(), id, 1..6u8, 0..3u8, 2..10i16)
            .prop_map(|(w, g, id, gen_, p, v)| format!("commit {w} {g} as={id} gen={gen_} v={v} t/{p}={v}")),
        1 => (who.clone(), group.clone(), 0..99u8).prop_map(|(w, g, o)| format!("commit {w} {g} t/0={o} u/1={o}:words")),
        1 => (who.clone(), group.clone()).prop_map(|(w, g)| format!("delete-offsets {w} {g} t/0 u/1")),
        1 => (who.clone(), group.clone()).prop_map(|(w, g)| format!("delete {w} {g}")),
        1 => (who.clone(), group.clone(), 0..7i16).prop_map(|(w, g, v)| format!("describe {w} {g} none v={v}")),
        6 => (who.clone(), group.clone(), member.clone(), instance.clone(), wants.clone()).prop_map(|(w, g, m, i, t)| {
            format!("beat {w} {g} as={m} epoch=0{i} {t}")
        }),
        8 => (who.clone(), group.clone(), member.clone(), 1..9i32, owns).prop_map(|(w, g, m, e, o)| {
            format!("beat {w} {g} as={m} epoch={e}{o}")
        }),
        2 => (who.clone(), group.clone(), member.clone(), 1..9i32, wants).prop_map(|(w, g, m, e, t)| {
            format!("beat {w} {g} as={m} epoch={e} {t}")
        }),
        2 => (who.clone(), group.clone(), member.clone(), instance, -2..0i32).prop_map(|(w, g, m, i, e)| {
            format!("beat {w} {g} as={m} epoch={e}{i}")
        }),
        2 => (who.clone(), group.clone(), member, 1..6u8, 0..3u8)
            .prop_map(|(w, g, m, e, p)| format!("commit {w} {g} as={m} gen={e} t/{p}=7")),
        1 => (0..4i32, 0..3i32).prop_map(|(t, u)| format!("topics t/{} u/{u}", t.max(1))),
        1 => (who, 0..6i16).prop_map(|(w, v)| format!("list {w} v={v}")),
        1 => Just("fail NOT_ENOUGH_REPLICAS".to_owned()),
        3 => (1..8_000i64).prop_map(|ms| format!("pass {ms}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_log_replayed_is_the_machine_that_wrote_it(lines in proptest::collection::vec(line(), 1..60), failures: bool) {
        let mut stage = Stage::new();
        for line in &lines {
            match line.strip_prefix("pass ") {
                Some(ms) => _ = stage.act(&format!("at {}", stage.now + ms.parse::<i64>().unwrap())),
                None if line.starts_with("fail") && !failures => {}
                None => _ = stage.act(line),
            }
        }
        let live = state_of(stage.harness.latest_mut());
        let mut again = GroupCoordinator::new(Default::default());
        again.set_image(stage.image.clone(), &Default::default(), false);
        for (offset, record) in stage.log.iter().enumerate() {
            again.replay(offset as i64, record);
        }
        let heads = live.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split_once(' ').unwrap());
        let settled: Vec<&str> =
            heads.filter(|(_, rest)| !rest.contains("Rebalance")).map(|(group, _)| group).collect();
        let replayed = state_of(&mut again);
        // If a log refuses the news that a group is empty, the machine knows more than the log: its members are gone.
        for group in settled.into_iter().filter(|_| !failures) {
            prop_assert_eq!(section(&live, group), section(&replayed, group));
        }
        // Nobody waits for ever: when all time has passed, every request has its answer.
        stage.act(&format!("at {}", stage.now + 2_000_000));
        prop_assert_eq!(stage.waiting(), 0);
    }
}

fn section<'a>(state: &'a str, group: &str) -> Vec<&'a str> {
    let mut lines = state.lines().skip_while(|line| line.split(' ').next() != Some(group));
    let head = lines.next();
    head.into_iter().chain(lines.take_while(|line| line.starts_with(' '))).collect()
}
