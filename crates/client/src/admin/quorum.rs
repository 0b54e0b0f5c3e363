//! The metadata quorum: who votes, who leads, how far everybody is.

use andiron_protocol::messages::add_raft_voter_request::Listener;
use andiron_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use andiron_protocol::messages::{AddRaftVoterRequest, DescribeQuorumRequest, RemoveRaftVoterRequest, TopicName};
use uuid::Uuid;

use super::ask::{ask_any, refuse, text, words};
use super::{Admin, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// One replica of the metadata log. Times are milliseconds since 1970, -1 if unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// The node.
    pub node: i32,
    /// The id of its metadata directory; nil if unknown.
    pub directory: Uuid,
    /// Its end of the log.
    pub log_end_offset: i64,
    /// When it fetched last.
    pub last_fetch_ms: i64,
    /// When it last had all there was.
    pub last_caught_up_ms: i64,
}

/// A listener of a node: its name, host and port.
pub type NodeListener = (String, String, u16);

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// The leader's node id.
    pub leader: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// What is committed.
    pub high_watermark: i64,
    /// The voters.
    pub voters: Vec<QuorumReplica>,
    /// The observers.
    pub observers: Vec<QuorumReplica>,
    /// (node, its listeners) of the nodes that are known.
    pub nodes: Vec<(i32, Vec<NodeListener>)>,
}

impl Admin {
    /// The quorum as its leader sees it.
    pub async fn describe_quorum(&self) -> Result<Quorum, AdminError> {
        let answer = ask_any(&self.client, "describeMetadataQuorum", false, |_| {
            let topic = TopicData::default()
                .with_topic_name(TopicName(text("__cluster_metadata")))
                .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
            DescribeQuorumRequest::default().with_topics(vec![topic])
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let missing = || AdminError::Protocol("a DescribeQuorum answer without the metadata log".to_owned());
        let partition = answer.topics.into_iter().flat_map(|topic| topic.partitions).next().ok_or_else(missing)?;
        refuse(partition.error_code, partition.error_message)?;
        let replica = |state: &andiron_protocol::messages::describe_quorum_response::ReplicaState| QuorumReplica {
            node: state.replica_id.0,
            directory: state.replica_directory_id,
            log_end_offset: state.log_end_offset,
            last_fetch_ms: state.last_fetch_timestamp,
            last_caught_up_ms: state.last_caught_up_timestamp,
        };
        let listeners = |node: &andiron_protocol::messages::describe_quorum_response::Node| {
            let listener = |l: &andiron_protocol::messages::describe_quorum_response::Listener| {
                (l.name.to_string(), l.host.to_string(), l.port)
            };
            (node.node_id.0, node.listeners.iter().map(listener).collect())
        };
        Ok(Quorum {
            leader: partition.leader_id.0,
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: partition.current_voters.iter().map(replica).collect(),
            observers: partition.observers.iter().map(replica).collect(),
            nodes: answer.nodes.iter().map(listeners).collect(),
        })
    }

    /// Makes a node a voter.
    pub async fn add_voter(
        &self,
        node: i32,
        directory: Uuid,
        listeners: &[NodeListener],
    ) -> Result<Result<(), Refusal>, AdminError> {
        let listener = |(name, host, port): &(String, String, u16)| {
            Listener::default().with_name(text(name)).with_host(text(host)).with_port(*port)
        };
        let answer = ask_any(&self.client, "addRaftVoter", true, |_| {
            AddRaftVoterRequest::default()
                .with_timeout_ms(self.client.config().request_timeout_ms)
                .with_voter_id(node)
                .with_voter_directory_id(directory)
                .with_listeners(listeners.iter().map(listener).collect())
        })
        .await?;
        let code = error_code(answer.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(answer.error_message))) })
    }

    /// Makes a voter an observer.
    pub async fn remove_voter(&self, node: i32, directory: Uuid) -> Result<Result<(), Refusal>, AdminError> {
        let request = |_| RemoveRaftVoterRequest::default().with_voter_id(node).with_voter_directory_id(directory);
        let answer = ask_any(&self.client, "removeRaftVoter", true, request).await?;
        let code = error_code(answer.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(answer.error_message))) })
    }
}
