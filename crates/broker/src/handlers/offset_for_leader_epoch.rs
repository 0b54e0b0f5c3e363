//! OffsetForLeaderEpoch: where an epoch ended, so that a reader finds out whether what it has was cut off.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use andiron_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use andiron_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::shard::check_epoch;
use crate::topics::TopicEntry;

/// No epoch, and no offset.
const UNDEFINED: (i32, i64) = (-1, -1);

pub(super) fn handle(call: &Call<'_>, request: OffsetForLeaderEpochRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let topics = request.topics.into_iter().map(|topic| {
        let entry = snapshot.topic(&topic.topic);
        let allowed = authorize(&call.session.principal, Operation::Describe, Resource::Topic(&topic.topic));
        let partitions = topic.partitions.iter().map(|asked| {
            let found = if allowed {
                end_of(entry.map(AsRef::as_ref), asked)
            } else {
                Err(ErrorCode::TopicAuthorizationFailed)
            };
            let (error, (epoch, end)) = match found {
                Ok(found) => (ErrorCode::None, found),
                Err(error) => (error, UNDEFINED),
            };
            EpochEndOffset::default()
                .with_partition(asked.partition)
                .with_error_code(error.code())
                .with_leader_epoch(epoch)
                .with_end_offset(end)
        });
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
    });
    let topics = topics.collect();
    owed.send(&OffsetForLeaderEpochResponse::default().with_topics(topics));
}

fn end_of(entry: Option<&TopicEntry>, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode> {
    let shard = entry.and_then(|e| e.shard(asked.partition)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let bounds = shard.served()?;
    check_epoch(bounds.leader_epoch, Some(asked.current_leader_epoch))?;
    let (ours, end) = (bounds.leader_epoch, bounds.log_end);
    if asked.leader_epoch < 0 || asked.leader_epoch > ours {
        return Ok(UNDEFINED);
    }
    if asked.leader_epoch == ours {
        return Ok((ours, end));
    }
    let found = shard.end_offset_for_epoch(asked.leader_epoch);
    // The log learns of an epoch with its first record: those after its last, up to ours, have none.
    Ok(found.or_else(|| shard.end_offset_for_epoch(shard.epoch_for_offset(end)?)).unwrap_or(UNDEFINED))
}
