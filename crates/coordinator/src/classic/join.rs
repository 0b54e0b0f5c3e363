//! Joining: who is let in, under which id, and whether that disturbs the others.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_protocol::messages::JoinGroupRequest;
use andiron_replication::machine::Ticket;
use bytes::Bytes;

use super::answers::SKIP_ASSIGNMENT_VERSION;
use super::{Group, Member, State, Step, Waiting, join_error};
use crate::effects::{RequestContext, Response};
use crate::error::{JoinError, MemberError};
use crate::limits::PENDING_MEMBERS_MAX;
use crate::timers::Timer;

/// From this version on a dynamic member gets its id first and joins with its second request (KIP-394).
const MEMBER_ID_REQUIRED_VERSION: i16 = 4;

/// Before this version a request has no rebalance timeout, and the session timeout stands for it.
const REBALANCE_TIMEOUT_VERSION: i16 = 1;

/// A JoinGroup in our own terms, with bytes of its own: a group must not keep a request's frame alive.
pub(crate) struct Joiner {
    pub to: Waiting,
    /// Empty if it has none yet.
    pub member_id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub protocol_type: Arc<str>,
    /// The strategies it knows, best first, and what it says to each.
    pub protocols: Vec<(Arc<str>, Bytes)>,
    /// The id it gets if it needs one.
    fresh_id: Arc<str>,
}

impl Joiner {
    pub fn new(ticket: Ticket, context: &RequestContext, request: &JoinGroupRequest) -> Self {
        let version = context.api_version;
        let named = request.group_instance_id.as_deref().unwrap_or(&context.client_id);
        // A strategy named twice counts once, as first named.
        let mut names = BTreeSet::new();
        let protocols = request.protocols.iter().filter(|protocol| names.insert(protocol.name.as_str()));
        Self {
            to: Waiting { ticket, version },
            member_id: (&*request.member_id).into(),
            instance_id: request.group_instance_id.as_deref().map(Into::into),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: if version < REBALANCE_TIMEOUT_VERSION {
                request.session_timeout_ms
            } else {
                request.rebalance_timeout_ms
            },
            client_id: context.client_id.clone(),
            client_host: context.client_host.clone(),
            protocol_type: (&*request.protocol_type).into(),
            protocols: protocols.map(|p| ((&*p.name).into(), Bytes::copy_from_slice(&p.metadata))).collect(),
            fresh_id: format!("{named}-{}", context.random.hyphenated()).into(),
        }
    }

    fn member(&self) -> Member {
        Member {
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            protocols: self.protocols.clone(),
            assignment: Bytes::new(),
            is_new: true,
            joining: Some(self.to),
            syncing: None,
        }
    }
}

impl Group {
    /// Lets the member in or refuses it. The answer may come with a later step.
    pub fn join(&mut self, joiner: &Joiner, step: &mut Step<'_>) {
        if !self.accepts(&joiner.member_id, step) {
            self.remove_joining(&joiner.member_id, step);
            step.out.replies.push(join_error(joiner.to, "", JoinError::GroupFull.code().code()));
        } else if let Err(error) = self.try_join(joiner, step) {
            step.out.replies.push(join_error(joiner.to, &joiner.member_id, error.code().code()));
        }
    }

