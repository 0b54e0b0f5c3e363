//! A classic group: the protocol in which the broker counts members in and out, and one of them, the leader, shares
//! the work out. States and rules as Apache Kafka 4.3 has them:
//!
//! ```text
//!             first join              all joined, or time is up        leader's sync is stored
//!   Empty ───────────────▶ Preparing ──────────────────────────▶ Completing ────────────▶ Stable
//!     ▲                    │      ▲                                   │                     │
//!     └── nobody is left ──┘      └──── a member joins anew, leaves or is not heard of ─────┘
//! ```

mod answers;
mod join;
mod membership;
mod rebalance;
mod stored;
mod sync;

pub(crate) use answers::{join_error, sync_error};
pub(crate) use join::Joiner;
pub(crate) use membership::nobody_left;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_protocol::consumer_protocol::{self, Subscription};
use andiron_replication::machine::Ticket;
use bytes::Bytes;

use crate::config::GroupConfig;
use crate::effects::Effects;
use crate::error::MemberError;
use crate::routing::java_hash;
use crate::timers::{Timer, Timers};

/// The protocol type of consumers; only their subscriptions can be read.
pub(crate) const CONSUMER: &str = "consumer";

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; offsets may be kept.
    Empty,
    /// Members are to join.
    PreparingRebalance,
    /// All have joined, the leader is sharing out.
    CompletingRebalance,
    /// Everybody has an assignment or can ask for it.
    Stable,
}

impl State {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A request that will be answered later, and the version it wants the answer in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub ticket: Ticket,
    pub version: i16,
}

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub instance_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    /// The strategies it knows, best first, and what it says to each.
    pub protocols: Vec<(Arc<str>, Bytes)>,
    pub assignment: Bytes,
    /// It waits for its first rebalance and cannot beat yet.
    pub is_new: bool,
    pub joining: Option<Waiting>,
    pub syncing: Option<Waiting>,
}

impl Member {
    fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| &**name == protocol)
    }

    /// What it says to a strategy; empty if it does not know it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| &**name == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}

/// How the first rebalance of an empty group waits for more members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitialDelay {
    delay_ms: i64,
    remaining_ms: i64,
}

/// What a group's rules may touch besides the group.
pub(crate) struct Step<'a> {
    pub now: i64,
    pub config: &'a GroupConfig,
    pub timers: &'a mut Timers,
    pub out: &'a mut Effects,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: Arc<str>,
    pub state: State,
    previous: State,
    pub state_since: i64,
    pub generation: i32,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub leader: Option<Arc<str>>,
    pub members: BTreeMap<Arc<str>, Member>,
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    /// Ids given out by MEMBER_ID_REQUIRED whose owners have not come back yet.
    pub pending: BTreeSet<Arc<str>>,
    /// Members that have joined and not yet asked for their assignment.
    pending_sync: BTreeSet<Arc<str>>,
    new_member_added: bool,
    initial: Option<InitialDelay>,
    /// What consumers read, if they are consumers and what they say can be read.
    subscribed: Option<BTreeSet<String>>,
}

impl Group {
    /// A group that nobody has joined yet.
    pub fn new(id: Arc<str>, now: i64) -> Self {
        Self {
            id,
            state: State::Empty,
            previous: State::Empty,
            state_since: now,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeSet::new(),
            pending_sync: BTreeSet::new(),
            new_member_added: false,
            initial: None,
            subscribed: None,
        }
    }

    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether the consumers read the topic; of consumers that cannot be understood it is assumed.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    /// Whether the group knows what its consumers read.
    pub fn knows_subscriptions(&self) -> bool {
        self.subscribed.is_some()
    }

    pub fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    /// The request must come from the member it names, and from the process that holds its instance id now.
    pub fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), MemberError> {
        if let Some(instance) = instance {
            match self.static_members.get(instance) {
                None => return Err(MemberError::UnknownMember),
                Some(known) if &**known != member => return Err(MemberError::FencedInstance),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(MemberError::UnknownMember) }
    }

    /// The same, of this generation.
    pub fn check_generation(&self, member: &str, instance: Option<&str>, generation: i32) -> Result<(), MemberError> {
        self.check_member(member, instance)?;
        if generation == self.generation { Ok(()) } else { Err(MemberError::IllegalGeneration) }
    }

    fn enter(&mut self, state: State, now: i64) {
        self.previous = self.state;
        self.state = state;
        self.state_since = now;
    }

    /// The longest any member may take to join again.
    fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    fn joining_count(&self) -> usize {
        self.members.values().filter(|member| member.joining.is_some()).count()
    }

    fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    fn insert(&mut self, id: Arc<str>, member: Member, protocol_type: &Arc<str>) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        self.pending.remove(&id);
        self.members.insert(id, member);
    }

    /// Takes a member or a pending id out, with its session.
    pub fn remove(&mut self, id: &str, timers: &mut Timers) -> Option<Member> {
        let id: Arc<str> = id.into();
        timers.cancel(&Timer::Session(self.id.clone(), id.clone()));
        self.pending.remove(&id);
        self.pending_sync.remove(&id);
        let member = self.members.remove(&id)?;
        if let Some(instance) = &member.instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(&id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    fn reset_session(&self, id: &str, step: &mut Step<'_>) {
        if let Some((id, member)) = self.members.get_key_value(id) {
            let at = step.now.saturating_add(i64::from(member.session_timeout_ms));
            step.timers.set(Timer::Session(self.id.clone(), id.clone()), at);
        }
    }

    /// The strategy with the most votes of those that everybody knows; each member votes for the first it names.
    fn select_protocol(&self) -> Option<Arc<str>> {
        let known_to_all = |name: &str| self.members.values().all(|member| member.knows(name));
        let mut votes: BTreeMap<(u32, Arc<str>), usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| known_to_all(name)) {
                *votes.entry((hash_bucket(name), name.clone())).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        votes.iter().find(|(_, count)| *count == most).map(|((_, name), _)| name.clone())
    }

    /// Whether somebody with these protocols could be a member beside the others.
    fn supports(&self, protocol_type: &str, protocols: &[(Arc<str>, Bytes)]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| self.members.values().all(|member| member.knows(name)))
    }

    fn read_subscriptions(&mut self) {
        self.subscribed = match (&self.protocol_type, &self.protocol) {
            (None, _) => None,
            (Some(_), _) if self.members.is_empty() => Some(BTreeSet::new()),
            (Some(kind), Some(protocol)) if &**kind == CONSUMER => {
                let mut topics = BTreeSet::new();
                let read = self.members.values().try_for_each(|member| {
                    topics.extend(consumer_protocol::read::<Subscription>(&member.metadata(protocol)).ok()?.topics);
                    Some(())
                });
                read.map(|()| topics)
            }
            _ => None,
        };
    }
}

/// Apache Kafka counts votes in a hash map, whose order decides ties; the same program must choose the same strategy.
fn hash_bucket(name: &str) -> u32 {
    let hash = java_hash(name).cast_unsigned();
    (hash ^ (hash >> 16)) & 15
}
