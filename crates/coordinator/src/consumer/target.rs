//! Making a target assignment: who is to have what, as of one epoch of the group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::assign::{Asking, Assignor, Task};
use super::java_order::{self, Hashed};
use super::member::{Assignment, Member, change};
use super::{Group, Scene};
use crate::error::ConsumerGroupError;
use crate::record::Record;
use crate::record::consumer::{
    ConsumerGroupTargetAssignmentMemberTopicPartition, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue,
};
use crate::record::membership::Change;

impl Group {
    /// The target assignment for the member as it is about to be, and its epoch: a new one if the group has moved on and
    /// the last one is old enough, or the last one.
    pub(super) fn next_target(
        &self,
        epoch: i32,
        before: &Member,
        member: &Member,
        uniform: Option<bool>,
        scene: &mut Scene<'_>,
    ) -> Result<(i32, Arc<Assignment>), ConsumerGroupError> {
        let interval_ms = scene.config.consumer_assignment_interval_ms(scene.topics.image(), &self.id);
        let rested = self.target_made_at == 0
            || interval_ms == 0
            || scene.now >= self.target_made_at.saturating_add(interval_ms.into());
        if self.target_epoch >= epoch || !rested {
            return Ok((self.target_epoch, self.target_of(member)));
        }
        let assignor = self.preferred_assignor(Some((before, member))).unwrap_or(scene.config.default_assignor());
        let uniform = uniform.unwrap_or_else(|| self.subscriptions(&[], None).is_uniform());
        let task = self.task(member, uniform, scene);
        let made = assignor.assign(&task).map_err(|error| ConsumerGroupError::Assignor { epoch, error })?;
        let mut own = Arc::default();
        for (asking, target) in task.members.iter().zip(made) {
            if self.target.get(&asking.id).is_none_or(|known| **known != target) {
                scene.records.push(target_record(&self.id, &asking.id, &target));
            }
            if asking.id == member.id {
                own = Arc::new(target);
            }
        }
        scene.records.push(target_epoch_record(&self.id, epoch, scene.now));
        Ok((epoch, own))
    }

    /// The members as they will be, in the order in which Apache Kafka's assignors see them.
    fn task(&self, member: &Member, uniform: bool, scene: &Scene<'_>) -> Task {
        let replaced = member.instance_id.as_ref().and_then(|instance| self.static_members.get(instance));
        let replaced = replaced.filter(|id| **id != member.id);
        let asking = |member: &Member, target: Arc<Assignment>| {
            let names = self.topics_in_java_order(member);
            Asking {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                asked: names.len(),
                topics: names.into_iter().filter_map(|name| scene.topics.id(name)).collect(),
                has: target,
            }
        };
        let mut members: BTreeMap<&Arc<str>, Asking> = BTreeMap::new();
        for (id, known) in &self.members {
            members.insert(id, asking(known, self.target.get(id).cloned().unwrap_or_default()));
        }
        let table = java_order::grown(self.members.len() + usize::from(!self.members.contains_key(&member.id)));
        if let Some(replaced) = replaced {
            members.remove(replaced);
        }
        members.insert(&member.id, asking(member, self.target_of(member)));
        let mut members: Vec<Asking> = members.into_values().collect();
        java_order::sort(&mut members, table, |asking| asking.id.java_hash());
        let counts = members.iter().flat_map(|asking| &asking.topics);
        let partitions = counts.map(|topic| (*topic, scene.topics.partition_count(*topic).unwrap_or(0))).collect();
        Task { members, uniform, partitions, owners: self.owners() }
    }

    /// What a member reads, as Java's sets of names hand them out: what it names, then what its pattern has matched.
    fn topics_in_java_order<'a>(&'a self, member: &'a Member) -> Vec<&'a str> {
        let sorted = |names: &'a BTreeSet<String>| {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            let table = java_order::copied(names.len());
            java_order::sort(&mut names, table, |name| name.java_hash());
            names
        };
        let mut names = sorted(&member.topics);
        if let Some(resolved) = member.pattern().and_then(|pattern| self.patterns.get(pattern)) {
            names.extend(sorted(&resolved.topics).into_iter().filter(|name| !member.topics.contains(*name)));
        }
        names
    }

    /// Whom the last target gave each partition.
    fn owners(&self) -> BTreeSet<(Uuid, i32)> {
        let all = self.target.values().flat_map(|target| target.iter());
        all.flat_map(|(topic, partitions)| partitions.iter().map(|at| (*topic, *at))).collect()
    }

    /// The assignor that most members ask for, with one member changed.
    pub(super) fn preferred_assignor(&self, changed: Option<(&Member, &Member)>) -> Option<Assignor> {
        let stays = self.members.values().filter(|member| changed.is_none_or(|(before, _)| before.id != member.id));
        let all = stays.map(|member| &**member).chain(changed.map(|(_, after)| after));
        let mut counts: Vec<(Assignor, usize)> = Vec::new();
        for assignor in all.filter_map(|member| Assignor::from_name(member.assignor.as_deref()?)) {
            match counts.iter_mut().find(|(known, _)| *known == assignor) {
                Some((_, count)) => *count += 1,
                None => counts.push((assignor, 1)),
            }
        }
        let table = java_order::grown(counts.len());
        java_order::sort(&mut counts, table, |(assignor, _)| assignor.name().java_hash());
        let most = counts.iter().map(|(_, count)| *count).max()?;
        counts.into_iter().find(|(_, count)| *count == most).map(|(assignor, _)| assignor)
    }
}

/// The record of what a member is to have.
pub(super) fn target_record(group: &str, member: &str, target: &Assignment) -> Record {
    let topics = target.iter().map(|(topic_id, partitions)| ConsumerGroupTargetAssignmentMemberTopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    let value = ConsumerGroupTargetAssignmentMemberValue { topic_partitions: topics.collect() };
    change(group, Change::Target(member.to_owned(), Some(value)))
}

/// The record of the epoch that the target was made for.
pub(super) fn target_epoch_record(group: &str, assignment_epoch: i32, assignment_timestamp: i64) -> Record {
    let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch, assignment_timestamp };
    change(group, Change::TargetEpoch(Some(value)))
}
