//! Writes a partition with every codec for Apache Kafka's tools to judge, or opens the partitions of a log directory and says what
//! is in them, or appends a batch to each and closes them clean, for Apache Kafka to take over: `segments write|open|touch DIR`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches, ControlType, EndTxnMarker, control_key};
use andiron_protocol::compression::Codec;
use andiron_storage::{AppendOrigin, Disk, Log, LogConfig, LogDir, MetaProperties, OpenLog, RealDisk, TopicPartition};
use uuid::Uuid;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "write", dir] => write(Path::new(dir)),
        [_, "open", dir] => open(Path::new(dir)),
        [_, "touch", dir] => touch(Path::new(dir)),
        _ => panic!("segments write DIR | segments open DIR | segments touch DIR"),
    }
}

fn write(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let log_dir = LogDir::open(disk.clone(), dir).unwrap();
    let meta = MetaProperties { cluster_id: "AjtJUBfaRYS1fqhWubkuTg".into(), node_id: 1, directory_id: Uuid::new_v4() };
    log_dir.write_meta_properties(&meta).unwrap();
    let partition = TopicPartition::new("ours", 0);
    let config = LogConfig { segment_bytes: 1 << 20, transaction_verification: false, ..LogConfig::default() };
    let open = OpenLog {
        dir: log_dir.partition_dir(&partition),
        config,
        topic_id: Some(Uuid::new_v4()),
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: false,
        journal: None,
        now: now(),
    };
    let (mut log, _) = Log::open(disk, partition.clone(), open).unwrap();
    let append = |log: &mut Log, options: BatchOptions, count: i64, origin| {
        let mut builder = BatchBuilder::new(options.clone());
        for i in 0..count {
            let value = vec![(i * 31) as u8; (i * 17 % 900) as usize];
            if options.control {
                builder.append(
                    now(),
                    Some(&control_key(ControlType::Abort)),
                    Some(&EndTxnMarker { coordinator_epoch: 0 }.to_bytes()),
                );
            } else if i % 3 == 0 {
                builder.append_with_headers(
                    now() - 100 + i,
                    None,
                    Some(&value),
                    [(&b"h"[..], Some(&b"v"[..])), (b"n", None)],
                );
            } else {
                builder.append(now() - 100 + i, Some(b"key"), Some(&value));
            }
        }
        log.append_as_leader(&builder.build().unwrap(), 0, origin, now()).unwrap();
    };
    for round in 0..60i32 {
        for codec in Codec::ALL {
            append(&mut log, BatchOptions { codec, ..BatchOptions::default() }, 30, AppendOrigin::Client);
            let options = BatchOptions {
                codec,
                producer_id: i64::from(codec.id()),
                producer_epoch: 0,
                base_sequence: round * 30,
                ..BatchOptions::default()
            };
            append(&mut log, options, 30, AppendOrigin::Client);
        }
        let transactional = BatchOptions {
            producer_id: 100,
            producer_epoch: 2,
            base_sequence: round * 5,
            transactional: true,
            ..BatchOptions::default()
        };
        append(&mut log, transactional.clone(), 5, AppendOrigin::Client);
        append(
            &mut log,
            BatchOptions { control: true, base_sequence: -1, ..transactional },
            1,
            AppendOrigin::Coordinator,
        );
    }
    println!("{} segments, end {}", log.segment_count(), log.log_end_offset());
    log.close_clean().unwrap();
    let ends = [(partition, log.log_end_offset())].into();
    log_dir.write_recovery_points(&ends).unwrap();
    log_dir.write_high_watermarks(&ends).unwrap();
    log_dir.write_log_start_offsets(&Default::default()).unwrap();
    log_dir.mark_clean(5).unwrap();
}

