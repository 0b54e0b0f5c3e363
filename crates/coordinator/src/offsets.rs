//! Committed offsets: what is kept, what is answered, when it expires. Group rules are asked of `classic`, not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use uuid::Uuid;

use crate::effects::{GroupOffsets, text};
use crate::record::Record;
use crate::record::classic::{OffsetCommitKey, OffsetCommitValue};

/// The offset that stands for none.
const NO_OFFSET: i64 = -1;

/// The leader epoch that stands for none.
const NO_EPOCH: i32 = -1;

/// One committed offset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Committed {
    offset: i64,
    leader_epoch: i32,
    metadata: Arc<str>,
    pub commit_timestamp: i64,
    /// -1 unless the client asked for a retention of its own.
    pub expire_timestamp: i64,
    topic_id: Uuid,
    /// Where in the log it lies: of two commits the later one counts, also if a transaction ends in between.
    record_offset: i64,
}

impl Committed {
    fn from_value(record_offset: i64, value: &OffsetCommitValue) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_str().into(),
            commit_timestamp: value.commit_timestamp,
            expire_timestamp: value.expire_timestamp,
            topic_id: value.topic_id,
            record_offset,
        }
    }
}

type Partitions = BTreeMap<i32, Committed>;
type Topics = BTreeMap<Arc<str>, Partitions>;
type Place = (Arc<str>, Arc<str>, i32);

/// The offsets of all groups of a coordinator.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    groups: BTreeMap<Arc<str>, Topics>,
    /// Written by producers whose transaction is open.
    open: BTreeMap<i64, BTreeMap<Place, Committed>>,
}

impl Offsets {
    /// A record of the log, with its place there.
    pub fn replay(&mut self, record_offset: i64, key: &OffsetCommitKey, value: Option<&OffsetCommitValue>) {
        match value {
            Some(value) => self.put(
                key.group.as_str().into(),
                key.topic.as_str().into(),
                key.partition,
                Committed::from_value(record_offset, value),
            ),
            None => {
                self.take(&key.group, &key.topic, key.partition);
                // What open transactions have written before goes with it.
                let place = (key.group.as_str().into(), key.topic.as_str().into(), key.partition);
                self.open.values_mut().for_each(|offsets| _ = offsets.remove(&place));
                self.open.retain(|_, offsets| !offsets.is_empty());
            }
        }
    }

    /// The same in a transaction: seen when it commits.
    pub fn replay_open(&mut self, record_offset: i64, producer: i64, key: &OffsetCommitKey, value: &OffsetCommitValue) {
        let place = (key.group.as_str().into(), key.topic.as_str().into(), key.partition);
        self.open.entry(producer).or_default().insert(place, Committed::from_value(record_offset, value));
    }

    /// The producer's transaction has ended. Names the groups that have offsets by it.
    pub fn end_transaction(&mut self, producer: i64, committed: bool) -> BTreeSet<Arc<str>> {
        let mut groups = BTreeSet::new();
        for ((group, topic, partition), offset) in self.open.remove(&producer).unwrap_or_default() {
            let earlier = self.get(&group, &topic, partition);
            if committed && earlier.is_none_or(|earlier| earlier.record_offset < offset.record_offset) {
                groups.insert(group.clone());
                self.put(group, topic, partition, offset);
            }
        }
        groups
    }

    fn put(&mut self, group: Arc<str>, topic: Arc<str>, partition: i32, offset: Committed) {
        self.groups.entry(group).or_default().entry(topic).or_default().insert(partition, offset);
    }

    fn take(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.groups.get_mut(group) else { return };
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                topics.remove(topic);
            }
        }
        if topics.is_empty() {
            self.groups.remove(group);
        }
    }

    /// The offset, if one is committed.
    pub fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.groups.get(group)?.get(topic)?.get(&partition)
    }

    /// All offsets of a group.
    pub fn of_group(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, i32, &Committed)> {
        let topics = self.groups.get(group).into_iter().flatten();
        topics.flat_map(|(topic, partitions)| partitions.iter().map(move |(at, offset)| (topic, *at, offset)))
    }

    /// Whether a transaction that has not ended has offsets of the group.
    pub fn has_open(&self, group: &str) -> bool {
        self.open.values().any(|offsets| offsets.keys().any(|(owner, ..)| &**owner == group))
    }

    /// Whether a transaction that has not ended has an offset of the partition.
    pub fn is_open(&self, group: &str, topic: &str, partition: i32) -> bool {
        let here = |(owner, of, at): &Place| *at == partition && &**owner == group && &**of == topic;
        self.open.values().any(|offsets| offsets.keys().any(here))
    }

    /// Removes what the partition has, in every group and in open transactions.
    pub fn tombstones_of_partition(&self, topic: &str, partition: i32, records: &mut Vec<Record>) {
        let committed = self
            .groups
            .iter()
            .filter(|(_, topics)| topics.get(topic).is_some_and(|partitions| partitions.contains_key(&partition)));
        let open = self.open.values().flat_map(BTreeMap::keys);
        let open = open.filter(|(_, of, at)| *at == partition && &**of == topic);
        let groups: BTreeSet<_> = committed.map(|(group, _)| group).chain(open.map(|(group, ..)| group)).collect();
        records.extend(groups.into_iter().map(|group| Record::offset_tombstone(group, topic, partition)));
    }

    /// Removes all that a group has, also in open transactions.
    pub fn tombstones_of_group(&self, group: &str, records: &mut Vec<Record>) {
        let open = self.open.values().flat_map(BTreeMap::keys).filter(|(owner, ..)| &**owner == group);
        let open = open.map(|(_, topic, at)| (topic, *at));
        let places: BTreeSet<_> = self.of_group(group).map(|(topic, at, _)| (topic, at)).chain(open).collect();
        records.extend(places.into_iter().map(|(topic, at)| Record::offset_tombstone(group, topic, at)));
    }

    /// The answer to OffsetFetch: the partitions asked for, or all that have an offset.
    pub fn fetch(&self, asked: &GroupOffsets) -> OffsetFetchResponseGroup {
        let group = asked.group.group_id.as_str();
        let answer = |topic: &str, partition: i32, offset: Option<&Committed>| {
            let plain = OffsetFetchResponsePartitions::default()
                .with_partition_index(partition)
                .with_committed_offset(NO_OFFSET)
                .with_committed_leader_epoch(NO_EPOCH)
                .with_metadata(Some(text("")));
            match offset {
                _ if asked.require_stable && self.is_open(group, topic, partition) => {
                    plain.with_error_code(ErrorCode::UnstableOffsetCommit.code())
                }
                Some(offset) => plain
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch)
                    .with_metadata(Some(text(&offset.metadata))),
                None => plain,
            }
        };
        let topics = match &asked.group.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| {
                    let each = topic.partition_indexes.iter();
                    let each = each.map(|at| answer(&topic.name, *at, self.get(group, &topic.name, *at)));
                    OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(each.collect())
                })
                .collect(),
            None => self
                .groups
                .get(group)
                .into_iter()
                .flatten()
                .map(|(topic, partitions)| {
                    let each = partitions.iter().map(|(at, offset)| answer(topic, *at, Some(offset)));
                    OffsetFetchResponseTopics::default().with_name(text(topic).into()).with_partitions(each.collect())
                })
                .collect(),
        };
        OffsetFetchResponseGroup::default().with_group_id(asked.group.group_id.clone()).with_topics(topics)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
