//! Topics are created and deleted.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_topics_request::CreatableTopic;
use andiron_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use andiron_protocol::messages::delete_topics_response::DeletableTopicResult;
use andiron_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use andiron_protocol::{ErrorCode, Uuid};

use super::configs::check_topic_config;
use super::{Refusal, words};
use crate::config::{BrokerConfig, Effective};
use crate::image::{Image, NO_LEADER, Partition, Resource, ResourceKind};
use crate::limits::{PARTITIONS_PER_REQUEST_MAX, TOPIC_NAME_BYTES_MAX};
use crate::records::{ConfigRecord, PartitionRecord, Record, RemoveTopicRecord, TopicRecord};

/// Why a topic cannot have this name, in Kafka's words.
pub fn invalid_topic_name(name: &str) -> Option<String> {
    let reason = match name {
        "" => "the empty string is not allowed".into(),
        "." => "'.' is not allowed".into(),
        ".." => "'..' is not allowed".into(),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")
        }
        _ if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) => {
            format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
        }
        _ => return None,
    };
    Some(format!("Topic name is invalid: {reason}"))
}

pub(super) fn create(
    image: &Image,
    config: &BrokerConfig,
    request: &CreateTopicsRequest,
    ids: &[Uuid],
) -> (Vec<Record>, CreateTopicsResponse) {
    let mut records: Vec<Record> = Vec::new();
    let mut results = Vec::new();
    let mut count = BTreeMap::<&str, usize>::new();
    request.topics.iter().for_each(|topic| *count.entry(topic.name.as_str()).or_default() += 1);
    let mut told = BTreeSet::new();
    // The metrics of a.b and a_b would be the same, so only one of them may be. Those of this request count too.
    let mut colliding: BTreeMap<String, String> = BTreeMap::new();
    if request.topics.iter().any(|topic| topic.name.contains(['.', '_'])) {
        let names = image.topics().filter(|topic| topic.name.contains(['.', '_']));
        colliding.extend(names.map(|topic| (topic.name.replace('.', "_"), topic.name.to_string())));
    }
    let mut partitions = 0;
    for (topic, id) in request.topics.iter().zip(ids.iter().copied().map(Some).chain(std::iter::repeat(None))) {
        let name = topic.name.as_str();
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        let outcome = if count.get(name).is_some_and(|n| *n > 1) {
            if !told.insert(name) {
                continue;
            }
            Err((ErrorCode::InvalidRequest, Some("Duplicate topic name.".into())))
        } else {
            create_one(image, config, topic, id, partitions, &colliding)
        };
        results.push(match outcome {
            Ok(new) => {
                partitions += new.partitions;
                if name.contains(['.', '_']) {
                    colliding.insert(name.replace('.', "_"), name.into());
                }
                let id = if request.validate_only { Uuid::nil() } else { new.id };
                if !request.validate_only {
                    records.extend(new.records);
                }
                result
                    .with_topic_id(id)
                    .with_num_partitions(new.partitions as i32)
                    .with_replication_factor(new.replication_factor as i16)
                    .with_configs(Some(new.configs))
            }
            Err((code, message)) => result
                .with_error_code(code.code())
                .with_error_message(words(message))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(Some(Vec::new())),
        });
    }
    (records, CreateTopicsResponse::default().with_topics(results))
}

struct NewTopic {
    id: Uuid,
    partitions: usize,
    replication_factor: usize,
    configs: Vec<CreatableTopicConfigs>,
    records: Vec<Record>,
}

