//! Membership under `group.protocol=consumer` (KIP-848) as a machine: the coordinator assigns, one heartbeat says and tells
//! everything, and the member moves to what it is given at its own pace.
//!
//! The coordinator gives a partition away only after its holder has said, in a heartbeat, that it no longer has it. So a
//! change is one step here: what is not in the target goes, what is new comes, and the next heartbeat says what is held.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use tokio::time::Instant;
use uuid::Uuid;

use super::membership::{Change, gone};
use crate::backoff::Backoff;
use crate::cluster::TopicPartition;

/// The epoch of a heartbeat that joins.
const JOINING: i32 = 0;
/// The epoch by which a member leaves for good.
const LEAVING: i32 = -1;
/// The epoch by which a static member goes and will be back.
const LEAVING_FOR_A_WHILE: i32 = -2;

/// What never changes while the consumer lives.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) is_static: bool,
    pub(crate) max_poll_interval: Duration,
    pub(crate) backoff: Backoff,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Topics(BTreeSet<Arc<str>>),
    /// A pattern that the coordinator matches.
    Pattern(String),
}

/// Partitions by topic id.
pub(crate) type ById = BTreeMap<Uuid, BTreeSet<i32>>;

/// A ConsumerGroupHeartbeat to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) number: u64,
    pub(crate) epoch: i32,
    /// Everything is said, also what has not changed.
    pub(crate) full: bool,
    /// `None` when it has not changed.
    pub(crate) wanted: Option<Wanted>,
    pub(crate) held: Option<ById>,
}

/// What a heartbeat was answered.
#[derive(Debug, Clone)]
pub(crate) struct Beaten {
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    pub(crate) assignment: Option<ById>,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing before this moment, unless something happens.
    Wait(Instant),
    /// The application's partitions change; then [`Modern::changed`].
    Change(Change),
    /// Send; then [`Modern::beaten`].
    Heartbeat(Beat),
    /// Learn the names of topics that are only known by their ids; then [`Modern::named`].
    Name,
    /// Send a heartbeat of this epoch; its answer means nothing.
    Leave(i32),
}

/// What the application is being told.
#[derive(Debug, PartialEq, Eq)]
enum Telling {
    Nothing,
    Lost,
    Target(Vec<TopicPartition>, ById),
}

/// The member.
#[derive(Debug)]
pub(crate) struct Modern {
    settings: Settings,
    member_id: String,
    epoch: i32,
    wanted: Option<Wanted>,
    wanted_said: bool,
    target: ById,
    names: HashMap<Uuid, Arc<str>>,
    naming: bool,
    held: Vec<TopicPartition>,
    held_by_id: ById,
    held_said: bool,
    telling: Telling,
    /// The number of the heartbeat under way.
    beating: Option<u64>,
    beats: u64,
    heartbeat_at: Instant,
    interval: Duration,
    /// The next heartbeat says everything: nobody knows what arrived of the last one.
    full: bool,
    poll_until: Instant,
    asleep: bool,
    failures: u32,
    fatal: Option<ErrorCode>,
}

impl Modern {
    /// A member with an id of its own making (KIP-1082).
    pub(crate) fn new(settings: Settings, member_id: String, now: Instant) -> Self {
        Modern {
            member_id,
            epoch: JOINING,
            wanted: None,
            wanted_said: false,
            target: ById::new(),
            names: HashMap::new(),
            naming: false,
            held: Vec::new(),
            held_by_id: ById::new(),
            held_said: false,
            telling: Telling::Nothing,
            beating: None,
            beats: 0,
            heartbeat_at: now,
            interval: Duration::ZERO,
            full: true,
            poll_until: now + settings.max_poll_interval,
            asleep: false,
            failures: 0,
            fatal: None,
            settings,
        }
    }

    /// Member id and epoch, -1 while it is no member.
    pub(crate) fn identity(&self) -> (&str, i32) {
        (&self.member_id, if self.epoch == JOINING { -1 } else { self.epoch })
    }

    /// Whether partitions are on their way.
    pub(crate) fn is_rebalancing(&self) -> bool {
        self.wanted.is_some() && (self.epoch == JOINING || self.telling != Telling::Nothing)
    }

    /// The error that ended the membership; the next attempt begins now.
    pub(crate) fn take_fatal(&mut self) -> Option<ErrorCode> {
        self.fatal.take()
    }

    /// The application has called `poll`.
    pub(crate) fn polled(&mut self, now: Instant) {
        self.poll_until = now + self.settings.max_poll_interval;
        self.asleep = false;
    }

    /// What is wanted from now on.
    pub(crate) fn subscribe(&mut self, wanted: Wanted, now: Instant) {
        if self.wanted.as_ref() != Some(&wanted) {
            self.wanted = Some(wanted);
            self.wanted_said = false;
            self.heartbeat_at = self.heartbeat_at.min(now);
        }
    }

    /// Wants no group any more. The application has given up what it held. `Some` is the last heartbeat.
    pub(crate) fn unsubscribe(&mut self) -> Option<Next> {
        self.wanted = None;
        self.held.clear();
        self.held_by_id.clear();
        self.telling = Telling::Nothing;
        self.leave(if self.settings.is_static { LEAVING_FOR_A_WHILE } else { LEAVING })
    }

