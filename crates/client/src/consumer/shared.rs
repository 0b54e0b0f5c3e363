//! What a consumer's calls and its worker share.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::error::ConsumerError;
use super::membership::Change;
use super::positions::Positions;
use super::record::Completed;
use crate::coordinator::Identity;
use crate::limits::CONSUMER_ERRORS_KEPT_MAX;

/// How a consumer came by its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Subscription {
    #[default]
    None,
    /// Topics by name, shared with the group.
    Names(BTreeSet<Arc<str>>),
    /// Topics whose whole name matches, shared with the group; matched here.
    Pattern(String),
    /// Topics whose name matches a RE2 pattern, matched by the coordinator (KIP-848).
    CoordinatorPattern(String),
    /// Partitions taken without a group's leave.
    Assigned,
}

impl Subscription {
    /// Whether the group decides what is read.
    pub(crate) fn is_by_group(&self) -> bool {
        !matches!(self, Subscription::None | Subscription::Assigned)
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) subscription: Subscription,
    /// The subscription is another than the worker knows.
    pub(crate) subscribed_anew: bool,
    pub(crate) positions: Positions,
    /// Fetched and not handed out, in the order in which it came.
    pub(crate) buffer: VecDeque<Completed>,
    /// Changes that the application has not taken notice of; one stays here until it has.
    pub(crate) changes: VecDeque<Change>,
    /// It has, of all there were.
    pub(crate) changed: bool,
    pub(crate) errors: VecDeque<ConsumerError>,
    /// By whom offsets are committed now.
    pub(crate) identity: Identity,
    pub(crate) rebalancing: bool,
    /// The last call of `poll` that the worker does not know of.
    pub(crate) polled: Option<Instant>,
    /// A rebalance was asked for, and why.
    pub(crate) enforce: Option<String>,
    /// Somebody waits until the group is left.
    pub(crate) leave: Option<Leave>,
}

pub(crate) struct Leave {
    pub(crate) reason: &'static str,
    pub(crate) left: oneshot::Sender<()>,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    /// Wakes `poll` and whoever waits for a position.
    pub(crate) front: Notify,
    /// Wakes the worker.
    pub(crate) worker: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl State {
    /// For the next `poll`. What cannot be kept is only said again.
    pub(crate) fn fail(&mut self, error: ConsumerError) {
        if self.errors.len() < CONSUMER_ERRORS_KEPT_MAX {
            self.errors.push_back(error);
        }
    }
}
