//! `org.apache.kafka.tools.VerifiableConsumer`: which partitions come and go, what was read, what was committed.

use std::collections::BTreeMap;
use std::time::Duration;

use andiron_client::{Consumer, ConsumerRecord, ConsumerRecords, OffsetAndMetadata, RebalanceListener, TopicPartition};
use andiron_protocol::schema::Json;

use super::{event, object, text};
use crate::tools::arguments::{Arguments, Kind, Parser, Unparsed, arg, switch};
use crate::tools::consuming::{close, consumer};
use crate::tools::failure::Thrown;
use crate::tools::java;
use crate::tools::print::{complain, log_error, say};
use crate::tools::session::{block_on, load_properties, with};
use crate::tools::signals::stopped;

const LOGGER: &str = "org.apache.kafka.tools.VerifiableConsumer";
/// One poll: it ends with a record or not at all.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(in crate::tools) const PARSER: Parser = Parser {
    tool: "kafka-verifiable-consumer",
    prog: "verifiable-consumer",
    about: "Reads a topic in a group, and tells of what it does.",
    args: &[
        arg(&["--bootstrap-server"], "Where the cluster is.").required().group("connection"),
        arg(&["--topic"], "The topic to read.").required(),
        arg(&["--group-protocol"], "classic or consumer (classic)."),
        arg(&["--group-remote-assignor"], "The coordinator's assignor."),
        arg(&["--group-id"], "The group.").required(),
        arg(&["--group-instance-id"], "The id of a static member."),
        arg(&["--max-messages"], "So many records; -1 for ever (-1).").kind(Kind::Int),
        arg(&["--session-timeout"], "session.timeout.ms.").kind(Kind::Int),
        switch(&["--verbose"], "Tell of every record."),
        switch(&["--enable-autocommit"], "Commit now and then instead of after each poll."),
        arg(&["--reset-policy"], "earliest, latest or none (earliest)."),
        arg(&["--assignment-strategy"], "The class of the assignor (RangeAssignor)."),
        arg(&["--consumer.config"], "Deprecated: --command-config."),
        arg(&["--command-config"], "A file with properties of the consumer."),
    ],
    required_groups: &["connection"],
    commands: &[],
    json: false,
};

struct Settings {
    topic: String,
    most: Option<usize>,
    verbose: bool,
    auto_commit: bool,
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
    match block_on(consume(&settings)).and_then(|done| done) {
        Ok(code) => code,
        Err(thrown) => thrown.uncaught(),
    }
}

