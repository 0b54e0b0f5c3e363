//! The log cleaner of a node: on threads of its own it compacts the dirtiest log there is, then the next (LogCleaner,
//! LogCleanerManager). The partition's lock is held while the log is measured and while a cleaned segment takes its place, not
//! while segments are copied. A log that cannot be cleaned is set aside until the next start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use andiron_metadata::config::Effective;
use andiron_protocol::Uuid;
use andiron_storage::{CleanError, CleanStats, CleanerSettings, TopicPartition};

use crate::limits::{CLEANER_MAP_BYTES_MAX, CLEANER_MAP_BYTES_MIN, THROTTLE_CHECK_MS};
use crate::node::Node;
use crate::shard::Shard;

/// What the cleaner threads share.
pub(crate) struct Cleaners {
    /// Of each log directory, up to where its logs are clean: what `cleaner-offset-checkpoint` says.
    checkpoints: Mutex<Vec<BTreeMap<TopicPartition, i64>>>,
    throttle: Mutex<Throttle>,
}

impl Cleaners {
    pub(crate) fn new(checkpoints: Vec<BTreeMap<TopicPartition, i64>>) -> Cleaners {
        Cleaners { checkpoints: Mutex::new(checkpoints), throttle: Mutex::new(Throttle::default()) }
    }
}

/// Holds work to so many bytes a second (Throttler): what came too fast is slept off every now and then.
#[derive(Debug, Default)]
struct Throttle {
    began: i64,
    bytes: f64,
}

impl Throttle {
    /// So many bytes were read or written by `now`. How many milliseconds to sleep so that it is `per_second`.
    fn observe(&mut self, now: i64, bytes: u64, per_second: f64) -> i64 {
        if self.bytes == 0.0 {
            self.began = now;
        }
        self.bytes += bytes as f64;
        let elapsed = now.saturating_sub(self.began);
        let due = self.bytes * 1_000.0 / per_second;
        if elapsed.max(due as i64) < THROTTLE_CHECK_MS {
            return 0;
        }
        self.bytes = 0.0;
        (due as i64).saturating_sub(elapsed).max(0)
    }
}

impl Node {
    /// How many threads are to call [`Node::run_cleaner`]: `log.cleaner.threads`, none without `log.cleaner.enable`.
    pub fn cleaner_threads(&self) -> usize {
        let settings = &self.config().settings;
        if !settings.bool("log.cleaner.enable") {
            return 0;
        }
        usize::try_from(settings.int("log.cleaner.threads")).unwrap_or(0)
    }

    /// Compacts logs until the node stops; to be called on threads of its own.
    pub fn run_cleaner(&self, now: &dyn Fn() -> i64) {
        while self.is_running() {
            if self.clean_dirtiest(now) {
                continue;
            }
            let backoff = self.cleaner_setting("log.cleaner.backoff.ms");
            // Not even a backoff of 0 may keep a processor busy.
            self.sleep_until_stopped(Duration::from_millis((backoff.max(1.0) as u64).max(1)));
        }
    }

