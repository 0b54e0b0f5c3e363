//! A query from a Kafka in memory to real sinks, and a crash at every act of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use andiron_plan::spec::{LocalRelation, Relation, RelationNode, StreamTarget, Trigger, WriteStreamStart};
use arrow::array::AsArray;
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use datafusion::datasource::provider_as_source;
use datafusion::functions::datetime;
use datafusion::logical_expr::{LogicalPlanBuilder, cast, ident};
use futures::StreamExt;

use super::start::start_resolved;
use crate::formats::SourceRead;
use crate::resolved::{OutputColumn, StreamingTable};
use crate::source::kafka::decode;
use crate::source::kafka::fake::FakeKafka;
use crate::{Engine, EngineOptions, Options, Resolved, Session, SparkError, StreamingSource};

struct World {
    kafka: FakeKafka,
    engine: Arc<Engine>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let kafka = FakeKafka::default();
        let engine = Engine::new(EngineOptions::default());
        engine.set_kafka(Arc::new(kafka.clone()));
        Self { kafka, engine, folder: tempfile::tempdir().unwrap() }
    }

    fn session(&self) -> Arc<Session> {
        self.engine.session("tester", "s")
    }

    fn place(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn orders(&self, counts: [usize; 3]) {
        self.kafka.topic("orders", 3);
        for (partition, count) in counts.into_iter().enumerate() {
            self.kafka.append("orders", partition, (0..count).map(|i| format!("order {partition}/{i}")));
        }
    }
}

/// The relation that `readStream.format("kafka")` resolves to.
fn kafka(options: &[(&str, &str)]) -> Resolved {
    let mut all = vec![("kafka.bootstrap.servers", "fake:1"), ("subscribe", "orders")];
    all.extend(options);
    let schema = decode::schema(false);
    let source = StreamingSource {
        id: 7,
        read: SourceRead {
            format: "kafka".to_owned(),
            options: Options::new(all),
            schema: None,
            paths: Vec::new(),
            source_name: None,
        },
        schema: Arc::clone(&schema),
    };
    let table = Arc::new(StreamingTable { source: Arc::new(source) });
    let plan = LogicalPlanBuilder::scan("s", provider_as_source(table), None).unwrap().build().unwrap();
    let columns = schema.fields().iter().map(|field| OutputColumn {
        name: field.name().clone(),
        internal: field.name().clone(),
        qualifiers: Vec::new(),
        plan_ids: Vec::new(),
        metadata: Default::default(),
    });
    Resolved { plan, columns: columns.collect() }
}

fn write(format: &str, path: &str, checkpoint: &str, trigger: Trigger) -> WriteStreamStart {
    let nothing = RelationNode::LocalRelation(LocalRelation { data: None, schema: None });
    WriteStreamStart {
        input: Relation::new(nothing),
        format: format.to_owned(),
        options: if checkpoint.is_empty() {
            Vec::new()
        } else {
            vec![("checkpointLocation".to_owned(), checkpoint.to_owned())]
        },
        partitioning_columns: Vec::new(),
        trigger,
        output_mode: "append".to_owned(),
        query_name: if format == "memory" { path.to_owned() } else { String::new() },
        target: if format == "memory" { StreamTarget::None } else { StreamTarget::Path(path.to_owned()) },
        foreach_writer: None,
        foreach_batch: None,
        clustering_columns: Vec::new(),
    }
}

async fn rows_of(session: &Session, name: &str) -> BTreeSet<(i32, i64)> {
    let view = session.catalog().view(name).unwrap();
    let mut batches = session.run(&view).await.unwrap();
    let mut seen = BTreeSet::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.unwrap();
        let (partitions, offsets) =
            (batch.column(3).as_primitive::<Int32Type>(), batch.column(4).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            assert!(seen.insert((partitions.value(row), offsets.value(row))), "a row came twice");
        }
    }
    seen
}

/// The offsets in the files of a parquet sink, as often as they are there.
fn written(folder: &str) -> Vec<(i32, i64)> {
    let mut seen = Vec::new();
    for file in crate::sink::committed_files(Path::new(folder)).unwrap().unwrap_or_default() {
        let file = std::fs::File::open(file).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let partitions = batch.column(3).as_primitive::<Int32Type>();
            let offsets = batch.column(4).as_primitive::<Int64Type>();
            seen.extend((0..batch.num_rows()).map(|row| (partitions.value(row), offsets.value(row))));
        }
    }
    seen.sort_unstable();
    seen
}