fn settings(arguments: &Arguments) -> Result<Settings, String> {
    let (old, new) = (arguments.text("--consumer.config"), arguments.text("--command-config"));
    if old.is_some() && new.is_some() {
        return Err("Options --consumer.config and --command-config are mutually exclusive.".to_owned());
    }
    if old.is_some() {
        say(
            "Option --consumer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        );
    }
    let file = old.or(new).map_or_else(|| Ok(Vec::new()), load_properties);
    let mut properties = file.map_err(|thrown| thrown.text().to_owned())?;
    let auto_commit = arguments.has("--enable-autocommit");
    let protocol = arguments.text("--group-protocol").unwrap_or("classic").to_uppercase();
    let range = "org.apache.kafka.clients.consumer.RangeAssignor";
    let is_consumer = protocol == "CONSUMER";
    let optional = [
        ("group.remote.assignor", arguments.text("--group-remote-assignor").filter(|_| is_consumer)),
        (
            "partition.assignment.strategy",
            Some(arguments.text("--assignment-strategy").unwrap_or(range)).filter(|_| !is_consumer),
        ),
        ("session.timeout.ms", arguments.text("--session-timeout")),
        ("group.instance.id", arguments.text("--group-instance-id")),
    ];
    let always = [
        ("group.protocol", protocol.as_str()),
        ("group.id", arguments.text("--group-id").unwrap_or_default()),
        ("bootstrap.servers", arguments.text("--bootstrap-server").unwrap_or_default()),
        ("enable.auto.commit", if auto_commit { "true" } else { "false" }),
        ("auto.offset.reset", arguments.text("--reset-policy").unwrap_or("earliest")),
    ];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in optional.chain(always) {
        properties = with(properties, name, value);
    }
    Ok(Settings {
        topic: arguments.text("--topic").unwrap_or_default().to_owned(),
        most: arguments.number::<i32>("--max-messages").and_then(|most| usize::try_from(most).ok()),
        verbose: arguments.has("--verbose"),
        auto_commit,
        properties,
    })
}

/// Tells of partitions that come and go.
struct Listener;

#[async_trait::async_trait]
impl RebalanceListener for Listener {
    async fn partitions_revoked(&mut self, _consumer: &mut Consumer, partitions: &[TopicPartition]) {
        event("partitions_revoked", vec![("partitions", listed(partitions))]);
    }

    async fn partitions_assigned(&mut self, _consumer: &mut Consumer, partitions: &[TopicPartition]) {
        event("partitions_assigned", vec![("partitions", listed(partitions))]);
    }
}

fn listed(partitions: &[TopicPartition]) -> Json {
    Json::List(partitions.iter().map(|partition| object(place(partition))).collect())
}

fn place(partition: &TopicPartition) -> Vec<(&'static str, Json)> {
    vec![("topic", Json::text(&*partition.topic)), ("partition", Json::Whole(i64::from(partition.partition)))]
}

async fn consume(settings: &Settings) -> Result<u8, Thrown> {
    let mut consumer = consumer(settings.properties.clone())?;
    event("startup_complete", Vec::new());
    consumer.set_rebalance_listener(Some(Box::new(Listener)));
    let code = tokio::select! {
        done = read_all(settings, &mut consumer) => {
            if let Err(thrown) = done {
                log_error(LOGGER, "Error during processing, terminating consumer process: ");
                complain(thrown.trace());
            }
            0
        }
        code = stopped() => code,
    };
    if code != 0 {
        event("shutdown_requested", Vec::new());
    }
    close(consumer).await;
    event("shutdown_complete", Vec::new());
    if code == 0 {
        // The original asks itself to shut down when it has done so.
        event("shutdown_requested", Vec::new());
    }
    Ok(code)
}

async fn read_all(settings: &Settings, consumer: &mut Consumer) -> Result<(), Thrown> {
    consumer.subscribe([settings.topic.as_str()]).await?;
    let mut read = 0;
    while settings.most.is_none_or(|most| read < most) {
        let records = consumer.poll(FOREVER).await?;
        let offsets = received(settings, records, &mut read);
        if !settings.auto_commit {
            let committed = consumer.commit_sync_offsets(offsets.clone()).await;
            told_committed(&offsets, committed.err().map(Thrown::from));
        }
    }
    Ok(())
}

/// Tells of what was read: up to where, by partition.
fn received(
    settings: &Settings,
    records: ConsumerRecords,
    read: &mut usize,
) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
    let count = records.len();
    let mut by_partition: Vec<(TopicPartition, Vec<ConsumerRecord>)> = Vec::new();
    for record in records {
        match by_partition.last_mut() {
            Some((partition, of_it)) if *partition == record.partition => of_it.push(record),
            _ => by_partition.push((record.partition.clone(), vec![record])),
        }
    }
    let (mut offsets, mut summaries) = (BTreeMap::new(), Vec::new());
    for (partition, mut of_it) in by_partition {
        of_it.truncate(settings.most.map_or(usize::MAX, |most| most.saturating_sub(*read)));
        let (Some(first), Some(last)) = (of_it.first(), of_it.last()) else { continue };
        offsets.insert(partition.clone(), OffsetAndMetadata::from(last.offset + 1));
        let mut summary = place(&partition);
        summary.push(("count", Json::Whole(of_it.len() as i64)));
        summary.push(("minOffset", Json::Whole(first.offset)));
        summary.push(("maxOffset", Json::Whole(last.offset)));
        summaries.push(object(summary));
        if settings.verbose {
            of_it.iter().for_each(tell);
        }
        *read += of_it.len();
    }
    event("records_consumed", vec![("count", Json::Whole(count as i64)), ("partitions", Json::List(summaries))]);
    offsets
}

fn tell(record: &ConsumerRecord) {
    let lossy = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut more = vec![("key", text(lossy(&record.key).as_deref())), ("value", text(lossy(&record.value).as_deref()))];
    more.extend(place(&record.partition));
    more.push(("offset", Json::Whole(record.offset)));
    event("record_data", more);
}

fn told_committed(offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>, failed: Option<Thrown>) {
    let hash = |(partition, _): &(&TopicPartition, &OffsetAndMetadata)| {
        java::partition_hash(&partition.topic, partition.partition)
    };
    let committed = java::hash_order(offsets.iter().collect(), hash).into_iter().map(|(partition, offset)| {
        let mut one = place(partition);
        one.push(("offset", Json::Whole(offset.offset)));
        object(one)
    });
    let mut more = vec![("offsets", Json::List(committed.collect()))];
    if let Some(message) = failed.as_ref().and_then(|thrown| thrown.message.as_deref()) {
        more.push(("error", Json::text(message)));
    }
    more.push(("success", Json::Bool(failed.is_none())));
    event("offsets_committed", more);
}
