//! A topic and its partitions in the image.

use std::sync::Arc;

use andiron_protocol::Uuid;

use crate::records::{PartitionChangeRecord, PartitionRecord};

/// The leader of a partition that nobody leads.
pub const NO_LEADER: i32 = -1;

/// The leader in a change that leaves it as it was.
const SAME_LEADER: i32 = -2;

/// A topic. Its partitions are numbered from 0 without a gap.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id.
    pub id: Uuid,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

impl Topic {
    /// The partition of this number.
    pub fn partition(&self, number: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(number).ok()?)
    }
}

/// A partition as the controller sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partition {
    /// The replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
    /// Those that go.
    pub removing_replicas: Vec<i32>,
    /// Those that come.
    pub adding_replicas: Vec<i32>,
    /// The directory of each replica, in their order.
    pub directories: Vec<Uuid>,
    /// Who may lead though out of sync.
    pub elr: Vec<i32>,
    /// Who was eligible last before nobody was.
    pub last_known_elr: Vec<i32>,
    /// The leader, or `NO_LEADER`.
    pub leader: i32,
    /// Raised whenever a leader is named.
    pub leader_epoch: i32,
    /// Raised with every change.
    pub partition_epoch: i32,
    /// 1 while the leader was elected uncleanly and has not recovered.
    pub leader_recovery_state: i8,
}

impl Partition {
    /// Where the replica on this broker lies.
    pub fn directory(&self, broker: i32) -> Option<Uuid> {
        let place = self.replicas.iter().position(|id| *id == broker)?;
        self.directories.get(place).copied()
    }

    pub(super) fn from_record(record: &PartitionRecord) -> Self {
        let mut directories = record.directories.clone();
        directories.resize(record.replicas.len(), Uuid::nil());
        Self {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            directories,
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader_recovery_state: record.leader_recovery_state,
        }
    }

    /// The record that makes this partition.
    pub fn to_record(&self, topic: Uuid, number: i32) -> PartitionRecord {
        let some = |ids: &Vec<i32>| (!ids.is_empty()).then(|| ids.clone());
        PartitionRecord {
            partition_id: number,
            topic_id: topic,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: some(&self.elr),
            last_known_elr: some(&self.last_known_elr),
        }
    }

    pub(super) fn change(&mut self, change: &PartitionChangeRecord) {
        fn put<T: Clone>(field: &mut T, new: &Option<T>) {
            if let Some(new) = new {
                field.clone_from(new);
            }
        }
        put(&mut self.replicas, &change.replicas);
        put(&mut self.isr, &change.isr);
        put(&mut self.removing_replicas, &change.removing_replicas);
        put(&mut self.adding_replicas, &change.adding_replicas);
        put(&mut self.directories, &change.directories);
        put(&mut self.elr, &change.eligible_leader_replicas);
        put(&mut self.last_known_elr, &change.last_known_elr);
        self.directories.resize(self.replicas.len(), Uuid::nil());
        if change.leader != SAME_LEADER {
            self.leader = change.leader;
            self.leader_epoch = self.leader_epoch.saturating_add(1);
        }
        if change.leader_recovery_state >= 0 {
            self.leader_recovery_state = change.leader_recovery_state;
        }
        self.partition_epoch = self.partition_epoch.saturating_add(1);
    }

    /// A change that leaves everything as it was.
    pub fn no_change(topic: Uuid, number: i32) -> PartitionChangeRecord {
        PartitionChangeRecord { partition_id: number, topic_id: topic, ..Default::default() }
    }
}
