//! DeleteRecords: moves the start of partitions up.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use andiron_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::errors;
use crate::topics::{TopicEntry, is_internal};

/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

pub(super) fn handle(call: &Call<'_>, request: DeleteRecordsRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let topics = request.topics.into_iter().map(|topic| {
        let entry = snapshot.topic(&topic.name);
        let allowed = authorize(&call.session.principal, Operation::Delete, Resource::Topic(&topic.name));
        let partitions = topic.partitions.iter().map(|partition| {
            let moved = if !allowed {
                Err(ErrorCode::TopicAuthorizationFailed)
            } else if is_internal(&topic.name) {
                Err(ErrorCode::InvalidTopicException)
            } else {
                delete(entry.map(AsRef::as_ref), partition.partition_index, partition.offset)
            };
            let (error, low_watermark) = match moved {
                Ok(start) => (ErrorCode::None, start),
                Err(error) => (error, -1),
            };
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_low_watermark(low_watermark)
                .with_error_code(error.code())
        });
        DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    let topics = topics.collect();
    owed.send(&DeleteRecordsResponse::default().with_topics(topics));
}

fn delete(entry: Option<&TopicEntry>, partition: i32, offset: i64) -> Result<i64, ErrorCode> {
    let shard = entry.and_then(|e| e.shard(partition)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let bounds = shard.served()?;
    if bounds.lags && (offset == HIGH_WATERMARK || offset > bounds.high_watermark) {
        // Records that were acknowledged before this start are not yet known to be committed: ask again.
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    let to = if offset == HIGH_WATERMARK { bounds.high_watermark } else { offset };
    if to < 0 || to > bounds.high_watermark {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    shard.delete_records(to).map_err(|e| errors::log(&e))
}
