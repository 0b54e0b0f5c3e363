//! `kafka-features` (`org.apache.kafka.tools.FeatureCommand`).

use std::collections::BTreeMap;

use andiron_client::Admin;
use andiron_client::admin::FeatureUpdate;
use serde_json::json;

use super::arguments::{Arg, Arguments, Command, Kind, Parser, Takes, Unparsed, arg, switch};
use super::failure::{Stop, Thrown};
use super::print::{Rows, complain, pad, say};
use super::session::{admin, block_on, bootstrap_of, load_properties};

const METADATA: &str = "metadata.version";
/// The metadata versions by their levels, beginning with 7 (`MetadataVersion`).
const METADATA_VERSIONS: &[&str] = &[
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
];
const LEAST_LEVEL: i16 = 7;
/// The newest that is for production; a release without `-IV` means its last one up to this.
const PRODUCTION_LEVEL: i16 = 30;
/// (metadata level, the level that a feature has from there on).
type Steps = &'static [(i16, i16)];
/// The other features: the greatest level, and from which metadata level on a release has which level.
const FEATURES: &[(&str, i16, Steps)] = &[
    ("kraft.version", 1, &[(21, 1)]),
    ("transaction.version", 2, &[(24, 2)]),
    ("group.version", 1, &[(22, 1)]),
    ("eligible.leader.replicas.version", 1, &[(26, 1)]),
    ("share.version", 1, &[(28, 1)]),
    ("streams.version", 1, &[(29, 1)]),
];
const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

const FEATURE: Arg =
    arg(&["--feature"], "A feature with its level: metadata.version=5. May be repeated.").takes(Takes::Each);
const METADATA_FLAG: Arg = arg(&["--metadata"], "The metadata version; the old way to say it.");
const RELEASE: Arg = arg(&["--release-version"], "The release whose levels all features get.");
const DRY_RUN: Arg = switch(&["--dry-run"], "Only say whether it could be done.");
const UNSAFE: Arg = switch(&["--unsafe"], "Even if metadata are lost by it.");

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-features",
    prog: "kafka-features",
    about: "The features of a cluster and their levels.",
    args: &[
        arg(&["--bootstrap-server"], "Where the cluster is.").group("where"),
        arg(&["--bootstrap-controller"], "Where its controllers are.").group("where"),
        arg(&["--command-config"], "Properties for the admin client."),
    ],
    required_groups: &[],
    commands: &[
        Command {
            name: "describe",
            about: "Show the features.",
            args: &[arg(&["--node-id"], "The node that is asked.").kind(Kind::Int)],
        },
        Command { name: "upgrade", about: "Raise levels.", args: &[METADATA_FLAG, RELEASE, FEATURE, DRY_RUN] },
        Command {
            name: "downgrade",
            about: "Lower levels.",
            args: &[METADATA_FLAG, RELEASE, FEATURE, UNSAFE, DRY_RUN],
        },
        Command { name: "disable", about: "Lower levels to 0.", args: &[FEATURE, UNSAFE, DRY_RUN] },
        Command { name: "version-mapping", about: "Show the levels that belong to a release.", args: &[RELEASE] },
        Command { name: "feature-dependencies", about: "Show what a level needs.", args: &[FEATURE.required()] },
    ],
    json: true,
};

pub(super) fn run(args: &[String]) -> u8 {
    let read = match PARSER.parse(args) {
        Ok(read) => read,
        Err(Unparsed::Help) => return 0,
        Err(Unparsed::Wrong(complaint)) => return command_line_error(&complaint),
    };
    match act(&read) {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Usage(complaint)) => command_line_error(&complaint),
        Err(Stop::Thrown(thrown)) => {
            complain(thrown.text());
            1
        }
    }
}

fn command_line_error(complaint: &str) -> u8 {
    complain(format_args!("Command line error: {complaint}. Type --help for help."));
    1
}

fn terse(message: impl Into<String>) -> Thrown {
    Thrown::new("org.apache.kafka.tools.TerseException", message)
}

