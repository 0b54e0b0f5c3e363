//! The client's properties: the names, defaults and complaints of Kafka's Java clients, as one typed value.
//!
//! One struct serves producer, consumer and admin, for Spark hands its `kafka.*` options to all three. A name that the
//! Java clients know and this client has no use for is kept silently; one that nobody knows is kept and warned about.

mod consumer;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use andiron_protocol::compression::Codec;

use crate::limits::IDEMPOTENT_IN_FLIGHT_MAX;
use crate::transport::{Address, TcpOptions};
pub use consumer::{ConsumerConfig, GroupProtocol, OffsetReset};
use parse::Given;

/// Why properties do not make a client; the text is that of Java's `ConfigException`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that the property's type or range does not allow.
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        /// The property.
        name: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A property without which there is no client.
    #[error("Missing required configuration \"{0}\" which has no default value.")]
    Missing(&'static str),
    /// An address in `bootstrap.servers` that is none.
    #[error("Invalid {what} in bootstrap.servers: {entry}")]
    Bootstrap {
        /// `url` or `port`.
        what: &'static str,
        /// The entry as given.
        entry: String,
    },
    /// Properties that are right one by one and wrong together.
    #[error("{0}")]
    Conflict(String),
}

/// How many replicas must have a record before the leader answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// None: the request is not even answered.
    None,
    /// The leader's.
    Leader,
    /// All in sync.
    All,
}

