//! The Kafka source's options: names, defaults and refusals are Spark's.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::{OffsetJsonError, Offsets, TopicPartition, offsets_from_json, partitions_from_json, timestamps_from_json};
use crate::limits::MAX_TRIGGER_DELAY_MS;
use crate::time::duration_ms;

/// Whether the source is read once or as a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `spark.read`.
    Batch,
    /// `spark.readStream`.
    Stream,
}

/// What the source reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// These topics, with all partitions they have and get.
    Topics(Vec<String>),
    /// Every topic whose name matches the Java regex as a whole.
    Pattern(String),
    /// Exactly these partitions.
    Assign(BTreeSet<TopicPartition>),
}

impl std::fmt::Display for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topics(topics) => write!(f, "Subscribe[{}]", topics.join(", ")),
            Self::Pattern(pattern) => write!(f, "SubscribePattern[{pattern}]"),
            Self::Assign(partitions) => {
                let listed: Vec<String> = partitions.iter().map(ToString::to_string).collect();
                write!(f, "Assign[{}]", listed.join(", "))
            }
        }
    }
}

impl Subscription {
    /// The source's name in progress reports: `KafkaV2[Subscribe[orders]]`.
    #[must_use]
    pub fn description(&self) -> String {
        format!("KafkaV2[{self}]")
    }
}

/// How a first or last offset is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetRule {
    /// The first offset that there is.
    Earliest,
    /// The end.
    Latest,
    /// These offsets; -2 and -1 stand for earliest and latest.
    Specific(Offsets),
    /// The first record at or after this time, in every partition.
    Timestamp(i64),
    /// The same with a time for each partition.
    ByTimestamp(BTreeMap<TopicPartition, i64>),
}

/// What happens to a partition that has no record at or after the wanted time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNoMatch {
    /// The query fails.
    Error,
    /// It starts at the end.
    Latest,
}

/// The options of one Kafka source, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSourceOptions {
    /// What to read.
    pub subscription: Subscription,
    /// The client's settings: every `kafka.*` option without its prefix.
    pub client: IndexMap<String, String>,
    /// Where to start.
    pub starting: OffsetRule,
    /// Where to end; a stream has no end.
    pub ending: OffsetRule,
    /// What a time without a record means for the start.
    pub on_no_match: OnNoMatch,
    /// Whether lost records fail the query.
    pub fail_on_data_loss: bool,
    /// Whether rows carry a `headers` column.
    pub include_headers: bool,
    /// No more records than this in a batch.
    pub max_offsets_per_trigger: Option<i64>,
    /// No batch below this many records.
    pub min_offsets_per_trigger: Option<i64>,
    /// After this time a batch runs although it is small.
    pub max_trigger_delay_ms: i64,
    /// At least this many tasks.
    pub min_partitions: Option<i64>,
    /// No more records than this in a task.
    pub max_records_per_partition: Option<i64>,
    /// The first part of the group id that Kafka's logs show.
    pub group_id_prefix: String,
    /// How often an offset look-up is tried.
    pub fetch_offset_retries: i32,
    /// The wait between two such tries.
    pub fetch_offset_retry_interval_ms: i64,
    /// How long to wait for records that must be there.
    pub poll_timeout_ms: i64,
}