fn act(read: &Arguments) -> Result<(), Stop> {
    match read.command {
        Some("version-mapping") => return Ok(mapping(read)?),
        Some("feature-dependencies") => return Ok(dependencies(read)?),
        _ => {}
    }
    let properties = read.text("--command-config").map_or_else(|| Ok(Vec::new()), load_properties)?;
    let (server, controller) = (read.text("--bootstrap-server"), read.text("--bootstrap-controller"));
    let admin = admin(bootstrap_of(properties, server, controller).map_err(Stop::Usage)?)?;
    let dry = read.has("--dry-run");
    let down = if read.has("--unsafe") { UNSAFE_DOWNGRADE } else { SAFE_DOWNGRADE };
    match read.command {
        Some("upgrade") => block_on(update("upgrade", levels(read, UPGRADE)?, dry, &admin))?,
        Some("downgrade") => block_on(update("downgrade", levels(read, down)?, dry, &admin))?,
        Some("disable") => {
            let mut levels = BTreeMap::new();
            for feature in read.all("--feature") {
                put(&mut levels, feature, 0, down)?;
            }
            block_on(update("disable", levels, dry, &admin))?
        }
        _ => block_on(describe(read, &admin))?,
    }
}

fn level_name(level: i16) -> Option<&'static str> {
    METADATA_VERSIONS.get(usize::try_from(level.checked_sub(LEAST_LEVEL)?).ok()?).copied()
}

/// `MetadataVersion.fromVersionString`.
fn metadata_level(text: &str) -> Result<i16, Thrown> {
    let levels = || (LEAST_LEVEL..).zip(METADATA_VERSIONS.iter().copied());
    let of_release = |(level, name): &(i16, &str)| {
        *level <= PRODUCTION_LEVEL && name.split_once('-').is_some_and(|(release, _)| release == text)
    };
    let found = levels().find(|(_, name)| *name == text).or_else(|| levels().filter(of_release).last());
    found.map(|(level, _)| level).ok_or_else(|| {
        Thrown::illegal(format!(
            "Unknown metadata.version '{text}'. Supported metadata.version are: {}",
            METADATA_VERSIONS.join(", ")
        ))
    })
}

/// A feature's level in a release of this metadata level.
fn level_at(steps: Steps, metadata: i16) -> i16 {
    steps.iter().filter(|(from, _)| *from <= metadata).map(|(_, level)| *level).next_back().unwrap_or(0)
}

fn name_and_level(text: &str) -> Result<(String, i16), Thrown> {
    let wrong = |what: String| {
        Thrown::new("java.lang.RuntimeException", format!("Can't parse feature=level string {text}: {what}"))
    };
    let (name, level) = text.split_once('=').ok_or_else(|| wrong("equals sign not found.".to_owned()))?;
    let level = level.trim();
    let number = level.parse().map_err(|_| wrong(format!("unable to parse {level} as a short.")))?;
    Ok((name.trim().to_owned(), number))
}

type Updates = BTreeMap<String, FeatureUpdate>;

fn put(updates: &mut Updates, feature: &str, level: i16, upgrade_type: i8) -> Result<(), Thrown> {
    let update = FeatureUpdate { feature: feature.to_owned(), level, upgrade_type };
    match updates.insert(feature.to_owned(), update) {
        None => Ok(()),
        Some(_) => {
            Err(Thrown::new("java.lang.RuntimeException", format!("Feature {feature} was specified more than once.")))
        }
    }
}

fn levels(read: &Arguments, upgrade_type: i8) -> Result<Updates, Thrown> {
    let mut updates = Updates::new();
    if let Some(release) = read.text("--release-version") {
        if read.has("--metadata") || read.has("--feature") {
            return Err(terse("Can not specify `release-version` with other feature flags."));
        }
        let metadata = metadata_level(release)?;
        put(&mut updates, METADATA, metadata, upgrade_type)?;
        for (feature, _, steps) in FEATURES {
            let level = level_at(steps, metadata);
            if upgrade_type != UPGRADE || level > 0 {
                put(&mut updates, feature, level, upgrade_type)?;
            }
        }
    }
    if let Some(metadata) = read.text("--metadata") {
        say(" `metadata` flag is deprecated and may be removed in a future release.");
        put(&mut updates, METADATA, metadata_level(metadata)?, upgrade_type)?;
    }
    for text in read.all("--feature") {
        let (feature, level) = name_and_level(text)?;
        put(&mut updates, &feature, level, upgrade_type)?;
    }
    Ok(updates)
}

