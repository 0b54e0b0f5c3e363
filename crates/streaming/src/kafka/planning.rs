//! How far the next batch reads and which ranges it consists of: limits, new and vanished partitions, lag figures.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::loss::DataLoss;
use super::{Offsets, TopicPartition, offsets_to_json, set_text};

/// The limits of a stream and what they need to remember.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// `maxOffsetsPerTrigger`.
    pub max: Option<i64>,
    /// `minOffsetsPerTrigger`.
    pub min: Option<i64>,
    /// `maxTriggerDelay` in ms.
    pub max_delay_ms: i64,
    /// When a batch was admitted last; 0 before the first, so that the first always runs.
    last_trigger: i64,
    /// With `availableNow`: the ends at the query's start.
    available_now: Option<Offsets>,
}

impl Admission {
    /// The limits as the options give them.
    #[must_use]
    pub fn new(max: Option<i64>, min: Option<i64>, max_delay_ms: i64) -> Self {
        Self { max, min, max_delay_ms, last_trigger: 0, available_now: None }
    }

    /// No limits: `Trigger.Once` reads all there is.
    pub fn ignore_limits(&mut self) {
        self.max = None;
        self.min = None;
    }

    /// Remembers the ends at the start of an `availableNow` query: nothing beyond them is read.
    pub fn prepare_available_now(&mut self, latest: Offsets) {
        self.available_now = Some(latest);
    }

    /// The ends that bound the query, when it is an `availableNow` one.
    #[must_use]
    pub fn available_now(&self) -> Option<&Offsets> {
        self.available_now.as_ref()
    }

    /// Where the next batch ends, given where it starts and the partitions' ends. `earliest` has the first offsets of
    /// partitions that `from` does not know. `None`: there is no partition at all.
    pub fn end_of_batch(&mut self, from: &Offsets, latest: &Offsets, earliest: &Offsets, now: i64) -> Option<Offsets> {
        let latest = self.available_now.as_ref().unwrap_or(latest);
        if latest.is_empty() {
            // An empty object would later be read as "all partitions were deleted".
            return None;
        }
        if let Some(min) = self.min {
            let news: i64 = latest
                .iter()
                .map(|(at, end)| end.saturating_sub(*from.get(at).or_else(|| earliest.get(at)).unwrap_or(&0)))
                .fold(0, i64::saturating_add);
            let waited = now.saturating_sub(self.last_trigger) >= self.max_delay_ms;
            if news < min && !waited {
                return (!from.is_empty()).then(|| from.clone());
            }
        }
        self.last_trigger = now;
        Some(match self.max {
            Some(max) => split(max, from, latest, earliest),
            None => latest.clone(),
        })
    }
}

/// `limit` records over the partitions in proportion to what each has: rounded down, but never to nothing.
fn split(limit: i64, from: &Offsets, latest: &Offsets, earliest: &Offsets) -> Offsets {
    let begin = |at: &TopicPartition| from.get(at).or_else(|| earliest.get(at)).copied();
    let size = |at: &TopicPartition, end: i64| begin(at).map(|b| (b, end.saturating_sub(b))).filter(|(_, s)| *s > 0);
    let total: f64 = latest.iter().filter_map(|(at, end)| size(at, *end)).map(|(_, s)| s as f64).sum();
    latest
        .iter()
        .map(|(at, end)| {
            let planned = size(at, *end).map_or(*end, |(begin, size)| {
                let share = limit as f64 * (size as f64 / total);
                let share = if share < 1.0 { share.ceil() } else { share.floor() };
                // A float beyond i64 saturates; the sum must not wrap either.
                begin.saturating_add(share as i64).min(*end)
            });
            (at.clone(), planned)
        })
        .collect()
}

/// One task's part of a batch: the records of a partition with `start <= offset < end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetRange {
    /// The partition.
    pub at: TopicPartition,
    /// The first offset.
    pub start: i64,
    /// The offset after the last.
    pub end: i64,
}

impl OffsetRange {
    /// How many offsets the range spans.
    #[must_use]
    pub fn size(&self) -> i64 {
        self.end.saturating_sub(self.start)
    }
}

/// A batch's ranges and what was found to be lost while they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangePlan {
    /// What to read.
    pub ranges: Vec<OffsetRange>,
    /// What is gone; fails the query or is logged, as `failOnDataLoss` says.
    pub losses: Vec<DataLoss>,
}

/// The partitions of a batch that its start does not know: their earliest offsets are needed for [`ranges`].
#[must_use]
pub fn new_partitions(from: &Offsets, until: &Offsets) -> BTreeSet<TopicPartition> {
    until.keys().filter(|at| !from.contains_key(*at)).cloned().collect()
}

/// The ranges between two positions. `earliest` answers [`new_partitions`].
#[must_use]
pub fn ranges(from: &Offsets, until: &Offsets, earliest: &Offsets) -> RangePlan {
    let mut losses = Vec::new();
    let fresh = new_partitions(from, until);
    let lost: BTreeSet<TopicPartition> = fresh.iter().filter(|at| !earliest.contains_key(*at)).cloned().collect();
    if !lost.is_empty() {
        losses.push(DataLoss::InitialOffsetNotFoundForPartitions(lost));
    }
    for at in &fresh {
        if let Some(start) = earliest.get(at).filter(|o| **o != 0) {
            losses.push(DataLoss::AddedPartitionDoesNotStartFromOffsetZero { at: at.clone(), start: *start });
        }
    }
    let deleted: BTreeSet<TopicPartition> = from.keys().filter(|at| !until.contains_key(*at)).cloned().collect();
    if !deleted.is_empty() {
        losses.push(DataLoss::PartitionsDeleted(deleted));
    }
    let mut ranges = Vec::new();
    for (at, end) in until {
        let Some(start) = from.get(at).or_else(|| earliest.get(at)) else {
            continue;
        };
        if end < start {
            losses.push(DataLoss::PartitionOffsetChanged { at: at.clone(), from: *start, to: *end });
        } else if end > start {
            ranges.push(OffsetRange { at: at.clone(), start: *start, end: *end });
        }
    }
    RangePlan { ranges, losses }
}

