//! Members of a consumer group that speak the classic protocol: they join, sync and beat as ever, and the group tells them
//! to join again whenever it has something else for them. The generation they hear of is their epoch.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_protocol::consumer_protocol::{self, Assignment, OfTopic, Subscription};
use andiron_protocol::messages::leave_group_request::MemberIdentity;
use andiron_protocol::messages::{HeartbeatRequest, SyncGroupRequest};
use bytes::Bytes;
use uuid::Uuid;

use super::heartbeat::fresh_member_id;
use super::member::{Member, MemberState};
use super::patterns::Patterns;
use super::reconcile::{Goal, Owned};
use super::{Group, Scene, Topics};
use crate::classic::{self, Joiner};
use crate::error::{HeartbeatError, JoinError, MemberError, SyncError};
use crate::record::consumer::{
    ConsumerGroupMemberMetadataClassicMemberMetadata, ConsumerGroupMemberMetadataClassicProtocol,
};
use crate::timers::Timer;

/// From this version on a dynamic member gets its id first and joins with its second request (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

/// What came of a classic member's joining.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It is to ask again under this id.
    WithId(Arc<str>),
    /// It is in.
    In {
        id: Arc<str>,
        generation: i32,
        protocol: Arc<str>,
        /// It took the place of the last member that spoke the new protocol: this is the group from now on.
        downgraded: Option<Box<classic::Group>>,
    },
}

impl Group {
    /// Lets a classic member in.
    pub(crate) fn join_classic(
        &mut self,
        joiner: &Joiner,
        random: Uuid,
        scene: &mut Scene<'_>,
    ) -> Result<Joined, JoinError> {
        if scene.config.consumer_migration.is_disabled() {
            return Err(JoinError::InconsistentProtocol);
        }
        let is_new = joiner.member_id.is_empty();
        let id: Arc<str> = if is_new { fresh_member_id(random).into() } else { joiner.member_id.clone() };
        self.check_size(&id, scene.config)?;
        if !self.supports(joiner) {
            return Err(JoinError::InconsistentProtocol);
        }
        if is_new && joiner.instance_id.is_none() && joiner.to.version >= MEMBER_ID_REQUIRED_VERSION {
            return Ok(Joined::WithId(id));
        }
        let first = joiner.protocols.first().ok_or(JoinError::InconsistentProtocol)?;
        // Apache Kafka calls it its own failure too.
        let wanted = consumer_protocol::read::<Subscription>(&first.1).ok();
        let wanted = wanted.ok_or(JoinError::Consumer(ErrorCode::UnknownServerError))?;
        let protocol = first.0.clone();
        let member = match joiner.instance_id.as_deref() {
            None => self.dynamic_member(&id, true)?,
            Some(instance) => self.subscribe_static(&id, instance, is_new, true, scene)?,
        };
        let updated = updated(&member, joiner, &wanted);
        let owned = owned(&wanted, scene.topics);
        let (updated, downgraded) = if self.is_last_of_its_kind(joiner.instance_id.as_deref(), scene) {
            let (updated, group) = self.downgrade_for(&member, updated, &owned, scene)?;
            (updated, Some(Box::new(group)))
        } else {
            let goal = self.advance(&member, &updated, Patterns::MoveOn, scene)?;
            let updated = self.reconcile(updated, &goal, &owned, scene)?;
            self.start_classic_session(&updated, scene);
            let at = scene.now.saturating_add(updated.rebalance_timeout_ms.into());
            scene.timers.set(Timer::MemberSync(self.id.clone(), updated.id.clone()), at);
            (updated, None)
        };
        scene.timers.cancel(&Timer::MemberJoin(self.id.clone(), updated.id.clone()));
        Ok(Joined::In { id: updated.id.clone(), generation: updated.epoch, protocol, downgraded })
    }

