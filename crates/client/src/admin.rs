//! The small admin: create, delete and describe, as thin typed calls. Errors of single resources are in the answer.

mod calls;

use andiron_protocol::error::ErrorCode;

use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::error::AdminError;

/// A topic to be created.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas; `None` for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Topic configs by Kafka's names.
    pub configs: Vec<(String, String)>,
}

/// What became of one resource of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The resource: a topic's name, a group's id, a partition.
    pub resource: T,
    /// Kafka's code with the broker's own words, if it went wrong.
    pub result: Result<(), (ErrorCode, String)>,
}

/// One config of a described resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value in effect; `None` if sensitive or unset.
    pub value: Option<String>,
    /// Kafka's number of where the value comes from (5 = default).
    pub source: i8,
    /// Whether it cannot be altered.
    pub read_only: bool,
    /// Whether its value is hidden.
    pub sensitive: bool,
}

/// A group as ListGroups tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's id.
    pub group: String,
    /// `consumer` for classic consumer groups.
    pub protocol: String,
    /// The state's name, empty from an old broker.
    pub state: String,
    /// `classic`, `consumer`, `share`; empty from an old broker.
    pub group_type: String,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id the coordinator gave it.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The leader's assignment for it, in the group protocol's own bytes.
    pub assignment: bytes::Bytes,
}

/// A classic group as DescribeGroups tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group's id.
    pub group: String,
    /// The state's name; `Dead` if there is no such group.
    pub state: String,
    /// `consumer` for consumer groups.
    pub protocol_type: String,
    /// The assignor that was agreed on.
    pub protocol: String,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// Kafka's code for a resource with the broker's own words.
pub type Refusal = (ErrorCode, String);

/// Administrative calls over a client's connections.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(crate) client: Client,
}

impl Admin {
    /// Creates topics; with `validate_only` nothing is created but everything is checked.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Vec<Outcome<String>>, AdminError> {
        calls::create_topics(&self.client, topics, validate_only).await
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, topics: &[String]) -> Result<Vec<Outcome<String>>, AdminError> {
        calls::delete_topics(&self.client, topics).await
    }

    /// The configs of one topic.
    pub async fn describe_topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, AdminError> {
        const TOPIC: i8 = 2;
        calls::describe_configs(&self.client, TOPIC, topic).await
    }

    /// The configs of one broker, by its node id.
    pub async fn describe_broker_configs(&self, node: i32) -> Result<Vec<ConfigEntry>, AdminError> {
        const BROKER: i8 = 4;
        calls::describe_configs(&self.client, BROKER, &node.to_string()).await
    }

    /// Deletes all records below the given offsets (-1: below the high watermark); the new log start offset or the error of
    /// each, in the order asked.
    pub async fn delete_records(
        &self,
        below: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Result<i64, ErrorCode>)>, AdminError> {
        calls::delete_records(&self.client, below).await
    }

    /// The groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, AdminError> {
        calls::list_groups(&self.client).await
    }

    /// Classic groups with their members, each asked of its coordinator.
    pub async fn describe_groups(
        &self,
        groups: &[String],
    ) -> Result<Vec<Result<GroupDescription, Refusal>>, AdminError> {
        calls::describe_groups(&self.client, groups).await
    }
}
