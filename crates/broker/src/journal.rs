//! The journal of a log directory and whose records are in it: what a round of syncs makes durable with one fdatasync, and
//! whom it waits for before a file of the journal is written again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use andiron_storage::{Journal, Leftover, LogDir, LogDirError, Tail};
use parking_lot::Mutex;

use crate::config::BrokerConfig;
use crate::shard::Shard;
use crate::topics::Snapshot;

/// The journals of a node's log directories, by their places.
pub(crate) struct Journals {
    dirs: Vec<OfDir>,
}

struct OfDir {
    /// None where nothing waits for the disk, or no journal is wanted.
    written: Option<Arc<DirJournal>>,
    leftover: Mutex<Option<Arc<Leftover>>>,
}

impl Journals {
    pub(crate) fn open(config: &BrokerConfig, dirs: &[Arc<LogDir>]) -> Result<Journals, LogDirError> {
        let bytes = u64::try_from(config.settings.long("andiron.journal.bytes")).unwrap_or(0);
        let open = |(place, dir): (u32, &Arc<LogDir>)| {
            let opened = Journal::open(Arc::clone(dir.disk()), dir.path(), bytes, dir.was_clean());
            let (journal, leftover) =
                opened.map_err(|source| LogDirError::Io { path: dir.path().to_path_buf(), source })?;
            let written = (config.fsync && bytes > 0).then(|| DirJournal::new(journal, place));
            Ok(OfDir { written, leftover: Mutex::new(Some(Arc::new(leftover))) })
        };
        let dirs = (0..).zip(dirs).map(open).collect::<Result<_, LogDirError>>()?;
        Ok(Journals { dirs })
    }

    /// The journal for a log in a directory, and what the run before has left in one.
    pub(crate) fn of(&self, dir: usize) -> (Option<Arc<DirJournal>>, Option<Arc<Leftover>>) {
        self.dirs.get(dir).map_or((None, None), |dir| (dir.written.clone(), dir.leftover.lock().clone()))
    }

    /// The logs of the first image have been opened: what the run before has left is done with, unless one that may need it
    /// could not be.
    pub(crate) fn forget_leftover(&self, snapshot: &Snapshot) {
        for dir in &self.dirs {
            let Some(leftover) = dir.leftover.lock().take() else { continue };
            let is_done =
                |(id, partition)| snapshot.by_id.get(&id).is_none_or(|topic| topic.shard(partition).is_some());
            if !leftover.logs().all(is_done) {
                tracing::warn!("the journal of the run before stays: a log whose records it may have is not open");
            } else if let Err(error) = leftover.remove() {
                tracing::warn!(%error, "cannot remove the journal of the run before");
            }
        }
    }

    /// All logs have been closed.
    pub(crate) fn remove(&self) {
        for journal in self.dirs.iter().filter_map(|dir| dir.written.as_ref()) {
            if let Err(error) = journal.remove() {
                tracing::warn!(%error, "cannot remove the journal");
            }
        }
    }
}

/// The journal of a log directory.
pub(crate) struct DirJournal {
    state: Mutex<State>,
}

struct State {
    /// None after an error, or when the directory has been closed.
    journal: Option<Journal>,
    /// Those that have records in the file that is written.
    current: Vec<Weak<Shard>>,
    /// Those that had records in the one before.
    previous: Vec<Weak<Shard>>,
    /// Counts the files; a shard notes in which it is listed. No two journals count the same numbers, as a shard may move from
    /// one's directory to the other's.
    file: u64,
}

impl DirJournal {
    /// `place` is that of the directory among the node's.
    pub(crate) fn new(journal: Journal, place: u32) -> Arc<DirJournal> {
        let file = (u64::from(place) << 32) + 1;
        let state = State { journal: Some(journal), current: Vec::new(), previous: Vec::new(), file };
        Arc::new(DirJournal { state: Mutex::new(state) })
    }

    /// Makes the tails durable. `settle` is given those that have records in the file that has just been filled: their logs are
    /// to be synced while the next file is written. `settled` comes back when that is done. Gives those that must be synced by
    /// themselves.
    pub(crate) fn commit(
        &self,
        tails: Vec<(Arc<Shard>, Tail)>,
        now: &dyn Fn() -> i64,
        settle: &dyn Fn(Vec<Arc<Shard>>),
        settled: &dyn Fn(),
    ) -> Vec<Arc<Shard>> {
        let mut state = self.state.lock();
        let State { journal: place, current, previous, file } = &mut *state;
        let Some(journal) = place.as_mut() else { return tails.into_iter().map(|(shard, _)| shard).collect() };
        let mut alone = Vec::new();
        let mut taken = Vec::with_capacity(tails.len());
        let bytes = tails.iter().map(|(_, tail)| tail.bytes()).sum();
        let mut written = Ok(());
        if journal.is_full(tails.len(), bytes) {
            settled();
            let safe = previous.drain(..).filter_map(|shard| shard.upgrade()).all(|shard| !shard.is_offline());
            if safe {
                written = journal.turn();
            } else {
                written = Err(std::io::Error::other("a log whose records it has cannot be synced"));
            }
            *previous = std::mem::take(current);
            *file += 1;
            settle(previous.iter().filter_map(Weak::upgrade).collect());
        }
        for (shard, tail) in tails {
            match journal.add(&tail) {
                Ok(()) => taken.push((shard, tail)),
                Err(_) => alone.push(shard),
            }
        }
        written = written.and_then(|()| journal.write());
        if let Err(error) = written {
            tracing::error!(%error, "the journal cannot be used any more; each log is synced by itself");
            // What only the journal had must be durable where it belongs.
            *place = None;
            alone.extend(taken.into_iter().map(|(shard, _)| shard));
            alone.extend(current.drain(..).chain(previous.drain(..)).filter_map(|shard| shard.upgrade()));
            return alone;
        }
        for (shard, tail) in taken {
            if shard.journal_file.swap(*file, Ordering::Relaxed) != *file {
                current.push(Arc::downgrade(&shard));
            }
            shard.journaled(&tail, now);
        }
        alone
    }

    /// All logs of the directory have been closed: the files go.
    pub(crate) fn remove(&self) -> std::io::Result<()> {
        self.state.lock().journal.take().map_or(Ok(()), |mut journal| journal.remove())
    }
}
