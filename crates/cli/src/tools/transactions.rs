//! `kafka-transactions` (`org.apache.kafka.tools.TransactionsCommand`).

use std::collections::HashMap;

use andiron_client::admin::{ActiveProducer, TransactionFilter};
use andiron_client::{Admin, TopicPartition};
use andiron_protocol::error::ErrorCode;
use serde_json::{Value, json};

use super::arguments::{Arguments, Command, Kind, Parser, Unparsed, arg, switch};
use super::clock::now_ms;
use super::failure::{Stop, Thrown};
use super::java::{hash_order, partition_hash};
use super::print::{complain, say, tab_table};
use super::session::{admin, block_on, load_properties, with};

const PARTITIONS_PER_ANSWER: i32 = 2000;
const MAX_TIMEOUT_MINUTES: i64 = 15;

pub(super) const PARSER: Parser = Parser {
    tool: "kafka-transactions",
    prog: "kafka-transactions.sh",
    about: "Transactions and their producers; finds hanging ones and ends them.",
    args: &[
        switch(&["-v", "--version"], "Print the version."),
        arg(&["--command-config"], "Properties for the admin client."),
        arg(&["--bootstrap-server"], "Where the cluster is.").required(),
    ],
    required_groups: &[],
    commands: &[
        Command {
            name: "list",
            about: "List transactional ids.",
            args: &[
                arg(&["--duration-filter"], "Only transactions open for more milliseconds than this.").kind(Kind::Long),
                arg(&["--transactional-id-pattern"], "Only ids that match this regular expression."),
            ],
        },
        Command {
            name: "describe",
            about: "Show a transactional id.",
            args: &[arg(&["--transactional-id"], "The id.").required()],
        },
        Command {
            name: "describe-producers",
            about: "Show the producers of a partition.",
            args: &[
                arg(&["--broker-id"], "The replica that is asked; the leader if not given.").kind(Kind::Int),
                arg(&["--topic"], "The topic.").required(),
                arg(&["--partition"], "The partition.").kind(Kind::Int).required(),
            ],
        },
        Command {
            name: "abort",
            about: "End a hanging transaction of a partition.",
            args: &[
                arg(&["--topic"], "The topic.").required(),
                arg(&["--partition"], "The partition.").kind(Kind::Int).required(),
                arg(&["--start-offset"], "Where the transaction begins.").kind(Kind::Long),
                arg(&["--producer-id"], "Its producer, for brokers older than 3.0.").kind(Kind::Long),
                arg(&["--producer-epoch"], "Its producer's epoch, likewise.").kind(Kind::Short),
                arg(&["--coordinator-epoch"], "Its coordinator's epoch, likewise.").kind(Kind::Int),
            ],
        },
        Command {
            name: "find-hanging",
            about: "Find hanging transactions.",
            args: &[
                arg(&["--broker-id"], "Only partitions of this broker.").kind(Kind::Int),
                arg(&["--max-transaction-timeout"], "Minutes that a transaction may take; 15 if not given.")
                    .kind(Kind::Int),
                arg(&["--topic"], "Only this topic."),
                arg(&["--partition"], "Only this partition of it.").kind(Kind::Int),
            ],
        },
        Command {
            name: "forceTerminateTransaction",
            about: "End whatever transaction an id has open.",
            args: &[arg(&["--transactionalId"], "The id.").required()],
        },
    ],
    json: true,
};

pub(super) fn run(args: &[String]) -> u8 {
    if args.iter().take_while(|word| word.starts_with('-')).any(|word| word == "-v" || word == "--version") {
        say(format_args!("{} (Commit:{})", super::KAFKA_VERSION, super::KAFKA_COMMIT));
        return 0;
    }
    let read = match PARSER.parse(args) {
        Ok(read) => read,
        Err(Unparsed::Help) => return 1,
        Err(Unparsed::Wrong(complaint)) => {
            PARSER.complain(&complaint);
            return 1;
        }
    };
    match act(&read) {
        Ok(()) => 0,
        Err(Stop::Exit(code)) => code,
        Err(Stop::Thrown(thrown)) => thrown.uncaught(),
        Err(Stop::Usage(complaint)) => {
            complain(complaint);
            1
        }
    }
}

/// `printErrorAndExit`.
fn told(message: impl std::fmt::Display, why: impl Into<Thrown>) -> Stop {
    Stop::Usage(format!("{message}: {}. Enable debug logging for additional detail.", why.into().text()))
}

fn act(read: &Arguments) -> Result<(), Stop> {
    let properties = match read.text("--command-config") {
        Some(file) => load_properties(file).map_err(|why| told("Failed to load admin client properties", why))?,
        None => Vec::new(),
    };
    let admin = admin(with(properties, "bootstrap.servers", read.text("--bootstrap-server").unwrap_or_default()))?;
    block_on(async {
        match read.command {
            Some("describe") => describe(read, &admin).await,
            Some("describe-producers") => producers(read, &admin).await,
            Some("abort") => abort(read, &admin).await,
            Some("find-hanging") => hanging(read, &admin).await,
            Some("forceTerminateTransaction") => terminate(read, &admin).await,
            _ => list(read, &admin).await,
        }
    })?
}

