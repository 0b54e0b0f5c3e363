//! Partitions that a request about a group's offsets names. Those that the asker may not have or that do not exist are answered by
//! the broker, the others by the group's coordinator; the answer keeps the request's order.

use std::collections::BTreeMap;

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use andiron_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use andiron_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use andiron_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use andiron_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use andiron_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use super::Call;
use crate::authorize::{Operation, Resource, authorize};
use crate::topics::Snapshot;

/// A topic of such a request.
pub(super) trait Asked: Clone {
    /// The topic of the answer to it.
    type Answer;

    fn name(&self) -> &str;
    /// Keeps the partitions that `keep` is true of.
    fn retain(&mut self, keep: &mut dyn FnMut(i32) -> bool);
    fn is_empty(&self) -> bool;
    /// The answer with a code for each partition.
    fn answer(&self, code: &dyn Fn(i32) -> i16) -> Self::Answer;
    /// The codes of an answer's topic go to `put`, with its name and their partitions.
    fn read(answer: &Self::Answer, put: &mut dyn FnMut(&str, i32, i16));
}

macro_rules! asked {
    ($topic:ident, $answer:ident, $partition:ident) => {
        impl Asked for $topic {
            type Answer = $answer;

            fn name(&self) -> &str {
                &self.name
            }

            fn retain(&mut self, keep: &mut dyn FnMut(i32) -> bool) {
                self.partitions.retain(|partition| keep(partition.partition_index));
            }

            fn is_empty(&self) -> bool {
                self.partitions.is_empty()
            }

            fn answer(&self, code: &dyn Fn(i32) -> i16) -> $answer {
                let partitions = self.partitions.iter().map(|partition| {
                    let index = partition.partition_index;
                    $partition::default().with_partition_index(index).with_error_code(code(index))
                });
                $answer::default().with_name(self.name.clone()).with_partitions(partitions.collect())
            }

            fn read(answer: &$answer, put: &mut dyn FnMut(&str, i32, i16)) {
                for partition in &answer.partitions {
                    put(&answer.name, partition.partition_index, partition.error_code);
                }
            }
        }
    };
}

asked!(OffsetCommitRequestTopic, OffsetCommitResponseTopic, OffsetCommitResponsePartition);
asked!(TxnOffsetCommitRequestTopic, TxnOffsetCommitResponseTopic, TxnOffsetCommitResponsePartition);
asked!(OffsetDeleteRequestTopic, OffsetDeleteResponseTopic, OffsetDeleteResponsePartition);

/// What was asked, in its order, and the codes that are known already.
pub(super) struct Order<T> {
    topics: Vec<T>,
    codes: BTreeMap<String, BTreeMap<i32, i16>>,
}

impl<T: Asked> Order<T> {
    pub(super) fn of(topics: &[T]) -> Order<T> {
        Order { topics: topics.to_vec(), codes: BTreeMap::new() }
    }

    /// Takes out of `topics` what no coordinator is to be asked for.
    pub(super) fn sort(&mut self, call: &Call<'_>, snapshot: &Snapshot, topics: &mut Vec<T>) {
        for topic in &mut *topics {
            let name = topic.name().to_owned();
            let allowed = authorize(&call.session.principal, Operation::Read, Resource::Topic(&name));
            topic.retain(&mut |partition| {
                let error = if !allowed {
                    ErrorCode::TopicAuthorizationFailed
                } else if call.node.partition_exists(snapshot, &name, partition) {
                    return true;
                } else {
                    ErrorCode::UnknownTopicOrPartition
                };
                self.put(&name, partition, error.code());
                false
            });
        }
        topics.retain(|topic| !topic.is_empty());
    }

    fn put(&mut self, topic: &str, partition: i32, code: i16) {
        match self.codes.get_mut(topic) {
            Some(codes) => drop(codes.insert(partition, code)),
            None => drop(self.codes.insert(topic.to_owned(), BTreeMap::from([(partition, code)]))),
        }
    }

    /// The answer, where one code is that of all the others.
    pub(super) fn all(&self, error: ErrorCode) -> Vec<T::Answer> {
        let known = |topic: &T, partition| self.codes.get(topic.name())?.get(&partition).copied();
        let answer = |topic: &T| topic.answer(&|partition| known(topic, partition).unwrap_or(error.code()));
        self.topics.iter().map(answer).collect()
    }

    /// The answer, where a coordinator has told the others.
    pub(super) fn merged(mut self, told: &[T::Answer]) -> Vec<T::Answer> {
        for topic in told {
            T::read(topic, &mut |name, partition, code| self.put(name, partition, code));
        }
        self.all(ErrorCode::UnknownServerError)
    }
}
