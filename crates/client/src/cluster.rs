//! The cluster as the client knows it: brokers, topics, who leads what. Values only; [`crate::client`] keeps them fresh.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use andiron_protocol::error::ErrorCode;
use uuid::Uuid;

use crate::transport::Address;

/// A partition of a topic, by name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Which topics are meant: Spark's `subscribe` and `subscribePattern`.
#[derive(Debug, Clone)]
pub enum Topics {
    /// These; a name that the cluster does not know is an error.
    Names(Vec<String>),
    /// All whose whole name matches this regular expression; internal topics only if they match by name and
    /// `exclude.internal.topics` is false.
    Pattern(String),
    /// All that the cluster has, internal ones too.
    All,
}

/// One topic.
#[derive(Debug, Clone)]
pub struct TopicInfo {
    /// The name.
    pub name: Arc<str>,
    /// Kafka's id of it; nil from a broker too old to have ids.
    pub id: Uuid,
    /// Whether Kafka calls it internal.
    pub internal: bool,
    /// Its partitions by number, 0 to n-1.
    pub partitions: Vec<PartitionInfo>,
}

/// One partition.
#[derive(Debug, Clone)]
pub struct PartitionInfo {
    /// The number, from 0.
    pub partition: i32,
    /// The node that leads, or -1 while there is none.
    pub leader: i32,
    /// How often the leader has changed, -1 if the broker did not say.
    pub leader_epoch: i32,
    /// All replicas, the preferred one first.
    pub replicas: Vec<i32>,
    /// The replicas in sync.
    pub in_sync: Vec<i32>,
    /// Replicas on dead nodes.
    pub offline: Vec<i32>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerInfo {
    /// Its node id.
    pub id: i32,
    /// Where clients reach it.
    pub address: Address,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// What one Metadata answer said.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller as clients see it (with KRaft a random broker), -1 if unknown.
    pub controller: i32,
    /// Brokers by node id.
    pub brokers: HashMap<i32, BrokerInfo>,
    /// The topics asked for, by name: what is known of them or the error of each.
    pub topics: HashMap<Arc<str>, Result<Arc<TopicInfo>, ErrorCode>>,
}
