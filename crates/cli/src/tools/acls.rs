//! `kafka-acls` (`org.apache.kafka.tools.AclCommand`).

mod entries;

use std::io::{BufRead as _, IsTerminal as _};

use andiron_client::Admin;
use andiron_client::admin::{Acl, AclFilter};
use serde_json::json;

use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, flag, maybe_value, value};
use super::print::{Rows, say};
use super::session::{admin, block_on, load_properties, with};
use entries::{ANY, Entry, Resource};

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-acls",
    about: "This tool helps to manage acls on kafka.",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is. This or --bootstrap-controller is required."),
        value("bootstrap-controller", "host:port,...", "Where its controllers are."),
        maybe_value("command-config", "file", "Properties for the admin client."),
        flag("add", "Add entries."),
        flag("remove", "Remove entries; all of the resources if no principal is given."),
        flag("list", "List entries, of the resources that are given or of all."),
        value("topic", "topic", "A topic; * for all. May be repeated, as all resources may."),
        value("group", "group", "A consumer group; * for all."),
        flag("cluster", "The cluster itself."),
        value("transactional-id", "id", "A transactional id; * for all."),
        value("delegation-token", "token", "A delegation token; * for all."),
        value("user-principal", "principal", "A user, as a resource: whose tokens may be made or described."),
        value(
            "resource-pattern-type",
            "type",
            "literal (if not given) or prefixed; to list or remove, also any, or match for all that apply to a name.",
        ),
        value(
            "operation",
            "operation",
            "What may be done or may not, All if not given; Read, Write, Create and so on.",
        ),
        value("allow-principal", "type:name", "Who may, as User:alice; User:* is everybody."),
        value("deny-principal", "type:name", "Who may not, whatever else allows it."),
        value("allow-host", "host", "From where those of --allow-principal may; * if not given."),
        value("deny-host", "host", "From where those of --deny-principal may not; * if not given."),
        maybe_value("principal", "type:name", "List only entries of this principal."),
        flag("producer", "What a producer needs: Write, Describe and Create on its topics."),
        flag("idempotent", "With --producer: IdempotentWrite on the cluster too."),
        flag("consumer", "What a consumer needs: Read and Describe on its topics, Read on its groups."),
        flag("force", "Remove without asking."),
    ],
};

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args).and_then(|given| block_on(act(&given, &client(&given)?))?);
    SPEC.end(outcome, |thrown| {
        say(format_args!("Error while executing ACL command: {}", thrown.text()));
        say(format_args!("{}\n", thrown.trace()));
        1
    })
}

fn usage(sentence: &str) -> Stop {
    Stop::Usage(sentence.to_owned())
}

fn prepare(args: &[String]) -> Result<Given, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| usage(thrown.text()))?;
    SPEC.begin(&given)?;
    match given.count(&["bootstrap-server", "bootstrap-controller"]) {
        0 => return Err(usage("One of --bootstrap-server or --bootstrap-controller must be specified")),
        1 => {}
        _ => return Err(usage("Only one of --bootstrap-server or --bootstrap-controller must be specified")),
    }
    if given.count(&["add", "remove", "list"]) != 1 {
        return Err(usage("Command must include exactly one action: --list, --add, --remove."));
    }
    let not_to_list = ["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"];
    given.forbid("list", &not_to_list)?;
    let of_roles = ["operation", "deny-principal", "deny-host"];
    given.forbid("producer", &of_roles)?;
    given.forbid("consumer", &of_roles)?;
    if given.has("principal") && !given.has("list") {
        return Err(usage("The --principal option is only available if --list is set"));
    }
    if given.has("producer") && !given.has("topic") {
        return Err(usage("With --producer you must specify a --topic"));
    }
    if given.has("idempotent") && !given.has("producer") {
        return Err(usage("The --idempotent option is only available if --producer is set"));
    }
    let whole = given.has("topic") && given.has("group");
    let foreign = !given.has("producer") && given.any(&["cluster", "transactional-id"]);
    if given.has("consumer") && (!whole || foreign) {
        return Err(usage(
            "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.",
        ));
    }
    Ok(given)
}

fn client(given: &Given) -> Result<Admin, Thrown> {
    let properties = given.one("command-config")?.map_or_else(|| Ok(Vec::new()), load_properties)?;
    // Controllers are asked as brokers are.
    let place = if given.has("bootstrap-server") { "bootstrap-server" } else { "bootstrap-controller" };
    admin(with(properties, "bootstrap.servers", given.one(place)?.unwrap_or_default()))
}

async fn act(given: &Given, admin: &Admin) -> Result<(), Stop> {
    if given.has("add") {
        add(given, admin).await
    } else if given.has("remove") {
        remove(given, admin).await
    } else {
        list(given, admin).await
    }
}

/// The entries of a resource that are asked for; all that are there without any.
fn filter(resource: &Resource, entry: Option<&Entry>) -> AclFilter {
    AclFilter {
        resource_type: resource.kind,
        resource_name: Some(resource.name.clone()),
        pattern_type: resource.pattern,
        principal: entry.map(|entry| entry.principal.clone()),
        host: entry.map(|entry| entry.host.clone()),
        operation: entry.map_or(ANY, |entry| entry.operation),
        permission: entry.map_or(ANY, |entry| entry.permission),
    }
}

async fn described(admin: &Admin, filter: &AclFilter) -> Result<Vec<(Resource, Entry)>, Thrown> {
    let found = admin.describe_acls(filter).await.map_err(|error| Thrown::from(error).in_execution())?;
    let binding = |acl: Acl| {
        let resource = Resource { kind: acl.resource_type, name: acl.resource_name, pattern: acl.pattern_type };
        let Acl { principal, host, operation, permission, .. } = acl;
        (resource, Entry { principal, host, operation, permission })
    };
    Ok(found.into_iter().map(binding).collect())
}

