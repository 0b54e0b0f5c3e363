//! A member of a consumer group, as the log knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::record::Record;
use crate::record::consumer::{
    ConsumerGroupCurrentMemberAssignmentTopicPartitions, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataClassicMemberMetadata, ConsumerGroupMemberMetadataValue, MaybeClassicMember,
};
use crate::record::membership::{Change, GroupChange};

/// Partitions by topic id: what a member is to have.
pub(crate) type Assignment = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by topic id, each with the epoch since which the member has it.
pub(crate) type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// The epoch with which a member joins.
pub(crate) const JOINING: i32 = 0;

/// The epoch with which a member leaves, and that of a member that is about to be removed.
pub(crate) const LEAVING: i32 = -1;

/// The epoch with which a static member leaves that will come back.
pub(crate) const LEAVING_FOR_A_WHILE: i32 = -2;

/// Where a member stands between what it has and what it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has what it could get of the target.
    Stable,
    /// It has to give partitions up first.
    Unrevoked,
    /// It waits for partitions that others have to give up.
    Unreleased,
    /// A state of a newer program.
    Unknown,
}

impl MemberState {
    fn from_value(value: i8) -> Self {
        match value {
            0 => Self::Stable,
            1 => Self::Unrevoked,
            2 => Self::Unreleased,
            _ => Self::Unknown,
        }
    }

    fn value(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::Unrevoked => 1,
            Self::Unreleased => 2,
            Self::Unknown => 127,
        }
    }
}

/// One member. It changes by being replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub id: Arc<str>,
    pub epoch: i32,
    /// The epoch before: a member that missed the answer still asks with it.
    pub previous_epoch: i32,
    pub state: MemberState,
    pub instance_id: Option<Arc<str>>,
    pub rack_id: Option<Arc<str>>,
    pub rebalance_timeout_ms: i32,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: Arc<BTreeSet<String>>,
    /// The pattern as it was given; an empty one is none.
    pub pattern: Option<Arc<str>>,
    pub assignor: Option<Arc<str>>,
    pub assigned: Arc<Held>,
    pub revoking: Arc<Held>,
    /// Set if the member speaks the classic protocol.
    pub classic: Option<Arc<ConsumerGroupMemberMetadataClassicMemberMetadata>>,
}

impl Member {
    /// A member of which nothing is known yet.
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: JOINING,
            previous_epoch: -1,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            client_id: "".into(),
            client_host: "".into(),
            topics: Arc::default(),
            pattern: Some("".into()),
            assignor: None,
            assigned: Arc::default(),
            revoking: Arc::default(),
            classic: None,
        }
    }

    /// The pattern it is subscribed to.
    pub fn pattern(&self) -> Option<&Arc<str>> {
        self.pattern.as_ref().filter(|pattern| !pattern.is_empty())
    }

    /// Whether it has all it is to have, as of this epoch.
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// The strategies that a classic member knows.
    pub fn classic_protocols(&self) -> impl Iterator<Item = &str> {
        self.classic.iter().flat_map(|classic| &classic.supported_protocols).map(|protocol| protocol.name.as_str())
    }

    /// What a classic member says to the first strategy it knows.
    pub fn classic_metadata(&self) -> Option<&[u8]> {
        let protocols = &self.classic.as_ref()?.supported_protocols;
        protocols.first().map(|protocol| protocol.metadata.as_ref())
    }

    /// Since which epoch it has the partition, also if it is to give it up.
    pub fn epoch_of(&self, topic: Uuid, partition: i32) -> Option<i32> {
        let of = |held: &Held| held.get(&topic)?.get(&partition).copied();
        of(&self.assigned).or_else(|| of(&self.revoking))
    }

    /// Takes over what a record says the member wants.
    pub fn with_metadata(&self, value: &ConsumerGroupMemberMetadataValue) -> Self {
        let shared = |text: &Option<String>| text.as_deref().map(Into::into);
        Self {
            instance_id: shared(&value.instance_id),
            rack_id: shared(&value.rack_id),
            client_id: value.client_id.as_str().into(),
            client_host: value.client_host.as_str().into(),
            topics: Arc::new(value.subscribed_topic_names.iter().cloned().collect()),
            pattern: shared(&value.subscribed_topic_regex),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            assignor: shared(&value.server_assignor),
            classic: value.classic_member_metadata.0.clone().map(Arc::new),
            ..self.clone()
        }
    }

    /// Takes over what a record says the member has.
    pub fn with_current(&self, value: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        let held = |listed: &[ConsumerGroupCurrentMemberAssignmentTopicPartitions]| {
            let one = |of: &ConsumerGroupCurrentMemberAssignmentTopicPartitions| {
                let known = of.assignment_epochs.as_ref().filter(|epochs| epochs.len() == of.partitions.len());
                let partitions = of.partitions.iter().copied();
                let held: BTreeMap<i32, i32> = match known {
                    Some(epochs) => partitions.zip(epochs.iter().copied()).collect(),
                    // Brokers before 4.3 wrote none: the partitions are as old as the member's epoch.
                    None => partitions.map(|partition| (partition, value.member_epoch.max(0))).collect(),
                };
                (of.topic_id, held)
            };
            Arc::new(listed.iter().map(one).collect::<Held>())
        };
        Self {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::from_value(value.state),
            assigned: held(&value.assigned_partitions),
            revoking: held(&value.partitions_pending_revocation),
            ..self.clone()
        }
    }

    /// It has nothing any more and is about to be removed.
    pub fn without_current(&self) -> Self {
        let none = Arc::<Held>::default();
        Self { epoch: LEAVING, previous_epoch: LEAVING, assigned: none.clone(), revoking: none, ..self.clone() }
    }

    /// The record of what it wants.
    pub fn metadata_record(&self, group: &str) -> Record {
        let owned = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
        let value = ConsumerGroupMemberMetadataValue {
            instance_id: owned(&self.instance_id),
            rack_id: owned(&self.rack_id),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            subscribed_topic_names: self.topics.iter().cloned().collect(),
            subscribed_topic_regex: owned(&self.pattern),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: owned(&self.assignor),
            classic_member_metadata: MaybeClassicMember(self.classic.as_deref().cloned()),
        };
        change(group, Change::Member(self.id.to_string(), Some(value)))
    }

    /// The record of what it has.
    pub fn current_record(&self, group: &str) -> Record {
        let listed = |held: &Held| {
            let one = |(topic_id, partitions): (&Uuid, &BTreeMap<i32, i32>)| {
                ConsumerGroupCurrentMemberAssignmentTopicPartitions {
                    topic_id: *topic_id,
                    partitions: partitions.keys().copied().collect(),
                    assignment_epochs: Some(partitions.values().copied().collect()),
                }
            };
            held.iter().map(one).collect()
        };
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.value(),
            assigned_partitions: listed(&self.assigned),
            partitions_pending_revocation: listed(&self.revoking),
        };
        change(group, Change::Current(self.id.to_string(), Some(value)))
    }

    /// The records that take it out of the group.
    pub fn tombstones(&self, group: &str, records: &mut Vec<Record>) {
        let id = || self.id.to_string();
        records.push(change(group, Change::Current(id(), None)));
        records.push(change(group, Change::Target(id(), None)));
        records.push(change(group, Change::Member(id(), None)));
    }
}

/// A record of a consumer group.
pub(crate) fn change(group: &str, change: Change) -> Record {
    Record::ConsumerGroup(GroupChange { group: group.to_owned(), change })
}
