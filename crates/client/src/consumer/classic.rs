//! Membership in a classic group as a machine: what happened goes in with the time, what is to be done next comes out.
//! It knows no connection; whoever drives it sends what it asks for and tells it the answer.
//!
//! ```text
//! Out -> (give up) -> Joining -> [Leading] -> Syncing -> (hand over) -> Stable -> (give up) -> Joining ...
//! ```
//! An eager member gives up everything before it joins; a cooperative one joins with what it holds and gives up, when it is
//! told its assignment, what is not in it, and then joins again so that others may have that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use bytes::Bytes;
use tokio::time::Instant;

use super::assignor::{Assignor, Layout, Member};
use super::membership::{Change, Timeouts, gone};
use super::protocol;
use crate::backoff::Backoff;
use crate::cluster::TopicPartition;

/// What never changes while the consumer lives.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) instance_id: Option<String>,
    pub(crate) rack: String,
    pub(crate) assignors: Vec<Assignor>,
    pub(crate) timeouts: Timeouts,
    pub(crate) backoff: Backoff,
}

/// A JoinGroup to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Join {
    pub(crate) member_id: String,
    pub(crate) protocols: Vec<(&'static str, Bytes)>,
    pub(crate) reason: String,
}

/// A SyncGroup to be sent; only a leader's has assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sync {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol: &'static str,
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// What a JoinGroup was answered.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) skip_assignment: bool,
    /// Of the leader's answer: id, instance and subscription of each.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

/// What is to be done now. But for `Wait` and `Heartbeat`, nothing else is asked for until its outcome is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing before this moment, unless something happens.
    Wait(Instant),
    /// The application's partitions change; then [`Classic::changed`].
    Change(Change),
    /// Send; then [`Classic::joined`].
    Join(Join),
    /// Learn how many partitions these topics have; then [`Classic::learned`].
    Learn(Vec<Arc<str>>),
    /// Send; then [`Classic::synced`].
    Sync(Sync),
    /// Send, beside whatever is under way; then [`Classic::beaten`].
    Heartbeat,
    /// Send; its answer means nothing.
    Leave { member_id: String, reason: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In no group, or to join anew.
    Out,
    /// The application gives up partitions before the join.
    GivingUp,
    /// JoinGroup is to be sent, or sent again.
    ToJoin,
    Joining,
    /// The leader learns what there is to deal out.
    ToLearn,
    Learning,
    ToSync,
    Syncing,
    /// The application takes its new partitions.
    Handing,
    Stable,
}

/// The member.
#[derive(Debug)]
pub(crate) struct Classic {
    settings: Settings,
    state: State,
    member_id: String,
    generation: i32,
    protocol: Option<Assignor>,
    /// What is wanted now; `None` when the consumer wants no group.
    topics: Option<BTreeSet<Arc<str>>>,
    /// What was wanted at the last join.
    joined_with: BTreeSet<Arc<str>>,
    /// Why a join is needed, if it is.
    rejoin: Option<String>,
    /// What the application holds.
    owned: Vec<TopicPartition>,
    /// What it was given last, for the sticky assignor.
    last_given: Vec<TopicPartition>,
    last_generation: i32,
    members: Vec<Member>,
    /// What the leader dealt out by.
    dealt_by: Option<Layout>,
    assignments: Vec<(String, Bytes)>,
    beating: bool,
    heartbeat_at: Instant,
    poll_until: Instant,
    /// The application has not polled in time; nothing happens before it does.
    asleep: bool,
    failures: u32,
    not_before: Option<Instant>,
    fatal: Option<ErrorCode>,
}

