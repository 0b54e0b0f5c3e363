//! What requests are checked against: the committed image and, beside it, the partitions that this node has. Made anew
//! whenever the image changes, read by every handler without a lock.

use std::collections::HashMap;
use std::sync::Arc;

use andiron_metadata::image::Image;
use andiron_protocol::Uuid;

use crate::groups::OFFSETS_TOPIC;
use crate::shard::Shard;
use crate::transactions::STATE_TOPIC;

/// Share groups are not served here; a folder of Apache Kafka may have their topic.
const SHARE_STATE_TOPIC: &str = "__share_group_state";

/// Whether clients may not write to a topic of this name.
pub(crate) fn is_internal(name: &str) -> bool {
    [OFFSETS_TOPIC, STATE_TOPIC, SHARE_STATE_TOPIC].contains(&name)
}

/// A topic with what this node keeps of it.
pub(crate) struct TopicEntry {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
    /// `min.insync.replicas`.
    pub(crate) min_isr: usize,
    pub(crate) shards: Vec<Option<Arc<Shard>>>,
}

impl TopicEntry {
    /// The partition of this number, if it is here.
    pub(crate) fn shard(&self, partition: i32) -> Option<&Arc<Shard>> {
        self.shards.get(usize::try_from(partition).ok()?)?.as_ref()
    }
}

/// The image and the partitions that belong to it.
pub(crate) struct Snapshot {
    pub(crate) image: Image,
    pub(crate) topics: HashMap<Arc<str>, Arc<TopicEntry>>,
    pub(crate) by_id: HashMap<Uuid, Arc<TopicEntry>>,
}

impl Snapshot {
    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<TopicEntry>> {
        self.topics.get(name)
    }

    /// The topic of this id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicEntry>> {
        self.by_id.get(&id)
    }

    /// All partitions that are here, in the order of their topics' names.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        let known = self.image.topics().filter_map(|topic| self.topics.get(&topic.name));
        known.flat_map(|topic| topic.shards.iter().flatten())
    }
}
