//! What the options of `kafka-acls` mean: resources, entries, and what the roles of producers and consumers need. Numbers
//! are Kafka's (`ResourceType`, `PatternType`, `AclOperation`, `AclPermissionType`), names those of its enumerations.

use std::fmt;

use crate::tools::failure::{Stop, Thrown};
use crate::tools::options::Given;

pub(super) const ANY: i8 = 1;

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
const DELEGATION_TOKEN: i8 = 6;
const USER: i8 = 7;
const KINDS: &[&str] = &["UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"];

const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const PATTERNS: &[&str] = &["UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"];

const ALL: i8 = 2;
const READ: i8 = 3;
const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DELETE: i8 = 6;
const ALTER: i8 = 7;
const DESCRIBE: i8 = 8;
const CLUSTER_ACTION: i8 = 9;
const DESCRIBE_CONFIGS: i8 = 10;
const ALTER_CONFIGS: i8 = 11;
const IDEMPOTENT_WRITE: i8 = 12;
const CREATE_TOKENS: i8 = 13;
const DESCRIBE_TOKENS: i8 = 14;
const TWO_PHASE_COMMIT: i8 = 15;
const OPERATIONS: &[&str] = &[
    "UNKNOWN",
    "ANY",
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
];

const DENY: i8 = 2;
const ALLOW: i8 = 3;
const PERMISSIONS: &[&str] = &["UNKNOWN", "ANY", "DENY", "ALLOW"];

fn name(names: &[&'static str], number: i8) -> &'static str {
    usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or("UNKNOWN")
}

pub(super) fn kind_name(kind: i8) -> &'static str {
    name(KINDS, kind)
}

pub(super) fn pattern_name(pattern: i8) -> &'static str {
    name(PATTERNS, pattern)
}

pub(super) fn operation_name(operation: i8) -> &'static str {
    name(OPERATIONS, operation)
}

pub(super) fn permission_name(permission: i8) -> &'static str {
    name(PERMISSIONS, permission)
}

/// What is guarded: one thing by its name, or all whose names a pattern fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: i8,
    pub(super) name: String,
    pub(super) pattern: i8,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, pattern) = (kind_name(self.kind), pattern_name(self.pattern));
        write!(f, "ResourcePattern(resourceType={kind}, name={}, patternType={pattern})", self.name)
    }
}

/// Who may do what, or may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) principal: String,
    pub(super) host: String,
    pub(super) operation: i8,
    pub(super) permission: i8,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, permission) = (operation_name(self.operation), permission_name(self.permission));
        let (principal, host) = (&self.principal, &self.host);
        write!(f, "(principal={principal}, host={host}, operation={operation}, permissionType={permission})")
    }
}

/// Resources with the entries that are meant; of each resource one, of each entry too.
pub(super) type Wanted = Vec<(Resource, Vec<Entry>)>;

/// Puts entries to those of their resource.
pub(super) fn put(wanted: &mut Wanted, resource: Resource, entries: impl IntoIterator<Item = Entry>) {
    let at = wanted.iter().position(|(known, _)| *known == resource).unwrap_or_else(|| {
        wanted.push((resource, Vec::new()));
        wanted.len() - 1
    });
    for entry in entries {
        if !wanted[at].1.contains(&entry) {
            wanted[at].1.push(entry);
        }
    }
}

/// What `--add` adds: with patterns that a resource can have, and with somebody whom it concerns.
pub(super) fn to_add(given: &Given) -> Result<Wanted, Stop> {
    let pattern = pattern(given)?;
    if pattern != LITERAL && pattern != PREFIXED {
        let name = pattern_name(pattern);
        let complaint = format!("A '--resource-pattern-type' value of '{name}' is not valid when adding acls.");
        return Err(Stop::Usage(complaint));
    }
    let wanted = wanted(given)?;
    if wanted.iter().any(|(_, entries)| entries.is_empty()) {
        let complaint = "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.";
        return Err(Stop::Usage(complaint.to_owned()));
    }
    Ok(wanted)
}

