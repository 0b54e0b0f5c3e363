//! `kafka-storage format`: what a directory holds before the first start of a broker, byte for byte what Apache Kafka writes
//! but for ids and times.

use std::collections::BTreeMap;
use std::path::Path;

use andiron_metadata::config::BrokerConfig;
use andiron_metadata::features::versions::{FEATURES, LATEST_PRODUCTION, Levels, METADATA_VERSIONS, MetadataVersion};
use andiron_metadata::features::{KRAFT_VERSION, METADATA_VERSION};
use andiron_metadata::records::{FeatureLevelRecord, Record};
use andiron_metadata::snapshot;
use andiron_protocol::{KafkaUuid as _, Uuid};
use andiron_replication::quorum::{SnapshotId, Voter, VoterEndpoint};
use andiron_storage::RealDisk;
use andiron_storage::disk::replace_small;

use super::directories::{Ensemble, file, new_id};
use super::scram;
use super::voters::{self, DynamicVoter};
use crate::tools::clock::{civil, now_ms};
use crate::tools::failure::Thrown;
use crate::tools::java;
use crate::tools::print::say;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) struct Format {
    pub(super) cluster_id: String,
    pub(super) release_version: Option<String>,
    pub(super) features: Vec<String>,
    pub(super) ignore_formatted: bool,
    pub(super) standalone: bool,
    pub(super) no_initial_controllers: bool,
    pub(super) initial_controllers: Option<String>,
    pub(super) add_scram: Vec<String>,
}

/// Why it is not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// One sentence (`TerseFailure`, `FormatterException`).
    Terse(String),
    /// An exception that nothing catches.
    Thrown(Thrown),
}

impl From<Thrown> for Failed {
    fn from(thrown: Thrown) -> Failed {
        Failed::Thrown(thrown)
    }
}

pub(super) fn terse<T>(text: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Terse(text.into()))
}

/// From this version on there are records of SCRAM credentials.
const SCRAM_SUPPORTED: MetadataVersion = MetadataVersion { level: 11, name: "3.5-IV2" };
const QUORUM: &str = "controller.quorum.voters";

impl Format {
    /// Formats the directories that are not formatted yet.
    pub(super) fn run(&self, config: &BrokerConfig, dirs: &[String]) -> Result<(), Failed> {
        let unstable = config.bool("unstable.feature.versions.enable");
        let release = self.release(unstable)?;
        let asked = asked_levels(&self.features)?;
        let is_static = !config.list(QUORUM).is_empty();
        let voters = self.voters(config, is_static)?;
        let release = effective_release(release, &asked, unstable)?;
        let levels = effective_levels(asked, release, is_static)?;
        let mut records: Vec<Record> = bootstrap_records(release, &levels).into_iter().map(Record::from).collect();
        if !self.add_scram.is_empty() && release.level < SCRAM_SUPPORTED.level {
            let since = SCRAM_SUPPORTED.name;
            return terse(format!("SCRAM is only supported in {METADATA_VERSION} {since} or later."));
        }
        for text in &self.add_scram {
            records.push(scram::credential(text)?.into());
        }
        let plan = Plan {
            release,
            records,
            voters,
            node_id: config.node_id(),
            cluster_id: self.cluster_id.clone(),
            metadata_dir: config.metadata_log_dir(),
            listener: config.list("controller.listener.names").into_iter().next().unwrap_or_default(),
        };
        self.write(&plan, dirs)
    }

    fn release(&self, unstable: bool) -> Result<Option<MetadataVersion>, Failed> {
        let Some(text) = &self.release_version else { return Ok(None) };
        match MetadataVersion::of_release(text) {
            Some(version) if unstable || version.is_production() => Ok(Some(version)),
            _ => terse(unknown_release(text, unstable)),
        }
    }

