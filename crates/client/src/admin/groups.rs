//! Groups: listed, described, deleted, and their committed offsets read, written and deleted.

use std::collections::HashMap;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::consumer_group_describe_response::{Assignment, DescribedGroup as ConsumerGroup};
use andiron_protocol::messages::describe_groups_response::DescribedGroup as ClassicGroup;
use andiron_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use andiron_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use andiron_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use andiron_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, TopicName,
};

use super::ask::{Coordinates, ask_node, ask_node_up_to, refuse, text, words};
use super::{Admin, Refusal};
use crate::cluster::{BrokerInfo, TopicPartition};
use crate::error::AdminError;
use crate::wire::error_code;

/// From this version on OffsetFetch takes many groups.
const OFFSET_FETCH_GROUPS_VERSION: i16 = 8;
/// The newest OffsetFetch and OffsetCommit that name topics rather than giving their ids.
const OFFSETS_BY_NAME_VERSION_MAX: i16 = 9;
/// From this version on ListGroups filters by state, and from the next by type.
const LIST_GROUPS_STATES_VERSION: i16 = 4;
const LIST_GROUPS_TYPES_VERSION: i16 = 5;

/// A group as ListGroups tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// The group's id.
    pub group: String,
    /// `consumer` for consumer groups; empty for one that only commits offsets.
    pub protocol: String,
    /// The state's name, empty from an old broker.
    pub state: String,
    /// `classic`, `consumer`, `share`; empty from an old broker.
    pub group_type: String,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The id that the coordinator gave it, or that it gave itself.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The partitions it has.
    pub assignment: Vec<TopicPartition>,
    /// The partitions it is to have; `None` in a classic group.
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// How far it has come; `None` in a classic group.
    pub epoch: Option<i32>,
    /// Whether it speaks the consumer protocol (KIP-848); `None` where the broker does not say.
    pub upgraded: Option<bool>,
}

/// A group as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group's id.
    pub group: String,
    /// The state's name; `Dead` if there is no such group.
    pub state: String,
    /// `consumer` for consumer groups; empty for one that only commits offsets.
    pub protocol_type: String,
    /// The assignor that was agreed on.
    pub assignor: String,
    /// Its coordinator.
    pub coordinator: BrokerInfo,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// The epoch of a KIP-848 group.
    pub epoch: Option<i32>,
    /// The epoch of the target assignment of a KIP-848 group.
    pub target_assignment_epoch: Option<i32>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to be read.
    pub offset: i64,
    /// The leader epoch of the last record read, if the committer knew it.
    pub leader_epoch: Option<i32>,
    /// The committer's own words.
    pub metadata: String,
}

impl Admin {
    /// The groups of all brokers, of the given states and types where any are given.
    pub async fn list_groups(&self, states: &[String], types: &[String]) -> Result<Vec<GroupListing>, AdminError> {
        let mut groups: Vec<GroupListing> = Vec::new();
        for broker in self.brokers("findAllBrokers").await? {
            let asked = ask_node(&self.client, "listGroups", &broker.address, |version| {
                let texts = |all: &[String]| all.iter().map(|each| text(each)).collect();
                let mut request = ListGroupsRequest::default();
                if version >= LIST_GROUPS_STATES_VERSION {
                    request = request.with_states_filter(texts(states));
                }
                if version >= LIST_GROUPS_TYPES_VERSION {
                    request = request.with_types_filter(texts(types));
                }
                request
            });
            let answer = asked.await?;
            refuse(answer.error_code, None)?;
            groups.extend(answer.groups.into_iter().map(|group| GroupListing {
                group: group.group_id.to_string(),
                protocol: group.protocol_type.to_string(),
                state: group.group_state.to_string(),
                group_type: group.group_type.to_string(),
            }));
        }
        let wanted = |filter: &[String], value: &str| {
            filter.is_empty() || filter.iter().any(|each| each.eq_ignore_ascii_case(value))
        };
        groups.retain(|group| wanted(states, &group.state) && wanted(types, &group.group_type));
        Ok(groups)
    }

    /// Groups with their members, each asked of its coordinator, whichever protocol they speak.
    pub async fn describe_groups(
        &self,
        groups: &[String],
    ) -> Result<Vec<Result<GroupDescription, Refusal>>, AdminError> {
        let mut described = Vec::with_capacity(groups.len());
        for group in groups {
            described
                .push(self.at_coordinator(Coordinates::Group, group, |node| self.describe_group(group, node)).await?);
        }
        Ok(described)
    }

