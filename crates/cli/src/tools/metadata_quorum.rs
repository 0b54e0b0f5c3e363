//! `kafka-metadata-quorum` (`org.apache.kafka.tools.MetadataQuorumCommand`).

use andiron_client::Admin;
use andiron_client::admin::{NodeListener, Quorum, QuorumReplica};
use andiron_protocol::KafkaUuid as _;
use andiron_protocol::Uuid;
use serde_json::{Value, json};

use super::arguments::{Arguments, Command, Kind, Parser, Unparsed, arg, switch};
use super::failure::{Stop, Thrown};
use super::print::{Rows, complain, print_json, say, tab_table};
use super::session::{admin, block_on, bootstrap_of, load_properties};

const TERSE: &str = "org.apache.kafka.tools.TerseException";
type Properties = Vec<(String, String)>;

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-metadata-quorum",
    prog: "kafka-metadata-quorum",
    about: "The metadata quorum: who votes, who leads, how far everybody is.",
    args: &[
        arg(&["--bootstrap-server"], "Where the cluster is.").group("where"),
        arg(&["--bootstrap-controller"], "Where its controllers are.").group("where"),
        arg(&["--command-config"], "Properties for the admin client; with add-controller those of the controller too."),
    ],
    required_groups: &["where"],
    commands: &[
        Command {
            name: "describe",
            about: "Show the quorum.",
            args: &[
                switch(&["--status"], "In short."),
                switch(&["--replication"], "Replica by replica."),
                switch(&["--human-readable"], "With times as time passed."),
            ],
        },
        Command {
            name: "add-controller",
            about: "Make a controller a voter.",
            args: &[switch(&["--dry-run"], "Only say what would be done.")],
        },
        Command {
            name: "remove-controller",
            about: "Make a voter an observer.",
            args: &[
                arg(&["--controller-id", "-i"], "The controller's id.").kind(Kind::Int).required(),
                arg(&["--controller-directory-id", "-d"], "The id of its metadata directory.").required(),
                switch(&["--dry-run"], "Only say what would be done."),
            ],
        },
    ],
    json: true,
};

pub(super) fn run(args: &[String]) -> u8 {
    let read = match PARSER.parse(args) {
        Ok(read) => read,
        Err(Unparsed::Help) => return 0,
        Err(Unparsed::Wrong(complaint)) => {
            PARSER.complain(&complaint);
            return 1;
        }
    };
    match act(&read) {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Thrown(thrown)) if thrown.class == TERSE => {
            complain(thrown.text());
            1
        }
        Err(Stop::Thrown(thrown)) => thrown.told(),
        Err(Stop::Usage(complaint)) => {
            PARSER.complain(&complaint);
            1
        }
    }
}

fn terse(message: impl Into<String>) -> Thrown {
    Thrown::new(TERSE, message)
}

fn act(read: &Arguments) -> Result<(), Stop> {
    let properties = match read.text("--command-config") {
        None => Vec::new(),
        Some(file) if !std::path::Path::new(file).exists() => {
            return Err(terse(format!("Properties file {file} does not exists!")).into());
        }
        Some(file) => load_properties(file)?,
    };
    let (server, controller) = (read.text("--bootstrap-server"), read.text("--bootstrap-controller"));
    let admin = admin(bootstrap_of(properties.clone(), server, controller).map_err(Stop::Usage)?)?;
    match read.command {
        Some("add-controller") => {
            if read.text("--command-config").is_none() {
                return Err(terse(
                    "You must supply the configuration file of the controller you are adding when using add-controller.",
                )
                .into());
            }
            block_on(add(read, &admin, &properties))?
        }
        Some("remove-controller") => block_on(remove(read, &admin))?,
        _ => {
            let (status, replication) = (read.has("--status"), read.has("--replication"));
            if status && replication {
                return Err(terse(
                    "Only one of --status or --replication should be specified with describe sub-command",
                )
                .into());
            }
            if replication {
                return block_on(replicas(read, &admin))?;
            }
            if !status {
                return Err(
                    terse("One of --status or --replication must be specified with describe sub-command").into()
                );
            }
            if read.has("--human-readable") {
                return Err(terse("The option --human-readable is only supported along with --replication").into());
            }
            block_on(self::status(read, &admin))?
        }
    }
}

fn leader(quorum: &Quorum) -> Result<&QuorumReplica, Thrown> {
    let none = || Thrown::new("java.util.NoSuchElementException", "No value present");
    quorum.voters.iter().find(|voter| voter.node == quorum.leader).ok_or_else(none)
}

