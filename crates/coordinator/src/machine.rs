//! The machine of one partition of `__consumer_offsets`: which group a request, a record or a deadline is for, and what
//! of it is the log's.

mod commit;
mod consumer_groups;
mod groups;
mod member;
mod transactional;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use andiron_metadata::image::Image;
use andiron_protocol::ErrorCode;
use andiron_replication::machine::{StateMachine, Ticket};

use crate::classic::{Group, Step};
use crate::config::GroupConfig;
use crate::consumer::{self, Topics};
use crate::effects::{Call, Effects, Reply, Request, Response};
use crate::error::{JoinError, SyncError, of_failed_append};
use crate::limits::DEADLINES_PER_CALL_MAX;
use crate::offsets::Offsets;
use crate::record::Record;
use crate::timers::{Timer, Timers};

/// All groups of one partition of `__consumer_offsets`. Make one when the partition's leadership is won, `replay` the
/// partition, call `loaded`, put it into a harness, then feed it requests; `unload` it when leadership goes.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
    loading: bool,
    /// The classic ones.
    groups: BTreeMap<Arc<str>, Group>,
    /// The others; no id is in both but while the records are on their way that say so.
    consumer_groups: BTreeMap<Arc<str>, consumer::Group>,
    /// What consumer groups become when the records that are on their way are replayed: a classic group with deadlines and
    /// all that its record does not hold.
    converted: BTreeMap<Arc<str>, Group>,
    topics: Topics,
    offsets: Offsets,
    timers: Timers,
    foreign_records: u64,
}

