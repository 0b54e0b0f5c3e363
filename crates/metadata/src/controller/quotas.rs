//! AlterClientQuotas: how much of the broker a user, a client or an address may have.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::alter_client_quotas_request::EntryData as Asked;
use andiron_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use andiron_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use super::{Refusal, words};
use crate::image::{Image, QuotaEntity};
use crate::records::{ClientQuotaRecord, QuotaEntity as EntityPart, Record};

/// Whom a quota can be for.
pub const USER: &str = "user";
/// The name a client gives itself.
pub const CLIENT_ID: &str = "client-id";
/// The address a client comes from.
pub const IP: &str = "ip";

/// How much a fraction may be off and still count as none.
const EPSILON: f64 = 1e-6;

/// The quotas of users and clients; `true` for those that are whole numbers.
const OF_CLIENTS: &[(&str, bool)] = &[
    ("consumer_byte_rate", true),
    ("controller_mutation_rate", false),
    ("producer_byte_rate", true),
    ("request_percentage", false),
];
const OF_ADDRESSES: &[(&str, bool)] = &[("connection_creation_rate", true)];

pub(super) fn alter(image: &Image, request: &AlterClientQuotasRequest) -> (Vec<Record>, AlterClientQuotasResponse) {
    let mut records = Vec::new();
    let mut entries = Vec::new();
    let mut seen = BTreeSet::new();
    for asked in &request.entries {
        let outcome = entity(asked).and_then(|entity| {
            let name = told(&entity);
            if !seen.insert(entity.clone()) {
                return Err(invalid(format!("Ignoring duplicate entity {name}")));
            }
            alter_one(image, asked, &entity)
        });
        let (code, message) = match outcome {
            Ok(new) => {
                records.extend(new);
                (ErrorCode::None, None)
            }
            Err(refusal) => refusal,
        };
        let parts = asked.entity.iter().map(|part| {
            EntityData::default().with_entity_type(part.entity_type.clone()).with_entity_name(part.entity_name.clone())
        });
        let entry = EntryData::default()
            .with_error_code(code.code())
            .with_error_message(words(message))
            .with_entity(parts.collect());
        entries.push(entry);
    }
    if request.validate_only {
        records.clear();
    }
    (records, AlterClientQuotasResponse::default().with_entries(entries))
}

fn invalid(message: String) -> Refusal {
    (ErrorCode::InvalidRequest, Some(message))
}

/// The entity as Java prints it.
fn told(entity: &QuotaEntity) -> String {
    let part = |(kind, name): (&String, &Option<String>)| format!("{kind}={}", name.as_deref().unwrap_or("null"));
    format!("ClientQuotaEntity(entries={{{}}})", entity.iter().map(part).collect::<Vec<_>>().join(", "))
}

fn entity(asked: &Asked) -> Result<QuotaEntity, Refusal> {
    let mut entity = QuotaEntity::new();
    for part in &asked.entity {
        let kind = part.entity_type.as_str();
        if !matches!(kind, USER | CLIENT_ID | IP) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if part.entity_name.as_ref().is_some_and(|name| name.is_empty()) {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
        if entity.insert(kind.to_string(), part.entity_name.as_ref().map(ToString::to_string)).is_some() {
            return Err(invalid(format!("Invalid client quota entity, duplicate entity entry {kind}")));
        }
    }
    if entity.is_empty() {
        return Err(invalid("Invalid empty client quota entity".into()));
    }
    Ok(entity)
}

fn alter_one(image: &Image, asked: &Asked, entity: &QuotaEntity) -> Result<Vec<Record>, Refusal> {
    let known = if let Some(address) = entity.get(IP) {
        if entity.len() > 1 {
            let message = "Invalid quota entity combination, IP entity should not be combined with User or ClientId";
            return Err(invalid(message.into()));
        }
        if let Some(address) = address.as_deref().filter(|address| !is_address(address)) {
            return Err(invalid(format!("{address} is not a valid IP or resolvable host.")));
        }
        OF_ADDRESSES
    } else {
        OF_CLIENTS
    };
    let nothing = BTreeMap::new();
    let now = image.quota(entity).unwrap_or(&nothing);
    let mut keys = BTreeSet::new();
    let mut records = Vec::new();
    for change in &asked.ops {
        let key = change.key.as_str();
        if !keys.insert(key) {
            return Err(invalid(format!(
                "Duplicate quota key {key} not updating quota for this entity {}",
                told(entity)
            )));
        }
        if !change.remove {
            check_value(known, key, change.value)?;
        }
        let changes = if change.remove { now.contains_key(key) } else { now.get(key) != Some(&change.value) };
        if changes {
            let part = |(kind, name): (&String, &Option<String>)| EntityPart {
                entity_type: kind.clone(),
                entity_name: name.clone(),
            };
            let value = if change.remove { 0.0 } else { change.value };
            let entity = entity.iter().map(part).collect();
            records.push(ClientQuotaRecord { entity, key: key.into(), value, remove: change.remove }.into());
        }
    }
    Ok(records)
}

fn check_value(known: &[(&str, bool)], key: &str, value: f64) -> Result<(), Refusal> {
    let Some((_, whole)) = known.iter().find(|(name, _)| *name == key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    if *whole {
        let (max, kind) = if key == "connection_creation_rate" {
            (f64::from(i32::MAX), "an INT")
        } else {
            (i64::MAX as f64, "a LONG")
        };
        if value > max {
            return Err(invalid(format!("Proposed value for {key} is too large for {kind}.")));
        }
        if (value % 1.0).abs() > EPSILON {
            return Err(invalid(format!("{key} cannot be a fractional value.")));
        }
    }
    Ok(())
}

/// An address, or a name that could stand for one. Whether it does is not asked: this room asks no network.
fn is_address(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.parse::<std::net::IpAddr>().is_ok() || text.split('.').all(label)
}
