//! `org.apache.kafka.tools.VerifiableProducer`: numbers that count up, and for each whether it was written.

use andiron_client::{ProduceError, ProducerRecord, RecordMetadata};
use andiron_protocol::schema::Json;

use super::{event, text};
use crate::tools::arguments::{Arguments, Kind, Parser, Unparsed, arg};
use crate::tools::clock::now_ms;
use crate::tools::failure::Thrown;
use crate::tools::print::say;
use crate::tools::sending::{OnTheirWay, block_on_threads, producer};
use crate::tools::session::{load_properties, with};
use crate::tools::signals::stopped;
use crate::tools::throttle::Throttle;

pub(in crate::tools) const PARSER: Parser = Parser {
    tool: "kafka-verifiable-producer",
    prog: "verifiable-producer",
    about: "Writes numbers that count up, and tells of each whether it was written.",
    args: &[
        arg(&["--topic"], "The topic to write to.").required(),
        arg(&["--bootstrap-server"], "Where the cluster is.").group("connection"),
        arg(&["--max-messages"], "So many records; -1 for ever (-1).").kind(Kind::Int),
        arg(&["--throughput"], "Records a second, about; -1 for all that is possible (-1).").kind(Kind::Int),
        arg(&["--acks"], "acks (-1).").kind(Kind::Int).choices(&["0", "1", "-1"]),
        arg(&["--producer.config"], "Deprecated: --command-config."),
        arg(&["--message-create-time"], "The timestamp of the first record.").kind(Kind::Long),
        arg(&["--value-prefix"], "A number and a point in front of each value.").kind(Kind::Int),
        arg(&["--repeating-keys"], "Keys from 0 up to this number, again and again.").kind(Kind::Int),
        arg(&["--command-config"], "A file with properties of the producer."),
    ],
    required_groups: &["connection"],
    commands: &[],
    json: false,
};

struct Settings {
    topic: String,
    most: i64,
    throughput: i32,
    create_time: Option<i64>,
    prefix: Option<i32>,
    repeating_keys: Option<i32>,
    properties: Vec<(String, String)>,
}

/// Runs the tool: the exit code.
pub(in crate::tools) fn run(args: &[String]) -> u8 {
    if args.is_empty() {
        let _ = PARSER.parse(&["--help".to_owned()]);
        return 0;
    }
    let settings = match PARSER.parse(args) {
        Ok(arguments) => settings(&arguments),
        Err(Unparsed::Help) => return 0,
        Err(Unparsed::Wrong(complaint)) => Err(complaint),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(complaint) => {
            PARSER.complain(&complaint);
            return 1;
        }
    };
    match block_on_threads(produce(&settings)).and_then(|done| done) {
        Ok(code) => code,
        Err(thrown) => thrown.uncaught(),
    }
}

fn settings(arguments: &Arguments) -> Result<Settings, String> {
    let int = |name: &str| arguments.number::<i32>(name);
    let mut properties = Vec::new();
    for (name, value) in [
        ("bootstrap.servers", arguments.text("--bootstrap-server").unwrap_or_default()),
        ("acks", int("--acks").unwrap_or(-1).to_string().as_str()),
        ("retries", "0"),
    ] {
        properties = with(properties, name, value);
    }
    let (old, new) = (arguments.text("--producer.config"), arguments.text("--command-config"));
    if old.is_some() && new.is_some() {
        return Err("Options --producer.config and --command-config are mutually exclusive.".to_owned());
    }
    if old.is_some() {
        say(
            "Option --producer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    if let Some(file) = old.or(new) {
        for (name, value) in load_properties(file).map_err(|thrown| thrown.text().to_owned())? {
            properties = with(properties, &name, &value);
        }
    }
    let most = int("--max-messages").unwrap_or(-1);
    Ok(Settings {
        topic: arguments.text("--topic").unwrap_or_default().to_owned(),
        most: if most < 0 { i64::MAX } else { i64::from(most) },
        throughput: int("--throughput").unwrap_or(-1),
        create_time: arguments.number("--message-create-time").filter(|time| *time != -1),
        prefix: int("--value-prefix"),
        repeating_keys: int("--repeating-keys"),
        properties,
    })
}

type Sent = (Option<String>, String);

/// What was sent, and of how much it is known that it arrived.
struct Producing<'a> {
    settings: &'a Settings,
    sent: i64,
    acked: i64,
    on_their_way: OnTheirWay<Sent>,
}

