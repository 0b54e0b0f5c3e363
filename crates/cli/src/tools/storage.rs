//! `kafka-storage`: formats log directories, tells what they are, and which levels of which features go together
//! (`kafka.tools.StorageTool`).

mod directories;
mod format;
mod scram;
mod voters;

use andiron_metadata::config::BrokerConfig;
use andiron_metadata::features::METADATA_VERSION;
use andiron_metadata::features::versions::{FEATURES, LATEST_PRODUCTION, Levels, MetadataVersion};
use andiron_protocol::KafkaUuid as _;

use super::arguments::{Arg, Arguments, Command, Parser, Takes, Unparsed, arg, switch};
use super::failure::Thrown;
use super::print::{complain, say};
use super::session::load_properties;
use format::{Failed, Format, unknown_release};

const CONFIG: Arg = arg(&["--config", "-c"], "The properties file of the server.").required();
const RELEASE: Arg = arg(&["--release-version", "-r"], "The release, from 3.3-IV3 on; 4.3-IV0 if not given.");
const FEATURE: Arg = arg(&["--feature", "-f"], "A feature and its level, as in kraft.version=1.").takes(Takes::Each);

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-storage",
    prog: "kafka-storage",
    about: "Formats log directories and tells what is in them.",
    args: &[],
    required_groups: &[],
    commands: &[
        Command { name: "info", args: &[CONFIG], about: "Tell what the log directories are formatted for." },
        Command {
            name: "format",
            args: &[
                CONFIG,
                arg(&["--cluster-id", "-t"], "The id of the cluster.").required(),
                arg(
                    &["--add-scram", "-S"],
                    "A user: SCRAM-SHA-256=[name=alice,password=secret]; also iterations, salt, saltedpassword.",
                )
                .takes(Takes::Each),
                switch(&["--ignore-formatted", "-g"], "Leave directories alone that are formatted already."),
                RELEASE,
                FEATURE,
                switch(&["--standalone", "-s"], "Begin a quorum of this controller alone.").group("quorum"),
                switch(&["--no-initial-controllers", "-N"], "Name no voters: the quorum will be joined.")
                    .group("quorum"),
                arg(&["--initial-controllers", "-I"], "The voters: id@host:port:directory,...").group("quorum"),
            ],
            about: "Format the log directories of this node.",
        },
        Command {
            name: "version-mapping",
            args: &[RELEASE],
            about: "Tell with which levels of its features a release begins.",
        },
        Command {
            name: "feature-dependencies",
            args: &[FEATURE.required()],
            about: "Tell what levels of features need.",
        },
        Command { name: "random-uuid", args: &[], about: "Print an id." },
    ],
    json: false,
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let arguments = match PARSER.parse(args) {
        Ok(arguments) => arguments,
        Err(Unparsed::Help) => return 0,
        Err(Unparsed::Wrong(complaint)) => {
            PARSER.complain(&complaint);
            return 1;
        }
    };
    match act(&arguments) {
        Ok(code) => code,
        Err(Failed::Terse(sentence)) => {
            complain(sentence);
            1
        }
        Err(Failed::Thrown(thrown)) => thrown.uncaught(),
    }
}

fn act(arguments: &Arguments) -> Result<u8, Failed> {
    match arguments.command.unwrap_or_default() {
        "info" => {
            let config = config(arguments)?;
            Ok(directories::info(&directories_of(&config)))
        }
        "format" => {
            let config = config(arguments)?;
            asked(arguments).run(&config, &directories_of(&config))?;
            Ok(0)
        }
        "version-mapping" => version_mapping(arguments.text("--release-version")),
        "feature-dependencies" => {
            arguments.all("--feature").iter().try_for_each(|feature| dependencies(feature))?;
            Ok(0)
        }
        _ => {
            say(directories::new_id(&[]).to_kafka());
            Ok(0)
        }
    }
}

fn asked(arguments: &Arguments) -> Format {
    Format {
        cluster_id: arguments.text("--cluster-id").unwrap_or_default().to_owned(),
        release_version: arguments.text("--release-version").map(str::to_owned),
        features: arguments.all("--feature").to_vec(),
        ignore_formatted: arguments.has("--ignore-formatted"),
        standalone: arguments.has("--standalone"),
        no_initial_controllers: arguments.has("--no-initial-controllers"),
        initial_controllers: arguments.text("--initial-controllers").map(str::to_owned),
        add_scram: arguments.all("--add-scram").to_vec(),
    }
}

fn config(arguments: &Arguments) -> Result<BrokerConfig, Thrown> {
    let properties = load_properties(arguments.text("--config").unwrap_or_default())?;
    let refused = |error: andiron_metadata::config::ConfigError| {
        let class = match error {
            andiron_metadata::config::ConfigError::Conflict(_) => super::failure::ILLEGAL_ARGUMENT,
            _ => "org.apache.kafka.common.config.ConfigException",
        };
        Thrown::new(class, error.to_string())
    };
    BrokerConfig::new(Some(properties), Vec::new()).map(|(config, _)| config).map_err(refused)
}

/// All directories of the log, that of the metadata log among them, sorted.
fn directories_of(config: &BrokerConfig) -> Vec<String> {
    let mut dirs = config.log_dirs();
    dirs.push(config.metadata_log_dir());
    dirs.sort();
    dirs.dedup();
    dirs
}

fn version_mapping(release: Option<&str>) -> Result<u8, Failed> {
    let release = release.unwrap_or(LATEST_PRODUCTION.name);
    let version = MetadataVersion::of_release(release);
    let version = version.ok_or_else(|| Failed::Terse(unknown_release(release, true)))?;
    say(format_args!("{METADATA_VERSION}={} ({release})", version.level));
    for feature in FEATURES {
        say(format_args!("{}={}", feature.name, feature.default_at(version)));
    }
    Ok(0)
}

fn dependencies(text: &str) -> Result<(), Failed> {
    let Some((name, level)) = text.split_once('=') else {
        return Err(Failed::Terse(format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        )));
    };
    let (name, level_text) = (name.trim(), level.trim());
    let invalid = |_| Failed::Terse(format!("Invalid version format: {level_text} for feature {name}"));
    let level: i16 = level_text.parse().map_err(invalid)?;
    if name == METADATA_VERSION {
        let unknown = || Failed::Terse(format!("Unknown {METADATA_VERSION} {level}"));
        let version = MetadataVersion::of_level(level).ok_or_else(unknown)?;
        say(format_args!("{name}={level} ({}) has no dependencies.", version.name));
        return Ok(());
    }
    let feature = Levels::of(name).ok_or_else(|| Failed::Terse(format!("Unknown feature: {name}")))?;
    let unsupported = || Failed::Terse(format!("Feature level {level} is not supported for feature {name}"));
    let needs = feature.get(level).ok_or_else(unsupported)?.needs;
    if needs.is_empty() {
        say(format_args!("{name}={level} has no dependencies."));
        return Ok(());
    }
    say(format_args!("{name}={level} requires:"));
    for (needed, least) in needs {
        match MetadataVersion::of_level(*least).filter(|_| *needed == METADATA_VERSION) {
            Some(version) => say(format_args!("    {needed}={least} ({})", version.name)),
            None => say(format_args!("    {needed}={least}")),
        }
    }
    Ok(())
}
