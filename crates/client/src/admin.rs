//! The small admin: create, delete and describe, as thin typed calls. Errors of single resources are in the answer.

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
        let _ = (topics, validate_only, &self.client);
        Err(AdminError::Unsupported { call: "createTopics" })
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, topics: &[String]) -> Result<Vec<Outcome<String>>, AdminError> {
        let _ = topics;
        Err(AdminError::Unsupported { call: "deleteTopics" })
    }

    /// The configs of one topic.
    pub async fn describe_topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, AdminError> {
        let _ = topic;
        Err(AdminError::Unsupported { call: "describeConfigs" })
    }

    /// Deletes all records below the given offsets (-1: below the high watermark); the new log start offset or the error of each.
    pub async fn delete_records(
        &self,
        below: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Result<i64, ErrorCode>)>, AdminError> {
        let _ = below;
        Err(AdminError::Unsupported { call: "deleteRecords" })
    }

    /// The groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, AdminError> {
        Err(AdminError::Unsupported { call: "listGroups" })
    }
}
