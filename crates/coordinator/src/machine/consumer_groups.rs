//! Requests and deadlines of consumer groups: which group they are for, whether it has to be made or changes its kind.

use std::sync::Arc;

use andiron_protocol::messages::consumer_group_describe_response::DescribedGroup;
use andiron_protocol::messages::leave_group_response::MemberResponse;
use andiron_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, GroupId, HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest,
};
use andiron_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use andiron_replication::machine::Ticket;
use bytes::Bytes;

use super::{GroupCoordinator, NO_OPERATIONS};
use crate::classic::{self, Joiner, State, Waiting};
use crate::consumer::{self, Group, Joined, Scene};
use crate::effects::{Effects, RequestContext, Response, text};
use crate::error::{ConsumerGroupError, HeartbeatError, JoinError, SyncError};
use crate::record::Record;
use crate::record::membership::GroupChange;
use crate::timers::Timer;

/// The epochs with which a member joins, leaves, and leaves for a while.
const JOINING: i32 = 0;
const LEAVING: [i32; 2] = [-1, -2];

impl GroupCoordinator {
    pub(super) fn consumer_group_heartbeat(
        &mut self,
        now: i64,
        ticket: Ticket,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Effects,
    ) {
        let checked = consumer::check(request, context.api_version, &self.config);
        let answer = checked.and_then(|()| {
            if LEAVING.contains(&request.member_epoch) {
                self.leave_consumer_group(now, request, out)
            } else {
                self.beat_consumer_group(now, context, request, out)
            }
        });
        let answer = answer.unwrap_or_else(|error| {
            ConsumerGroupHeartbeatResponse::default()
                .with_error_code(error.code().code())
                .with_error_message(Some(text(&error.to_string())))
        });
        out.parked.push((ticket, Response::ConsumerGroupHeartbeat(answer)));
    }

    fn beat_consumer_group(
        &mut self,
        now: i64,
        context: &RequestContext,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Effects,
    ) -> Result<ConsumerGroupHeartbeatResponse, ConsumerGroupError> {
        let Self { groups, consumer_groups, config, topics, timers, .. } = self;
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        let id = request.group_id.as_str();
        let joins = request.member_epoch == JOINING;
        if let Some(group) = consumer_groups.get_mut(id) {
            let answer = group.heartbeat(context, request, &mut scene)?;
            out.records.append(&mut scene.records);
            return Ok(answer);
        }
        let classic = groups.get_mut(id);
        let mut made = match &classic {
            None if !joins => return Err(not_found(format!("Consumer group {id} not found."))),
            Some(_) if !joins => return Err(not_found(format!("Group {id} is not a consumer group."))),
            None => Group::new(id.into()),
            // Offsets stay; only the group's own record goes.
            Some(classic) if classic.state == State::Empty => {
                scene.records.push(Record::group_tombstone(id));
                Group::new(id.into())
            }
            Some(classic) => {
                consumer::check_upgrade(classic, scene.config)?;
                let made = Group::from_classic(classic, scene.topics)?;
                scene.records.push(Record::group_tombstone(id));
                made.establish(&mut scene);
                made
            }
        };
        let answer = made.heartbeat(context, request, &mut scene)?;
        out.records.append(&mut scene.records);
        if let Some(classic) = classic {
            out.replies.extend(classic.call_back());
        }
        Ok(answer)
    }

    fn leave_consumer_group(
        &mut self,
        now: i64,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Effects,
    ) -> Result<ConsumerGroupHeartbeatResponse, ConsumerGroupError> {
        let Self { consumer_groups, config, topics, timers, converted, groups, .. } = self;
        let id = request.group_id.as_str();
        let group = consumer_groups.get(id).ok_or_else(|| missing(id, groups.contains_key(id)))?;
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        let (member, answer) = group.leaver(request)?;
        let [_, for_a_while] = LEAVING;
        if request.member_epoch == for_a_while {
            group.leave_for_a_while(&member, &mut scene);
        } else if let Some(classic) = group.remove(&[member], &mut scene) {
            converted.insert(group.id.clone(), classic);
        }
        out.records.append(&mut scene.records);
        Ok(answer)
    }

