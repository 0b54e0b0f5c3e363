//! Configs are set and removed: one by one, or (the older way) all of a resource at once.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Replaced;
use andiron_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use andiron_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Altered;
use andiron_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use super::{Refusal, words};
use crate::config::{self, BrokerConfig, Definition, Effective, Kind, Update};
use crate::image::{Configs, Image, Resource, ResourceKind};
use crate::records::{ConfigRecord, Record};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) fn alter_incrementally(
    image: &Image,
    config: &BrokerConfig,
    request: &IncrementalAlterConfigsRequest,
) -> (Vec<Record>, IncrementalAlterConfigsResponse) {
    let mut records = Vec::new();
    let mut responses = Vec::new();
    let keys = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str()));
    let mut repeated = Repeated::of(keys);
    for asked in &request.resources {
        let key = (asked.resource_type, asked.resource_name.as_str());
        let outcome = if let Some(answer) = repeated.answer(key) {
            let Some(refusal) = answer else { continue };
            Err(refusal)
        } else {
            let resource = Resource::new(ResourceKind(key.0), key.1);
            change_one(image, config, &resource, &asked.configs)
        };
        let (code, message) = settle(outcome, &mut records);
        let response = Altered::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone())
            .with_error_code(code.code())
            .with_error_message(words(message));
        responses.push(response);
    }
    if request.validate_only {
        records.clear();
    }
    (records, IncrementalAlterConfigsResponse::default().with_responses(responses))
}

pub(super) fn alter(
    image: &Image,
    config: &BrokerConfig,
    request: &AlterConfigsRequest,
) -> (Vec<Record>, AlterConfigsResponse) {
    let mut records = Vec::new();
    let mut responses = Vec::new();
    let keys = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_str()));
    let mut repeated = Repeated::of(keys);
    for asked in &request.resources {
        let key = (asked.resource_type, asked.resource_name.as_str());
        let outcome = if let Some(answer) = repeated.answer(key) {
            let Some(refusal) = answer else { continue };
            Err(refusal)
        } else {
            let resource = Resource::new(ResourceKind(key.0), key.1);
            let wanted = asked.configs.iter().map(|c| (c.name.to_string(), c.value.as_ref().map(ToString::to_string)));
            let mut wanted: BTreeMap<String, Option<String>> = wanted.collect();
            // What is not named goes.
            if let Some(set) = image.configs(&resource) {
                let nulls = wanted.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.clone());
                match nulls.collect::<Vec<_>>().as_slice() {
                    [] => {
                        set.keys().for_each(|name| _ = wanted.entry(name.clone()).or_default());
                        write(image, config, &resource, wanted)
                    }
                    nulls => Err(null_values(nulls)),
                }
            } else {
                write(image, config, &resource, wanted)
            }
        };
        let (code, message) = settle(outcome, &mut records);
        let response = Replaced::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone())
            .with_error_code(code.code())
            .with_error_message(words(message));
        responses.push(response);
    }
    if request.validate_only {
        records.clear();
    }
    (records, AlterConfigsResponse::default().with_responses(responses))
}

