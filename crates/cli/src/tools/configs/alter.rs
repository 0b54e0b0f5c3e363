//! `--alter`: configs set and deleted, quotas and SCRAM credentials likewise.

use std::collections::BTreeMap;

use andiron_client::Admin;
use andiron_client::admin::{ConfigKind, ConfigResource, QuotaEntity, ScramChange};
use andiron_protocol::scram::{ITERATIONS_DEFAULT, ITERATIONS_MIN, Mechanism};

use super::describe::entries;
use super::{
    Entities, INVALID_CONFIGURATION, NUMBER_FORMAT, UNSUPPORTED_VERSION, components, kind, quota_type, singular,
};
use crate::tools::failure::{Stop, Thrown};
use crate::tools::options::Given;
use crate::tools::print::say;
use crate::tools::session::load_properties;

const CLIENT_QUOTAS: &[&str] =
    &["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const IP_QUOTAS: &[&str] = &["connection_creation_rate"];

pub(super) async fn alter(given: &Given, entities: &Entities, admin: &Admin) -> Result<(), Stop> {
    let added = added(given)?;
    let deleted: Vec<String> = given
        .all("delete-config")
        .iter()
        .flat_map(|text| text.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.trim().to_owned())
        .collect();
    let head = entities.types.first().map(String::as_str).unwrap_or_default();
    let name = entities.names.first().map(String::as_str).unwrap_or_default();
    match kind(head) {
        Some(kind) => resource(kind, head, name, &added, &deleted, admin).await?,
        None => match check_names(head, entities, &added, &deleted)? {
            Altered::Quotas => quotas(entities, &added, &deleted, admin).await?,
            Altered::Scram => scram(name, &added, &deleted, admin).await?,
        },
    }
    if name.is_empty() {
        say(format_args!("Completed updating default config for {head} in the cluster."));
    } else {
        say(format_args!("Completed updating config for {} {name}.", singular(head)));
    }
    Ok(())
}

/// Pieces between separators that stand in no square brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut pieces, mut inside) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        if c == separator && !inside {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
}

