//! A consumer group (KIP-848): the broker itself shares the topics out. Three epochs tell how far everybody is: the
//! group's grows with every change of who is in it or what is read; the target assignment is made for one of them; and
//! each member reaches it once it has given up what it must. What a member has is written down, so that nobody is given
//! a partition that another still has. States and rules as Apache Kafka 4.3 has them:
//!
//! ```text
//!            a member joins           target is made           all members have reached it
//!   Empty ──────────────────▶ Assigning ────────▶ Reconciling ─────────────────────────────▶ Stable
//!     ▲                          ▲                                                             │
//!     └──── nobody is left ──────┴───────── a member comes or goes, or topics change ──────────┘
//! ```
//!
//! Everything here but deadlines is in the log. Members may also speak the classic protocol (`classic_members`); a group
//! becomes one of this kind with the first member that speaks this one, and a classic one again with the last (`migration`).

mod answers;
mod assign;
mod classic_members;
mod heartbeat;
mod java_order;
mod leave;
mod member;
mod migration;
mod offsets;
mod pattern;
mod patterns;
mod reconcile;
mod replay;
mod target;
mod topics;

pub use assign::Assignor;
pub(crate) use classic_members::Joined;
pub(crate) use heartbeat::check;
pub(crate) use migration::check_upgrade;
pub(crate) use topics::Topics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use crate::config::GroupConfig;
use crate::record::Record;
use crate::record::consumer::ConsumerGroupMetadataValue;
use crate::record::membership::Change;
use crate::timers::{Timer, Timers};
use member::{Assignment, Held, Member, change};

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members; offsets may be kept.
    Empty,
    /// The target assignment is older than the group.
    Assigning,
    /// Members are on their way to the target.
    Reconciling,
    /// All have what they are to have.
    Stable,
}

impl State {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// The topics that a pattern matched, and when.
#[derive(Clone, Debug, Default, PartialEq)]
struct Resolved {
    topics: BTreeSet<String>,
    /// The metadata version it was matched at.
    version: i64,
    timestamp: i64,
}

/// How often a topic is asked for: by name, and by patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Asked {
    by_name: usize,
    by_pattern: usize,
}

/// What a group is subscribed to.
#[derive(Debug, Default)]
struct Subscriptions {
    topics: BTreeMap<String, Asked>,
    /// How many members have each pattern.
    patterns: BTreeMap<Arc<str>, usize>,
    members: usize,
}

impl Subscriptions {
    /// Whether all members read the same topics.
    fn is_uniform(&self) -> bool {
        match self.patterns.values().next() {
            None => self.topics.values().all(|asked| asked.by_name == self.members),
            Some(count) => {
                *count == self.members && self.topics.values().all(|asked| asked.by_pattern == 1 && asked.by_name == 0)
            }
        }
    }
}

/// What a group's rules may touch besides the group.
pub(crate) struct Scene<'a> {
    pub now: i64,
    pub config: &'a GroupConfig,
    pub topics: &'a Topics,
    pub timers: &'a mut Timers,
    pub records: Vec<Record>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub id: Arc<str>,
    epoch: i32,
    metadata_hash: i64,
    target_epoch: i32,
    target_made_at: i64,
    members: BTreeMap<Arc<str>, Arc<Member>>,
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    target: BTreeMap<Arc<str>, Arc<Assignment>>,
    /// Who has which partition: the epoch of the member that has it or has yet to give it up.
    partition_epochs: HashMap<(Uuid, i32), i32>,
    patterns: BTreeMap<Arc<str>, Resolved>,
    /// How many members have each pattern.
    pattern_members: BTreeMap<Arc<str>, usize>,
    /// A record of key type 4 is in the log.
    has_topics_record: bool,
    /// Until when, and up to which epoch of the group, its topics need not be looked at. Soft: a restart forgets it.
    checked_until: i64,
    checked_epoch: i32,
}

