//! What the two kinds of membership have in common.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cluster::TopicPartition;
use crate::config::ClientConfig;

/// A change of the application's partitions, to be taken notice of within `poll`: first what goes, then what comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// They are somebody else's already: nothing can be committed for them.
    pub(crate) lost: bool,
    pub(crate) revoked: Vec<TopicPartition>,
    /// All that is held from now on; `None` leaves it at what was not revoked.
    pub(crate) assigned: Option<Vec<TopicPartition>>,
    /// Of those, the new ones.
    pub(crate) added: Vec<TopicPartition>,
}

/// The times of a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
}

impl Timeouts {
    pub(crate) fn of(config: &ClientConfig) -> Self {
        let ms = |ms: i32| Duration::from_millis(u64::from(ms.max(0).unsigned_abs()));
        Timeouts {
            heartbeat_interval: ms(config.consumer.heartbeat_interval_ms),
            max_poll_interval: ms(config.consumer.max_poll_interval_ms),
        }
    }
}

/// What is in `before` and not in `after`, in its order.
pub(crate) fn gone(before: &[TopicPartition], after: &[TopicPartition]) -> Vec<TopicPartition> {
    let after: BTreeSet<&TopicPartition> = after.iter().collect();
    before.iter().filter(|partition| !after.contains(partition)).cloned().collect()
}