fn all(counts: [i64; 3]) -> Vec<(i32, i64)> {
    (0..3).flat_map(|p| (0..counts[p as usize]).map(move |o| (p, o))).collect()
}

#[tokio::test]
async fn a_running_query_takes_in_what_comes_and_says_so() {
    let world = World::new();
    world.orders([50, 20, 0]);
    let session = world.session();
    let started =
        start_resolved(&session, &write("memory", "t", "", Trigger::Default), kafka(&[]), None).await.unwrap();
    let query = started.query;
    assert!(started.event_json.is_none(), "nobody listens");
    query.process_all_available().await.unwrap();
    assert!(rows_of(&session, "t").await.is_empty(), "startingOffsets is latest");
    world.kafka.append("orders", 1, ["x".to_owned(), "y".to_owned()]);
    query.process_all_available().await.unwrap();
    assert_eq!(rows_of(&session, "t").await, BTreeSet::from([(1, 20), (1, 21)]));
    let progress: serde_json::Value = serde_json::from_str(&query.last_progress().unwrap()).unwrap();
    let source = &progress["sources"][0];
    assert_eq!(source["description"], "KafkaV2[Subscribe[orders]]");
    assert_eq!(source["startOffset"], serde_json::json!({"orders": {"0": 50, "1": 20, "2": 0}}));
    assert_eq!(source["endOffset"], serde_json::json!({"orders": {"0": 50, "1": 22, "2": 0}}));
    assert_eq!(progress["numInputRows"], 2);
    assert_eq!(source["metrics"]["maxOffsetsBehindLatest"], "0");
    for step in
        ["addBatch", "getBatch", "latestOffset", "queryPlanning", "triggerExecution", "walCommit", "commitOffsets"]
    {
        assert!(progress["durationMs"][step].is_i64(), "{step}");
    }
    assert!(query.is_active() && session.queries().get(query.id()).is_some());
    assert!(!query.await_termination(Some(10)).await.unwrap());
    query.stop().await;
    assert!(query.await_termination(None).await.unwrap());
    assert_eq!(query.status().message, "Stopped");
    assert!(session.queries().active().is_empty() && session.queries().find(query.id(), query.run_id()).is_some());
    assert!(session.queries().await_any_termination(None).await.unwrap());
}

#[tokio::test]
async fn available_now_ends_by_itself_and_the_next_run_goes_on() {
    let world = World::new();
    world.orders([100, 10, 1]);
    let (out, at) = (world.place("out"), world.place("checkpoint"));
    let options = [("startingOffsets", "earliest"), ("maxOffsetsPerTrigger", "30")];
    let run = || async {
        let start = write("parquet", &out, &at, Trigger::AvailableNow);
        let query = start_resolved(&world.session(), &start, kafka(&options), None).await.unwrap().query;
        query.await_termination(None).await.unwrap();
        query
    };
    let first = run().await;
    assert_eq!(written(&out), all([100, 10, 1]));
    assert_eq!(first.recent_progress().len(), 4, "111 rows by 30");
    let files: Vec<String> = ["metadata", "offsets/0", "sources/0/0", "commits/3"]
        .iter()
        .map(|f| String::from_utf8(std::fs::read(Path::new(&at).join(f)).unwrap()).unwrap())
        .collect();
    assert_eq!(files[0], format!("{{\"id\":\"{}\"}}", first.id()));
    assert!(files[1].starts_with("v1\n{\"batchWatermarkMs\":0,\"batchTimestampMs\":"), "{}", files[1]);
    assert!(files[1].ends_with("}\n{\"orders\":{\"0\":27,\"1\":2,\"2\":1}}"), "{}", files[1]);
    assert_eq!(files[2], "\0v1\n{\"orders\":{\"0\":0,\"1\":0,\"2\":0}}");
    assert_eq!(files[3], "v1\n{\"nextBatchWatermarkMs\":0}");
    world.orders([5, 0, 0]);
    let second = run().await;
    assert_eq!(second.id(), first.id());
    assert_ne!(second.run_id(), first.run_id());
    assert_eq!(written(&out), all([105, 10, 1]));
    assert_eq!(run().await.recent_progress().len(), 0, "nothing new, no batch");
}

