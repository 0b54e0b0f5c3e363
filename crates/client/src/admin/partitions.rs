//! Partitions among brokers: leaders elected, replicas reassigned and moved between directories.

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use andiron_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use andiron_protocol::messages::elect_leaders_request::TopicPartitions;
use andiron_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, BrokerId, ElectLeadersRequest, TopicName,
};

use super::ask::{ask_any, ask_node, refuse, text, words};
use super::{Admin, Outcome};
use crate::cluster::TopicPartition;
use crate::error::AdminError;
use crate::wire::error_code;

/// Which replica is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first of them.
    Preferred,
    /// Any that lives, whatever is lost by it.
    Unclean,
}

impl Admin {
    /// Elects leaders of partitions, of all that need one if none are named; the outcome of each.
    pub async fn elect_leaders(
        &self,
        election: Election,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Outcome<TopicPartition>>, AdminError> {
        let topic = |partition: &TopicPartition| {
            TopicPartitions::default()
                .with_topic(TopicName(text(&partition.topic)))
                .with_partitions(vec![partition.partition])
        };
        let answer = ask_any(&self.client, "electLeaders", true, |version| {
            let request = ElectLeadersRequest::default()
                .with_topic_partitions(partitions.map(|all| all.iter().map(topic).collect()))
                .with_timeout_ms(self.client.config().request_timeout_ms);
            if version >= 1 { request.with_election_type(i8::from(election == Election::Unclean)) } else { request }
        })
        .await?;
        refuse(answer.error_code, None)?;
        let mut outcomes = Vec::new();
        for topic in answer.replica_election_results {
            for result in topic.partition_result {
                let code = error_code(result.error_code);
                outcomes.push(Outcome {
                    resource: TopicPartition::new(topic.topic.as_str(), result.partition_id),
                    result: if code.is_none() { Ok(()) } else { Err((code, words(result.error_message))) },
                });
            }
        }
        Ok(outcomes)
    }

    /// Gives partitions new replicas, or (without any) ends what is under way; the outcome of each.
    pub async fn alter_partition_reassignments(
        &self,
        reassignments: &[(TopicPartition, Option<Vec<i32>>)],
        may_change_factor: bool,
    ) -> Result<Vec<Outcome<TopicPartition>>, AdminError> {
        const FACTOR_VERSION: i16 = 1;
        let topic = |(partition, replicas): &(TopicPartition, Option<Vec<i32>>)| {
            let nodes = replicas.as_ref().map(|nodes| nodes.iter().map(|node| BrokerId(*node)).collect());
            let of_partition =
                ReassignablePartition::default().with_partition_index(partition.partition).with_replicas(nodes);
            ReassignableTopic::default()
                .with_name(TopicName(text(&partition.topic)))
                .with_partitions(vec![of_partition])
        };
        let answer = ask_any(&self.client, "alterPartitionReassignments", true, |version| {
            let request = AlterPartitionReassignmentsRequest::default()
                .with_topics(reassignments.iter().map(topic).collect())
                .with_timeout_ms(self.client.config().request_timeout_ms);
            if version >= FACTOR_VERSION {
                request.with_allow_replication_factor_change(may_change_factor)
            } else {
                request
            }
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let mut outcomes = Vec::new();
        for topic in answer.responses {
            for result in topic.partitions {
                let code = error_code(result.error_code);
                outcomes.push(Outcome {
                    resource: TopicPartition::new(topic.name.as_str(), result.partition_index),
                    result: if code.is_none() { Ok(()) } else { Err((code, words(result.error_message))) },
                });
            }
        }
        Ok(outcomes)
    }

    /// Moves replicas of one broker to other directories of it; the outcome of each.
    pub async fn alter_replica_log_dirs(
        &self,
        broker: i32,
        moves: &[(TopicPartition, String)],
    ) -> Result<Vec<(TopicPartition, ErrorCode)>, AdminError> {
        let call = "alterReplicaLogDirs";
        let address = self.broker(broker, call).await?;
        let dir = |(partition, path): &(TopicPartition, String)| {
            let topic = AlterReplicaLogDirTopic::default()
                .with_name(TopicName(text(&partition.topic)))
                .with_partitions(vec![partition.partition]);
            AlterReplicaLogDir::default().with_path(text(path)).with_topics(vec![topic])
        };
        let request = |_| AlterReplicaLogDirsRequest::default().with_dirs(moves.iter().map(dir).collect());
        let answer = ask_node(&self.client, call, &address, request).await?;
        let mut outcomes = Vec::new();
        for topic in answer.results {
            for result in topic.partitions {
                let partition = TopicPartition::new(topic.topic_name.as_str(), result.partition_index);
                outcomes.push((partition, error_code(result.error_code)));
            }
        }
        Ok(outcomes)
    }
}
