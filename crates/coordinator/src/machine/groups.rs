//! What operators ask: describe, list and delete groups.

use andiron_protocol::messages::delete_groups_response::DeletableGroupResult;
use andiron_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use andiron_protocol::messages::list_groups_response::ListedGroup;
use andiron_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
    ListGroupsResponse,
};
use andiron_replication::machine::Ticket;

use super::GroupCoordinator;
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

/// How Kafka names this kind of group.
const CLASSIC: &str = "classic";

/// Kafka's value for operations that were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

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
                None if context.api_version >= DESCRIBE_NOT_FOUND_VERSION => dead()
                    .with_error_code(GroupError::NotFound.code().code())
                    .with_error_message(Some(text(&format!("Group {} not found.", &***id)))),
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
        let wanted =
            |group: &&Group| among(&request.states_filter, group.state.name()) && among(&request.types_filter, CLASSIC);
        let list = |group: &Group| {
            let mut listed = ListedGroup::default()
                .with_group_id(text(&group.id).into())
                .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()));
            if context.api_version >= LIST_STATE_VERSION {
                listed.group_state = text(group.state.name());
            }
            if context.api_version >= LIST_TYPE_VERSION {
                listed.group_type = text(CLASSIC);
            }
            listed
        };
        let groups = self.groups.values().filter(wanted).map(list).collect();
        out.parked.push((ticket, Response::ListGroups(ListGroupsResponse::default().with_groups(groups))));
    }

    pub(super) fn delete_groups(&mut self, ticket: Ticket, request: &DeleteGroupsRequest, out: &mut Effects) {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for id in &request.groups_names {
            let outcome = match self.groups.get(&***id) {
                None => Err(GroupError::NotFound),
                Some(group) if group.state != State::Empty => Err(GroupError::NotEmpty),
                Some(group) => {
                    self.offsets.tombstones_of_group(&group.id, &mut out.records);
                    self.foreign.tombstones(&group.id, &mut out.records);
                    out.records.push(Record::group_tombstone(&group.id));
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