impl GroupCoordinator {
    /// An empty coordinator, loading until `loaded` is called.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            loading: true,
            groups: BTreeMap::new(),
            consumer_groups: BTreeMap::new(),
            converted: BTreeMap::new(),
            topics: Topics::default(),
            offsets: Offsets::default(),
            timers: Timers::default(),
            foreign_records: 0,
        }
    }

    /// Settings from now on.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Whether the partition is still being read; requests are to be answered with COORDINATOR_LOAD_IN_PROGRESS.
    pub fn is_loading(&self) -> bool {
        self.loading
    }

    /// How many replayed records belong to kinds of groups that this machine leaves alone; worth a line in the log.
    pub fn foreign_records(&self) -> u64 {
        self.foreign_records
    }

    /// The metadata from now on. `changed` are the topics that came, went or changed since the last image, `grown` says
    /// whether any came. Groups that read them see it with the next heartbeat.
    pub fn set_image(&mut self, image: Image, changed: &BTreeSet<&str>, grown: bool) {
        self.topics.update(image, grown);
        for group in self.consumer_groups.values_mut().filter(|_| !changed.is_empty()) {
            group.topics_changed(changed);
        }
    }

    /// Ends loading: the members found in the log have one session timeout from now to show themselves. The effects
    /// (mostly none) go to `Harness::carry_out`.
    pub fn loaded(&mut self, now: i64) -> Effects {
        let mut out = Effects::default();
        self.loading = false;
        self.timers.set(Timer::Cleanup, now.saturating_add(self.config.offsets_retention_check_interval_ms));
        let Self { groups, consumer_groups, config, topics, timers, .. } = self;
        for group in groups.values_mut() {
            group.start_sessions(&mut Step { now, config, timers, out: &mut out });
        }
        for group in consumer_groups.values() {
            group.start_sessions(now, config, topics, timers);
        }
        out
    }

    /// A producer's transaction has ended: its offsets count, or do not.
    fn replay_end_of_transaction(&mut self, producer_id: i64, committed: bool) {
        for group in self.offsets.end_transaction(producer_id, committed) {
            self.keeps_offsets(&group);
        }
    }

    /// Offsets of a group are kept: it is there, and if nothing else is known of it, it is a classic one.
    fn keeps_offsets(&mut self, group: &str) {
        if !self.groups.contains_key(group) && !self.consumer_groups.contains_key(group) {
            let id: Arc<str> = group.into();
            self.groups.insert(id.clone(), Group::new(id, NO_TIMESTAMP));
        }
    }

    /// The partitions of a deleted topic: their committed offsets go. The effects go to `Harness::carry_out`.
    pub fn partitions_deleted(&mut self, partitions: &[(&str, i32)]) -> Effects {
        let mut out = Effects::default();
        for (topic, partition) in partitions {
            self.offsets.tombstones_of_partition(topic, *partition, &mut out.records);
        }
        out
    }

    /// Leadership is lost: whoever waits to join or for an assignment is told NOT_COORDINATOR, and the machine is empty.
    pub fn unload(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        for group in std::mem::take(&mut self.groups).into_values() {
            replies.extend(group.outstanding(JoinError::NotCoordinator.code(), SyncError::NotCoordinator.code()));
        }
        self.consumer_groups.clear();
        self.converted.clear();
        self.offsets.clear();
        self.timers.clear();
        self.foreign_records = 0;
        self.loading = true;
        replies
    }

    fn replay_group(&mut self, id: &str, value: Option<&crate::record::classic::GroupMetadataValue>) {
        let Some(value) = value else {
            if let Some(group) = self.groups.remove(id) {
                group.cancel_timers(&mut self.timers);
            }
            return;
        };
        if let Some(group) = self.consumer_groups.remove(id) {
            group.cancel_timers(&mut self.timers);
        }
        if let Some(group) = self.converted.remove(id) {
            self.groups.insert(group.id.clone(), group);
            return;
        }
        match self.groups.get_mut(id) {
            // The group that wrote it knows more than the record: who waits, who is about to join.
            Some(group) if !self.loading && group.generation == value.generation => group.stored(value),
            _ => {
                let id: Arc<str> = id.into();
                self.groups.insert(id.clone(), Group::from_record(id, value));
            }
        }
    }

    fn due(&mut self, timer: Timer, now: i64, out: &mut Effects) {
        match timer {
            Timer::Cleanup => self.clean_up(now, out),
            Timer::Patterns(group) => self.patterns_due(&group, now, out),
            Timer::MemberSession(..) | Timer::MemberRebalance(..) | Timer::MemberJoin(..) | Timer::MemberSync(..) => {
                self.member_due(&timer, now, out);
            }
            Timer::Join(group) => self.classic_due(&group, now, out, Group::join_timed_out),
            Timer::Sync(group) => self.classic_due(&group, now, out, Group::sync_timed_out),
            Timer::Session(group, member) => {
                self.classic_due(&group, now, out, |group, step| group.session_ended(&member, step));
            }
        }
    }

    fn classic_due(&mut self, id: &str, now: i64, out: &mut Effects, act: impl FnOnce(&mut Group, &mut Step<'_>)) {
        let Self { groups, config, timers, .. } = self;
        if let Some(group) = groups.get_mut(id) {
            act(group, &mut Step { now, config, timers, out });
        }
    }
}

/// The group of a record of a consumer group.
fn of_consumer_group(record: &Record) -> Option<&str> {
    match record {
        Record::ConsumerGroup(change) => Some(&change.group),
        _ => None,
    }
}

/// Kafka's value for operations that were not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

/// The state timestamp of a group that has never said when it came to be.
const NO_TIMESTAMP: i64 = -1;

impl StateMachine for GroupCoordinator {
    type Request = Call;
    type Response = Response;
    type Record = Record;
    type View = ();

