//! `kafka-producer-perf-test` (`org.apache.kafka.tools.ProducerPerformance`).

mod stats;

use andiron_client::{ProduceError, ProducerRecord};

use super::arguments::{Arguments, Kind, Parser, Takes, Unparsed, arg, switch};
use super::clock::now_ms;
use super::failure::Thrown;
use super::print::say;
use super::sending::{OnTheirWay, block_on_threads, producer};
use super::session::{load_properties, with};
use super::splittable_random::SplittableRandom;
use super::throttle::Throttle;
use stats::Stats;

/// How long a transaction is held open if nothing else is said.
const TRANSACTION_MS: i64 = 3_000;

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-producer-perf-test",
    prog: "kafka-producer-perf-test",
    about: "Measures how fast records can be written.",
    args: &[
        arg(&["--bootstrap-server"], "Where the cluster is; stands over all properties."),
        arg(&["--topic"], "The topic to write to.").required(),
        arg(&["--num-records"], "How many records.").required().kind(Kind::Long),
        arg(&["--record-size"], "Bytes of each record.").kind(Kind::Int).group("payload"),
        arg(&["--payload-file"], "A file whose lines are the records, at random.").group("payload"),
        switch(&["--payload-monotonic"], "Records are numbers that count up.").group("payload"),
        arg(&["--payload-delimiter"], "What parts the records of the file (a new line)."),
        arg(&["--throughput"], "Records a second, about; -1 for all that is possible.").required().kind(Kind::Double),
        arg(&["--producer-props"], "Deprecated: --command-property.").takes(Takes::Many),
        arg(&["--command-property"], "Properties of the producer, name=value.").takes(Takes::Many),
        arg(&["--producer.config"], "Deprecated: --command-config."),
        arg(&["--command-config"], "A file with properties of the producer."),
        switch(&["--print-metrics"], "Accepted; there are no metrics to print."),
        arg(&["--transactional-id"], "Write in transactions under this id."),
        arg(&["--transaction-duration-ms"], "How long a transaction takes at most (3000).").kind(Kind::Long),
        arg(&["--warmup-records"], "So many records at the begin are counted apart.").kind(Kind::Long),
        arg(&["--reporting-interval"], "Ms between two reports (5000).").kind(Kind::Long),
    ],
    required_groups: &["payload"],
    commands: &[],
    json: false,
};

/// Runs the tool: the exit code.
pub(super) fn run(args: &[String]) -> u8 {
    let settings = match PARSER.parse(args).map(|arguments| settings(&arguments)) {
        Ok(Ok(settings)) => settings,
        Err(Unparsed::Help) => return 0,
        Err(Unparsed::Wrong(_)) if args.is_empty() => {
            let _ = PARSER.parse(&["--help".to_owned()]);
            return 0;
        }
        Err(Unparsed::Wrong(complaint)) | Ok(Err(Wrong::Argument(complaint))) => {
            PARSER.complain(&complaint);
            return 1;
        }
        Ok(Err(Wrong::Thrown(thrown))) => return thrown.uncaught(),
    };
    match block_on_threads(produce(settings)).and_then(|done| done) {
        Ok(()) => 0,
        Err(thrown) => thrown.uncaught(),
    }
}

enum Wrong {
    Argument(String),
    Thrown(Thrown),
}

impl From<Thrown> for Wrong {
    fn from(thrown: Thrown) -> Wrong {
        Wrong::Thrown(thrown)
    }
}

/// What the records are.
enum Payload {
    Size(usize),
    Lines(Vec<Vec<u8>>),
    Monotonic,
}

struct Settings {
    topic: String,
    records: i64,
    warmup: i64,
    payload: Payload,
    throughput: f64,
    interval_ms: i64,
    /// How long a transaction is held open, in ms; none without transactions.
    transaction_ms: Option<i64>,
    properties: Vec<(String, String)>,
}

