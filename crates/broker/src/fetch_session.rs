//! Incremental fetch sessions (KIP-227): the broker remembers what a reader wants, the reader sends only what changes, and
//! the answer holds only partitions of which there is something to say.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use parking_lot::Mutex;

use andiron_protocol::frame::fetch::FetchPartition;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::FetchRequest;
use andiron_protocol::{ErrorCode, Uuid};

use crate::limits::FETCH_SESSION_EVICTION_MS_MIN;

/// The epoch of a request that wants a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that wants none.
const FINAL_EPOCH: i32 = -1;

/// What a reader wants of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: StrBytes,
    pub(crate) topic_id: Uuid,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// What a Fetch request says about its session and its partitions.
#[derive(Debug)]
pub(crate) struct Asked {
    session_id: i32,
    epoch: i32,
    by_id: bool,
    partitions: Vec<Wanted>,
    forgotten: Vec<Key>,
}

type Key = (StrBytes, Uuid, i32);

fn key(wanted: &Wanted) -> Key {
    // Owned on its own: a name as it came keeps the whole frame in memory.
    (StrBytes::from_string(wanted.name.to_string()), wanted.topic_id, wanted.partition)
}

impl Asked {
    /// Reads the request.
    pub(crate) fn from_request(request: &FetchRequest, version: i16) -> Asked {
        let mut partitions = Vec::new();
        for topic in &request.topics {
            for partition in &topic.partitions {
                partitions.push(Wanted {
                    name: topic.topic.0.clone(),
                    topic_id: topic.topic_id,
                    partition: partition.partition,
                    offset: partition.fetch_offset,
                    bytes_max: partition.partition_max_bytes,
                    leader_epoch: if version >= 9 { partition.current_leader_epoch } else { -1 },
                    last_fetched_epoch: if version >= 12 { partition.last_fetched_epoch } else { -1 },
                });
            }
        }
        let mut forgotten = Vec::new();
        for topic in &request.forgotten_topics_data {
            let name = StrBytes::from_string(topic.topic.to_string());
            forgotten.extend(topic.partitions.iter().map(|p| (name.clone(), topic.topic_id, *p)));
        }
        let (session_id, epoch) =
            if version >= 7 { (request.session_id, request.session_epoch) } else { (0, FINAL_EPOCH) };
        Asked { session_id, epoch, by_id: version >= 13, partitions, forgotten }
    }
}

/// What is remembered of a partition.
#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start: i64,
}

/// A reader's session.
#[derive(Debug)]
pub(crate) struct Session {
    id: i32,
    epoch: i32,
    by_id: bool,
    used_at: i64,
    partitions: IndexMap<Key, Cached>,
}

/// The session that a request runs in.
pub(crate) struct Opened {
    kind: Kind,
}

enum Kind {
    /// None is wanted, or there is no room for one.
    Sessionless(Vec<Wanted>),
    /// The first request of a session, answered in full.
    Full(Arc<Mutex<Session>>),
    /// A later one.
    Incremental(Arc<Mutex<Session>>),
}

/// All sessions of a node.
pub(crate) struct FetchSessions {
    sessions: Mutex<Sessions>,
    /// `max.incremental.fetch.session.cache.slots`
    max: usize,
}

struct Sessions {
    by_id: HashMap<i32, Arc<Mutex<Session>>>,
    next_id: i32,
}

impl FetchSessions {
    /// No sessions yet; ids count on from `seed`, so that a reader of an earlier run is not taken for one of this run.
    pub(crate) fn new(seed: i32, max: usize) -> FetchSessions {
        let sessions = Sessions { by_id: HashMap::new(), next_id: (seed & i32::MAX).max(1) };
        FetchSessions { sessions: Mutex::new(sessions), max }
    }