#[tokio::test]
async fn a_death_at_any_act_leaves_every_row_once() {
    let world = World::new();
    world.orders([40, 10, 1]);
    let options = [("startingOffsets", "earliest"), ("maxOffsetsPerTrigger", "20")];
    let mut at = 0;
    loop {
        at += 1;
        let mut reached = false;
        for done in [false, true] {
            let (out, checkpoint) = (world.place(&format!("out {at} {done}")), world.place(&format!("c {at} {done}")));
            let start = write("parquet", &out, &checkpoint, Trigger::AvailableNow);
            let died = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let seen = Arc::clone(&died);
            let fault = Box::new(move |number, after| {
                let dies = number == at && after == done;
                seen.fetch_or(dies, std::sync::atomic::Ordering::SeqCst);
                dies
            });
            let query = start_resolved(&world.session(), &start, kafka(&options), Some(fault)).await.unwrap().query;
            query.await_termination(None).await.unwrap();
            reached |= died.load(std::sync::atomic::Ordering::SeqCst);
            let query = start_resolved(&world.session(), &start, kafka(&options), None).await.unwrap().query;
            query.await_termination(None).await.unwrap();
            assert_eq!(written(&out), all([40, 10, 1]), "died at act {at}, done: {done}");
        }
        if !reached {
            break;
        }
    }
    assert!(at > 12, "only {at} acts");
}

#[tokio::test]
async fn a_batch_that_is_run_again_has_the_time_of_its_offsets() {
    let world = World::new();
    world.orders([5, 0, 0]);
    let (out, checkpoint) = (world.place("out"), world.place("c"));
    // The records' timestamp gives way to now().
    let stamped = || {
        let mut rows = kafka(&[("startingOffsets", "earliest")]);
        let instant = rows.plan.schema().field(5).data_type().clone();
        let columns = rows.columns.iter().map(|column| match column.internal.as_str() {
            "timestamp" => cast(datetime::expr_fn::now(), instant.clone()).alias("timestamp"),
            name => ident(name),
        });
        rows.plan = LogicalPlanBuilder::from(rows.plan).project(columns).unwrap().build().unwrap();
        rows
    };
    let start = write("parquet", &out, &checkpoint, Trigger::AvailableNow);
    let (offsets, commit) = (Path::new(&checkpoint).join("offsets/0"), Path::new(&checkpoint).join("commits/0"));
    let found = offsets.clone();
    let fault = Box::new(move |_, _| found.exists());
    let query = start_resolved(&world.session(), &start, stamped(), Some(fault)).await.unwrap().query;
    query.await_termination(None).await.unwrap();
    assert!(!commit.exists(), "it died before its batch");
    let text = std::fs::read_to_string(&offsets).unwrap();
    let (before, after) = text.split_once("\"batchTimestampMs\":").unwrap();
    let then = 1_600_000_000_123_i64;
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
    std::fs::write(&offsets, format!("{before}\"batchTimestampMs\":{then}{after}")).unwrap();
    let query = start_resolved(&world.session(), &start, stamped(), None).await.unwrap().query;
    query.await_termination(None).await.unwrap();
    let mut times = Vec::new();
    for file in crate::sink::committed_files(Path::new(&out)).unwrap().unwrap() {
        let file = std::fs::File::open(file).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        for batch in reader.build().unwrap() {
            times.extend(batch.unwrap().column(5).as_primitive::<TimestampMicrosecondType>().values().iter().copied());
        }
    }
    assert_eq!(times, [then * 1000; 5]);
}

#[tokio::test]
async fn gone_offsets_fail_by_name_or_are_passed_over() {
    for fail in [true, false] {
        let world = World::new();
        world.orders([50, 50, 50]);
        let (out, at) = (world.place("out"), world.place("c"));
        let fail_text = fail.to_string();
        let options = [("startingOffsets", "earliest"), ("failOnDataLoss", fail_text.as_str())];
        let start = write("parquet", &out, &at, Trigger::AvailableNow);
        let run = || start_resolved_and_wait(&world, &start, &options);
        run().await.unwrap();
        world.orders([50, 50, 50]);
        world.kafka.delete_before("orders", 1, 80);
        let outcome = run().await;
        if fail {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("failOnDataLoss") && error.contains("STREAM_FAILED"), "{error}");
            assert!(error.contains("KAFKA_DATA_LOSS.COULD_NOT_READ_OFFSET_RANGE"), "{error}");
        } else {
            outcome.unwrap();
            assert_eq!(written(&out).len(), 300 - 30);
        }
    }
}

