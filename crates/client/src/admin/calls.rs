//! The requests behind [`super::Admin`]: built, sent to whoever can answer, and taken apart.

use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::{Request, StrBytes};
use andiron_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use andiron_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use andiron_protocol::messages::delete_topics_request::DeleteTopicState;
use andiron_protocol::messages::describe_configs_request::DescribeConfigsResource;
use andiron_protocol::messages::describe_groups_response::DescribedGroup;
use andiron_protocol::messages::{
    CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, ListGroupsRequest, TopicName,
};
use tokio::time::Instant;

use super::{ConfigEntry, GroupDescription, GroupListing, GroupMember, NewTopic, Outcome, Refusal};
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::error::{AdminError, Determinacy};
use crate::pool::Purpose;
use crate::transport::Address;
use crate::wire::{CallError, error_code};

/// From this version on DeleteTopics names topics in a list that may also hold ids.
const DELETE_TOPICS_STATES_VERSION: i16 = 6;
/// From this version on FindCoordinator takes many keys.
const FIND_COORDINATOR_KEYS_VERSION: i16 = 4;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn words(message: Option<StrBytes>) -> String {
    message.map(|message| message.to_string()).unwrap_or_default()
}

fn outcome(resource: String, code: i16, message: Option<StrBytes>) -> Outcome<String> {
    let code = error_code(code);
    Outcome { resource, result: if code.is_none() { Ok(()) } else { Err((code, words(message))) } }
}

/// Asks whichever broker answers. A call that `changes` something is repeated only while it surely was not carried out.
async fn ask_any<R: Request>(
    client: &Client,
    call: &'static str,
    changes: bool,
    request: impl Fn(i16) -> R,
) -> Result<R::Response, AdminError> {
    let deadline = client.deadline();
    let patience = Duration::from_millis(u64::from(client.config().request_timeout_ms.unsigned_abs()));
    let mut failures = 0;
    loop {
        let mut last = None;
        for address in client.metadata().addresses() {
            match ask::<R>(client, &address, patience, &request).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::Unsupported(_)) => return Err(AdminError::Unsupported { call }),
                Err(CallError::Protocol(what)) => return Err(AdminError::Protocol(what)),
                Err(CallError::Transport(error)) => {
                    if changes && error.may_have_been_sent() {
                        let determinacy = Determinacy::MayHaveHappened;
                        return Err(AdminError::TimedOut { call, last: error.to_string(), determinacy });
                    }
                    last = Some(error.to_string());
                }
            }
        }
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            let last = last.unwrap_or_else(|| "no address to ask".to_owned());
            return Err(AdminError::TimedOut { call, last, determinacy: Determinacy::DidNotHappen });
        }
        tokio::time::sleep(wait).await;
    }
}

async fn ask<R: Request>(
    client: &Client,
    address: &Address,
    patience: Duration,
    request: &impl Fn(i16) -> R,
) -> Result<R::Response, CallError> {
    let connection = client.pool().shared(address, Purpose::Ask).await?;
    let version = connection.version::<R>()?;
    connection.call_patiently(version, &request(version), patience).await
}

pub(super) async fn create_topics(
    client: &Client,
    topics: &[NewTopic],
    validate_only: bool,
) -> Result<Vec<Outcome<String>>, AdminError> {
    let creatable = |topic: &NewTopic| {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        CreatableTopic::default()
            .with_name(TopicName(text(&topic.name)))
            .with_num_partitions(topic.partitions.unwrap_or(-1))
            .with_replication_factor(topic.replication_factor.unwrap_or(-1))
            .with_configs(topic.configs.iter().map(config).collect())
    };
    let answer = ask_any(client, "createTopics", !validate_only, |_| {
        CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(client.config().request_timeout_ms)
            .with_validate_only(validate_only)
    })
    .await?;
    let each = answer.topics.into_iter();
    Ok(each.map(|topic| outcome(topic.name.to_string(), topic.error_code, topic.error_message)).collect())
}