    fn voters(&self, config: &BrokerConfig, is_static: bool) -> Result<Option<BTreeMap<i32, DynamicVoter>>, Failed> {
        if is_static && (self.initial_controllers.is_some() || self.standalone) {
            return terse(format!(
                "You cannot specify {QUORUM} and format the node with --initial-controllers or --standalone. If you want to use dynamic quorum, please remove {QUORUM} and specify controller.quorum.bootstrap.servers instead."
            ));
        }
        let is_controller = config.list("process.roles").iter().any(|role| role == "controller");
        let voters = match &self.initial_controllers {
            _ if self.standalone => Some(standalone(config, is_controller)?),
            Some(text) => Some(voters::parse(text)?),
            None => None,
        };
        if !self.no_initial_controllers && is_controller && !is_static && voters.is_none() {
            return terse(format!(
                "Because {QUORUM} is not set on this controller, you must specify one of the following: --standalone, --initial-controllers, or --no-initial-controllers."
            ));
        }
        Ok(voters)
    }

    fn write(&self, plan: &Plan, dirs: &[String]) -> Result<(), Failed> {
        let found = Ensemble::load(dirs);
        found.verify(&plan.cluster_id, plan.node_id)?;
        if let Some(first) = found.first_formatted().filter(|_| !self.ignore_formatted) {
            return terse(format!(
                "Log directory {first} is already formatted. Use --ignore-formatted to ignore this directory and format the others."
            ));
        }
        for dir in java::in_hash_order(found.broken.clone()) {
            say(format_args!("I/O error trying to read log directory {dir}. Ignoring..."));
        }
        if !found.broken.is_empty() && found.empty.is_empty() && found.formatted.is_empty() {
            return terse("No available log directories to format.");
        }
        if found.empty.is_empty() {
            say("All of the log directories are already formatted.");
            return Ok(());
        }
        say(format_args!("Bootstrap metadata: {}", plan.shown()));
        let mut taken: Vec<Uuid> = found.formatted.values().filter_map(|meta| meta.directory_id).collect();
        for dir in java::in_hash_order(found.empty) {
            let id = plan.voter_at(&dir).map_or_else(|| new_id(&taken), |voter| voter.directory);
            taken.push(id);
            plan.format(&dir, id)?;
        }
        Ok(())
    }
}

/// `Unknown metadata.version …`
pub(super) fn unknown_release(text: &str, unstable: bool) -> String {
    let known = METADATA_VERSIONS.iter().filter(|version| unstable || version.is_production());
    let known: Vec<&str> = known.map(|version| version.name).collect();
    format!("Unknown metadata.version '{text}'. Supported metadata.version are: {}", known.join(", "))
}

/// `--feature name=level`, each.
fn asked_levels(features: &[String]) -> Result<BTreeMap<String, i16>, Thrown> {
    let wrong = |text: &str, why: String| {
        Thrown::new("java.lang.RuntimeException", format!("Can't parse feature=level string {text}: {why}"))
    };
    let mut levels = BTreeMap::new();
    for text in features {
        let (name, level) = text.split_once('=').ok_or_else(|| wrong(text, "equals sign not found.".to_owned()))?;
        let level = level.trim();
        let unable = || wrong(text, format!("unable to parse {level} as a short."));
        levels.insert(name.trim().to_owned(), level.parse().map_err(|_| unable())?);
    }
    Ok(levels)
}

fn standalone(config: &BrokerConfig, is_controller: bool) -> Result<BTreeMap<i32, DynamicVoter>, Failed> {
    if !is_controller {
        return terse("You can only use --standalone on a controller.");
    }
    let listener = config.list("controller.listener.names").into_iter().next().unwrap_or_default();
    let urls = config.list("advertised.listeners").into_iter().chain(config.list("listeners"));
    let address = |url: String| {
        let (name, address) = url.split_once("://")?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        name.eq_ignore_ascii_case(&listener).then(|| Some((host, port.parse().ok()?)))?
    };
    let Some((host, port)) = urls.into_iter().find_map(address) else {
        return Err(Thrown::new("java.lang.RuntimeException", "No controller listeners found.").into());
    };
    let host = if host.is_empty() || host == "0.0.0.0" { "localhost".to_owned() } else { host };
    Ok(BTreeMap::from([(config.node_id(), DynamicVoter { host, port, directory: new_id(&[]) })]))
}

