//! `kafka-console-producer`: a record for each line of standard input (`org.apache.kafka.tools.ConsoleProducer`).

mod line_reader;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use andiron_client::producer::Header;
use andiron_client::{ProduceError, ProducerRecord, RecordMetadata};

use super::failure::{Stop, Thrown};
use super::lines;
use super::options::{Given, Spec, flag, maybe_value, value};
use super::pairs::{key_values, merge};
use super::print::{complain, log_error, say};
use super::sending::{OnTheirWay, producer};
use super::session::{block_on, load_properties, with};
use line_reader::{Line, LineReader};

const LOGGER: &str = "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback";
const READER: &str = "org.apache.kafka.tools.LineMessageReader";

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    json: false,
    flags: &[
        value("topic", "topic", "REQUIRED: the topic to write to."),
        value("bootstrap-server", "host:port,...", "REQUIRED: where the cluster is."),
        flag("sync", "Wait for each record before the next is sent."),
        maybe_value("compression-codec", "codec", "none, gzip, snappy, lz4 or zstd; gzip if it is not named."),
        value("batch-size", "bytes", "batch.size (16384)."),
        value("message-send-max-retries", "number", "retries (3)."),
        value("retry-backoff-ms", "ms", "retry.backoff.ms (100)."),
        value("timeout", "ms", "linger.ms (1000)."),
        value("request-required-acks", "acks", "acks (-1)."),
        value("request-timeout-ms", "ms", "request.timeout.ms (1500)."),
        value("metadata-expiry-ms", "ms", "metadata.max.age.ms (300000)."),
        value("max-block-ms", "ms", "max.block.ms (60000)."),
        value("max-memory-bytes", "bytes", "buffer.memory (33554432)."),
        value("max-partition-memory-bytes", "bytes", "Deprecated: --batch-size."),
        value("line-reader", "class", "What makes records of lines; only LineMessageReader is there."),
        value("socket-buffer-size", "bytes", "send.buffer.bytes (102400)."),
        value("property", "name=value", "Deprecated: --reader-property."),
        value(
            "reader-property",
            "name=value",
            "parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, ignore.error, null.marker.",
        ),
        value("reader-config", "file", "A file with such properties."),
        value("producer-property", "name=value", "Deprecated: --command-property."),
        value("command-property", "name=value", "A property of the producer."),
        value("producer.config", "file", "Deprecated: --command-config."),
        value("command-config", "file", "A file with properties of the producer."),
    ],
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let settings = match prepare(args) {
        Ok(settings) => settings,
        Err(Stop::Exit(code)) => return code,
        Err(Stop::Usage(sentence)) => return SPEC.usage(&sentence),
        Err(Stop::Thrown(thrown)) => {
            thrown.print_trace();
            return 1;
        }
    };
    let done = block_on(produce(settings)).and_then(|done| done);
    match done {
        Ok(()) => 0,
        Err(thrown) => {
            thrown.print_trace();
            1
        }
    }
}

/// What the command line comes to.
struct Settings {
    topic: String,
    sync: bool,
    reader: BTreeMap<String, String>,
    producer: Vec<(String, String)>,
}

fn prepare(args: &[String]) -> Result<Settings, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
    SPEC.begin(&given)?;
    given.require(&["topic"])?;
    let alternatives = [
        ("command-config", "producer.config"),
        ("command-property", "producer-property"),
        ("reader-property", "property"),
    ];
    for (new, old) in alternatives {
        if given.has(new) && given.has(old) {
            return Err(Stop::Usage(format!("Options --{new} and --{old} cannot be specified together.")));
        }
    }
    for (new, old) in [
        ("command-property", "producer-property"),
        ("command-config", "producer.config"),
        ("reader-property", "property"),
    ] {
        if given.has(old) {
            say(format_args!(
                "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            ));
        }
    }
    if given.has("max-partition-memory-bytes") {
        say(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.",
        );
    }
    super::session::valid_servers(given.one("bootstrap-server")?.unwrap_or_default())?;
    settings(&given).map_err(Stop::Thrown)
}

fn settings(given: &Given) -> Result<Settings, Thrown> {
    let class = given.one("line-reader")?.unwrap_or(READER);
    if class != READER {
        return Err(Thrown::new("java.lang.ClassNotFoundException", class));
    }
    let topic = given.one("topic")?.unwrap_or_default().to_owned();
    let mut reader = BTreeMap::new();
    if let Some(file) = given.one("reader-config")? {
        reader.extend(load_properties(file)?);
    }
    reader.insert("topic".to_owned(), topic.clone());
    reader.extend(key_values(either(given, "reader-property", "property")));
    LineReader::new(&reader)?;
    Ok(Settings { topic, sync: given.has("sync"), reader, producer: producer_properties(given)? })
}

fn either<'g>(given: &'g Given, new: &str, old: &str) -> &'g [String] {
    given.all(if given.has(old) { old } else { new })
}

