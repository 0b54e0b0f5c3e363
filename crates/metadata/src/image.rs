//! The cluster as of one offset of the metadata log: what every request is checked against. Cloning one costs a few
//! reference counts, since its maps share what did not change; so each decision leaves an image of its own behind, and a
//! request keeps the one it began with.

mod apply;
mod topic;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::Uuid;
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

pub use apply::ApplyError;
pub use topic::{NO_LEADER, Partition, Topic};

use crate::records::{
    AccessControlEntryRecord, DelegationTokenRecord, Endpoint, RegisterControllerRecord, SupportedFeature,
    UserScramCredentialRecord,
};

/// A kind of resource that has configs, by Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKind(pub i8);

impl ResourceKind {
    /// A topic.
    pub const TOPIC: Self = Self(2);
    /// A broker, or all of them where the name is empty.
    pub const BROKER: Self = Self(4);
    /// The loggers of a broker.
    pub const BROKER_LOGGER: Self = Self(8);
    /// A subscription to client metrics.
    pub const CLIENT_METRICS: Self = Self(16);
    /// A group.
    pub const GROUP: Self = Self(32);
}

/// A resource that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: Arc<str>,
}

impl Resource {
    /// The resource of this name.
    pub fn new(kind: ResourceKind, name: &str) -> Self {
        Self { kind, name: name.into() }
    }
}

/// Configs that were set on one resource.
pub type Configs = BTreeMap<String, String>;

/// Whom a quota is for: pairs of `user`, `client-id` or `ip` and a name, none for the default.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// A broker as it registered and as the controller sees it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// The offset at which it registered.
    pub epoch: i64,
    /// One run of its process.
    pub incarnation_id: Uuid,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is fenced: known, but not to be led by or shown to clients.
    pub fenced: bool,
    /// Whether it is shutting down.
    pub in_controlled_shutdown: bool,
    /// Its log directories.
    pub log_dirs: Vec<Uuid>,
    /// Those that take no new partitions.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl Broker {
    /// Whether it may lead partitions.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Its endpoint on the listener of this name.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }
}

/// The image. What is not in the log (the cluster's id, who leads the quorum) is put in by whoever loads it.
#[derive(Clone, Debug)]
pub struct Image {
    cluster_id: Arc<str>,
    controller_id: Option<i32>,
    offset: i64,
    epoch: i32,
    topics: RedBlackTreeMapSync<Arc<str>, Arc<Topic>>,
    names: HashTrieMapSync<Uuid, Arc<str>>,
    brokers: RedBlackTreeMapSync<i32, Arc<Broker>>,
    controllers: RedBlackTreeMapSync<i32, Arc<RegisterControllerRecord>>,
    configs: RedBlackTreeMapSync<Resource, Arc<Configs>>,
    features: Arc<BTreeMap<String, i16>>,
    acls: RedBlackTreeMapSync<Uuid, Arc<AccessControlEntryRecord>>,
    scram: RedBlackTreeMapSync<(i8, String), Arc<UserScramCredentialRecord>>,
    tokens: RedBlackTreeMapSync<String, Arc<DelegationTokenRecord>>,
    quotas: RedBlackTreeMapSync<QuotaEntity, Arc<BTreeMap<String, f64>>>,
    next_producer_id: i64,
}

impl Image {
    /// The image of an empty log.
    pub fn new(cluster_id: &str) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            controller_id: None,
            offset: -1,
            epoch: -1,
            topics: RedBlackTreeMapSync::new_sync(),
            names: HashTrieMapSync::new_sync(),
            brokers: RedBlackTreeMapSync::new_sync(),
            controllers: RedBlackTreeMapSync::new_sync(),
            configs: RedBlackTreeMapSync::new_sync(),
            features: Arc::default(),
            acls: RedBlackTreeMapSync::new_sync(),
            scram: RedBlackTreeMapSync::new_sync(),
            tokens: RedBlackTreeMapSync::new_sync(),
            quotas: RedBlackTreeMapSync::new_sync(),
            next_producer_id: 0,
        }
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Who leads the quorum.
    pub fn controller_id(&self) -> Option<i32> {
        self.controller_id
    }

    /// Says who leads the quorum.
    pub fn set_controller_id(&mut self, id: Option<i32>) {
        self.controller_id = id;
    }

    /// The offset of the last record in it; -1 if there is none.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// The epoch of the last record in it.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Says that the log goes on to here, by records that are no metadata (control records), and in which epoch.
    pub fn advance(&mut self, offset: i64, epoch: i32) {
        self.offset = self.offset.max(offset);
        self.epoch = epoch;
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic of this id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(self.names.get(&id)?)
    }

    /// All topics by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics.values()
    }

    /// The topics behind this name, which need not exist.
    pub fn topics_after<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<Topic>> {
        let bounds = (std::ops::Bound::Excluded(name), std::ops::Bound::Unbounded);
        self.topics.range::<str, _>(bounds).map(|(_, topic)| topic)
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.size()
    }

    /// A partition of a topic.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topic(topic)?.partition(partition)
    }

    /// The broker of this id, fenced or not.
    pub fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// All brokers by id, fenced or not.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    /// The brokers that clients may be told of.
    pub fn live_brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers().filter(|broker| !broker.fenced)
    }

    /// All controllers that registered.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<RegisterControllerRecord>> {
        self.controllers.values()
    }

    /// What was set on a resource.
    pub fn configs(&self, resource: &Resource) -> Option<&Arc<Configs>> {
        self.configs.get(resource)
    }

    /// One config of a resource, if it was set.
    pub fn config(&self, resource: &Resource, name: &str) -> Option<&str> {
        self.configs(resource)?.get(name).map(String::as_str)
    }

    /// All resources of this kind on which something was set.
    pub fn resources(&self, kind: ResourceKind) -> impl Iterator<Item = &Resource> {
        self.configs.keys().filter(move |resource| resource.kind == kind)
    }

    /// Everything that was set, by resource.
    pub fn all_configs(&self) -> impl Iterator<Item = (&Resource, &Arc<Configs>)> {
        self.configs.iter()
    }

    /// The finalised level of a feature; 0 if it has none.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// All finalised features.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The first producer id that was never given away.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// All ACLs.
    pub fn acls(&self) -> impl Iterator<Item = &Arc<AccessControlEntryRecord>> {
        self.acls.values()
    }

    /// The quotas by whom they are for.
    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &Arc<BTreeMap<String, f64>>)> {
        self.quotas.iter()
    }

    /// The quotas of one of those.
    pub fn quota(&self, entity: &QuotaEntity) -> Option<&BTreeMap<String, f64>> {
        self.quotas.get(entity).map(AsRef::as_ref)
    }

    /// What is kept of a user's password for a mechanism.
    pub fn scram_credential(&self, mechanism: i8, user: &str) -> Option<&Arc<UserScramCredentialRecord>> {
        self.scram.get(&(mechanism, user.to_string()))
    }

    /// All SCRAM credentials.
    pub fn scram_credentials(&self) -> impl Iterator<Item = &Arc<UserScramCredentialRecord>> {
        self.scram.values()
    }

    /// All delegation tokens.
    pub fn delegation_tokens(&self) -> impl Iterator<Item = &Arc<DelegationTokenRecord>> {
        self.tokens.values()
    }

    /// Whether eligible leader replicas are kept.
    pub fn elr_enabled(&self) -> bool {
        self.feature("eligible.leader.replicas.version") > 0
    }
}
