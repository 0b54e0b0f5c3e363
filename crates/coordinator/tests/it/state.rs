//! What a machine knows of its groups, asked as a client would ask it, in words that can be compared.

use andiron_coordinator::{
    Call, GroupCoordinator, GroupOffsets, Request, RequestContext, Response, StateMachine, Ticket,
};
use andiron_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};

/// The answer to a question that changes nothing.
pub fn ask(machine: &mut GroupCoordinator, request: Request) -> Response {
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

/// What is said of one group.
pub fn section<'a>(state: &'a str, group: &str) -> Vec<&'a str> {
    let mut lines = state.lines().skip_while(|line| line.split(' ').next() != Some(group));
    let head = lines.next();
    head.into_iter().chain(lines.take_while(|line| line.starts_with(' '))).collect()
}
