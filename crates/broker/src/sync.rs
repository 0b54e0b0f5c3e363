//! Group commit, in rounds. What was appended since the last round began is made durable by the next one: what is new at the
//! ends of logs goes into the journal of their directory, with one fdatasync for all; logs with more than that (a new segment,
//! a long batch) have one each, all at the same time, so that the file system commits once for all of them. Before a round begins it
//! waits a moment for the producers that the last one answered: they are about to send again, and together they cost one
//! sync where they would cost one for the first and one for the rest. A lone producer never waits here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use andiron_storage::{Tail, Unsynced};
use parking_lot::{Condvar, Mutex};

use crate::journal::DirJournal;
use crate::limits::{GROUP_COMMIT_GATHER_MAX, JOURNAL_TAIL_BYTES_MAX};
use crate::shard::Shard;

/// The partitions that have something to sync.
#[derive(Default)]
pub(crate) struct SyncQueue {
    queue: Mutex<Queue>,
    /// Whoever leads waits here: for something to do, for appends to gather, for a round to end.
    lead: Condvar,
    /// Whoever helps waits here for a part of a round.
    help: Condvar,
    /// Appends since the last round began.
    appends: AtomicU64,
    /// So many appends are worth waiting for; 0 while nobody waits.
    awaited: AtomicU64,
    records_synced: AtomicU64,
    syncs: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// For the next round, each once.
    dirty: Vec<Arc<Shard>>,
    /// Of this round, not taken yet.
    round: VecDeque<Arc<Shard>>,
    /// Of this round, not done yet.
    unfinished: usize,
    /// To be synced so that a file of a journal can be written again; less urgent than the round.
    settling: VecDeque<Arc<Shard>>,
    /// How many of those are not done yet, with those taken.
    unsettled: usize,
    led: bool,
    stopped: bool,
}

impl Queue {
    fn begin_round(&mut self) -> Vec<Arc<Shard>> {
        let round = std::mem::take(&mut self.dirty);
        for shard in &round {
            // Whatever is appended from here on finds its place in the next round, though this one may serve it too.
            shard.sync_is_due.store(false, Ordering::Release);
        }
        round
    }
}

/// Ends of logs, for one journal.
type OfJournal = (Arc<DirJournal>, Vec<(Arc<Shard>, Tail)>);

/// What of a round goes into which journal, and who is synced by himself.
fn sorted(round: Vec<Arc<Shard>>, now: &dyn Fn() -> i64) -> (Vec<OfJournal>, Vec<Arc<Shard>>) {
    let mut tails: Vec<OfJournal> = Vec::new();
    let mut alone = Vec::new();
    for shard in round {
        match shard.unsynced(now) {
            (Unsynced::Nothing, _) => {}
            (Unsynced::Tail(tail), Some(journal)) if tail.bytes() <= JOURNAL_TAIL_BYTES_MAX => {
                match tails.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &journal)) {
                    Some((_, tails)) => tails.push((shard, tail)),
                    None => tails.push((journal, vec![(shard, tail)])),
                }
            }
            _ => alone.push(shard),
        }
    }
    (tails, alone)
}

impl SyncQueue {
    /// An append has left the partition with something to sync.
    pub(crate) fn push(&self, shard: &Arc<Shard>) {
        let appends = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        let awaited = self.awaited.load(Ordering::SeqCst);
        if !shard.sync_is_due.swap(true, Ordering::AcqRel) {
            self.queue.lock().dirty.push(Arc::clone(shard));
            // While appends are gathered, only the last one awaited is news.
            if awaited == 0 {
                self.lead.notify_one();
            }
        }
        if awaited > 0 && appends >= awaited {
            // Under the lock, so that it cannot fall between the leader's look and its sleep.
            let _queue = self.queue.lock();
            self.lead.notify_one();
        }
    }

