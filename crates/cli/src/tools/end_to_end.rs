//! `kafka-e2e-latency`: how long a record takes from a producer to a consumer (`org.apache.kafka.tools.EndToEndLatency`).

use std::time::{Duration, Instant};

use andiron_client::admin::NewTopic;
use andiron_client::{
    Client, ClientConfig, Consumer, ConsumerRecord, Header, Producer, ProducerRecord, TopicPartition, Topics,
};
use andiron_protocol::schema::Json;
use bytes::Bytes;

use super::clock::now_ms;
use super::consuming::{close, consumer};
use super::failure::{Stop, Thrown};
use super::java_format::fixed;
use super::java_random::JavaRandom;
use super::options::{Given, Spec, maybe_value, value};
use super::print::{complain, say};
use super::sending::producer;
use super::session::{block_on, load_properties, with};

const POLL: Duration = Duration::from_secs(60);
const REQUIRED: &[&str] = &["bootstrap-server", "topic", "num-records", "producer-acks", "record-size"];

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-e2e-latency",
    about: "This tool measures end-to-end latency in Kafka by sending messages and timing their reception.",
    json: false,
    flags: &[
        value("bootstrap-server", "host:port,...", "REQUIRED: where the cluster is."),
        value("topic", "topic", "REQUIRED: the topic to write to and read from; made if it is not there."),
        value("num-records", "number", "REQUIRED: how many records."),
        value("producer-acks", "acks", "REQUIRED: 1 or all."),
        value("record-size", "bytes", "REQUIRED: bytes of each value."),
        maybe_value("record-key-size", "bytes", "Bytes of each key (0)."),
        maybe_value("record-header-key-size", "bytes", "Bytes of the name of each header (0)."),
        maybe_value("record-header-size", "bytes", "Bytes of the value of each header, -1 for none (0)."),
        maybe_value("num-headers", "number", "Headers of each record (0)."),
        maybe_value("command-config", "file", "A file with properties of all clients."),
    ],
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let args = match by_name(args) {
        Ok(args) => args,
        Err(sentence) => {
            complain(sentence);
            return 1;
        }
    };
    let done = prepare(&args).and_then(|asked| block_on(measure(&asked)).and_then(|done| done).map_err(Stop::Thrown));
    match done {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Usage(sentence)) => SPEC.usage(&sentence),
        Err(Stop::Thrown(thrown)) => {
            complain(thrown.text());
            complain(thrown.trace());
            1
        }
    }
}

/// Before Kafka 4.2 the words stood for themselves, by their place.
fn by_name(args: &[String]) -> Result<Vec<String>, String> {
    let named = |word: &String| word.strip_prefix("--").is_some_and(|name| REQUIRED.contains(&name));
    if args.is_empty() || args.iter().any(named) {
        return Ok(args.to_vec());
    }
    if !(5..=6).contains(&args.len()) {
        return Err(format!(
            "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: bootstrap-server topic num-records producer-acks record-size [optional] command-config",
            args.len()
        ));
    }
    say(
        "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config",
    );
    let names = REQUIRED.iter().chain(&["command-config"]);
    Ok(names.zip(args).flat_map(|(name, word)| [format!("--{name}"), word.clone()]).collect())
}

/// What is measured.
struct Asked {
    topic: String,
    records: usize,
    acks: String,
    size: usize,
    key_size: usize,
    headers: usize,
    header_key_size: usize,
    header_size: Option<usize>,
    properties: Vec<(String, String)>,
}

