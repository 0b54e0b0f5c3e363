//! `kafka-console-consumer`: records on standard output (`org.apache.kafka.tools.consumer.ConsoleConsumer`).

mod deserializer;
mod formatter;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

use andiron_client::{Consumer, ConsumerRecord, TopicPartition};

use super::consuming::{close, consumer};
use super::failure::{Stop, Thrown};
use super::options::{Given, Spec, flag, value};
use super::pairs::{key_values, merge};
use super::print::{complain, log_error, say};
use super::session::{block_on, load_properties, with};
use super::signals::stopped;
use formatter::Formatter;

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// Without `--timeout-ms`; a point in time must still be found behind it.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
const FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    json: false,
    flags: &[
        value("topic", "topic", "The topic to read."),
        value("include", "regex", "The topics to read."),
        value("partition", "number", "The only partition to read, from its end unless --offset says else."),
        value("offset", "offset", "Where to begin: a number, earliest or latest (latest)."),
        value("consumer-property", "name=value", "Deprecated: --command-property."),
        value("command-property", "name=value", "A property of the consumer."),
        value("consumer.config", "file", "Deprecated: --command-config."),
        value("command-config", "file", "A file with properties of the consumer."),
        value("formatter", "class", "How records are printed: one of Kafka's own formatters."),
        value("property", "name=value", "Deprecated: --formatter-property."),
        value(
            "formatter-property",
            "name=value",
            "print.timestamp, print.key, print.offset, print.delivery, print.epoch, print.partition, print.headers, print.value, key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer, headers.deserializer.",
        ),
        value("formatter-config", "file", "A file with such properties."),
        flag("from-beginning", "Begin with the first record where no offset is committed."),
        value("max-messages", "number", "End after so many records."),
        value("timeout-ms", "ms", "End when no record came for so long."),
        flag("skip-message-on-error", "Go on behind a record that cannot be printed."),
        value("bootstrap-server", "host:port,...", "REQUIRED: where the cluster is."),
        value("key-deserializer", "class", "What keys are: one of Kafka's own deserializers."),
        value("value-deserializer", "class", "What values are."),
        flag("enable-systest-events", "Print when the consumer has shut down."),
        value("isolation-level", "level", "read_committed or read_uncommitted (read_uncommitted)."),
        value("group", "id", "The consumer group."),
    ],
};

/// Where a partition is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Earliest,
    Latest,
    Offset(i64),
}

/// What is read.
#[derive(Debug)]
enum What {
    Topic(String),
    Pattern(String),
    Partition(TopicPartition, Start),
}

/// What the command line comes to.
struct Settings {
    what: What,
    properties: Vec<(String, String)>,
    formatter: Formatter,
    max_messages: i64,
    timeout: Duration,
    skip_errors: bool,
    events: bool,
}

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let settings = match prepare(args) {
        Ok(settings) => settings,
        Err(Stop::Exit(code)) => return code,
        Err(Stop::Usage(sentence)) => return SPEC.usage(&sentence),
        Err(Stop::Thrown(thrown)) => return thrown.uncaught(),
    };
    let events = settings.events;
    let code = match block_on(consume(settings)).and_then(|done| done) {
        Ok(code) => code,
        Err(thrown) => {
            log_error(LOGGER, "Unknown error when running consumer: ");
            complain(thrown.trace());
            1
        }
    };
    if events {
        say("shutdown_complete");
    }
    code
}

