//! From one protocol to the other while members are there: a classic group becomes a consumer group when the first member
//! speaks the new protocol, and a consumer group a classic one when the last such member has gone.

use std::sync::Arc;

use andiron_protocol::consumer_protocol::{self, Subscription};
use bytes::Bytes;

use super::classic_members::{classic_metadata, said};
use super::member::{Assignment, Member, MemberState};
use super::target::{target_epoch_record, target_record};
use super::{Group, Scene, Topics};
use crate::classic::{self, Step};
use crate::config::GroupConfig;
use crate::effects::Effects;
use crate::error::ConsumerGroupError;
use crate::record::Record;

fn refused(reason: String) -> ConsumerGroupError {
    ConsumerGroupError::NotFound(reason)
}

/// Whether this classic group may become a consumer group.
pub(crate) fn check_upgrade(group: &classic::Group, config: &GroupConfig) -> Result<(), ConsumerGroupError> {
    let because = |reason: &str| {
        Err(refused(format!("Cannot upgrade classic group {} to consumer group because {reason}.", group.id)))
    };
    if !config.consumer_migration.upgrade {
        return because("online upgrade is disabled");
    }
    if !group.uses_consumer_protocol() {
        return because("the group does not use the consumer embedded protocol");
    }
    if group.members.len() > usize::try_from(config.consumer_max_size).unwrap_or(0) {
        return because("the group size exceeds the consumer group maximum size");
    }
    Ok(())
}

impl Group {
    /// The consumer group that a classic group becomes: everybody keeps what the last leader gave.
    pub(crate) fn from_classic(group: &classic::Group, topics: &Topics) -> Result<Self, ConsumerGroupError> {
        let mut made = Self::new(group.id.clone());
        made.epoch = group.generation;
        made.target_epoch = group.generation;
        let because = |reason: &str| {
            refused(format!("Cannot upgrade classic group {} to consumer group because {reason}.", group.id))
        };
        let malformed = || because("the embedded consumer protocol is malformed");
        for (id, member) in &group.members {
            let target = given(&member.assignment, topics).map_err(|wrong| match wrong {
                Wrong::Malformed => malformed(),
                Wrong::UserData => because(
                    "an unsupported custom assignor is in use. Please refer to the documentation or switch to a \
                     default assignor before re-attempting the upgrade",
                ),
            })?;
            let words = match group.protocol.as_deref() {
                Some(protocol) => member.metadata(protocol),
                None => member.protocols.first().map(|(_, words)| words.clone()).unwrap_or_default(),
            };
            let wanted = consumer_protocol::read::<Subscription>(&words).map_err(|_| malformed())?;
            let held = |partitions: &std::collections::BTreeSet<i32>| {
                partitions.iter().map(|partition| (*partition, group.generation)).collect()
            };
            let assigned = target.iter().map(|(topic, partitions)| (*topic, held(partitions))).collect();
            let classic = classic_metadata(member.session_timeout_ms, &member.protocols);
            made.put(Arc::new(Member {
                epoch: group.generation,
                previous_epoch: group.generation,
                state: MemberState::Stable,
                instance_id: member.instance_id.clone(),
                rack_id: wanted.rack_id.as_deref().filter(|rack| !rack.is_empty()).map(Into::into),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: Arc::new(wanted.topics.into_iter().collect()),
                assigned: Arc::new(assigned),
                classic: Some(Arc::new(classic)),
                ..Member::new(id.clone())
            }));
            made.target.insert(id.clone(), Arc::new(target));
        }
        made.metadata_hash = topics.hash(made.subscribed_topics().into_iter());
        Ok(made)
    }

    /// The records that make the group as it stands, and the sessions of its members, who all speak the classic protocol.
    pub(crate) fn establish(&self, scene: &mut Scene<'_>) {
        let id = &*self.id;
        let members = || self.members.values();
        let records: &mut Vec<Record> = &mut scene.records;
        records.extend(members().map(|member| member.metadata_record(id)));
        records.push(self.epoch_record(self.epoch, self.metadata_hash));
        records.extend(self.target.iter().map(|(member, target)| target_record(id, member, target)));
        records.push(target_epoch_record(id, self.target_epoch, self.target_made_at));
        records.extend(members().map(|member| member.current_record(id)));
        for member in members() {
            self.start_classic_session(member, scene);
        }
    }