/// The resources that a request names more than once: each is refused, and answered a single time.
struct Repeated<'a> {
    twice: BTreeSet<(i8, &'a str)>,
    told: BTreeSet<(i8, &'a str)>,
}

impl<'a> Repeated<'a> {
    fn of(keys: impl Iterator<Item = (i8, &'a str)>) -> Repeated<'a> {
        let mut seen = BTreeSet::new();
        Repeated { twice: keys.filter(|key| !seen.insert(*key)).collect(), told: BTreeSet::new() }
    }

    /// `None` for a resource that is named once; else its refusal, or nothing where it was answered before.
    fn answer(&mut self, key: (i8, &'a str)) -> Option<Option<Refusal>> {
        self.twice.contains(&key).then(|| {
            let first = self.told.insert(key);
            first.then(|| (ErrorCode::InvalidRequest, Some("Each resource must appear at most once.".to_string())))
        })
    }
}

fn settle(outcome: Result<Vec<Record>, Refusal>, records: &mut Vec<Record>) -> Refusal {
    match outcome {
        Ok(new) => {
            records.extend(new);
            (ErrorCode::None, None)
        }
        Err(refusal) => refusal,
    }
}

fn null_values(names: &[String]) -> Refusal {
    (ErrorCode::InvalidRequest, Some(format!("Null value not supported for : {}", names.join(","))))
}

fn definition(kind: ResourceKind, name: &str) -> Option<&'static Definition> {
    match kind {
        ResourceKind::TOPIC => config::topic().get(name),
        ResourceKind::GROUP => config::group().get(name),
        ResourceKind::BROKER => of_broker(name),
        _ => None,
    }
}

fn change_one(
    image: &Image,
    config: &BrokerConfig,
    resource: &Resource,
    changes: &[AlterableConfig],
) -> Result<Vec<Record>, Refusal> {
    let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut nulls = Vec::new();
    for change in changes {
        let name = change.name.to_string();
        if wanted.contains_key(&name) {
            let message = "Error due to duplicate config keys".to_string();
            return Err((ErrorCode::InvalidRequest, Some(message)));
        }
        let value = match (change.config_operation, &change.value) {
            (DELETE, _) => None,
            (SET | APPEND | SUBTRACT, None) => {
                nulls.push(name);
                continue;
            }
            (SET, Some(value)) => Some(value.to_string()),
            (operation @ (APPEND | SUBTRACT), Some(value)) => {
                let is_list = definition(resource.kind, &name).is_some_and(|d| d.kind == Kind::List);
                if !is_list {
                    let verb = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
                    let message = format!("Can't {verb} to key {name} because its type is not LIST.");
                    return Err((ErrorCode::InvalidConfig, Some(message)));
                }
                let list = current(image, config, resource, &name);
                let mut elements: Vec<&str> = list.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
                for element in value.split(',').map(str::trim).filter(|element| !element.is_empty()) {
                    match operation {
                        APPEND if !elements.contains(&element) => elements.push(element),
                        SUBTRACT => elements.retain(|known| *known != element),
                        _ => {}
                    }
                }
                Some(elements.join(","))
            }
            (operation, _) => {
                let message = format!("Unknown operation type {operation} is not supported.");
                return Err((ErrorCode::InvalidRequest, Some(message)));
            }
        };
        wanted.insert(name, value);
    }
    if !nulls.is_empty() {
        return Err(null_values(&nulls));
    }
    write(image, config, resource, wanted)
}

/// The list that an append starts from: what is set, else what holds.
fn current(image: &Image, config: &BrokerConfig, resource: &Resource, name: &str) -> String {
    let effective = Effective::new(config, image);
    let holds = match resource.kind {
        ResourceKind::TOPIC => effective.topic(&resource.name, name),
        ResourceKind::GROUP => effective.group(&resource.name, name),
        _ => image.config(resource, name).map(str::to_string).or_else(|| config.get(name)),
    };
    holds.unwrap_or_default()
}

/// The records that bring a resource to these values (none removes), if it may have them.
fn write(
    image: &Image,
    broker: &BrokerConfig,
    resource: &Resource,
    wanted: BTreeMap<String, Option<String>>,
) -> Result<Vec<Record>, Refusal> {
    let nothing = Configs::new();
    let before = image.configs(resource).map_or(&nothing, |configs| configs.as_ref());
    let mut after = before.clone();
    for (name, value) in &wanted {
        match value {
            Some(value) => after.insert(name.clone(), value.clone()),
            None => after.remove(name),
        };
    }
    match resource.kind {
        ResourceKind::TOPIC => {
            if let Some(message) = super::topics::invalid_topic_name(&resource.name) {
                return Err((ErrorCode::InvalidTopicException, Some(message)));
            }
            if image.topic(&resource.name).is_none() {
                let message = format!("The topic '{}' does not exist.", resource.name);
                return Err((ErrorCode::UnknownTopicOrPartition, Some(message)));
            }
            check_values(config::topic(), "topic", &after)?;
            check_lags(&after)?;
        }
        ResourceKind::GROUP => {
            if resource.name.is_empty() {
                return Err((ErrorCode::InvalidRequest, Some("Default group resources are not allowed.".into())));
            }
            check_values(config::group(), "group", &after)?;
            check_group(&Effective::new(broker, image), &after)?;
        }
        ResourceKind::BROKER => {
            check_broker(&Effective::new(broker, image), resource, &wanted)?;
            if image.elr_enabled() {
                check_min_isr(resource, &wanted)?;
            }
        }
        ResourceKind::CLIENT_METRICS => {
            if resource.name.is_empty() {
                let message = "Default client metrics resource name is not allowed.".to_string();
                return Err((ErrorCode::InvalidRequest, Some(message)));
            }
            check_client_metrics(&after)?;
        }
        ResourceKind(kind) => {
            let message = format!("Unexpected resource type {kind}");
            return Err((ErrorCode::InvalidRequest, Some(message)));
        }
    }
    let changed = wanted.into_iter().filter(|(name, value)| before.get(name) != value.as_ref());
    let record = |(name, value)| {
        ConfigRecord { resource_type: resource.kind.0, resource_name: resource.name.to_string(), name, value }.into()
    };
    Ok(changed.map(record).collect())
}

fn check_values(table: &config::Table, what: &str, values: &Configs) -> Result<(), Refusal> {
    for name in values.keys() {
        if table.get(name).is_none_or(|definition| definition.internal) {
            return Err((ErrorCode::InvalidConfig, Some(format!("Unknown {what} config name: {name}"))));
        }
    }
    for (name, value) in values {
        if let Some(Err(message)) = table.get(name).map(|definition| definition.parse(value)) {
            return Err((ErrorCode::InvalidConfig, Some(message)));
        }
    }
    Ok(())
}

/// A record cannot be kept from compaction for longer than it must be compacted by.
fn check_lags(values: &Configs) -> Result<(), Refusal> {
    let of = |name: &str, default: i64| values.get(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default);
    let (min, max) = (of("min.compaction.lag.ms", 0), of("max.compaction.lag.ms", i64::MAX));
    if min <= max {
        return Ok(());
    }
    let message =
        format!("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})");
    Err((ErrorCode::InvalidConfig, Some(message)))
}

/// A group's settings must lie within what the broker allows.
fn check_group(effective: &Effective<'_>, values: &Configs) -> Result<(), Refusal> {
    for (name, value) in values {
        let Some((kind, rest)) = name.split_once('.') else { continue };
        let Ok(value) = value.trim().parse::<i64>() else { continue };
        let bound = |which: &str| {
            let bound = format!("group.{kind}.{which}.{rest}");
            let limit = effective.broker(&bound)?.parse::<i64>().ok()?;
            Some((bound, limit))
        };
        let complaint = match (bound("min"), bound("max")) {
            (Some((bound, min)), _) if value < min => format!("{name} must be greater than or equal to {bound}"),
            (_, Some((bound, max))) if value > max => format!("{name} must be less than or equal to {bound}"),
            _ => continue,
        };
        return Err((ErrorCode::InvalidConfig, Some(complaint)));
    }
    Ok(())
}

/// The configs with which a topic is to be created.
pub(super) fn check_topic_config(asked: &BTreeMap<String, Option<String>>, set: &Configs) -> Result<(), Refusal> {
    let nulls: Vec<&str> = asked.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str()).collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err((ErrorCode::InvalidConfig, Some(message)));
    }
    check_values(config::topic(), "topic", set)?;
    check_lags(set)
}

fn of_broker(name: &str) -> Option<&'static Definition> {
    config::broker().get(name).or_else(|| config::throttle().get(name))
}