fn effective_release(
    release: Option<MetadataVersion>,
    asked: &BTreeMap<String, i16>,
    unstable: bool,
) -> Result<MetadataVersion, Failed> {
    let version = match asked.get(METADATA_VERSION) {
        Some(_) if release.is_some() => {
            return terse(format!(
                "Use --release-version instead of --feature {METADATA_VERSION}=X to avoid ambiguity."
            ));
        }
        Some(level) => MetadataVersion::of_level(*level).ok_or_else(|| {
            let (first, last) = (METADATA_VERSIONS.first(), METADATA_VERSIONS.last());
            let level_of = |version: Option<&MetadataVersion>| version.map_or(0, |version| version.level);
            Thrown::illegal(format!(
                "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
                level_of(first),
                level_of(last)
            ))
        })?,
        None => release.unwrap_or(match METADATA_VERSIONS.last() {
            Some(newest) if unstable => *newest,
            _ => LATEST_PRODUCTION,
        }),
    };
    if !unstable && !version.is_production() {
        return terse(format!("{METADATA_VERSION} {} is not yet stable.", version.name));
    }
    Ok(version)
}

fn effective_levels(
    asked: BTreeMap<String, i16>,
    release: MetadataVersion,
    is_static: bool,
) -> Result<BTreeMap<String, i16>, Failed> {
    let mut levels = asked;
    let mut names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    names.sort_unstable();
    if let Some(unknown) = levels.keys().find(|name| *name != METADATA_VERSION && !names.contains(&name.as_str())) {
        return terse(format!("Unsupported feature: {unknown}. Supported features are: {}", names.join(", ")));
    }
    levels.insert(METADATA_VERSION.to_owned(), release.level);
    for feature in FEATURES {
        let level = match levels.get(feature.name) {
            asked if feature.name == KRAFT_VERSION => kraft_level(asked.copied(), is_static)?,
            Some(level) => *level,
            None => feature.default_at(release),
        };
        levels.insert(feature.name.to_owned(), level);
    }
    for (name, level) in levels.iter().filter(|(name, _)| *name != METADATA_VERSION) {
        check_level(name, *level, &levels)?;
    }
    Ok(levels)
}

fn kraft_level(asked: Option<i16>, is_static: bool) -> Result<i16, Failed> {
    match asked {
        Some(0) if !is_static => terse(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing the --feature flag for kraft.version.",
        ),
        Some(level) if level != 0 && is_static => terse(format!(
            "Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
        )),
        Some(level) => Ok(level),
        None => Ok(i16::from(!is_static)),
    }
}

fn check_level(name: &str, level: i16, levels: &BTreeMap<String, i16>) -> Result<(), Thrown> {
    let none = || Thrown::illegal(format!("No feature:{name} with feature level {level}"));
    let found = Levels::of(name).and_then(|feature| feature.get(level)).ok_or_else(none)?;
    for (needed, least) in found.needs {
        if levels.get(*needed).is_none_or(|level| level < least) {
            return Err(Thrown::illegal(format!(
                "{name} could not be set to {level} because it depends on {needed} level {least}"
            )));
        }
    }
    Ok(())
}

/// The records with which the metadata log begins. A level of 0 is that of a feature without a record, and kraft.version has
/// a control record.
fn bootstrap_records(release: MetadataVersion, levels: &BTreeMap<String, i16>) -> Vec<FeatureLevelRecord> {
    let record = |name: &str, level: i16| FeatureLevelRecord { name: name.to_owned(), feature_level: level };
    let others =
        levels.iter().filter(|(name, level)| **level > 0 && *name != METADATA_VERSION && *name != KRAFT_VERSION);
    let mut records = vec![record(METADATA_VERSION, release.level)];
    records.extend(others.map(|(name, level)| record(name, *level)));
    records
}

/// A record as Java shows it.
fn shown(record: &Record) -> String {
    match record {
        Record::FeatureLevel(level) => {
            format!("FeatureLevelRecord(name='{}', featureLevel={})", level.name, level.feature_level)
        }
        Record::UserScramCredential(user) => {
            let bytes = |bytes: &[u8]| {
                let signed: Vec<String> = bytes.iter().map(|byte| byte.cast_signed().to_string()).collect();
                format!("[{}]", signed.join(", "))
            };
            format!(
                "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, iterations={})",
                user.name,
                user.mechanism,
                bytes(&user.salt),
                bytes(&user.stored_key),
                bytes(&user.server_key),
                user.iterations
            )
        }
        other => format!("{other:?}"),
    }
}