impl Classic {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Classic {
            state: State::Out,
            member_id: String::new(),
            generation: -1,
            protocol: None,
            topics: None,
            joined_with: BTreeSet::new(),
            rejoin: None,
            owned: Vec::new(),
            last_given: Vec::new(),
            last_generation: -1,
            members: Vec::new(),
            dealt_by: None,
            assignments: Vec::new(),
            beating: false,
            heartbeat_at: now,
            poll_until: now + settings.timeouts.max_poll_interval,
            asleep: false,
            failures: 0,
            not_before: None,
            fatal: None,
            settings,
        }
    }

    /// Who this is to the coordinator: member id and generation, empty and -1 while in no generation.
    pub(crate) fn identity(&self) -> (&str, i32) {
        (&self.member_id, self.generation)
    }

    /// Whether a rebalance is under way, so that a commit of this generation may have to be repeated in the next.
    pub(crate) fn is_rebalancing(&self) -> bool {
        self.topics.is_some() && self.state != State::Stable
    }

    /// The error that ended the last attempt to be a member; the next attempt begins now.
    pub(crate) fn take_fatal(&mut self) -> Option<ErrorCode> {
        self.fatal.take()
    }

    fn is_cooperative(&self) -> bool {
        self.settings.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    /// The application has called `poll`.
    pub(crate) fn polled(&mut self, now: Instant) {
        self.poll_until = now + self.settings.timeouts.max_poll_interval;
        self.asleep = false;
    }

    /// The topics wanted from now on, resolved from names or a pattern.
    pub(crate) fn subscribe(&mut self, topics: BTreeSet<Arc<str>>) {
        if topics != self.joined_with && self.generation >= 0 {
            self.rejoin.get_or_insert_with(|| "subscription has changed".to_owned());
        }
        self.topics = Some(topics);
    }

    /// The application wants a rebalance.
    pub(crate) fn enforce(&mut self, reason: String) {
        self.rejoin = Some(reason);
    }

    /// Wants no group any more. The application has given up what it held. `Some` is the LeaveGroup to be sent.
    pub(crate) fn unsubscribe(&mut self, reason: &'static str) -> Option<Next> {
        self.topics = None;
        self.rejoin = None;
        self.owned.clear();
        self.leave(reason)
    }

    /// A static member does not leave: it will be back under its name.
    fn leave(&mut self, reason: &'static str) -> Option<Next> {
        let member_id = std::mem::take(&mut self.member_id);
        self.forget_generation();
        self.state = State::Out;
        (!member_id.is_empty() && self.settings.instance_id.is_none()).then_some(Next::Leave { member_id, reason })
    }

    /// How many partitions topics have by now: a leader deals out anew when that has changed.
    pub(crate) fn layout_changed(&mut self, layout: &Layout) {
        let Some(dealt_by) = &self.dealt_by else { return };
        let differs = dealt_by.iter().any(|(topic, count)| layout.get(topic).is_some_and(|now| now != count))
            || self.joined_with.iter().any(|topic| layout.contains_key(topic) && !dealt_by.contains_key(topic));
        if differs {
            self.dealt_by = None;
            self.rejoin.get_or_insert_with(|| "cached metadata has changed".to_owned());
        }
    }

    /// The next thing to do.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        let idle = now + Duration::from_secs(3_600);
        if self.topics.is_none() || self.fatal.is_some() {
            return Next::Wait(idle);
        }
        if !self.asleep && now >= self.poll_until && !matches!(self.state, State::Out | State::Joining | State::Syncing)
        {
            self.asleep = true;
            self.rejoin.get_or_insert_with(|| "consumer poll timeout has expired.".to_owned());
            if let Some(leave) = self.leave("consumer poll timeout has expired.") {
                return leave;
            }
        }
        match self.state {
            State::Joining | State::Learning => Next::Wait(idle),
            State::GivingUp | State::Handing | State::Syncing => self.heartbeat_or(now, idle),
            _ if self.not_before.is_some_and(|at| at > now) => self.not_before.map_or(Next::Wait(idle), Next::Wait),
            State::Out if self.asleep => Next::Wait(idle),
            State::Out => self.give_up(now),
            State::Stable if self.rejoin.is_some() || self.topics.as_ref() != Some(&self.joined_with) => {
                self.give_up(now)
            }
            State::Stable => self.heartbeat_or(now, self.poll_until),
            State::ToJoin => match self.join() {
                Some(join) => {
                    self.state = State::Joining;
                    Next::Join(join)
                }
                None => self.fail(ErrorCode::InconsistentGroupProtocol, idle),
            },
            State::ToLearn => {
                self.state = State::Learning;
                let topics: BTreeSet<&Arc<str>> = self.members.iter().flat_map(|member| &member.topics).collect();
                Next::Learn(topics.into_iter().cloned().collect())
            }
            State::ToSync => {
                self.state = State::Syncing;
                Next::Sync(Sync {
                    member_id: self.member_id.clone(),
                    generation: self.generation,
                    protocol: self.protocol.map_or("", Assignor::name),
                    assignments: std::mem::take(&mut self.assignments),
                })
            }
        }
    }

    fn heartbeat_or(&mut self, now: Instant, later: Instant) -> Next {
        if self.generation < 0 || self.beating || self.state == State::Syncing {
            return Next::Wait(later);
        }
        if now >= self.heartbeat_at {
            self.beating = true;
            return Next::Heartbeat;
        }
        Next::Wait(later.min(self.heartbeat_at).min(self.poll_until.max(now + Duration::from_millis(1))))
    }

    /// What the application must not hold while this member joins.
    fn give_up(&mut self, now: Instant) -> Next {
        let lost = self.generation < 0;
        let revoked: Vec<TopicPartition> = if lost || !self.is_cooperative() {
            std::mem::take(&mut self.owned)
        } else {
            let wanted = self.topics.clone().unwrap_or_default();
            let (kept, revoked) = std::mem::take(&mut self.owned).into_iter().partition(|p| wanted.contains(&p.topic));
            self.owned = kept;
            revoked
        };
        if revoked.is_empty() {
            self.state = State::ToJoin;
            return self.next(now);
        }
        self.state = State::GivingUp;
        Next::Change(Change { lost, revoked, assigned: None, added: Vec::new() })
    }

    /// The application has taken notice of the last [`Change`].
    pub(crate) fn changed(&mut self) {
        match self.state {
            State::GivingUp => self.state = State::ToJoin,
            State::Handing => self.state = State::Stable,
            // The member was thrown out meanwhile.
            _ => {}
        }
    }

    fn join(&mut self) -> Option<Join> {
        let topics: Vec<Arc<str>> = self.topics.iter().flatten().cloned().collect();
        self.joined_with = self.topics.clone().unwrap_or_default();
        let mut protocols = Vec::new();
        for assignor in &self.settings.assignors {
            // The sticky assignor is told what was held although nothing is held while an eager member joins.
            let generation = match assignor {
                Assignor::Sticky => self.last_generation,
                _ => self.generation,
            };
            let subscription =
                assignor.subscription(&topics, &self.owned, &self.last_given, generation, &self.settings.rack).ok()?;
            protocols.push((assignor.name(), subscription));
        }
        let reason = self.rejoin.take().unwrap_or_default();
        Some(Join { member_id: self.member_id.clone(), protocols, reason })
    }

    /// The JoinGroup was answered, or not (`Err` of a retriable code for a lost connection).
    pub(crate) fn joined(&mut self, answer: Result<Joined, (ErrorCode, String)>, now: Instant) {
        if self.state != State::Joining {
            return;
        }
        match answer {
            Ok(joined) => {
                self.failures = 0;
                self.member_id = joined.member_id;
                self.generation = joined.generation;
                self.protocol = Assignor::from_name(&joined.protocol);
                self.beat(now);
                let Some(protocol) = self.protocol else {
                    self.fatal = Some(ErrorCode::InconsistentGroupProtocol);
                    self.state = State::Out;
                    return;
                };
                self.dealt_by = None;
                self.assignments = Vec::new();
                if joined.leader == self.member_id && !joined.skip_assignment {
                    let read = |(id, instance, bytes): (String, Option<String>, Bytes)| {
                        // Who cannot be understood gets nothing, and the others are served all the same.
                        protocol.member(id.clone(), instance, &bytes).unwrap_or(Member { id, ..Member::default() })
                    };
                    self.members = joined.members.into_iter().map(read).collect();
                    self.state = State::ToLearn;
                } else {
                    self.state = State::ToSync;
                }
            }
            Err((ErrorCode::MemberIdRequired, member_id)) => {
                self.member_id = member_id;
                self.rejoin = Some(format!("need to re-join with the given member-id: {}", self.member_id));
                self.state = State::ToJoin;
            }
            Err((code, _)) => self.failed(code, now),
        }
    }

    /// How many partitions the topics have; `None` when it could not be learned.
    pub(crate) fn learned(&mut self, layout: Option<Layout>, now: Instant) {
        let (State::Learning, Some(protocol)) = (self.state, self.protocol) else { return };
        let Some(layout) = layout else { return self.failed(ErrorCode::RebalanceInProgress, now) };
        let assigned = protocol.assign(&self.members, &layout);
        self.members.clear();
        let mut assignments = Vec::with_capacity(assigned.len());
        for (member, partitions) in assigned {
            let assignment =
                protocol::Assignment { assigned_partitions: protocol::by_topic(&partitions), user_data: None };
            match protocol::write(&assignment) {
                Ok(bytes) => assignments.push((member, bytes)),
                Err(error) => {
                    tracing::error!("an assignment cannot be written: {error}");
                    return self.failed(ErrorCode::UnknownServerError, now);
                }
            }
        }
        self.assignments = assignments;
        self.dealt_by = Some(layout);
        self.state = State::ToSync;
    }

    /// The SyncGroup was answered.
    pub(crate) fn synced(&mut self, answer: Result<Bytes, ErrorCode>, now: Instant) -> Option<Change> {
        if self.state != State::Syncing {
            return None;
        }
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(code) => {
                self.failed(code, now);
                return None;
            }
        };
        self.beat(now);
        let Ok(mut assigned) = protocol::read_assignment(&bytes) else {
            self.failed(ErrorCode::UnknownServerError, now);
            return None;
        };
        assigned.sort();
        assigned.dedup();
        self.failures = 0;
        self.not_before = None;
        self.last_given.clone_from(&assigned);
        self.last_generation = self.generation;
        let revoked = gone(&self.owned, &assigned);
        let added = gone(&assigned, &self.owned);
        if self.is_cooperative() && !revoked.is_empty() {
            self.rejoin = Some("need to revoke partitions and re-join".to_owned());
        }
        self.owned.clone_from(&assigned);
        self.state = State::Handing;
        Some(Change { lost: false, revoked, assigned: Some(assigned), added })
    }

    /// The Heartbeat was answered.
    pub(crate) fn beaten(&mut self, generation: i32, code: ErrorCode, now: Instant) {
        self.beating = false;
        if self.generation != generation {
            return;
        }
        match code {
            ErrorCode::None => self.beat(now),
            ErrorCode::RebalanceInProgress => {
                self.beat(now);
                if self.state == State::Stable || self.state == State::Handing {
                    self.rejoin.get_or_insert_with(|| "group is already rebalancing".to_owned());
                }
            }
            ErrorCode::IllegalGeneration | ErrorCode::UnknownMemberId => {
                self.thrown_out(code);
            }
            code if code.is_retriable() => {
                // The coordinator moved or is loading; it is asked again soon, for as long as the session lasts.
                self.failures = self.failures.saturating_add(1);
                self.heartbeat_at = now + self.settings.backoff.after(self.failures);
            }
            code => self.end(code),
        }
    }

    fn beat(&mut self, now: Instant) {
        self.heartbeat_at = now + self.settings.timeouts.heartbeat_interval;
    }

    fn failed(&mut self, code: ErrorCode, now: Instant) {
        match code {
            ErrorCode::RebalanceInProgress => {
                self.state = State::ToJoin;
                self.rejoin.get_or_insert_with(|| "group is already rebalancing".to_owned());
                self.again(now);
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.thrown_out(code);
                self.again(now);
            }
            ErrorCode::MemberIdRequired => self.state = State::ToJoin,
            code if code.is_retriable() => {
                self.state = State::ToJoin;
                self.again(now);
            }
            code => self.end(code),
        }
    }

    fn again(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + self.settings.backoff.after(self.failures));
    }

    fn thrown_out(&mut self, code: ErrorCode) {
        tracing::info!("member {} of generation {} is to join anew: {code}", self.member_id, self.generation);
        if code == ErrorCode::UnknownMemberId {
            self.member_id.clear();
        }
        self.forget_generation();
        self.rejoin.get_or_insert_with(|| format!("encountered {code}"));
        self.state = State::Out;
    }

    fn forget_generation(&mut self) {
        self.generation = -1;
        self.dealt_by = None;
        self.members.clear();
    }

    /// What cannot be mended by trying again: the application is told, and tries again if it polls again.
    fn end(&mut self, code: ErrorCode) {
        self.forget_generation();
        self.member_id.clear();
        self.rejoin.get_or_insert_with(String::new);
        self.state = State::Out;
        self.fatal = Some(code);
    }

    fn fail(&mut self, code: ErrorCode, idle: Instant) -> Next {
        self.end(code);
        Next::Wait(idle)
    }
}

#[cfg(test)]
#[path = "classic_tests.rs"]
mod tests;
