//! The properties of Java's consumer that are not those of every client: groups, commits, resets.

use std::time::Duration;

use super::parse::{Given, invalid};
use super::{ClientConfig, ConfigError};
use crate::consumer::Assignor;

/// `group.protocol`: who assigns partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupProtocol {
    /// A member that leads: JoinGroup, SyncGroup, Heartbeat.
    Classic,
    /// The coordinator (KIP-848): ConsumerGroupHeartbeat.
    Consumer,
}

/// `auto.offset.reset`: where to begin without a committed offset, or with one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the log's start.
    Earliest,
    /// At its end.
    Latest,
    /// Nowhere: `poll` fails.
    None,
    /// At the first record that is no older than this (KIP-1106).
    ByDuration(Duration),
}

/// The consumer's properties, parsed. Times are in the unit of their names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerConfig {
    /// `group.id`.
    pub group_id: Option<String>,
    /// `group.instance.id`, of a static member.
    pub group_instance_id: Option<String>,
    /// `group.protocol`.
    pub group_protocol: GroupProtocol,
    /// `group.remote.assignor`, for the protocol `consumer`.
    pub group_remote_assignor: Option<String>,
    /// `partition.assignment.strategy`, for the protocol `classic`, in order of preference.
    pub assignors: Vec<Assignor>,
    /// `session.timeout.ms`.
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `max.poll.interval.ms`.
    pub max_poll_interval_ms: i32,
    /// `max.poll.records`.
    pub max_poll_records: i32,
    /// `enable.auto.commit`, false without a group.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval_ms: i32,
    /// `auto.offset.reset`.
    pub auto_offset_reset: OffsetReset,
}

impl ConsumerConfig {
    pub(super) fn parse(given: &mut Given<'_>) -> Result<ConsumerConfig, ConfigError> {
        let group_id = given.text("group.id").map(str::to_owned);
        Ok(ConsumerConfig {
            group_instance_id: match given.text("group.instance.id") {
                Some("") => return Err(invalid("group.instance.id", "", "String must be non-empty")),
                id => id.map(str::to_owned),
            },
            group_protocol: match given.text("group.protocol") {
                None => GroupProtocol::Classic,
                Some(text) if text.eq_ignore_ascii_case("classic") => GroupProtocol::Classic,
                Some(text) if text.eq_ignore_ascii_case("consumer") => GroupProtocol::Consumer,
                Some(text) => {
                    let reason = "String must be one of (case insensitive): CLASSIC, CONSUMER";
                    return Err(invalid("group.protocol", text, reason));
                }
            },
            group_remote_assignor: given.text("group.remote.assignor").map(str::to_owned),
            assignors: assignors(given)?,
            session_timeout_ms: given.int("session.timeout.ms", 45_000, i32::MIN)?,
            heartbeat_interval_ms: given.int("heartbeat.interval.ms", 3_000, i32::MIN)?,
            max_poll_interval_ms: given.int("max.poll.interval.ms", 300_000, 1)?,
            max_poll_records: given.int("max.poll.records", 500, 1)?,
            enable_auto_commit: given.boolean("enable.auto.commit", group_id.is_some())?,
            auto_commit_interval_ms: given.int("auto.commit.interval.ms", 5_000, 0)?,
            auto_offset_reset: offset_reset(given)?,
            group_id,
        })
    }
}

impl ClientConfig {
    /// What makes no consumer although each property is right: Java's complaints when one is made.
    pub(crate) fn check_consumer(&self) -> Result<(), ConfigError> {
        let consumer = &self.consumer;
        if consumer.group_id.is_none() && consumer.enable_auto_commit {
            return Err(ConfigError::Conflict(
                "enable.auto.commit cannot be set to true when default group id (null) is used.".to_owned(),
            ));
        }
        let (refused, protocol): (&[&str], _) = match consumer.group_protocol {
            GroupProtocol::Classic => (&["group.remote.assignor"], "CLASSIC"),
            GroupProtocol::Consumer => {
                (&["partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"], "CONSUMER")
            }
        };
        match refused.iter().find(|name| self.originals.contains_key(**name)) {
            Some(name) => Err(ConfigError::Conflict(format!("{name} cannot be set when group.protocol={protocol}"))),
            None => Ok(()),
        }
    }
}

fn assignors(given: &mut Given<'_>) -> Result<Vec<Assignor>, ConfigError> {
    let name = "partition.assignment.strategy";
    let Some(text) = given.text(name) else { return Ok(vec![Assignor::Range, Assignor::CooperativeSticky]) };
    let assignors: Result<Vec<Assignor>, ConfigError> = text
        .split(',')
        .map(str::trim)
        .filter(|class| !class.is_empty())
        .map(|class| {
            Assignor::from_class(class)
                .ok_or_else(|| invalid(name, class, format!("Class {class} could not be found.")))
        })
        .collect();
    let assignors = assignors?;
    // Two protocols of one name would be one protocol with two meanings.
    let twice = assignors.iter().enumerate().find(|(at, one)| assignors[..*at].contains(one));
    match twice {
        Some((_, twice)) => Err(ConfigError::Conflict(format!(
            "The assignor name: '{}' is used in more than one assignor: {text}",
            twice.name()
        ))),
        None => Ok(assignors),
    }
}

fn offset_reset(given: &mut Given<'_>) -> Result<OffsetReset, ConfigError> {
    let name = "auto.offset.reset";
    let Some(text) = given.text(name) else { return Ok(OffsetReset::Latest) };
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "earliest" => return Ok(OffsetReset::Earliest),
        "latest" => return Ok(OffsetReset::Latest),
        "none" => return Ok(OffsetReset::None),
        _ => {}
    }
    if let Some(duration) = lower.strip_prefix("by_duration:") {
        return iso_duration(duration)
            .map(OffsetReset::ByDuration)
            .ok_or_else(|| invalid(name, text, "Unable to parse duration string in by_duration strategy."));
    }
    let reason = "Invalid value `{text}` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.";
    Err(invalid(name, text, reason.replace("{text}", text)))
}

/// `PnDTnHnMn.nS` of ISO 8601, in small letters, as far as Java's `Duration` reads it; not negative.
fn iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('p')?;
    let (days, time) = rest.split_once('t').map_or((rest, None), |(days, time)| (days, Some(time)));
    let mut seconds = 0_f64;
    let mut parts = 0;
    if !days.is_empty() {
        seconds += days.strip_suffix('d')?.parse::<u32>().ok()? as f64 * 86_400.0;
        parts += 1;
    }
    if let Some(mut time) = time {
        for (unit, factor) in [('h', 3_600.0), ('m', 60.0), ('s', 1.0)] {
            let Some((number, after)) = time.split_once(unit) else { continue };
            if number.contains(|c: char| !c.is_ascii_digit() && (unit != 's' || c != '.')) {
                return None;
            }
            seconds += number.parse::<f64>().ok()? * factor;
            time = after;
            parts += 1;
        }
        if !time.is_empty() {
            return None;
        }
    }
    (parts > 0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
