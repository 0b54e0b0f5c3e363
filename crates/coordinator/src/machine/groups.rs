//! What operators ask: describe, list and delete groups.

use andiron_protocol::messages::delete_groups_response::DeletableGroupResult;
use andiron_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use andiron_protocol::messages::list_groups_response::ListedGroup;
use andiron_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
    ListGroupsResponse,
};
use andiron_replication::machine::Ticket;

use super::{GroupCoordinator, NO_OPERATIONS};
use crate::classic::{Group, State};
use crate::effects::{Effects, RequestContext, Response, text};
use crate::error::GroupError;
use crate::record::Record;

/// From this version on a group that does not exist is an error; before, it is described as dead.
const DESCRIBE_NOT_FOUND_VERSION: i16 = 6;

/// From this version on a described member has its instance id.
const DESCRIBE_INSTANCE_VERSION: i16 = 4;

/// From these versions on a listed group has its state, and its type.
const LIST_STATE_VERSION: i16 = 4;
const LIST_TYPE_VERSION: i16 = 5;

/// How Kafka names the kinds of groups.
const CLASSIC: &str = "classic";
const CONSUMER: &str = "consumer";

/// The protocol type of every consumer group.
const PROTOCOL_TYPE: &str = crate::classic::CONSUMER;

impl GroupCoordinator {
    pub(super) fn describe_groups(
        &self,
        ticket: Ticket,
        context: &RequestContext,
        request: &DescribeGroupsRequest,
        out: &mut Effects,
    ) {
        let describe = |id: &andiron_protocol::messages::GroupId| {
            let described = match self.groups.get(&***id) {
                Some(group) => group.describe(context.api_version),
                None if context.api_version >= DESCRIBE_NOT_FOUND_VERSION => {
                    let other_kind = self.consumer_groups.contains_key(&***id);
                    let reason = if other_kind { "is not a classic group" } else { "not found" };
                    dead()
                        .with_error_code(GroupError::NotFound.code().code())
                        .with_error_message(Some(text(&format!("Group {} {reason}.", &***id))))
                }
                None => dead(),
            };
            described.with_group_id(id.clone()).with_authorized_operations(NO_OPERATIONS)
        };
        let groups = request.groups.iter().map(describe).collect();
        out.parked.push((ticket, Response::DescribeGroups(DescribeGroupsResponse::default().with_groups(groups))));
    }

    pub(super) fn list_groups(
        &self,
        ticket: Ticket,
        context: &RequestContext,
        request: &ListGroupsRequest,
        out: &mut Effects,
    ) {
        let among = |filter: &[andiron_protocol::kafka::protocol::StrBytes], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let list = |id: &str, protocol_type: &str, state: &str, kind: &str| {
            if !among(&request.states_filter, state) || !among(&request.types_filter, kind) {
                return None;
            }
            let mut listed =
                ListedGroup::default().with_group_id(text(id).into()).with_protocol_type(text(protocol_type));
            if context.api_version >= LIST_STATE_VERSION {
                listed.group_state = text(state);
            }
            if context.api_version >= LIST_TYPE_VERSION {
                listed.group_type = text(kind);
            }
            Some(listed)
        };
        let classic = self.groups.values().filter_map(|group| {
            list(&group.id, group.protocol_type.as_deref().unwrap_or_default(), group.state.name(), CLASSIC)
        });
        let consumers = self.consumer_groups.values();
        let consumers = consumers.filter_map(|group| list(&group.id, PROTOCOL_TYPE, group.state().name(), CONSUMER));
        let mut groups: Vec<ListedGroup> = classic.chain(consumers).collect();
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        out.parked.push((ticket, Response::ListGroups(ListGroupsResponse::default().with_groups(groups))));
    }

    pub(super) fn delete_groups(&mut self, ticket: Ticket, request: &DeleteGroupsRequest, out: &mut Effects) {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for id in &request.groups_names {
            let outcome = match (self.groups.get(&***id), self.consumer_groups.get(&***id)) {
                (None, None) => Err(GroupError::NotFound),
                (Some(group), _) if group.state != State::Empty => Err(GroupError::NotEmpty),
                (_, Some(group)) if !group.is_empty() => Err(GroupError::NotEmpty),
                (classic, _) => {
                    self.offsets.tombstones_of_group(id, &mut out.records);
                    out.records.append(&mut self.bury_empty_consumer_group(id));
                    out.records.extend(classic.map(|group| Record::group_tombstone(&group.id)));
                    Ok(())
                }
            };
            let code = outcome.err().map_or(0, |error| error.code().code());
            results.push(DeletableGroupResult::default().with_group_id(id.clone()).with_error_code(code));
        }
        out.parked.push((ticket, Response::DeleteGroups(DeleteGroupsResponse::default().with_results(results))));
    }
}

fn dead() -> DescribedGroup {
    DescribedGroup::default().with_group_state(text("Dead"))
}

impl Group {
    /// What members say is shown of a stable group only: before, no strategy is settled.
    fn describe(&self, version: i16) -> DescribedGroup {
        let protocol = self.protocol.as_deref().filter(|_| self.state == State::Stable);
        let member = |(id, member): (&std::sync::Arc<str>, &crate::classic::Member)| {
            let instance = member.instance_id.as_deref().filter(|_| version >= DESCRIBE_INSTANCE_VERSION);
            let described = DescribedGroupMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(instance.map(text))
                .with_client_id(text(&member.client_id))
                .with_client_host(text(&member.client_host))
                .with_member_assignment(member.assignment.clone());
            described.with_member_metadata(protocol.map(|protocol| member.metadata(protocol)).unwrap_or_default())
        };
        DescribedGroup::default()
            .with_group_state(text(self.state.name()))
            .with_protocol_type(text(self.protocol_type.as_deref().unwrap_or_default()))
            .with_protocol_data(text(protocol.unwrap_or_default()))
            .with_members(self.members.iter().map(member).collect())
    }
}
