//! What is known of one transactional id, and how it goes from state to state: Kafka's TransactionMetadata. Every step makes a
//! new value, which becomes the state when its record is replayed.

use std::collections::BTreeSet;

use super::effects::{Partition, Producer};
use super::error::TransactionError;
use super::limits::EPOCH_BUMP_FROM;

/// No producer id.
pub const NO_PRODUCER_ID: i64 = -1;
/// No producer epoch.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// No point in time.
const NO_TIME: i64 = -1;

macro_rules! states {
    ($($(#[$doc:meta])* $number:literal $name:ident from [$($from:ident)*];)*) => {
        /// The state of a transaction, with Kafka's number and name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum TransactionState { $($(#[$doc])* $name,)* }

        impl TransactionState {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number in a record.
            pub fn id(self) -> i8 {
                match self { $(Self::$name => $number,)* }
            }

            /// The state of this number.
            pub fn from_id(id: i8) -> Option<Self> {
                match id { $($number => Some(Self::$name),)* _ => None }
            }

            /// Kafka's name of it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The state of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|state| state.name() == name)
            }

            /// Whether a transaction may come into this state from that one.
            pub fn may_follow(self, before: Self) -> bool {
                match self { $(Self::$name => matches!(before, $(Self::$from)|*),)* }
            }
        }
    };
}

states! {
    /// The producer has begun nothing since it came.
    0 Empty from [Empty CompleteCommit CompleteAbort];
    /// It has partitions.
    1 Ongoing from [Ongoing Empty CompleteCommit CompleteAbort];
    /// It will take effect; the markers are being written.
    2 PrepareCommit from [Ongoing];
    /// It will take no effect; the markers are being written.
    3 PrepareAbort from [Ongoing PrepareEpochFence Empty CompleteCommit CompleteAbort];
    /// It took effect, everywhere.
    4 CompleteCommit from [PrepareCommit];
    /// It took no effect.
    5 CompleteAbort from [PrepareAbort];
    /// The id is being forgotten.
    6 Dead from [Empty CompleteAbort CompleteCommit];
    /// The producer is being fenced off.
    7 PrepareEpochFence from [Ongoing];
}

impl TransactionState {
    /// Whether it has been decided how the transaction ends, and not everywhere is it known yet.
    pub fn is_prepared(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }

    /// Whether nothing is under way: the id may be forgotten.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Empty | Self::CompleteCommit | Self::CompleteAbort)
    }
}

/// A transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer id in use.
    pub producer_id: i64,
    /// The one in use before the last step.
    pub previous_producer_id: i64,
    /// The one that the producer goes on with when the prepared transaction is complete, or -1.
    pub next_producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The epoch before; not in the log, so that a producer's repeated request is not known over a restart.
    pub last_producer_epoch: i16,
    /// Of transactions with two phases, which are not offered; kept as it was found.
    pub next_producer_epoch: i16,
    /// `transaction.timeout.ms` of the producer.
    pub timeout_ms: i32,
    /// Where the transaction stands.
    pub state: TransactionState,
    /// What it has written to.
    pub partitions: BTreeSet<Partition>,
    /// Since when it is under way, in ms, or -1.
    pub start_ms: i64,
    /// When it last changed, in ms.
    pub update_ms: i64,
    /// The version of transactions of the client that made the last step.
    pub client_version: i16,
}