async fn status(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let controllers = read.has("--bootstrap-controller");
    let cluster = admin.describe_nodes(controllers, false).await;
    let cluster = cluster.map_err(|error| Thrown::from(error).in_execution())?;
    let quorum = admin.describe_quorum().await.map_err(|error| Thrown::from(error).in_execution())?;
    let leader = leader(&quorum)?;
    let last = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag = leader.log_end_offset - last.log_end_offset;
    let known = |replica: &QuorumReplica| replica.last_caught_up_ms >= 0;
    let lag_ms = if leader.node == last.node {
        0
    } else if known(leader) && known(last) {
        leader.last_caught_up_ms - last.last_caught_up_ms
    } else {
        -1
    };
    if read.json() {
        let replicas = |all: &[QuorumReplica]| -> Vec<Value> {
            all.iter().map(|replica| json!({"id": replica.node, "directoryId": replica.directory.to_kafka()})).collect()
        };
        print_json(
            &json!({"clusterId": cluster.cluster_id, "leaderId": quorum.leader, "leaderEpoch": quorum.leader_epoch,
            "highWatermark": quorum.high_watermark, "maxFollowerLag": lag, "maxFollowerLagTimeMs": lag_ms,
            "currentVoters": replicas(&quorum.voters), "currentObservers": replicas(&quorum.observers)}),
        );
        return Ok(());
    }
    let replicas = |all: &[QuorumReplica]| {
        let texts: Vec<String> = all.iter().map(|replica| node(&quorum, replica)).collect();
        format!("[{}]", texts.join(", "))
    };
    say(format_args!("ClusterId:              {}", cluster.cluster_id));
    say(format_args!("LeaderId:               {}", quorum.leader));
    say(format_args!("LeaderEpoch:            {}", quorum.leader_epoch));
    say(format_args!("HighWatermark:          {}", quorum.high_watermark));
    say(format_args!("MaxFollowerLag:         {lag}"));
    say(format_args!("MaxFollowerLagTimeMs:   {lag_ms}"));
    say(format_args!("CurrentVoters:          {}", replicas(&quorum.voters)));
    say(format_args!("CurrentObservers:       {}", replicas(&quorum.observers)));
    Ok(())
}

fn node(quorum: &Quorum, replica: &QuorumReplica) -> String {
    let mut text = format!("{{\"id\": {}", replica.node);
    if !replica.directory.is_nil() {
        text.push_str(&format!(", \"directoryId\": \"{}\"", replica.directory.to_kafka()));
    }
    let known = quorum.nodes.iter().find(|(node, _)| *node == replica.node);
    if let Some((_, listeners)) = known.filter(|(_, listeners)| !listeners.is_empty()) {
        let each = |(name, host, port): &(String, String, u16)| format!("\"{}\"", endpoint(name, host, *port));
        let endpoints: Vec<String> = listeners.iter().map(each).collect();
        text.push_str(&format!(", \"endpoints\": [{}]", endpoints.join(", ")));
    }
    text + "}"
}

fn endpoint(name: &str, host: &str, port: u16) -> String {
    if host.contains(':') { format!("{name}://[{host}]:{port}") } else { format!("{name}://{host}:{port}") }
}

async fn replicas(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let quorum = admin.describe_quorum().await.map_err(|error| Thrown::from(error).in_execution())?;
    let leader = leader(&quorum)?;
    let followers = quorum.voters.iter().filter(|voter| voter.node != quorum.leader);
    let all = std::iter::once((leader, "Leader"))
        .chain(followers.map(|replica| (replica, "Follower")))
        .chain(quorum.observers.iter().map(|replica| (replica, "Observer")));
    let now = super::clock::now_ms();
    let time = |at: i64, what: &str| -> Result<String, Thrown> {
        if at < 0 || !read.has("--human-readable") {
            return Ok(at.max(-1).to_string());
        }
        if at == 0 || at > now {
            let message = format!(
                "Error while computing relative time, possible drift in system clock.\nCurrent timestamp is {now}, {what} timestamp is {at}"
            );
            return Err(Thrown::new("org.apache.kafka.common.KafkaException", message));
        }
        Ok(format!("{} ms ago", now - at))
    };
    let mut table = Vec::new();
    let mut rows = Rows::default();
    for (replica, status) in all {
        let lag = leader.log_end_offset - replica.log_end_offset;
        rows.row([
            ("nodeId", json!(replica.node)),
            ("directoryId", json!(replica.directory.to_kafka())),
            ("logEndOffset", json!(replica.log_end_offset)),
            ("lag", json!(lag)),
            ("lastFetchTimestamp", json!(replica.last_fetch_ms)),
            ("lastCaughtUpTimestamp", json!(replica.last_caught_up_ms)),
            ("status", json!(status)),
        ]);
        table.push(vec![
            replica.node.to_string(),
            replica.directory.to_kafka(),
            replica.log_end_offset.to_string(),
            lag.to_string(),
            time(replica.last_fetch_ms, "last fetch")?,
            time(replica.last_caught_up_ms, "last caught up")?,
            status.to_owned(),
        ]);
    }
    if read.json() {
        rows.print();
    } else {
        let headers =
            ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"];
        tab_table(&headers, &table);
    }
    Ok(())
}

