//! Which partition of `__consumer_offsets` a group belongs to, and how requests that name many groups are taken apart
//! and their answers put together.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use andiron_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use andiron_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::effects::{GroupOffsets, text};

/// From this version on OffsetFetch names many groups.
const FETCH_MANY_GROUPS_VERSION: i16 = 8;

/// From this version on the answer to OffsetFetch has a code for the whole group.
const FETCH_GROUP_ERROR_VERSION: i16 = 2;

/// What an OffsetFetch asks of each group, in the order of the request.
pub fn offset_fetch_groups(version: i16, request: &OffsetFetchRequest) -> Vec<GroupOffsets> {
    let require_stable = request.require_stable;
    if version >= FETCH_MANY_GROUPS_VERSION {
        let groups = request.groups.iter();
        return groups.map(|group| GroupOffsets { group: group.clone(), require_stable }).collect();
    }
    let topics = request.topics.as_ref().map(|topics| {
        let topics = topics.iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name.clone())
                .with_partition_indexes(topic.partition_indexes.clone())
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id.clone()).with_topics(topics);
    vec![GroupOffsets { group, require_stable }]
}

/// The answer for a group whose coordinator cannot be asked. The oldest version has codes for partitions only.
pub fn offset_fetch_error(version: i16, asked: &GroupOffsets, error: ErrorCode) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(asked.group.group_id.clone());
    if version >= FETCH_GROUP_ERROR_VERSION {
        return answer.with_error_code(error.code());
    }
    let topics = asked.group.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|at| {
            OffsetFetchResponsePartitions::default()
                .with_partition_index(*at)
                .with_committed_offset(-1)
                .with_committed_leader_epoch(-1)
                .with_metadata(Some(text("")))
                .with_error_code(error.code())
        });
        OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    answer.with_topics(topics.collect())
}

/// The answers of all groups of an OffsetFetch as one.
pub fn offset_fetch_response(version: i16, groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    if version >= FETCH_MANY_GROUPS_VERSION {
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let Some(group) = groups.into_iter().next() else { return OffsetFetchResponse::default() };
    let code = group.error_code;
    let topics = group.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    let answer = OffsetFetchResponse::default().with_topics(topics.collect());
    if version >= FETCH_GROUP_ERROR_VERSION { answer.with_error_code(code) } else { answer }
}

/// The partition that holds the group: the hash of a Java string, without its sign, modulo the number of partitions.
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = java_hash(group);
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive.checked_rem(partitions).unwrap_or(0)
}

/// `String.hashCode` of Java: over UTF-16 units.
pub(crate) fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}
