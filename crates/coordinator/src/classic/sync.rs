//! Handing out the assignment that the leader made, once it is stored.

use std::collections::HashMap;

use andiron_protocol::messages::SyncGroupRequest;
use bytes::Bytes;

use super::{Group, State, Step, Waiting, sync_error};
use crate::error::SyncError;
use crate::timers::Timer;

impl Group {
    /// Gives the member its assignment, or keeps it waiting for the leader's.
    pub fn sync(&mut self, to: Waiting, request: &SyncGroupRequest, step: &mut Step<'_>) {
        if let Err(error) = self.try_sync(to, request, step) {
            step.out.replies.push(sync_error(to, error.code().code()));
        }
    }

    fn try_sync(&mut self, to: Waiting, request: &SyncGroupRequest, step: &mut Step<'_>) -> Result<(), SyncError> {
        let id = &*request.member_id;
        self.check_generation(id, request.group_instance_id.as_deref(), request.generation_id)?;
        let differs = |asked: Option<&str>, ours: Option<&str>| asked.is_some() && asked != ours;
        if differs(request.protocol_type.as_deref(), self.protocol_type.as_deref())
            || differs(request.protocol_name.as_deref(), self.protocol.as_deref())
        {
            return Err(SyncError::InconsistentProtocol);
        }
        match self.state {
            State::Empty => return Err(crate::error::MemberError::UnknownMember.into()),
            State::PreparingRebalance => return Err(SyncError::RebalanceInProgress),
            State::CompletingRebalance => {
                self.has_asked(id, step);
                let Some(member) = self.members.get_mut(id) else { return Ok(()) };
                if let Some(before) = member.syncing.replace(to) {
                    step.out.replies.push(sync_error(before, SyncError::RebalanceInProgress.code().code()));
                }
                if self.is_leader(id) {
                    self.store_assignment(request, step);
                }
            }
            State::Stable => {
                self.has_asked(id, step);
                let assignment = self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default();
                // What it is told may still be on its way to the log.
                let reply = self.synced(to, assignment);
                step.out.parked.push(reply);
            }
        }
        Ok(())
    }

    fn has_asked(&mut self, id: &str, step: &mut Step<'_>) {
        self.pending_sync.remove(id);
        if self.pending_sync.is_empty() {
            step.timers.cancel(&Timer::Sync(self.id.clone()));
        }
    }

    /// The leader has shared out: the generation goes to the log, and whoever waits hears of it when it is there.
    fn store_assignment(&mut self, request: &SyncGroupRequest, step: &mut Step<'_>) {
        let given: HashMap<&str, &Bytes> =
            request.assignments.iter().map(|one| (one.member_id.as_str(), &one.assignment)).collect();
        let assigned = |id: &str| given.get(id).map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
        step.out.records.push(self.record(Some(&assigned)));
        let mut told = Vec::new();
        for (id, member) in &mut self.members {
            if let Some(waiting) = member.syncing.take() {
                told.push((id.clone(), waiting));
            }
        }
        for (id, waiting) in told {
            let reply = self.synced(waiting, assigned(&id));
            step.out.parked.push(reply);
            self.reset_session(&id, step);
        }
    }
}