async fn produce(settings: &Settings) -> Result<u8, Thrown> {
    let producer = producer(settings.properties.clone())?;
    let started = now_ms();
    let mut producing = Producing { settings, sent: 0, acked: 0, on_their_way: OnTheirWay::default() };
    event("startup_complete", Vec::new());
    let code = tokio::select! {
        () = producing.send_all(&producer, started) => 0,
        code = stopped() => code,
    };
    let _ = producer.flush().await;
    let (topic, mut acked) = (&settings.topic, producing.acked);
    producing.on_their_way.all(|outcome, sent| tell(topic, outcome, &sent, &mut acked)).await;
    event("shutdown_complete", Vec::new());
    let average = 1_000.0 * (acked as f64 / (now_ms() - started) as f64);
    event(
        "tool_data",
        vec![
            ("sent", Json::Whole(producing.sent)),
            ("acked", Json::Whole(acked)),
            ("target_throughput", Json::Whole(i64::from(settings.throughput))),
            ("avg_throughput", Json::Real(average)),
        ],
    );
    Ok(code)
}

impl Producing<'_> {
    async fn send_all(&mut self, producer: &andiron_client::Producer, started: i64) {
        let settings = self.settings;
        let mut throttle = Throttle::new(f64::from(settings.throughput));
        let (mut key, mut timestamp) = (0, settings.create_time);
        for number in 0..settings.most {
            let value = settings.prefix.map_or_else(|| number.to_string(), |prefix| format!("{prefix}.{number}"));
            let repeated = settings.repeating_keys.map(|most| {
                let text = key.to_string();
                key = if key + 1 == most { 0 } else { key + 1 };
                text
            });
            let record = ProducerRecord {
                topic: &settings.topic,
                key: repeated.as_deref().map(str::as_bytes),
                value: Some(value.as_bytes()),
                timestamp,
                ..ProducerRecord::default()
            };
            self.sent += 1;
            match producer.send(&record).await {
                Ok(delivery) => self.on_their_way.add(delivery, (repeated, value)),
                Err(error) => failed(&settings.topic, &(repeated, value), &error.into()),
            }
            if let Some(time) = &mut timestamp {
                *time += now_ms() - started;
            }
            let acked = &mut self.acked;
            self.on_their_way.arrived(|outcome, sent| tell(&settings.topic, outcome, &sent, acked));
            throttle.pace(number).await;
        }
    }
}

fn tell(topic: &str, outcome: Result<RecordMetadata, ProduceError>, sent: &Sent, acked: &mut i64) {
    match outcome {
        Ok(written) => {
            *acked += 1;
            event(
                "producer_send_success",
                vec![
                    ("key", text(sent.0.as_deref())),
                    ("value", text(Some(&sent.1))),
                    ("offset", Json::Whole(written.offset)),
                    ("topic", Json::text(topic)),
                    ("partition", Json::Whole(i64::from(written.partition))),
                ],
            );
        }
        Err(error) => failed(topic, sent, &error.into()),
    }
}

fn failed(topic: &str, sent: &Sent, thrown: &Thrown) {
    event(
        "producer_send_error",
        vec![
            ("key", text(sent.0.as_deref())),
            ("value", text(Some(&sent.1))),
            ("topic", Json::text(topic)),
            ("exception", Json::text(format!("class {}", thrown.class))),
            ("message", text(thrown.message.as_deref())),
        ],
    );
}