/// How long the topics of a group need not be looked at if nothing is heard of them.
const UNCHANGED_TOPICS_MS: i64 = i32::MAX as i64;

/// The epochs with which a group begins.
const FIRST_EPOCH: i32 = 1;

impl Group {
    /// A group without members.
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            epoch: FIRST_EPOCH,
            metadata_hash: 0,
            target_epoch: FIRST_EPOCH,
            target_made_at: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            target: BTreeMap::new(),
            partition_epochs: HashMap::new(),
            patterns: BTreeMap::new(),
            pattern_members: BTreeMap::new(),
            has_topics_record: false,
            checked_until: 0,
            checked_epoch: 0,
        }
    }

    pub fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.target_epoch {
            State::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn static_member(&self, instance: &str) -> Option<&Arc<Member>> {
        self.members.get(self.static_members.get(instance)?)
    }

    /// What the member is to have; one that takes a static member's place has that one's.
    fn target_of(&self, member: &Member) -> Arc<Assignment> {
        let id = match &member.instance_id {
            Some(instance) => self.static_members.get(instance),
            None => Some(&member.id),
        };
        id.and_then(|id| self.target.get(id)).cloned().unwrap_or_default()
    }

    /// Whether a member reads the topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.contains(topic))
            || self.patterns.values().any(|resolved| resolved.topics.contains(topic))
    }

    /// The topics that somebody reads.
    fn subscribed_topics(&self) -> BTreeSet<&str> {
        let named = self.members.values().flat_map(|member| member.topics.iter());
        named.chain(self.patterns.values().flat_map(|resolved| &resolved.topics)).map(String::as_str).collect()
    }

    /// Whether a member reads one of these topics. Their number or partitions have changed: the group looks again.
    pub fn topics_changed(&mut self, changed: &BTreeSet<&str>) {
        if self.subscribed_topics().iter().any(|topic| changed.contains(topic)) {
            self.checked_until = 0;
            self.checked_epoch = 0;
        }
    }

    /// What is subscribed to if these members were gone and that one were in.
    fn subscriptions(&self, without: &[&Member], with: Option<&Member>) -> Subscriptions {
        let gone = |member: &Arc<Member>| without.iter().any(|gone| gone.id == member.id);
        let stays = self.members.values().filter(|member| !gone(member));
        let mut found = Subscriptions::default();
        for member in stays.map(|member| &**member).chain(with) {
            found.members += 1;
            for topic in &*member.topics {
                found.topics.entry(topic.clone()).or_default().by_name += 1;
            }
            if let Some(pattern) = member.pattern() {
                *found.patterns.entry(pattern.clone()).or_default() += 1;
            }
        }
        for (pattern, resolved) in &self.patterns {
            // A pattern counts while it is in the log; it goes with the last member that has it.
            let goes =
                without.iter().any(|gone| gone.pattern() == Some(pattern)) && !found.patterns.contains_key(pattern);
            for topic in resolved.topics.iter().filter(|_| !goes) {
                found.topics.entry(topic.clone()).or_default().by_pattern += 1;
            }
        }
        found
    }

    /// What the member reads: what it names and what its pattern has matched.
    fn topics_of<'a>(&'a self, member: &'a Member) -> BTreeSet<&'a str> {
        let matched = member.pattern().and_then(|pattern| self.patterns.get(pattern));
        let matched = matched.into_iter().flat_map(|resolved| &resolved.topics);
        member.topics.iter().chain(matched).map(String::as_str).collect()
    }

    /// The epoch of whoever has the partition.
    fn partition_epoch(&self, topic: Uuid, partition: i32) -> Option<i32> {
        self.partition_epochs.get(&(topic, partition)).copied()
    }

    fn epoch_record(&self, epoch: i32, metadata_hash: i64) -> Record {
        change(&self.id, Change::Epoch(Some(ConsumerGroupMetadataValue { epoch, metadata_hash })))
    }

    /// Puts a member in, in place of the one of this id.
    fn put(&mut self, member: Arc<Member>) {
        let before = self.members.insert(member.id.clone(), member.clone());
        if let Some(before) = before {
            self.forget(&before);
        }
        for held in [&member.assigned, &member.revoking] {
            for (topic, partition) in places(held) {
                let epoch = self.partition_epochs.entry((topic, partition)).or_insert(member.epoch);
                *epoch = member.epoch.max(*epoch);
            }
        }
        if let Some(pattern) = member.pattern() {
            *self.pattern_members.entry(pattern.clone()).or_default() += 1;
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
    }

    /// Takes a member out.
    fn take(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        self.forget(&member);
        if let Some(instance) = &member.instance_id {
            self.static_members.remove(instance);
        }
    }

    fn forget(&mut self, member: &Member) {
        for held in [&member.assigned, &member.revoking] {
            for place in places(held) {
                if self.partition_epochs.get(&place) == Some(&member.epoch) {
                    self.partition_epochs.remove(&place);
                }
            }
        }
        if let Some(pattern) = member.pattern()
            && let Some(count) = self.pattern_members.get_mut(pattern)
        {
            *count -= 1;
            if *count == 0 {
                self.pattern_members.remove(pattern);
            }
        }
    }

    /// The records that remove the group, in which one member may already have taken another's place.
    pub fn tombstones(&self, replaced: Option<(&str, &str)>, records: &mut Vec<Record>) {
        let name = |id: &Arc<str>| match replaced {
            Some((before, after)) if &**id == before => after.to_owned(),
            _ => id.to_string(),
        };
        let mut bury = |change_of: &mut dyn Iterator<Item = Change>| {
            records.extend(change_of.map(|gone| change(&self.id, gone)));
        };
        bury(&mut self.members.keys().map(|id| Change::Current(name(id), None)));
        bury(&mut self.members.keys().map(|id| Change::Target(name(id), None)));
        bury(&mut std::iter::once(Change::TargetEpoch(None)));
        bury(&mut self.members.keys().map(|id| Change::Member(name(id), None)));
        bury(&mut self.patterns.keys().map(|pattern| Change::Pattern(pattern.to_string(), None)));
        bury(&mut [Change::Topics(None), Change::Epoch(None)].into_iter());
    }

    /// Sessions of members found in the log begin when loading ends, and whoever has to give something up has all its time.
    pub fn start_sessions(&self, now: i64, config: &GroupConfig, topics: &Topics, timers: &mut Timers) {
        let session_ms = config.consumer_session_timeout_ms(topics.image(), &self.id);
        for member in self.members.values() {
            timers.set(Timer::MemberSession(self.id.clone(), member.id.clone()), now.saturating_add(session_ms.into()));
            if member.state == member::MemberState::Unrevoked && member.classic.is_none() {
                self.start_rebalance(member, now, timers);
            }
        }
    }

    /// The group goes from this node: no deadline of it may come due.
    pub fn cancel_timers(&self, timers: &mut Timers) {
        timers.cancel(&Timer::Patterns(self.id.clone()));
        for id in self.members.keys() {
            self.cancel_timers_of(id, timers);
        }
    }

    fn cancel_timers_of(&self, member: &Arc<str>, timers: &mut Timers) {
        for timer in [Timer::MemberSession, Timer::MemberRebalance, Timer::MemberJoin, Timer::MemberSync] {
            timers.cancel(&timer(self.id.clone(), member.clone()));
        }
    }

    fn start_rebalance(&self, member: &Member, now: i64, timers: &mut Timers) {
        let at = now.saturating_add(member.rebalance_timeout_ms.into());
        timers.set(Timer::MemberRebalance(self.id.clone(), member.id.clone()), at);
    }
}

/// The partitions one by one.
fn places(held: &Held) -> impl Iterator<Item = (Uuid, i32)> {
    held.iter().flat_map(|(topic, partitions)| partitions.keys().map(move |partition| (*topic, *partition)))
}
