//! How cheap an append is: 1 KiB records in batches of 16 KiB and of 1 MiB, megabytes a second and nanoseconds of CPU a record, then
//! lookups. `cargo run --release -p andiron-storage --example append [GIB]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Instant;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::compression::Codec;
use andiron_storage::{AppendOrigin, Disk, Log, LogConfig, OpenLog, RealDisk, TopicPartition, remove_deleted};

/// CPU seconds this process has used, from the kernel's books.
fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() / 100.0, fields[12].parse::<f64>().unwrap() / 100.0)
}

fn main() {
    let gib: f64 = std::env::args().nth(1).map_or(1.0, |a| a.parse().unwrap());
    let dir = tempfile::tempdir_in(".").unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let mut value = vec![0u8; 1024];
    let mut seed = 1u64;
    for byte in &mut value {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = b'A' + (seed >> 33) as u8 % 26;
    }
    for (codec, per_batch) in [(Codec::None, 15), (Codec::None, 1000), (Codec::Lz4, 15), (Codec::Zstd, 15)] {
        let partition = TopicPartition::new("bench", codec.id().into());
        let open = OpenLog {
            dir: dir.path().join(format!("bench-{}-{per_batch}", codec.id())),
            config: LogConfig {
                retention_bytes: 1 << 29,
                message_timestamp_after_max_ms: i64::MAX,
                ..LogConfig::default()
            },
            topic_id: None,
            log_start_offset: 0,
            recovery_point: 0,
            clean_shutdown: true,
            journal: None,
            now: 0,
        };
        let (mut log, _) = Log::open(disk.clone(), partition, open).unwrap();
        let options =
            BatchOptions { codec, producer_id: 1, producer_epoch: 0, base_sequence: 0, ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        let mut batch = Vec::new();
        let batches = (gib * (1u64 << 30) as f64 / (per_batch * 1030) as f64) as i64;
        // What a batch costs to make must not be counted: only its sequence number and checksum change.
        (0..per_batch).for_each(|i| builder.append(i as i64, None, Some(&value)));
        builder.build_into(&mut batch).unwrap();
        let (user, system) = cpu_seconds();
        let start = Instant::now();
        let mut making = 0.0;
        for i in 0..batches {
            let made = Instant::now();
            batch[53..57].copy_from_slice(&(((i * per_batch as i64) % (1 << 31)) as i32).to_be_bytes());
            andiron_protocol::batch::patch_crc(&mut batch);
            making += made.elapsed().as_secs_f64();
            log.append_as_leader(&batch, 0, AppendOrigin::Client, i).unwrap();
            if i % 16_384 == 0
                && let Some(deleted) = log.delete_old_segments(log.log_end_offset(), i).unwrap()
            {
                remove_deleted(&*disk, &deleted).unwrap();
            }
        }
        let seconds = start.elapsed().as_secs_f64() - making;
        let (user_now, system_now) = cpu_seconds();
        let records = (batches * per_batch as i64) as f64;
        println!(
            "append {codec:>4} x{per_batch:<4} {:7.0} MB/s  {:6.0} ns/record wall, user {:.0} system {:.0} (making {:.0}), {} bytes/batch",
            records * 1024.0 / 1e6 / seconds,
            seconds * 1e9 / records,
            (user_now - user) * 1e9 / records,
            (system_now - system) * 1e9 / records,
            making * 1e9 / records,
            batch.len(),
        );
        let (first, end) = (log.log_start_offset(), log.log_end_offset());
        let start = Instant::now();
        let reads = 100_000i64;
        let mut bytes = 0;
        for i in 0..reads {
            let offset = first + (i * 7_919_777) % (end - first);
            bytes += log.read(offset, 1 << 20, end, true).unwrap().len;
        }
        let random = start.elapsed().as_nanos() as f64 / reads as f64;
        let start = Instant::now();
        for i in 0..reads {
            bytes += log.read(end - 1 - i % 100, 1 << 20, end, true).unwrap().len;
        }
        let tail = start.elapsed().as_nanos() as f64 / reads as f64;
        println!("  read lookup {random:.0} ns anywhere, {tail:.0} ns near the end ({bytes} bytes found)");
    }
}