fn producer_properties(given: &Given) -> Result<Vec<(String, String)>, Thrown> {
    let file = given.one(if given.has("producer.config") { "producer.config" } else { "command-config" })?;
    let mut properties = file.map_or_else(|| Ok(Vec::new()), load_properties)?;
    for (name, value) in key_values(either(given, "command-property", "producer-property")) {
        properties = with(properties, &name, &value);
    }
    properties = with(properties, "bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default());
    let codec = match given.one("compression-codec")? {
        _ if !given.has("compression-codec") => "none",
        None | Some("") => "gzip",
        Some(codec) => codec,
    };
    properties = with(properties, "compression.type", codec);
    if !properties.iter().any(|(name, _)| name == "client.id") {
        properties = with(properties, "client.id", "console-producer");
    }
    for (name, option, default) in [
        ("linger.ms", "timeout", 1_000),
        ("request.timeout.ms", "request-timeout-ms", 1_500),
        ("retries", "message-send-max-retries", 3),
        ("retry.backoff.ms", "retry-backoff-ms", 100),
        ("send.buffer.bytes", "socket-buffer-size", 102_400),
        ("buffer.memory", "max-memory-bytes", 32 << 20),
        ("batch.size", "batch-size", 16_384),
        ("batch.size", "max-partition-memory-bytes", 16_384),
        ("metadata.max.age.ms", "metadata-expiry-ms", 300_000),
        ("max.block.ms", "max-block-ms", 60_000),
    ] {
        let value = given.long(option)?.unwrap_or(default);
        properties = merge(properties, name, given.has(option), &value.to_string());
    }
    let acks = given.one("request-required-acks")?.unwrap_or("-1");
    Ok(merge(properties, "acks", given.has("request-required-acks"), acks))
}

async fn produce(settings: Settings) -> Result<(), Thrown> {
    let mut reader = LineReader::new(&settings.reader)?;
    let producer = producer(settings.producer)?;
    let mut lines = lines::read_ahead(std::io::stdin(), prompt);
    let mut on_their_way = OnTheirWay::default();
    let mut outcome = Ok(());
    while let Some(line) = lines.recv().await {
        let line = line.map_err(|error| Thrown::new("org.apache.kafka.common.KafkaException", error.to_string()));
        let line = match line.and_then(|line| reader.read(&line)) {
            Ok(line) => line,
            Err(thrown) => {
                outcome = Err(thrown);
                break;
            }
        };
        let sizes = (line.key.as_ref().map(String::len), line.value.as_ref().map(String::len));
        let sent = send(&producer, &settings.topic, &line).await;
        match sent {
            Ok(delivery) if settings.sync => {
                if let Err(error) = delivery.wait().await {
                    outcome = Err(Thrown::from(error).within("java.util.concurrent.ExecutionException"));
                    break;
                }
            }
            Ok(delivery) => {
                on_their_way.add(delivery, sizes);
                on_their_way.arrived(|outcome, sizes| tell(&settings.topic, outcome, sizes));
            }
            Err(thrown) if settings.sync => {
                outcome = Err(thrown.within("java.util.concurrent.ExecutionException"));
                break;
            }
            Err(thrown) => failed(&settings.topic, sizes, &thrown),
        }
    }
    // What was sent is still delivered, whatever came after it.
    let _ = producer.flush().await;
    on_their_way.all(|outcome, sizes| tell(&settings.topic, outcome, sizes)).await;
    outcome
}

async fn send(
    producer: &andiron_client::Producer,
    topic: &str,
    line: &Line,
) -> Result<andiron_client::Delivery, Thrown> {
    let headers: Vec<Header<'_>> =
        line.headers.iter().map(|(key, value)| Header { key, value: value.as_deref().map(str::as_bytes) }).collect();
    let record = ProducerRecord {
        topic,
        key: line.key.as_deref().map(str::as_bytes),
        value: line.value.as_deref().map(str::as_bytes),
        headers: &headers,
        ..ProducerRecord::default()
    };
    Ok(producer.send(&record).await?)
}

type Sizes = (Option<usize>, Option<usize>);

fn tell(topic: &str, outcome: Result<RecordMetadata, ProduceError>, sizes: Sizes) {
    if let Err(error) = outcome {
        failed(topic, sizes, &error.into());
    }
}

fn failed(topic: &str, (key, value): Sizes, thrown: &Thrown) {
    let size = |bytes: Option<usize>| bytes.map_or("null".to_owned(), |bytes| format!("{bytes} bytes"));
    let (key, value) = (size(key), size(value));
    let text = format!("Error when sending message to topic {topic} with key: {key}, value: {value} with error:");
    log_error(LOGGER, text);
    complain(thrown.trace());
}

/// Only who sits at a terminal is asked.
fn prompt() {
    let mut out = std::io::stdout();
    if std::io::stdin().is_terminal() && out.is_terminal() {
        let _ = out.write_all(b">").and_then(|()| out.flush());
    }
}
