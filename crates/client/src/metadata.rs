//! The metadata cache: who leads what, as young as `metadata.max.age.ms` says, younger when an answer shows it stale.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponseTopic};
use andiron_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::backoff::{Backoff, random_u32};
use crate::cluster::{BrokerInfo, ClusterView, PartitionInfo, TopicInfo, TopicPartition};
use crate::config::ClientConfig;
use crate::error::MetadataError;
use crate::limits::{METADATA_AGE_MS_MIN, TOPICS_CACHED_MAX, UNKNOWN_TOPIC_ATTEMPTS_MAX};
use crate::pool::{Pool, Purpose};
use crate::transport::Address;
use crate::wire::{CallError, error_code};

/// Where a partition's requests go.
#[derive(Debug, Clone)]
pub(crate) struct Leader {
    pub(crate) node: i32,
    pub(crate) address: Address,
    pub(crate) topic_id: uuid::Uuid,
    /// Which leader it is, -1 if the broker did not say.
    pub(crate) epoch: i32,
}

#[derive(Default)]
struct Cache {
    brokers: HashMap<i32, BrokerInfo>,
    topics: HashMap<Arc<str>, (Arc<TopicInfo>, Instant)>,
}

/// How long what is known is believed.
pub(crate) fn max_age(config: &ClientConfig) -> Duration {
    Duration::from_millis(config.metadata_max_age_ms.max(METADATA_AGE_MS_MIN).unsigned_abs())
}

/// The cache and how it is filled.
pub(crate) struct Metadata {
    bootstrap: Vec<Address>,
    max_age: Duration,
    backoff: Backoff,
    cache: Mutex<Cache>,
}