fn lines(entries: &[Entry]) -> String {
    entries.iter().map(|entry| format!("\t{entry}")).collect::<Vec<String>>().join("\n")
}

async fn add(given: &Given, admin: &Admin) -> Result<(), Stop> {
    for (resource, entries) in entries::to_add(given)? {
        let there = described(admin, &filter(&resource, None)).await?;
        let (mut new, mut acls) = (Vec::new(), Vec::new());
        for entry in entries {
            if there.iter().any(|(of, known)| *of == resource && *known == entry) {
                say(format_args!("Acl (pattern={resource}, entry={entry}) already exists."));
                continue;
            }
            acls.push(Acl {
                resource_type: resource.kind,
                resource_name: resource.name.clone(),
                pattern_type: resource.pattern,
                principal: entry.principal.clone(),
                host: entry.host.clone(),
                operation: entry.operation,
                permission: entry.permission,
            });
            new.push(entry);
        }
        if new.is_empty() {
            continue;
        }
        say(format_args!("Adding ACLs for resource `{resource}`: \n {}\n", lines(&new)));
        let outcomes = admin.create_acls(&acls).await.map_err(|error| Thrown::from(error).in_execution())?;
        if let Some(refusal) = outcomes.into_iter().find_map(Result::err) {
            return Err(Thrown::from(refusal).in_execution().into());
        }
    }
    Ok(())
}

async fn remove(given: &Given, admin: &Admin) -> Result<(), Stop> {
    for (resource, entries) in entries::wanted(given)? {
        let question = if entries.is_empty() {
            format!("Are you sure you want to delete all ACLs for resource filter `{resource}`? (y/n)")
        } else {
            let lines = lines(&entries);
            format!("Are you sure you want to remove ACLs: \n {lines}\n from resource filter `{resource}`? (y/n)")
        };
        if !given.has("force") && !confirmed(&question)? {
            continue;
        }
        let filters: Vec<AclFilter> = if entries.is_empty() {
            vec![filter(&resource, None)]
        } else {
            entries.iter().map(|entry| filter(&resource, Some(entry))).collect()
        };
        let outcomes = admin.delete_acls(&filters).await.map_err(|error| Thrown::from(error).in_execution())?;
        if let Some(refusal) = outcomes.into_iter().find_map(Result::err) {
            return Err(Thrown::from(refusal).in_execution().into());
        }
    }
    Ok(())
}

/// Asks on a terminal. Without one nobody can be asked, and nothing is removed: in Java there is no `Console` then, and its
/// tool falls over just this.
fn confirmed(question: &str) -> Result<bool, Thrown> {
    say(question);
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Thrown::new(
            "java.lang.NullPointerException",
            "Cannot invoke \"java.io.Console.readLine()\" because the return value of \"java.lang.System.console()\" is null",
        ));
    }
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Thrown::new("java.io.IOException", error.to_string()))?;
    Ok(answer.trim_end_matches(['\n', '\r']).eq_ignore_ascii_case("y"))
}

async fn list(given: &Given, admin: &Admin) -> Result<(), Stop> {
    let resources = entries::resources(given, false)?;
    let principals = entries::principals(given, "principal")?;
    let mut found = Vec::new();
    if resources.is_empty() {
        let every = AclFilter {
            resource_type: ANY,
            resource_name: None,
            pattern_type: ANY,
            principal: None,
            host: None,
            operation: ANY,
            permission: ANY,
        };
        found = described(admin, &every).await?;
    }
    for resource in &resources {
        found.extend(described(admin, &filter(resource, None)).await?);
    }
    let mut by_resource: Vec<(Resource, Vec<Entry>)> = Vec::new();
    for (resource, entry) in found {
        entries::put(&mut by_resource, resource, [entry]);
    }
    if given.json() {
        rows(&by_resource, &principals).print();
        return Ok(());
    }
    if principals.is_empty() {
        show(&by_resource);
    }
    for principal in &principals {
        say(format_args!("ACLs for principal `{principal}`"));
        let own = |(resource, entries): &(Resource, Vec<Entry>)| {
            let own: Vec<Entry> = entries.iter().filter(|entry| entry.principal == *principal).cloned().collect();
            (!own.is_empty()).then(|| (resource.clone(), own))
        };
        show(&by_resource.iter().filter_map(own).collect::<Vec<_>>());
    }
    Ok(())
}

fn show(by_resource: &[(Resource, Vec<Entry>)]) {
    for (resource, entries) in by_resource {
        say(format_args!("Current ACLs for resource `{resource}`:\n{}\n", lines(entries)));
    }
}

fn rows(by_resource: &[(Resource, Vec<Entry>)], principals: &[String]) -> Rows {
    let mut rows = Rows::default();
    for (resource, entries) in by_resource {
        for entry in entries.iter().filter(|entry| principals.is_empty() || principals.contains(&entry.principal)) {
            rows.row([
                ("resourceType", json!(entries::kind_name(resource.kind))),
                ("name", json!(resource.name)),
                ("patternType", json!(entries::pattern_name(resource.pattern))),
                ("principal", json!(entry.principal)),
                ("host", json!(entry.host)),
                ("operation", json!(entries::operation_name(entry.operation))),
                ("permission", json!(entries::permission_name(entry.permission))),
            ]);
        }
    }
    rows
}
