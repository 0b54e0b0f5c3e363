//! Which levels each feature has, since which metadata.version a cluster begins with them, and what they need: the tables
//! behind `kafka-storage` and `kafka-features` (KIP-1022; Kafka's enums `Feature` and `MetadataVersion`).

use super::{ELR_VERSION, GROUP_VERSION, KRAFT_VERSION, METADATA_VERSION, TRANSACTION_VERSION};

/// A level of metadata.version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataVersion {
    /// The level.
    pub level: i16,
    /// Its name, such as `4.3-IV0`.
    pub name: &'static str,
}

macro_rules! metadata_versions {
    ($($level:literal $name:literal)*) => {
        /// All of them that Kafka 4.3 knows, in order.
        pub const METADATA_VERSIONS: &[MetadataVersion] = &[$(MetadataVersion { level: $level, name: $name }),*];
    };
}

metadata_versions! {
    7 "3.3-IV3" 8 "3.4-IV0" 9 "3.5-IV0" 10 "3.5-IV1" 11 "3.5-IV2" 12 "3.6-IV0" 13 "3.6-IV1" 14 "3.6-IV2" 15 "3.7-IV0"
    16 "3.7-IV1" 17 "3.7-IV2" 18 "3.7-IV3" 19 "3.7-IV4" 20 "3.8-IV0" 21 "3.9-IV0" 22 "4.0-IV0" 23 "4.0-IV1" 24 "4.0-IV2"
    25 "4.0-IV3" 26 "4.1-IV0" 27 "4.1-IV1" 28 "4.2-IV0" 29 "4.2-IV1" 30 "4.3-IV0" 31 "4.4-IV0"
}

/// The newest that is not under development.
pub const LATEST_PRODUCTION: MetadataVersion = MetadataVersion { level: 30, name: "4.3-IV0" };

impl MetadataVersion {
    /// That of a level.
    pub fn of_level(level: i16) -> Option<MetadataVersion> {
        METADATA_VERSIONS.iter().find(|version| version.level == level).copied()
    }

    /// That of a release (`4.2`, `4.2.1`: its last one) or of a full name.
    pub fn of_release(text: &str) -> Option<MetadataVersion> {
        let mut segments = text.splitn(3, '.');
        let key = match (segments.next(), segments.next(), segments.next()) {
            (Some(major), Some(minor), Some(_)) => format!("{major}.{minor}"),
            _ => text.to_owned(),
        };
        let names = |version: &&MetadataVersion| {
            version.name == key || version.name.split_once('-').is_some_and(|(release, _)| release == key)
        };
        METADATA_VERSIONS.iter().rev().find(names).copied()
    }

    /// Whether it is not under development any more.
    pub fn is_production(self) -> bool {
        self.level <= LATEST_PRODUCTION.level
    }
}

/// A level of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The level.
    pub level: i16,
    /// The metadata.version from which on a new cluster begins with it.
    pub since: i16,
    /// What it needs: features and their levels.
    pub needs: &'static [(&'static str, i16)],
}

const fn level(level: i16, since: i16) -> Level {
    Level { level, since, needs: &[] }
}

/// A feature besides metadata.version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Its name.
    pub name: &'static str,
    /// Its levels, in order.
    pub levels: &'static [Level],
}

/// The features that are ready for production, in Kafka's order.
pub const FEATURES: &[Levels] = &[
    Levels { name: KRAFT_VERSION, levels: &[level(0, 7), level(1, 21)] },
    Levels { name: TRANSACTION_VERSION, levels: &[level(0, 7), level(1, 24), level(2, 24)] },
    Levels { name: GROUP_VERSION, levels: &[level(0, 7), level(1, 22)] },
    Levels {
        name: ELR_VERSION,
        levels: &[level(0, 7), Level { level: 1, since: 26, needs: &[(METADATA_VERSION, 23)] }],
    },
    Levels { name: "share.version", levels: &[level(0, 7), level(1, 28)] },
    Levels { name: "streams.version", levels: &[level(0, 7), level(1, 29)] },
];

impl Levels {
    /// The feature of this name.
    pub fn of(name: &str) -> Option<&'static Levels> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    /// The level with which a cluster of this metadata.version begins.
    pub fn default_at(&self, version: MetadataVersion) -> i16 {
        self.levels.iter().take_while(|level| level.since <= version.level).last().map_or(0, |level| level.level)
    }

    /// One of its levels.
    pub fn get(&self, level: i16) -> Option<&'static Level> {
        self.levels.iter().find(|l| l.level == level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_stands_for_its_last_version_and_a_name_for_itself() {
        let table = [("3.5", Some(11)), ("3.5-IV0", Some(9)), ("3.8.1", Some(20)), ("4.3", Some(30)), ("9.9", None)];
        for (text, level) in table {
            assert_eq!(MetadataVersion::of_release(text).map(|version| version.level), level, "{text}");
        }
    }

    #[test]
    fn a_cluster_begins_with_the_levels_that_its_metadata_version_allows() {
        let at = |level| {
            let version = MetadataVersion::of_level(level)?;
            Some(FEATURES.iter().map(|feature| feature.default_at(version)).collect::<Vec<_>>())
        };
        assert_eq!(at(7), Some(vec![0, 0, 0, 0, 0, 0]));
        assert_eq!(at(24), Some(vec![1, 2, 1, 0, 0, 0]));
        assert_eq!(at(30), Some(vec![1, 2, 1, 1, 1, 1]));
    }
}
