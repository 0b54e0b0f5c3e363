//! `kafka-cluster` (`org.apache.kafka.tools.ClusterTool`).

use andiron_client::{Admin, AdminError};
use serde_json::json;

use super::arguments::{Arg, Arguments, Command, Kind, Parser, Unparsed, arg, switch};
use super::failure::{Stop, Thrown};
use super::print::{Rows, pad, print_json, say};
use super::session::{admin, block_on, bootstrap_of, load_properties};

const SERVER: Arg = arg(&["--bootstrap-server", "-b"], "Where the cluster is.").group("where");
const CONTROLLER: Arg = arg(&["--bootstrap-controller", "-C"], "Where its controllers are.").group("where");
const CONFIG: Arg = arg(&["--config"], "The old name of --command-config.");
const COMMAND_CONFIG: Arg = arg(&["--command-config", "-c"], "Properties for the admin client.");

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-cluster",
    prog: "kafka-cluster",
    about: "The cluster: its id, its endpoints, and brokers that are gone for good.",
    args: &[],
    required_groups: &["where"],
    commands: &[
        Command {
            name: "cluster-id",
            about: "Print the cluster's id.",
            args: &[SERVER, CONTROLLER, CONFIG, COMMAND_CONFIG],
        },
        Command {
            name: "unregister",
            about: "Forget a broker.",
            args: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
                arg(&["--id", "-i"], "The broker's id.").kind(Kind::Int).required(),
            ],
        },
        Command {
            name: "list-endpoints",
            about: "List where the nodes listen.",
            args: &[
                SERVER,
                CONTROLLER,
                CONFIG,
                COMMAND_CONFIG,
                switch(&["--include-fenced-brokers"], "Brokers too that may not serve."),
            ],
        },
    ],
    json: true,
};

pub(super) fn run(args: &[String]) -> u8 {
    let read = match PARSER.parse(args) {
        Ok(read) => read,
        Err(Unparsed::Help) => return 1,
        Err(Unparsed::Wrong(complaint)) => {
            PARSER.complain(&complaint);
            return 1;
        }
    };
    match act(&read) {
        Ok(()) => 0,
        Err(Stop::Thrown(thrown)) => thrown.told(),
        Err(Stop::Exit(code)) => code,
        Err(Stop::Usage(complaint)) => {
            PARSER.complain(&complaint);
            1
        }
    }
}

fn act(read: &Arguments) -> Result<(), Stop> {
    let (old, new) = (read.text("--config"), read.text("--command-config"));
    if old.is_some() && new.is_some() {
        return Err(Thrown::new(
            "net.sourceforge.argparse4j.inf.ArgumentParserException",
            "--config and --command-config cannot be specified together.",
        )
        .into());
    }
    if old.is_some() {
        say(
            "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let properties = old.or(new).map_or_else(|| Ok(Vec::new()), load_properties)?;
    let (server, controller) = (read.text("--bootstrap-server"), read.text("--bootstrap-controller"));
    let admin = admin(bootstrap_of(properties, server, controller).map_err(Stop::Usage)?)?;
    block_on(async {
        match read.command {
            Some("unregister") => unregister(read, &admin).await,
            Some("list-endpoints") => endpoints(read, &admin).await,
            _ => cluster_id(read, &admin).await,
        }
    })?
}

async fn cluster_id(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let cluster = admin.describe_cluster(false).await.map_err(|error| Thrown::from(error).in_execution())?;
    if read.json() {
        print_json(&json!({"clusterId": cluster.cluster_id}));
    } else {
        say(format_args!("Cluster ID: {}", cluster.cluster_id));
    }
    Ok(())
}

async fn unregister(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let id: i32 = read.number("--id").unwrap_or_default();
    match admin.unregister_broker(id).await {
        Ok(Ok(())) => {
            say(format_args!("Broker {id} is no longer registered."));
            Ok(())
        }
        Ok(Err(refusal)) => Err(Thrown::from(refusal).in_execution().into()),
        Err(error) => {
            if matches!(error, AdminError::Unsupported { .. }) {
                say("The target cluster does not support the broker unregistration API.");
            }
            Err(Thrown::from(error).in_execution().into())
        }
    }
}

async fn endpoints(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let fenced = read.has("--include-fenced-brokers");
    let controllers = read.text("--bootstrap-controller").is_some();
    if fenced && controllers {
        return Err(Thrown::illegal(
            "The option --include-fenced-brokers is only supported with --bootstrap-server option",
        )
        .into());
    }
    let cluster =
        admin.describe_nodes(controllers, fenced).await.map_err(|error| Thrown::from(error).in_execution())?;
    let kind = if controllers { "controller" } else { "broker" };
    let state = |fenced: bool| if fenced { "fenced" } else { "unfenced" };
    if read.json() {
        let mut rows = Rows::default();
        for (node, is_fenced) in &cluster.brokers {
            rows.row([
                ("id", json!(node.id)),
                ("host", json!(node.address.host)),
                ("port", json!(node.address.port)),
                ("rack", json!(node.rack)),
                ("state", if controllers { json!(null) } else { json!(state(*is_fenced)) }),
                ("endpointType", json!(kind)),
            ]);
        }
        rows.print();
        return Ok(());
    }
    let host = cluster.brokers.iter().map(|(node, _)| node.address.host.len()).max().unwrap_or(100);
    let rack = cluster.brokers.iter().filter_map(|(node, _)| node.rack.as_ref().map(String::len)).max().unwrap_or(10);
    let line = |cells: [&str; 6]| {
        let widths = [10, host, 10, rack, 10, 15];
        let kept = cells.iter().zip(widths).enumerate().filter(|(column, _)| !(controllers && *column == 4));
        say(kept.map(|(_, (cell, width))| pad(cell, width)).collect::<Vec<String>>().join(" "));
    };
    line(["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]);
    for (node, is_fenced) in &cluster.brokers {
        let (id, port) = (node.id.to_string(), node.address.port.to_string());
        let rack = node.rack.as_deref().unwrap_or("null");
        line([&id, &node.address.host, &port, rack, state(*is_fenced), kind]);
    }
    Ok(())
}