impl Acks {
    /// The number in the Produce request.
    pub fn wire(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Which records a consumer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Isolation {
    /// All up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions and those outside of any, up to the last stable offset.
    ReadCommitted,
}

impl Isolation {
    /// The number in Fetch and ListOffsets requests.
    pub fn wire(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

/// `compression.type` with the level of its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// The codec's own scale; `None` for its default.
    pub level: Option<i32>,
}

/// `partitioner.class` and its companions: how a record without a partition finds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's default since KIP-794: murmur2 of the key; without a key a partition until `batch.size` bytes went there.
    BuiltIn {
        /// `partitioner.adaptive.partitioning.enable`: prefer partitions whose queues are short.
        adaptive: bool,
        /// `partitioner.availability.timeout.ms`: avoid partitions that took nothing for so long; 0 never does.
        availability_timeout_ms: i64,
        /// `partitioner.ignore.keys`.
        ignore_keys: bool,
    },
    /// `org.apache.kafka.clients.producer.RoundRobinPartitioner`: each record the next partition, whatever its key.
    RoundRobin,
}

/// The client's properties, parsed. Times are in the unit of their names.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// `bootstrap.servers`.
    pub bootstrap: Vec<Address>,
    /// `client.id`, `andiron` if not given.
    pub client_id: String,
    /// `client.rack`.
    pub client_rack: String,
    /// `request.timeout.ms`: how long one answer is waited for.
    pub request_timeout_ms: i32,
    /// `default.api.timeout.ms`: how long one call may take with all its retries.
    pub default_api_timeout_ms: i32,
    /// `metadata.max.age.ms`.
    pub metadata_max_age_ms: i64,
    /// `retries`.
    pub retries: i32,
    /// `retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max_ms: i64,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff_ms: i64,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max_ms: i64,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout_ms: i64,
    /// `connections.max.idle.ms`; negative for never.
    pub connections_max_idle_ms: i64,
    /// `send.buffer.bytes`; -1 for the system's.
    pub send_buffer_bytes: i32,
    /// `receive.buffer.bytes`; -1 for the system's.
    pub receive_buffer_bytes: i32,
    /// `allow.auto.create.topics`.
    pub allow_auto_create_topics: bool,
    /// `exclude.internal.topics`.
    pub exclude_internal_topics: bool,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait_ms: i32,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: i32,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `isolation.level`.
    pub isolation: Isolation,
    /// `acks`.
    pub acks: Acks,
    /// `linger.ms`.
    pub linger_ms: i64,
    /// `batch.size`.
    pub batch_size: i32,
    /// `buffer.memory`.
    pub buffer_memory: i64,
    /// `max.block.ms`.
    pub max_block_ms: i64,
    /// `delivery.timeout.ms`.
    pub delivery_timeout_ms: i32,
    /// `max.request.size`.
    pub max_request_size: i32,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: i32,
    /// `enable.idempotence`, false when other settings rule it out and it was not asked for.
    pub idempotence: bool,
    /// `compression.type` and its level.
    pub compression: Compression,
    /// `partitioner.class`, null for the built-in one.
    pub partitioner: Partitioner,
    /// `transactional.id`.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`.
    pub transaction_timeout_ms: i32,
    /// What only a consumer has.
    pub consumer: ConsumerConfig,
    /// Everything that was given, as it was given, unknown names included.
    pub originals: BTreeMap<String, String>,
    /// The names that no Kafka client knows.
    pub unknown: Vec<String>,
}

impl ClientConfig {
    /// Parses properties; the first that is wrong is the error. Unknown names are logged once, here.
    pub fn from_properties<K: Into<String>, V: Into<String>>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<ClientConfig, ConfigError> {
        let originals: BTreeMap<String, String> = properties.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        let mut given = Given::new(&originals);
        given.check_security()?;
        let codec = given.codec("compression.type", Codec::None)?;
        let levels = [
            (Codec::Gzip, given.gzip_level()?),
            (Codec::Lz4, given.level("compression.lz4.level", 1, 17)?),
            (Codec::Zstd, given.level("compression.zstd.level", -131_072, 22)?),
        ];
        let compression =
            Compression { codec, level: levels.iter().find(|(of, _)| *of == codec).and_then(|(_, level)| *level) };
        let mut config = ClientConfig {
            bootstrap: given.bootstrap()?,
            client_id: given.text("client.id").filter(|id| !id.is_empty()).unwrap_or("andiron").to_owned(),
            client_rack: given.text("client.rack").unwrap_or("").to_owned(),
            request_timeout_ms: given.int("request.timeout.ms", 30_000, 0)?,
            default_api_timeout_ms: given.int("default.api.timeout.ms", 60_000, 0)?,
            metadata_max_age_ms: given.long("metadata.max.age.ms", 300_000, 0)?,
            retries: given.int("retries", i32::MAX, 0)?,
            retry_backoff_ms: given.long("retry.backoff.ms", 100, 0)?,
            retry_backoff_max_ms: given.long("retry.backoff.max.ms", 1_000, 0)?,
            reconnect_backoff_ms: given.long("reconnect.backoff.ms", 50, 0)?,
            reconnect_backoff_max_ms: given.long("reconnect.backoff.max.ms", 1_000, 0)?,
            connection_setup_timeout_ms: given.long("socket.connection.setup.timeout.ms", 10_000, i64::MIN)?,
            connections_max_idle_ms: given.long("connections.max.idle.ms", 540_000, i64::MIN)?,
            send_buffer_bytes: given.int("send.buffer.bytes", 131_072, -1)?,
            receive_buffer_bytes: given.int("receive.buffer.bytes", 65_536, -1)?,
            allow_auto_create_topics: given.boolean("allow.auto.create.topics", true)?,
            exclude_internal_topics: given.boolean("exclude.internal.topics", true)?,
            fetch_min_bytes: given.int("fetch.min.bytes", 1, 0)?,
            fetch_max_bytes: given.int("fetch.max.bytes", 52_428_800, 0)?,
            fetch_max_wait_ms: given.int("fetch.max.wait.ms", 500, 0)?,
            max_partition_fetch_bytes: given.int("max.partition.fetch.bytes", 1_048_576, 0)?,
            check_crcs: given.boolean("check.crcs", true)?,
            isolation: match given.one_of(
                "isolation.level",
                &["read_committed", "read_uncommitted"],
                "read_uncommitted",
            )? {
                "read_committed" => Isolation::ReadCommitted,
                _ => Isolation::ReadUncommitted,
            },
            acks: match given.one_of("acks", &["all", "-1", "0", "1"], "all")? {
                "0" => Acks::None,
                "1" => Acks::Leader,
                _ => Acks::All,
            },
            linger_ms: given.long("linger.ms", 5, 0)?,
            batch_size: given.int("batch.size", 16_384, 0)?,
            buffer_memory: given.long("buffer.memory", 33_554_432, 0)?,
            max_block_ms: given.long("max.block.ms", 60_000, 0)?,
            delivery_timeout_ms: given.int("delivery.timeout.ms", 120_000, 0)?,
            max_request_size: given.int("max.request.size", 1_048_576, 0)?,
            max_in_flight: given.int("max.in.flight.requests.per.connection", 5, 1)?,
            idempotence: given.boolean("enable.idempotence", true)?,
            compression,
            partitioner: given.partitioner()?,
            transactional_id: match given.text("transactional.id") {
                Some("") => return Err(parse::invalid("transactional.id", "", "String must be non-empty")),
                id => id.map(str::to_owned),
            },
            transaction_timeout_ms: given.int("transaction.timeout.ms", 60_000, i32::MIN)?,
            consumer: ConsumerConfig::parse(&mut given)?,
            unknown: Vec::new(),
            originals: BTreeMap::new(),
        };
        config.settle_idempotence(&given)?;
        config.settle_delivery_timeout(&given)?;
        config.unknown = given.unknown();
        for name in &config.unknown {
            tracing::warn!("The configuration '{name}' was supplied but isn't a known config.");
        }
        config.originals = originals;
        Ok(config)
    }