    /// Syncs partitions until `stop`, and then those that are left. As many threads may be here as are to sync at the same time.
    pub(crate) fn run(&self, now: &dyn Fn() -> i64) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(shard) = queue.round.pop_front() {
                drop(queue);
                self.sync(&shard, now);
                queue = self.queue.lock();
                queue.unfinished -= 1;
                if queue.unfinished == 0 {
                    self.lead.notify_one();
                }
            } else if let Some(shard) = queue.settling.pop_front() {
                drop(queue);
                self.sync(&shard, now);
                queue = self.queue.lock();
                queue.unsettled -= 1;
                if queue.unsettled == 0 {
                    self.lead.notify_one();
                }
            } else if queue.led {
                if queue.stopped && queue.dirty.is_empty() {
                    return;
                }
                self.help.wait(&mut queue);
            } else {
                queue.led = true;
                drop(queue);
                self.lead(now);
                queue = self.queue.lock();
                queue.led = false;
                self.help.notify_all();
                return;
            }
        }
    }

    /// One round on this thread alone; false when nothing was due.
    pub(crate) fn run_round(&self, now: &dyn Fn() -> i64) -> bool {
        let round = self.queue.lock().begin_round();
        let any = !round.is_empty();
        let (tails, alone) = sorted(round, now);
        for shard in self.commit(tails, now).into_iter().chain(alone) {
            self.sync(&shard, now);
        }
        any
    }

    fn lead(&self, now: &dyn Fn() -> i64) {
        let mut answered = 0;
        let mut took = Duration::ZERO;
        loop {
            let mut queue = self.queue.lock();
            while queue.dirty.is_empty() {
                if queue.stopped {
                    return;
                }
                self.lead.wait(&mut queue);
            }
            if answered > 1 && !queue.stopped {
                // Those who wait already, and those who were just answered. Waiting costs at most what a sync costs.
                let until = Instant::now() + took.min(GROUP_COMMIT_GATHER_MAX);
                self.awaited.store(answered, Ordering::SeqCst);
                while self.appends.load(Ordering::SeqCst) < answered
                    && !self.lead.wait_until(&mut queue, until).timed_out()
                {}
                self.awaited.store(0, Ordering::SeqCst);
            }
            let served = self.appends.swap(0, Ordering::AcqRel);
            let round = queue.begin_round();
            drop(queue);
            let began = Instant::now();
            let (tails, alone) = sorted(round, now);
            let mut queue = self.queue.lock();
            queue.unfinished = alone.len();
            let helpers = if tails.is_empty() { alone.len().saturating_sub(1) } else { alone.len() };
            queue.round = alone.into();
            for _ in 0..helpers {
                self.help.notify_one();
            }
            if !tails.is_empty() {
                drop(queue);
                for shard in self.commit(tails, now) {
                    self.sync(&shard, now);
                }
                queue = self.queue.lock();
            }
            while let Some(shard) = queue.round.pop_front() {
                drop(queue);
                self.sync(&shard, now);
                queue = self.queue.lock();
                queue.unfinished -= 1;
            }
            while queue.unfinished > 0 {
                self.lead.wait(&mut queue);
            }
            took = began.elapsed();
            answered = served + self.appends.load(Ordering::Acquire);
        }
    }

    /// Writes the tails to their journals; gives those that must be synced by themselves.
    fn commit(&self, tails: Vec<OfJournal>, now: &dyn Fn() -> i64) -> Vec<Arc<Shard>> {
        let mut alone = Vec::new();
        for (journal, tails) in tails {
            let records: i64 = tails.iter().map(|(_, tail)| tail.end_offset() - tail.begin_offset()).sum();
            self.records_synced.fetch_add(records.unsigned_abs(), Ordering::Relaxed);
            self.syncs.fetch_add(1, Ordering::Relaxed);
            alone.extend(journal.commit(tails, now, &|shards| self.settle(shards), &|| self.wait_until_settled(now)));
        }
        alone
    }

    /// Has the shards synced, some time soon.
    fn settle(&self, shards: Vec<Arc<Shard>>) {
        let mut queue = self.queue.lock();
        queue.unsettled += shards.len();
        queue.settling.extend(shards);
        self.help.notify_one();
    }

    /// Helps until all is settled.
    fn wait_until_settled(&self, now: &dyn Fn() -> i64) {
        let mut queue = self.queue.lock();
        while queue.unsettled > 0 {
            if let Some(shard) = queue.settling.pop_front() {
                drop(queue);
                self.sync(&shard, now);
                queue = self.queue.lock();
                queue.unsettled -= 1;
            } else {
                self.lead.wait(&mut queue);
            }
        }
    }

    fn sync(&self, shard: &Arc<Shard>, now: &dyn Fn() -> i64) {
        let (records, syncs) = shard.sync(now);
        self.records_synced.fetch_add(records, Ordering::Relaxed);
        self.syncs.fetch_add(syncs, Ordering::Relaxed);
    }

    /// Records made durable so far, and how many times fdatasync was called for them.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.records_synced.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }

    /// Ends `run` when the queue is empty.
    pub(crate) fn stop(&self) {
        self.queue.lock().stopped = true;
        self.lead.notify_all();
        self.help.notify_all();
    }
}