    fn may_downgrade(&self, left: usize, config: &GroupConfig) -> bool {
        config.consumer_migration.downgrade && left <= usize::try_from(config.max_size).unwrap_or(0)
    }

    /// Whether the static member that a classic one replaces is the only one that speaks the new protocol.
    pub(super) fn is_last_of_its_kind(&self, instance: Option<&str>, scene: &Scene<'_>) -> bool {
        let Some(replaced) = instance.and_then(|instance| self.static_member(instance)) else { return false };
        let new_kind = self.members.values().filter(|member| member.classic.is_none()).count();
        replaced.classic.is_none() && new_kind == 1 && self.may_downgrade(self.members.len(), scene.config)
    }

    /// Takes members out. If only classic ones are left, the group becomes a classic one, which is returned.
    pub(crate) fn remove(&self, members: &[Arc<Member>], scene: &mut Scene<'_>) -> Option<classic::Group> {
        if members.is_empty() {
            return None;
        }
        let gone = |member: &&Arc<Member>| members.iter().any(|gone| gone.id == member.id);
        let left: Vec<_> = self.members.values().filter(|member| !gone(member)).collect();
        let classic_only = left.iter().all(|member| member.classic.is_some());
        if classic_only && !left.is_empty() && self.may_downgrade(left.len(), scene.config) {
            return Some(self.downgrade(members, None, true, scene));
        }
        self.fence(members, scene);
        None
    }

    /// The classic group that this one becomes without these members, with one in the place of the static member whose
    /// instance id it has. All are called to join again if the target is stale.
    pub(super) fn downgrade(
        &self,
        gone: &[Arc<Member>],
        joining: Option<&Member>,
        rebalance: bool,
        scene: &mut Scene<'_>,
    ) -> classic::Group {
        let replaced = joining.and_then(|joining| self.static_members.get(joining.instance_id.as_deref()?));
        let pair = replaced.zip(joining).map(|(before, after)| (&**before, &*after.id));
        self.tombstones(pair, &mut scene.records);
        self.cancel_timers(scene.timers);
        let leaves = |id: &Arc<str>| gone.iter().any(|gone| gone.id == *id) || replaced == Some(id);
        let stays = self.members.values().filter(|member| !leaves(&member.id)).map(|member| &**member);
        let members = stays.chain(joining).filter_map(|member| {
            let classic = member.classic.as_ref()?;
            let protocols = classic.supported_protocols.iter();
            let target = self.target_of(member);
            let listed = target.iter().map(|(topic, partitions)| (*topic, partitions.iter().copied().collect()));
            let made = classic::Member {
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: protocols
                    .map(|protocol| (protocol.name.as_str().into(), protocol.metadata.clone()))
                    .collect(),
                assignment: said(listed, member.classic_metadata(), scene.topics),
                is_new: false,
                joining: None,
                syncing: None,
            };
            Some((member.id.clone(), made))
        });
        let mut group = classic::Group::from_members(self.id.clone(), self.epoch, members.collect(), scene.now);
        scene.records.push(group.record(None));
        // Nobody waits for anything yet: nothing is answered.
        let mut nothing = Effects::default();
        let mut step = Step { now: scene.now, config: scene.config, timers: scene.timers, out: &mut nothing };
        group.start_sessions(&mut step);
        if rebalance {
            group.prepare_rebalance(&mut step);
        }
        group
    }
}

enum Wrong {
    Malformed,
    UserData,
}

/// What a leader gave, by topic id; topics that are gone are left out.
fn given(assignment: &Bytes, topics: &Topics) -> Result<Assignment, Wrong> {
    if assignment.is_empty() {
        return Ok(Assignment::new());
    }
    let said = consumer_protocol::read::<consumer_protocol::Assignment>(assignment).map_err(|_| Wrong::Malformed)?;
    if said.user_data.is_some_and(|data| !data.is_empty()) {
        return Err(Wrong::UserData);
    }
    let known = said.assigned_partitions.into_iter().filter_map(|of| Some((topics.id(&of.topic)?, of.partitions)));
    Ok(known.map(|(topic, partitions)| (topic, partitions.into_iter().collect())).collect())
}