/// What is meant by the resources, principals, hosts, operations and roles of a command line.
pub(super) fn wanted(given: &Given) -> Result<Wanted, Stop> {
    let mut wanted = Wanted::new();
    let mut role = |parts: &[(i8, &[i8])]| -> Result<(), Stop> {
        let resources = resources(given, true)?;
        for (kind, operations) in parts {
            let entries = entries(given, operations)?;
            for resource in resources.iter().filter(|resource| resource.kind == *kind) {
                put(&mut wanted, resource.clone(), entries.clone());
            }
        }
        Ok(())
    };
    if given.has("producer") {
        role(&[(TOPIC, &[WRITE, DESCRIBE, CREATE]), (TRANSACTIONAL_ID, &[WRITE, DESCRIBE])])?;
        if given.has("idempotent") {
            put(&mut wanted, cluster(), entries(given, &[IDEMPOTENT_WRITE])?);
        }
        if given.has("consumer") {
            let of_consumer = self::consumer(given)?;
            of_consumer.into_iter().for_each(|(resource, entries)| put(&mut wanted, resource, entries));
        }
    } else if given.has("consumer") {
        wanted = consumer(given)?;
    } else {
        let entries = entries(given, &operations(given))?;
        for resource in resources(given, true)? {
            put(&mut wanted, resource, entries.clone());
        }
    }
    check(&wanted)?;
    Ok(wanted)
}

fn consumer(given: &Given) -> Result<Wanted, Stop> {
    let mut wanted = Wanted::new();
    for resource in resources(given, true)? {
        match resource.kind {
            TOPIC => put(&mut wanted, resource, entries(given, &[READ, DESCRIBE])?),
            GROUP => put(&mut wanted, resource, entries(given, &[READ])?),
            _ => {}
        }
    }
    Ok(wanted)
}

/// Whether what can be done to the resources is what is meant.
fn check(wanted: &Wanted) -> Result<(), Stop> {
    for (resource, entries) in wanted {
        let supported = supported(resource.kind);
        if entries.iter().any(|entry| !supported.contains(&entry.operation)) {
            let supported: Vec<&str> = supported.iter().map(|operation| operation_name(*operation)).collect();
            let (kind, supported) = (kind_name(resource.kind), supported.join(", "));
            return Err(Stop::Usage(format!("ResourceType {kind} only supports operations [{supported}]")));
        }
    }
    Ok(())
}

fn supported(kind: i8) -> &'static [i8] {
    match kind {
        TOPIC => &[ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS],
        GROUP => &[ALL, READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS],
        CLUSTER => &[ALL, CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE],
        TRANSACTIONAL_ID => &[ALL, WRITE, DESCRIBE, TWO_PHASE_COMMIT],
        DELEGATION_TOKEN => &[ALL, DESCRIBE],
        USER => &[ALL, CREATE_TOKENS, DESCRIBE_TOKENS],
        _ => &[ALL],
    }
}

/// The operations by the names in which Kafka writes them, in any case: `DescribeConfigs`, not `DESCRIBE_CONFIGS`.
fn operations(given: &Given) -> Vec<i8> {
    let number = |text: &String| {
        let text = text.trim().to_uppercase();
        let found = OPERATIONS.iter().position(|name| name.replace('_', "") == text);
        found.and_then(|number| i8::try_from(number).ok()).unwrap_or_default()
    };
    let operations: Vec<i8> = given.all("operation").iter().map(number).collect();
    if operations.is_empty() { vec![ALL] } else { operations }
}

fn entries(given: &Given, operations: &[i8]) -> Result<Vec<Entry>, Thrown> {
    let sides = [("allow-principal", "allow-host", ALLOW), ("deny-principal", "deny-host", DENY)];
    let mut entries = Vec::new();
    let named: Vec<Vec<String>> =
        sides.iter().map(|(who, _, _)| principals(given, who)).collect::<Result<_, Thrown>>()?;
    for ((_, from, permission), principals) in sides.into_iter().zip(named) {
        let hosts: Vec<String> = match given.all(from) {
            [] => vec!["*".to_owned()],
            hosts => hosts.iter().map(|host| host.trim().to_owned()).collect(),
        };
        for principal in &principals {
            for host in &hosts {
                for operation in operations.iter().copied() {
                    if operation == ANY {
                        return Err(Thrown::illegal("operation must not be ANY"));
                    }
                    entries.push(Entry { principal: principal.clone(), host: host.clone(), operation, permission });
                }
            }
        }
    }
    Ok(entries)
}

/// The principals that an option names, each `type:name`.
pub(super) fn principals(given: &Given, option: &str) -> Result<Vec<String>, Thrown> {
    let mut principals = Vec::new();
    for text in given.all(option) {
        let text = text.trim();
        if !text.contains(':') {
            let complaint = format!("expected a string in format principalType:principalName but got {text}");
            return Err(Thrown::illegal(complaint));
        }
        if !principals.iter().any(|known| known == text) {
            principals.push(text.to_owned());
        }
    }
    Ok(principals)
}

