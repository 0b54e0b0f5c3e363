//! What the log says of a group. A compacted log may have lost the beginning of a story: nothing is taken for granted.

use std::sync::Arc;

use super::member::{Assignment, Member};
use super::{Group, Resolved};
use crate::record::membership::Change;

/// The epoch and time of a target assignment that is gone.
const NO_TARGET: (i32, i64) = (-1, 0);

impl Group {
    /// Applies a record. False if it said that the group is gone.
    pub fn replay(&mut self, change: &Change) -> bool {
        match change {
            Change::Epoch(None) => return false,
            Change::Epoch(Some(value)) => {
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            Change::Topics(value) => self.has_topics_record = value.is_some(),
            Change::Member(id, Some(value)) => {
                let member = self.known_or_new(id).with_metadata(value);
                self.put(Arc::new(member));
            }
            Change::Member(id, None) => self.take(id),
            Change::TargetEpoch(value) => {
                let made = value.as_ref().map(|value| (value.assignment_epoch, value.assignment_timestamp));
                (self.target_epoch, self.target_made_at) = made.unwrap_or(NO_TARGET);
            }
            Change::Target(id, Some(value)) => {
                let topics = value.topic_partitions.iter();
                let target: Assignment =
                    topics.map(|topic| (topic.topic_id, topic.partitions.iter().copied().collect())).collect();
                self.target.insert(id.as_str().into(), Arc::new(target));
            }
            Change::Target(id, None) => _ = self.target.remove(id.as_str()),
            Change::Current(id, Some(value)) => {
                let member = self.known_or_new(id).with_current(value);
                self.put(Arc::new(member));
            }
            Change::Current(id, None) => {
                if let Some(member) = self.members.get(id.as_str()) {
                    let member = member.without_current();
                    self.put(Arc::new(member));
                }
            }
            Change::Pattern(pattern, Some(value)) => {
                let topics = value.topics.iter().cloned().collect();
                let resolved = Resolved { topics, version: value.version, timestamp: value.timestamp };
                self.patterns.insert(pattern.as_str().into(), resolved);
            }
            Change::Pattern(pattern, None) => _ = self.patterns.remove(pattern.as_str()),
        }
        true
    }

    fn known_or_new(&self, id: &str) -> Arc<Member> {
        self.members.get(id).cloned().unwrap_or_else(|| Arc::new(Member::new(id.into())))
    }
}

impl Change {
    /// Whether the record begins or goes on with a group, rather than taking something away.
    pub(crate) fn has_value(&self) -> bool {
        match self {
            Self::Epoch(value) => value.is_some(),
            Self::Topics(value) => value.is_some(),
            Self::Member(_, value) => value.is_some(),
            Self::TargetEpoch(value) => value.is_some(),
            Self::Target(_, value) => value.is_some(),
            Self::Current(_, value) => value.is_some(),
            Self::Pattern(_, value) => value.is_some(),
        }
    }
}