    async fn describe_group(
        &self,
        group: &str,
        node: BrokerInfo,
    ) -> Result<Result<GroupDescription, Refusal>, AdminError> {
        let missing = || AdminError::Protocol(format!("a DescribeGroups answer without {group}"));
        let call = "describeConsumerGroups";
        let asked = ask_node(&self.client, call, &node.address, |_| {
            ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text(group))])
        });
        match asked.await {
            Ok(answer) => {
                let found = answer.groups.into_iter().next().ok_or_else(missing)?;
                match error_code(found.error_code) {
                    ErrorCode::None => return Ok(Ok(of_consumer_group(found, node))),
                    // It is a classic one, or none.
                    ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion => {}
                    code => return Ok(Err((code, words(found.error_message)))),
                }
            }
            Err(AdminError::Unsupported { .. }) => {}
            Err(error) => return Err(error),
        }
        let request = |_| DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let answer = ask_node(&self.client, call, &node.address, request).await?;
        let found = answer.groups.into_iter().next().ok_or_else(missing)?;
        match error_code(found.error_code) {
            ErrorCode::None => Ok(Ok(of_classic_group(found, node))),
            code => Ok(Err((code, words(found.error_message)))),
        }
    }

    /// All offsets that a group has committed.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<Result<HashMap<TopicPartition, CommittedOffset>, Refusal>, AdminError> {
        self.at_coordinator(Coordinates::Group, group, |node| async move {
            let answer =
                ask_node_up_to(&self.client, "offsetFetch", OFFSETS_BY_NAME_VERSION_MAX, &node.address, |version| {
                    if version >= OFFSET_FETCH_GROUPS_VERSION {
                        let group =
                            OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
                        OffsetFetchRequest::default().with_groups(vec![group])
                    } else {
                        OffsetFetchRequest::default().with_group_id(GroupId(text(group))).with_topics(None)
                    }
                });
            let answer = answer.await?;
            let mut offsets = HashMap::new();
            let mut keep = |topic: &str, partition, offset: i64, epoch: i32, metadata: Option<StrBytes>| {
                if offset >= 0 {
                    let leader_epoch = (epoch >= 0).then_some(epoch);
                    let committed = CommittedOffset { offset, leader_epoch, metadata: words(metadata) };
                    offsets.insert(TopicPartition::new(topic, partition), committed);
                }
            };
            let mut code = answer.error_code;
            for group in answer.groups {
                code = group.error_code;
                for topic in group.topics {
                    for p in topic.partitions {
                        let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                        keep(&topic.name, p.partition_index, offset, epoch, p.metadata);
                    }
                }
            }
            for topic in answer.topics {
                for p in topic.partitions {
                    keep(&topic.name, p.partition_index, p.committed_offset, p.committed_leader_epoch, p.metadata);
                }
            }
            let code = error_code(code);
            Ok(if code.is_none() { Ok(offsets) } else { Err((code, String::new())) })
        })
        .await
    }

    /// Commits offsets for a group without members; each partition's outcome.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<Result<Vec<(TopicPartition, ErrorCode)>, Refusal>, AdminError> {
        let topics = by_topic(offsets.iter().map(|(partition, offset)| (partition, *offset)));
        let topics: Vec<OffsetCommitRequestTopic> = topics
            .into_iter()
            .map(|(topic, partitions)| {
                let partition = |(index, offset)| {
                    OffsetCommitRequestPartition::default()
                        .with_partition_index(index)
                        .with_committed_offset(offset)
                        .with_committed_leader_epoch(-1)
                        .with_committed_metadata(Some(text("")))
                };
                let partitions = partitions.into_iter().map(partition).collect();
                OffsetCommitRequestTopic::default().with_name(TopicName(text(&topic))).with_partitions(partitions)
            })
            .collect();
        self.at_coordinator(Coordinates::Group, group, |node| {
            let topics = topics.clone();
            async move {
                let answer =
                    ask_node_up_to(&self.client, "offsetCommit", OFFSETS_BY_NAME_VERSION_MAX, &node.address, |_| {
                        OffsetCommitRequest::default()
                            .with_group_id(GroupId(text(group)))
                            .with_generation_id_or_member_epoch(-1)
                            .with_topics(topics.clone())
                    });
                let mut outcomes = Vec::new();
                for topic in answer.await?.topics {
                    for p in topic.partitions {
                        let partition = TopicPartition::new(topic.name.as_str(), p.partition_index);
                        outcomes.push((partition, error_code(p.error_code)));
                    }
                }
                // The coordinator's own troubles are told of every partition alike.
                match outcomes.first() {
                    Some((_, code)) if code.is_retriable() => Ok(Err((*code, String::new()))),
                    _ => Ok(Ok(outcomes)),
                }
            }
        })
        .await
    }

    /// Deletes a group that has no members.
    pub async fn delete_group(&self, group: &str) -> Result<Result<(), Refusal>, AdminError> {
        self.at_coordinator(Coordinates::Group, group, |node| async move {
            let request = |_| DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
            let answer = ask_node(&self.client, "deleteConsumerGroups", &node.address, request).await?;
            let code = answer.results.first().map_or(ErrorCode::UnknownServerError, |r| error_code(r.error_code));
            Ok(if code.is_none() { Ok(()) } else { Err((code, String::new())) })
        })
        .await
    }

    /// Deletes a group's offsets of some partitions; each partition's outcome.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Result<Vec<(TopicPartition, ErrorCode)>, Refusal>, AdminError> {
        let topics: Vec<OffsetDeleteRequestTopic> = by_topic(partitions.iter().map(|partition| (partition, ())))
            .into_iter()
            .map(|(topic, partitions)| {
                let partition = |(index, ())| OffsetDeleteRequestPartition::default().with_partition_index(index);
                let partitions = partitions.into_iter().map(partition).collect();
                OffsetDeleteRequestTopic::default().with_name(TopicName(text(&topic))).with_partitions(partitions)
            })
            .collect();
        self.at_coordinator(Coordinates::Group, group, |node| {
            let topics = topics.clone();
            async move {
                let request =
                    |_| OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(topics.clone());
                let answer = ask_node(&self.client, "offsetDelete", &node.address, request).await?;
                let code = error_code(answer.error_code);
                if !code.is_none() {
                    return Ok(Err((code, String::new())));
                }
                let mut outcomes = Vec::new();
                for topic in answer.topics {
                    for p in topic.partitions {
                        let partition = TopicPartition::new(topic.name.as_str(), p.partition_index);
                        outcomes.push((partition, error_code(p.error_code)));
                    }
                }
                Ok(Ok(outcomes))
            }
        })
        .await
    }
}

