//! DescribeLogDirs and AlterReplicaLogDirs: which directory of this node a partition lies in, and how full they are.

use std::collections::{BTreeMap, HashSet};

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use andiron_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use andiron_protocol::messages::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName,
};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn describe(call: &Call<'_>, request: DescribeLogDirsRequest, owed: Owed) {
    let answer = DescribeLogDirsResponse::default();
    if !authorize(&call.session.principal, Operation::Describe, Resource::Cluster) {
        let error = ErrorCode::ClusterAuthorizationFailed.code();
        owed.send(&if call.version >= 3 { answer.with_error_code(error) } else { answer });
        return;
    }
    let wanted: Option<HashSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        let of = topics.iter().flat_map(|topic| topic.partitions.iter().map(|number| (topic.topic.as_str(), *number)));
        of.collect()
    });
    let results = call.node.describe_log_dirs().into_iter().map(|dir| {
        let mut topics: BTreeMap<&str, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
        let here = dir.shards.iter().map(|shard| (shard, false));
        for (shard, is_future) in here.chain(dir.coming.iter().map(|shard| (shard, true))) {
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(&(&*shard.topic, shard.partition))) {
                let partition = DescribeLogDirsPartition::default()
                    .with_partition_index(shard.partition)
                    // Of what is still to be copied nothing is there yet.
                    .with_partition_size(if is_future { 0 } else { i64::try_from(shard.size()).unwrap_or(i64::MAX) })
                    .with_offset_lag(if is_future { shard.log_end() } else { 0 })
                    .with_is_future_key(is_future);
                topics.entry(&shard.topic).or_default().push(partition);
            }
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            DescribeLogDirsTopic::default()
                .with_name(TopicName(StrBytes::from_string(name.to_owned())))
                .with_partitions(partitions)
        });
        let result = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_string(dir.path))
            .with_topics(topics.collect());
        if call.version >= 4 {
            let bytes = |bytes: Option<u64>| bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            result
                .with_total_bytes(bytes(dir.space.map(|space| space.total)))
                .with_usable_bytes(bytes(dir.space.map(|space| space.usable)))
        } else {
            result
        }
    });
    owed.send(&answer.with_results(results.collect()));
}

pub(super) fn alter(call: &Call<'_>, request: AlterReplicaLogDirsRequest, owed: Owed) {
    let allowed = authorize(&call.session.principal, Operation::Alter, Resource::Cluster);
    let mut results: BTreeMap<&str, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            for number in &topic.partitions {
                let error = if !allowed {
                    ErrorCode::ClusterAuthorizationFailed
                } else {
                    match call.node.begin_move(&topic.name, *number, &dir.path) {
                        Ok(()) => ErrorCode::None,
                        Err(error) => error,
                    }
                };
                let result = AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*number)
                    .with_error_code(error.code());
                results.entry(&topic.name).or_default().push(result);
            }
        }
    }
    let results = results.into_iter().map(|(name, partitions)| {
        AlterReplicaLogDirTopicResult::default()
            .with_topic_name(TopicName(StrBytes::from_string(name.to_owned())))
            .with_partitions(partitions)
    });
    owed.send(&AlterReplicaLogDirsResponse::default().with_results(results.collect()));
}
