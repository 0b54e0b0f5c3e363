//! Group commit. Partitions with something to sync stand in one queue; helper threads take them out one by one. While a
//! partition is being synced its further appends gather, and it stands in the queue again at most once: so one fdatasync
//! serves all appends since the last one, and no partition keeps two threads busy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Condvar, Mutex};

use crate::limits::GROUP_COMMIT_GATHER;
use crate::shard::Shard;

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const SYNCING: u8 = 2;
const SYNCING_AND_DIRTY: u8 = 3;

/// The partitions that have something to sync.
#[derive(Default)]
pub(crate) struct SyncQueue {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    shards: VecDeque<Arc<Shard>>,
    stopped: bool,
}

impl SyncQueue {
    /// The partition has something to sync.
    pub(crate) fn push(&self, shard: &Arc<Shard>) {
        // Most appends of a busy partition find it queued or being synced already.
        if shard.sync_state.compare_exchange(SYNCING, SYNCING_AND_DIRTY, Ordering::AcqRel, Ordering::Acquire).is_ok()
            || matches!(shard.sync_state.load(Ordering::Acquire), QUEUED | SYNCING_AND_DIRTY)
        {
            return;
        }
        let mut queue = self.queue.lock();
        match shard.sync_state.load(Ordering::Acquire) {
            IDLE => {
                shard.sync_state.store(QUEUED, Ordering::Release);
                queue.shards.push_back(Arc::clone(shard));
                drop(queue);
                self.more.notify_one();
            }
            SYNCING => shard.sync_state.store(SYNCING_AND_DIRTY, Ordering::Release),
            _ => {}
        }
    }

    /// Syncs partitions until `stop`, and then those that are left.
    pub(crate) fn run(&self, now: &dyn Fn() -> i64) {
        while let Some(shard) = self.next() {
            if shard.is_worth_gathering_for() {
                // The producers that the last sync answered are about to send again: together they cost one sync, not
                // one for the first and one for the rest. A lone producer never waits here.
                std::thread::sleep(GROUP_COMMIT_GATHER);
            }
            shard.sync(now);
            let mut queue = self.queue.lock();
            if shard.sync_state.swap(IDLE, Ordering::AcqRel) == SYNCING_AND_DIRTY {
                shard.sync_state.store(QUEUED, Ordering::Release);
                queue.shards.push_back(shard);
            }
        }
    }

    fn next(&self) -> Option<Arc<Shard>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(shard) = queue.shards.pop_front() {
                shard.sync_state.store(SYNCING, Ordering::Release);
                return Some(shard);
            }
            if queue.stopped {
                return None;
            }
            self.more.wait(&mut queue);
        }
    }

    /// Ends `run` when the queue is empty.
    pub(crate) fn stop(&self) {
        self.queue.lock().stopped = true;
        self.more.notify_all();
    }
}