    /// Finds or makes the session of a request, and brings it up to date with what the request changes.
    pub(crate) fn open(&self, asked: Asked, now: i64) -> Result<Opened, ErrorCode> {
        let mut sessions = self.sessions.lock();
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            sessions.by_id.remove(&asked.session_id);
            if asked.epoch == FINAL_EPOCH || !sessions.make_room(now, self.max) {
                return Ok(Opened { kind: Kind::Sessionless(asked.partitions) });
            }
            return Ok(Opened { kind: Kind::Full(sessions.create(asked, now)) });
        }
        let session = sessions.by_id.get(&asked.session_id).cloned().ok_or(ErrorCode::FetchSessionIdNotFound)?;
        drop(sessions);
        {
            let mut session = session.lock();
            if session.epoch != asked.epoch {
                return Err(ErrorCode::InvalidFetchSessionEpoch);
            }
            if session.by_id != asked.by_id {
                return Err(ErrorCode::FetchSessionTopicIdError);
            }
            session.epoch = if session.epoch == i32::MAX { 1 } else { session.epoch + 1 };
            session.used_at = now;
            for key in &asked.forgotten {
                session.partitions.shift_remove(key);
            }
            for wanted in asked.partitions {
                session.put(wanted);
            }
        }
        Ok(Opened { kind: Kind::Incremental(session) })
    }

    /// How many sessions there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().by_id.len()
    }
}

impl Sessions {
    fn make_room(&mut self, now: i64, max: usize) -> bool {
        if self.by_id.len() < max {
            return true;
        }
        let idlest = self.by_id.iter().map(|(id, session)| (session.lock().used_at, *id)).min();
        match idlest {
            Some((used_at, id)) if now - used_at >= FETCH_SESSION_EVICTION_MS_MIN => {
                self.by_id.remove(&id);
                true
            }
            _ => false,
        }
    }

    fn create(&mut self, asked: Asked, now: i64) -> Arc<Mutex<Session>> {
        while self.by_id.contains_key(&self.next_id) {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        }
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        let mut session = Session { id, epoch: 1, by_id: asked.by_id, used_at: now, partitions: IndexMap::new() };
        for wanted in asked.partitions {
            session.put(wanted);
        }
        let session = Arc::new(Mutex::new(session));
        self.by_id.insert(id, Arc::clone(&session));
        session
    }
}

impl Session {
    fn put(&mut self, mut wanted: Wanted) {
        let key = key(&wanted);
        wanted.name = key.0.clone();
        match self.partitions.get_mut(&key) {
            Some(cached) => cached.wanted = wanted,
            None => {
                self.partitions.insert(key, Cached { wanted, high_watermark: -1, log_start: -1 });
            }
        }
    }
}

impl Opened {
    /// What the answer is to name; 0 is no session.
    pub(crate) fn session_id(&self) -> i32 {
        match &self.kind {
            Kind::Sessionless(_) => 0,
            Kind::Full(session) | Kind::Incremental(session) => session.lock().id,
        }
    }

    /// The partitions to read, in order.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        match &self.kind {
            Kind::Sessionless(wanted) => wanted.clone(),
            Kind::Full(session) | Kind::Incremental(session) => {
                session.lock().partitions.values().map(|cached| cached.wanted.clone()).collect()
            }
        }
    }

    /// Which of the partitions have something to be said about, and remembers what is said.
    pub(crate) fn changed<'w, F>(
        &self,
        found: &[FetchPartition<F>],
        wanted: impl Iterator<Item = &'w Wanted>,
        now: i64,
    ) -> Vec<bool> {
        let (session, full) = match &self.kind {
            Kind::Sessionless(_) => return vec![true; found.len()],
            Kind::Full(session) => (session, true),
            Kind::Incremental(session) => (session, false),
        };
        let mut session = session.lock();
        session.used_at = session.used_at.max(now);
        let mut answered = Vec::new();
        let mut changed = Vec::with_capacity(found.len());
        for (partition, wanted) in found.iter().zip(wanted) {
            let key = (wanted.name.clone(), wanted.topic_id, wanted.partition);
            let Some(cached) = session.partitions.get_mut(&key) else {
                changed.push(full);
                continue;
            };
            let records = partition.record_bytes() > 0;
            let news = records
                || !partition.error.is_none()
                || partition.diverging.is_some()
                || cached.high_watermark != partition.high_watermark
                || cached.log_start != partition.log_start_offset;
            // An error is said again and again until it is gone.
            cached.high_watermark = if partition.error.is_none() { partition.high_watermark } else { -1 };
            cached.log_start = partition.log_start_offset;
            if records {
                answered.push(key);
            }
            changed.push(full || news);
        }
        // Who was served goes to the end of the line, so that a busy partition cannot keep the others from their turn.
        for key in answered {
            if let Some((key, cached)) = session.partitions.shift_remove_entry(&key) {
                session.partitions.insert(key, cached);
            }
        }
        changed
    }
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