fn open(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let log_dir = LogDir::open(disk.clone(), dir).unwrap();
    println!(
        "clean={} epoch={} {:?}",
        log_dir.was_clean(),
        log_dir.clean_shutdown_epoch(),
        log_dir.meta_properties().unwrap()
    );
    let (points, starts, marks) =
        (log_dir.recovery_points().unwrap(), log_dir.log_start_offsets().unwrap(), log_dir.high_watermarks().unwrap());
    for partition in log_dir.partitions().unwrap() {
        let open = OpenLog {
            dir: log_dir.partition_dir(&partition),
            config: LogConfig::default(),
            topic_id: None,
            log_start_offset: starts.get(&partition).copied().unwrap_or(0),
            recovery_point: points.get(&partition).copied().unwrap_or(0),
            clean_shutdown: log_dir.was_clean(),
            journal: None,
            now: now(),
        };
        let (log, recovered) = Log::open(disk.clone(), partition.clone(), open).unwrap();
        let high_watermark = marks.get(&partition).copied().unwrap_or(log.log_end_offset());
        let (mut batches, mut records, mut at) = (0, 0, log.log_start_offset());
        let mut scratch = Vec::new();
        while at < log.log_end_offset() {
            let bytes = log.read_batches(at, 1 << 20).unwrap();
            for batch in Batches::new(&bytes) {
                let batch = batch.unwrap();
                batch.check_crc().unwrap();
                records += batch.records(&mut scratch).unwrap().inspect(|r| assert!(r.is_ok())).count();
                batches += 1;
                at = batch.header.next_offset();
            }
        }
        println!(
            "{partition} id={:?} start={} end={} stable={} segments={} batches={batches} records={records} epoch={:?} max={:?} aborted={:?} recovered={recovered:?}",
            log.topic_id(),
            log.log_start_offset(),
            log.log_end_offset(),
            log.last_stable_offset(high_watermark),
            log.segment_count(),
            log.latest_epoch(),
            log.max_timestamp().unwrap(),
            log.aborted_transactions(0, i64::MAX).unwrap(),
        );
        for (id, entry) in log.producers() {
            println!(
                "  producer {id} epoch {} last seq {} last {:?} txn {:?} coordinator {}",
                entry.epoch,
                entry.last_sequence(),
                entry.batches.last(),
                entry.current_txn_first_offset,
                entry.coordinator_epoch
            );
        }
    }
}

fn touch(dir: &Path) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let log_dir = LogDir::open(disk.clone(), dir).unwrap();
    let (points, starts) = (log_dir.recovery_points().unwrap(), log_dir.log_start_offsets().unwrap());
    let (clean, epoch) = (log_dir.was_clean(), log_dir.clean_shutdown_epoch());
    let mut ends = std::collections::BTreeMap::new();
    for partition in log_dir.partitions().unwrap().into_iter().filter(|p| &*p.topic != "__cluster_metadata") {
        let open = OpenLog {
            dir: log_dir.partition_dir(&partition),
            config: LogConfig { segment_bytes: 1 << 20, ..LogConfig::default() },
            topic_id: None,
            log_start_offset: starts.get(&partition).copied().unwrap_or(0),
            recovery_point: points.get(&partition).copied().unwrap_or(0),
            clean_shutdown: clean,
            journal: None,
            now: now(),
        };
        let (mut log, recovered) = Log::open(disk.clone(), partition.clone(), open).unwrap();
        if !partition.topic.starts_with("__") {
            for _ in 0..2000 {
                let mut builder = BatchBuilder::new(BatchOptions::default());
                builder.append(now(), Some(b"touched"), Some(&[b'x'; 500]));
                log.append_as_leader(
                    &builder.build().unwrap(),
                    log.latest_epoch().unwrap_or(0),
                    AppendOrigin::Client,
                    now(),
                )
                .unwrap();
            }
        }
        log.close_clean().unwrap();
        println!("{partition} end={} {recovered:?}", log.log_end_offset());
        ends.insert(partition, log.log_end_offset());
    }
    log_dir.write_recovery_points(&ends).unwrap();
    log_dir.write_high_watermarks(&ends).unwrap();
    log_dir.mark_clean(epoch).unwrap();
}
