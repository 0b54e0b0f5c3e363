//! `kafka-configs` (`kafka.admin.ConfigCommand`).

mod alter;
mod describe;

use andiron_client::Admin;
use andiron_client::admin::{ConfigKind, QuotaMatch};

use super::failure::{ILLEGAL_ARGUMENT, Stop, Thrown};
use super::options::{Given, Spec, flag, value};
use super::print::complain;
use super::session::{admin, block_on, bootstrap, command_config};

const UNSUPPORTED_VERSION: &str = "org.apache.kafka.common.errors.UnsupportedVersionException";
const INVALID_CONFIGURATION: &str = "org.apache.kafka.common.errors.InvalidConfigurationException";
const INVALID_TOPIC: &str = "org.apache.kafka.common.errors.InvalidTopicException";
const NUMBER_FORMAT: &str = "java.lang.NumberFormatException";
const TYPES: &[&str] = &["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];
/// Options that name an entity, with its type.
const NAMED: &[(&str, &str)] = &[
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];
/// Options that mean the default of all entities of a type.
const DEFAULTS: &[(&str, &str)] = &[
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-configs",
    about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
    json: true,
    flags: &[
        value("bootstrap-server", "host:port,...", "Where the cluster is."),
        value("bootstrap-controller", "host:port,...", "Where its controllers are."),
        value("command-config", "file", "Properties for the admin client."),
        flag("alter", "Set and delete configs."),
        flag("describe", "Show configs that were set."),
        flag("all", "Show all configs, whether set or not."),
        value("entity-type", "type", "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups."),
        value("entity-name", "name", "The name of the entity."),
        flag("entity-default", "The default of all entities of the type."),
        value("add-config", "k=v,k=[v,v]", "Configs to set."),
        value("add-config-file", "file", "A properties file with configs to set."),
        value("delete-config", "k,k", "Configs to delete."),
        value("topic", "name", "A topic."),
        value("client", "id", "A client id."),
        flag("client-defaults", "The default of all clients."),
        value("user", "name", "A user's principal name."),
        flag("user-defaults", "The default of all users."),
        value("broker", "id", "A broker."),
        flag("broker-defaults", "The default of all brokers."),
        value("broker-logger", "id", "A broker's loggers."),
        flag("ip-defaults", "The default of all addresses."),
        value("ip", "address", "An address."),
        value("group", "id", "A group."),
        value("client-metrics", "name", "A subscription to client metrics."),
    ],
};

/// What the words are about.
struct Entities {
    /// The types, each once.
    types: Vec<String>,
    /// The names in the order of the types; empty for a default.
    names: Vec<String>,
}

pub(super) fn run(args: &[String]) -> u8 {
    let outcome = prepare(args).and_then(|(given, entities, admin)| {
        let work = async {
            if given.has("alter") {
                alter::alter(&given, &entities, &admin).await
            } else {
                describe::describe(&given, &entities, &admin).await
            }
        };
        block_on(work).unwrap_or_else(|thrown| Err(thrown.into()))
    });
    SPEC.end(outcome, |thrown| {
        // With those that Java derives from them.
        let known = [UNSUPPORTED_VERSION, ILLEGAL_ARGUMENT, NUMBER_FORMAT, INVALID_CONFIGURATION, INVALID_TOPIC];
        if known.contains(&thrown.class.as_str()) || thrown.class.starts_with("joptsimple.") {
            complain(thrown.text());
        } else {
            complain(format_args!("Error while executing config command with args '{}'", args.join(" ")));
            thrown.print_trace();
        }
        1
    })
}

fn prepare(args: &[String]) -> Result<(Given, Entities, Admin), Stop> {
    let given = SPEC.parse(args)?;
    SPEC.begin(&given)?;
    let entities = check(&given)?;
    let admin = admin(bootstrap(&given, command_config(&given)?)?)?;
    if given.has("alter") && entities.types.len() != entities.names.len() {
        return Err(Thrown::illegal("An entity name must be specified for every entity type").into());
    }
    Ok((given, entities, admin))
}

fn entities(given: &Given) -> Result<Entities, Thrown> {
    let mut types = given.all("entity-type").to_vec();
    let here = |flags: &'static [(&'static str, &'static str)]| flags.iter().filter(|(name, _)| given.has(name));
    types.extend(here(NAMED).chain(here(DEFAULTS)).map(|(_, of_type)| (*of_type).to_owned()));
    let mut of_name = given.all("entity-name").iter();
    let placed = given.in_order(&["entity-name", "entity-default"]).into_iter();
    let mut names: Vec<String> = placed
        .map(|name| if name == "entity-name" { of_name.next().cloned().unwrap_or_default() } else { String::new() })
        .collect();
    for (name, _) in here(NAMED) {
        names.extend(given.one(name)?.map(str::to_owned));
    }
    names.extend(here(DEFAULTS).map(|_| String::new()));
    Ok(Entities { types, names })
}

fn check(given: &Given) -> Result<Entities, Stop> {
    let wrong = |message: String| Stop::from(Thrown::illegal(message));
    if given.count(&["alter", "describe"]) != 1 {
        return Err(Stop::Usage("Command must include exactly one action: --describe, --alter".to_owned()));
    }
    given.forbid("describe", &["add-config", "delete-config"])?;
    let entities = entities(given)?;
    let types = &entities.types;
    let twice: Vec<&str> = types
        .iter()
        .enumerate()
        .filter(|(at, of_type)| types[..*at].contains(of_type))
        .map(|(_, t)| t.as_str())
        .collect();
    if !twice.is_empty() {
        return Err(wrong(format!("Duplicate entity type(s) specified: {}", twice.join(","))));
    }
    if !given.any(&["bootstrap-server", "bootstrap-controller"]) {
        return Err(wrong("Either --bootstrap-server or --bootstrap-controller must be specified.".to_owned()));
    }
    if let Some(foreign) = types.iter().find(|of_type| !TYPES.contains(&of_type.as_str())) {
        return Err(wrong(format!(
            "Invalid entity type {foreign}, the entity type must be one of {} with a --bootstrap-server or --bootstrap-controller argument",
            TYPES.join(", ")
        )));
    }
    let Some(head) = types.first() else {
        return Err(wrong("At least one entity type must be specified".to_owned()));
    };
    let both = types.len() == 2 && ["users", "clients"].iter().all(|of_type| types.iter().any(|t| t == of_type));
    if types.len() > 1 && !both {
        return Err(wrong("Only 'users' and 'clients' entity types may be specified together".to_owned()));
    }
    let specific = NAMED.iter().chain(DEFAULTS).any(|(name, _)| given.has(name));
    if given.any(&["entity-name", "entity-type", "entity-default"]) && specific {
        return Err(wrong(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags".to_owned(),
        ));
    }
    if given.count(&["bootstrap-server", "bootstrap-controller"]) > 1 {
        return Err(wrong("Only one of --bootstrap-server or --bootstrap-controller can be specified".to_owned()));
    }
    let has = |of_type: &str| types.iter().any(|t| t == of_type);
    let named = entities.names.iter().any(|name| !name.is_empty());
    if named && (has("brokers") || has("broker-loggers")) {
        for option in ["entity-name", "broker", "broker-logger"] {
            if let Some(id) = given.one(option)?.filter(|id| id.parse::<i32>().is_err()) {
                return Err(wrong(format!(
                    "The entity name for {head} must be a valid integer broker id, but it is: {id}"
                )));
            }
        }
    }
    if named && has("ips") {
        for option in ["entity-name", "ip"] {
            let resolves =
                |ip: &&str| !std::net::ToSocketAddrs::to_socket_addrs(&(*ip, 0)).is_ok_and(|a| a.count() > 0);
            if let Some(ip) = given.one(option)?.filter(resolves) {
                return Err(wrong(format!(
                    "The entity name for {head} must be a valid IP or resolvable host, but it is: {ip}"
                )));
            }
        }
    }
    check_action(given, &entities, named).map_err(wrong)?;
    Ok(entities)
}

fn check_action(given: &Given, entities: &Entities, named: bool) -> Result<(), String> {
    let types = entities.types.join(",");
    let has = |of_type: &str| entities.types.iter().any(|t| t == of_type);
    let has_default = has("users") || has("clients") || has("brokers") || has("ips");
    if given.has("describe") {
        if !has_default && given.has("entity-default") {
            return Err(format!("--entity-default must not be specified with --describe of {types}"));
        }
        if has("broker-loggers") && !named {
            return Err(format!("An entity name must be specified with --describe of {types}"));
        }
        return Ok(());
    }
    if has_default {
        if entities.names.is_empty() {
            return Err(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
                    .to_owned(),
            );
        }
    } else if !named {
        return Err(format!("An entity name must be specified with --alter of {types}"));
    }
    if given.has("add-config") && given.has("add-config-file") {
        return Err("Only one of --add-config or --add-config-file must be specified".to_owned());
    }
    if !given.any(&["add-config", "add-config-file", "delete-config"]) {
        return Err(
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
                .to_owned(),
        );
    }
    Ok(())
}

/// What a type of entity is to the protocol, if its configs are configs and not quotas.
fn kind(of_type: &str) -> Option<ConfigKind> {
    match of_type {
        "topics" => Some(ConfigKind::Topic),
        "brokers" => Some(ConfigKind::Broker),
        "broker-loggers" => Some(ConfigKind::BrokerLogger),
        "client-metrics" => Some(ConfigKind::ClientMetrics),
        "groups" => Some(ConfigKind::Group),
        _ => None,
    }
}

/// A type without its last letter: `topic`, `client-metric`.
fn singular(of_type: &str) -> &str {
    of_type.get(..of_type.len().saturating_sub(1)).unwrap_or(of_type)
}

fn quota_type(of_type: &str) -> &'static str {
    match of_type {
        "users" => "user",
        "clients" => "client-id",
        _ => "ip",
    }
}

/// Types with their names; a type without a name is meant with any.
fn components(entities: &Entities) -> Result<Vec<(&'static str, QuotaMatch)>, Thrown> {
    if entities.names.len() > entities.types.len() {
        return Err(Thrown::illegal("More entity names specified than entity types"));
    }
    let mut names = entities.names.iter();
    let component = |of_type: &String| {
        let matches = match names.next() {
            None => QuotaMatch::Any,
            Some(name) if name.is_empty() => QuotaMatch::Default,
            Some(name) => QuotaMatch::Named(name.clone()),
        };
        (quota_type(of_type), matches)
    };
    Ok(entities.types.iter().map(component).collect())
}
