//! The broker's settings that a group coordinator obeys, under Kafka's names and with Kafka's defaults.

use andiron_metadata::image::{Image, Resource, ResourceKind};

use crate::consumer::Assignor;

/// A setting that a group may have of its own, within the broker's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfGroup {
    /// What holds for groups that say nothing.
    pub default: i32,
    /// The least that a group may say.
    pub min: i32,
    /// The most.
    pub max: i32,
}

impl OfGroup {
    fn of(self, image: &Image, group: &str, name: &str) -> i32 {
        let said = image.config(&Resource::new(ResourceKind::GROUP, group), name).and_then(|said| said.parse().ok());
        // Bounds that cross are the broker's own mistake; then the lower one counts.
        said.map_or(self.default, |said: i32| said.min(self.max).max(self.min))
    }
}

/// Which way groups may change their protocol while they have members: `group.consumer.migration.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// A classic group may become a consumer group.
    pub upgrade: bool,
    /// A consumer group may become a classic one.
    pub downgrade: bool,
}

impl Migration {
    /// The policy of this name; one that is not known forbids both.
    pub fn from_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self {
            upgrade: matches!(&*name, "bidirectional" | "upgrade"),
            downgrade: matches!(&*name, "bidirectional" | "downgrade"),
        }
    }

    /// Whether classic members may be in a consumer group at all.
    pub fn is_disabled(self) -> bool {
        !self.upgrade && !self.downgrade
    }
}

/// Settings of one coordinator; a change takes effect with the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`: how long the first members of an empty group wait for others.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`: members of one group.
    pub max_size: i32,
    /// `offset.metadata.max.bytes`: length of the text that may go with a committed offset.
    pub offset_metadata_max_bytes: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`: how often expired offsets and groups are looked for.
    pub offsets_retention_check_interval_ms: i64,
    /// `group.consumer.max.size`: members of one consumer group.
    pub consumer_max_size: i32,
    /// `group.consumer.session.timeout.ms`, and its bounds.
    pub consumer_session_timeout: OfGroup,
    /// `group.consumer.heartbeat.interval.ms`, and its bounds.
    pub consumer_heartbeat_interval: OfGroup,
    /// `group.consumer.assignment.interval.ms`, and its bounds.
    pub consumer_assignment_interval: OfGroup,
    /// `group.consumer.assignors`, the default first.
    pub consumer_assignors: Vec<Assignor>,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub consumer_regex_refresh_interval_ms: i32,
    /// `group.consumer.migration.policy`.
    pub consumer_migration: Migration,
}

impl GroupConfig {
    /// How long a member of this consumer group may be silent.
    pub(crate) fn consumer_session_timeout_ms(&self, image: &Image, group: &str) -> i32 {
        self.consumer_session_timeout.of(image, group, "consumer.session.timeout.ms")
    }

    /// How often the members of this consumer group are to be heard of.
    pub(crate) fn consumer_heartbeat_interval_ms(&self, image: &Image, group: &str) -> i32 {
        self.consumer_heartbeat_interval.of(image, group, "consumer.heartbeat.interval.ms")
    }

    /// The least time between two target assignments of this consumer group.
    pub(crate) fn consumer_assignment_interval_ms(&self, image: &Image, group: &str) -> i32 {
        self.consumer_assignment_interval.of(image, group, "consumer.assignment.interval.ms")
    }

    /// The assignor of groups whose members ask for none.
    pub(crate) fn default_assignor(&self) -> Assignor {
        self.consumer_assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            initial_rebalance_delay_ms: 3_000,
            min_session_timeout_ms: 6_000,
            max_session_timeout_ms: 1_800_000,
            max_size: i32::MAX,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_ms: 10_080 * 60_000,
            offsets_retention_check_interval_ms: 600_000,
            consumer_max_size: i32::MAX,
            consumer_session_timeout: OfGroup { default: 45_000, min: 45_000, max: 60_000 },
            consumer_heartbeat_interval: OfGroup { default: 5_000, min: 5_000, max: 15_000 },
            consumer_assignment_interval: OfGroup { default: 1_000, min: 0, max: 15_000 },
            consumer_assignors: vec![Assignor::Uniform, Assignor::Range],
            consumer_regex_refresh_interval_ms: 600_000,
            consumer_migration: Migration { upgrade: true, downgrade: true },
        }
    }
}