async fn start_resolved_and_wait(
    world: &World,
    start: &WriteStreamStart,
    options: &[(&str, &str)],
) -> Result<(), SparkError> {
    let query = start_resolved(&world.session(), start, kafka(options), None).await?.query;
    query.await_termination(None).await.map(drop)
}

#[tokio::test]
async fn new_partitions_are_read_from_their_beginning() {
    let world = World::new();
    world.orders([5, 5, 5]);
    let session = world.session();
    let start = write("memory", "t", "", Trigger::Default);
    let query = start_resolved(&session, &start, kafka(&[]), None).await.unwrap().query;
    query.process_all_available().await.unwrap();
    world.kafka.topic("orders", 4);
    world.kafka.append("orders", 3, (0..3).map(|i| i.to_string()));
    query.process_all_available().await.unwrap();
    assert_eq!(rows_of(&session, "t").await, BTreeSet::from([(3, 0), (3, 1), (3, 2)]));
    query.stop().await;
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let world = World::new();
    world.orders([1, 1, 1]);
    let session = world.session();
    let refused = |start: WriteStreamStart, rows: Resolved| {
        let session = Arc::clone(&session);
        async move { start_resolved(&session, &start, rows, None).await.err().map(|e| e.to_string()).unwrap_or_default() }
    };
    let out = world.place("out");
    let said = refused(write("parquet", &out, "", Trigger::Default), kafka(&[])).await;
    assert!(said.contains("checkpointLocation must be specified"), "{said}");
    let said = refused(write("memory", "", "", Trigger::Default), kafka(&[])).await;
    assert!(said.contains("queryName must be specified for memory sink"), "{said}");
    let said = refused(write("nowhere", &out, "", Trigger::Default), kafka(&[])).await;
    assert!(said.contains("nowhere"), "{said}");
    let said = refused(write("noop", &out, "", Trigger::ProcessingTime("soon".to_owned())), kafka(&[])).await;
    assert!(said.contains("soon"), "{said}");
    let mut kafka_sink = write("kafka", &out, &world.place("c"), Trigger::Default);
    kafka_sink.options.push(("kafka.bootstrap.servers".to_owned(), "fake:1".to_owned()));
    kafka_sink.options.push(("topic".to_owned(), "t".to_owned()));
    let said = refused(kafka_sink, kafka(&[])).await;
    assert!(said.contains("headers") || said.is_empty(), "{said}");
    let query = start_resolved(
        &session,
        &write("noop", &out, "", Trigger::Default),
        kafka(&[("startingOffsets", "{\"orders\":{\"0\":0}}")]),
        None,
    )
    .await
    .unwrap()
    .query;
    let said = query.process_all_available().await.unwrap_err().to_string();
    assert!(said.contains("orders-1"), "{said}");
    assert!(
        query
            .exception()
            .unwrap()
            .exception_text()
            .starts_with("org.apache.spark.sql.streaming.StreamingQueryException: [")
    );
    assert!(query.status().message.starts_with("Terminated with exception: "));
}

#[tokio::test]
async fn listeners_hear_of_progress_and_the_end() {
    let world = World::new();
    world.orders([5, 5, 5]);
    let session = world.session();
    let mut events = session.queries().listeners().add();
    let start = write("noop", "", "", Trigger::AvailableNow);
    let started = start_resolved(&session, &start, kafka(&[("startingOffsets", "earliest")]), None).await.unwrap();
    assert!(started.event_json.unwrap().contains("\"jobTags\":[]"));
    started.query.await_termination(None).await.unwrap();
    let progress = events.recv().await.unwrap();
    assert!(progress.json.starts_with("{\"progress\":{\"id\":") && progress.json.contains("\"numInputRows\":15"));
    let end = events.recv().await.unwrap();
    assert!(end.json.contains("\"exception\":null"), "{}", end.json);
    session.queries().listeners().remove();
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn a_session_takes_its_queries_with_it() {
    let world = World::new();
    world.orders([5, 5, 5]);
    let session = world.session();
    let start = write("noop", "", "", Trigger::ProcessingTime("1 hour".to_owned()));
    let query = start_resolved(&session, &start, kafka(&[]), None).await.unwrap().query;
    session.queries().stop_all().await;
    assert!(!query.is_active());
}
