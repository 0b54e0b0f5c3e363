//! What goes into the machine and what comes out of it.

use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use andiron_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use andiron_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest, SyncGroupResponse,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
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

/// A marker that ends a producer's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndOfTransaction {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The epoch of the transaction coordinator.
    pub coordinator_epoch: i32,
    /// Whether the transaction took effect.
    pub committed: bool,
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
    /// With the partitions that exist only, and at every version with the topics' ids: they are stored with the offsets.
    /// The answer names those partitions; the broker adds the others.
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(GroupOffsets),
    OffsetDelete(OffsetDeleteRequest),
    /// As OffsetCommit with the partitions that exist only. Its records are one batch of the producer's transaction.
    TxnOffsetCommit(TxnOffsetCommitRequest),
    /// WriteTxnMarkers for this coordinator's partition.
    EndOfTransaction(EndOfTransaction),
    DescribeGroups(DescribeGroupsRequest),
    ListGroups(ListGroupsRequest),
    DeleteGroups(DeleteGroupsRequest),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest),
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest),
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
    TxnOffsetCommit(TxnOffsetCommitResponse),
    EndOfTransaction,
    DescribeGroups(DescribeGroupsResponse),
    ListGroups(ListGroupsResponse),
    DeleteGroups(DeleteGroupsResponse),
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse),
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse),
}

impl Response {
    /// The same answer if nothing of it came to pass.
    pub(crate) fn failed(self, error: ErrorCode) -> Self {
        let code = error.code();
        match self {
            Self::JoinGroup(answer) => Self::JoinGroup(
                JoinGroupResponse::default()
                    .with_error_code(code)
                    .with_generation_id(answer.generation_id)
                    .with_protocol_type(answer.protocol_type)
                    .with_protocol_name(answer.protocol_name)
                    .with_leader(answer.leader),
            ),
            Self::SyncGroup(_) => Self::SyncGroup(SyncGroupResponse::default().with_error_code(code)),
            Self::Heartbeat(answer) => Self::Heartbeat(answer.with_error_code(code)),
            Self::LeaveGroup(_) => Self::LeaveGroup(LeaveGroupResponse::default().with_error_code(code)),
            Self::OffsetCommit(mut answer) => {
                let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions
                    .filter(|partition| partition.error_code == 0)
                    .for_each(|partition| partition.error_code = code);
                Self::OffsetCommit(answer)
            }
            Self::OffsetFetch(answer) => Self::OffsetFetch(answer.with_topics(Vec::new()).with_error_code(code)),
            Self::OffsetDelete(_) => Self::OffsetDelete(OffsetDeleteResponse::default().with_error_code(code)),
            Self::TxnOffsetCommit(mut answer) => {
                let partitions = answer.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                partitions
                    .filter(|partition| partition.error_code == 0)
                    .for_each(|partition| partition.error_code = code);
                Self::TxnOffsetCommit(answer)
            }
            Self::EndOfTransaction => Self::EndOfTransaction,
            Self::DescribeGroups(mut answer) => {
                answer.groups.iter_mut().for_each(|group| group.error_code = code);
                Self::DescribeGroups(answer)
            }
            Self::ListGroups(answer) => Self::ListGroups(answer.with_groups(Vec::new()).with_error_code(code)),
            Self::DeleteGroups(mut answer) => {
                let deleted = answer.results.iter_mut().filter(|result| result.error_code == 0);
                deleted.for_each(|result| result.error_code = code);
                Self::DeleteGroups(answer)
            }
            Self::ConsumerGroupHeartbeat(_) => {
                Self::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse::default().with_error_code(code))
            }
            Self::ConsumerGroupDescribe(mut answer) => {
                answer.groups.iter_mut().for_each(|group| group.error_code = code);
                Self::ConsumerGroupDescribe(answer)
            }
        }
    }
}

/// An answer and whom it is for.
pub type Reply = (Ticket, Response);

/// What the machine wants done; the harness says in which order.
pub type Effects = Decision<Record, Response>;

/// Text of ours on its way to the wire.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