/// A refused option: Spark's `IllegalArgumentException` with its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No subscription.
    #[error(
        "One of the following options must be specified for Kafka source: subscribe, subscribepattern, assign. See the docs for more details."
    )]
    NoSubscription,
    /// More than one subscription.
    #[error(
        "Only one of the following options can be specified for Kafka source: subscribe, subscribepattern, assign. See the docs for more details."
    )]
    TwoSubscriptions,
    /// `subscribe` names nothing.
    #[error("No topics to subscribe to as specified value for option 'subscribe' is '{0}'")]
    NoTopics(String),
    /// `subscribePattern` is empty.
    #[error("Pattern to subscribe is empty as specified value for option 'subscribePattern' is '{0}'")]
    EmptyPattern(String),
    /// `assign` is not an object.
    #[error("No topicpartitions to assign as specified value for option 'assign' is '{0}'")]
    NoPartitions(String),
    /// `kafka.auto.offset.reset`, which `startingOffsets` replaces.
    #[error(
        "\nKafka option 'auto.offset.reset' is not supported.\nInstead set the source option 'startingoffsets' to 'earliest' or 'latest'\nto specify where to start. Structured Streaming manages which offsets are consumed\ninternally, rather than relying on the kafkaConsumer to do it. This will ensure that no\ndata is missed when new topics/partitions are dynamically subscribed. Note that\n'startingoffsets' only applies when a new Streaming query is started, and\nthat resuming will always pick up from where the query left off. See the docs for more\ndetails.\n"
    )]
    AutoOffsetReset,
    /// `kafka.key.deserializer`.
    #[error(
        "Kafka option 'key.deserializer' is not supported as keys are deserialized as byte arrays with ByteArrayDeserializer. Use DataFrame operations to explicitly deserialize the keys."
    )]
    KeyDeserializer,
    /// `kafka.value.deserializer`.
    #[error(
        "Kafka option 'value.deserializer' is not supported as values are deserialized as byte arrays with ByteArrayDeserializer. Use DataFrame operations to explicitly deserialize the values."
    )]
    ValueDeserializer,
    /// `kafka.key.serializer` on a sink.
    #[error("Kafka option 'key.serializer' is not supported as keys are serialized with ByteArraySerializer.")]
    KeySerializer,
    /// `kafka.value.serializer` on a sink.
    #[error("Kafka option 'value.serializer' is not supported as value are serialized with ByteArraySerializer.")]
    ValueSerializer,
    /// Another `kafka.*` option that the source sets itself.
    #[error("Kafka option '{0}' is not supported")]
    Unsupported(&'static str),
    /// No brokers.
    #[error("Option 'kafka.bootstrap.servers' must be specified for configuring Kafka consumer")]
    NoBootstrapServers,
    /// min above max.
    #[error("The value of minOffsetPerTrigger({min}) is higher than the maxOffsetsPerTrigger({max}).")]
    MinAboveMax {
        /// minOffsetsPerTrigger.
        min: i64,
        /// maxOffsetsPerTrigger.
        max: i64,
    },
    /// `minPartitions` is not positive.
    #[error("minPartitions must be positive")]
    MinPartitions,
    /// `maxRecordsPerPartition` is not positive.
    #[error("maxRecordsPerPartition must be positive")]
    MaxRecordsPerPartition,
    /// An end on a stream.
    #[error("ending offset not valid in streaming queries")]
    EndingOffsetInStream,
    /// An end by time on a stream.
    #[error("ending timestamp not valid in streaming queries")]
    EndingTimestampInStream,
    /// A batch that starts at its end.
    #[error("starting offset can't be latest for batch queries on Kafka")]
    BatchStartsLatest,
    /// The same for one partition.
    #[error("startingOffsets for {0} can't be latest for batch queries on Kafka")]
    BatchPartitionStartsLatest(TopicPartition),
    /// A batch that ends at its start.
    #[error("ending offset can't be earliest for batch queries on Kafka")]
    BatchEndsEarliest,
    /// The same for one partition.
    #[error("ending offset for {0} can't be earliest for batch queries on Kafka")]
    BatchPartitionEndsEarliest(TopicPartition),
    /// A time that is no number.
    #[error("Expected a single long value, got {0}")]
    NotALong(String),
    /// A number, word or duration that does not parse.
    #[error("Invalid value '{value}' for Kafka source option '{name}': {expected} expected")]
    BadValue {
        /// The option.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// JSON of another form than the option wants.
    #[error(transparent)]
    Json(#[from] OffsetJsonError),
}

struct Given(BTreeMap<String, String>);

impl Given {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn long(&self, name: &'static str) -> Result<Option<i64>, OptionError> {
        self.get(name).map(|v| v.trim().parse().map_err(|_| bad(name, v, "a number"))).transpose()
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, OptionError> {
        // Python's str(True) is "True".
        match self.get(name).map(|v| (v, v.trim().to_ascii_lowercase())) {
            None => Ok(default),
            Some((_, word)) if word == "true" => Ok(true),
            Some((_, word)) if word == "false" => Ok(false),
            Some((value, _)) => Err(bad(name, value, "true or false")),
        }
    }
}

fn bad(name: &'static str, value: &str, expected: &'static str) -> OptionError {
    OptionError::BadValue { name, value: value.to_owned(), expected }
}

const SET_BY_SPARK: [&str; 2] = ["enable.auto.commit", "interceptor.classes"];

impl KafkaSourceOptions {
    /// Checks a reader's options; names are taken in any case.
    ///
    /// # Errors
    /// On options that contradict each other, are missing, or do not parse.
    pub fn read<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>, mode: Mode) -> Result<Self, OptionError> {
        let given = Given(options.into_iter().map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect());
        let subscription = subscription(&given)?;
        let positive = |name, error: OptionError| match given.long(name)? {
            Some(n) if n <= 0 => Err(error),
            n => Ok(n),
        };
        let min_partitions = positive("minpartitions", OptionError::MinPartitions)?;
        let max_records_per_partition = positive("maxrecordsperpartition", OptionError::MaxRecordsPerPartition)?;
        let client = client_options(&given)?;
        let max = given.long("maxoffsetspertrigger")?;
        let min = given.long("minoffsetspertrigger")?;
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(OptionError::MinAboveMax { min, max });
        }
        if mode == Mode::Stream {
            if given.get("endingoffsets").is_some() || given.get("endingoffsetsbytimestamp").is_some() {
                return Err(OptionError::EndingOffsetInStream);
            }
            if given.get("endingtimestamp").is_some() {
                return Err(OptionError::EndingTimestampInStream);
            }
        }
        let default_start = if mode == Mode::Stream { OffsetRule::Latest } else { OffsetRule::Earliest };
        let starting =
            rule(&given, ["startingtimestamp", "startingoffsetsbytimestamp", "startingoffsets"], default_start)?;
        let ending =
            rule(&given, ["endingtimestamp", "endingoffsetsbytimestamp", "endingoffsets"], OffsetRule::Latest)?;
        if mode == Mode::Batch {
            batch_bounds(&starting, &ending)?;
        }
        let on_no_match = match given.get("startingoffsetsbytimestampstrategy").map(str::to_ascii_lowercase).as_deref()
        {
            None | Some("error") => OnNoMatch::Error,
            Some("latest") => OnNoMatch::Latest,
            Some(other) => {
                return Err(bad("startingOffsetsByTimestampStrategy", other, "error or latest"));
            }
        };
        let max_trigger_delay_ms = match given.get("maxtriggerdelay") {
            None => MAX_TRIGGER_DELAY_MS,
            Some(text) => duration_ms(text).ok_or_else(|| bad("maxTriggerDelay", text, "a duration"))?,
        };
        let retries = given.long("fetchoffset.numretries")?.unwrap_or(3);
        Ok(Self {
            subscription,
            client,
            starting,
            ending,
            on_no_match,
            fail_on_data_loss: given.flag("failondataloss", true)?,
            include_headers: given.flag("includeheaders", false)?,
            max_offsets_per_trigger: max,
            min_offsets_per_trigger: min,
            max_trigger_delay_ms,
            min_partitions,
            max_records_per_partition,
            group_id_prefix: given.get("groupidprefix").map_or_else(
                || if mode == Mode::Stream { "spark-kafka-source" } else { "spark-kafka-relation" }.to_owned(),
                str::to_owned,
            ),
            fetch_offset_retries: i32::try_from(retries)
                .map_err(|_| bad("fetchOffset.numRetries", &retries.to_string(), "a number"))?,
            fetch_offset_retry_interval_ms: given.long("fetchoffset.retryintervalms")?.unwrap_or(10),
            poll_timeout_ms: given.long("kafkaconsumer.polltimeoutms")?.unwrap_or(120_000),
        })
    }
}

fn subscription(given: &Given) -> Result<Subscription, OptionError> {
    let (topics, pattern, assign) = (given.get("subscribe"), given.get("subscribepattern"), given.get("assign"));
    match (topics, pattern, assign) {
        (None, None, None) => Err(OptionError::NoSubscription),
        (Some(text), None, None) => {
            let topics: Vec<String> =
                text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
            if topics.is_empty() {
                Err(OptionError::NoTopics(text.to_owned()))
            } else {
                Ok(Subscription::Topics(topics))
            }
        }
        (None, Some(text), None) => {
            if text.trim().is_empty() {
                return Err(OptionError::EmptyPattern(text.to_owned()));
            }
            Ok(Subscription::Pattern(text.trim().to_owned()))
        }
        (None, None, Some(text)) => {
            if !text.trim().starts_with('{') {
                return Err(OptionError::NoPartitions(text.to_owned()));
            }
            Ok(Subscription::Assign(partitions_from_json(text)?))
        }
        _ => Err(OptionError::TwoSubscriptions),
    }
}

fn client_options(given: &Given) -> Result<IndexMap<String, String>, OptionError> {
    let has = |name: &str| given.0.contains_key(&format!("kafka.{name}"));
    if has("auto.offset.reset") {
        return Err(OptionError::AutoOffsetReset);
    }
    if has("key.deserializer") {
        return Err(OptionError::KeyDeserializer);
    }
    if has("value.deserializer") {
        return Err(OptionError::ValueDeserializer);
    }
    if let Some(name) = SET_BY_SPARK.into_iter().find(|name| has(name)) {
        return Err(OptionError::Unsupported(name));
    }
    if !has("bootstrap.servers") {
        return Err(OptionError::NoBootstrapServers);
    }
    Ok(without_prefix(given))
}

fn without_prefix(given: &Given) -> IndexMap<String, String> {
    given.0.iter().filter_map(|(k, v)| Some((k.strip_prefix("kafka.")?.to_owned(), v.clone()))).collect()
}

/// The producer's settings of a sink: every `kafka.*` option without its prefix.
///
/// # Errors
/// On the serializers, which the sink sets itself, and without brokers.
pub fn sink_client_options<'a>(
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<IndexMap<String, String>, OptionError> {
    let given = Given(options.into_iter().map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned())).collect());
    let has = |name: &str| given.0.contains_key(&format!("kafka.{name}"));
    if has("key.serializer") {
        return Err(OptionError::KeySerializer);
    }
    if has("value.serializer") {
        return Err(OptionError::ValueSerializer);
    }
    if !has("bootstrap.servers") {
        return Err(OptionError::NoBootstrapServers);
    }
    Ok(without_prefix(&given))
}

