//! Stories of Delta writes: what is in the log and what a reader gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use andiron_plan::spec::SaveMode;
use arrow::array::{Array, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use futures::{StreamExt, TryStreamExt};

use super::{DeltaOutcome, DeltaWrite, Txn, has_txn, write};
use crate::resolved::BatchStream;
use crate::{Engine, EngineOptions, Options};

fn batch(numbers: &[i32]) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("word", DataType::Utf8View, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]));
    let words: StringViewArray =
        numbers.iter().map(|n| Some(format!("word {n}, longer than a view holds inline"))).collect();
    let times = TimestampMicrosecondArray::from_iter_values(numbers.iter().map(|n| i64::from(*n) * 1_000_001))
        .with_timezone("UTC");
    RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from(numbers.to_vec())), Arc::new(words), Arc::new(times)])
        .unwrap()
}

fn streams(parts: &[&[i32]]) -> Vec<BatchStream> {
    parts.iter().map(|p| futures::stream::iter(vec![Ok(batch(p))]).boxed()).collect()
}

fn request(path: &std::path::Path, mode: SaveMode, txn: Option<(&str, i64)>) -> DeltaWrite {
    DeltaWrite {
        path: path.to_str().unwrap().to_owned(),
        mode,
        txn: txn.map(|(app, version)| Txn { app_id: app.to_owned(), version }),
        partition_by: Vec::new(),
        merge_schema: false,
        overwrite_schema: false,
        streaming: None,
        options: Options::default(),
    }
}

async fn numbers(path: &std::path::Path) -> Vec<i32> {
    let engine = Engine::new(EngineOptions::default());
    let session = engine.session("u", "s");
    let read = andiron_plan::spec::ReadSource {
        format: Some("delta".to_owned()),
        schema: None,
        options: Vec::new(),
        paths: vec![path.to_str().unwrap().to_owned()],
        predicates: Vec::new(),
        source_name: None,
        is_streaming: false,
    };
    let relation = andiron_plan::spec::RelationNode::ReadSource(read).into();
    let execution = session.execute(&relation).await.unwrap();
    let batches: Vec<RecordBatch> = execution.batches.try_collect().await.unwrap();
    let mut all: Vec<i32> = batches
        .iter()
        .flat_map(|b| b.column(0).as_any().downcast_ref::<Int32Array>().unwrap().values().to_vec())
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn the_same_number_of_an_application_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let schema = batch(&[]).schema();
    let first = write(streams(&[&[1, 2], &[3]]), schema.clone(), &request(&path, SaveMode::Append, Some(("app", 7))))
        .await
        .unwrap();
    assert_eq!(first, DeltaOutcome::Committed { version: 0, rows: 3 });
    let again = write(streams(&[&[1, 2], &[3]]), schema.clone(), &request(&path, SaveMode::Append, Some(("app", 7))))
        .await
        .unwrap();
    assert_eq!(again, DeltaOutcome::Skipped);
    let next =
        write(streams(&[&[4]]), schema.clone(), &request(&path, SaveMode::Append, Some(("app", 8)))).await.unwrap();
    assert_eq!(next, DeltaOutcome::Committed { version: 1, rows: 1 });
    let other = write(streams(&[&[5]]), schema, &request(&path, SaveMode::Append, Some(("other", 0)))).await.unwrap();
    assert_eq!(other, DeltaOutcome::Committed { version: 2, rows: 1 });
    assert_eq!(numbers(&path).await, [1, 2, 3, 4, 5]);
    let at = |app: &str, version| Txn { app_id: app.to_owned(), version };
    let text = path.to_str().unwrap();
    assert!(has_txn(text, &Options::default(), &at("app", 8)).await.unwrap());
    assert!(!has_txn(text, &Options::default(), &at("app", 9)).await.unwrap());
    assert!(!has_txn(text, &Options::default(), &at("nobody", 0)).await.unwrap());
}

#[tokio::test]
async fn the_log_names_us_and_what_the_files_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    write(streams(&[&[1, 2]]), batch(&[]).schema(), &request(&path, SaveMode::Append, Some(("app", 7)))).await.unwrap();
    let log = std::fs::read_to_string(path.join("_delta_log/00000000000000000000.json")).unwrap();
    let actions: Vec<serde_json::Value> = log.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let find = |name: &str| actions.iter().find_map(|a| a.get(name)).unwrap();
    assert!(find("commitInfo")["engineInfo"].as_str().unwrap().starts_with("Andiron/"), "{log}");
    assert_eq!(find("txn")["appId"], "app");
    let stats: serde_json::Value = serde_json::from_str(find("add")["stats"].as_str().unwrap()).unwrap();
    assert_eq!(stats["numRecords"], 2);
    assert_eq!(
        (&stats["minValues"]["n"], &stats["maxValues"]["n"], &stats["nullCount"]["n"]),
        (&1.into(), &2.into(), &0.into())
    );
    assert_eq!(stats["minValues"]["at"], "1970-01-01T00:00:01.000Z");
    assert_eq!(stats["maxValues"]["at"], "1970-01-01T00:00:02.001Z");
}

#[tokio::test]
async fn modes_do_what_their_names_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let schema = batch(&[]).schema();
    write(streams(&[&[1]]), schema.clone(), &request(&path, SaveMode::ErrorIfExists, None)).await.unwrap();
    let refused =
        write(streams(&[&[2]]), schema.clone(), &request(&path, SaveMode::ErrorIfExists, None)).await.unwrap_err();
    assert_eq!(refused.class(), Some("DELTA_PATH_EXISTS"));
    let ignored = write(streams(&[&[2]]), schema.clone(), &request(&path, SaveMode::Ignore, None)).await.unwrap();
    assert_eq!(ignored, DeltaOutcome::Skipped);
    write(streams(&[&[3]]), schema.clone(), &request(&path, SaveMode::Append, None)).await.unwrap();
    assert_eq!(numbers(&path).await, [1, 3]);
    write(streams(&[&[4]]), schema, &request(&path, SaveMode::Overwrite, None)).await.unwrap();
    assert_eq!(numbers(&path).await, [4]);
}

#[tokio::test]
async fn new_columns_want_merge_schema() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let narrow = batch(&[1]).project(&[0]).unwrap();
    let stream = || vec![futures::stream::iter(vec![Ok(narrow.clone())]).boxed() as BatchStream];
    write(stream(), narrow.schema(), &request(&path, SaveMode::Append, None)).await.unwrap();
    let wide = batch(&[]).schema();
    let refused = write(streams(&[&[2]]), wide.clone(), &request(&path, SaveMode::Append, None)).await.unwrap_err();
    assert!(refused.to_string().contains("A schema mismatch detected when writing to the Delta table"), "{refused}");
    let merging = DeltaWrite { merge_schema: true, ..request(&path, SaveMode::Append, None) };
    write(streams(&[&[2]]), wide, &merging).await.unwrap();
    write(stream(), narrow.schema(), &request(&path, SaveMode::Append, None)).await.unwrap();
    assert_eq!(numbers(&path).await, [1, 1, 2]);
}

#[tokio::test]
async fn partition_columns_are_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let by = DeltaWrite { partition_by: vec!["word".to_owned()], ..request(&path, SaveMode::Append, None) };
    write(streams(&[&[1, 2, 1]]), batch(&[]).schema(), &by).await.unwrap();
    let folders = std::fs::read_dir(&path)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("word="))
        .count();
    assert_eq!(folders, 2);
    assert_eq!(numbers(&path).await, [1, 1, 2]);
}
