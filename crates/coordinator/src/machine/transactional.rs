//! TxnOffsetCommit, and how the transactions end that offsets were committed in.

use andiron_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use andiron_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use andiron_replication::machine::Ticket;

use super::GroupCoordinator;
use crate::classic::State;
use crate::consumer;
use crate::effects::{Effects, EndOfTransaction, Response};
use crate::error::{CommitError, MemberError};
use crate::record::Record;
use crate::record::classic::{OffsetCommitKey, OffsetCommitValue};

impl GroupCoordinator {
    /// Offsets that count when the producer's transaction commits.
    pub(super) fn commit_offsets_in_transaction(
        &mut self,
        now: i64,
        ticket: Ticket,
        version: i16,
        request: &TxnOffsetCommitRequest,
        out: &mut Effects,
    ) {
        let allowed = self.check_commit_in_transaction(version, request);
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let key = OffsetCommitKey::new(&request.group_id, &topic.name, partition.partition_index);
                let value = OffsetCommitValue {
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.as_deref().unwrap_or_default().to_owned(),
                    commit_timestamp: now,
                    ..OffsetCommitValue::default()
                };
                let code = self.code_of_commit(allowed, &value);
                if code == 0 {
                    let (producer_id, producer_epoch) = (request.producer_id.0, request.producer_epoch);
                    out.records.push(Record::OffsetInTransaction { producer_id, producer_epoch, key, value });
                }
                partitions.push(
                    TxnOffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(code),
                );
            }
            topics.push(
                TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
            );
        }
        out.parked.push((ticket, Response::TxnOffsetCommit(TxnOffsetCommitResponse::default().with_topics(topics))));
    }

    /// A producer need not say for which member it commits; if it does, that member must be of this generation or epoch.
    fn check_commit_in_transaction(&self, version: i16, request: &TxnOffsetCommitRequest) -> Result<(), CommitError> {
        let generation = request.generation_id;
        if let Some(group) = self.consumer_groups.get(&**request.group_id) {
            return self.check_commit_of_consumer(group, version, request).map_err(|error| match error {
                // No version of TxnOffsetCommit knows the code of stale epochs.
                CommitError::StaleEpoch => MemberError::IllegalGeneration.into(),
                error => error,
            });
        }
        let Some(group) = self.groups.get(&**request.group_id) else {
            return if generation < 0 { Ok(()) } else { Err(MemberError::IllegalGeneration.into()) };
        };
        if generation < 0 && group.state == State::Empty {
            return Ok(());
        }
        let (member, instance) = (&*request.member_id, request.group_instance_id.as_deref());
        if generation >= 0 || !member.is_empty() || instance.is_some() {
            group.check_generation(member, instance, generation)?;
        }
        Ok(())
    }

    /// As with OffsetCommit, one partition that is not the member's is enough to refuse them all.
    fn check_commit_of_consumer(
        &self,
        group: &consumer::Group,
        version: i16,
        request: &TxnOffsetCommitRequest,
    ) -> Result<(), CommitError> {
        let instance = request.group_instance_id.as_deref();
        let check = group.check_commit(&request.member_id, instance, request.generation_id, version, true)?;
        request.topics.iter().try_for_each(|topic| {
            let id = self.topics.id(&topic.name).unwrap_or_default();
            topic.partitions.iter().try_for_each(|at| check.partition(id, at.partition_index))
        })
    }

    /// A marker is to be written into the log of this coordinator.
    pub(super) fn end_transaction(ticket: Ticket, end: EndOfTransaction, out: &mut Effects) {
        out.records.push(Record::EndOfTransaction(end));
        out.parked.push((ticket, Response::EndOfTransaction));
    }
}