fn prepare(args: &[String]) -> Result<Asked, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
    SPEC.begin(&given)?;
    given.require(REQUIRED)?;
    let acks = given.one("producer-acks")?.unwrap_or_default().to_owned();
    if !["1", "all"].contains(&acks.as_str()) {
        let sentence = "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or 'all'.";
        return Err(Stop::Usage(sentence.to_owned()));
    }
    let file = given.one("command-config")?;
    let properties = file.map_or_else(|| Ok(Vec::new()), load_properties);
    let size = |name: &str| number(&given, name, 0, "a non-negative integer");
    let records = match given.int("num-records")?.unwrap_or(0) {
        records if records > 0 => records.unsigned_abs() as usize,
        _ => return Err(Stop::Usage("Value for --num-records must be a positive integer.".to_owned())),
    };
    let (size_of_value, key_size) = (size("record-size")?, size("record-key-size")?);
    let header_key_size = size("record-header-key-size")?;
    let header_size = number(&given, "record-header-size", -1, "a non-negative integer or -1 for null header value")?;
    let asked = Asked {
        topic: given.one("topic")?.unwrap_or_default().to_owned(),
        records,
        acks,
        size: size_of_value.unwrap_or(0),
        key_size: key_size.unwrap_or(0),
        header_key_size: header_key_size.unwrap_or(0),
        header_size,
        headers: size("num-headers")?.unwrap_or(0),
        properties: with(properties?, "bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default()),
    };
    Ok(asked)
}

/// A size; `None` for -1, where that is allowed.
fn number(given: &Given, name: &str, least: i32, what: &str) -> Result<Option<usize>, Stop> {
    match given.int(name)?.unwrap_or(0) {
        size if size < least => Err(Stop::Usage(format!("Value for --{name} must be {what}."))),
        size => Ok(usize::try_from(size).ok()),
    }
}

async fn measure(asked: &Asked) -> Result<(), Thrown> {
    let mut reading = asked.properties.clone();
    for (name, value) in [
        ("group.id", format!("test-group-{}", now_ms()).as_str()),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "latest"),
        ("fetch.max.wait.ms", "0"),
    ] {
        reading = with(reading, name, value);
    }
    let mut consumer = consumer(reading)?;
    let mut writing = asked.properties.clone();
    for (name, value) in [("linger.ms", "0"), ("max.block.ms", "9223372036854775807"), ("acks", asked.acks.as_str())] {
        writing = with(writing, name, value);
    }
    let producer = producer(writing)?;
    let partitions = partitions(asked).await?;
    consumer.assign(&partitions).await?;
    consumer.seek_to_end(&partitions)?;
    for partition in &partitions {
        consumer.position(partition).await?;
    }
    let mut random = JavaRandom::new(0);
    let (mut total, mut latencies) = (Duration::ZERO, Vec::with_capacity(asked.records));
    for number in 0..asked.records {
        let sent = Sent::new(&mut random, asked);
        let began = Instant::now();
        let outcome = there_and_back(&producer, &mut consumer, asked, &sent).await;
        let elapsed = began.elapsed();
        let checked = outcome.and_then(|records| sent.check(&records));
        if let Err(thrown) = checked {
            let _ = consumer.commit_sync().await;
            return Err(thrown);
        }
        if number % 1_000 == 0 {
            say(format_args!("{number}\t{}", Json::Real(elapsed.as_nanos() as f64 / 1_000.0 / 1_000.0)));
        }
        total += elapsed;
        latencies.push(elapsed.as_millis());
    }
    latencies.sort_unstable();
    let percentile = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0);
    let average = total.as_nanos() as f64 / asked.records as f64 / 1_000.0 / 1_000.0;
    say(format_args!("Avg latency: {} ms", fixed(average, 4)));
    let (p50, p99, p999) = (percentile(0.5), percentile(0.99), percentile(0.999));
    say(format_args!("Percentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}"));
    consumer.commit_sync().await?;
    close(consumer).await;
    Ok(())
}

