//! Where a consumer stands in each of its partitions: what it has handed out, what it has fetched ahead, and what has to be
//! learned before it can fetch at all. Pure; whoever asks the brokers tells the answers here.
//!
//! Every seek and every new assignment gives a partition another number. What was asked for under an old number is not
//! taken any more: neither offsets nor records.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::TopicPartition;
use crate::config::OffsetReset;

/// An offset with what is known about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    /// The epoch of the record before it, by which a truncation shows.
    pub(crate) offset_epoch: Option<i32>,
}

/// What a partition waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its committed offset.
    Committed,
    /// The offset of a reset; `None` when nothing says where to begin.
    Reset(OffsetReset),
    /// Word that its log still holds what was read (KIP-320).
    Validation,
    /// Nothing: it is fetched.
    Fetching,
}

/// One assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) number: u64,
    pub(crate) stage: Stage,
    pub(crate) position: Option<Position>,
    /// From where the next fetch asks.
    pub(crate) fetch_from: Position,
    /// The leader's epoch that the position was last checked against.
    pub(crate) leader_epoch: i32,
    pub(crate) paused: bool,
    /// Bytes fetched and not handed out.
    pub(crate) ahead: usize,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) last_stable_offset: Option<i64>,
    pub(crate) log_start_offset: Option<i64>,
    /// A replica that the leader sent us to, and until when (KIP-392).
    pub(crate) replica: Option<(i32, Instant)>,
    /// An error passes; no fetch before this.
    pub(crate) not_before: Option<Instant>,
    pub(crate) failures: u32,
    /// The application is still being told of it.
    pub(crate) announced: bool,
}

/// All that is assigned.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    partitions: BTreeMap<TopicPartition, Held>,
    numbers: u64,
}

impl Positions {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Holds exactly these from now on; what was held stays as it is.
    pub(crate) fn assign(&mut self, partitions: &[TopicPartition], announced: bool) {
        let before = std::mem::take(&mut self.partitions);
        for partition in partitions {
            let held = match before.get(partition) {
                Some(held) => held.clone(),
                None => Held {
                    number: self.next_number(),
                    stage: Stage::Committed,
                    position: None,
                    fetch_from: Position { offset: 0, offset_epoch: None },
                    leader_epoch: -1,
                    paused: false,
                    ahead: 0,
                    high_watermark: None,
                    last_stable_offset: None,
                    log_start_offset: None,
                    replica: None,
                    not_before: None,
                    failures: 0,
                    announced,
                },
            };
            self.partitions.insert(partition.clone(), held);
        }
    }

    /// Holds these no longer.
    pub(crate) fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    /// The application knows of all it holds: they may be fetched.
    pub(crate) fn announce(&mut self) {
        self.partitions.values_mut().for_each(|held| held.announced = true);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Held)> {
        self.partitions.iter()
    }

    pub(crate) fn all(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub(crate) fn get(&self, partition: &TopicPartition) -> Option<&Held> {
        self.partitions.get(partition)
    }

    pub(crate) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Held> {
        self.partitions.get_mut(partition)
    }

    /// The partition if it is still the one that something was asked for.
    pub(crate) fn numbered(&mut self, partition: &TopicPartition, number: u64) -> Option<&mut Held> {
        self.partitions.get_mut(partition).filter(|held| held.number == number)
    }

    /// The partitions in a stage that may be asked about now, with their numbers; the moment at which there may be more.
    pub(crate) fn waiting(
        &self,
        now: Instant,
        is_it: impl Fn(&Held) -> bool,
    ) -> (Vec<(TopicPartition, u64)>, Option<Instant>) {
        let mut ready = Vec::new();
        let mut later: Option<Instant> = None;
        for (partition, held) in self.partitions.iter().filter(|(_, held)| is_it(held)) {
            match held.not_before.filter(|at| *at > now) {
                Some(at) => later = Some(later.map_or(at, |later| later.min(at))),
                None => ready.push((partition.clone(), held.number)),
            }
        }
        (ready, later)
    }

    /// Goes on from here; false if the partition is not assigned.
    pub(crate) fn seek(&mut self, partition: &TopicPartition, position: Position) -> bool {
        let number = self.next_number();
        let Some(held) = self.partitions.get_mut(partition) else { return false };
        held.number = number;
        held.begin(position);
        true
    }

    /// Goes on from where a reset says; false if the partition is not assigned.
    pub(crate) fn reset(&mut self, partition: &TopicPartition, to: OffsetReset) -> bool {
        let number = self.next_number();
        let Some(held) = self.partitions.get_mut(partition) else { return false };
        held.number = number;
        held.stage = Stage::Reset(to);
        held.position = None;
        held.ahead = 0;
        held.replica = None;
        true
    }

    /// Every position that can be committed.
    pub(crate) fn consumed(&self) -> BTreeMap<TopicPartition, Position> {
        let known = |(partition, held): (&TopicPartition, &Held)| Some((partition.clone(), held.position?));
        self.partitions.iter().filter_map(known).collect()
    }

    /// A leader of another epoch than before leads: what was read is to be compared with its log before anything more is
    /// fetched. A position without an epoch cannot be compared.
    pub(crate) fn leader_is(&mut self, partition: &TopicPartition, epoch: i32) {
        let number = self.numbers + 1;
        let Some(held) = self.partitions.get_mut(partition) else { return };
        if held.stage != Stage::Fetching || epoch <= held.leader_epoch {
            return;
        }
        let known_before = held.leader_epoch >= 0;
        held.leader_epoch = epoch;
        if let Some(position) = held.position
            && position.offset_epoch.is_some_and(|of| known_before || of >= 0 && of < epoch)
        {
            held.number = number;
            held.begin(position);
            held.stage = Stage::Validation;
            self.numbers = number;
        }
    }
}

impl Held {
    /// Stands at `position`, with nothing fetched.
    pub(crate) fn begin(&mut self, position: Position) {
        self.position = Some(position);
        self.fetch_from = position;
        self.stage = Stage::Fetching;
        self.ahead = 0;
        self.failures = 0;
        self.not_before = None;
        self.replica = None;
    }

    /// It has to begin anew, since nothing is known of where it was.
    pub(crate) fn reset_to(&mut self, to: OffsetReset) {
        self.stage = Stage::Reset(to);
        self.position = None;
        self.ahead = 0;
        self.replica = None;
    }

    /// An attempt failed for now.
    pub(crate) fn later(&mut self, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + wait(self.failures));
    }

    /// How far the application is behind, under the isolation asked for.
    pub(crate) fn lag(&self, committed_only: bool) -> Option<i64> {
        let end = if committed_only { self.last_stable_offset } else { self.high_watermark };
        Some((end? - self.position?.offset).max(0))
    }
}

#[cfg(test)]
#[path = "positions_tests.rs"]
mod tests;