type ByTopic<T> = Vec<(String, Vec<(i32, T)>)>;

fn by_topic<'a, T>(partitions: impl Iterator<Item = (&'a TopicPartition, T)>) -> ByTopic<T> {
    let mut topics: ByTopic<T> = Vec::new();
    for (partition, with) in partitions {
        match topics.iter_mut().find(|(topic, _)| **topic == *partition.topic) {
            Some((_, partitions)) => partitions.push((partition.partition, with)),
            None => topics.push((partition.topic.to_string(), vec![(partition.partition, with)])),
        }
    }
    topics
}

fn of_consumer_group(group: ConsumerGroup, coordinator: BrokerInfo) -> GroupDescription {
    let partitions = |assignment: &Assignment| {
        let of_topic = |topic: &andiron_protocol::messages::consumer_group_describe_response::TopicPartitions| {
            let name: std::sync::Arc<str> = topic.topic_name.as_str().into();
            topic.partitions.iter().map(move |p| TopicPartition::new(name.clone(), *p)).collect::<Vec<_>>()
        };
        assignment.topic_partitions.iter().flat_map(of_topic).collect::<Vec<TopicPartition>>()
    };
    let members = group.members.iter().map(|member| GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.instance_id.as_ref().map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment: partitions(&member.assignment),
        target_assignment: Some(partitions(&member.target_assignment)),
        epoch: Some(member.member_epoch),
        upgraded: match member.member_type {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    });
    GroupDescription {
        group: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.to_string(),
        coordinator,
        members: members.collect(),
        epoch: Some(group.group_epoch),
        target_assignment_epoch: Some(group.assignment_epoch),
    }
}

fn of_classic_group(group: ClassicGroup, coordinator: BrokerInfo) -> GroupDescription {
    let members = group.members.iter().map(|member| GroupMember {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        assignment: classic_assignment(&member.member_assignment),
        target_assignment: None,
        epoch: None,
        upgraded: None,
    });
    GroupDescription {
        group: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        assignor: group.protocol_data.to_string(),
        coordinator,
        members: members.collect(),
        epoch: None,
        target_assignment_epoch: None,
    }
}

/// The partitions in an assignment of the classic consumer protocol; none in bytes that are no such assignment, which a
/// member of another protocol may have.
fn classic_assignment(bytes: &[u8]) -> Vec<TopicPartition> {
    crate::consumer::protocol::read_assignment(bytes).unwrap_or_default()
}