/// The topic's partitions; it is made if it is not there.
async fn partitions(asked: &Asked) -> Result<Vec<TopicPartition>, Thrown> {
    let client = Client::new(ClientConfig::from_properties(asked.properties.clone())?);
    let known = client.topics(&Topics::All).await?;
    if !known.iter().any(|topic| *topic.name == *asked.topic) {
        let topic = &asked.topic;
        say(format_args!(
            "Topic \"{topic}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1"
        ));
        let new = NewTopic {
            name: topic.clone(),
            partitions: Some(1),
            replication_factor: Some(1),
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        if let Err(thrown) = create(&client, new).await {
            say(format_args!("Creation of topic {topic} failed"));
            return Err(thrown.within("java.util.concurrent.ExecutionException").within("java.lang.RuntimeException"));
        }
    }
    let topic = loop {
        // What was just made may not be everywhere yet.
        match client.topic(&asked.topic).await {
            Ok(topic) if !topic.partitions.is_empty() => break topic,
            Ok(_) | Err(andiron_client::MetadataError::UnknownTopic { .. }) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    Ok((0..).zip(&topic.partitions).map(|(number, _)| TopicPartition::new(topic.name.clone(), number)).collect())
}

async fn create(client: &Client, topic: NewTopic) -> Result<(), Thrown> {
    let made = client.admin().create_topics(&[topic], false).await?;
    made.into_iter().try_for_each(|topic| topic.result).map_err(Thrown::from)
}

async fn there_and_back(
    producer: &Producer,
    consumer: &mut Consumer,
    asked: &Asked,
    sent: &Sent,
) -> Result<Vec<ConsumerRecord>, Thrown> {
    let headers: Vec<Header<'_>> =
        sent.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
    let record = ProducerRecord {
        topic: &asked.topic,
        key: Some(&sent.key),
        value: Some(&sent.value),
        headers: &headers,
        ..ProducerRecord::default()
    };
    let delivery = producer.send(&record).await?;
    delivery.wait().await.map_err(|error| Thrown::from(error).within("java.util.concurrent.ExecutionException"))?;
    Ok(consumer.poll(POLL).await?.into_iter().collect())
}

/// A header as it is sent.
type SentHeader = (String, Option<Vec<u8>>);
/// A header as it comes back.
type ReadHeader = (Bytes, Option<Bytes>);

/// What one record carries: one letter each, drawn in the original's order.
struct Sent {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<SentHeader>,
}

impl Sent {
    fn new(random: &mut JavaRandom, asked: &Asked) -> Sent {
        let mut letters = |size: usize| vec![b'A' + random.below(26) as u8; size];
        let (key, value) = (letters(asked.key_size), letters(asked.size));
        let mut headers = Vec::new();
        for _ in 0..asked.headers {
            let name = String::from_utf8_lossy(&letters(asked.header_key_size)).into_owned();
            headers.push((name, asked.header_size.map(&mut letters)));
        }
        Sent { key, value, headers }
    }

    fn check(&self, records: &[ConsumerRecord]) -> Result<(), Thrown> {
        let wrong = |text: String| Err(Thrown::new("java.lang.RuntimeException", text));
        let Some(record) = records.first() else {
            return wrong(format!("poll() timed out before finding a result (timeout:[{}ms])", POLL.as_millis()));
        };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let (read, sent) = (text(record.value.as_deref()), text(Some(&self.value)));
        if read != sent {
            return wrong(format!("The message value read [{read}] did not match the message value sent [{sent}]"));
        }
        let (read, sent) = (text(record.key.as_deref()), text(Some(&self.key)));
        if record.key.is_none() {
            return wrong("Expected message key but received null".to_owned());
        }
        if read != sent {
            return wrong(format!("The message key read [{read}] did not match the message key sent [{sent}]"));
        }
        if !self.headers.is_empty() && record.headers.is_empty() {
            return wrong("Expected message headers but received none".to_owned());
        }
        let equal = |(sent, read): (&SentHeader, &ReadHeader)| {
            *read.0 == *sent.0.as_bytes() && read.1.as_deref() == sent.1.as_deref()
        };
        if !self.headers.is_empty() {
            if let Some((sent, read)) = self.headers.iter().zip(&record.headers).find(|pair| !equal(*pair)) {
                return wrong(format!(
                    "The message header read [{}:{:?}] did not match the message header sent [{}:{:?}]",
                    text(Some(&read.0)),
                    read.1,
                    sent.0,
                    sent.1
                ));
            }
            if self.headers.len() != record.headers.len() {
                return wrong("Header count mismatch between sent and received messages".to_owned());
            }
        }
        if records.len() != 1 {
            return wrong(format!("Only one result was expected during this test. We found [{}]", records.len()));
        }
        Ok(())
    }
}