/// What goes into the directories.
struct Plan {
    release: MetadataVersion,
    records: Vec<Record>,
    voters: Option<BTreeMap<i32, DynamicVoter>>,
    node_id: i32,
    cluster_id: String,
    metadata_dir: String,
    listener: String,
}

impl Plan {
    fn shown(&self) -> String {
        let records: Vec<String> =
            self.records.iter().map(|record| format!("ApiMessageAndVersion({} at version 0)", shown(record))).collect();
        format!(
            "BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
            records.join(", "),
            self.release.level
        )
    }

    /// This node's entry among the voters, when the directory is that of the metadata log.
    fn voter_at(&self, dir: &str) -> Option<&DynamicVoter> {
        self.voters.as_ref().filter(|_| dir == self.metadata_dir)?.get(&self.node_id)
    }

    fn format(&self, dir: &str, id: Uuid) -> Result<(), Failed> {
        let dynamic = self.voters.as_ref().filter(|_| dir == self.metadata_dir);
        let kind = match dynamic {
            _ if dir != self.metadata_dir => "data directory",
            None => "metadata directory",
            Some(voters) if voters.contains_key(&self.node_id) => "dynamic metadata voter directory",
            Some(_) => "dynamic metadata directory",
        };
        say(format_args!("Formatting {kind} {dir} with {METADATA_VERSION} {}.", self.release.name));
        self.fill(dir, dynamic, id).map_err(|error| {
            Failed::Terse(format!("Error while writing meta.properties file {dir}: java.io.IOException: {error}"))
        })
    }

    fn fill(&self, dir: &str, voters: Option<&BTreeMap<i32, DynamicVoter>>, id: Uuid) -> std::io::Result<()> {
        let other = |error: snapshot::WriteError| std::io::Error::other(error.to_string());
        let (disk, now) = (RealDisk::new(), now_ms());
        std::fs::create_dir_all(dir)?;
        let bytes = snapshot::bootstrap(&self.records, now).map_err(other)?;
        replace_small(&disk, &Path::new(dir).join("bootstrap.checkpoint"), &bytes)?;
        if let Some(voters) = voters {
            let log_dir = Path::new(dir).join("__cluster_metadata-0");
            std::fs::create_dir_all(&log_dir)?;
            let endpoint = |voter: &DynamicVoter| VoterEndpoint {
                name: self.listener.to_uppercase(),
                host: voter.host.clone(),
                port: voter.port,
            };
            let voters: Vec<Voter> =
                voters.iter().map(|(id, voter)| Voter::new(*id, voter.directory, vec![endpoint(voter)])).collect();
            let bytes = snapshot::standalone(&voters, now).map_err(other)?;
            let name = SnapshotId { end_offset: 0, epoch: 0 }.file_name();
            replace_small(&disk, &log_dir.join(name), &bytes)?;
        }
        // Last: from then on the directory counts as formatted.
        let text = format!(
            "#\n#{}\nnode.id={}\ndirectory.id={}\nversion=1\ncluster.id={}\n",
            date(now),
            self.node_id,
            id.to_kafka(),
            self.cluster_id
        );
        replace_small(&disk, Path::new(&file(dir)), text.as_bytes())
    }
}

/// `Thu Nov 26 21:44:31 UTC 2026`, as Java's `Date` prints it.
fn date(now: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, seconds) = (now.div_euclid(86_400_000), now.rem_euclid(86_400_000) / 1_000);
    let (year, month, day) = civil(days);
    let weekday = DAYS.get(days.rem_euclid(7) as usize).unwrap_or(&"");
    let month = MONTHS.get(month.saturating_sub(1) as usize).unwrap_or(&"");
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{weekday} {month} {day:02} {hours:02}:{minutes:02}:{seconds:02} UTC {year}")
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