fn prepare(args: &[String]) -> Result<Settings, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
    SPEC.begin(&given)?;
    given.exactly_one(&["topic", "include"])?;
    let partition = given.int("partition")?;
    let from_beginning = given.has("from-beginning");
    let usage = |sentence: &str| Err(Stop::Usage(sentence.to_owned()));
    if partition.is_some() {
        if !given.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if from_beginning && given.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if given.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    given.require(&["bootstrap-server"])?;
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if given.has(old) && given.has(new) {
            return Err(Stop::Usage(format!("Options --{old} and --{new} cannot be specified together.")));
        }
    }
    for (old, new) in [("consumer-property", "command-property"), ("consumer.config", "command-config")] {
        if given.has(old) {
            say(format_args!(
                "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
    let properties = consumer_properties(&given, partition.is_some())?;
    let from = offset(&given)?;
    let timeout = given.long("timeout-ms")?.filter(|ms| *ms >= 0);
    let timeout = timeout.map_or(FOREVER, |ms| Duration::from_millis(ms.unsigned_abs()).min(FOREVER));
    let formatter = formatter(&given)?;
    let topic = given.one("topic")?.unwrap_or_default().to_owned();
    let what = match (partition, given.one("include")?) {
        (Some(partition), _) => What::Partition(TopicPartition::new(topic, partition), from),
        (None, Some(pattern)) => What::Pattern(pattern.to_owned()),
        (None, None) => What::Topic(topic),
    };
    Ok(Settings {
        what,
        properties,
        formatter,
        max_messages: given.int("max-messages")?.map_or(-1, i64::from),
        timeout,
        skip_errors: given.has("skip-message-on-error"),
        events: given.has("enable-systest-events"),
    })
}

fn consumer_properties(given: &Given, assigned: bool) -> Result<Vec<(String, String)>, Stop> {
    let file = given.one(if given.has("consumer.config") { "consumer.config" } else { "command-config" })?;
    let of_file = file.map_or_else(|| Ok(Vec::new()), load_properties)?;
    let option = if given.has("consumer-property") { "consumer-property" } else { "command-property" };
    let extra = key_values(given.all(option));
    let group_of = |pairs: &[(String, String)]| {
        pairs.iter().rev().find(|(name, _)| name == "group.id").map(|(_, group)| group.clone())
    };
    let places = [given.one("group")?.map(str::to_owned), group_of(&of_file), group_of(&extra)];
    let mut groups: Vec<String> = places.into_iter().flatten().collect();
    groups.sort();
    groups.dedup();
    if groups.len() > 1 {
        let groups: Vec<String> = super::java::in_hash_order(groups).iter().map(|group| format!("'{group}'")).collect();
        return Err(Stop::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: {}",
            groups.join(", ")
        )));
    }
    if !groups.is_empty() && assigned {
        return Err(Stop::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    let mut properties = of_file;
    for (name, value) in extra {
        properties = with(properties, &name, &value);
    }
    properties = offset_reset(given, properties)?;
    properties = with(properties, "bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default());
    let has = |properties: &[(String, String)], name: &str| properties.iter().any(|(known, _)| known == name);
    if !has(&properties, "client.id") {
        properties = with(properties, "client.id", "console-consumer");
    }
    let isolation = given.one("isolation-level")?.unwrap_or("read_uncommitted");
    properties = merge(properties, "isolation.level", given.has("isolation-level"), isolation);
    if let Some(group) = groups.pop() {
        return Ok(with(properties, "group.id", &group));
    }
    let number = andiron_protocol::Uuid::new_v4().as_u128() % 100_000;
    properties = with(properties, "group.id", &format!("console-consumer-{number}"));
    if !has(&properties, "enable.auto.commit") {
        properties = with(properties, "enable.auto.commit", "false");
    }
    Ok(properties)
}

fn offset_reset(given: &Given, properties: Vec<(String, String)>) -> Result<Vec<(String, String)>, Stop> {
    let from_beginning = given.has("from-beginning");
    match properties.iter().find(|(name, _)| name == "auto.offset.reset") {
        Some((_, reset)) if from_beginning && reset != "earliest" => {
            complain(format_args!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            ));
            Err(Stop::Exit(1))
        }
        Some(_) => Ok(properties),
        None => Ok(with(properties, "auto.offset.reset", if from_beginning { "earliest" } else { "latest" })),
    }
}

fn offset(given: &Given) -> Result<Start, Stop> {
    let Some(text) = given.one("offset")? else {
        return Ok(if given.has("from-beginning") { Start::Earliest } else { Start::Latest });
    };
    match (text.to_lowercase().as_str(), text.parse::<i64>()) {
        ("earliest", _) => Ok(Start::Earliest),
        ("latest", _) => Ok(Start::Latest),
        (_, Ok(offset)) if offset >= 0 => Ok(Start::Offset(offset)),
        _ => Err(Stop::Usage(format!(
            "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
        ))),
    }
}

fn formatter(given: &Given) -> Result<Formatter, Stop> {
    let class = given.one("formatter")?.unwrap_or(FORMATTER);
    // Whether the class is there is asked before anything else.
    Formatter::new(class, &BTreeMap::new()).map_err(Stop::Usage)?;
    if given.has("formatter-property") && given.has("property") {
        return Err(Stop::Usage(
            "Options --property and --formatter-property cannot be specified together.".to_owned(),
        ));
    }
    if given.has("property") {
        say(
            "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead.",
        );
    }
    let mut properties: BTreeMap<String, String> = BTreeMap::new();
    if let Some(file) = given.one("formatter-config")? {
        let read = load_properties(file).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
        properties.extend(read);
    }
    for (option, name) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) = given.one(option)?.filter(|class| !class.is_empty()) {
            properties.insert(name.to_owned(), class.to_owned());
        }
    }
    properties.extend(key_values(given.all(if given.has("property") { "property" } else { "formatter-property" })));
    Formatter::new(class, &properties).map_err(Stop::Usage)
}

async fn consume(settings: Settings) -> Result<u8, Thrown> {
    let mut consumer = consumer(settings.properties.clone())?;
    let protocol = settings.properties.iter().find(|(name, _)| name == "group.protocol");
    let classic = protocol.is_none_or(|(_, protocol)| protocol.eq_ignore_ascii_case("classic"));
    if classic && !matches!(settings.what, What::Partition(..)) {
        complain(
            "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol",
        );
    }
    match &settings.what {
        What::Topic(topic) => consumer.subscribe([topic.as_str()]).await?,
        What::Pattern(pattern) => consumer.subscribe_pattern(pattern)?,
        What::Partition(partition, start) => seek(&mut consumer, partition, *start).await?,
    }
    let mut printing = Printing { settings: &settings, received: VecDeque::new(), printed: 0 };
    let done = tokio::select! {
        done = printing.print_all(&mut consumer) => done.map(|()| 0),
        code = stopped() => Ok(code),
    };
    printing.give_back(&mut consumer);
    close(consumer).await;
    complain(format_args!("Processed a total of {} messages", printing.printed));
    done
}

async fn seek(consumer: &mut Consumer, partition: &TopicPartition, start: Start) -> Result<(), Thrown> {
    let all = [partition.clone()];
    consumer.assign(&all).await?;
    match start {
        Start::Earliest => consumer.seek_to_beginning(&all)?,
        Start::Latest => consumer.seek_to_end(&all)?,
        Start::Offset(offset) => consumer.seek(partition, offset)?,
    }
    Ok(())
}

/// The records on their way to the output.
struct Printing<'a> {
    settings: &'a Settings,
    received: VecDeque<ConsumerRecord>,
    printed: i64,
}

