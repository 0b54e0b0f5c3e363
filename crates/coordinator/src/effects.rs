//! What goes into the machine and what comes out of it.

use std::sync::Arc;

use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use andiron_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use andiron_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use andiron_replication::machine::{Decision, Ticket};
use uuid::Uuid;

use crate::record::Record;

/// Who asks, and how.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The version the client speaks; answers differ by it.
    pub api_version: i16,
    /// `client.id` of the request's header, empty if it has none.
    pub client_id: Arc<str>,
    /// The peer as Java prints an address: `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Random bits drawn by the caller: the id of a member that has none yet is made of them.
    pub random: Uuid,
}

/// A request and who sent it: what the harness feeds the machine with.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who asks, and how.
    pub context: RequestContext,
    /// What is asked.
    pub request: Request,
}

/// The offsets that are asked of one group. OffsetFetch before version 8 asks for one group at the top of the request;
/// `routing::offset_fetch_groups` gives both forms this shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupOffsets {
    /// The group, and its topics, or none for all of them.
    pub group: OffsetFetchRequestGroup,
    /// Whether offsets of an open transaction are to be answered with UNSTABLE_OFFSET_COMMIT.
    pub require_stable: bool,
}

/// A request to the coordinator. Where a request names many groups, it holds those of this coordinator's partition
/// only (`routing` splits and merges).
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is the Kafka API of its name
pub enum Request {
    JoinGroup(JoinGroupRequest),
    SyncGroup(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    LeaveGroup(LeaveGroupRequest),
    /// With the partitions that exist; the broker answers for the others.
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(GroupOffsets),
    OffsetDelete(OffsetDeleteRequest),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
}

/// The answer to the request of the same name, shaped for the version that the client speaks.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is the Kafka API of its name
pub enum Response {
    JoinGroup(JoinGroupResponse),
    SyncGroup(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    LeaveGroup(LeaveGroupResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponseGroup),
    OffsetDelete(OffsetDeleteResponse),
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
}

/// An answer and whom it is for.
pub type Reply = (Ticket, Response);

/// What the machine wants done; the harness says in which order.
pub type Effects = Decision<Record, Response>;

/// Text of ours on its way to the wire.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