    /// A JoinGroup to a consumer group that has members. None if there is no such group.
    pub(super) fn join_consumer_group(
        &mut self,
        now: i64,
        group: &str,
        joiner: &Joiner,
        context: &RequestContext,
        out: &mut Effects,
    ) -> Option<Result<(), JoinError>> {
        let Self { consumer_groups, config, topics, timers, converted, .. } = self;
        let group = consumer_groups.get_mut(group).filter(|group| !group.is_empty())?;
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        let joined = match group.join_classic(joiner, context.random, &mut scene) {
            Ok(joined) => joined,
            Err(error) => return Some(Err(error)),
        };
        match joined {
            Joined::WithId(id) => {
                let code = JoinError::MemberIdRequired.code().code();
                out.replies.push(classic::join_error(joiner.to, &id, code));
            }
            Joined::In { id, generation, protocol, downgraded } => {
                let answer = JoinGroupResponse::default()
                    .with_member_id(text(&id))
                    .with_generation_id(generation)
                    .with_protocol_type(Some(text(classic::CONSUMER)))
                    .with_protocol_name(Some(text(&protocol)));
                out.records.append(&mut scene.records);
                out.parked.push((joiner.to.ticket, Response::JoinGroup(answer)));
                if let Some(classic) = downgraded {
                    converted.insert(group.id.clone(), *classic);
                }
            }
        }
        Some(Ok(()))
    }

