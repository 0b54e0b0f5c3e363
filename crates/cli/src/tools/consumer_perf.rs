//! `kafka-consumer-perf-test` (`org.apache.kafka.tools.ConsumerPerformance`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use andiron_client::{Consumer, RebalanceListener, TopicPartition};

use super::clock::now_ms;
use super::consuming::{close, consumer};
use super::failure::{Stop, Thrown};
use super::java_format::fixed;
use super::options::{Given, Spec, flag, maybe_value, value};
use super::pairs::key_values;
use super::print::{complain, say};
use super::sending::block_on_threads;
use super::session::{load_properties, with};
use super::simple_date;

const POLL: Duration = Duration::from_millis(100);
const MEGABYTE: f64 = 1_024.0 * 1_024.0;

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-consumer-perf-test",
    about: "This tool is used to verify the consumer performance.",
    json: false,
    flags: &[
        value("bootstrap-server", "host:port,...", "REQUIRED: where the cluster is."),
        value("topic", "topic", "The topic to read."),
        value("include", "regex", "The topics to read."),
        value("group", "id", "The consumer group (perf-consumer- and a number)."),
        value("fetch-size", "bytes", "max.partition.fetch.bytes (1048576)."),
        value("command-property", "name=value", "A property of the consumer."),
        flag("from-latest", "Begin with the last record where no offset is committed."),
        value("socket-buffer-size", "bytes", "receive.buffer.bytes (2097152)."),
        value("consumer.config", "file", "Deprecated: --command-config."),
        value("command-config", "file", "A file with properties of the consumer."),
        flag("print-metrics", "Accepted; there are no metrics to print."),
        flag("show-detailed-stats", "A line for each interval."),
        maybe_value("timeout", "ms", "End when no record came for so long (10000)."),
        value("messages", "number", "Deprecated: --num-records."),
        value("num-records", "number", "REQUIRED: how many records."),
        value("reporting-interval", "ms", "Between two reports (5000)."),
        value("date-format", "pattern", "How times are printed (yyyy-MM-dd HH:mm:ss:SSS)."),
        flag("hide-header", "No line of titles."),
    ],
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let done =
        prepare(args).and_then(|given| block_on_threads(measure(&given)).and_then(|done| done).map_err(Stop::Thrown));
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

fn prepare(args: &[String]) -> Result<Given, Stop> {
    let given = SPEC.parse(args).map_err(|thrown| Stop::Usage(thrown.text().to_owned()))?;
    SPEC.begin(&given)?;
    given.require(&["bootstrap-server"])?;
    given.exactly_one(&["topic", "include"])?;
    given.exactly_one(&["messages", "num-records"])?;
    given.forbid("consumer.config", &["command-config"])?;
    if given.has("messages") {
        say("Warning: --messages is deprecated. Use --num-records instead.");
    }
    if given.has("consumer.config") {
        say("Warning: --consumer.config is deprecated. Use --command-config instead.");
    }
    Ok(given)
}

fn properties(given: &Given) -> Result<Vec<(String, String)>, Thrown> {
    let file = given.one(if given.has("consumer.config") { "consumer.config" } else { "command-config" })?;
    let mut properties = file.map_or_else(|| Ok(Vec::new()), load_properties)?;
    for (name, value) in key_values(given.all("command-property")) {
        properties = with(properties, &name, &value);
    }
    let group = format!("perf-consumer-{}", andiron_protocol::Uuid::new_v4().as_u128() % 100_000);
    let number = |name: &str, default: i32| Ok::<_, Thrown>(given.int(name)?.unwrap_or(default).to_string());
    for (name, value) in [
        ("bootstrap.servers", given.one("bootstrap-server")?.unwrap_or_default()),
        ("group.id", given.one("group")?.unwrap_or(&group)),
        ("receive.buffer.bytes", number("socket-buffer-size", 2 << 20)?.as_str()),
        ("max.partition.fetch.bytes", number("fetch-size", 1 << 20)?.as_str()),
        ("auto.offset.reset", if given.has("from-latest") { "latest" } else { "earliest" }),
        ("check.crcs", "false"),
    ] {
        properties = with(properties, name, value);
    }
    if !properties.iter().any(|(name, _)| name == "client.id") {
        properties = with(properties, "client.id", "perf-consumer-client");
    }
    Ok(properties)
}

/// How long the consumer was without partitions, as its listener sees it.
#[derive(Debug, Default)]
struct Joining {
    /// All of it, in ms.
    total: AtomicI64,
    /// Since the last report.
    round: AtomicI64,
    since: AtomicI64,
    held: AtomicUsize,
}

struct Listener(Arc<Joining>);

#[async_trait::async_trait]
impl RebalanceListener for Listener {
    async fn partitions_revoked(&mut self, _consumer: &mut Consumer, partitions: &[TopicPartition]) {
        let held = self.0.held.load(Ordering::Relaxed).saturating_sub(partitions.len());
        self.0.held.store(held, Ordering::Relaxed);
        if held == 0 {
            self.0.since.store(now_ms(), Ordering::Relaxed);
        }
    }

