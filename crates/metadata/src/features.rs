//! The features of a cluster whose levels are agreed on, and the levels that this program can work at.

pub mod versions;

use crate::records::{FeatureLevelRecord, Record, SupportedFeature};

/// The feature that says which metadata records may be written.
pub const METADATA_VERSION: &str = "metadata.version";
/// The feature that says how groups may be kept.
pub const GROUP_VERSION: &str = "group.version";
/// The feature that says how transactions are done.
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// The feature that says whether eligible leader replicas are kept.
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";

/// The feature that says whether the quorum's voters may come and go.
pub const KRAFT_VERSION: &str = "kraft.version";

/// The metadata.version of Kafka 4.3: 4.3-IV0.
pub const METADATA_VERSION_4_3: i16 = 30;

/// The transaction.version with which a producer's epoch is bumped with every transaction (KIP-890).
pub const TRANSACTION_VERSION_LATEST: i16 = 2;

/// A feature and its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// The lowest level at which this program works.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

/// The features of Kafka 4.3. Levels up to Kafka's own are accepted, so that a folder which a Kafka broker left can be opened
/// and keeps its levels; a new folder gets `fresh()`.
pub const SUPPORTED: &[Feature] = &[
    Feature { name: ELR_VERSION, min: 0, max: 1 },
    Feature { name: GROUP_VERSION, min: 0, max: 1 },
    Feature { name: KRAFT_VERSION, min: 0, max: 1 },
    Feature { name: METADATA_VERSION, min: 7, max: METADATA_VERSION_4_3 },
    Feature { name: "share.version", min: 0, max: 1 },
    Feature { name: "streams.version", min: 0, max: 1 },
    Feature { name: TRANSACTION_VERSION, min: 0, max: TRANSACTION_VERSION_LATEST },
];

/// The features as a node registers them.
pub fn to_register() -> Vec<SupportedFeature> {
    let features = SUPPORTED.iter().map(|feature| SupportedFeature {
        name: feature.name.into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
    });
    features.collect()
}

/// The levels with which a new folder begins: those that Kafka 4.3 formats one with, and 0 for what does not work here yet.
pub fn fresh() -> Vec<Record> {
    let level = |name: &str, feature_level| FeatureLevelRecord { name: name.into(), feature_level }.into();
    vec![
        level(METADATA_VERSION, METADATA_VERSION_4_3),
        level(GROUP_VERSION, 1),
        level(TRANSACTION_VERSION, TRANSACTION_VERSION_LATEST),
    ]
}
