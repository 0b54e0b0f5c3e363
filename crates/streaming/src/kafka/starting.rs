//! From a rule (`startingOffsets` and its kin) to offsets: what to ask Kafka, and what the answers make.

use std::collections::{BTreeMap, BTreeSet};

use super::options::{OffsetRule, OnNoMatch};
use super::{Offsets, TopicPartition, set_text};

/// Stands for the end of a partition in JSON.
pub const LATEST: i64 = -1;
/// Stands for the beginning of a partition in JSON.
pub const EARLIEST: i64 = -2;

/// What to ask Kafka for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The first offset.
    Earliest,
    /// The end.
    Latest,
    /// The first offset at or after a time, in ms.
    At(i64),
    /// Nothing: this is the offset.
    Known(i64),
}

/// Why a rule gives no offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Offsets are named for other partitions than the subscription has.
    #[error(
        "Partitions specified for Kafka start offsets don't match what are assigned. Maybe topic partitions are created or deleted while the query is running. If startingOffsets contains specific offsets, you must specify all TopicPartitions.\nUse -1 for latest, -2 for earliest.\nSpecified: {} Assigned: {}", set_text(.specified), set_text(.assigned)
    )]
    DoesNotMatchAssigned {
        /// The partitions that were named.
        specified: BTreeSet<TopicPartition>,
        /// The partitions there are.
        assigned: BTreeSet<TopicPartition>,
    },
    /// The same for times.
    #[error(
        "If starting/endingOffsetsByTimestamp contains specific offsets, you must specify all topics. Specified: {} Assigned: {}", set_text(.specified), set_text(.assigned)
    )]
    TimesDoNotMatchAssigned {
        /// The partitions that were named.
        specified: BTreeSet<TopicPartition>,
        /// The partitions there are.
        assigned: BTreeSet<TopicPartition>,
    },
    /// No record at or after the time.
    #[error("No offset matched from request of topic-partition {at} and timestamp {time}.")]
    NoMatch {
        /// The partition.
        at: TopicPartition,
        /// The wanted time in ms.
        time: i64,
    },
}

/// What to ask for each assigned partition.
///
/// # Errors
/// When the rule names other partitions than are assigned.
pub fn asks(
    rule: &OffsetRule,
    assigned: &BTreeSet<TopicPartition>,
) -> Result<BTreeMap<TopicPartition, Ask>, StartError> {
    let each = |ask: Ask| assigned.iter().map(|at| (at.clone(), ask)).collect();
    match rule {
        OffsetRule::Earliest => Ok(each(Ask::Earliest)),
        OffsetRule::Latest => Ok(each(Ask::Latest)),
        OffsetRule::Timestamp(time) => Ok(each(Ask::At(*time))),
        OffsetRule::Specific(offsets) => {
            let specified: BTreeSet<TopicPartition> = offsets.keys().cloned().collect();
            if specified != *assigned {
                return Err(StartError::DoesNotMatchAssigned { specified, assigned: assigned.clone() });
            }
            Ok(offsets
                .iter()
                .map(|(at, offset)| {
                    let ask = match *offset {
                        EARLIEST => Ask::Earliest,
                        LATEST => Ask::Latest,
                        known => Ask::Known(known),
                    };
                    (at.clone(), ask)
                })
                .collect())
        }
        OffsetRule::ByTimestamp(times) => {
            let specified: BTreeSet<TopicPartition> = times.keys().cloned().collect();
            if specified != *assigned {
                return Err(StartError::TimesDoNotMatchAssigned { specified, assigned: assigned.clone() });
            }
            Ok(times.iter().map(|(at, time)| (at.clone(), Ask::At(*time))).collect())
        }
    }
}

/// Kafka's answers made into offsets. `None` is "no record at or after that time"; `latest` has the ends of those
/// partitions and is looked at only where `on_no_match` allows it.
///
/// # Errors
/// On a time without a record, unless it means the end.
pub fn settle(
    asked: &BTreeMap<TopicPartition, Ask>,
    answers: &BTreeMap<TopicPartition, Option<i64>>,
    on_no_match: OnNoMatch,
    latest: &Offsets,
) -> Result<Offsets, StartError> {
    let mut out = Offsets::new();
    for (at, ask) in asked {
        let offset = match (*ask, answers.get(at).copied().flatten()) {
            (Ask::Known(offset), _) | (_, Some(offset)) => Some(offset),
            (Ask::At(time), None) => match (on_no_match, latest.get(at)) {
                (OnNoMatch::Latest, Some(end)) => Some(*end),
                _ => {
                    return Err(StartError::NoMatch { at: at.clone(), time });
                }
            },
            // A partition that Kafka does not know any more has no offset; the plan of the batch reports it.
            (Ask::Earliest | Ask::Latest, None) => None,
        };
        if let Some(offset) = offset {
            out.insert(at.clone(), offset);
        }
    }
    Ok(out)
}
