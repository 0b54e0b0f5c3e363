//! The cluster as a whole: its nodes, and what is being moved between them.

use andiron_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use andiron_protocol::messages::{
    DescribeClusterRequest, ListPartitionReassignmentsRequest, MetadataRequest, TopicName,
};

use super::Admin;
use super::ask::{ask_any, refuse, text};
use crate::cluster::{BrokerInfo, TopicPartition};
use crate::error::AdminError;
use crate::transport::Address;

/// The cluster as DescribeCluster tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: String,
    /// The controller as clients see it, -1 if unknown.
    pub controller: i32,
    /// Its brokers, sorted by node id, and whether each is fenced.
    pub brokers: Vec<(BrokerInfo, bool)>,
}

/// A partition on its way from some brokers to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reassignment {
    /// The partition.
    pub partition: TopicPartition,
    /// All replicas, old and new.
    pub replicas: Vec<i32>,
    /// Those that are being added.
    pub adding: Vec<i32>,
    /// Those that will go.
    pub removing: Vec<i32>,
}

impl Admin {
    /// The cluster's id and nodes; with `fenced` those too that may not serve.
    pub async fn describe_cluster(&self, fenced: bool) -> Result<ClusterDescription, AdminError> {
        self.describe_nodes(false, fenced).await
    }

    /// The same of controllers instead of brokers, which only a controller's listener can tell.
    pub async fn describe_nodes(&self, controllers: bool, fenced: bool) -> Result<ClusterDescription, AdminError> {
        const ENDPOINTS_VERSION: i16 = 1;
        const FENCED_VERSION: i16 = 2;
        const CONTROLLERS: i8 = 2;
        let answer = ask_any(&self.client, "listNodes", false, |version| {
            let mut request = DescribeClusterRequest::default();
            if version >= ENDPOINTS_VERSION && controllers {
                request = request.with_endpoint_type(CONTROLLERS);
            }
            if version >= FENCED_VERSION { request.with_include_fenced_brokers(fenced) } else { request }
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let broker = |b: andiron_protocol::messages::describe_cluster_response::DescribeClusterBroker| {
            let address = Address { host: b.host.to_string(), port: u16::try_from(b.port).unwrap_or(0) };
            (BrokerInfo { id: b.broker_id.0, address, rack: b.rack.map(|rack| rack.to_string()) }, b.is_fenced)
        };
        let mut brokers: Vec<(BrokerInfo, bool)> = answer.brokers.into_iter().map(broker).collect();
        brokers.sort_by_key(|(broker, _)| broker.id);
        Ok(ClusterDescription {
            cluster_id: answer.cluster_id.to_string(),
            controller: answer.controller_id.0,
            brokers,
        })
    }

    /// The brokers that may be asked, sorted by node id; `call` is what they are wanted for.
    pub(super) async fn brokers(&self, call: &'static str) -> Result<Vec<BrokerInfo>, AdminError> {
        let answer = ask_any(&self.client, call, false, |_| {
            MetadataRequest::default().with_topics(Some(Vec::new())).with_allow_auto_topic_creation(false)
        })
        .await;
        let answer = match answer {
            // A controller does not tell about topics; it knows the controllers.
            Err(AdminError::Unsupported { .. }) => {
                let controllers = self.describe_nodes(true, false).await?.brokers;
                return Ok(controllers.into_iter().map(|(controller, _)| controller).collect());
            }
            answer => answer?,
        };
        let broker = |b: andiron_protocol::messages::metadata_response::MetadataResponseBroker| {
            let address = Address { host: b.host.to_string(), port: u16::try_from(b.port).unwrap_or(0) };
            BrokerInfo { id: b.node_id.0, address, rack: b.rack.map(|rack| rack.to_string()) }
        };
        let mut brokers: Vec<BrokerInfo> = answer.brokers.into_iter().map(broker).collect();
        brokers.sort_by_key(|broker| broker.id);
        Ok(brokers)
    }

    /// Where a broker listens; `call` is what it is wanted for.
    pub(super) async fn broker(&self, node: i32, call: &'static str) -> Result<Address, AdminError> {
        let brokers = self.brokers(call).await?;
        let found = brokers.into_iter().find(|broker| broker.id == node).map(|broker| broker.address);
        let gone = || AdminError::TimedOut {
            call,
            last: format!("no node {node}"),
            determinacy: crate::error::Determinacy::DidNotHappen,
        };
        found.ok_or_else(gone)
    }

    /// The reassignments in progress, of the given partitions or of all.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Vec<Reassignment>, AdminError> {
        let mut topics: Option<Vec<ListPartitionReassignmentsTopics>> = partitions.map(|_| Vec::new());
        for partition in partitions.unwrap_or_default() {
            let topics = topics.get_or_insert_default();
            match topics.iter_mut().find(|topic| topic.name.as_str() == &*partition.topic) {
                Some(topic) => topic.partition_indexes.push(partition.partition),
                None => topics.push(
                    ListPartitionReassignmentsTopics::default()
                        .with_name(TopicName(text(&partition.topic)))
                        .with_partition_indexes(vec![partition.partition]),
                ),
            }
        }
        let answer = ask_any(&self.client, "listPartitionReassignments", false, |_| {
            ListPartitionReassignmentsRequest::default()
                .with_topics(topics.clone())
                .with_timeout_ms(self.client.config().request_timeout_ms)
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let ids = |nodes: &[andiron_protocol::messages::BrokerId]| nodes.iter().map(|node| node.0).collect();
        let mut found = Vec::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                found.push(Reassignment {
                    partition: TopicPartition::new(topic.name.as_str(), partition.partition_index),
                    replicas: ids(&partition.replicas),
                    adding: ids(&partition.adding_replicas),
                    removing: ids(&partition.removing_replicas),
                });
            }
        }
        Ok(found)
    }
}
