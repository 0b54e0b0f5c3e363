//! The requests of members: join, sync, heartbeat, leave.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
};
use andiron_replication::machine::Ticket;

use super::GroupCoordinator;
use crate::classic::{Group, Joiner, Step, Waiting, join_error, sync_error};
use crate::effects::{Effects, RequestContext, Response};
use crate::error::{GroupError, HeartbeatError, JoinError, MemberError, SyncError};

/// From this version on a SyncGroup must name the protocol.
const SYNC_NAMES_PROTOCOL_VERSION: i16 = 5;

/// From this version on a LeaveGroup names many members, and the answer has a code for each.
const LEAVE_MANY_VERSION: i16 = 3;

impl GroupCoordinator {
    pub(super) fn join_group(
        &mut self,
        now: i64,
        ticket: Ticket,
        context: &RequestContext,
        request: &JoinGroupRequest,
        out: &mut Effects,
    ) {
        let joiner = Joiner::new(ticket, context, request);
        let outcome = self.try_join_group(now, &joiner, context, request, out);
        if let Err(error) = outcome {
            out.replies.push(join_error(joiner.to, &joiner.member_id, error.code().code()));
        }
    }

    fn try_join_group(
        &mut self,
        now: i64,
        joiner: &Joiner,
        context: &RequestContext,
        request: &JoinGroupRequest,
        out: &mut Effects,
    ) -> Result<(), JoinError> {
        let config = &self.config;
        if request.group_id.is_empty() {
            return Err(JoinError::InvalidGroupId);
        }
        if !(config.min_session_timeout_ms..=config.max_session_timeout_ms).contains(&joiner.session_timeout_ms) {
            return Err(JoinError::InvalidSessionTimeout);
        }
        if let Some(outcome) = self.join_consumer_group(now, &request.group_id, joiner, context, out) {
            return outcome;
        }
        out.records.append(&mut self.bury_empty_consumer_group(&request.group_id));
        let buried = out.records.len();
        let Self { groups, config, timers, .. } = self;
        let id: std::sync::Arc<str> = (&**request.group_id).into();
        let is_new = !groups.contains_key(&id);
        if is_new && !joiner.member_id.is_empty() {
            out.records.clear();
            return Err(MemberError::UnknownMember.into());
        }
        let group = groups.entry(id.clone()).or_insert_with(|| Group::new(id, now));
        group.join(joiner, &mut Step { now, config, timers, out });
        if is_new && out.records.len() == buried {
            out.records.push(group.empty_record());
        }
        Ok(())
    }

    pub(super) fn sync_group(
        &mut self,
        now: i64,
        ticket: Ticket,
        context: &RequestContext,
        request: &SyncGroupRequest,
        out: &mut Effects,
    ) {
        let to = Waiting { ticket, version: context.api_version };
        let nameless = to.version >= SYNC_NAMES_PROTOCOL_VERSION
            && (request.protocol_type.is_none() || request.protocol_name.is_none());
        let error = if request.group_id.is_empty() {
            SyncError::InvalidGroupId
        } else if nameless {
            SyncError::InconsistentProtocol
        } else if let Some(group) = self.groups.get_mut(&**request.group_id) {
            group.sync(to, request, &mut Step { now, config: &self.config, timers: &mut self.timers, out });
            return;
        } else {
            match self.sync_consumer_group(now, to, request, out) {
                Some(Ok(())) => return,
                Some(Err(error)) => error,
                None => MemberError::UnknownMember.into(),
            }
        };
        out.replies.push(sync_error(to, error.code().code()));
    }

    pub(super) fn heartbeat(&mut self, now: i64, ticket: Ticket, request: &HeartbeatRequest, out: &mut Effects) {
        let outcome = if request.group_id.is_empty() {
            Err(HeartbeatError::InvalidGroupId)
        } else if let Some(group) = self.groups.get_mut(&**request.group_id) {
            group.heartbeat(request, &mut Step { now, config: &self.config, timers: &mut self.timers, out })
        } else {
            self.beat_as_classic(now, request).unwrap_or(Err(MemberError::UnknownMember.into()))
        };
        let code = outcome.err().map_or(0, |error| error.code().code());
        out.replies.push((ticket, Response::Heartbeat(HeartbeatResponse::default().with_error_code(code))));
    }

    pub(super) fn leave_group(
        &mut self,
        now: i64,
        ticket: Ticket,
        context: &RequestContext,
        request: &LeaveGroupRequest,
        out: &mut Effects,
    ) {
        let one_only = context.api_version < LEAVE_MANY_VERSION;
        let mut request = request.clone();
        if one_only {
            use andiron_protocol::messages::leave_group_request::MemberIdentity;
            request.members = vec![MemberIdentity::default().with_member_id(request.member_id.clone())];
        }
        let response = if request.group_id.is_empty() {
            LeaveGroupResponse::default().with_error_code(GroupError::InvalidGroupId.code().code())
        } else {
            let members = match self.groups.get_mut(&**request.group_id) {
                Some(group) => {
                    group.leave(&request, &mut Step { now, config: &self.config, timers: &mut self.timers, out })
                }
                None => {
                    let left = self.leave_as_classic(now, &request, out);
                    left.unwrap_or_else(|| crate::classic::nobody_left(&request))
                }
            };
            if one_only {
                let code = members.first().map_or(ErrorCode::None.code(), |member| member.error_code);
                LeaveGroupResponse::default().with_error_code(code)
            } else {
                LeaveGroupResponse::default().with_members(members)
            }
        };
        out.parked.push((ticket, Response::LeaveGroup(response)));
    }
}