    /// A place is free, or it is the member's already. While joining, only those who wait count: if the limit was
    /// lowered, whoever joins last is out.
    fn accepts(&self, member: &str, step: &Step<'_>) -> bool {
        let max = usize::try_from(step.config.max_size).unwrap_or(0);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                self.members.get(member).is_some_and(|member| member.joining.is_some()) || self.joining_count() < max
            }
            State::CompletingRebalance | State::Stable => self.members.contains_key(member) || self.members.len() < max,
        }
    }

    fn remove_joining(&mut self, member: &str, step: &mut Step<'_>) {
        if let Some(Member { joining, syncing, .. }) = self.remove(member, step.timers) {
            self.dismiss(joining, syncing, JoinError::GroupFull, step);
        }
    }

    fn try_join(&mut self, joiner: &Joiner, step: &mut Step<'_>) -> Result<(), JoinError> {
        if !self.supports(&joiner.protocol_type, &joiner.protocols) {
            return Err(JoinError::InconsistentProtocol);
        }
        if !joiner.member_id.is_empty() {
            return self.join_again(joiner, step);
        }
        let known = joiner.instance_id.as_ref().and_then(|instance| self.static_members.get(instance)).cloned();
        if let Some(old) = known {
            self.replace_static_member(&old, joiner, step);
        } else if joiner.instance_id.is_none() && joiner.to.version >= MEMBER_ID_REQUIRED_VERSION {
            if self.pending.len() >= PENDING_MEMBERS_MAX {
                return Err(JoinError::GroupFull);
            }
            let id = joiner.fresh_id.clone();
            self.pending.insert(id.clone());
            let at = step.now.saturating_add(i64::from(joiner.session_timeout_ms));
            step.timers.set(Timer::Session(self.id.clone(), id), at);
            step.out.replies.push(join_error(joiner.to, &joiner.fresh_id, JoinError::MemberIdRequired.code().code()));
        } else {
            self.add(joiner.fresh_id.clone(), joiner, step);
        }
        Ok(())
    }

    fn add(&mut self, id: Arc<str>, joiner: &Joiner, step: &mut Step<'_>) {
        if self.state == State::PreparingRebalance && self.previous == State::Empty {
            self.new_member_added = true;
        }
        self.insert(id.clone(), joiner.member(), &joiner.protocol_type);
        let at = step.now.saturating_add(crate::limits::NEW_MEMBER_JOIN_TIMEOUT_MS);
        step.timers.set(Timer::Session(self.id.clone(), id), at);
        self.rebalance_or_complete(step);
    }

    /// A request with an id: of a member that was just given it, or of one that has been here before.
    fn join_again(&mut self, joiner: &Joiner, step: &mut Step<'_>) -> Result<(), JoinError> {
        let id = joiner.member_id.clone();
        if self.pending.contains(&id) {
            self.add(id, joiner, step);
            return Ok(());
        }
        self.check_member(&id, joiner.instance_id.as_deref())?;
        let same = self.members.get(&id).is_some_and(|member| member.protocols == joiner.protocols);
        match self.state {
            State::PreparingRebalance => self.update(&id, joiner, step),
            // The same words again: the member may have missed the first answer, so it gets the generation's.
            State::CompletingRebalance if same => {
                let reply = self.joined(joiner.to, &id, self.is_leader(&id));
                step.out.replies.push(reply);
            }
            // A leader that joins again sees something that this room cannot see, such as new partitions.
            State::Stable if same && !self.is_leader(&id) => {
                let reply = self.joined(joiner.to, &id, false);
                step.out.replies.push(reply);
            }
            State::CompletingRebalance | State::Stable => self.update(&id, joiner, step),
            State::Empty => return Err(MemberError::UnknownMember.into()),
        }
        Ok(())
    }

    fn update(&mut self, id: &Arc<str>, joiner: &Joiner, step: &mut Step<'_>) {
        self.update_member(id, joiner, step);
        self.rebalance_or_complete(step);
    }

    fn update_member(&mut self, id: &Arc<str>, joiner: &Joiner, step: &mut Step<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols.clone_from(&joiner.protocols);
        member.session_timeout_ms = joiner.session_timeout_ms;
        member.rebalance_timeout_ms = joiner.rebalance_timeout_ms;
        if let Some(before) = member.joining.replace(joiner.to) {
            step.out.replies.push(join_error(before, id, JoinError::Superseded.code().code()));
        }
    }

    /// A static member has come back under its instance id: the new process takes the old one's place, and nobody else
    /// notices, unless the strategy would change or the old id is already on its way to the leader.
    fn replace_static_member(&mut self, old: &Arc<str>, joiner: &Joiner, step: &mut Step<'_>) {
        let leader_before = self.leader.clone();
        let id = joiner.fresh_id.clone();
        let Some(mut member) = self.members.remove(old) else { return };
        step.timers.cancel(&Timer::Session(self.id.clone(), old.clone()));
        self.pending_sync.remove(old);
        let (joining, syncing) = (member.joining.take(), member.syncing.take());
        self.dismiss_as(old, joining, syncing, MemberError::FencedInstance, step);
        if self.is_leader(old) {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &joiner.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        // Apache Kafka goes on showing the client id and host of the process that came first.
        self.members.insert(id.clone(), member);
        self.update_member(&id, joiner, step);
        self.reset_session(&id, step);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.joining = None;
                }
                self.answer_returned(&id, leader_before.as_deref(), joiner, step);
                step.out.records.push(self.record(None));
            }
            State::Stable => self.rebalance_or_complete(step),
            State::CompletingRebalance => self.prepare_rebalance(step),
            State::PreparingRebalance => self.complete_if_all_joined(step),
            State::Empty => {}
        }
    }

    /// A returned leader must not share out anew. From version 9 it can be told so; before, it is told that its old self
    /// still leads, and takes itself for a follower.
    fn answer_returned(&self, id: &str, leader_before: Option<&str>, joiner: &Joiner, step: &mut Step<'_>) {
        let can_skip = joiner.to.version >= SKIP_ASSIGNMENT_VERSION;
        let leads = can_skip && self.is_leader(id);
        let (ticket, response) = self.joined(joiner.to, id, leads);
        let Response::JoinGroup(response) = response else { return };
        let response = if can_skip {
            response.with_skip_assignment(leads)
        } else {
            response.with_leader(crate::effects::text(leader_before.unwrap_or_default()))
        };
        step.out.parked.push((ticket, Response::JoinGroup(response)));
    }
}
