//! What a node is started with, in the types that the rest of this room works with. The keys, their defaults and what they
//! may be are the metadata room's tables; here they are read once, or, where they may change while the node runs, laid
//! under the image's dynamic configs.

use std::path::PathBuf;
use std::sync::Arc;

use andiron_coordinator::config::{Migration, OfGroup};
use andiron_coordinator::transactions::TransactionConfig;
use andiron_coordinator::{Assignor, GroupConfig};
use andiron_metadata::config::{self, Effective, properties};
use andiron_metadata::image::{Image, Resource, ResourceKind};
use andiron_protocol::batch::TimestampType;
use andiron_protocol::compression::Codec;
use andiron_storage::{CompressionType, LogConfig};

use crate::limits::SEND_BUFFER_BYTES;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is no properties file.
    #[error("{0}")]
    Syntax(String),
    /// A setting is missing, wrong, or does not go together with another.
    #[error(transparent)]
    Settings(#[from] config::ConfigError),
    /// A listener that cannot be understood.
    #[error("Invalid value {0} for configuration {1}: expected NAME://host:port")]
    Listener(String, &'static str),
    /// A listener that asks for what is not there yet.
    #[error(
        "listener {listener} is to speak {protocol}, but only PLAINTEXT is supported yet (listener.security.protocol.map)"
    )]
    Protocol {
        /// The listener.
        listener: String,
        /// What it is to speak.
        protocol: String,
    },
    /// A node that is only one half.
    #[error("Invalid value {0} for configuration process.roles: only broker,controller is supported yet")]
    Roles(String),
}

/// Where to listen, or where clients are told to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The listener's name.
    pub name: String,
    /// The host; empty for all addresses.
    pub host: String,
    /// The port; 0 for any.
    pub port: u16,
}

impl Listener {
    fn parse(text: &str, key: &'static str) -> Result<Listener, ConfigError> {
        let wrong = || ConfigError::Listener(text.to_owned(), key);
        let (name, address) = text.trim().split_once("://").ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Listener { name: name.to_owned(), host: host.trim_matches(['[', ']']).to_owned(), port })
    }
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// All settings by key.
    pub settings: Arc<config::BrokerConfig>,
    /// Keys in the file that mean nothing here.
    pub warnings: Vec<String>,
    /// `node.id`
    pub node_id: i32,
    /// `listeners`
    pub listeners: Vec<Listener>,
    /// `log.dirs`
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, else the first of `log.dirs`
    pub metadata_log_dir: PathBuf,
    /// `socket.request.max.bytes`
    pub socket_request_max_bytes: usize,
    /// `andiron.fsync`: whether acks=all and the high watermark wait for fdatasync.
    pub fsync: bool,
    pub(crate) fetch_max_bytes: usize,
    pub(crate) auto_create_topics_enable: bool,
    pub(crate) delete_topic_enable: bool,
    pub(crate) retention_check_interval_ms: i64,
    pub(crate) high_watermark_checkpoint_interval_ms: i64,
    pub(crate) flush_checkpoint_interval_ms: i64,
    pub(crate) log_start_checkpoint_interval_ms: i64,
    advertised: Vec<Listener>,
    controller_listeners: Vec<String>,
}

impl BrokerConfig {
    /// `socket.send.buffer.bytes`; none (-1) leaves the size to the system. Where it is not given, more than Kafka's default,
    /// which would wake the sender of a large answer for every 64 KiB.
    pub fn send_buffer_bytes(&self) -> Option<usize> {
        let key = "socket.send.buffer.bytes";
        self.settings.given(key).map_or(Some(SEND_BUFFER_BYTES), |_| usize::try_from(self.settings.int(key)).ok())
    }

    /// `socket.receive.buffer.bytes`; none (-1) leaves the size to the system.
    pub fn receive_buffer_bytes(&self) -> Option<usize> {
        usize::try_from(self.settings.int("socket.receive.buffer.bytes")).ok()
    }

    /// Reads a properties text, or takes what holds without a file; `overrides` stand over it.
    pub fn from_properties(text: Option<&str>, overrides: Vec<(String, String)>) -> Result<BrokerConfig, ConfigError> {
        let file = match text {
            Some(text) => Some(properties::parse(text).map_err(|e| ConfigError::Syntax(e.to_string()))?),
            None => None,
        };
        let (settings, warnings) = config::BrokerConfig::new(file, overrides)?;
        BrokerConfig::new(settings, warnings)
    }

