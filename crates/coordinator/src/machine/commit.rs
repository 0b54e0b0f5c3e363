//! OffsetCommit, OffsetFetch and OffsetDelete, and the offsets that expire.

use std::collections::BTreeSet;

use andiron_protocol::Uuid;
use andiron_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use andiron_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use andiron_protocol::messages::offset_fetch_response::OffsetFetchResponseGroup;
use andiron_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
};
use andiron_replication::machine::Ticket;

use super::GroupCoordinator;
use crate::classic::{State, Step};
use crate::effects::{Effects, GroupOffsets, RequestContext, Response};
use crate::error::{CommitError, GroupError, MemberError};
use crate::limits::EXPIRED_OFFSETS_PER_CALL_MAX;
use crate::offsets::Committed;
use crate::record::Record;
use crate::record::classic::{OffsetCommitKey, OffsetCommitValue};
use crate::timers::Timer;

/// From this version on a client knows that a group may not exist.
const COMMIT_KNOWS_GROUP_NOT_FOUND_VERSION: i16 = 9;

/// No expiry, or no retention of its own.
const DEFAULT_TIMESTAMP: i64 = -1;

impl GroupCoordinator {
    pub(super) fn commit_offsets(
        &mut self,
        now: i64,
        ticket: Ticket,
        context: &RequestContext,
        request: &OffsetCommitRequest,
        out: &mut Effects,
    ) {
        let allowed = self.check_commit(now, context, request, out);
        let expire_timestamp = match request.retention_time_ms {
            DEFAULT_TIMESTAMP => DEFAULT_TIMESTAMP,
            retention_ms => now.saturating_add(retention_ms),
        };
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            // The version of the value that has an expiry has no id: nobody would know it after a restart.
            let topic_id = if expire_timestamp == DEFAULT_TIMESTAMP { topic.topic_id } else { Uuid::nil() };
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let key = OffsetCommitKey::new(&request.group_id, &topic.name, partition.partition_index);
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_deref().unwrap_or_default().to_owned(),
                    commit_timestamp: now,
                    expire_timestamp,
                    topic_id,
                };
                let code = self.code_of_commit(allowed, &value);
                if code == 0 {
                    out.records.push(Record::OffsetCommit { key, value: Some(value) });
                }
                partitions.push(
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(code),
                );
            }
            topics.push(OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        out.parked.push((ticket, Response::OffsetCommit(OffsetCommitResponse::default().with_topics(topics))));
    }

    /// What an offset that a group may or may not commit is answered with; 0 when it is to be written.
    pub(super) fn code_of_commit(&self, allowed: Result<(), CommitError>, value: &OffsetCommitValue) -> i16 {
        let limit = usize::try_from(self.config.offset_metadata_max_bytes).unwrap_or(0);
        let outcome = match allowed {
            // Java counts UTF-16 units.
            Ok(()) if value.metadata.encode_utf16().count() > limit => Err(CommitError::MetadataTooLarge),
            allowed => allowed,
        };
        outcome.err().map_or(0, |error| error.code().code())
    }

    /// A group that is not there comes to be by the commit of a client that takes no part in sharing out.
    fn check_commit(
        &mut self,
        now: i64,
        context: &RequestContext,
        request: &OffsetCommitRequest,
        out: &mut Effects,
    ) -> Result<(), CommitError> {
        let Self { groups, consumer_groups, config, timers, .. } = self;
        let generation = request.generation_id_or_member_epoch;
        if let Some(group) = consumer_groups.get(&**request.group_id) {
            let instance = request.group_instance_id.as_deref();
            let check = group.check_commit(&request.member_id, instance, generation, context.api_version, false)?;
            // One partition that is not the member's is enough to refuse them all.
            let places = request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |at| (topic, at)));
            return places.into_iter().try_for_each(|(topic, at)| check.partition(topic.topic_id, at.partition_index));
        }
        let Some(group) = groups.get_mut(&**request.group_id) else {
            return if generation < 0 {
                Ok(())
            } else if context.api_version >= COMMIT_KNOWS_GROUP_NOT_FOUND_VERSION {
                Err(CommitError::GroupNotFound)
            } else {
                Err(MemberError::IllegalGeneration.into())
            };
        };
        let member = &*request.member_id;
        let instance = request.group_instance_id.as_deref();
        if generation < 0 && group.state == State::Empty {
            return Ok(());
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Err(MemberError::UnknownMember.into());
        }
        group.check_generation(member, instance, generation)?;
        if group.state == State::CompletingRebalance {
            return Err(CommitError::RebalanceInProgress);
        }
        group.seen_committing(member, &mut Step { now, config, timers, out });
        Ok(())
    }

    /// The answer to OffsetFetch. Members of consumer groups say who they are, and must be.
    pub(super) fn fetch_offsets(&self, asked: &GroupOffsets) -> OffsetFetchResponseGroup {
        let group = &asked.group;
        let checked = self
            .consumer_groups
            .get(&**group.group_id)
            .map_or(Ok(()), |known| known.check_fetch(group.member_id.as_deref(), group.member_epoch));
        match checked {
            Ok(()) => self.offsets.fetch(asked),
            Err(error) => OffsetFetchResponseGroup::default()
                .with_group_id(group.group_id.clone())
                .with_error_code(error.code().code()),
        }
    }

    pub(super) fn delete_offsets(&mut self, ticket: Ticket, request: &OffsetDeleteRequest, out: &mut Effects) {
        let response = match self.check_offset_delete(request) {
            Err(error) => OffsetDeleteResponse::default().with_error_code(error.code().code()),
            Ok(()) => {
                let group = request.group_id.as_str();
                let mut topics = Vec::with_capacity(request.topics.len());
                let mut seen = BTreeSet::new();
                for topic in &request.topics {
                    let subscribed = self.is_subscribed_to(group, &topic.name);
                    let mut partitions = Vec::with_capacity(topic.partitions.len());
                    for partition in &topic.partitions {
                        let at = partition.partition_index;
                        let exists = self.offsets.get(group, &topic.name, at).is_some()
                            || self.offsets.is_open(group, &topic.name, at);
                        if !subscribed && exists && seen.insert((&*topic.name, at)) {
                            out.records.push(Record::offset_tombstone(group, &topic.name, at));
                        }
                        let code = if subscribed { GroupError::Subscribed.code().code() } else { 0 };
                        partitions.push(
                            OffsetDeleteResponsePartition::default().with_partition_index(at).with_error_code(code),
                        );
                    }
                    topics.push(
                        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
                    );
                }
                OffsetDeleteResponse::default().with_topics(topics)
            }
        };
        out.parked.push((ticket, Response::OffsetDelete(response)));
    }

    fn is_subscribed_to(&self, group: &str, topic: &str) -> bool {
        match self.consumer_groups.get(group) {
            Some(group) => group.is_subscribed_to(topic),
            None => self.groups.get(group).is_some_and(|group| group.is_subscribed_to(topic)),
        }
    }

    /// Consumers only mind for the topics they read; of other members nobody knows what they use.
    fn check_offset_delete(&self, request: &OffsetDeleteRequest) -> Result<(), GroupError> {
        if request.group_id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        if self.consumer_groups.contains_key(&**request.group_id) {
            return Ok(());
        }
        let group = self.groups.get(&**request.group_id).ok_or(GroupError::NotFound)?;
        if group.state != State::Empty && !group.uses_consumer_protocol() {
            return Err(GroupError::NotEmpty);
        }
        Ok(())
    }

    /// Writes off what has expired. An empty group without offsets goes with its last one.
    pub(super) fn clean_up(&mut self, now: i64, out: &mut Effects) {
        let mut again_at = now.saturating_add(self.config.offsets_retention_check_interval_ms);
        let all = self.groups.keys().chain(self.consumer_groups.keys());
        for id in all {
            if out.records.len() >= EXPIRED_OFFSETS_PER_CALL_MAX {
                again_at = now;
                break;
            }
            let mut kept = self.offsets.has_open(id);
            for (topic, partition, offset) in self.offsets.of_group(id) {
                if out.records.len() < EXPIRED_OFFSETS_PER_CALL_MAX
                    && self.has_expired(id, topic, offset, now)
                    // What a transaction is about to replace stays so long.
                    && !self.offsets.is_open(id, topic, partition)
                {
                    out.records.push(Record::offset_tombstone(id, topic, partition));
                } else {
                    kept = true;
                }
            }
            if !kept {
                self.bury_if_empty(id, out);
            }
        }
        self.timers.set(Timer::Cleanup, again_at);
    }

    fn bury_if_empty(&self, id: &str, out: &mut Effects) {
        out.records.append(&mut self.bury_empty_consumer_group(id));
        if self.groups.get(id).is_some_and(|group| group.state == State::Empty && group.pending.is_empty()) {
            out.records.push(Record::group_tombstone(id));
        }
    }

    fn has_expired(&self, group: &str, topic: &str, offset: &Committed, now: i64) -> bool {
        if self.is_subscribed_to(group, topic) {
            return false;
        }
        // Since when nobody needs it: since the group is empty, or, of consumers that still read other topics and of
        // groups that only keep offsets, since the commit.
        let since = match self.groups.get(group) {
            None => offset.commit_timestamp,
            Some(group) => match group.state {
                State::Empty if group.protocol_type.is_some() && group.state_since >= 0 => group.state_since,
                State::Empty => offset.commit_timestamp,
                State::Stable if group.uses_consumer_protocol() && group.knows_subscriptions() => {
                    offset.commit_timestamp
                }
                State::Stable | State::PreparingRebalance | State::CompletingRebalance => return false,
            },
        };
        if offset.expire_timestamp != DEFAULT_TIMESTAMP {
            return now >= offset.expire_timestamp;
        }
        now.saturating_sub(since) >= self.config.offsets_retention_ms
    }
}