    fn cleaner_setting(&self, name: &str) -> f64 {
        let snapshot = self.snapshot();
        let effective = Effective::new(&self.config().settings, &snapshot.image);
        effective.broker(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// Compacts the log with the largest dirty part of those that are due, and does the retention of compacted logs. False when
    /// there was nothing to compact.
    pub fn clean_dirtiest(&self, now: &dyn Fn() -> i64) -> bool {
        let mut due: Vec<(f64, Arc<Shard>)> = Vec::new();
        for shard in self.snapshot().shards() {
            if !shard.is_compacted() || shard.is_uncleanable() {
                continue;
            }
            if !self.config().fsync {
                // Only what is durable is cleaned, and nothing else would see to that here.
                shard.sync(now);
            }
            match shard.cleanable(self.cleaned_to(shard), now()) {
                Ok(Some((cleanable, true))) => due.push((cleanable.ratio(), Arc::clone(shard))),
                Ok(_) => {}
                Err(error) => self.set_aside(shard, &error.into()),
            }
        }
        due.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let cleaned = due.iter().any(|(_, shard)| self.clean(shard, now));
        let mut moved = false;
        for shard in self.snapshot().shards().filter(|shard| shard.is_compacted()) {
            moved |= self.apply_retention_to(shard, now());
        }
        if moved {
            self.write_log_starts();
        }
        cleaned
    }

    /// Compacts one log, unless it is being compacted.
    fn clean(&self, shard: &Arc<Shard>, now: &dyn Fn() -> i64) -> bool {
        let Some(_alone) = shard.maintain_alone() else { return false };
        let from = self.cleaned_to(shard);
        match self.clean_alone(shard, from, now) {
            Ok(Some((end, stats))) => {
                self.note_cleaned(shard, Some(end));
                tracing::info!(
                    topic = %shard.topic, partition = shard.partition, end,
                    read = stats.read_bytes, written = stats.written_bytes, keys = stats.keys,
                    records = stats.records_read, kept = stats.records_kept, "a log was compacted"
                );
                true
            }
            Ok(None) => false,
            Err(CleanError::Stopped | CleanError::Superseded) => false,
            // Its files went away under the cleaner.
            Err(_) if shard.is_retired() => false,
            Err(error) => {
                self.set_aside(shard, &error);
                false
            }
        }
    }

    fn clean_alone(
        &self,
        shard: &Arc<Shard>,
        from: Option<i64>,
        now: &dyn Fn() -> i64,
    ) -> Result<Option<(i64, CleanStats)>, CleanError> {
        let began = now();
        // Another thread may have done it in the meantime.
        let Some((cleanable, true)) = shard.cleanable(from, began)? else { return Ok(None) };
        if cleanable.checkpoint_was_invalid {
            self.note_cleaned(shard, Some(cleanable.first_dirty));
        }
        let Some(mut job) = shard.begin_clean(&cleanable, began)? else { return Ok(None) };
        let per_second = self.cleaner_setting("log.cleaner.io.max.bytes.per.second");
        let mut progress = |bytes: u64| {
            let sleep = self.cleaners().throttle.lock().observe(now(), bytes, per_second);
            if sleep > 0 && !shard.is_retired() {
                self.sleep_until_stopped(Duration::from_millis(sleep.unsigned_abs()));
            }
            self.is_running() && !shard.is_retired()
        };
        job.build_map(&self.cleaner_settings(), &mut progress)?;
        while let Some(group) = job.clean_next(&mut progress)? {
            let deleted = shard.swap_in(group, now())?;
            self.remove_files_later(deleted);
        }
        job.sync_names()?;
        Ok(Some((job.end_offset(), job.stats())))
    }

    fn cleaner_settings(&self) -> CleanerSettings {
        let threads = self.cleaner_threads().max(1);
        let bytes = |name: &str| self.cleaner_setting(name) as usize / threads;
        CleanerSettings {
            map_bytes: bytes("log.cleaner.dedupe.buffer.size").clamp(CLEANER_MAP_BYTES_MIN, CLEANER_MAP_BYTES_MAX),
            load_factor: self.cleaner_setting("log.cleaner.io.buffer.load.factor"),
            buffer_bytes: bytes("log.cleaner.io.buffer.size") / 2,
            secret: Uuid::new_v4().as_u128(),
        }
    }

    fn set_aside(&self, shard: &Shard, error: &CleanError) {
        tracing::warn!(
            topic = %shard.topic, partition = shard.partition, %error,
            "the log cannot be compacted; it is left as it is until the next start"
        );
        shard.set_uncleanable();
    }

    /// Up to where a log is clean, if it ever was cleaned.
    fn cleaned_to(&self, shard: &Shard) -> Option<i64> {
        let name = TopicPartition::new(&shard.topic, shard.partition);
        let dir = self.home_of(&name)?;
        self.cleaners().checkpoints.lock().get(dir)?.get(&name).copied()
    }

    /// Of the logs of a directory only those that are `here` have been cleaned.
    pub(crate) fn forget_cleaned(&self, dir: usize, here: impl Fn(&TopicPartition) -> bool) {
        let mut all = self.cleaners().checkpoints.lock();
        let Some(offsets) = all.get_mut(dir) else { return };
        let before = offsets.len();
        offsets.retain(|name, _| here(name));
        if offsets.len() < before {
            self.write_cleaner_offsets(dir, offsets);
        }
    }

    /// A log now lies in another directory.
    pub(crate) fn move_cleaned(&self, name: &TopicPartition, to: usize) {
        let mut all = self.cleaners().checkpoints.lock();
        for at in 0..all.len() {
            let moved = all.get_mut(at).filter(|_| at != to).and_then(|offsets| offsets.remove(name));
            let Some(end) = moved else { continue };
            if let Some(offsets) = all.get_mut(to) {
                offsets.insert(name.clone(), end);
            }
            for at in [to, at] {
                if let Some(offsets) = all.get(at) {
                    self.write_cleaner_offsets(at, offsets);
                }
            }
        }
    }

    /// A log is clean up to there, or is no more.
    pub(crate) fn note_cleaned(&self, shard: &Shard, end: Option<i64>) {
        let name = TopicPartition::new(&shard.topic, shard.partition);
        let Some(at) = self.home_of(&name) else { return };
        let mut all = self.cleaners().checkpoints.lock();
        let Some(offsets) = all.get_mut(at) else { return };
        let changed = match end {
            Some(end) => offsets.insert(name, end) != Some(end),
            None => offsets.remove(&name).is_some(),
        };
        if changed {
            self.write_cleaner_offsets(at, offsets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_lets_through_what_it_may() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.observe(0, 100, 1_000.0), 0, "a tenth of a second's worth is not looked at yet");
        assert_eq!(throttle.observe(10, 900, 1_000.0), 990, "a second's worth in 10 ms");
        assert_eq!(throttle.observe(1_000, 200, 1_000.0), 0);
        assert_eq!(throttle.observe(1_400, 200, 1_000.0), 0, "as much as was allowed");
        assert_eq!(throttle.observe(2_000, 1 << 40, f64::MAX), 0);
        assert_eq!(throttle.observe(2_000, 1 << 40, f64::MAX), 0, "no limit");
    }
}