    /// The records that bury an empty consumer group, in whose place a classic one comes.
    pub(super) fn bury_empty_consumer_group(&self, group: &str) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some(group) = self.consumer_groups.get(group).filter(|group| group.is_empty()) {
            group.tombstones(None, &mut records);
        }
        records
    }

    /// A SyncGroup of a classic member of a consumer group. None if there is no such group.
    pub(super) fn sync_consumer_group(
        &mut self,
        now: i64,
        to: Waiting,
        request: &SyncGroupRequest,
        out: &mut Effects,
    ) -> Option<Result<(), SyncError>> {
        let (group, mut scene) = self.consumer_scene(now, &request.group_id)?;
        Some(group.sync_classic(request, &mut scene).map(|assignment: Bytes| {
            let answer = SyncGroupResponse::default()
                .with_protocol_type(request.protocol_type.clone())
                .with_protocol_name(request.protocol_name.clone())
                .with_assignment(assignment);
            out.parked.push((to.ticket, Response::SyncGroup(answer)));
        }))
    }

    /// A Heartbeat of a classic member of a consumer group. None if there is no such group.
    pub(super) fn beat_as_classic(
        &mut self,
        now: i64,
        request: &HeartbeatRequest,
    ) -> Option<Result<(), HeartbeatError>> {
        let (group, mut scene) = self.consumer_scene(now, &request.group_id)?;
        Some(group.beat_classic(request, &mut scene))
    }

    /// A LeaveGroup that names members of a consumer group. None if there is no such group.
    pub(super) fn leave_as_classic(
        &mut self,
        now: i64,
        request: &LeaveGroupRequest,
        out: &mut Effects,
    ) -> Option<Vec<MemberResponse>> {
        let Self { consumer_groups, config, topics, timers, converted, .. } = self;
        let group = consumer_groups.get(&**request.group_id)?;
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        let mut leaving: Vec<Arc<_>> = Vec::new();
        let mut answers = Vec::with_capacity(request.members.len());
        for one in &request.members {
            let outcome = group.named(one);
            if let Ok(member) = outcome
                && leaving.iter().all(|known| !Arc::ptr_eq(known, member))
            {
                leaving.push(member.clone());
            }
            answers.push(
                MemberResponse::default()
                    .with_member_id(one.member_id.clone())
                    .with_group_instance_id(one.group_instance_id.clone())
                    .with_error_code(outcome.err().map_or(0, |error| error.code().code())),
            );
        }
        if let Some(classic) = group.remove(&leaving, &mut scene) {
            converted.insert(group.id.clone(), classic);
        }
        out.records.append(&mut scene.records);
        Some(answers)
    }

    fn consumer_scene(&mut self, now: i64, group: &str) -> Option<(&Group, Scene<'_>)> {
        let Self { consumer_groups, config, topics, timers, .. } = self;
        let group = consumer_groups.get(group)?;
        Some((group, Scene { now, config, topics, timers, records: Vec::new() }))
    }

    /// A deadline of a member of a consumer group has come.
    pub(super) fn member_due(&mut self, timer: &Timer, now: i64, out: &mut Effects) {
        let Self { consumer_groups, config, topics, timers, converted, .. } = self;
        let (Timer::MemberSession(group, id)
        | Timer::MemberRebalance(group, id)
        | Timer::MemberJoin(group, id)
        | Timer::MemberSync(group, id)) = timer
        else {
            return;
        };
        let Some(group) = consumer_groups.get(group) else { return };
        let member = match timer {
            Timer::MemberRebalance(..) => group.overdue(id),
            _ => group.member(id),
        };
        let Some(member) = member.cloned() else { return };
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        if let Some(classic) = group.remove(&[member], &mut scene) {
            converted.insert(group.id.clone(), classic);
        }
        out.records.append(&mut scene.records);
    }

    /// The topics of a group's patterns are to be looked up.
    pub(super) fn patterns_due(&mut self, group: &str, now: i64, out: &mut Effects) {
        let Self { consumer_groups, config, topics, timers, .. } = self;
        let Some(group) = consumer_groups.get_mut(group) else { return };
        let mut scene = Scene { now, config, topics, timers, records: Vec::new() };
        group.resolve_patterns(&mut scene);
        out.records.append(&mut scene.records);
    }

    pub(super) fn describe_consumer_groups(
        &self,
        ticket: Ticket,
        context: &RequestContext,
        request: &ConsumerGroupDescribeRequest,
        out: &mut Effects,
    ) {
        let describe = |id: &GroupId| {
            let described = match self.consumer_groups.get(&***id) {
                Some(group) => group.describe(context.api_version, &self.config, &self.topics),
                None => {
                    let error = missing(id, self.groups.contains_key(&***id));
                    DescribedGroup::default()
                        .with_group_id(id.clone())
                        .with_error_code(error.code().code())
                        .with_error_message(Some(text(&error.to_string())))
                }
            };
            described.with_authorized_operations(NO_OPERATIONS)
        };
        let groups = request.group_ids.iter().map(describe).collect();
        let answer = ConsumerGroupDescribeResponse::default().with_groups(groups);
        out.parked.push((ticket, Response::ConsumerGroupDescribe(answer)));
    }

    pub(super) fn replay_consumer_group(&mut self, said: &GroupChange) {
        let id = said.group.as_str();
        if !self.consumer_groups.contains_key(id) {
            if !said.change.has_value() {
                return;
            }
            // Offsets alone made a classic group of it.
            if let Some(classic) = self.groups.remove(id) {
                classic.cancel_timers(&mut self.timers);
            }
            let id: Arc<str> = id.into();
            self.consumer_groups.insert(id.clone(), Group::new(id));
        }
        let stays = self.consumer_groups.get_mut(id).is_some_and(|group| group.replay(&said.change));
        if !stays && let Some(group) = self.consumer_groups.remove(id) {
            group.cancel_timers(&mut self.timers);
        }
    }

    /// Records of this consumer group could not be written: what was prepared for it is dropped, and its members have their
    /// time again.
    pub(super) fn restore_consumer_group(&mut self, id: &str, now: i64) {
        self.converted.remove(id);
        if let Some(group) = self.consumer_groups.get(id) {
            group.start_sessions(now, &self.config, &self.topics, &mut self.timers);
        }
    }
}

fn not_found(reason: String) -> ConsumerGroupError {
    ConsumerGroupError::NotFound(reason)
}

/// Why there is no such consumer group.
fn missing(id: &str, other_kind: bool) -> ConsumerGroupError {
    let reason = if other_kind { "is not a consumer group" } else { "not found" };
    not_found(format!("Group {id} {reason}."))
}