    fn new(settings: config::BrokerConfig, warnings: Vec<String>) -> Result<BrokerConfig, ConfigError> {
        let parsed = |urls: Vec<String>, key: &'static str| -> Result<Vec<Listener>, ConfigError> {
            urls.iter().map(|url| Listener::parse(url, key)).collect()
        };
        let bytes = |key: &str| usize::try_from(settings.long(key)).unwrap_or(usize::MAX);
        let roles = settings.list("process.roles");
        if !["broker", "controller"].iter().all(|role| roles.iter().any(|r| r == role)) {
            return Err(ConfigError::Roles(roles.join(",")));
        }
        for listener in parsed(settings.list("listeners"), "listeners")? {
            let protocol = protocol(&settings, &listener.name);
            if protocol != "PLAINTEXT" {
                return Err(ConfigError::Protocol { listener: listener.name, protocol });
            }
        }
        Ok(BrokerConfig {
            node_id: settings.node_id(),
            listeners: parsed(settings.list("listeners"), "listeners")?,
            advertised: parsed(settings.advertised_listeners(), "advertised.listeners")?,
            controller_listeners: settings.list("controller.listener.names"),
            log_dirs: settings.log_dirs().iter().map(PathBuf::from).collect(),
            metadata_log_dir: PathBuf::from(settings.metadata_log_dir()),
            socket_request_max_bytes: bytes("socket.request.max.bytes"),
            fsync: settings.bool("andiron.fsync"),
            fetch_max_bytes: bytes("fetch.max.bytes"),
            auto_create_topics_enable: settings.bool("auto.create.topics.enable"),
            delete_topic_enable: settings.bool("delete.topic.enable"),
            retention_check_interval_ms: settings.long("log.retention.check.interval.ms"),
            high_watermark_checkpoint_interval_ms: settings.long("replica.high.watermark.checkpoint.interval.ms"),
            flush_checkpoint_interval_ms: settings.long("log.flush.offset.checkpoint.interval.ms"),
            log_start_checkpoint_interval_ms: settings.long("log.flush.start.offset.checkpoint.interval.ms"),
            settings: Arc::new(settings),
            warnings,
        })
    }

    /// The ports that were found for listeners with port 0, and the name to advertise for listeners on all addresses.
    pub fn resolve(&mut self, ports: &[(String, u16)], host: &str) {
        let found = |name: &str| ports.iter().find(|(n, _)| n == name).map(|(_, port)| *port);
        for listener in self.listeners.iter_mut().chain(&mut self.advertised) {
            if listener.port == 0 {
                listener.port = found(&listener.name).unwrap_or(0);
            }
        }
        for advertised in &mut self.advertised {
            if advertised.host.is_empty() || advertised.host == "0.0.0.0" || advertised.host == "::" {
                advertised.host = host.to_owned();
            }
        }
    }

    /// Whether this listener is the controller's.
    pub fn is_controller_listener(&self, name: &str) -> bool {
        self.controller_listeners.iter().any(|listener| listener == name)
    }

    /// Where clients of a listener are told to connect.
    pub fn advertised(&self, listener: &str) -> (String, u16) {
        let own = self.advertised.iter().chain(&self.listeners).find(|l| l.name == listener);
        own.map_or((String::new(), 0), |l| {
            let host = if l.host.is_empty() { "localhost".to_owned() } else { l.host.clone() };
            (host, l.port)
        })
    }

    /// What this node registers as the addresses of its broker, or of its controller.
    pub(crate) fn endpoints(&self, controller: bool) -> Vec<Listener> {
        let of_kind = |l: &&Listener| self.is_controller_listener(&l.name) == controller;
        let with_address = |l: &Listener| {
            let (host, port) = self.advertised(&l.name);
            Listener { name: l.name.clone(), host, port }
        };
        self.listeners.iter().filter(of_kind).map(with_address).collect()
    }

    /// Whether what holds for a topic may have changed between two images.
    pub(crate) fn configs_changed(&self, before: &Image, after: &Image, topic: &str) -> bool {
        let node = self.node_id.to_string();
        let resources = [
            Resource::new(ResourceKind::TOPIC, topic),
            Resource::new(ResourceKind::BROKER, ""),
            Resource::new(ResourceKind::BROKER, &node),
        ];
        resources.iter().any(|resource| match (before.configs(resource), after.configs(resource)) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (None, None) => false,
            _ => true,
        })
    }

    /// The settings of a topic's logs, and its `min.insync.replicas`.
    pub(crate) fn topic(&self, image: &Image, topic: &str) -> (LogConfig, usize) {
        let effective = Effective::new(&self.settings, image);
        let long = |name: &str| effective.topic_long(topic, name);
        let bytes = |name: &str| u32::try_from(long(name)).unwrap_or(u32::MAX);
        let policy = effective.topic(topic, "cleanup.policy").unwrap_or_default();
        let timestamps = match effective.topic(topic, "message.timestamp.type").as_deref() {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        };
        let defaults = LogConfig::default();
        let log = LogConfig {
            segment_bytes: bytes("segment.bytes"),
            segment_ms: long("segment.ms"),
            segment_index_bytes: bytes("segment.index.bytes"),
            index_interval_bytes: bytes("index.interval.bytes"),
            max_message_bytes: bytes("max.message.bytes"),
            message_timestamp_type: timestamps,
            message_timestamp_before_max_ms: long("message.timestamp.before.max.ms"),
            message_timestamp_after_max_ms: long("message.timestamp.after.max.ms"),
            compression_type: compression(&effective, topic),
            delete: policy.split(',').any(|p| p.trim() == "delete"),
            compact: policy.split(',').any(|p| p.trim() == "compact"),
            retention_ms: long("retention.ms"),
            retention_bytes: long("retention.bytes"),
            file_delete_delay_ms: long("file.delete.delay.ms"),
            segment_jitter_ms: long("segment.jitter.ms"),
            delete_retention_ms: long("delete.retention.ms"),
            min_compaction_lag_ms: long("min.compaction.lag.ms"),
            max_compaction_lag_ms: long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: effective
                .topic(topic, "min.cleanable.dirty.ratio")
                .and_then(|ratio| ratio.parse().ok())
                .unwrap_or(defaults.min_cleanable_dirty_ratio),
            producer_id_expiration_ms: match effective.broker_long("producer.id.expiration.ms") {
                0 => defaults.producer_id_expiration_ms,
                ms => ms,
            },
            transaction_verification: effective.broker("transaction.partition.verification.enable").as_deref()
                != Some("false"),
        };
        (log, usize::try_from(long("min.insync.replicas")).unwrap_or(1))
    }

    /// The settings of transaction coordinators.
    pub(crate) fn transaction_config(&self) -> TransactionConfig {
        let (int, long) = (|key: &str| self.settings.int(key), |key: &str| i64::from(self.settings.int(key)));
        TransactionConfig {
            max_timeout_ms: int("transaction.max.timeout.ms"),
            id_expiration_ms: long("transactional.id.expiration.ms"),
            abort_check_interval_ms: long("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            expiry_check_interval_ms: long("transaction.remove.expired.transaction.cleanup.interval.ms"),
            add_partitions_patience_ms: long("add.partitions.to.txn.retry.backoff.max.ms"),
        }
    }

    /// The settings of group coordinators.
    pub(crate) fn group_config(&self) -> GroupConfig {
        let int = |key: &str| self.settings.int(key);
        let of_group = |key: &str| OfGroup {
            default: int(&format!("group.consumer.{key}")),
            min: int(&format!("group.consumer.min.{key}")),
            max: int(&format!("group.consumer.max.{key}")),
        };
        GroupConfig {
            initial_rebalance_delay_ms: int("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms: int("group.min.session.timeout.ms"),
            max_session_timeout_ms: int("group.max.session.timeout.ms"),
            max_size: int("group.max.size"),
            offset_metadata_max_bytes: int("offset.metadata.max.bytes"),
            offsets_retention_ms: self.settings.long("offsets.retention.minutes").saturating_mul(60_000),
            offsets_retention_check_interval_ms: self.settings.long("offsets.retention.check.interval.ms"),
            consumer_max_size: int("group.consumer.max.size"),
            consumer_session_timeout: of_group("session.timeout.ms"),
            consumer_heartbeat_interval: of_group("heartbeat.interval.ms"),
            consumer_assignment_interval: of_group("assignment.interval.ms"),
            consumer_assignors: self
                .settings
                .list("group.consumer.assignors")
                .iter()
                .filter_map(|name| Assignor::from_name(name))
                .collect(),
            consumer_regex_refresh_interval_ms: int("group.consumer.regex.refresh.interval.ms"),
            consumer_migration: Migration::from_name(
                &self.settings.get("group.consumer.migration.policy").unwrap_or_default(),
            ),
        }
    }
}

/// What a listener speaks. A name that the map does not have is a protocol itself, or the controller's, which is plain
/// unless the map says otherwise.
fn protocol(settings: &config::BrokerConfig, listener: &str) -> String {
    let map = settings.list("listener.security.protocol.map");
    let mapped = map.iter().find_map(|pair| pair.split_once(':').filter(|(name, _)| *name == listener));
    let controllers = settings.list("controller.listener.names");
    match mapped {
        Some((_, protocol)) => protocol.trim().to_owned(),
        None if controllers.iter().any(|name| name == listener) => "PLAINTEXT".to_owned(),
        None => listener.to_owned(),
    }
}

fn compression(effective: &Effective<'_>, topic: &str) -> CompressionType {
    let level = |name: &str| effective.topic(topic, name).and_then(|level| level.parse().ok());
    match effective.topic(topic, "compression.type").as_deref() {
        Some("uncompressed") => CompressionType::Codec(Codec::None, None),
        Some("gzip") => CompressionType::Codec(Codec::Gzip, level("compression.gzip.level")),
        Some("snappy") => CompressionType::Codec(Codec::Snappy, None),
        Some("lz4") => CompressionType::Codec(Codec::Lz4, level("compression.lz4.level")),
        Some("zstd") => CompressionType::Codec(Codec::Zstd, level("compression.zstd.level")),
        _ => CompressionType::Producer,
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