fn settings(arguments: &Arguments) -> Result<Settings, Wrong> {
    let long = |name: &str, default: i64| arguments.number(name).unwrap_or(default);
    let (records, warmup) = (long("--num-records", 0), long("--warmup-records", 0).max(0));
    let size: Option<i32> = arguments.number("--record-size");
    let has = |name: &str| arguments.has(name);
    let servers = arguments.text("--bootstrap-server");
    let anything = ["--command-property", "--producer-props", "--producer.config", "--command-config"];
    let duration: Option<i64> = arguments.number("--transaction-duration-ms");
    let interval_ms = long("--reporting-interval", 5_000);
    let complaints = [
        (records <= 0, "--num-records should be greater than zero."),
        (
            warmup >= records,
            "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
        ),
        (size.is_some_and(|size| size <= 0), "--record-size should be greater than zero."),
        (
            servers.is_none() && !anything.iter().any(|name| has(name)),
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.",
        ),
        (
            has("--command-property") && has("--producer-props"),
            "--command-property and --producer-props cannot be specified together.",
        ),
        (
            has("--command-config") && has("--producer.config"),
            "--command-config and --producer.config cannot be specified together.",
        ),
        (duration.is_some_and(|ms| ms <= 0), "--transaction-duration-ms should be greater than zero."),
        (interval_ms <= 0, "--reporting-interval should be greater than zero."),
    ];
    if let Some((_, complaint)) = complaints.iter().find(|(wrong, _)| *wrong) {
        return Err(Wrong::Argument((*complaint).to_owned()));
    }
    let payload = match (arguments.text("--payload-file"), size) {
        (Some(file), _) => Payload::Lines(lines(file, arguments.text("--payload-delimiter").unwrap_or("\\n"))?),
        (None, Some(size)) => Payload::Size(size.unsigned_abs() as usize),
        (None, None) => Payload::Monotonic,
    };
    for (old, new) in [("--producer-props", "--command-property"), ("--producer.config", "--command-config")] {
        if has(old) {
            say(format_args!(
                "Option {old} has been deprecated and will be removed in a future version. Use {new} instead."
            ));
        }
    }
    let topic = arguments.text("--topic").unwrap_or_default().to_owned();
    let throughput = arguments.number("--throughput").unwrap_or(-1.0);
    let properties = properties(arguments)?;
    let transactional = properties.iter().any(|(name, _)| name == "transactional.id");
    let transaction_ms = transactional.then(|| duration.unwrap_or(TRANSACTION_MS));
    Ok(Settings { topic, records, warmup, payload, throughput, interval_ms, transaction_ms, properties })
}

fn properties(arguments: &Arguments) -> Result<Vec<(String, String)>, Thrown> {
    let file = arguments.text("--producer.config").or(arguments.text("--command-config"));
    let mut properties = file.map_or_else(|| Ok(Vec::new()), load_properties)?;
    let old = arguments.all("--producer-props");
    let given = if old.is_empty() { arguments.all("--command-property") } else { old };
    for pair in given {
        let pieces: Vec<&str> = pair.split('=').collect();
        let [name, value] = pieces.as_slice() else {
            return Err(Thrown::illegal(format!("Invalid property: {pair}")));
        };
        properties = with(properties, name, value);
    }
    if !properties.iter().any(|(name, _)| name == "client.id") {
        properties = with(properties, "client.id", "perf-producer-client");
    }
    if let Some(servers) = arguments.text("--bootstrap-server") {
        properties = with(properties, "bootstrap.servers", servers);
    }
    if let Some(id) = arguments.text("--transactional-id") {
        properties = with(properties, "transactional.id", id);
    } else if arguments.has("--transaction-duration-ms")
        && !properties.iter().any(|(name, _)| name == "transactional.id")
    {
        let id = format!("performance-producer-{}", andiron_protocol::Uuid::new_v4());
        properties = with(properties, "transactional.id", &id);
    }
    Ok(properties)
}