    async fn partitions_assigned(&mut self, _consumer: &mut Consumer, partitions: &[TopicPartition]) {
        if self.0.held.fetch_add(partitions.len(), Ordering::Relaxed) == 0 {
            let elapsed = now_ms() - self.0.since.load(Ordering::Relaxed);
            self.0.total.fetch_add(elapsed, Ordering::Relaxed);
            self.0.round.fetch_add(elapsed, Ordering::Relaxed);
        }
    }
}

/// What was read up to a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    at: i64,
    bytes: u64,
    records: i64,
}

async fn measure(given: &Given) -> Result<(), Thrown> {
    let detailed = given.has("show-detailed-stats");
    let date_format = given.one("date-format")?.unwrap_or("yyyy-MM-dd HH:mm:ss:SSS");
    if !given.has("hide-header") {
        let first = if detailed { "time, threadId" } else { "start.time, end.time" };
        say(format_args!(
            "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
        ));
    }
    let mut consumer = consumer(properties(given)?)?;
    let started = now_ms();
    let joining = Arc::new(Joining { since: AtomicI64::new(started), ..Joining::default() });
    consumer.set_rebalance_listener(Some(Box::new(Listener(joining.clone()))));
    match given.one("topic")? {
        Some(topic) => consumer.subscribe([topic]).await?,
        None => consumer.subscribe_pattern(given.one("include")?.unwrap_or_default())?,
    }
    let read = consume(given, &mut consumer, &joining, detailed.then_some(date_format)).await?;
    let ended = now_ms();
    if !detailed {
        let joined = joining.total.load(Ordering::Relaxed);
        let (elapsed, fetching) = ((ended - started) as f64 / 1_000.0, ended - started - joined);
        let megabytes = read.bytes as f64 / MEGABYTE;
        let fetching_seconds = fetching as f64 / 1_000.0;
        say(format_args!(
            "{}, {}, {}, {}, {}, {}, {joined}, {fetching}, {}, {}",
            simple_date::format(date_format, started)?,
            simple_date::format(date_format, ended)?,
            fixed(megabytes, 4),
            fixed(megabytes / elapsed, 4),
            read.records,
            fixed(read.records as f64 / elapsed, 4),
            fixed(megabytes / fetching_seconds, 4),
            fixed(read.records as f64 / fetching_seconds, 4)
        ));
    }
    close(consumer).await;
    Ok(())
}

async fn consume(
    given: &Given,
    consumer: &mut Consumer,
    joining: &Joining,
    detailed: Option<&str>,
) -> Result<Read, Thrown> {
    let wanted = given.long("messages")?.or(given.long("num-records")?).unwrap_or(0);
    let timeout = given.long("timeout")?.unwrap_or(10_000);
    let interval = given.long("reporting-interval")?.unwrap_or(5_000);
    if interval <= 0 {
        return Err(Thrown::illegal("Reporting interval must be greater than 0."));
    }
    let mut read = Read { at: now_ms(), ..Read::default() };
    let (mut reported, mut last_record) = (read, read.at);
    while read.records < wanted && read.at - last_record <= timeout {
        let records = consumer.poll(POLL).await?;
        read.at = now_ms();
        if !records.is_empty() {
            last_record = read.at;
        }
        for record in &records {
            read.records += 1;
            let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            read.bytes += size(&record.key) + size(&record.value);
            if read.at - reported.at >= interval {
                let joined = joining.round.swap(0, Ordering::Relaxed);
                if let Some(date_format) = detailed {
                    report(&read, &reported, joined, date_format)?;
                }
                reported = read;
            }
        }
    }
    if read.records < wanted {
        say(format_args!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({timeout} ms) exceeded. You can use the --timeout option to increase the timeout."
        ));
    }
    Ok(read)
}

fn report(read: &Read, before: &Read, joined: i64, date_format: &str) -> Result<(), Thrown> {
    let elapsed = (read.at - before.at) as f64;
    let megabytes = (read.bytes - before.bytes) as f64 / MEGABYTE;
    let records = (read.records - before.records) as f64;
    let fetching = read.at - before.at - joined;
    let while_fetching = |amount: f64| if fetching <= 0 { 0.0 } else { 1_000.0 * amount / fetching as f64 };
    say(format_args!(
        "{}, 0, {}, {}, {}, {}, {joined}, {fetching}, {}, {}",
        simple_date::format(date_format, read.at)?,
        fixed(read.bytes as f64 / MEGABYTE, 4),
        fixed(1_000.0 * megabytes / elapsed, 4),
        read.records,
        fixed(records / elapsed * 1_000.0, 4),
        fixed(while_fetching(megabytes), 4),
        fixed(while_fetching(records), 4)
    ));
    Ok(())
}