impl Printing<'_> {
    async fn print_all(&mut self, consumer: &mut Consumer) -> Result<(), Thrown> {
        let mut out = BufWriter::new(io::stdout());
        let settings = self.settings;
        while self.printed < settings.max_messages || settings.max_messages == -1 {
            if self.received.is_empty() && (out.flush().is_err() || !self.receive(consumer).await) {
                break;
            }
            let Some(record) = self.received.pop_front() else { continue };
            self.printed += 1;
            if let Err(thrown) = settings.formatter.write(&record, &mut out) {
                if !settings.skip_errors {
                    let _ = out.flush();
                    return Err(thrown);
                }
                log_error(LOGGER, "Error processing message, skipping this message: ");
                complain(thrown.trace());
            }
        }
        if out.flush().is_err() {
            complain("Unable to write to standard out, closing consumer.");
        }
        Ok(())
    }

    /// Waits for records; false when it is time to end.
    async fn receive(&mut self, consumer: &mut Consumer) -> bool {
        let began = Instant::now();
        loop {
            let thrown = match consumer.poll(self.settings.timeout).await {
                Ok(records) if !records.is_empty() => {
                    self.received.extend(records);
                    return true;
                }
                Ok(_) if began.elapsed() <= self.settings.timeout => continue,
                // Where an exception is logged, log4j says so when it has no message.
                Ok(_) => Thrown::new("org.apache.kafka.common.errors.TimeoutException", "null"),
                Err(error) => error.into(),
            };
            log_error(LOGGER, "Error processing message, terminating consumer process: ");
            complain(thrown.trace());
            return false;
        }
    }

    /// What was received and not printed is not to be committed.
    fn give_back(&mut self, consumer: &mut Consumer) {
        let mut first: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for record in self.received.drain(..) {
            first.entry(record.partition).or_insert(record.offset);
        }
        for (partition, offset) in first {
            // A partition that went to another member meanwhile is no longer ours to seek in.
            let _ = consumer.seek(&partition, offset);
        }
    }
}