/// The records of a file; as Java's `Scanner`, with a regular expression between them and nothing behind the last.
fn lines(file: &str, delimiter: &str) -> Result<Vec<Vec<u8>>, Thrown> {
    let path = std::path::absolute(file).unwrap_or_else(|_| file.into());
    say(format_args!("Reading payloads from: {}", path.display()));
    let text = std::fs::read(&path).unwrap_or_default();
    if text.is_empty() {
        return Err(Thrown::illegal("File does not exist or empty file provided."));
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let unreadable =
        |error: fancy_regex::Error| Thrown::new("java.util.regex.PatternSyntaxException", error.to_string());
    let delimiter = if delimiter == "\\n" { "\n" } else { delimiter };
    let pattern = fancy_regex::Regex::new(delimiter).map_err(unreadable)?;
    let mut lines = Vec::new();
    for line in pattern.split(&text) {
        lines.push(line.map_err(unreadable)?.as_bytes().to_vec());
    }
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    say(format_args!("Number of records read: {}", lines.len()));
    Ok(lines)
}

async fn produce(settings: Settings) -> Result<(), Thrown> {
    let producer = producer(settings.properties.clone())?;
    let mut random = SplittableRandom::new(0);
    let mut payload = Vec::new();
    if settings.warmup > 0 {
        let warmup = settings.warmup;
        say(format_args!(
            "Warmup first {warmup} records. Steady state results will print after the complete test summary."
        ));
    }
    let mut stats = Stats::new(settings.records, settings.interval_ms, false);
    let mut steady: Option<Stats> = None;
    let mut throttle = Throttle::new(settings.throughput);
    let mut on_their_way = OnTheirWay::default();
    if settings.transaction_ms.is_some() {
        producer.init_transactions().await?;
    }
    let mut open_since: Option<i64> = None;
    for i in 0..settings.records {
        fill(&mut payload, &settings.payload, &mut random, i);
        if settings.transaction_ms.is_some() && open_since.is_none() {
            producer.begin_transaction()?;
            open_since = Some(now_ms());
        }
        let started = now_ms();
        if settings.warmup > 0 && i == settings.warmup {
            steady = Some(Stats::new(settings.records - settings.warmup, settings.interval_ms, true));
            stats.suppress();
        }
        let record = ProducerRecord { topic: &settings.topic, value: Some(&payload), ..ProducerRecord::default() };
        match producer.send(&record).await {
            Ok(delivery) => {
                let about = Sent { started, bytes: payload.len(), steady: steady.is_some() };
                on_their_way.add(delivery, about);
            }
            Err(error) => Thrown::from(error).print_trace(),
        }
        if let (Some(held), Some(since)) = (settings.transaction_ms, open_since)
            && held <= started - since
        {
            producer.commit_transaction().await?;
            open_since = None;
        }
        on_their_way.arrived(|outcome, sent| tell(outcome, &sent, &mut stats, &mut steady));
        throttle.pace(i).await;
    }
    if open_since.is_some() {
        producer.commit_transaction().await?;
    }
    let _ = producer.flush().await;
    on_their_way.all(|outcome, sent| tell(outcome, &sent, &mut stats, &mut steady)).await;
    stats.print_total();
    if let Some(steady) = &mut steady {
        steady.print_total();
    }
    Ok(())
}

/// What is remembered of a record.
struct Sent {
    started: i64,
    bytes: usize,
    steady: bool,
}

fn tell<T>(outcome: Result<T, ProduceError>, sent: &Sent, stats: &mut Stats, steady: &mut Option<Stats>) {
    let now = now_ms();
    let latency = i32::try_from(now - sent.started).unwrap_or(i32::MAX);
    match outcome {
        Ok(_) => {
            stats.record(latency, sent.bytes, now);
            if let Some(steady) = steady.as_mut().filter(|_| sent.steady) {
                steady.record(latency, sent.bytes, now);
            }
        }
        Err(error) => Thrown::from(error).print_trace(),
    }
}

fn fill(payload: &mut Vec<u8>, what: &Payload, random: &mut SplittableRandom, number: i64) {
    payload.clear();
    match what {
        Payload::Size(size) => payload.extend((0..*size).map(|_| b'A' + random.below(26) as u8)),
        Payload::Lines(lines) => {
            let bound = u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
            let line = lines.get(random.below(bound) as usize);
            payload.extend_from_slice(line.map_or(&[], Vec::as_slice));
        }
        Payload::Monotonic => payload.extend_from_slice(number.to_string().as_bytes()),
    }
}