fn check_broker(
    effective: &Effective<'_>,
    resource: &Resource,
    wanted: &BTreeMap<String, Option<String>>,
) -> Result<(), Refusal> {
    if !resource.name.is_empty() {
        let Ok(id) = resource.name.parse::<i32>() else {
            let message = format!("Node id must be an integer, but it is: {}", resource.name);
            return Err((ErrorCode::InvalidRequest, Some(message)));
        };
        if id != effective.node_id() {
            // The other brokers check what is theirs; here only that it is a broker's config.
            return Ok(());
        }
    }
    // What goes does no harm.
    let set = || wanted.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_str());
    let names = |update: Update| {
        let these = set().filter(|name| of_broker(name).is_some_and(|d| d.update == update));
        these.collect::<Vec<_>>().join(", ")
    };
    let invalid = |message: String| Err((ErrorCode::InvalidRequest, Some(message)));
    let read_only = names(Update::ReadOnly);
    if !read_only.is_empty() {
        return invalid(format!("Cannot update these configs dynamically: [{read_only}]"));
    }
    let secrets: Vec<&str> = set().filter(|name| RELOADED_BY_LISTENERS.contains(name)).collect();
    if !secrets.is_empty() {
        return invalid(format!(
            "These security configs can be dynamically updated only per-listener using the listener prefix: [{}]",
            secrets.join(", ")
        ));
    }
    for (name, value) in wanted {
        let parsed = value.as_ref().and_then(|value| Some(of_broker(name)?.parse(value)));
        if let Some(Err(message)) = parsed {
            return invalid(message);
        }
    }
    let per_broker = names(Update::PerBroker);
    if resource.name.is_empty() && !per_broker.is_empty() {
        return invalid(format!(
            "Cannot update these configs at default cluster level, broker id must be specified: [{per_broker}]"
        ));
    }
    for (name, value) in wanted {
        if let Some(Err(message)) = value.as_ref().map(|value| check_change(effective, resource, name, value)) {
            return invalid(message);
        }
    }
    Ok(())
}

