//! How fast `from_json` is: rows like the flights of nycflights13, from a Kafka-like column of bytes, alone and into Delta.
//!
//! `cargo run --release -p andiron-engine --example from_json [rows]`

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use andiron_engine::datetime::Zone;
use andiron_engine::json::{JsonReadOptions, JsonReader};
use andiron_engine::{Engine, EngineOptions};
use andiron_plan::spec::{Command, Expr, Relation, RelationNode, SaveMode, Write as SaveRows, WriteTarget};
use arrow::array::{ArrayRef, BinaryViewBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

const SCHEMA: &str = "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, \
    sched_arr_time int, arr_delay int, carrier string, flight int, tailnum string, origin string, dest string, \
    air_time int, distance int, hour int, minute int, time_hour string";

/// Rows in one Kafka batch, more or less.
const BATCH_ROWS: usize = 8192;

fn flights(rows: usize) -> Vec<ArrayRef> {
    let mut batches: Vec<ArrayRef> = Vec::new();
    let mut made = 0;
    while made < rows {
        let mut builder = BinaryViewBuilder::new().with_fixed_block_size(4 * 1024 * 1024);
        let mut text = String::new();
        for i in made..(made + BATCH_ROWS).min(rows) {
            text.clear();
            let _ = write!(
                text,
                "{{\"year\": 2013, \"month\": {}, \"day\": {}, \"dep_time\": {}, \"sched_dep_time\": 515, \"dep_delay\": {}, \"arr_time\": 830, \
                 \"sched_arr_time\": 819, \"arr_delay\": 11, \"carrier\": \"UA\", \"flight\": {}, \"tailnum\": \"N{:05}\", \"origin\": \"EWR\", \
                 \"dest\": \"IAH\", \"air_time\": 227, \"distance\": 1400, \"hour\": 5, \"minute\": 15, \"time_hour\": \"2013-01-{:02}T05:00:00Z\"}}",
                i % 12 + 1,
                i % 28 + 1,
                500 + i % 1000,
                i % 100,
                i % 8000,
                i % 100_000,
                i % 28 + 1
            );
            builder.append_value(text.as_bytes());
        }
        made += BATCH_ROWS;
        batches.push(Arc::new(builder.finish()));
    }
    batches
}

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().nth(1).map_or(Ok(336_776), |text| text.parse())?;
    let batches = flights(rows);
    let bytes: usize = batches.iter().map(|b| b.get_buffer_memory_size()).sum();
    println!("{rows} rows, {} bytes a row with their views", bytes / rows.max(1));

    let schema = andiron_plan::types::schema_from_text(SCHEMA)?;
    let reader = JsonReader::new(&schema, JsonReadOptions::new(Zone::UTC))?;
    for wanted in ["all 19 fields", "one field"] {
        let reader = if wanted == "one field" {
            reader.with_fields(|f| f == "dep_time").unwrap_or(reader.clone())
        } else {
            reader.clone()
        };
        let began = Instant::now();
        for batch in &batches {
            std::hint::black_box(reader.read(batch)?);
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("from_json, {wanted}, one core: {:.2} M rows/s", rows as f64 / seconds / 1e6);
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(into_delta(rows, batches))
}

/// The same rows through a whole plan: `from_json(cast(value as string))`, `data.*`, into a new Delta table.
async fn into_delta(rows: usize, batches: Vec<ArrayRef>) -> Result<(), Box<dyn Error>> {
    let engine = Engine::new(EngineOptions::default());
    let session = engine.session("bench", "bench");
    let column = Arc::new(Schema::new(vec![Field::new("value", DataType::BinaryView, true)]));
    let batches = batches
        .into_iter()
        .map(|b| RecordBatch::try_new(Arc::clone(&column), vec![b]))
        .collect::<Result<Vec<_>, _>>()?;
    // As many partitions as the topic would have.
    let mut partitions: Vec<Vec<RecordBatch>> = vec![Vec::new(); 3];
    for (i, batch) in batches.into_iter().enumerate() {
        partitions[i % 3].push(batch);
    }
    let table = datafusion::datasource::MemTable::try_new(column, partitions)?;
    let resolved = andiron_engine::resolve::table(&session, Arc::new(table), &[])?;
    session.catalog().remember("batch", resolved)?;
    let folder = std::env::temp_dir().join(format!("andiron-bench-{}", std::process::id()));
    let parsed = format!("from_json(cast(value as string), '{SCHEMA}') as data");
    let project = |input: Relation, text: &str| -> Result<Relation, Box<dyn Error>> {
        let expressions: Vec<Expr> = vec![andiron_plan::sql::expression(text)?];
        Ok(RelationNode::Project { input: Box::new(input), expressions }.into())
    };
    let batch: Relation = RelationNode::CachedRemoteRelation { relation_id: "batch".to_owned() }.into();
    let input = project(project(batch, &parsed)?, "data.*")?;
    let input: Relation = RelationNode::Filter {
        input: Box::new(input),
        condition: andiron_plan::sql::expression("dep_time is not null")?,
    }
    .into();
    for run in 0..3 {
        let write = SaveRows {
            input: input.clone(),
            source: Some("delta".to_owned()),
            target: WriteTarget::Path(folder.to_string_lossy().into_owned()),
            mode: SaveMode::Append,
            sort_columns: Vec::new(),
            partitioning_columns: Vec::new(),
            bucket_by: None,
            options: Vec::new(),
            clustering_columns: Vec::new(),
        };
        let began = Instant::now();
        session.command(&Command::Write(write)).await?;
        let seconds = began.elapsed().as_secs_f64();
        println!("bytes to Delta, run {run}: {:.2} M rows/s ({seconds:.3} s)", rows as f64 / seconds / 1e6);
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
