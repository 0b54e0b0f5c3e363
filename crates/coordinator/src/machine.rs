//! The machine of one partition of `__consumer_offsets`: which group a request, a record or a deadline is for, and what
//! of it is the log's.

mod commit;
mod groups;
mod member;
mod transactional;

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_replication::machine::{StateMachine, Ticket};

use crate::classic::{Group, Step};
use crate::config::GroupConfig;
use crate::effects::{Call, Effects, Reply, Request, Response};
use crate::error::{JoinError, SyncError, of_failed_append};
use crate::foreign::Foreign;
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
    groups: BTreeMap<Arc<str>, Group>,
    offsets: Offsets,
    timers: Timers,
    foreign: Foreign,
}

impl GroupCoordinator {
    /// An empty coordinator, loading until `loaded` is called.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            loading: true,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            timers: Timers::default(),
            foreign: Foreign::default(),
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
        self.foreign.seen()
    }

    /// Ends loading: the members found in the log have one session timeout from now to show themselves. The effects
    /// (mostly none) go to `Harness::carry_out`.
    pub fn loaded(&mut self, now: i64) -> Effects {
        let mut out = Effects::default();
        self.loading = false;
        self.timers.set(Timer::Cleanup, now.saturating_add(self.config.offsets_retention_check_interval_ms));
        let Self { groups, config, timers, .. } = self;
        for group in groups.values_mut() {
            group.start_sessions(&mut Step { now, config, timers, out: &mut out });
        }
        out
    }

    /// A producer's transaction has ended: its offsets count, or do not.
    fn replay_end_of_transaction(&mut self, producer_id: i64, committed: bool) {
        for group in self.offsets.end_transaction(producer_id, committed) {
            self.groups.entry(group.clone()).or_insert_with(|| Group::new(group, NO_TIMESTAMP));
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
        self.offsets.clear();
        self.timers.clear();
        self.foreign = Foreign::default();
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
        if timer == Timer::Cleanup {
            self.clean_up(now, out);
            return;
        }
        let Self { groups, config, timers, .. } = self;
        let mut step = Step { now, config, timers, out };
        match timer {
            Timer::Cleanup => {}
            Timer::Join(group) => groups.get_mut(&group).into_iter().for_each(|group| group.join_timed_out(&mut step)),
            Timer::Sync(group) => groups.get_mut(&group).into_iter().for_each(|group| group.sync_timed_out(&mut step)),
            Timer::Session(group, member) => {
                groups.get_mut(&group).into_iter().for_each(|group| group.session_ended(&member, &mut step));
            }
        }
    }
}

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
                out.parked.push((ticket, Response::OffsetFetch(self.offsets.fetch(&asked))));
            }
            Request::OffsetDelete(request) => self.delete_offsets(ticket, &request, &mut out),
            Request::TxnOffsetCommit(request) => {
                self.commit_offsets_in_transaction(now, ticket, &request, &mut out);
            }
            Request::EndOfTransaction(end) => Self::end_transaction(ticket, end, &mut out),
            Request::DescribeGroups(request) => self.describe_groups(ticket, &context, &request, &mut out),
            Request::ListGroups(request) => self.list_groups(ticket, &context, &request, &mut out),
            Request::DeleteGroups(request) => self.delete_groups(ticket, &request, &mut out),
        }
        out
    }

    fn replay(&mut self, offset: i64, record: &Record) {
        match record {
            Record::OffsetCommit { key, value } => {
                self.offsets.replay(offset, key, value.as_ref());
                if value.is_some() && !self.groups.contains_key(key.group.as_str()) {
                    let id: Arc<str> = key.group.as_str().into();
                    self.groups.insert(id.clone(), Group::new(id, NO_TIMESTAMP));
                }
            }
            Record::OffsetInTransaction { producer_id, key, value, .. } => {
                self.offsets.replay_open(offset, *producer_id, key, value);
            }
            Record::EndOfTransaction(end) => self.replay_end_of_transaction(end.producer_id, end.committed),
            Record::GroupMetadata { group, value } => self.replay_group(group, value.as_ref()),
            Record::Other { key_type, key, value } => self.foreign.replay(*key_type, key, value.is_some()),
        }
    }

    fn append_failed(&mut self, now: i64, effects: Effects, error: ErrorCode) -> Vec<Reply> {
        let code = of_failed_append(error);
        let mut out = Effects::default();
        // Who wrote a marker is told by the error itself.
        let asked = effects.parked.into_iter().filter(|(_, response)| *response != Response::EndOfTransaction);
        out.replies.extend(asked.map(|(ticket, response)| (ticket, response.failed(code))));
        let Self { groups, config, timers, offsets, .. } = self;
        for record in &effects.records {
            let Record::GroupMetadata { group: id, value: Some(value) } = record else { continue };
            if !value.members.is_empty() {
                // An assignment that is not in the log must not be used. All join again, and write the next generation.
                if let Some(group) = groups.get_mut(id.as_str()) {
                    group.prepare_rebalance(&mut Step { now, config, timers, out: &mut out });
                }
            } else if value.generation == 0
                && offsets.of_group(id).next().is_none()
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