pub(super) async fn delete_topics(client: &Client, topics: &[String]) -> Result<Vec<Outcome<String>>, AdminError> {
    let answer = ask_any(client, "deleteTopics", true, |version| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(client.config().request_timeout_ms);
        let names = topics.iter().map(|name| TopicName(text(name)));
        if version >= DELETE_TOPICS_STATES_VERSION {
            request.with_topics(names.map(|name| DeleteTopicState::default().with_name(Some(name))).collect())
        } else {
            request.with_topic_names(names.collect())
        }
    })
    .await?;
    topics.iter().for_each(|topic| client.metadata().invalidate(topic));
    let name = |name: Option<TopicName>| name.map(|name| name.to_string()).unwrap_or_default();
    let each = answer.responses.into_iter();
    Ok(each.map(|topic| outcome(name(topic.name), topic.error_code, topic.error_message)).collect())
}

pub(super) async fn describe_configs(
    client: &Client,
    resource_type: i8,
    resource_name: &str,
) -> Result<Vec<ConfigEntry>, AdminError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(resource_name))
        .with_configuration_keys(None);
    let request = |_| DescribeConfigsRequest::default().with_resources(vec![resource.clone()]);
    let answer = ask_any(client, "describeConfigs", false, request).await?;
    let missing = || AdminError::Protocol(format!("a DescribeConfigs answer without {resource_name}"));
    let described = answer.results.into_iter().next().ok_or_else(missing)?;
    let code = error_code(described.error_code);
    if !code.is_none() {
        let detail = format!(": {}", words(described.error_message));
        return Err(AdminError::Refused { code, detail });
    }
    let entry =
        |config: andiron_protocol::messages::describe_configs_response::DescribeConfigsResourceResult| ConfigEntry {
            name: config.name.to_string(),
            value: config.value.map(|value| value.to_string()),
            source: config.config_source,
            read_only: config.read_only,
            sensitive: config.is_sensitive,
        };
    Ok(described.configs.into_iter().map(entry).collect())
}

pub(super) async fn delete_records(
    client: &Client,
    below: &[(TopicPartition, i64)],
) -> Result<Vec<(TopicPartition, Result<i64, ErrorCode>)>, AdminError> {
    let mut outcomes = Vec::with_capacity(below.len());
    // One at a time: deletions are rare, and each goes to its own leader.
    for (partition, offset) in below {
        outcomes.push((partition.clone(), delete_records_of(client, partition, *offset).await?));
    }
    Ok(outcomes)
}

/// Deleting what is deleted changes nothing, so this may be repeated whatever became of an attempt.
async fn delete_records_of(
    client: &Client,
    partition: &TopicPartition,
    offset: i64,
) -> Result<Result<i64, ErrorCode>, AdminError> {
    let deadline = client.deadline();
    let patience = Duration::from_millis(u64::from(client.config().request_timeout_ms.unsigned_abs()));
    let mut failures = 0;
    loop {
        let of_partition =
            DeleteRecordsPartition::default().with_partition_index(partition.partition).with_offset(offset);
        let of_topic = DeleteRecordsTopic::default()
            .with_name(TopicName(text(&partition.topic)))
            .with_partitions(vec![of_partition]);
        let request = |_| {
            DeleteRecordsRequest::default()
                .with_topics(vec![of_topic.clone()])
                .with_timeout_ms(client.config().request_timeout_ms)
        };
        let last = match client.leader(partition).await? {
            None => "no leader".to_owned(),
            Some(leader) => match ask::<DeleteRecordsRequest>(client, &leader.address, patience, &request).await {
                Err(CallError::Unsupported(_)) => return Err(AdminError::Unsupported { call: "deleteRecords" }),
                Err(error) => error.to_string(),
                Ok(answer) => {
                    let part = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
                    match part.map(|part| (error_code(part.error_code), part.low_watermark)) {
                        Some((ErrorCode::None, low_watermark)) => return Ok(Ok(low_watermark)),
                        Some((code, _)) if !code.is_retriable() => return Ok(Err(code)),
                        Some((code, _)) => code.to_string(),
                        None => return Err(AdminError::Protocol("an empty DeleteRecords answer".to_owned())),
                    }
                }
            },
        };
        client.metadata().invalidate(&partition.topic);
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            let determinacy = Determinacy::MayHaveHappened;
            return Err(AdminError::TimedOut { call: "deleteRecords", last, determinacy });
        }
        tokio::time::sleep(wait).await;
    }
}

