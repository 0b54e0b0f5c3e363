//! A fetch session with one broker (KIP-227): the broker remembers what is read, and a request names only what has changed.
//! Pure: it says what a request holds and is told how the broker took it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::cluster::TopicPartition;
use crate::fetch::Wanted;

/// The epoch that asks for a new session.
const FIRST: i32 = 0;
/// The epoch of a request outside of any session.
const NONE: i32 = -1;

/// What the broker remembers of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    offset: i64,
    leader_epoch: i32,
    topic_id: Uuid,
}

/// One request's part in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    /// Which of the wanted partitions the request names.
    pub(crate) named: Vec<usize>,
    /// What the session is to forget.
    pub(crate) forgotten: Vec<(TopicPartition, Uuid)>,
}

impl Turn {
    /// A request outside of any session, for all that is wanted.
    pub(crate) fn without_session(wanted: usize) -> Turn {
        Turn { id: 0, epoch: NONE, named: (0..wanted).collect(), forgotten: Vec::new() }
    }
}

/// One session.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    id: i32,
    epoch: i32,
    partitions: HashMap<TopicPartition, Asked>,
}

impl FetchSession {
    /// What the next request holds, when all of `wanted` is to be read and nothing else.
    pub(crate) fn next(&mut self, wanted: &[Wanted]) -> Turn {
        let asked = |want: &Wanted| Asked {
            offset: want.offset,
            leader_epoch: want.leader_epoch,
            topic_id: want.leader.topic_id,
        };
        let renamed = |want: &&Wanted| {
            self.partitions.get(&want.partition).is_some_and(|before| before.topic_id != want.leader.topic_id)
        };
        if self.epoch != FIRST && wanted.iter().find(renamed).is_some() {
            // A topic was made anew under its old name: the session would mix the two up.
            self.epoch = FIRST;
        }
        if self.epoch == FIRST {
            self.partitions = wanted.iter().map(|want| (want.partition.clone(), asked(want))).collect();
            return Turn { id: self.id, epoch: FIRST, named: (0..wanted.len()).collect(), forgotten: Vec::new() };
        }
        let mut named = Vec::new();
        for (at, want) in wanted.iter().enumerate() {
            let now = asked(want);
            if self.partitions.get(&want.partition) != Some(&now) {
                self.partitions.insert(want.partition.clone(), now);
                named.push(at);
            }
        }
        let kept: HashSet<&TopicPartition> = wanted.iter().map(|want| &want.partition).collect();
        let mut forgotten = Vec::new();
        self.partitions.retain(|partition, asked| {
            let keep = kept.contains(partition);
            if !keep {
                forgotten.push((partition.clone(), asked.topic_id));
            }
            keep
        });
        forgotten.sort();
        Turn { id: self.id, epoch: self.epoch, named, forgotten }
    }

    /// The broker answered without an error of the session. An id of 0 says that it has no room for one.
    pub(crate) fn accepted(&mut self, id: i32) {
        self.id = id;
        self.epoch = match self.epoch {
            _ if id == 0 => FIRST,
            i32::MAX => 1,
            epoch => epoch + 1,
        };
    }

    /// The broker does not know the session: the next request begins one.
    pub(crate) fn unknown(&mut self) {
        self.id = 0;
        self.epoch = FIRST;
    }

    /// Nobody knows how far the broker came: the next request ends this session and begins another.
    pub(crate) fn broken(&mut self) {
        self.epoch = FIRST;
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
