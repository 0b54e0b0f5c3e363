//! A rebalance from its beginning to the moment when all who joined know the new generation.

use std::sync::Arc;

use super::{Group, InitialDelay, Member, State, Step, Waiting, join_error, sync_error};
use crate::error::{JoinError, MemberError, SyncError};
use crate::limits::REBALANCE_REST_MS;
use crate::timers::Timer;

impl Group {
    /// Something has changed: begin to rebalance, or, if that is going on, see whether it can end.
    pub(super) fn rebalance_or_complete(&mut self, step: &mut Step<'_>) {
        if self.state == State::PreparingRebalance {
            self.complete_if_all_joined(step);
        } else {
            self.prepare_rebalance(step);
        }
    }

    /// The first rebalance of an empty group ends by time only, so that members which start together are shared out once.
    pub(super) fn complete_if_all_joined(&mut self, step: &mut Step<'_>) {
        if self.state == State::PreparingRebalance && self.previous != State::Empty && self.all_joined() {
            self.complete_join(step);
        }
    }

    /// Calls all members to join again.
    pub fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        if self.state == State::CompletingRebalance {
            self.drop_assignments(SyncError::RebalanceInProgress, step);
        }
        self.pending_sync.clear();
        step.timers.cancel(&Timer::Sync(self.id.clone()));
        let initial = self.state == State::Empty;
        self.enter(State::PreparingRebalance, step.now);
        if initial {
            let delay_ms = i64::from(step.config.initial_rebalance_delay_ms);
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            self.initial = Some(InitialDelay { delay_ms, remaining_ms });
            step.timers.set(Timer::Join(self.id.clone()), step.now.saturating_add(delay_ms));
        } else if self.all_joined() {
            self.complete_join(step);
        } else {
            self.wait_for_members(step);
        }
    }

    fn wait_for_members(&mut self, step: &mut Step<'_>) {
        self.initial = None;
        let at = step.now.saturating_add(self.rebalance_timeout_ms());
        step.timers.set(Timer::Join(self.id.clone()), at);
    }

    /// Time is up for joining. A first rebalance is put off once more if somebody came meanwhile and time remains.
    pub fn join_timed_out(&mut self, step: &mut Step<'_>) {
        if self.state != State::PreparingRebalance {
            return;
        }
        match self.initial {
            Some(InitialDelay { delay_ms, remaining_ms }) if self.new_member_added && remaining_ms > 0 => {
                self.new_member_added = false;
                let next_ms = i64::from(step.config.initial_rebalance_delay_ms).min(remaining_ms);
                self.initial = Some(InitialDelay { delay_ms: next_ms, remaining_ms: (remaining_ms - delay_ms).max(0) });
                step.timers.set(Timer::Join(self.id.clone()), step.now.saturating_add(next_ms));
            }
            _ => self.complete_join(step),
        }
    }

    /// Ends the joining: whoever has not come is out (static members stay until their session ends), and the others
    /// learn the new generation.
    fn complete_join(&mut self, step: &mut Step<'_>) {
        step.timers.cancel(&Timer::Join(self.id.clone()));
        self.initial = None;
        self.new_member_added = false;
        let absent = |member: &Member| member.joining.is_none() && member.instance_id.is_none();
        let gone: Vec<Arc<str>> =
            self.members.iter().filter(|(_, member)| absent(member)).map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.remove(&id, step.timers);
        }
        if !self.members.is_empty() && !self.elect_leader() {
            // Static members only, and none of them here: their sessions decide.
            let at = step.now.saturating_add(self.rebalance_timeout_ms().max(REBALANCE_REST_MS));
            step.timers.set(Timer::Join(self.id.clone()), at);
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        self.pending_sync.clear();
        self.protocol = self.select_protocol();
        self.read_subscriptions();
        if self.members.is_empty() {
            self.enter(State::Empty, step.now);
            step.out.records.push(self.record(None));
            return;
        }
        self.enter(State::CompletingRebalance, step.now);
        self.announce_generation(step);
    }

    fn elect_leader(&mut self) -> bool {
        let joins = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(joins) {
            return true;
        }
        let first = self.members.keys().find(|id| joins(id)).cloned();
        let found = first.is_some();
        if found {
            self.leader = first;
        }
        found
    }

    fn announce_generation(&mut self, step: &mut Step<'_>) {
        let ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for id in ids {
            let waiting = self.members.get_mut(&id).and_then(|member| {
                member.is_new = false;
                member.joining.take()
            });
            if let Some(waiting) = waiting {
                let reply = self.joined(waiting, &id, self.is_leader(&id));
                step.out.replies.push(reply);
            }
            self.reset_session(&id, step);
            self.pending_sync.insert(id);
        }
        let at = step.now.saturating_add(self.rebalance_timeout_ms());
        step.timers.set(Timer::Sync(self.id.clone()), at);
    }

    /// Members joined and never asked for their assignment: they are out, and the others share out again.
    pub fn sync_timed_out(&mut self, step: &mut Step<'_>) {
        if !matches!(self.state, State::CompletingRebalance | State::Stable) || self.pending_sync.is_empty() {
            return;
        }
        for id in std::mem::take(&mut self.pending_sync) {
            self.remove(&id, step.timers);
        }
        self.prepare_rebalance(step);
    }

    /// Forgets the assignments of a generation that will not become stable, and tells those who wait for theirs.
    pub(super) fn drop_assignments(&mut self, error: SyncError, step: &mut Step<'_>) {
        let mut told = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment = bytes::Bytes::new();
            if let Some(waiting) = member.syncing.take() {
                step.out.replies.push(sync_error(waiting, error.code().code()));
                told.push(id.clone());
            }
        }
        for id in told {
            self.reset_session(&id, step);
        }
    }

    /// The group ends with members in it: whoever waits is told to join again.
    pub fn call_back(&mut self) -> Vec<crate::effects::Reply> {
        let replies = self.outstanding(JoinError::Superseded.code(), SyncError::RebalanceInProgress.code());
        for member in self.members.values_mut() {
            member.joining = None;
            member.syncing = None;
        }
        replies
    }

    /// Answers what a member that is put out was waiting for.
    pub(super) fn dismiss_as(
        &self,
        id: &str,
        joining: Option<Waiting>,
        syncing: Option<Waiting>,
        error: MemberError,
        step: &mut Step<'_>,
    ) {
        if let Some(waiting) = joining {
            step.out.replies.push(join_error(waiting, id, error.code().code()));
        }
        if let Some(waiting) = syncing {
            step.out.replies.push(sync_error(waiting, error.code().code()));
        }
    }

    /// The same for a member that does not fit in any more.
    pub(super) fn dismiss(
        &self,
        joining: Option<Waiting>,
        syncing: Option<Waiting>,
        error: JoinError,
        step: &mut Step<'_>,
    ) {
        if let Some(waiting) = joining {
            step.out.replies.push(join_error(waiting, "", error.code().code()));
        }
        if let Some(waiting) = syncing {
            step.out.replies.push(sync_error(waiting, MemberError::UnknownMember.code().code()));
        }
    }
}