impl Metadata {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Metadata {
            bootstrap: config.bootstrap.clone(),
            max_age: max_age(config),
            backoff: Backoff::new(config.retry_backoff_ms, config.retry_backoff_max_ms),
            cache: Mutex::default(),
        }
    }

    /// The wait before attempt number `failures`, for all that retries.
    pub(crate) fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// Everybody who may be asked: the brokers known, in random order, then the bootstrap addresses.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.cache.lock().brokers.values().map(|b| b.address.clone()).collect();
        if addresses.len() > 1 {
            let turn = random_u32() as usize % addresses.len();
            addresses.rotate_left(turn);
        }
        for address in &self.bootstrap {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    /// One round of asking for `topics` (`None` for all of them): the first broker that answers is believed.
    pub(crate) async fn ask(
        &self,
        pool: &Pool,
        topics: Option<&[String]>,
        auto_create: bool,
    ) -> Result<ClusterView, CallError> {
        let named = topics.map(|names| {
            let topic = |name: &String| {
                MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.clone()))))
            };
            names.iter().map(topic).collect()
        });
        let request = MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(auto_create);
        let mut last = CallError::Protocol("no address to ask".to_owned());
        for address in self.addresses() {
            let answer = match pool.shared(&address, Purpose::Ask).await {
                Ok(connection) => connection.call(&request).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(self.learn(answer)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn learn(&self, answer: MetadataResponse) -> ClusterView {
        let view = ClusterView {
            cluster_id: answer.cluster_id.map(|id| id.to_string()),
            controller: answer.controller_id.0,
            brokers: answer.brokers.into_iter().map(broker_info).map(|broker| (broker.id, broker)).collect(),
            topics: answer.topics.into_iter().filter_map(topic_info).collect(),
        };
        let mut cache = self.cache.lock();
        let now = Instant::now();
        if !view.brokers.is_empty() {
            cache.brokers.clone_from(&view.brokers);
        }
        for (name, topic) in &view.topics {
            match topic {
                Ok(topic) if cache.topics.len() < TOPICS_CACHED_MAX => {
                    cache.topics.insert(name.clone(), (topic.clone(), now));
                }
                _ => {
                    cache.topics.remove(name);
                }
            }
        }
        view
    }

    /// A topic if it is known and young enough.
    pub(crate) fn cached(&self, name: &str) -> Option<Arc<TopicInfo>> {
        let cache = self.cache.lock();
        cache.topics.get(name).filter(|(_, at)| at.elapsed() < self.max_age).map(|(topic, _)| topic.clone())
    }

    /// Where a broker is, by its node id.
    pub(crate) fn broker(&self, node: i32) -> Option<BrokerInfo> {
        self.cache.lock().brokers.get(&node).cloned()
    }

    /// An answer has shown that what is known of the topic is wrong.
    pub(crate) fn invalidate(&self, topic: &str) {
        self.cache.lock().topics.remove(topic);
    }

    /// Asks for topics until each is known, surely absent, or the deadline has passed.
    pub(crate) async fn topics(
        &self,
        pool: &Pool,
        names: &[String],
        auto_create: bool,
        deadline: Instant,
    ) -> Result<Vec<Arc<TopicInfo>>, MetadataError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let trouble = match self.ask(pool, Some(names), auto_create).await {
                Ok(view) => match settle(&view, names, attempts >= UNKNOWN_TOPIC_ATTEMPTS_MAX && !auto_create)? {
                    Ok(topics) => return Ok(topics),
                    Err(trouble) => trouble,
                },
                Err(CallError::Unsupported(key)) => {
                    return Err(MetadataError::Protocol(CallError::Unsupported(key).to_string()));
                }
                Err(error) => error.to_string(),
            };
            let wait = self.backoff.after(attempts);
            if Instant::now() + wait >= deadline {
                return Err(MetadataError::TimedOut { last: trouble });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The leader as cached, if there is one.
    pub(crate) fn leader(&self, partition: &TopicPartition) -> Option<Leader> {
        let topic = self.cached(&partition.topic)?;
        let info = topic.partitions.get(usize::try_from(partition.partition).ok()?)?;
        let cache = self.cache.lock();
        let broker = cache.brokers.get(&info.leader)?;
        Some(Leader { node: broker.id, address: broker.address.clone(), topic_id: topic.id, epoch: info.leader_epoch })
    }
}

/// All topics found, or what to wait for, or what makes waiting useless.
fn settle(
    view: &ClusterView,
    names: &[String],
    believe_unknown: bool,
) -> Result<Result<Vec<Arc<TopicInfo>>, String>, MetadataError> {
    let mut topics = Vec::with_capacity(names.len());
    for name in names {
        match view.topics.get(name.as_str()) {
            Some(Ok(topic)) => topics.push(topic.clone()),
            Some(Err(ErrorCode::UnknownTopicOrPartition)) | None if believe_unknown => {
                return Err(MetadataError::UnknownTopic { topic: name.clone() });
            }
            Some(Err(ErrorCode::InvalidTopicException)) => {
                return Err(MetadataError::InvalidTopic { topic: name.clone() });
            }
            Some(Err(code)) if !code.is_retriable() => {
                return Err(MetadataError::Refused { topic: name.clone(), code: *code });
            }
            Some(Err(code)) => return Ok(Err(format!("{name}: {code}"))),
            None => return Ok(Err(format!("{name}: not in the answer"))),
        }
    }
    Ok(Ok(topics))
}

fn broker_info(broker: MetadataResponseBroker) -> BrokerInfo {
    BrokerInfo {
        id: broker.node_id.0,
        address: Address { host: broker.host.to_string(), port: u16::try_from(broker.port).unwrap_or(0) },
        rack: broker.rack.map(|rack| rack.to_string()),
    }
}

type Named = (Arc<str>, Result<Arc<TopicInfo>, ErrorCode>);

fn topic_info(topic: MetadataResponseTopic) -> Option<Named> {
    let name: Arc<str> = Arc::from(topic.name.as_ref()?.as_str());
    let code = error_code(topic.error_code);
    if !code.is_none() {
        return Some((name, Err(code)));
    }
    let nodes = |ids: &[andiron_protocol::messages::BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
    let mut partitions: Vec<PartitionInfo> = topic
        .partitions
        .iter()
        .map(|p| PartitionInfo {
            partition: p.partition_index,
            leader: if matches!(error_code(p.error_code), ErrorCode::LeaderNotAvailable) { -1 } else { p.leader_id.0 },
            leader_epoch: p.leader_epoch,
            replicas: nodes(&p.replica_nodes),
            in_sync: nodes(&p.isr_nodes),
            offline: nodes(&p.offline_replicas),
        })
        .collect();
    partitions.sort_by_key(|p| p.partition);
    // Partitions are found by their number as index; an answer with a hole in them is not one.
    if partitions.iter().enumerate().any(|(at, p)| usize::try_from(p.partition) != Ok(at)) {
        return Some((name, Err(ErrorCode::LeaderNotAvailable)));
    }
    let info = TopicInfo { name: name.clone(), id: topic.topic_id, internal: topic.is_internal, partitions };
    Some((name, Ok(Arc::new(info))))
}
