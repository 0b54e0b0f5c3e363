//! Topics: made, grown, deleted, listed and described.

use std::collections::HashMap;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use andiron_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use andiron_protocol::messages::delete_topics_request::DeleteTopicState;
use andiron_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use andiron_protocol::messages::describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition;
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::metadata_response::MetadataResponseTopic;
use andiron_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeTopicPartitionsRequest,
    MetadataRequest, TopicName,
};
use uuid::Uuid;

use super::ask::{ask_any, refuse, text, words};
use super::{Admin, Outcome, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// From this version on DeleteTopics names topics in a list that may also hold ids.
const DELETE_TOPICS_STATES_VERSION: i16 = 6;

/// A topic to be created.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// How many partitions; `None` for the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas; `None` for the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// The brokers of each partition by its number, the preferred leader first; empty if the cluster is to choose.
    pub assignments: Vec<Vec<i32>>,
    /// Topic configs by Kafka's names.
    pub configs: Vec<(String, String)>,
}

/// How far a topic is to grow.
#[derive(Debug, Clone)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// How many partitions it is to have.
    pub count: i32,
    /// The brokers of each new partition; `None` if the cluster is to choose.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// A topic in a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// The name.
    pub name: String,
    /// Kafka's id of it; nil from a broker too old to have ids.
    pub id: Uuid,
    /// Whether Kafka calls it internal.
    pub internal: bool,
}

/// A topic with all that its cluster says of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// The name.
    pub name: String,
    /// Kafka's id of it; nil from a broker too old to have ids.
    pub id: Uuid,
    /// Whether Kafka calls it internal.
    pub internal: bool,
    /// Its partitions, sorted by number.
    pub partitions: Vec<PartitionDescription>,
}

/// One partition of a described topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The number, from 0.
    pub partition: i32,
    /// The node that leads, if one does.
    pub leader: Option<i32>,
    /// All replicas, the preferred one first.
    pub replicas: Vec<i32>,
    /// The replicas in sync.
    pub isr: Vec<i32>,
    /// KIP-966: who may lead though not in sync; `None` from a broker that does not say.
    pub elr: Option<Vec<i32>>,
    /// KIP-966: who was known to be eligible last.
    pub last_known_elr: Option<Vec<i32>>,
}

