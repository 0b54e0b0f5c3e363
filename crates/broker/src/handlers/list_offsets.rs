//! ListOffsets: where a partition begins, ends, and what was written at or after a point in time. After a change of leader or a
//! crash nobody is told an end that is lower than one that was told before (KIP-207).

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::list_offsets_request::ListOffsetsPartition;
use andiron_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use andiron_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::errors;
use crate::shard::{Bounds, Shard, check_epoch};
use crate::topics::TopicEntry;

/// The first version that knows OFFSET_NOT_AVAILABLE.
const NOT_AVAILABLE_FROM: i16 = 5;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// What a partition answers: timestamp, offset, leader epoch; -1 where it has none.
type Found = (i64, i64, i32);
const UNKNOWN: Found = (-1, -1, -1);

pub(super) fn handle(call: &Call<'_>, request: ListOffsetsRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let committed = request.isolation_level == 1;
    let topics = request.topics.into_iter().map(|topic| {
        let entry = snapshot.topic(&topic.name);
        let allowed = authorize(&call.session.principal, Operation::Describe, Resource::Topic(&topic.name));
        let partitions = topic.partitions.iter().map(|asked| {
            let found = if allowed {
                one(entry.map(AsRef::as_ref), asked, committed, call.version)
            } else {
                Err(ErrorCode::TopicAuthorizationFailed)
            };
            let (error, (timestamp, offset, epoch)) = match found {
                Ok(found) => (ErrorCode::None, found),
                Err(error) => (error, UNKNOWN),
            };
            let answer = ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(error.code())
                .with_timestamp(timestamp)
                .with_offset(offset);
            if call.version >= 4 { answer.with_leader_epoch(epoch) } else { answer }
        });
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    let topics = topics.collect();
    owed.send(&ListOffsetsResponse::default().with_topics(topics));
}

fn one(
    entry: Option<&TopicEntry>,
    asked: &ListOffsetsPartition,
    committed: bool,
    version: i16,
) -> Result<Found, ErrorCode> {
    let shard = entry.and_then(|e| e.shard(asked.partition_index)).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let bounds = shard.served()?;
    let epoch = (version >= 4).then_some(asked.current_leader_epoch);
    check_epoch(bounds.leader_epoch, epoch)?;
    let end = if committed { bounds.last_stable } else { bounds.high_watermark };
    let known = match bounds.lags {
        false => Ok(()),
        true if version >= NOT_AVAILABLE_FROM => Err(ErrorCode::OffsetNotAvailable),
        true => Err(ErrorCode::LeaderNotAvailable),
    };
    match asked.timestamp {
        LATEST => known.map(|()| (-1, end, bounds.leader_epoch)),
        EARLIEST => Ok(earliest(shard, &bounds)),
        EARLIEST_LOCAL if version >= 8 => Ok(earliest(shard, &bounds)),
        // Nothing is tiered.
        LATEST_TIERED if version >= 9 => Ok(UNKNOWN),
        MAX_TIMESTAMP if version >= 7 => by_time(shard, None, end, &bounds, known),
        timestamp if timestamp >= 0 => by_time(shard, Some(timestamp), end, &bounds, known),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

fn earliest(shard: &Shard, bounds: &Bounds) -> Found {
    // In an empty log the first record will be of the epoch that is now, as Apache Kafka notes when a leader begins.
    let epoch = if bounds.log_start == bounds.log_end {
        bounds.leader_epoch
    } else {
        shard.epoch_for_offset(bounds.log_start).unwrap_or(-1)
    };
    (-1, bounds.log_start, epoch)
}

/// `known`: whether the partition's end is.
fn by_time(
    shard: &Shard,
    timestamp: Option<i64>,
    end: i64,
    bounds: &Bounds,
    known: Result<(), ErrorCode>,
) -> Result<Found, ErrorCode> {
    let found = shard.by_time(timestamp).map_err(|e| errors::read(&e))?;
    match found {
        Some(found) if found.offset < end => {
            Ok((found.timestamp, found.offset, found.leader_epoch.unwrap_or(bounds.leader_epoch)))
        }
        // What no reader may see yet is not there, unless one may have seen it.
        Some(_) => known.map(|()| UNKNOWN),
        None => Ok(UNKNOWN),
    }
}