    /// The member takes the place of the only one that speaks the new protocol.
    fn downgrade_for(
        &mut self,
        member: &Member,
        updated: Member,
        owned: &Owned,
        scene: &mut Scene<'_>,
    ) -> Result<(Member, classic::Group), JoinError> {
        let renamed = self.note_subscription(member, &updated, scene);
        let resubscribed = self.note_pattern(member, &updated, scene)?.changed() || renamed;
        let (epoch, _) = self.next_epoch(resubscribed, member, &updated, scene);
        let stale = self.target_epoch < epoch;
        let updated = if stale {
            updated
        } else {
            let goal = Goal { epoch: self.target_epoch, target: self.target_of(&updated), resubscribed };
            self.reconcile(updated, &goal, owned, scene)?
        };
        let group = self.downgrade(&[], Some(&updated), stale, scene);
        Ok((updated, group))
    }

    /// A strategy of the newcomer must be known to all classic members.
    fn supports(&self, joiner: &Joiner) -> bool {
        let knows = |member: &Member, name: &str| member.classic_protocols().any(|known| known == name);
        let classic = || self.members.values().filter(|member| member.classic.is_some());
        &*joiner.protocol_type == classic::CONSUMER
            && joiner.protocols.iter().any(|(name, _)| classic().all(|member| knows(member, name)))
    }

    /// The classic member that asks, under the id and the generation that it has.
    fn classic_member(&self, id: &str, instance: Option<&str>, generation: i32) -> Result<&Arc<Member>, MemberError> {
        let member = match instance {
            None => self.members.get(id).ok_or(MemberError::UnknownMember)?,
            Some(instance) => {
                let member = self.static_member(instance).ok_or(MemberError::UnknownMember)?;
                if &*member.id != id {
                    return Err(MemberError::FencedInstance);
                }
                member
            }
        };
        if member.classic.is_none() {
            Err(MemberError::UnknownMember)
        } else if member.epoch != generation {
            Err(MemberError::IllegalGeneration)
        } else {
            Ok(member)
        }
    }

    /// Gives a classic member what it has been assigned.
    pub(crate) fn sync_classic(&self, request: &SyncGroupRequest, scene: &mut Scene<'_>) -> Result<Bytes, SyncError> {
        let instance = request.group_instance_id.as_deref();
        let member = self.classic_member(&request.member_id, instance, request.generation_id)?;
        let differs = |asked: Option<&str>, ours: Option<&str>| asked.is_some() && asked != ours;
        if differs(request.protocol_type.as_deref(), Some(classic::CONSUMER))
            || differs(request.protocol_name.as_deref(), member.classic_protocols().next())
        {
            return Err(SyncError::InconsistentProtocol);
        }
        if self.target_epoch > member.epoch && member.state != MemberState::Unrevoked {
            self.expect_to_join(member, scene);
            return Err(SyncError::RebalanceInProgress);
        }
        scene.timers.cancel(&Timer::MemberSync(self.id.clone(), member.id.clone()));
        self.start_classic_session(member, scene);
        let partitions = member.assigned.iter().map(|(topic, held)| (*topic, held.keys().copied().collect()));
        Ok(said(partitions, member.classic_metadata(), scene.topics))
    }

    /// A classic member is alive; is it where it is to be?
    pub(crate) fn beat_classic(&self, request: &HeartbeatRequest, scene: &mut Scene<'_>) -> Result<(), HeartbeatError> {
        let instance = request.group_instance_id.as_deref();
        let member = self.classic_member(&request.member_id, instance, request.generation_id)?;
        self.start_classic_session(member, scene);
        let behind = match member.state {
            _ if member.epoch < self.target_epoch => true,
            MemberState::Unrevoked => true,
            MemberState::Unreleased => !self.waits_for_others(member),
            MemberState::Stable | MemberState::Unknown => false,
        };
        if behind {
            self.expect_to_join(member, scene);
            return Err(HeartbeatError::RebalanceInProgress);
        }
        Ok(())
    }

