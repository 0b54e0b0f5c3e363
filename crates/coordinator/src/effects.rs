//! What goes into the machine and what comes out of it.

use std::sync::Arc;

use andiron_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use andiron_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use andiron_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, HeartbeatRequest,
    HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest,
    ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use uuid::Uuid;

use crate::record::Record;

/// The broker's own name for a request whose answer is outstanding; the machine only hands it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What the machine must know of a request besides its body.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// The version the client speaks; answers differ by it.
    pub api_version: i16,
    /// `client.id` of the request's header, empty if it has none.
    pub client_id: Arc<str>,
    /// The peer as Java prints an address: `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Random bits drawn by the caller: the id of a member that has none yet is made of them.
    pub random: Uuid,
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

/// What the caller must do, in this order: append `records` as one batch and `replay` each with the offset it got (or
/// call `append_failed`), send `replies`, and keep `parked` until the records, and everything appended before them, are
/// committed. With no records, `parked` waits for what was appended last; if that is committed they go out at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// To be appended to the coordinator's partition, all or none.
    pub records: Vec<Record>,
    /// Answers that depend on nothing in the log. They may be those of requests that came long ago.
    pub replies: Vec<Reply>,
    /// Answers that say something which must not be lost.
    pub parked: Vec<Reply>,
}

impl Effects {
    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.replies.is_empty() && self.parked.is_empty()
    }
}