async fn remove(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let id: i32 = read.number("--controller-id").unwrap_or_default();
    if id < 0 {
        return Err(terse(format!("Invalid negative --controller-id: {id}")).into());
    }
    let text = read.text("--controller-directory-id").unwrap_or_default();
    let directory = super::topics::topic_id(text)
        .map_err(|thrown| terse(format!("Failed to parse --controller-directory-id: {}", thrown.text())))?;
    let dry = read.has("--dry-run");
    if !dry {
        let outcome = admin.remove_voter(id, directory).await.map_err(|error| Thrown::from(error).in_execution())?;
        outcome.map_err(|refusal| Thrown::from(refusal).in_execution())?;
    }
    let what = if dry { "DRY RUN of removing " } else { "Removed " };
    say(format_args!("{what} KRaft controller {id} with directory id {}", directory.to_kafka()));
    Ok(())
}

fn get<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn controller(properties: &Properties) -> Result<(i32, Uuid, Vec<NodeListener>), Thrown> {
    let valid = "Is this a valid controller configuration file?";
    let id =
        get(properties, "node.id").ok_or_else(|| terse(format!("node.id not found in configuration file. {valid}")))?;
    let wrong = |_| Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{id}\""));
    let id: i32 = id.parse().map_err(wrong)?;
    if id < 0 {
        return Err(terse(format!("node.id was negative in configuration file. {valid}")));
    }
    if !get(properties, "process.roles").unwrap_or_default().contains("controller") {
        return Err(terse(format!("process.roles did not contain 'controller' in configuration file. {valid}")));
    }
    let first = |dirs: &str| dirs.trim().split(',').next().unwrap_or_default().to_owned();
    let dir = get(properties, "metadata.log.dir").map(str::to_owned).or_else(|| get(properties, "log.dirs").map(first));
    let dir = dir.ok_or_else(|| terse(format!("Neither metadata.log.dir nor log.dirs were found. {valid}")))?;
    let meta = load_properties(&format!("{dir}/meta.properties"))
        .map_err(|_| terse(format!("Unable to read meta.properties from {dir}")))?;
    let directory = get(&meta, "directory.id").and_then(Uuid::from_kafka);
    let directory = directory.ok_or_else(|| terse(format!("No directory id found in {dir}")))?;
    let mut listeners = Vec::new();
    for name in ["listeners", "advertised.listeners"] {
        for entry in get(properties, name).unwrap_or_default().split(',').map(str::trim) {
            if let Some((name, rest)) = entry.split_once("://")
                && let Some((host, port)) = rest.rsplit_once(':')
            {
                let name = name.to_ascii_uppercase();
                listeners.retain(|(known, ..): &(String, String, u16)| *known != name);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                let host = if host.is_empty() { "localhost" } else { host };
                listeners.push((name, host.to_owned(), port.parse().unwrap_or(0)));
            }
        }
    }
    let names = get(properties, "controller.listener.names")
        .ok_or_else(|| terse(format!("controller.listener.names was not found. {valid}")))?;
    let mut endpoints = Vec::new();
    for name in names.split(',').map(str::to_ascii_uppercase) {
        let found = listeners.iter().find(|(known, ..)| *known == name).cloned();
        endpoints.push(
            found.ok_or_else(|| terse(format!("Cannot find information about controller listener name: {name}")))?,
        );
    }
    Ok((id, directory, endpoints))
}

async fn add(read: &Arguments, admin: &Admin, properties: &Properties) -> Result<(), Stop> {
    let (id, directory, endpoints) = controller(properties)?;
    let dry = read.has("--dry-run");
    if !dry {
        let outcome = admin.add_voter(id, directory, &endpoints).await;
        let outcome = outcome.map_err(|error| Thrown::from(error).in_execution())?;
        outcome.map_err(|refusal| Thrown::from(refusal).in_execution())?;
    }
    let what = if dry { "DRY RUN of adding" } else { "Added" };
    let endpoints: Vec<String> = endpoints.iter().map(|(name, host, port)| endpoint(name, host, *port)).collect();
    let directory = directory.to_kafka();
    say(format_args!("{what} controller {id} with directory id {directory} and endpoints: {}", endpoints.join(", ")));
    Ok(())
}