fn added(given: &Given) -> Result<BTreeMap<String, String>, Thrown> {
    let mut added = BTreeMap::new();
    if let Some(file) = given.one("add-config-file")? {
        added.extend(load_properties(file)?);
    }
    if let Some(text) = given.one("add-config")? {
        let mut pairs = split(text, ',');
        while pairs.len() > 1 && pairs.last().is_some_and(String::is_empty) {
            pairs.pop();
        }
        for pair in pairs {
            match split(&pair, '=').as_slice() {
                [name, value] => {
                    let value: String = value.chars().filter(|c| !"[]".contains(*c)).collect();
                    added.insert(name.trim().to_owned(), value.trim().to_owned());
                }
                _ => {
                    return Err(Thrown::illegal(
                        "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or \"key=[val1,val2]\" to group values which contain commas.",
                    ));
                }
            }
        }
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
    match added.keys().find(|name| !name.chars().all(legal)) {
        Some(name) => Err(Thrown::illegal(format!("Invalid character found for config key: {name}"))),
        None => Ok(added),
    }
}

async fn resource(
    kind: ConfigKind,
    of_type: &str,
    name: &str,
    added: &BTreeMap<String, String>,
    deleted: &[String],
    admin: &Admin,
) -> Result<(), Thrown> {
    if kind == ConfigKind::Broker && !name.is_empty() && name.parse::<i32>().is_err() {
        return Err(Thrown::illegal(format!(
            "The entity name for {of_type} must be a valid integer broker id, found: {name}"
        )));
    }
    if kind == ConfigKind::BrokerLogger {
        let loggers: Vec<String> = entries(kind, name, false, admin).await?.into_iter().map(|e| e.name).collect();
        let foreign = deleted.iter().chain(added.keys()).filter(|logger| !loggers.contains(logger));
        let foreign: Vec<&str> = foreign.map(String::as_str).collect();
        if !foreign.is_empty() {
            let message = format!("Invalid broker logger(s): {}", foreign.join(","));
            return Err(Thrown::new(INVALID_CONFIGURATION, message));
        }
    }
    let mut changes: Vec<(String, Option<String>)> = deleted.iter().map(|name| (name.clone(), None)).collect();
    changes.extend(added.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
    let resource = ConfigResource { kind, name: name.to_owned() };
    let outcome = admin.alter_configs(&resource, &changes).await.map_err(Thrown::from);
    let outcome = outcome.and_then(|outcome| outcome.map_err(Thrown::from));
    outcome.map_err(|thrown| {
        if thrown.class == UNSUPPORTED_VERSION && kind != ConfigKind::BrokerLogger {
            Thrown::new(
                UNSUPPORTED_VERSION,
                "The INCREMENTAL_ALTER_CONFIGS API is not supported by the cluster. The API is supported starting from version 2.3.0. You may want to use an older version of this tool to interact with your cluster, or upgrade your brokers to version 2.3.0 or newer to avoid this error.",
            )
        } else {
            thrown.in_execution()
        }
    })
}

/// A list as Scala prints it.
fn scala_list<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    format!("{kind}({})", names.join(", "))
}

/// What the names of configs are about.
enum Altered {
    Quotas,
    Scram,
}

fn check_names(
    head: &str,
    entities: &Entities,
    added: &BTreeMap<String, String>,
    deleted: &[String],
) -> Result<Altered, Thrown> {
    let is = |known: &[&str], name: &String| known.contains(&name.as_str());
    if head == "ips" {
        let foreign: Vec<&str> =
            added.keys().chain(deleted).filter(|name| !is(IP_QUOTAS, name)).map(String::as_str).collect();
        if !foreign.is_empty() {
            return Err(Thrown::illegal(format!(
                "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
                foreign.join(",")
            )));
        }
        return Ok(Altered::Quotas);
    }
    let scram = |name: &&String| Mechanism::of_name(name).is_some();
    let known = |name: &&String| is(CLIENT_QUOTAS, name) || scram(name);
    if head == "clients" || entities.types.len() == 2 {
        let foreign = |name: &&String| !is(CLIENT_QUOTAS, name);
        if added.keys().any(|name| foreign(&name)) {
            let names = scala_list("Set", added.keys().filter(foreign));
            return Err(Thrown::illegal(format!(
                "Only quota configs can be added for 'clients' using --bootstrap-server. Unexpected config names: {names}"
            )));
        }
        if deleted.iter().any(|name| foreign(&name)) {
            let names = scala_list("ArrayBuffer", deleted.iter().filter(foreign));
            return Err(Thrown::illegal(format!(
                "Only quota configs can be deleted for 'clients' using --bootstrap-server. Unexpected config names: {names}"
            )));
        }
        return Ok(Altered::Quotas);
    }
    if added.keys().any(|name| !known(&name)) {
        let names = scala_list("Set", added.keys().filter(|name| !known(name)));
        return Err(Thrown::illegal(format!(
            "Only quota and SCRAM credential configs can be added for 'users' using --bootstrap-server. Unexpected config names: {names}"
        )));
    }
    if deleted.iter().any(|name| !known(&name)) {
        let names = scala_list("ArrayBuffer", deleted.iter().filter(|name| !known(name)));
        return Err(Thrown::illegal(format!(
            "Only quota and SCRAM credential configs can be deleted for 'users' using --bootstrap-server. Unexpected config names: {names}"
        )));
    }
    if added.keys().chain(deleted).any(|name| scram(&name)) {
        if entities.names.iter().any(String::is_empty) {
            return Err(Thrown::illegal(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.",
            ));
        }
        if added.keys().chain(deleted).any(|name| is(CLIENT_QUOTAS, name)) {
            return Err(Thrown::illegal(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
            ));
        }
        return Ok(Altered::Scram);
    }
    Ok(Altered::Quotas)
}

async fn quotas(
    entities: &Entities,
    added: &BTreeMap<String, String>,
    deleted: &[String],
    admin: &Admin,
) -> Result<(), Thrown> {
    let old = admin.describe_client_quotas(&components(entities)?).await;
    let old = old.map_err(|error| Thrown::from(error).in_execution())?;
    let old: Vec<String> =
        old.into_iter().next().map(|(_, values)| values.into_iter().map(|(key, _)| key).collect()).unwrap_or_default();
    let absent: Vec<&str> = deleted.iter().filter(|name| !old.contains(name)).map(String::as_str).collect();
    if !absent.is_empty() {
        return Err(Thrown::new(INVALID_CONFIGURATION, format!("Invalid config(s): {}", absent.join(","))));
    }
    let mut changes: Vec<(String, Option<f64>)> = Vec::new();
    for (key, value) in added {
        let wrong = |_| Thrown::illegal(format!("Cannot parse quota configuration value for {key}: {value}"));
        changes.push((key.clone(), Some(value.parse().map_err(wrong)?)));
    }
    changes.extend(deleted.iter().map(|key| (key.clone(), None)));
    let names = entities.names.iter().map(|name| (!name.is_empty()).then(|| name.clone()));
    let entity: QuotaEntity = entities.types.iter().map(|of_type| quota_type(of_type).to_owned()).zip(names).collect();
    let outcome = admin.alter_client_quotas(&entity, &changes).await.map_err(Thrown::from);
    outcome.and_then(|outcome| outcome.map_err(Thrown::from)).map_err(Thrown::in_execution)
}

async fn scram(user: &str, added: &BTreeMap<String, String>, deleted: &[String], admin: &Admin) -> Result<(), Thrown> {
    let mut changes: Vec<ScramChange> =
        deleted.iter().filter_map(|name| Mechanism::of_name(name)).map(ScramChange::Delete).collect();
    for (name, value) in added {
        let Some(mechanism) = Mechanism::of_name(name) else { continue };
        changes.push(credential(mechanism, value)?);
    }
    let outcome = admin.alter_scram_credentials(user, &changes).await.map_err(Thrown::from);
    outcome.and_then(|outcome| outcome.map_err(Thrown::from)).map_err(Thrown::in_execution)
}

/// `iterations=8192,password=secret`, of which the first may be left out or be -1.
fn credential(mechanism: Mechanism, text: &str) -> Result<ScramChange, Thrown> {
    let name = mechanism.name();
    let invalid = || Thrown::illegal(format!("Invalid credential property {}={text}", name.replace('-', "_")));
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => rest.split_once(',').map(|(number, rest)| (Some(number), rest)).ok_or_else(invalid)?,
        None => (None, text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    let number = |text: &str| text.strip_prefix('-').unwrap_or(text).bytes().all(|digit| digit.is_ascii_digit());
    let iterations = match iterations {
        None | Some("-1") => ITERATIONS_DEFAULT,
        Some(text) if number(text) => {
            text.parse().map_err(|_| Thrown::new(NUMBER_FORMAT, format!("For input string: \"{text}\"")))?
        }
        Some(_) => return Err(invalid()),
    };
    if iterations < ITERATIONS_MIN {
        return Err(Thrown::illegal(format!(
            "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {name}"
        )));
    }
    Ok(ScramChange::Set { mechanism, iterations, password: password.to_owned() })
}
