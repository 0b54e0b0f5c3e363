//! The answers to members, in the shape that the version they speak can carry.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::join_group_response::JoinGroupResponseMember;
use andiron_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use bytes::Bytes;

use super::{Group, Waiting};
use crate::effects::{Reply, Response, text};

/// From this version on a strategy's name may be null.
const NULLABLE_PROTOCOL_NAME_VERSION: i16 = 7;

/// From this version on a leader can be told not to share out anew.
pub(super) const SKIP_ASSIGNMENT_VERSION: i16 = 9;

fn protocol_name(name: Option<StrBytes>, version: i16) -> Option<StrBytes> {
    if version < NULLABLE_PROTOCOL_NAME_VERSION { Some(name.unwrap_or_default()) } else { name }
}

/// A refused JoinGroup.
pub(crate) fn join_error(to: Waiting, member: &str, code: i16) -> Reply {
    let response = JoinGroupResponse::default()
        .with_error_code(code)
        .with_generation_id(-1)
        .with_protocol_type(None)
        .with_protocol_name(protocol_name(None, to.version))
        .with_member_id(text(member));
    (to.ticket, Response::JoinGroup(response))
}

/// A SyncGroup without an assignment.
pub(crate) fn sync_error(to: Waiting, code: i16) -> Reply {
    (to.ticket, Response::SyncGroup(SyncGroupResponse::default().with_error_code(code)))
}

impl Group {
    /// An error for everybody whose answer is outstanding.
    pub fn outstanding(&self, joining: ErrorCode, syncing: ErrorCode) -> Vec<Reply> {
        let mut replies = Vec::new();
        for member in self.members.values() {
            replies.extend(member.joining.map(|to| join_error(to, "", joining.code())));
            replies.extend(member.syncing.map(|to| sync_error(to, syncing.code())));
        }
        replies
    }

    /// The group as it stands, told to one member; the leader also learns who the others are.
    pub(super) fn joined(&self, to: Waiting, member: &str, with_members: bool) -> Reply {
        let members = if with_members { self.joined_members(to.version) } else { Vec::new() };
        let response = JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.as_deref().map(text))
            .with_protocol_name(protocol_name(self.protocol.as_deref().map(text), to.version))
            .with_leader(text(self.leader.as_deref().unwrap_or_default()))
            .with_member_id(text(member))
            .with_members(members);
        (to.ticket, Response::JoinGroup(response))
    }

    fn joined_members(&self, version: i16) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let one = |(id, member): (&std::sync::Arc<str>, &super::Member)| {
            JoinGroupResponseMember::default()
                .with_member_id(text(id))
                .with_group_instance_id(member.instance_id.as_deref().filter(|_| version >= 5).map(text))
                .with_metadata(member.metadata(protocol))
        };
        self.members.iter().map(one).collect()
    }

    pub(super) fn synced(&self, to: Waiting, assignment: Bytes) -> Reply {
        let response = SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type.as_deref().map(text))
            .with_protocol_name(self.protocol.as_deref().map(text))
            .with_assignment(assignment);
        (to.ticket, Response::SyncGroup(response))
    }
}