fn pattern(given: &Given) -> Result<i8, Thrown> {
    let Some(text) = given.one("resource-pattern-type")? else { return Ok(LITERAL) };
    let number = PATTERNS.iter().position(|name| name.eq_ignore_ascii_case(text));
    match number.and_then(|number| i8::try_from(number).ok()) {
        Some(number) if number > 0 => Ok(number),
        found => {
            let why = if found.is_some() {
                format!("Unknown resource-pattern-type: {text}")
            } else {
                format!("Value [{text}] is not one of [{}]", PATTERNS[1..].join("|"))
            };
            Err(Thrown {
                cause: Some(Box::new(Thrown::new("joptsimple.ValueConversionException", why))),
                ..Thrown::new(
                    "joptsimple.OptionArgumentConversionException",
                    format!("Cannot parse argument '{text}' of option resource-pattern-type"),
                )
            })
        }
    }
}

fn cluster() -> Resource {
    Resource { kind: CLUSTER, name: "kafka-cluster".to_owned(), pattern: LITERAL }
}

/// The resources that are named; if there must be one, at least one.
pub(super) fn resources(given: &Given, needed: bool) -> Result<Vec<Resource>, Stop> {
    let pattern = pattern(given)?;
    let mut resources = Vec::new();
    let mut named = |option: &str, kind: i8| {
        for text in given.all(option) {
            // Of transactional ids blanks are a part.
            let name = if kind == TRANSACTIONAL_ID { text.as_str() } else { text.trim() };
            let resource = Resource { kind, name: name.to_owned(), pattern };
            if !resources.contains(&resource) {
                resources.push(resource);
            }
        }
    };
    named("topic", TOPIC);
    named("group", GROUP);
    named("transactional-id", TRANSACTIONAL_ID);
    named("delegation-token", DELEGATION_TOKEN);
    named("user-principal", USER);
    // The cluster has one name, which is no beginning of others.
    if pattern == LITERAL && given.any(&["cluster", "idempotent"]) {
        resources.push(cluster());
    }
    if resources.is_empty() && needed {
        return Err(Stop::Usage(
            "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>".to_owned(),
        ));
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(line: &str) -> Result<Vec<String>, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let given = super::super::SPEC.parse(&words).unwrap();
        let told = |(resource, entries): (Resource, Vec<Entry>)| {
            let entries = entries.into_iter().map(move |entry| {
                let (kind, operation) = (kind_name(resource.kind), operation_name(entry.operation));
                let permission = permission_name(entry.permission);
                format!("{kind} {} {permission} {} {operation} {}", resource.name, entry.principal, entry.host)
            });
            entries.collect::<Vec<String>>()
        };
        match to_add(&given) {
            Ok(wanted) => Ok(wanted.into_iter().flat_map(told).collect()),
            Err(Stop::Usage(sentence)) => Err(sentence),
            Err(Stop::Thrown(thrown)) => Err(thrown.text().to_owned()),
            Err(Stop::Exit(code)) => Err(code.to_string()),
        }
    }

    #[test]
    fn every_principal_host_and_operation_has_an_entry() {
        let all =
            of("--topic t --allow-principal User:a --deny-principal User:b --deny-host h --operation describeconfigs");
        assert_eq!(all.unwrap(), ["TOPIC t ALLOW User:a DESCRIBE_CONFIGS *", "TOPIC t DENY User:b DESCRIBE_CONFIGS h"]);
        let all = of("--cluster --group g --allow-principal User:a --allow-host h --allow-host i");
        assert_eq!(
            all.unwrap(),
            [
                "GROUP g ALLOW User:a ALL h",
                "GROUP g ALLOW User:a ALL i",
                "CLUSTER kafka-cluster ALLOW User:a ALL h",
                "CLUSTER kafka-cluster ALLOW User:a ALL i"
            ]
        );
    }

    #[test]
    fn roles_have_what_they_need() {
        let all = of("--producer --consumer --idempotent --topic t --group g --allow-principal User:a").unwrap();
        let all: Vec<String> = all.iter().map(|line| line.replace(" ALLOW User:a", "").replace(" *", "")).collect();
        assert_eq!(
            all,
            [
                "TOPIC t WRITE",
                "TOPIC t DESCRIBE",
                "TOPIC t CREATE",
                "TOPIC t READ",
                "CLUSTER kafka-cluster IDEMPOTENT_WRITE",
                "GROUP g READ"
            ]
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let no = |line: &str| of(line).unwrap_err();
        assert!(no("--topic t").starts_with("You must specify one of: --allow-principal, --deny-principal"));
        assert!(no("--allow-principal User:a").starts_with("You must provide at least one resource"));
        assert!(no("--topic t --allow-principal a").ends_with("principalType:principalName but got a"));
        assert!(no("--topic t --resource-pattern-type any").contains("'ANY' is not valid when adding"));
        assert_eq!(
            no("--delegation-token d --allow-principal User:a --operation Read"),
            "ResourceType DELEGATION_TOKEN only supports operations [ALL, DESCRIBE]"
        );
    }
}