/// Splits ranges so that none has more than `max_records` and there are about `min_partitions` of them.
#[must_use]
pub fn divide(ranges: Vec<OffsetRange>, min_partitions: Option<i64>, max_records: Option<i64>) -> Vec<OffsetRange> {
    let mut out = ranges;
    if let Some(max) = max_records.filter(|m| *m > 0) {
        out = out
            .into_iter()
            .flat_map(|r| {
                let n = parts_of(r.size(), max);
                cut(r, n)
            })
            .collect();
    }
    let Some(min) = min_partitions.filter(|m| *m > out.len() as i64) else {
        return out;
    };
    let total: f64 = out.iter().map(|r| r.size() as f64).sum();
    // Small ranges stay whole; what is left of the wanted number goes to the large ones in proportion.
    let (small, large): (Vec<_>, Vec<_>) =
        out.into_iter().partition(|r| ((r.size() as f64 / total) * min as f64).round() <= 1.0);
    let wanted = (min - small.len() as i64).max(1) as f64;
    let large_total: f64 = large.iter().map(|r| r.size() as f64).sum();
    let mut all = small;
    for range in large {
        let share = ((range.size() as f64 / large_total) * wanted).round().max(1.0) as i64;
        all.extend(cut(range, share));
    }
    all.sort();
    all
}

fn parts_of(size: i64, max: i64) -> i64 {
    size / max + i64::from(size % max != 0)
}

fn cut(range: OffsetRange, parts: i64) -> Vec<OffsetRange> {
    let mut out = Vec::new();
    let mut start = range.start;
    for left in (1..=parts.max(1)).rev() {
        let end = if left == 1 { range.end } else { start + (range.end - start) / left };
        if end > start {
            out.push(OffsetRange { at: range.at.clone(), start, end });
        }
        start = end;
    }
    out
}

/// Checks of an `availableNow` query before each batch: the end it was started with must still be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AvailableNowError {
    /// Partitions went away while the query ran.
    #[error(
        "Some of partitions in Kafka topic(s) have been lost during running query with Trigger.AvailableNow. The error could be transient - restart your query, and report if you still see the same issue.\ntopic-partitions for latest offset: {latest}, topic-partitions for end offset: {end}"
    )]
    Lost {
        /// The partitions that there are.
        latest: String,
        /// The partitions of the batch's end.
        end: String,
    },
    /// A partition has become shorter.
    #[error(
        "Some of partitions in Kafka topic(s) report available offset which is less than end offset during running query with Trigger.AvailableNow. The error could be transient - restart your query, and report if you still see the same issue.\nlatest offset: {latest}, end offset: {end}"
    )]
    Shorter {
        /// The ends that there are.
        latest: String,
        /// The ends of the batch.
        end: String,
    },
}

impl AvailableNowError {
    /// Spark's error class.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "LOST_TOPIC_PARTITIONS_IN_END_OFFSET_WITH_TRIGGER_AVAILABLENOW",
            Self::Shorter { .. } => {
                "END_OFFSET_HAS_GREATER_OFFSET_FOR_TOPIC_PARTITION_THAN_LATEST_WITH_TRIGGER_AVAILABLENOW"
            }
        }
    }
}

/// See [`AvailableNowError`].
///
/// # Errors
/// When a partition of the batch's end is gone or shorter than that.
pub fn verify_available_now(end: &Offsets, latest: &Offsets) -> Result<(), AvailableNowError> {
    if end.keys().any(|at| !latest.contains_key(at)) {
        return Err(AvailableNowError::Lost { latest: set_text(latest.keys()), end: set_text(end.keys()) });
    }
    if end.iter().any(|(at, offset)| latest.get(at).is_some_and(|l| l < offset)) {
        return Err(AvailableNowError::Shorter { latest: offsets_to_json(latest), end: offsets_to_json(end) });
    }
    Ok(())
}

/// How far the query is behind the ends, as texts, by Spark's names; nothing before the first offset.
#[must_use]
pub fn lag(consumed: Option<&Offsets>, latest: &Offsets) -> IndexMap<String, String> {
    let behind: Vec<i64> = consumed
        .map(|consumed| latest.iter().filter_map(|(at, end)| Some(end.saturating_sub(*consumed.get(at)?))).collect())
        .unwrap_or_default();
    let (Some(min), Some(max)) = (behind.iter().min(), behind.iter().max()) else {
        return IndexMap::new();
    };
    let average = behind.iter().map(|n| *n as f64).sum::<f64>() / behind.len() as f64;
    IndexMap::from([
        ("avgOffsetsBehindLatest".to_owned(), format!("{average:?}")),
        ("maxOffsetsBehindLatest".to_owned(), max.to_string()),
        ("minOffsetsBehindLatest".to_owned(), min.to_string()),
    ])
}