pub(super) async fn list_groups(client: &Client) -> Result<Vec<GroupListing>, AdminError> {
    let patience = Duration::ZERO;
    let mut groups: Vec<GroupListing> = Vec::new();
    for broker in client.brokers().await? {
        let asked = ask(client, &broker.address, patience, &|_| ListGroupsRequest::default()).await;
        let answer = asked.map_err(|error| match error {
            CallError::Unsupported(_) => AdminError::Unsupported { call: "listGroups" },
            error => AdminError::TimedOut {
                call: "listGroups",
                last: error.to_string(),
                determinacy: Determinacy::DidNotHappen,
            },
        })?;
        let code = error_code(answer.error_code);
        if !code.is_none() {
            return Err(AdminError::Refused { code, detail: format!(" from node {}", broker.id) });
        }
        groups.extend(answer.groups.into_iter().map(|group| GroupListing {
            group: group.group_id.to_string(),
            protocol: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            group_type: group.group_type.to_string(),
        }));
    }
    Ok(groups)
}

pub(super) async fn describe_groups(
    client: &Client,
    groups: &[String],
) -> Result<Vec<Result<GroupDescription, Refusal>>, AdminError> {
    let mut described = Vec::with_capacity(groups.len());
    for group in groups {
        described.push(match coordinator(client, group).await? {
            Err(refusal) => Err(refusal),
            Ok(address) => {
                let request = |_: i16| DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
                let asked = ask::<DescribeGroupsRequest>(client, &address, Duration::ZERO, &request).await;
                let answer = asked.map_err(|error| AdminError::TimedOut {
                    call: "describeGroups",
                    last: error.to_string(),
                    determinacy: Determinacy::DidNotHappen,
                })?;
                let missing = || AdminError::Protocol(format!("a DescribeGroups answer without {group}"));
                description(answer.groups.into_iter().next().ok_or_else(missing)?)
            }
        });
    }
    Ok(described)
}

fn description(group: DescribedGroup) -> Result<GroupDescription, Refusal> {
    let code = error_code(group.error_code);
    if !code.is_none() {
        return Err((code, words(group.error_message)));
    }
    Ok(GroupDescription {
        group: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: group
            .members
            .into_iter()
            .map(|member| GroupMember {
                member_id: member.member_id.to_string(),
                instance_id: member.group_instance_id.map(|id| id.to_string()),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                assignment: member.member_assignment,
            })
            .collect(),
    })
}

/// Who coordinates a group. Asked again while the coordinator's own topic is being made.
async fn coordinator(client: &Client, group: &str) -> Result<Result<Address, Refusal>, AdminError> {
    let deadline = client.deadline();
    let mut failures = 0;
    loop {
        let answer = ask_any(client, "findCoordinator", false, |version| {
            let request = FindCoordinatorRequest::default().with_key_type(0);
            if version >= FIND_COORDINATOR_KEYS_VERSION {
                request.with_coordinator_keys(vec![text(group)])
            } else {
                request.with_key(text(group))
            }
        })
        .await?;
        let (code, message, host, port) = match answer.coordinators.into_iter().next() {
            Some(found) => (found.error_code, found.error_message, found.host, found.port),
            None => (answer.error_code, answer.error_message, answer.host, answer.port),
        };
        match error_code(code) {
            ErrorCode::None => {
                let port = u16::try_from(port).unwrap_or(0);
                return Ok(Ok(Address { host: host.to_string(), port }));
            }
            code if !code.is_retriable() => return Ok(Err((code, words(message)))),
            code => {
                failures += 1;
                let wait = client.metadata().backoff().after(failures);
                if Instant::now() + wait >= deadline {
                    return Ok(Err((code, words(message))));
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}