    fn leave(&mut self, epoch: i32) -> Option<Next> {
        // Also while joining: the heartbeat may have made it a member.
        let is_member = self.epoch != JOINING || self.beating.is_some();
        self.out();
        is_member.then_some(Next::Leave(epoch))
    }

    /// In the group no longer: the next heartbeat joins anew.
    fn out(&mut self) {
        self.epoch = JOINING;
        self.target.clear();
        self.full = true;
        self.beating = None;
    }

    /// The next thing to do.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        let idle = now + Duration::from_secs(3_600);
        if self.wanted.is_none() || self.fatal.is_some() {
            return Next::Wait(idle);
        }
        if !self.asleep && now >= self.poll_until {
            self.asleep = true;
            if let Some(leave) = self.leave(if self.settings.is_static { LEAVING_FOR_A_WHILE } else { LEAVING }) {
                return leave;
            }
        }
        if self.epoch == JOINING {
            if self.telling != Telling::Nothing || self.asleep && self.held.is_empty() {
                return Next::Wait(idle);
            }
            if !self.held.is_empty() && self.beating.is_none() {
                self.telling = Telling::Lost;
                let revoked = std::mem::take(&mut self.held);
                self.held_by_id.clear();
                return Next::Change(Change { lost: true, revoked, ..Change::default() });
            }
        } else if self.telling == Telling::Nothing {
            if let Some(change) = self.towards_target() {
                return Next::Change(change);
            }
            if !self.naming && self.target.keys().any(|id| !self.names.contains_key(id)) {
                self.naming = true;
                return Next::Name;
            }
        }
        if self.beating.is_some() {
            return Next::Wait(self.poll_until.max(now + Duration::from_millis(1)));
        }
        if now < self.heartbeat_at {
            let until = self.heartbeat_at;
            return Next::Wait(if self.asleep { until } else { until.min(self.poll_until) });
        }
        self.beats += 1;
        self.beating = Some(self.beats);
        let full = self.full || self.epoch == JOINING;
        let beat = Beat {
            number: self.beats,
            epoch: self.epoch,
            full,
            wanted: self.wanted.clone().filter(|_| full || !self.wanted_said),
            held: (full || !self.held_said).then(|| self.held_by_id.clone()),
        };
        self.wanted_said = true;
        self.held_said = true;
        self.full = false;
        Next::Heartbeat(beat)
    }

    /// The step to as much of the target as has a name.
    fn towards_target(&mut self) -> Option<Change> {
        let mut assigned = Vec::new();
        let mut by_id = ById::new();
        for (id, partitions) in &self.target {
            let Some(name) = self.names.get(id) else { continue };
            assigned.extend(partitions.iter().map(|partition| TopicPartition::new(name.clone(), *partition)));
            by_id.insert(*id, partitions.clone());
        }
        assigned.sort();
        if by_id == self.held_by_id {
            return None;
        }
        let revoked = gone(&self.held, &assigned);
        let added = gone(&assigned, &self.held);
        self.telling = Telling::Target(assigned.clone(), by_id);
        Some(Change { lost: false, revoked, assigned: Some(assigned), added })
    }

    /// The application has taken notice of the last [`Change`].
    pub(crate) fn changed(&mut self, now: Instant) {
        if let Telling::Target(held, by_id) = std::mem::replace(&mut self.telling, Telling::Nothing) {
            self.held = held;
            self.held_by_id = by_id;
            self.held_said = false;
        }
        self.heartbeat_at = self.heartbeat_at.min(now);
    }

    /// The names of topics.
    pub(crate) fn named(&mut self, names: impl IntoIterator<Item = (Uuid, Arc<str>)>) {
        self.naming = false;
        self.names.extend(names);
    }

    /// The heartbeat was answered, or not (`Err` of a retriable code for a lost connection).
    /// An older coordinator makes the member's id itself.
    pub(crate) fn beaten(
        &mut self,
        number: u64,
        answer: Result<Beaten, ErrorCode>,
        member_id: Option<String>,
        now: Instant,
    ) {
        if self.beating != Some(number) {
            return;
        }
        self.beating = None;
        if let Some(member_id) = member_id {
            self.member_id = member_id;
        }
        match answer {
            Ok(beaten) => {
                self.failures = 0;
                self.epoch = beaten.epoch.max(JOINING);
                self.interval = beaten.interval;
                // What was said meanwhile and is not said yet goes at once.
                self.heartbeat_at = if self.held_said && self.wanted_said { now + self.interval } else { now };
                if let Some(assignment) = beaten.assignment {
                    self.target = assignment;
                    self.target.retain(|_, partitions| !partitions.is_empty());
                }
            }
            Err(code @ (ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch)) => {
                tracing::info!("member {} of epoch {} is to join anew: {code}", self.member_id, self.epoch);
                self.out();
                self.heartbeat_at = now;
            }
            Err(code) if code.is_retriable() => {
                self.failures = self.failures.saturating_add(1);
                self.full = true;
                self.heartbeat_at = now + self.settings.backoff.after(self.failures);
            }
            Err(code) => {
                self.out();
                self.heartbeat_at = now;
                self.fatal = Some(code);
            }
        }
    }
}

#[cfg(test)]
#[path = "modern_tests.rs"]
mod tests;