/// The table, or the same rows as JSON under their headers.
fn show(read: &Arguments, headers: &[&str], table: &[Vec<String>]) {
    if !read.json() {
        return tab_table(headers, table);
    }
    let field = |header: &str| {
        let name: String = header.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut letters = name.chars();
        letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    let cell = |text: &String| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    let row = |row: &Vec<String>| -> Value {
        Value::Object(headers.iter().map(|header| field(header)).zip(row.iter().map(cell)).collect())
    };
    super::print::print_json(&table.iter().map(row).collect());
}

async fn list(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let filter = TransactionFilter {
        duration_ms: read.number("--duration-filter"),
        id_pattern: read.text("--transactional-id-pattern").map(str::to_owned),
        ..TransactionFilter::default()
    };
    let listed = admin.list_transactions(&filter).await.map_err(|why| told("Failed to list transactions", why))?;
    let row = |t: &andiron_client::admin::TransactionListing| {
        vec![t.transactional_id.clone(), t.coordinator.to_string(), t.producer_id.to_string(), t.state.clone()]
    };
    let table: Vec<Vec<String>> = listed.iter().map(row).collect();
    show(read, &["TransactionalId", "Coordinator", "ProducerId", "TransactionState"], &table);
    Ok(())
}

async fn describe(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let id = read.text("--transactional-id").unwrap_or_default();
    let failed =
        |why: Thrown| told(format_args!("Failed to describe transaction state of transactional-id `{id}`"), why);
    let found = admin.describe_transaction(id).await.map_err(|error| failed(error.into()))?;
    let found = found.map_err(|(code, words)| {
        let unknown =
            format!("DescribeTransactions request for transactionalId `{id}` failed because the ID could not be found");
        failed(Thrown::of(code, if code == ErrorCode::TransactionalIdNotFound { &unknown } else { &words }))
    })?;
    let (started, lasted) = match found.started_ms {
        Some(at) => (at.to_string(), (now_ms() - at).to_string()),
        None => ("None".to_owned(), "None".to_owned()),
    };
    let partitions = hash_order(found.partitions, |p| partition_hash(&p.topic, p.partition));
    let partitions: Vec<String> = partitions.iter().map(TopicPartition::to_string).collect();
    let row = vec![
        found.coordinator.to_string(),
        id.to_owned(),
        found.producer_id.to_string(),
        found.producer_epoch.to_string(),
        found.state,
        found.timeout_ms.to_string(),
        started,
        lasted,
        partitions.join(","),
    ];
    let headers = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    show(read, &headers, &[row]);
    Ok(())
}

fn partition(read: &Arguments) -> TopicPartition {
    let topic = read.text("--topic").unwrap_or_default();
    TopicPartition::new(topic, read.number("--partition").unwrap_or_default())
}

async fn active(admin: &Admin, partition: &TopicPartition, broker: Option<i32>) -> Result<Vec<ActiveProducer>, Thrown> {
    Ok(admin.describe_producers(partition, broker).await??)
}

async fn producers(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let (partition, broker) = (partition(read), read.number::<i32>("--broker-id"));
    let from = broker.map_or_else(|| "leader".to_owned(), |broker| format!("broker {broker}"));
    let found = active(admin, &partition, broker).await;
    let found = found
        .map_err(|why| told(format_args!("Failed to describe producers for partition {partition} on {from}"), why))?;
    let row = |producer: &ActiveProducer| {
        vec![
            producer.producer_id.to_string(),
            producer.producer_epoch.to_string(),
            producer.coordinator_epoch.to_string(),
            producer.last_sequence.to_string(),
            producer.last_timestamp.to_string(),
            producer.open_since.map_or_else(|| "None".to_owned(), |offset| offset.to_string()),
        ]
    };
    let table: Vec<Vec<String>> = found.iter().map(row).collect();
    let headers = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    show(read, &headers, &table);
    Ok(())
}

async fn abort(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let partition = partition(read);
    let (producer_id, epoch, coordinator) = match (read.number::<i64>("--start-offset"), read.number("--producer-id")) {
        (None, None) => {
            return Err(Stop::Usage(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
                    .to_owned(),
            ));
        }
        (None, Some(producer_id)) => {
            let missing = |name: &str| Stop::Usage(format!("Missing required argument {name}"));
            let epoch: i16 = read.number("--producer-epoch").ok_or_else(|| missing("--producer-epoch"))?;
            let coordinator: i32 = read.number("--coordinator-epoch").ok_or_else(|| missing("--coordinator-epoch"))?;
            (producer_id, epoch, coordinator.max(0))
        }
        (Some(start), _) => {
            let found = active(admin, &partition, None).await;
            let found = found.map_err(|why| {
                told(format_args!("Failed to validate producer state for partition {partition}"), why)
            })?;
            let Some(producer) = found.iter().find(|producer| producer.open_since == Some(start)) else {
                return Err(Stop::Usage(format!(
                    "Could not find any open transactions starting at offset {start} on partition {partition}"
                )));
            };
            (producer.producer_id, producer.producer_epoch as i16, producer.coordinator_epoch.max(0))
        }
    };
    let failed = |why: Thrown| {
        told(
            format_args!(
                "Failed to abort transaction AbortTransactionSpec(topicPartition={partition}, producerId={producer_id}, producerEpoch={epoch}, coordinatorEpoch={coordinator})"
            ),
            why,
        )
    };
    let outcome = admin.abort_transaction(&partition, producer_id, epoch, coordinator).await;
    outcome.map_err(|error| failed(error.into()))?.map_err(|refusal| failed(refusal.into()))
}

async fn searched(read: &Arguments, admin: &Admin) -> Result<Vec<TopicPartition>, Stop> {
    if read.has("--topic") && read.has("--partition") {
        return Ok(vec![partition(read)]);
    }
    let topics = match read.text("--topic") {
        Some(topic) => vec![topic.to_owned()],
        None => {
            let topics = admin.list_topics().await.map_err(|why| told("Failed to list topics", why))?;
            topics.into_iter().map(|topic| topic.name).collect()
        }
    };
    let broker = read.number::<i32>("--broker-id");
    let failed = |why: Thrown| told(format_args!("Failed to describe {} topics", topics.len()), why);
    let mut partitions = Vec::new();
    for (name, topic) in admin.describe_topics(&topics, PARTITIONS_PER_ANSWER).await.map_err(|e| failed(e.into()))? {
        for p in topic.map_err(|refusal| failed(refusal.into()))?.partitions {
            if broker.is_none_or(|broker| p.replicas.contains(&broker)) {
                partitions.push(TopicPartition::new(name.as_str(), p.partition));
            }
        }
    }
    Ok(partitions)
}

async fn hanging(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    if !read.has("--topic") && !read.has("--broker-id") {
        return Err(Stop::Usage(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search"
                .to_owned(),
        ));
    }
    if read.has("--partition") && !read.has("--topic") {
        return Err(Stop::Usage("The --partition argument requires --topic to be provided".to_owned()));
    }
    let broker = read.number::<i32>("--broker-id");
    let most_ms = read.number("--max-transaction-timeout").unwrap_or(MAX_TIMEOUT_MINUTES) * 60_000;
    let partitions = searched(read, admin).await?;
    let mut open: Vec<(TopicPartition, ActiveProducer)> = Vec::new();
    for partition in &partitions {
        let found = active(admin, partition, broker).await.map_err(|why| {
            let on = broker.map_or_else(|| "Optional.empty".to_owned(), |broker| format!("Optional[{broker}]"));
            told(format_args!("Failed to describe producers for {} partitions on broker {on}", partitions.len()), why)
        })?;
        let old = found.into_iter().filter(|p| p.open_since.is_some() && now_ms() - p.last_timestamp > most_ms);
        open.extend(old.map(|producer| (partition.clone(), producer)));
    }
    let mut kept = Vec::new();
    if !open.is_empty() {
        let ids: Vec<i64> = open.iter().map(|(_, producer)| producer.producer_id).collect();
        let filter = TransactionFilter { producer_ids: ids.clone(), ..TransactionFilter::default() };
        let listed = admin.list_transactions(&filter).await;
        let listed =
            listed.map_err(|why| told(format_args!("Failed to list transactions for {} producers", ids.len()), why))?;
        let mut known: HashMap<i64, Vec<TopicPartition>> = HashMap::new();
        for transaction in listed {
            let failed = |why: Thrown| told("Failed to describe 1 transactions", why);
            let described = admin.describe_transaction(&transaction.transactional_id).await;
            match described.map_err(|error| failed(error.into()))? {
                Ok(described) => {
                    known.insert(transaction.producer_id, described.partitions);
                }
                Err((ErrorCode::TransactionalIdNotFound, _)) => {}
                Err(refusal) => return Err(failed(refusal.into())),
            }
        }
        let hangs = |(partition, producer): &(TopicPartition, ActiveProducer)| {
            known.get(&producer.producer_id).is_none_or(|partitions| !partitions.contains(partition))
        };
        kept = open.into_iter().filter(hangs).collect();
    }
    let row = |(partition, producer): &(TopicPartition, ActiveProducer)| {
        vec![
            partition.topic.to_string(),
            partition.partition.to_string(),
            producer.producer_id.to_string(),
            producer.producer_epoch.to_string(),
            producer.coordinator_epoch.to_string(),
            producer.open_since.unwrap_or(-1).to_string(),
            producer.last_timestamp.to_string(),
            ((now_ms() - producer.last_timestamp) / 60_000).to_string(),
        ]
    };
    let table: Vec<Vec<String>> = kept.iter().map(row).collect();
    let headers = [
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ];
    show(read, &headers, &table);
    Ok(())
}

async fn terminate(read: &Arguments, admin: &Admin) -> Result<(), Stop> {
    let id = read.text("--transactionalId").unwrap_or_default();
    let failed = |why: Thrown| told(format_args!("Failed to force terminate transactionalId `{id}`"), why);
    let outcome = admin.fence_producer(id).await;
    outcome.map_err(|error| failed(error.into()))?.map_err(|refusal| failed(refusal.into()))
}
