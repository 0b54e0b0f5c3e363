//! How long many partitions take to create, to close and to open again: `open_many DIR COUNT`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_storage::{AppendOrigin, Disk, Log, LogConfig, OpenLog, RealDisk, TopicPartition};
use uuid::Uuid;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, count] = args.as_slice() else { panic!("open_many DIR COUNT") };
    let count: i32 = count.parse().unwrap();
    let real = RealDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(real.clone());
    let open = |partition: i32, clean: bool| {
        let partition = TopicPartition::new("many", partition);
        let open = OpenLog {
            dir: Path::new(dir).join(partition.dir_name()),
            config: LogConfig::default(),
            topic_id: Some(Uuid::from_u128(1)),
            log_start_offset: 0,
            recovery_point: 0,
            clean_shutdown: clean,
            journal: None,
            now: 0,
        };
        Log::open(disk.clone(), partition, open).unwrap().0
    };
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(0, Some(b"k"), Some(b"v"));
    let batch = builder.build().unwrap();
    let report = |what: &str, start: Instant| {
        println!(
            "{what} {:.0} us each, {} files open",
            start.elapsed().as_micros() as f64 / f64::from(count),
            real.open_files()
        );
    };
    let start = Instant::now();
    let mut logs: Vec<Log> = (0..count).map(|p| open(p, false)).collect();
    report("create", start);
    let start = Instant::now();
    for log in &mut logs {
        log.append_as_leader(&batch, 0, AppendOrigin::Client, 0).unwrap();
    }
    report("append", start);
    let start = Instant::now();
    logs.drain(..).for_each(|mut log| log.close_clean().unwrap());
    report("close", start);
    let start = Instant::now();
    let logs: Vec<Log> = (0..count).map(|p| open(p, true)).collect();
    report("open", start);
    drop(logs);
    let start = Instant::now();
    let logs: Vec<Log> = (0..count).map(|p| open(p, false)).collect();
    report("recover", start);
    drop(logs);
}