    fn handle(&mut self, now: i64, ticket: Ticket, call: Call) -> Effects {
        let mut out = Effects::default();
        let Call { context, request } = call;
        match request {
            Request::JoinGroup(request) => self.join_group(now, ticket, &context, &request, &mut out),
            Request::SyncGroup(request) => self.sync_group(now, ticket, &context, &request, &mut out),
            Request::Heartbeat(request) => self.heartbeat(now, ticket, &request, &mut out),
            Request::LeaveGroup(request) => self.leave_group(now, ticket, &context, &request, &mut out),
            Request::OffsetCommit(request) => self.commit_offsets(now, ticket, &context, &request, &mut out),
            Request::OffsetFetch(asked) => {
                out.parked.push((ticket, Response::OffsetFetch(self.fetch_offsets(&asked))));
            }
            Request::OffsetDelete(request) => self.delete_offsets(ticket, &request, &mut out),
            Request::TxnOffsetCommit(request) => {
                self.commit_offsets_in_transaction(now, ticket, context.api_version, &request, &mut out);
            }
            Request::EndOfTransaction(end) => Self::end_transaction(ticket, end, &mut out),
            Request::DescribeGroups(request) => self.describe_groups(ticket, &context, &request, &mut out),
            Request::ListGroups(request) => self.list_groups(ticket, &context, &request, &mut out),
            Request::DeleteGroups(request) => self.delete_groups(ticket, &request, &mut out),
            Request::ConsumerGroupHeartbeat(request) => {
                self.consumer_group_heartbeat(now, ticket, &context, &request, &mut out);
            }
            Request::ConsumerGroupDescribe(request) => {
                self.describe_consumer_groups(ticket, &context, &request, &mut out);
            }
        }
        out
    }

    fn replay(&mut self, offset: i64, record: &Record) {
        match record {
            Record::OffsetCommit { key, value } => {
                self.offsets.replay(offset, key, value.as_ref());
                if value.is_some() {
                    self.keeps_offsets(&key.group);
                }
            }
            Record::OffsetInTransaction { producer_id, key, value, .. } => {
                self.offsets.replay_open(offset, *producer_id, key, value);
                self.keeps_offsets(&key.group);
            }
            Record::EndOfTransaction(end) => self.replay_end_of_transaction(end.producer_id, end.committed),
            Record::GroupMetadata { group, value } => self.replay_group(group, value.as_ref()),
            Record::ConsumerGroup(change) => self.replay_consumer_group(change),
            Record::Other { .. } => self.foreign_records += 1,
        }
    }

    fn append_failed(&mut self, now: i64, effects: Effects, error: ErrorCode) -> Vec<Reply> {
        let code = of_failed_append(error);
        let mut out = Effects::default();
        // Who wrote a marker is told by the error itself.
        let asked = effects.parked.into_iter().filter(|(_, response)| *response != Response::EndOfTransaction);
        out.replies.extend(asked.map(|(ticket, response)| (ticket, response.failed(code))));
        let restored: BTreeSet<&str> = effects.records.iter().filter_map(of_consumer_group).collect();
        for id in restored {
            self.restore_consumer_group(id, now);
        }
        let Self { groups, consumer_groups, config, timers, offsets, .. } = self;
        for record in &effects.records {
            let Record::GroupMetadata { group: id, value } = record else { continue };
            let Some(value) = value else {
                // It was about to become a consumer group or to be deleted: it is as it was.
                if let Some(group) = groups.get_mut(id.as_str()) {
                    group.start_sessions(&mut Step { now, config, timers, out: &mut out });
                }
                continue;
            };
            if !value.members.is_empty() {
                // An assignment that is not in the log must not be used. All join again, and write the next generation.
                if let Some(group) = groups.get_mut(id.as_str()) {
                    group.prepare_rebalance(&mut Step { now, config, timers, out: &mut out });
                }
            } else if value.generation == 0
                && (offsets.of_group(id).next().is_none() || consumer_groups.contains_key(id.as_str()))
                && let Some(group) = groups.remove(id.as_str())
            {
                // A group that has no place in the log is not there.
                group.cancel_timers(timers);
                out.replies.extend(group.outstanding(code, code));
            }
        }
        out.replies
    }

    fn view(&self) {}

    fn next_deadline(&self) -> Option<i64> {
        self.timers.next()
    }

    fn on_deadline(&mut self, now: i64) -> Option<Effects> {
        let mut out = Effects::default();
        let mut any = false;
        for _ in 0..DEADLINES_PER_CALL_MAX {
            let Some(timer) = self.timers.pop_due(now) else { break };
            any = true;
            self.due(timer, now, &mut out);
            // What one deadline writes is replayed before the next one is looked at.
            if !out.records.is_empty() {
                break;
            }
        }
        any.then_some(out)
    }
}
