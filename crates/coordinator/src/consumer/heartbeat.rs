//! ConsumerGroupHeartbeat of a member that joins or stays: what it wants now, what it has, and what it is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_protocol::KafkaUuid;
use andiron_protocol::messages::consumer_group_heartbeat_response::{Assignment as Told, TopicPartitions};
use andiron_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use uuid::Uuid;

use super::assign::Assignor;
use super::member::{Held, JOINING, LEAVING, LEAVING_FOR_A_WHILE, Member};
use super::patterns::Patterns;
use super::reconcile::{Goal, Owned};
use super::{Group, Scene, UNCHANGED_TOPICS_MS};
use crate::config::GroupConfig;
use crate::effects::{RequestContext, text};
use crate::error::ConsumerGroupError;
use crate::timers::Timer;

/// From this version on a member makes its own id.
const OWN_MEMBER_ID_VERSION: i16 = 1;

/// A field that says that nothing has changed.
const UNCHANGED: i32 = -1;

/// What can be said of a request without looking at the group.
pub(crate) fn check(request: &ConsumerGroupHeartbeatRequest, version: i16, config: &GroupConfig) -> Refusal {
    let epoch = request.member_epoch;
    let invalid = |reason: &str| Err(ConsumerGroupError::InvalidRequest(reason.to_owned()));
    let blank = |text: Option<&str>| text.is_some_and(|text| text.trim().is_empty());
    if (version >= OWN_MEMBER_ID_VERSION || epoch > JOINING || epoch == LEAVING) && blank(Some(&request.member_id)) {
        return invalid("MemberId can't be empty.");
    }
    if blank(Some(&request.group_id)) {
        return invalid("GroupId can't be empty.");
    }
    if blank(request.instance_id.as_deref()) {
        return invalid("InstanceId can't be empty.");
    }
    if blank(request.rack_id.as_deref()) {
        return invalid("RackId can't be empty.");
    }
    match epoch {
        JOINING if request.rebalance_timeout_ms == UNCHANGED => {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        JOINING if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        JOINING if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
        LEAVING_FOR_A_WHILE if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        epoch if epoch < LEAVING_FOR_A_WHILE => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    if let Some(name) = request.server_assignor.as_deref() {
        let known = Assignor::from_name(name).filter(|assignor| config.consumer_assignors.contains(assignor));
        if known.is_none() {
            let names: Vec<&str> = config.consumer_assignors.iter().map(|assignor| assignor.name()).collect();
            return Err(ConsumerGroupError::UnsupportedAssignor { name: name.to_owned(), known: names.join(", ") });
        }
    }
    Ok(())
}

type Refusal = Result<(), ConsumerGroupError>;

/// An id for a member that brings none, as Kafka writes ids; none begins with a dash.
pub(super) fn fresh_member_id(random: Uuid) -> String {
    let id = random.to_kafka();
    match id.strip_prefix('-') {
        Some(rest) => format!("A{rest}"),
        None => id,
    }
}

impl Group {
    /// Takes a heartbeat of a member that does not leave. The group may be one that is just being made, with records that
    /// say so.
    pub(crate) fn heartbeat(
        &mut self,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        scene: &mut Scene<'_>,
    ) -> Result<ConsumerGroupHeartbeatResponse, ConsumerGroupError> {
        self.check_size(&request.member_id, scene.config)?;
        let id: Arc<str> = if request.member_id.is_empty() {
            fresh_member_id(context.random).into()
        } else {
            (&*request.member_id).into()
        };
        let owned = owned(request);
        let joins = request.member_epoch == JOINING;
        let member = match request.instance_id.as_deref() {
            None => self.dynamic_member(&id, joins)?,
            Some(instance) => self.subscribe_static(&id, instance, joins, false, scene)?,
        };
        check_epoch(&member, request.member_epoch, &owned)?;
        let updated = updated(&member, context, request);
        let goal = self.advance(&member, &updated, Patterns::MayLag, scene)?;
        let updated = self.reconcile(updated, &goal, &owned, scene)?;
        let session_ms = scene.config.consumer_session_timeout_ms(scene.topics.image(), &self.id);
        let at = scene.now.saturating_add(session_ms.into());
        scene.timers.set(Timer::MemberSession(self.id.clone(), updated.id.clone()), at);
        let full = request.rebalance_timeout_ms != UNCHANGED
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && owned.is_some();
        let tells = joins || full || member.assigned != updated.assigned;
        Ok(ConsumerGroupHeartbeatResponse::default()
            .with_member_id(Some(text(&updated.id)))
            .with_member_epoch(updated.epoch)
            .with_heartbeat_interval_ms(scene.config.consumer_heartbeat_interval_ms(scene.topics.image(), &self.id))
            .with_assignment(tells.then(|| told(&updated.assigned))))
    }

    pub(super) fn check_size(&self, member: &str, config: &GroupConfig) -> Refusal {
        let max = config.consumer_max_size;
        let full = self.members.len() >= usize::try_from(max).unwrap_or(0);
        if full && !self.members.contains_key(member) { Err(ConsumerGroupError::Full(max)) } else { Ok(()) }
    }

    /// The member without an instance id, or a new one if it may join.
    pub(super) fn dynamic_member(&self, id: &Arc<str>, joins: bool) -> Result<Member, ConsumerGroupError> {
        match self.members.get(id) {
            Some(member) => Ok((**member).clone()),
            None if joins => Ok(Member::new(id.clone())),
            None => Err(self.unknown_member(id)),
        }
    }

    pub(super) fn unknown_member(&self, id: &str) -> ConsumerGroupError {
        ConsumerGroupError::UnknownMember { member: id.to_owned(), group: self.id.to_string() }
    }

    /// The static member of this instance id, or a new one in its place if it may join.
    pub(super) fn subscribe_static(
        &self,
        id: &Arc<str>,
        instance: &str,
        joins: bool,
        classic: bool,
        scene: &mut Scene<'_>,
    ) -> Result<Member, ConsumerGroupError> {
        let known = self.static_member(instance);
        if !joins {
            let known = known.ok_or_else(|| ConsumerGroupError::UnknownInstance(instance.to_owned()))?;
            check_instance(known, id, instance)?;
            return Ok((**known).clone());
        }
        let Some(known) = known else { return self.dynamic_member(id, true) };
        if !classic && known.classic.is_none() && known.epoch != LEAVING_FOR_A_WHILE {
            return Err(ConsumerGroupError::UnreleasedInstance {
                member: id.to_string(),
                instance: instance.to_owned(),
                owner: known.id.to_string(),
            });
        }
        let member = Member { id: id.clone(), epoch: JOINING, previous_epoch: JOINING, ..(**known).clone() };
        known.tombstones(&self.id, &mut scene.records);
        scene.records.push(member.metadata_record(&self.id));
        let target = self.target.get(&known.id).cloned().unwrap_or_default();
        scene.records.push(super::target::target_record(&self.id, &member.id, &target));
        scene.records.push(member.current_record(&self.id));
        self.cancel_timers_of(&known.id, scene.timers);
        Ok(member)
    }

    /// What the change of one member means for the group: its record, a new epoch, a new target.
    pub(super) fn advance(
        &mut self,
        member: &Member,
        updated: &Member,
        patterns: Patterns,
        scene: &mut Scene<'_>,
    ) -> Result<Goal, ConsumerGroupError> {
        let renamed = self.note_subscription(member, updated, scene);
        let pattern = self.note_pattern(member, updated, scene)?;
        let resubscribed = renamed || pattern.changed();
        let moves_on = match patterns {
            Patterns::MayLag => renamed || pattern.is_resolved(),
            Patterns::MoveOn => resubscribed,
        };
        let (epoch, uniform) = self.next_epoch(moves_on, member, updated, scene);
        let (epoch, target) = self.next_target(epoch, member, updated, uniform, scene)?;
        Ok(Goal { epoch, target, resubscribed })
    }

    /// Writes down what the member wants, if that is new. Whether it names other topics.
    pub(super) fn note_subscription(&self, member: &Member, updated: &Member, scene: &mut Scene<'_>) -> bool {
        if updated != member {
            scene.records.push(updated.metadata_record(&self.id));
        }
        updated.topics != member.topics
    }

    /// The epoch of the group with this change, and whether all members read the same, if that was looked at.
    pub(super) fn next_epoch(
        &mut self,
        moves_on: bool,
        member: &Member,
        updated: &Member,
        scene: &mut Scene<'_>,
    ) -> (i32, Option<bool>) {
        if !moves_on && scene.now < self.checked_until && self.epoch >= self.checked_epoch {
            return (self.epoch, None);
        }
        // A static member that is replaced is in the group until the records are.
        let replaced = updated.instance_id.as_deref().and_then(|instance| self.static_member(instance)).cloned();
        let mut without = vec![member];
        without.extend(replaced.as_deref());
        let found = self.subscriptions(&without, Some(updated));
        let hash = scene.topics.hash(found.topics.keys().map(String::as_str));
        let mut epoch = self.epoch;
        if moves_on || hash != self.metadata_hash {
            epoch = epoch.saturating_add(1);
            scene.records.push(self.epoch_record(epoch, hash));
        }
        self.checked_until = scene.now.saturating_add(UNCHANGED_TOPICS_MS);
        self.checked_epoch = epoch;
        if self.has_topics_record {
            scene.records.push(super::member::change(&self.id, crate::record::membership::Change::Topics(None)));
        }
        (epoch, Some(found.is_uniform()))
    }
}

/// The process that asks must be the one that has the instance id now.
pub(super) fn check_instance(known: &Member, id: &str, instance: &str) -> Refusal {
    if &*known.id == id {
        return Ok(());
    }
    Err(ConsumerGroupError::FencedInstance {
        member: id.to_owned(),
        instance: instance.to_owned(),
        owner: known.id.to_string(),
    })
}

/// The epoch that a member names: its own, or the one before if the answer with its own was lost.
fn check_epoch(member: &Member, epoch: i32, owned: &Owned) -> Refusal {
    let missed = || {
        let has = |(topic, partitions): (&Uuid, &BTreeSet<i32>)| {
            let held = member.assigned.get(topic);
            held.is_some_and(|held| partitions.iter().all(|at| held.contains_key(at)))
        };
        epoch == member.previous_epoch && owned.as_ref().is_some_and(|owned| owned.iter().all(has))
    };
    if epoch == JOINING || epoch == member.epoch {
        Ok(())
    } else if epoch > member.epoch {
        Err(ConsumerGroupError::FencedEpoch { than: "greater", asked: epoch, known: member.epoch })
    } else if missed() {
        Ok(())
    } else {
        Err(ConsumerGroupError::FencedEpoch { than: "smaller", asked: epoch, known: member.epoch })
    }
}

fn owned(request: &ConsumerGroupHeartbeatRequest) -> Owned {
    let listed = request.topic_partitions.as_ref()?;
    let mut owned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
    for topic in listed {
        owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
    }
    Some(owned)
}

/// The member with what the request says; what it leaves out is as it was.
fn updated(member: &Member, context: &RequestContext, request: &ConsumerGroupHeartbeatRequest) -> Member {
    let shared = |said: Option<&str>, known: &Option<Arc<str>>| said.map(Into::into).or_else(|| known.clone());
    let names = request.subscribed_topic_names.as_ref();
    let names = names.map(|names| Arc::new(names.iter().map(|name| name.to_string()).collect()));
    Member {
        instance_id: shared(request.instance_id.as_deref(), &member.instance_id),
        rack_id: shared(request.rack_id.as_deref(), &member.rack_id),
        rebalance_timeout_ms: match request.rebalance_timeout_ms {
            UNCHANGED => member.rebalance_timeout_ms,
            said => said,
        },
        assignor: shared(request.server_assignor.as_deref(), &member.assignor),
        topics: names.unwrap_or_else(|| member.topics.clone()),
        pattern: shared(request.subscribed_topic_regex.as_deref(), &member.pattern),
        client_id: context.client_id.clone(),
        client_host: context.client_host.clone(),
        classic: None,
        ..member.clone()
    }
}

fn told(held: &Held) -> Told {
    let topics = held.iter().map(|(topic, partitions)| {
        TopicPartitions::default().with_topic_id(*topic).with_partitions(partitions.keys().copied().collect())
    });
    Told::default().with_topic_partitions(topics.collect())
}