async fn update(op: &str, updates: Updates, dry: bool, admin: &Admin) -> Result<(), Stop> {
    if updates.is_empty() {
        return Err(terse(format!("You must specify at least one feature to {op}")).into());
    }
    let all: Vec<FeatureUpdate> = updates.values().cloned().collect();
    let outcomes: Vec<(String, Option<String>)> = match admin.update_features(&all, dry).await {
        Ok(outcomes) => outcomes
            .into_iter()
            .map(|outcome| (outcome.resource, outcome.result.err().map(|r| Thrown::from(r).text().to_owned())))
            .collect(),
        Err(error) => {
            let thrown = Thrown::from(error);
            updates.keys().map(|feature| (feature.clone(), Some(thrown.text().to_owned()))).collect()
        }
    };
    let mut failures = 0;
    for (feature, why) in &outcomes {
        let level = updates.get(feature).map_or(0, |update| update.level);
        match why {
            Some(why) => {
                failures += 1;
                let helper = if dry { "Can not" } else { "Could not" };
                let what =
                    if op == "disable" { format!("disable {feature}") } else { format!("{op} {feature} to {level}") };
                say(format_args!("{helper} {what}. {why}"));
            }
            None => {
                let verb = if dry { "can be" } else { "was" };
                let what = if op == "disable" { "disabled.".to_owned() } else { format!("{op}d to {level}.") };
                say(format_args!("{feature} {verb} {what}"));
            }
        }
    }
    if failures > 0 {
        return Err(terse(format!("{failures} out of {} operation(s) failed.", updates.len())).into());
    }
    Ok(())
}

async fn describe(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let node: Option<i32> = read.number("--node-id");
    if let Some(node) = node.filter(|node| *node < 0) {
        return Err(Thrown::illegal(format!("Invalid node id {node}: must be non-negative.")).into());
    }
    let mut found = admin.describe_features(node).await.map_err(|error| Thrown::from(error).in_execution())?;
    found.supported.sort();
    let shown = |feature: &str, level: i16| match level_name(level) {
        _ if feature != METADATA => level.to_string(),
        Some(name) => name.to_owned(),
        None => format!("UNKNOWN {level}"),
    };
    let mut rows = Rows::default();
    for (feature, least, most) in &found.supported {
        let level = found.finalized.iter().find(|(known, _)| known == feature).map_or(0, |(_, level)| *level);
        let epoch = (found.finalized_epoch >= 0).then_some(found.finalized_epoch);
        if read.json() {
            rows.row([
                ("feature", json!(feature)),
                ("supportedMinVersion", json!(shown(feature, *least))),
                ("supportedMaxVersion", json!(shown(feature, *most))),
                ("finalizedVersionLevel", json!(shown(feature, level))),
                ("epoch", json!(epoch)),
            ]);
            continue;
        }
        say(format_args!(
            "Feature: {}  SupportedMinVersion: {}  SupportedMaxVersion: {}  FinalizedVersionLevel: {}  Epoch: {}",
            pad(feature, 40),
            pad(shown(feature, *least), 15),
            pad(shown(feature, *most), 15),
            pad(shown(feature, level), 15),
            epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
        ));
    }
    if read.json() {
        rows.print();
    }
    Ok(())
}

fn mapping(read: &Arguments) -> Result<(), Thrown> {
    let latest = level_name(PRODUCTION_LEVEL).unwrap_or_default();
    let release = read.text("--release-version").unwrap_or(latest);
    let metadata = metadata_level(release)?;
    if read.json() {
        let mut rows = Rows::default();
        rows.row([("feature", json!(METADATA)), ("level", json!(metadata))]);
        FEATURES
            .iter()
            .for_each(|(f, _, steps)| rows.row([("feature", json!(f)), ("level", json!(level_at(steps, metadata)))]));
        rows.print();
        return Ok(());
    }
    say(format_args!("{METADATA}={metadata} ({release})"));
    FEATURES.iter().for_each(|(feature, _, steps)| say(format_args!("{feature}={}", level_at(steps, metadata))));
    Ok(())
}

fn dependencies(read: &Arguments) -> Result<(), Thrown> {
    for text in read.all("--feature") {
        let (feature, level) = name_and_level(text)?;
        if feature == METADATA {
            let name = level_name(level).ok_or_else(|| terse(format!("Unknown metadata.version {level}")))?;
            say(format_args!("{feature}={level} ({name}) has no dependencies."));
            continue;
        }
        let known = FEATURES.iter().find(|(known, ..)| *known == feature);
        let (_, most, _) = known.ok_or_else(|| terse(format!("Unknown feature: {feature}")))?;
        if !(0..=*most).contains(&level) {
            return Err(Thrown::illegal(format!("No feature:{feature} with feature level {level}")));
        }
        // Only one level of one feature needs another.
        const ELR_NEEDS: i16 = 23;
        if feature == "eligible.leader.replicas.version" && level == 1 {
            say(format_args!("{feature}={level} requires:"));
            say(format_args!("    {METADATA}={ELR_NEEDS} ({})", level_name(ELR_NEEDS).unwrap_or_default()));
        } else {
            say(format_args!("{feature}={level} has no dependencies."));
        }
    }
    Ok(())
}