impl Transaction {
    /// A transactional id that has just come up.
    pub fn new(producer_id: i64, timeout_ms: i32, now: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            next_producer_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            start_ms: NO_TIME,
            update_ms: now,
            client_version: 0,
        }
    }

    /// The producer as its requests are to name it.
    pub fn producer(&self) -> Producer {
        Producer { id: self.producer_id, epoch: self.producer_epoch }
    }

    /// The last epoch is kept free, so that a producer can always be fenced off.
    pub fn is_epoch_exhausted(&self) -> bool {
        is_exhausted(self.producer_epoch)
    }

    /// Whether it has been open longer than its producer allowed. One of two phases has no timeout.
    pub fn has_timed_out(&self, now: i64) -> bool {
        self.state == TransactionState::Ongoing
            && self.timeout_ms != i32::MAX
            && self.start_ms.saturating_add(i64::from(self.timeout_ms)) < now
    }

    /// Whether a producer that says it goes on after an error may be the one of this id.
    pub fn may_be(&self, expected: Producer) -> bool {
        self.producer_epoch == NO_PRODUCER_EPOCH
            || expected.id == self.producer_id
            // It may repeat a request that was answered with the next id, and have missed the answer.
            || (expected.id == self.previous_producer_id && is_exhausted(expected.epoch))
    }

    fn step(&self, state: TransactionState, now: i64) -> Self {
        debug_assert!(state.may_follow(self.state), "{:?} after {:?}", state, self.state);
        Self { state, previous_producer_id: self.producer_id, update_ms: now, ..self.clone() }
    }

    /// A producer begins, or goes on after an error, under the next epoch.
    pub fn begin(&self, timeout_ms: i32, expected: Option<i16>, now: i64) -> Result<Self, TransactionError> {
        let bumped = self.producer_epoch.checked_add(1).ok_or(TransactionError::Fenced);
        let (epoch, last) = match expected {
            None => (bumped?, NO_PRODUCER_EPOCH),
            Some(epoch) if self.producer_epoch == NO_PRODUCER_EPOCH || epoch == self.producer_epoch => {
                (bumped?, self.producer_epoch)
            }
            // It has missed the answer: no other producer came since, or the last epoch would be none.
            Some(epoch) if epoch == self.last_producer_epoch => (self.producer_epoch, self.last_producer_epoch),
            Some(_) => return Err(TransactionError::Fenced),
        };
        Ok(self.emptied(self.producer_id, epoch, last, timeout_ms, now))
    }

    /// As `begin`, when the epochs of the producer id are used up.
    pub fn rotate(&self, producer_id: i64, timeout_ms: i32, expected: Option<i16>, now: i64) -> Self {
        let last = expected.map_or(NO_PRODUCER_EPOCH, |_| self.producer_epoch);
        self.emptied(producer_id, 0, last, timeout_ms, now)
    }

    fn emptied(&self, producer_id: i64, epoch: i16, last: i16, timeout_ms: i32, now: i64) -> Self {
        Self {
            producer_id,
            producer_epoch: epoch,
            last_producer_epoch: last,
            timeout_ms,
            partitions: BTreeSet::new(),
            start_ms: NO_TIME,
            ..self.step(TransactionState::Empty, now)
        }
    }

    /// Partitions join the transaction, which begins with the first of them.
    pub fn add(&self, partitions: &BTreeSet<Partition>, client_version: i16, now: i64) -> Self {
        let start_ms = if self.state == TransactionState::Ongoing { self.start_ms } else { now };
        let partitions = self.partitions.union(partitions).cloned().collect();
        Self { partitions, start_ms, client_version, ..self.step(TransactionState::Ongoing, now) }
    }

    /// It is decided how the transaction ends. `next_producer_id`: for the producer to go on with if its epochs are used up.
    pub fn prepare(&self, commit: bool, client_version: i16, next_producer_id: i64, now: i64) -> Self {
        let state = if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        let mut next = self.step(state, now);
        if client_version >= EPOCH_BUMP_FROM {
            next.producer_epoch = self.producer_epoch.saturating_add(1);
            next.last_producer_epoch = self.producer_epoch;
        }
        // A client of version 2 may abort what it has not begun, as it does not know; the start is needed all the same.
        if self.state != TransactionState::Ongoing {
            next.start_ms = now;
            next.partitions = BTreeSet::new();
        }
        next.next_producer_id = next_producer_id;
        next.client_version = client_version;
        next
    }

    /// As `prepare`, to abort for another producer or because of the timeout: the producer that is there is fenced off.
    pub fn fence(&self, transaction_version: i16, now: i64) -> Self {
        if transaction_version >= EPOCH_BUMP_FROM {
            return self.prepare(false, transaction_version, NO_PRODUCER_ID, now);
        }
        let mut next = self.prepare(false, 0, NO_PRODUCER_ID, now);
        next.producer_epoch = self.producer_epoch.saturating_add(1);
        next.last_producer_epoch = NO_PRODUCER_EPOCH;
        next
    }

    /// The markers are written.
    pub fn complete(&self, now: i64) -> Self {
        let commit = self.state == TransactionState::PrepareCommit;
        let state = if commit { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort };
        let mut next = self.step(state, now);
        if self.client_version >= EPOCH_BUMP_FROM && self.next_producer_id != NO_PRODUCER_ID {
            next.producer_id = self.next_producer_id;
            next.producer_epoch = 0;
        }
        next.next_producer_id = NO_PRODUCER_ID;
        next.partitions = BTreeSet::new();
        next
    }
}

/// Whether a producer id has no epoch left after this one.
pub fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}