fn create_one(
    image: &Image,
    config: &BrokerConfig,
    request: &CreatableTopic,
    id: Option<Uuid>,
    before: usize,
    colliding: &BTreeMap<String, String>,
) -> Result<NewTopic, Refusal> {
    let name = request.name.as_str();
    let refuse = |code: ErrorCode, message: &str| Err((code, Some(message.to_string())));
    if let Some(message) = invalid_topic_name(name) {
        return Err((ErrorCode::InvalidTopicException, Some(message)));
    }
    if image.topic(name).is_some() {
        return Err((ErrorCode::TopicAlreadyExists, Some(format!("Topic '{name}' already exists."))));
    }
    if let Some(other) = colliding.get(&name.replace('.', "_")).filter(|_| name.contains(['.', '_'])) {
        let message = format!("Topic '{name}' collides with existing topic: {other}");
        return Err((ErrorCode::InvalidTopicException, Some(message)));
    }
    let id = id.ok_or((ErrorCode::UnknownServerError, None))?;
    let mut configs = BTreeMap::new();
    for config in &request.configs {
        let value = config.value.as_ref().map(ToString::to_string);
        configs.insert(config.name.to_string(), value);
    }
    let set = configs.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect();
    check_topic_config(&configs, &set)?;

    let placements = if request.assignments.is_empty() {
        match request.replication_factor {
            -1 | 1.. => {}
            _ => {
                return refuse(
                    ErrorCode::InvalidReplicationFactor,
                    "Replication factor must be larger than 0, or -1 to use the default value.",
                );
            }
        }
        match request.num_partitions {
            -1 | 1.. => {}
            _ => {
                return refuse(
                    ErrorCode::InvalidPartitions,
                    "Number of partitions was set to an invalid non-positive value.",
                );
            }
        }
        let or_default = |given: i64, key: &str| if given == -1 { config.long(key) } else { given };
        let factor = or_default(i64::from(request.replication_factor), "default.replication.factor");
        let count = or_default(i64::from(request.num_partitions), "num.partitions");
        let (factor, count) = (usize::try_from(factor).unwrap_or(1), usize::try_from(count).unwrap_or(1));
        check_count(before + count)?;
        place(image, 0, count, factor).map_err(|message| {
            let message = format!("Unable to replicate the partition {factor} time(s): {message}");
            (ErrorCode::InvalidReplicationFactor, Some(message))
        })?
    } else {
        if request.replication_factor != -1 {
            return refuse(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            );
        }
        if request.num_partitions != -1 {
            return refuse(
                ErrorCode::InvalidRequest,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            );
        }
        check_count(before + request.assignments.len())?;
        let mut manual = BTreeMap::new();
        let mut factor = None;
        for assignment in &request.assignments {
            let number = assignment.partition_index;
            let replicas: Vec<i32> = assignment.broker_ids.iter().map(|id| id.0).collect();
            if manual.contains_key(&number) {
                let message = format!("Found multiple manual partition assignments for partition {number}");
                return Err((ErrorCode::InvalidReplicaAssignment, Some(message)));
            }
            check_manual_replicas(image, &replicas, factor)?;
            factor = Some(replicas.len());
            manual.insert(number, replicas);
        }
        if manual.keys().copied().ne(0..manual.len() as i32) {
            return refuse(
                ErrorCode::InvalidReplicaAssignment,
                "partitions should be a consecutive 0-based integer sequence",
            );
        }
        manual.into_values().collect()
    };

    let mut records: Vec<Record> = vec![TopicRecord { name: name.into(), topic_id: id }.into()];
    for (key, value) in &set {
        let record = ConfigRecord {
            resource_type: ResourceKind::TOPIC.0,
            resource_name: name.into(),
            name: key.clone(),
            value: Some(value.clone()),
        };
        records.push(record.into());
    }
    let partitions = placements.len();
    let replication_factor = placements.first().map_or(0, Vec::len);
    for (number, replicas) in (0..).zip(placements) {
        records.push(new_partition(image, id, number, replicas)?.into());
    }
    let effective = Effective::new(config, image);
    let described = effective.describe_with(&Resource::new(ResourceKind::TOPIC, name), &set);
    let configs = described.into_iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_string(entry.name.into_owned()))
            .with_value(entry.value.map(StrBytes::from_string))
            .with_read_only(false)
            .with_config_source(entry.source as i8)
            .with_is_sensitive(entry.sensitive)
    });
    Ok(NewTopic { id, partitions, replication_factor, configs: configs.collect(), records })
}

fn check_count(partitions: usize) -> Result<(), Refusal> {
    if partitions <= PARTITIONS_PER_REQUEST_MAX {
        return Ok(());
    }
    let message = "Excessively large number of partitions per request.".to_string();
    Err((ErrorCode::PolicyViolation, Some(message)))
}

