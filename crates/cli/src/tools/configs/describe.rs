//! `--describe`: configs of resources, quotas of clients, SCRAM credentials of users.

use std::collections::BTreeSet;

use andiron_client::admin::{ConfigEntry, ConfigKind, ConfigResource, QuotaEntity};
use andiron_client::{Admin, AdminError};
use andiron_protocol::error::ErrorCode;
use andiron_protocol::scram::Mechanism;
use serde_json::json;

use super::{Entities, components, kind, singular};
use crate::tools::failure::{Stop, Thrown};
use crate::tools::java::{double, hash_order_in, in_hash_order, string_hash};
use crate::tools::options::Given;
use crate::tools::print::{Rows, say};

pub(super) async fn describe(given: &Given, entities: &Entities, admin: &Admin) -> Result<(), Stop> {
    let mut rows = Rows::default();
    let head = entities.types.first().map(String::as_str).unwrap_or_default();
    if let Some(kind) = kind(head) {
        resources(given, head, kind, entities.names.first(), admin, &mut rows).await?;
    } else {
        quotas(given, entities, admin, &mut rows).await?;
        if head != "ips" {
            scram(given, entities, admin, &mut rows).await?;
        }
    }
    if given.json() {
        rows.print();
    }
    Ok(())
}

fn future(error: AdminError) -> Thrown {
    Thrown::from(error).in_execution()
}

async fn resources(
    given: &Given,
    of_type: &str,
    kind: ConfigKind,
    name: Option<&String>,
    admin: &Admin,
    rows: &mut Rows,
) -> Result<(), Stop> {
    let all = given.has("all");
    if let Some(name) = name.filter(|_| !all)
        && !exists(given, kind, name, admin).await?
    {
        say(format_args!("The {} '{name}' doesn't exist and doesn't have dynamic config.", singular(of_type)));
        return Ok(());
    }
    let names = match name {
        Some(name) => vec![name.clone()],
        None => names(given, kind, admin).await?,
    };
    for name in names {
        if !given.json() {
            if name.is_empty() {
                say(format_args!("Default configs for {of_type} in the cluster are:"));
            } else {
                let which = if all { "All" } else { "Dynamic" };
                say(format_args!("{which} configs for {} {name} are:", singular(of_type)));
            }
        }
        for entry in entries(kind, &name, all, admin).await? {
            if given.json() {
                let synonym = |s: &andiron_client::admin::ConfigSynonym| json!({"source": source(s.source), "name": s.name, "value": s.value});
                rows.row([
                    ("entityType", json!(of_type)),
                    ("entityName", json!(name)),
                    ("name", json!(entry.name)),
                    ("value", json!(entry.value)),
                    ("sensitive", json!(entry.sensitive)),
                    ("synonyms", entry.synonyms.iter().map(synonym).collect()),
                ]);
            } else {
                say(line(&entry));
            }
        }
    }
    Ok(())
}

async fn topics(admin: &Admin) -> Result<Vec<String>, Thrown> {
    let topics = admin.list_topics().await.map_err(future)?;
    Ok(in_hash_order(topics.into_iter().map(|topic| topic.name).collect()))
}

/// The nodes that are asked: brokers, or controllers with `--bootstrap-controller`.
async fn nodes(given: &Given, admin: &Admin) -> Result<Vec<String>, Thrown> {
    let cluster = admin.describe_nodes(given.has("bootstrap-controller"), false).await.map_err(future)?;
    Ok(cluster.brokers.iter().map(|(broker, _)| broker.id.to_string()).collect())
}

async fn groups(admin: &Admin) -> Result<Vec<String>, Thrown> {
    let groups = admin.list_groups(&[], &[]).await.map_err(future)?;
    Ok(groups.into_iter().map(|group| group.group).collect())
}