fn ids(nodes: &[BrokerId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

fn brokers(nodes: &[i32]) -> Vec<BrokerId> {
    nodes.iter().map(|node| BrokerId(*node)).collect()
}

fn outcome(resource: String, code: i16, message: Option<StrBytes>) -> Outcome<String> {
    let code = error_code(code);
    Outcome { resource, result: if code.is_none() { Ok(()) } else { Err((code, words(message))) } }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let config = |(name, value): &(String, String)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    let assignment = |(nodes, partition): (&Vec<i32>, i32)| {
        CreatableReplicaAssignment::default().with_partition_index(partition).with_broker_ids(brokers(nodes))
    };
    CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_assignments(topic.assignments.iter().zip(0..).map(assignment).collect())
        .with_configs(topic.configs.iter().map(config).collect())
}

impl Admin {
    /// Creates topics; with `validate_only` nothing is created but everything is checked.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Vec<Outcome<String>>, AdminError> {
        let answer = ask_any(&self.client, "createTopics", !validate_only, |_| {
            CreateTopicsRequest::default()
                .with_topics(topics.iter().map(creatable).collect())
                .with_timeout_ms(self.client.config().request_timeout_ms)
                .with_validate_only(validate_only)
        })
        .await?;
        let each = answer.topics.into_iter();
        Ok(each.map(|topic| outcome(topic.name.to_string(), topic.error_code, topic.error_message)).collect())
    }

    /// Deletes topics by name.
    pub async fn delete_topics(&self, topics: &[String]) -> Result<Vec<Outcome<String>>, AdminError> {
        let answer = ask_any(&self.client, "deleteTopics", true, |version| {
            let request = DeleteTopicsRequest::default().with_timeout_ms(self.client.config().request_timeout_ms);
            let names = topics.iter().map(|name| TopicName(text(name)));
            if version >= DELETE_TOPICS_STATES_VERSION {
                request.with_topics(names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect())
            } else {
                request.with_topic_names(names.collect())
            }
        })
        .await?;
        topics.iter().for_each(|topic| self.client.metadata().invalidate(topic));
        let name = |name: Option<TopicName>| name.map(|name| name.to_string()).unwrap_or_default();
        let each = answer.responses.into_iter();
        Ok(each.map(|topic| outcome(name(topic.name), topic.error_code, topic.error_message)).collect())
    }

    /// Gives topics more partitions.
    pub async fn create_partitions(&self, topics: &[NewPartitions]) -> Result<Vec<Outcome<String>>, AdminError> {
        let topic = |new: &NewPartitions| {
            let assigned = |nodes: &Vec<i32>| CreatePartitionsAssignment::default().with_broker_ids(brokers(nodes));
            CreatePartitionsTopic::default()
                .with_name(TopicName(text(&new.topic)))
                .with_count(new.count)
                .with_assignments(new.assignments.as_ref().map(|each| each.iter().map(assigned).collect()))
        };
        let answer = ask_any(&self.client, "createPartitions", true, |_| {
            CreatePartitionsRequest::default()
                .with_topics(topics.iter().map(topic).collect())
                .with_timeout_ms(self.client.config().request_timeout_ms)
        })
        .await?;
        let each = answer.results.into_iter();
        Ok(each.map(|topic| outcome(topic.name.to_string(), topic.error_code, topic.error_message)).collect())
    }

    /// Every topic that the cluster shows, sorted by name.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, AdminError> {
        let request = |_| MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let answer = ask_any(&self.client, "listTopics", false, request).await?;
        let listing = |topic: MetadataResponseTopic| {
            let name = topic.name?.to_string();
            Some(TopicListing { name, id: topic.topic_id, internal: topic.is_internal })
        };
        let mut topics: Vec<TopicListing> = answer.topics.into_iter().filter_map(listing).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Topics by name, in the order asked, each with its partitions or the reason why not. Of KIP-966's replicas only a broker that
    /// answers DescribeTopicPartitions says anything; it is asked for at most `partitions_per_answer` at once.
    pub async fn describe_topics(
        &self,
        names: &[String],
        partitions_per_answer: i32,
    ) -> Result<Vec<(String, Result<TopicDescription, Refusal>)>, AdminError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = match self.described_with_elr(names, partitions_per_answer).await {
            Err(AdminError::Unsupported { .. }) => self.described_by_metadata(names).await?,
            found => found?,
        };
        let missing = || Err((ErrorCode::UnknownTopicOrPartition, String::new()));
        Ok(names.iter().map(|name| (name.clone(), found.remove(name).unwrap_or_else(missing))).collect())
    }

    async fn described_with_elr(
        &self,
        names: &[String],
        partitions_per_answer: i32,
    ) -> Result<HashMap<String, Result<TopicDescription, Refusal>>, AdminError> {
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        let mut found: HashMap<String, Result<TopicDescription, Refusal>> = HashMap::new();
        let mut next: Option<(TopicName, i32)> = None;
        loop {
            let from = next.as_ref().map(|(topic, _)| topic.0.to_string()).unwrap_or_default();
            let answer = ask_any(&self.client, "describeTopicPartitions", false, |_| {
                let topic = |name: &&String| TopicRequest::default().with_name(TopicName(text(name)));
                let cursor = |(topic, partition): &(TopicName, i32)| {
                    Cursor::default().with_topic_name(topic.clone()).with_partition_index(*partition)
                };
                DescribeTopicPartitionsRequest::default()
                    .with_topics(sorted.iter().filter(|name| name.as_str() >= from.as_str()).map(topic).collect())
                    .with_response_partition_limit(partitions_per_answer)
                    .with_cursor(next.as_ref().map(cursor))
            })
            .await?;
            for topic in answer.topics {
                let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
                let code = error_code(topic.error_code);
                if !code.is_none() {
                    found.insert(name, Err((code, String::new())));
                    continue;
                }
                let partitions = topic.partitions.iter().map(with_elr);
                match found.get_mut(&name) {
                    Some(Ok(known)) => known.partitions.extend(partitions),
                    _ => {
                        let (id, internal) = (topic.topic_id, topic.is_internal);
                        let partitions = partitions.collect();
                        found.insert(name.clone(), Ok(TopicDescription { name, id, internal, partitions }));
                    }
                }
            }
            let cursor = answer.next_cursor.map(|cursor| (cursor.topic_name, cursor.partition_index));
            // A broker that points at the same place for ever would keep us for ever.
            if cursor.is_none() || cursor == next {
                break;
            }
            next = cursor;
        }
        found.values_mut().flatten().for_each(|topic| topic.partitions.sort_by_key(|p| p.partition));
        Ok(found)
    }

    async fn described_by_metadata(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Result<TopicDescription, Refusal>>, AdminError> {
        let topic = |name: &String| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
        let answer = ask_any(&self.client, "describeTopics", false, |_| {
            MetadataRequest::default()
                .with_topics(Some(names.iter().map(topic).collect()))
                .with_allow_auto_topic_creation(false)
        })
        .await?;
        let mut found = HashMap::new();
        for topic in answer.topics {
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            found.insert(name, by_metadata(topic));
        }
        Ok(found)
    }

    /// One topic by its id.
    pub async fn describe_topic_by_id(&self, id: Uuid) -> Result<Result<TopicDescription, Refusal>, AdminError> {
        let answer = ask_any(&self.client, "describeTopics", false, |_| {
            let topic = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false)
        })
        .await?;
        refuse(answer.error_code, None)?;
        let missing = || Err((ErrorCode::UnknownTopicId, String::new()));
        Ok(answer.topics.into_iter().next().map_or_else(missing, by_metadata))
    }
}

fn by_metadata(topic: MetadataResponseTopic) -> Result<TopicDescription, Refusal> {
    let code = error_code(topic.error_code);
    if !code.is_none() {
        return Err((code, String::new()));
    }
    let partition =
        |p: &andiron_protocol::messages::metadata_response::MetadataResponsePartition| PartitionDescription {
            partition: p.partition_index,
            leader: (p.leader_id.0 >= 0).then_some(p.leader_id.0),
            replicas: ids(&p.replica_nodes),
            isr: ids(&p.isr_nodes),
            elr: None,
            last_known_elr: None,
        };
    let mut partitions: Vec<PartitionDescription> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|p| p.partition);
    Ok(TopicDescription {
        name: topic.name.map(|name| name.to_string()).unwrap_or_default(),
        id: topic.topic_id,
        internal: topic.is_internal,
        partitions,
    })
}

fn with_elr(p: &DescribeTopicPartitionsResponsePartition) -> PartitionDescription {
    PartitionDescription {
        partition: p.partition_index,
        leader: (p.leader_id.0 >= 0).then_some(p.leader_id.0),
        replicas: ids(&p.replica_nodes),
        isr: ids(&p.isr_nodes),
        elr: p.eligible_leader_replicas.as_deref().map(ids),
        last_known_elr: p.last_known_elr.as_deref().map(ids),
    }
}
