//! Staying and leaving: heartbeats, LeaveGroup, and sessions that end.

use andiron_protocol::messages::leave_group_request::MemberIdentity;
use andiron_protocol::messages::leave_group_response::MemberResponse;
use andiron_protocol::messages::{HeartbeatRequest, LeaveGroupRequest};

use super::{Group, Member, State, Step};
use crate::error::{HeartbeatError, MemberError};
use crate::timers::Timer;

impl Group {
    /// The member is alive; is it still where it thinks it is?
    pub fn heartbeat(&mut self, request: &HeartbeatRequest, step: &mut Step<'_>) -> Result<(), HeartbeatError> {
        let id = &*request.member_id;
        self.check_generation(id, request.group_instance_id.as_deref(), request.generation_id)?;
        match self.state {
            State::Empty => Err(MemberError::UnknownMember.into()),
            State::PreparingRebalance => {
                self.reset_session(id, step);
                Err(HeartbeatError::RebalanceInProgress)
            }
            State::CompletingRebalance | State::Stable => {
                self.reset_session(id, step);
                Ok(())
            }
        }
    }

    /// A commit by a member shows that it is alive, unless it should be sharing out.
    pub fn seen_committing(&mut self, member: &str, step: &mut Step<'_>) {
        if matches!(self.state, State::Stable | State::PreparingRebalance) {
            self.reset_session(member, step);
        }
    }

    /// Takes members out, each by its id or, if it is static, by its instance id alone.
    pub fn leave(&mut self, request: &LeaveGroupRequest, step: &mut Step<'_>) -> Vec<MemberResponse> {
        let mut answers = Vec::with_capacity(request.members.len());
        let mut any_left = false;
        for one in &request.members {
            let outcome = self.leave_one(one, step);
            any_left |= outcome.is_ok();
            answers.push(
                MemberResponse::default()
                    .with_member_id(one.member_id.clone())
                    .with_group_instance_id(one.group_instance_id.clone())
                    .with_error_code(outcome.err().map_or(0, |error| error.code().code())),
            );
        }
        if any_left {
            self.after_loss(step);
        }
        answers
    }

    fn leave_one(&mut self, one: &MemberIdentity, step: &mut Step<'_>) -> Result<(), MemberError> {
        let instance = one.group_instance_id.as_deref();
        if one.member_id.is_empty() {
            let known = instance.and_then(|instance| self.static_members.get(instance)).cloned();
            let id = known.ok_or(MemberError::UnknownMember)?;
            self.put_out(&id, step);
        } else if self.pending.contains(&*one.member_id) {
            self.remove(&one.member_id, step.timers);
        } else {
            self.check_member(&one.member_id, instance)?;
            self.put_out(&one.member_id, step);
        }
        Ok(())
    }

    fn put_out(&mut self, id: &str, step: &mut Step<'_>) {
        if let Some(Member { joining, syncing, .. }) = self.remove(id, step.timers) {
            self.dismiss_as("", joining, syncing, MemberError::UnknownMember, step);
        }
    }

    fn after_loss(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(step),
            State::PreparingRebalance => self.complete_if_all_joined(step),
            State::Empty => {}
        }
    }

    /// The member was not heard of in time. One that waits for an answer of ours is excused; its session begins anew
    /// with that answer. A new one is not: it cannot beat, and whoever owns it may be gone.
    pub fn session_ended(&mut self, id: &str, step: &mut Step<'_>) {
        if self.pending.contains(id) {
            self.remove(id, step.timers);
            self.complete_if_all_joined(step);
            return;
        }
        let Some(member) = self.members.get(id) else { return };
        if !member.is_new && (member.joining.is_some() || member.syncing.is_some()) {
            return;
        }
        self.put_out(id, step);
        self.after_loss(step);
    }

    /// Sessions of members found in the log begin when loading ends.
    pub fn start_sessions(&mut self, step: &mut Step<'_>) {
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            self.reset_session(&id, step);
        }
        if self.members.len() > usize::try_from(step.config.max_size).unwrap_or(0) {
            self.prepare_rebalance(step);
        }
    }

    /// The group goes from this node: no deadline of it may come due.
    pub fn cancel_timers(&self, timers: &mut crate::timers::Timers) {
        timers.cancel(&Timer::Join(self.id.clone()));
        timers.cancel(&Timer::Sync(self.id.clone()));
        for id in self.members.keys().chain(&self.pending) {
            timers.cancel(&Timer::Session(self.id.clone(), id.clone()));
        }
    }
}

/// The answer to a LeaveGroup of a group that does not exist.
pub(crate) fn nobody_left(request: &LeaveGroupRequest) -> Vec<MemberResponse> {
    let unknown = |one: &MemberIdentity| {
        MemberResponse::default()
            .with_member_id(one.member_id.clone())
            .with_group_instance_id(one.group_instance_id.clone())
            .with_error_code(MemberError::UnknownMember.code().code())
    };
    request.members.iter().map(unknown).collect()
}