    /// The defaults of everything, for the given `bootstrap.servers`.
    pub fn for_bootstrap(servers: &str) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_properties([("bootstrap.servers", servers)])
    }

    /// Idempotence is on by default and yields silently to settings that rule it out, unless it was asked for by name.
    fn settle_idempotence(&mut self, given: &Given<'_>) -> Result<(), ConfigError> {
        if !self.idempotence {
            return Ok(());
        }
        let in_flight = self.max_in_flight;
        let hindrance = if self.retries == 0 {
            "Must set retries to non-zero when using the idempotent producer.".to_owned()
        } else if self.acks != Acks::All {
            "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."
                .to_owned()
        } else if in_flight > IDEMPOTENT_IN_FLIGHT_MAX as i32 {
            format!(
                "To use the idempotent producer, max.in.flight.requests.per.connection must be set to at most {IDEMPOTENT_IN_FLIGHT_MAX}. Current value is {in_flight}."
            )
        } else {
            return Ok(());
        };
        // Too many in flight is refused even when idempotence is on by default only: so does Java's since 4.0.
        if given.has("enable.idempotence") || in_flight > IDEMPOTENT_IN_FLIGHT_MAX as i32 {
            return Err(ConfigError::Conflict(hindrance));
        }
        tracing::info!("Idempotence will be disabled. {hindrance}");
        self.idempotence = false;
        Ok(())
    }

    fn settle_delivery_timeout(&mut self, given: &Given<'_>) -> Result<(), ConfigError> {
        let least = self.linger_ms.saturating_add(i64::from(self.request_timeout_ms)).min(i64::from(i32::MAX)) as i32;
        if self.delivery_timeout_ms < least {
            if given.has("delivery.timeout.ms") {
                return Err(ConfigError::Conflict(
                    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms".to_owned(),
                ));
            }
            self.delivery_timeout_ms = least;
        }
        Ok(())
    }

    /// What the TCP transport needs of this.
    pub fn tcp_options(&self) -> TcpOptions {
        TcpOptions {
            connect_timeout: Duration::from_millis(self.connection_setup_timeout_ms.max(1).unsigned_abs()),
            send_buffer_bytes: u32::try_from(self.send_buffer_bytes).ok(),
            receive_buffer_bytes: u32::try_from(self.receive_buffer_bytes).ok(),
        }
    }
}
