//! How fast a log is compacted and how much memory that takes: `clean DIR [MEGABYTES] [KEYS] [RECORD_BYTES]`, for each codec. Run
//! it with --release on the disk that is meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::compression::Codec;
use andiron_storage::{
    AppendOrigin, CleanStats, CleanerSettings, Disk, Log, LogConfig, OpenLog, RealDisk, TopicPartition, remove_deleted,
};

const NOW: i64 = 1_700_000_000_000;
const BATCH_RECORDS: u64 = 100;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| args.get(at).map_or(default, |text| text.parse().expect("a number"));
    let Some(dir) = args.get(1) else { panic!("clean DIR [MEGABYTES] [KEYS] [RECORD_BYTES]") };
    let (megabytes, keys, bytes) = (number(2, 1_024), number(3, 200_000), number(4, 1_024));
    println!("{megabytes} MB of {bytes} B records, {keys} keys, 256 MB segments");
    for codec in Codec::ALL {
        one(Path::new(dir), codec, megabytes, keys, bytes as usize);
    }
}

/// The next number of a sequence (splitmix64).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

fn one(dir: &Path, codec: Codec, megabytes: u64, keys: u64, bytes: usize) {
    let dir = dir.join(format!("clean-{}", codec.name()));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let config = LogConfig { segment_bytes: 256 << 20, compact: true, delete: false, ..LogConfig::default() };
    let open = OpenLog {
        dir: dir.clone(),
        config,
        topic_id: None,
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: false,
        journal: None,
        now: NOW,
    };
    let (mut log, _) = Log::open(disk.clone(), TopicPartition::new("clean", 0), open).unwrap();
    let mut state = 1;
    // Half of a value repeats, half does not.
    let mut value = vec![b'v'; bytes];
    let mut written = 0;
    while written < megabytes << 20 {
        let mut builder = BatchBuilder::new(BatchOptions { codec, ..BatchOptions::default() });
        for _ in 0..BATCH_RECORDS {
            let key = draw(&mut state) % keys;
            for chunk in value[..bytes / 2].chunks_mut(8) {
                let random = draw(&mut state).to_le_bytes();
                chunk.copy_from_slice(&random[..chunk.len()]);
            }
            builder.append(NOW, Some(format!("key-{key:012}").as_bytes()), Some(&value));
            written += bytes as u64;
        }
        log.append_as_leader(&builder.build().unwrap(), 0, AppendOrigin::Client, NOW).unwrap();
    }
    log.roll(NOW).unwrap();
    let ticket = log.sync_ticket().unwrap();
    ticket.run().unwrap();
    log.synced(&ticket);
    let before = memory("VmRSS");
    let began = Instant::now();
    let stats = clean(&mut log, &*disk);
    let seconds = began.elapsed().as_secs_f64();
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{:>7}: {:7.1} MB in {seconds:5.2} s = {:6.1} MB/s of log ({:6.0} thousand records/s), {:7.1} MB left; {} keys in a map of {:.1} MB; resident {before:.0} MB before, {:.0} MB at most",
        codec.name(),
        mb(stats.read_bytes),
        mb(stats.read_bytes) / seconds,
        stats.records_read as f64 / seconds / 1_000.0,
        mb(stats.written_bytes),
        stats.keys,
        mb(stats.map_bytes as u64),
        memory("VmHWM"),
    );
    drop(log);
    disk.remove_dir_all(&dir).unwrap();
}

fn clean(log: &mut Log, disk: &dyn Disk) -> CleanStats {
    let settings = CleanerSettings { map_bytes: 128 << 20, load_factor: 0.9, buffer_bytes: 256 << 10, secret: 7 };
    let cleanable = log.cleanable(None, log.synced_offset(), NOW).unwrap();
    let mut job = log.begin_clean(&cleanable, NOW).unwrap();
    job.build_map(&settings, &mut |_| true).unwrap();
    while let Some(group) = job.clean_next(&mut |_| true).unwrap() {
        let deleted = log.swap_in(group, NOW).unwrap();
        remove_deleted(disk, &deleted).unwrap();
    }
    job.sync_names().unwrap();
    job.stats()
}

/// Megabytes of this process, as the system counts them.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes: f64 = line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kilobytes / 1_024.0
}