/// Replicas that someone chose by hand must be brokers that exist, each once, and as many for each partition.
pub(super) fn check_manual_replicas(image: &Image, replicas: &[i32], factor: Option<usize>) -> Result<(), Refusal> {
    let invalid = |message: String| Err((ErrorCode::InvalidReplicaAssignment, Some(message)));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".into());
    }
    let mut seen = BTreeSet::new();
    for id in replicas {
        if !seen.insert(id) {
            return invalid(format!("The manual partition assignment includes the broker {id} more than once."));
        }
        if image.broker(*id).is_none() {
            return invalid(format!(
                "The manual partition assignment includes broker {id}, but no such broker is registered."
            ));
        }
    }
    match factor {
        Some(factor) if factor != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous partitions, which have {factor} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// Chooses brokers for partitions `first..first + count`: partition by partition the next broker leads, and the replicas
/// go to those behind it. Brokers that are up come first.
pub(super) fn place(image: &Image, first: usize, count: usize, factor: usize) -> Result<Vec<Vec<i32>>, String> {
    let (mut up, fenced): (Vec<i32>, Vec<i32>) =
        image.brokers().map(|broker| broker.id).partition(|id| image.broker(*id).is_some_and(|b| b.is_active()));
    if up.is_empty() {
        return Err("All brokers are currently fenced.".into());
    }
    let known = up.len() + fenced.len();
    if factor > known {
        return Err(format!(
            "The target replication factor of {factor} cannot be reached because only {known} broker(s) are registered or some brokers have all their log directories cordoned."
        ));
    }
    let mut placements = Vec::with_capacity(count);
    let turn = first % up.len();
    up.rotate_left(turn);
    for _ in 0..count {
        placements.push(up.iter().chain(&fenced).copied().take(factor).collect());
        up.rotate_left(1);
    }
    Ok(placements)
}

/// The record of a new partition: in sync are those that are up, and the first of them leads.
pub(super) fn new_partition(
    image: &Image,
    topic: Uuid,
    number: i32,
    replicas: Vec<i32>,
) -> Result<PartitionRecord, Refusal> {
    let active = |id: &i32| image.broker(*id).is_some_and(|broker| broker.is_active());
    let isr: Vec<i32> = replicas.iter().copied().filter(active).collect();
    let Some(leader) = isr.first().copied() else {
        let message = format!(
            "All brokers specified in the manual partition assignment for partition {number} are fenced or in controlled shutdown."
        );
        return Err((ErrorCode::InvalidReplicaAssignment, Some(message)));
    };
    let directories = replicas.iter().map(|id| home(image, *id)).collect();
    let partition = Partition { directories, isr, replicas, leader, ..Partition::default() };
    debug_assert_ne!(leader, NO_LEADER);
    Ok(partition.to_record(topic, number))
}

/// Where a new replica lies: a broker with one directory leaves no choice; with more it chooses itself and tells us.
pub(super) fn home(image: &Image, broker: i32) -> Uuid {
    match image.broker(broker).map(|broker| broker.log_dirs.as_slice()) {
        Some([only]) => *only,
        Some([_, ..]) => Uuid::nil(),
        Some([]) | None => Uuid::from_u128(1),
    }
}

pub(super) fn delete(
    image: &Image,
    config: &BrokerConfig,
    request: &DeleteTopicsRequest,
) -> (Vec<Record>, DeleteTopicsResponse) {
    // The older versions name topics in a list of their own.
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::nil()));
    let wanted: Vec<(Option<TopicName>, Uuid)> =
        by_name.chain(request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id))).collect();
    let mut records: Vec<Record> = Vec::new();
    let mut responses = Vec::new();
    let mut count = BTreeMap::<(Option<&str>, Uuid), usize>::new();
    for (name, id) in &wanted {
        *count.entry((name.as_ref().map(|name| name.as_str()), *id)).or_default() += 1;
    }
    let mut told = BTreeSet::new();
    let mut gone = BTreeSet::new();
    for (name, id) in &wanted {
        let key = (name.as_ref().map(|name| name.as_str()), *id);
        let invalid = |message: &str| Err((ErrorCode::InvalidRequest, Some(message.to_string())));
        let found = if !config.bool("delete.topic.enable") {
            Err((ErrorCode::TopicDeletionDisabled, None))
        } else if count.get(&key).is_some_and(|n| *n > 1) {
            if !told.insert(key) {
                continue;
            }
            invalid(if name.is_some() { "Duplicate topic name." } else { "Duplicate topic id." })
        } else {
            match (name, id.is_nil()) {
                (Some(_), false) => invalid("You may not specify both topic name and topic id."),
                (None, true) => invalid("Neither topic name nor id were specified."),
                (Some(name), true) => image.topic(name).ok_or((ErrorCode::UnknownTopicOrPartition, None)),
                (None, false) => image.topic_by_id(*id).ok_or((ErrorCode::UnknownTopicId, None)),
            }
        };
        let found = found.and_then(|topic| match gone.insert(topic.id) {
            true => Ok(topic),
            false => invalid("The provided topic name maps to an ID that was already supplied."),
        });
        responses.push(match found {
            Ok(topic) => {
                records.push(RemoveTopicRecord { topic_id: topic.id }.into());
                let name = TopicName(StrBytes::from_string(topic.name.to_string()));
                DeletableTopicResult::default().with_name(Some(name)).with_topic_id(topic.id)
            }
            Err((code, message)) => DeletableTopicResult::default()
                .with_name(name.clone())
                .with_topic_id(*id)
                .with_error_code(code.code())
                .with_error_message(words(message)),
        });
    }
    (records, DeleteTopicsResponse::default().with_responses(responses))
}