fn rule(given: &Given, names: [&'static str; 3], default: OffsetRule) -> Result<OffsetRule, OptionError> {
    let [time, times, offsets] = names;
    if let Some(text) = given.get(time) {
        return Ok(OffsetRule::Timestamp(text.trim().parse().map_err(|_| OptionError::NotALong(text.to_owned()))?));
    }
    if let Some(text) = given.get(times) {
        return Ok(OffsetRule::ByTimestamp(timestamps_from_json(text)?));
    }
    match given.get(offsets).map(str::trim) {
        None => Ok(default),
        Some(word) if word.eq_ignore_ascii_case("earliest") => Ok(OffsetRule::Earliest),
        Some(word) if word.eq_ignore_ascii_case("latest") => Ok(OffsetRule::Latest),
        Some(text) => Ok(OffsetRule::Specific(offsets_from_json(text)?)),
    }
}

fn batch_bounds(starting: &OffsetRule, ending: &OffsetRule) -> Result<(), OptionError> {
    match starting {
        OffsetRule::Latest => return Err(OptionError::BatchStartsLatest),
        OffsetRule::Specific(offsets) => {
            if let Some((at, _)) = offsets.iter().find(|(_, offset)| **offset == super::starting::LATEST) {
                return Err(OptionError::BatchPartitionStartsLatest(at.clone()));
            }
        }
        OffsetRule::Earliest | OffsetRule::Timestamp(_) | OffsetRule::ByTimestamp(_) => {}
    }
    match ending {
        OffsetRule::Earliest => Err(OptionError::BatchEndsEarliest),
        OffsetRule::Specific(offsets) => match offsets.iter().find(|(_, o)| **o == super::starting::EARLIEST) {
            Some((at, _)) => Err(OptionError::BatchPartitionEndsEarliest(at.clone())),
            None => Ok(()),
        },
        OffsetRule::Latest | OffsetRule::Timestamp(_) | OffsetRule::ByTimestamp(_) => Ok(()),
    }
}
