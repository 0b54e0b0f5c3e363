//! Where a group's or a transactional id's coordinator is, and the calls about offsets that go there.

use std::collections::BTreeMap;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::{Request, StrBytes};
use andiron_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use andiron_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use andiron_protocol::messages::{
    FindCoordinatorRequest, GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use parking_lot::Mutex;

use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::consumer::OffsetAndMetadata;
use crate::pool::Purpose;
use crate::transport::Address;
use crate::wire::{CallError, error_code};

/// From this version on FindCoordinator takes many keys.
const FIND_KEYS_VERSION: i16 = 4;
/// From this version on OffsetFetch takes many groups.
const FETCH_GROUPS_VERSION: i16 = 8;
/// From this version on OffsetFetch can be told to wait for open transactions.
const FETCH_STABLE_VERSION: i16 = 7;
/// From this version on OffsetFetch says who asks.
const FETCH_MEMBER_VERSION: i16 = 9;
/// From this version on OffsetCommit knows static members.
const COMMIT_INSTANCE_VERSION: i16 = 7;

/// What a coordinator coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Group,
    Transaction,
}

/// Who commits: a member of a generation (or of a member epoch), or nobody in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member_id: String,
    pub(crate) generation: i32,
    pub(crate) instance_id: Option<String>,
}