/// With eligible leader replicas min.insync.replicas is one for all brokers.
fn check_min_isr(resource: &Resource, wanted: &BTreeMap<String, Option<String>>) -> Result<(), Refusal> {
    let complaint = match wanted.get("min.insync.replicas") {
        Some(None) if resource.name.is_empty() => {
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        }
        Some(Some(_)) if !resource.name.is_empty() => {
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        }
        _ => return Ok(()),
    };
    Err((ErrorCode::InvalidConfig, Some(complaint.to_string())))
}

/// Stores and keys, which only a listener of its own may take anew while the broker runs.
const RELOADED_BY_LISTENERS: &[&str] = &[
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// The pools whose number of threads may be halved or doubled at a time.
const POOLS: &[&str] = &[
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
];

/// Whether a broker may go from what holds to this while it runs.
fn check_change(effective: &Effective<'_>, resource: &Resource, name: &str, value: &str) -> Result<(), String> {
    if name == "cordoned.log.dirs" {
        let dirs = effective.log_dirs();
        let missing = config::elements(value).filter(|dir| *dir != "*" && !dirs.iter().any(|known| known == dir));
        let missing: Vec<&str> = missing.collect();
        return if missing.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
                missing.join(", ")
            ))
        };
    }
    // What holds of all brokers does not touch one that has its own.
    let hidden = resource.name.is_empty() && effective.is_set_on_this_broker(name);
    let (Some(old), Ok(new)) =
        (effective.broker(name).and_then(|old| old.parse::<i64>().ok()), value.trim().parse::<i64>())
    else {
        return Ok(());
    };
    if hidden || new == old {
        return Ok(());
    }
    let complain = |what: String| {
        Err(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {what} for configuration Invalid dynamic configuration"
        ))
    };
    if POOLS.contains(&name) {
        let why = if new < old / 2 {
            format!("value should be at least half the current value {old}")
        } else if new > old * 2 {
            format!("value should not be greater than double the current value {old}")
        } else {
            return Ok(());
        };
        return complain(format!("Dynamic thread count update validation failed for {name}={new}, {why}"));
    }
    if name == "log.cleaner.threads" {
        return match new {
            ..1 => complain("Log cleaner threads should be at least 1".into()),
            _ if new < old / 2 => {
                complain(format!("Log cleaner threads cannot be reduced to less than half the current value {old}"))
            }
            _ if new > old * 2 => {
                complain(format!("Log cleaner threads cannot be increased to more than double the current value {old}"))
            }
            _ => Ok(()),
        };
    }
    Ok(())
}

/// What a subscription to client metrics may say.
fn check_client_metrics(values: &Configs) -> Result<(), Refusal> {
    let invalid = |message: String| Err((ErrorCode::InvalidRequest, Some(message)));
    if let Some(wrong) = values.keys().find(|name| config::client_metrics().get(name).is_none()) {
        return invalid(format!("Unknown client metrics configuration: {wrong}"));
    }
    for (name, value) in values {
        if let Some(Err(message)) = config::client_metrics().get(name).map(|definition| definition.parse(value)) {
            return Err((ErrorCode::InvalidConfig, Some(message)));
        }
    }
    let interval = values.get("interval.ms").and_then(|value| value.trim().parse::<i32>().ok());
    if let Some(interval) = interval.filter(|ms| !METRICS_INTERVAL_MS.contains(ms)) {
        let (min, max) = METRICS_INTERVAL_MS.into_inner();
        return invalid(format!(
            "Invalid value {interval} for interval.ms, interval must be between {min} and {max} (1 hour)"
        ));
    }
    let patterns = values.get("match").map_or("", String::as_str);
    match config::elements(patterns).find(|pattern| !is_client_pattern(pattern)) {
        Some(wrong) => Err((ErrorCode::InvalidConfig, Some(format!("Illegal client matching pattern: {wrong}")))),
        None => Ok(()),
    }
}

/// How often clients may be asked to push their metrics, in milliseconds.
const METRICS_INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

/// What of a client can be matched.
const CLIENT_PROPERTIES: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// `property=expression`. Of the expression only the brackets are looked at: nothing is matched against it here.
fn is_client_pattern(pattern: &str) -> bool {
    let Some((property, expression)) = pattern.split_once('=') else { return false };
    let mut open = Vec::new();
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        match (character, open.last()) {
            ('\\', _) if characters.next().is_none() => return false,
            ('\\', _) => {}
            (']', Some('[')) => _ = open.pop(),
            (_, Some('[')) => {}
            ('(' | '[', _) => open.push(character),
            (')', Some('(')) => _ = open.pop(),
            (')', _) => return false,
            _ => {}
        }
    }
    CLIENT_PROPERTIES.contains(&property.trim())
        && open.is_empty()
        && !expression.contains('=')
        && !expression.starts_with(['*', '+', '?'])
}