/// Groups with configs of their own; `None` from a broker that cannot tell.
async fn group_configs(admin: &Admin) -> Result<Option<Vec<String>>, Thrown> {
    match admin.list_config_resources(ConfigKind::Group).await {
        Ok(names) => Ok(Some(names)),
        Err(AdminError::Unsupported { .. }) => Ok(None),
        Err(AdminError::Refused {
            code: ErrorCode::ClusterAuthorizationFailed | ErrorCode::UnsupportedVersion,
            ..
        }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn exists(given: &Given, kind: ConfigKind, name: &String, admin: &Admin) -> Result<bool, Thrown> {
    Ok(match kind {
        ConfigKind::Topic => {
            valid_topic(name)?;
            topics(admin).await?.contains(name)
        }
        ConfigKind::Broker | ConfigKind::BrokerLogger => name.is_empty() || nodes(given, admin).await?.contains(name),
        ConfigKind::ClientMetrics => {
            admin.list_config_resources(ConfigKind::ClientMetrics).await.map_err(future)?.contains(name)
        }
        ConfigKind::Group => {
            groups(admin).await?.contains(name)
                || group_configs(admin).await?.is_none_or(|configured| configured.contains(name))
        }
    })
}

async fn names(given: &Given, kind: ConfigKind, admin: &Admin) -> Result<Vec<String>, Thrown> {
    Ok(match kind {
        ConfigKind::Topic => topics(admin).await?,
        ConfigKind::Broker | ConfigKind::BrokerLogger => {
            let mut brokers = nodes(given, admin).await?;
            brokers.push(String::new());
            brokers
        }
        ConfigKind::ClientMetrics => admin.list_config_resources(kind).await.map_err(future)?,
        ConfigKind::Group => {
            let mut names: BTreeSet<String> = groups(admin).await?.into_iter().collect();
            names.extend(group_configs(admin).await?.unwrap_or_default());
            names.into_iter().collect()
        }
    })
}

/// `Topic.validate`.
fn valid_topic(name: &str) -> Result<(), Thrown> {
    const NAME_LENGTH_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let what = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > NAME_LENGTH_MAX {
        format!("the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}")
    } else if !name.chars().all(legal) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(Thrown::of(ErrorCode::InvalidTopicException, &format!("Topic name is invalid: {what}")))
}

/// The entries of a resource, sorted by name; without `all` those that were set for it.
pub(super) async fn entries(
    kind: ConfigKind,
    name: &str,
    all: bool,
    admin: &Admin,
) -> Result<Vec<ConfigEntry>, Thrown> {
    if kind == ConfigKind::Topic && !name.is_empty() {
        valid_topic(name)?;
    }
    let wanted = match kind {
        ConfigKind::Topic => Some(1),
        ConfigKind::Broker if name.is_empty() => Some(3),
        ConfigKind::Broker => Some(2),
        ConfigKind::BrokerLogger => None,
        ConfigKind::ClientMetrics => Some(7),
        ConfigKind::Group => Some(8),
    };
    let resource = ConfigResource { kind, name: name.to_owned() };
    let described = admin.describe_configs(std::slice::from_ref(&resource), true).await.map_err(future)?;
    let mut entries = Vec::new();
    for configs in described {
        entries.extend(configs.map_err(|refusal| Thrown::from(refusal).in_execution())?);
    }
    entries.retain(|entry| all || wanted.is_none_or(|source| source == entry.source));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// `ConfigEntry.ConfigSource` by its number.
fn source(number: i8) -> &'static str {
    match number {
        1 => "DYNAMIC_TOPIC_CONFIG",
        2 => "DYNAMIC_BROKER_CONFIG",
        3 => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        4 => "STATIC_BROKER_CONFIG",
        5 => "DEFAULT_CONFIG",
        6 => "DYNAMIC_BROKER_LOGGER_CONFIG",
        7 => "DYNAMIC_CLIENT_METRICS_CONFIG",
        8 => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

fn line(entry: &ConfigEntry) -> String {
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms: Vec<String> =
        entry.synonyms.iter().map(|s| format!("{}:{}={}", source(s.source), s.name, or_null(&s.value))).collect();
    let (value, synonyms) = (or_null(&entry.value), synonyms.join(", "));
    format!("  {}={value} sensitive={} synonyms={{{synonyms}}}", entry.name, entry.sensitive)
}

/// `ClientQuotaEntity.hashCode`.
fn entity_hash(entity: &QuotaEntity) -> i32 {
    let part =
        |(of_type, name): &(String, Option<String>)| string_hash(of_type) ^ name.as_deref().map_or(0, string_hash);
    31i32.wrapping_add(entity.iter().map(part).fold(0i32, i32::wrapping_add))
}

async fn quotas(given: &Given, entities: &Entities, admin: &Admin, rows: &mut Rows) -> Result<(), Stop> {
    let found = admin.describe_client_quotas(&components(entities)?).await.map_err(future)?;
    // Both maps are made for as many entries as the answer has.
    for (entity, values) in hash_order_in(found.len(), found, |(entity, _)| entity_hash(entity)) {
        let values = hash_order_in(values.len(), values, |(key, _)| string_hash(key));
        if given.json() {
            let names: serde_json::Map<String, serde_json::Value> =
                entity.iter().map(|(of_type, name)| (of_type.clone(), json!(name))).collect();
            let quotas: serde_json::Map<String, serde_json::Value> =
                values.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            rows.row([("entity", names.into()), ("quotas", quotas.into())]);
            continue;
        }
        let part = |of_type: &str| {
            let (_, name) = entity.iter().find(|(known, _)| known == of_type)?;
            let of_type = if of_type == "user" { "user-principal" } else { of_type };
            Some(name.as_ref().map_or_else(|| format!("the default {of_type}"), |name| format!("{of_type} '{name}'")))
        };
        let parts: Vec<String> = ["user", "client-id", "ip"].into_iter().filter_map(part).collect();
        let values: Vec<String> = values.iter().map(|(key, value)| format!("{key}={}", double(*value))).collect();
        say(format_args!("Quota configs for {} are {}", parts.join(", "), values.join(", ")));
    }
    Ok(())
}

async fn scram(given: &Given, entities: &Entities, admin: &Admin, rows: &mut Rows) -> Result<(), Stop> {
    if entities.types.iter().any(|of_type| of_type == "clients") || entities.names.iter().any(String::is_empty) {
        return Ok(());
    }
    let mechanism = |number: i8| Mechanism::of_number(number).map_or("UNKNOWN", Mechanism::name);
    for (user, credentials) in admin.describe_scram_credentials(&entities.names).await.map_err(future)? {
        match credentials {
            // A user without credentials is not among those who have them.
            Err((ErrorCode::ResourceNotFound, _)) => {}
            Err(refusal) => {
                let thrown = Thrown::from(refusal).in_execution();
                say(format_args!(
                    "Error retrieving SCRAM credential configs for user-principal '{user}': ExecutionException: {}",
                    thrown.text()
                ));
            }
            Ok(credentials) if given.json() => {
                let each = |(number, iterations): &(i8, i32)| json!({"mechanism": mechanism(*number), "iterations": iterations});
                rows.row([("user", json!(user)), ("scram", credentials.iter().map(each).collect())]);
            }
            Ok(credentials) => {
                let each = |(number, iterations): &(i8, i32)| format!("{}=iterations={iterations}", mechanism(*number));
                let text: Vec<String> = credentials.iter().map(each).collect();
                say(format_args!("SCRAM credential configs for user-principal '{user}' are {}", text.join(", ")));
            }
        }
    }
    Ok(())
}