impl Default for Identity {
    fn default() -> Self {
        Identity { member_id: String::new(), generation: -1, instance_id: None }
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// One coordinator, looked up when it is needed and forgotten when it says that it is none.
pub(crate) struct Coordinator {
    client: Client,
    of: Of,
    key: String,
    known: Mutex<Option<Address>>,
}

impl Coordinator {
    pub(crate) fn new(client: &Client, of: Of, key: &str) -> Self {
        Coordinator { client: client.clone(), of, key: key.to_owned(), known: Mutex::new(None) }
    }

    /// The group's or transaction's name.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What is known is wrong.
    pub(crate) fn forget(&self) {
        *self.known.lock() = None;
    }

    /// The coordinator; one attempt. Whom nobody could be asked for is a lost network, which is tried again.
    pub(crate) async fn address(&self) -> Result<Address, ErrorCode> {
        if let Some(known) = self.known.lock().clone() {
            return Ok(known);
        }
        let key_type = match self.of {
            Of::Group => 0,
            Of::Transaction => 1,
        };
        for address in self.client.metadata().addresses() {
            let request = |version| {
                let request = FindCoordinatorRequest::default().with_key_type(key_type);
                if version >= FIND_KEYS_VERSION {
                    request.with_coordinator_keys(vec![text(&self.key)])
                } else {
                    request.with_key(text(&self.key))
                }
            };
            let answer = match self.client.pool().shared(&address, Purpose::Ask).await {
                Ok(connection) => connection.call_with::<FindCoordinatorRequest>(request).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    let found = match answer.coordinators.into_iter().next() {
                        Some(one) => (one.error_code, one.host, one.port),
                        None => (answer.error_code, answer.host, answer.port),
                    };
                    let (code, host, port) = (error_code(found.0), found.1, found.2);
                    if !code.is_none() {
                        return Err(code);
                    }
                    let port = u16::try_from(port).map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
                    let address = Address { host: host.to_string(), port };
                    *self.known.lock() = Some(address.clone());
                    return Ok(address);
                }
                Err(CallError::Unsupported(_)) => return Err(ErrorCode::UnsupportedVersion),
                Err(error) => tracing::debug!("no coordinator of {} from {address}: {error}", self.key),
            }
        }
        Err(ErrorCode::NetworkException)
    }

    /// The finalized level of a feature, as the coordinator has it; 0 if it does not know it.
    pub(crate) async fn feature(&self, name: &str) -> Result<i16, ErrorCode> {
        let address = self.address().await?;
        match self.client.pool().shared(&address, Purpose::Ask).await {
            Ok(connection) => Ok(connection.feature(name)),
            Err(_) => Err(ErrorCode::NetworkException),
        }
    }

    /// Asks the coordinator; one attempt. `patience` is how long it may think beyond `request.timeout.ms`.
    pub(crate) async fn ask<R: Request>(
        &self,
        purpose: Purpose,
        patience: std::time::Duration,
        request: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, ErrorCode> {
        self.ask_up_to(i16::MAX, purpose, patience, request).await
    }

    /// As [`Coordinator::ask`], in no version newer than `newest`.
    pub(crate) async fn ask_up_to<R: Request>(
        &self,
        newest: i16,
        purpose: Purpose,
        patience: std::time::Duration,
        request: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, ErrorCode> {
        let address = self.address().await?;
        let asked = async {
            let connection = self.client.pool().shared(&address, purpose).await?;
            let version = connection.version::<R>()?.min(newest);
            connection.call_patiently(version, &request(version), patience).await
        };
        match asked.await {
            Ok(answer) => Ok(answer),
            Err(CallError::Unsupported(_)) => Err(ErrorCode::UnsupportedVersion),
            Err(error) => {
                tracing::debug!("the coordinator of {} at {address}: {error}", self.key);
                self.forget();
                Err(ErrorCode::NetworkException)
            }
        }
    }

    /// What an answer's code says about the coordinator itself.
    pub(crate) fn heed(&self, code: ErrorCode) -> ErrorCode {
        if matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) {
            self.forget();
        }
        code
    }

    /// Commits offsets; one attempt. The first partition's error is the error.
    pub(crate) async fn commit(
        &self,
        identity: &Identity,
        offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), (ErrorCode, Option<TopicPartition>)> {
        let request = |version| {
            let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
            for (partition, offset) in offsets {
                let part = OffsetCommitRequestPartition::default()
                    .with_partition_index(partition.partition)
                    .with_committed_offset(offset.offset)
                    .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                    .with_committed_metadata(Some(text(&offset.metadata)));
                match topics.last_mut() {
                    Some(topic) if topic.name.as_str() == &*partition.topic => topic.partitions.push(part),
                    _ => topics.push(
                        OffsetCommitRequestTopic::default()
                            .with_name(TopicName(text(&partition.topic)))
                            .with_partitions(vec![part]),
                    ),
                }
            }
            let instance = identity.instance_id.as_deref().filter(|_| version >= COMMIT_INSTANCE_VERSION);
            OffsetCommitRequest::default()
                .with_group_id(GroupId(text(&self.key)))
                .with_generation_id_or_member_epoch(identity.generation)
                .with_member_id(text(&identity.member_id))
                .with_group_instance_id(instance.map(text))
                .with_topics(topics)
        };
        let asked = self.ask::<OffsetCommitRequest>(Purpose::Ask, std::time::Duration::ZERO, request).await;
        let answer: OffsetCommitResponse = asked.map_err(|code| (code, None))?;
        for topic in &answer.topics {
            for part in &topic.partitions {
                let code = self.heed(error_code(part.error_code));
                if !code.is_none() {
                    return Err((code, Some(TopicPartition::new(topic.name.as_str(), part.partition_index))));
                }
            }
        }
        Ok(())
    }

    /// The committed offsets of these partitions; one attempt. What is still within a transaction is waited for.
    pub(crate) async fn committed(
        &self,
        identity: &Identity,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, ErrorCode> {
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            by_topic.entry(&partition.topic).or_default().push(partition.partition);
        }
        let request = |version| {
            let request = OffsetFetchRequest::default().with_require_stable(version >= FETCH_STABLE_VERSION);
            let names = by_topic.iter().map(|(topic, partitions)| (TopicName(text(topic)), partitions.clone()));
            if version < FETCH_GROUPS_VERSION {
                let topic = |(name, partitions)| {
                    OffsetFetchRequestTopic::default().with_name(name).with_partition_indexes(partitions)
                };
                return request.with_group_id(GroupId(text(&self.key))).with_topics(Some(names.map(topic).collect()));
            }
            let topic = |(name, partitions)| {
                OffsetFetchRequestTopics::default().with_name(name).with_partition_indexes(partitions)
            };
            let mut group = OffsetFetchRequestGroup::default()
                .with_group_id(GroupId(text(&self.key)))
                .with_topics(Some(names.map(topic).collect()));
            if version >= FETCH_MEMBER_VERSION && identity.generation >= 0 {
                group.member_id = Some(text(&identity.member_id));
                group.member_epoch = identity.generation;
            }
            request.with_groups(vec![group])
        };
        let answer: OffsetFetchResponse =
            self.ask::<OffsetFetchRequest>(Purpose::Ask, std::time::Duration::ZERO, request).await?;
        let mut found = BTreeMap::new();
        let mut take = |topic: &str, partition: i32, offset: i64, epoch: i32, metadata: Option<StrBytes>, code: i16| {
            match error_code(code) {
                ErrorCode::None if offset >= 0 => {
                    let metadata = metadata.map(|metadata| metadata.to_string()).unwrap_or_default();
                    let leader_epoch = (epoch >= 0).then_some(epoch);
                    found.insert(
                        TopicPartition::new(topic, partition),
                        OffsetAndMetadata { offset, leader_epoch, metadata },
                    );
                    Ok(())
                }
                ErrorCode::None => Ok(()),
                code => Err(code),
            }
        };
        let code = answer.groups.first().map_or(answer.error_code, |group| group.error_code);
        match self.heed(error_code(code)) {
            ErrorCode::None => {}
            code => return Err(code),
        }
        for topic in answer.topics {
            for p in topic.partitions {
                take(
                    &topic.name,
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.metadata,
                    p.error_code,
                )?;
            }
        }
        for topic in answer.groups.into_iter().flat_map(|group| group.topics) {
            for p in topic.partitions {
                take(
                    &topic.name,
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.metadata,
                    p.error_code,
                )?;
            }
        }
        Ok(found)
    }
}