    /// The member that a LeaveGroup names, of either protocol.
    pub(crate) fn named(&self, one: &MemberIdentity) -> Result<&Arc<Member>, MemberError> {
        match one.group_instance_id.as_deref() {
            None => self.members.get(&*one.member_id).ok_or(MemberError::UnknownMember),
            Some(instance) => match self.static_member(instance).ok_or(MemberError::UnknownMember)? {
                known if one.member_id.is_empty() || *known.id == *one.member_id => Ok(known),
                _ => Err(MemberError::FencedInstance),
            },
        }
    }

    fn expect_to_join(&self, member: &Member, scene: &mut Scene<'_>) {
        let at = scene.now.saturating_add(member.rebalance_timeout_ms.into());
        scene.timers.set_if_absent(Timer::MemberJoin(self.id.clone(), member.id.clone()), at);
    }

    pub(super) fn start_classic_session(&self, member: &Member, scene: &mut Scene<'_>) {
        let Some(classic) = &member.classic else { return };
        let at = scene.now.saturating_add(classic.session_timeout_ms.into());
        scene.timers.set(Timer::MemberSession(self.id.clone(), member.id.clone()), at);
    }
}

/// The member with what a JoinGroup says.
fn updated(member: &Member, joiner: &Joiner, wanted: &Subscription) -> Member {
    let rack = wanted.rack_id.as_deref().filter(|rack| !rack.is_empty()).map(Into::into);
    Member {
        instance_id: joiner.instance_id.clone().or_else(|| member.instance_id.clone()),
        rack_id: rack.or_else(|| member.rack_id.clone()),
        rebalance_timeout_ms: if joiner.rebalance_timeout_ms == -1 {
            member.rebalance_timeout_ms
        } else {
            joiner.rebalance_timeout_ms
        },
        topics: Arc::new(wanted.topics.iter().cloned().collect()),
        pattern: Some("".into()),
        client_id: joiner.client_id.clone(),
        client_host: joiner.client_host.clone(),
        classic: Some(Arc::new(classic_metadata(joiner.session_timeout_ms, &joiner.protocols))),
        ..member.clone()
    }
}

/// What is kept of a classic member.
pub(super) fn classic_metadata(
    session_timeout_ms: i32,
    protocols: &[(Arc<str>, Bytes)],
) -> ConsumerGroupMemberMetadataClassicMemberMetadata {
    let protocols = protocols.iter().map(|(name, metadata)| ConsumerGroupMemberMetadataClassicProtocol {
        name: name.to_string(),
        metadata: metadata.clone(),
    });
    ConsumerGroupMemberMetadataClassicMemberMetadata { session_timeout_ms, supported_protocols: protocols.collect() }
}

fn owned(wanted: &Subscription, topics: &Topics) -> Owned {
    let known = wanted.owned_partitions.iter().filter_map(|of| Some((topics.id(&of.topic)?, &of.partitions)));
    Some(known.map(|(topic, partitions)| (topic, partitions.iter().copied().collect())).collect())
}

/// An assignment in the words of the classic protocol, in the version that the member's own words are in.
pub(super) fn said(
    partitions: impl Iterator<Item = (Uuid, Vec<i32>)>,
    metadata: Option<&[u8]>,
    topics: &Topics,
) -> Bytes {
    let by_name = partitions.filter_map(|(topic, partitions)| Some((topics.name(topic)?, partitions)));
    let by_name: BTreeMap<Arc<str>, Vec<i32>> = by_name.collect();
    let assigned_partitions =
        by_name.into_iter().map(|(topic, partitions)| OfTopic { topic: topic.to_string(), partitions }).collect();
    let version = metadata.and_then(consumer_protocol::version).unwrap_or_default();
    // Only a name longer than any topic's could not be written.
    consumer_protocol::write(&Assignment { assigned_partitions, user_data: None }, version).unwrap_or_default()
}
