//! Brings the node's partitions in line with an image that has been committed: opens what is new, leads what it is to
//! lead, takes over settings, retires what is deleted. Only then is the image shown to handlers, so that whoever is told of
//! a topic finds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use andiron_metadata::features::TRANSACTION_VERSION;
use andiron_metadata::image::{Image, Topic};
use andiron_protocol::Uuid;
use andiron_replication::partition::{Durability, Leadership, Partition as Replica};
use andiron_storage::{Log, LogConfig, LogDir, LogError, OpenLog, TopicPartition};

use super::Node;
use crate::groups::{self, OFFSETS_TOPIC};
use crate::limits::log_threads;
use crate::shard::Shard;
use crate::topics::{Snapshot, TopicEntry};
use crate::transactions::{self, STATE_TOPIC};

/// Logs that were opened ahead, by topic and partition.
type Opened = HashMap<(Uuid, i32), Result<Arc<Shard>, LogError>>;

/// What the checkpoints of a log directory said when it was opened.
#[derive(Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: BTreeMap<TopicPartition, i64>,
    pub(super) high_watermarks: BTreeMap<TopicPartition, i64>,
    pub(super) log_starts: BTreeMap<TopicPartition, i64>,
    pub(super) clean: bool,
}

/// The topics that came, went or changed between two images, and whether any came.
fn changed_topics<'a>(before: &'a Image, after: &'a Image) -> (BTreeSet<&'a str>, bool) {
    let mut changed = BTreeSet::new();
    let mut grown = false;
    for topic in after.topics() {
        let known = before.topic_by_id(topic.id);
        grown |= known.is_none();
        if known.is_none_or(|known| !Arc::ptr_eq(known, topic)) {
            changed.insert(&*topic.name);
        }
    }
    let gone = before.topics().filter(|topic| after.topic_by_id(topic.id).is_none());
    changed.extend(gone.map(|topic| &*topic.name));
    (changed, grown)
}

impl Node {
    /// Takes over an image.
    pub(super) fn apply(&self, image: &Image, now: i64) {
        let _one_at_a_time = self.applying.lock();
        let before = self.snapshot.load_full();
        if image.offset() <= before.image.offset() && before.image.offset() >= 0 {
            return;
        }
        let mut opened = self.open_missing(image, &before, now);
        let mut topics = HashMap::with_capacity(image.topic_count());
        let mut by_id = HashMap::with_capacity(image.topic_count());
        let mut coordinators = Vec::new();
        for topic in image.topics() {
            let known = before.topic_by_id(topic.id);
            let entry = self.entry(image, topic, known, &before, now, &mut opened, &mut coordinators);
            topics.insert(Arc::clone(&topic.name), Arc::clone(&entry));
            by_id.insert(topic.id, entry);
        }
        let gone: Vec<Arc<TopicEntry>> =
            before.topics.values().filter(|entry| !by_id.contains_key(&entry.id)).cloned().collect();
        self.snapshot.store(Arc::new(Snapshot { image: image.clone(), topics, by_id }));
        let (changed, grown) = changed_topics(&before.image, image);
        groups::image_changed(&self.coordinators, image, &changed, grown);
        // Those of groups first: what the others have to finish may end in their logs.
        let (of_groups, of_transactions): (Vec<_>, Vec<_>) =
            coordinators.into_iter().partition(|shard| &*shard.topic == OFFSETS_TOPIC);
        for shard in of_groups {
            if let Err(error) = groups::begin(&self.coordinators, &shard, self.config.group_config(), image, now) {
                tracing::error!(partition = shard.partition, error, "cannot load the offsets of groups");
            }
        }
        let version = image.feature(TRANSACTION_VERSION);
        for shard in of_transactions {
            let config = self.config.transaction_config();
            if let Err(error) = transactions::begin(&self.transactions, &self.me, &shard, config, version, now) {
                tracing::error!(partition = shard.partition, error, "cannot load the states of transactions");
            }
        }
        for entry in &gone {
            self.retire(entry, now);
        }
        if !gone.is_empty() {
            // A topic of the same name must not be taken for the old one after a crash: not for what of it was durable, nor for
            // where it began.
            self.write_recovery_points();
            self.write_log_starts();
            self.write_high_watermarks();
        }
    }

    fn entry(
        &self,
        image: &Image,
        topic: &Arc<Topic>,
        known: Option<&Arc<TopicEntry>>,
        before: &Snapshot,
        now: i64,
        opened: &mut Opened,
        coordinators: &mut Vec<Arc<Shard>>,
    ) -> Arc<TopicEntry> {
        let unchanged = before.image.topic(&topic.name).is_some_and(|old| Arc::ptr_eq(old, topic));
        if let (true, Some(known)) =
            (unchanged && !self.config.configs_changed(&before.image, image, &topic.name), known)
        {
            return Arc::clone(known);
        }
        let (log_config, min_isr) = self.config.topic(image, &topic.name);
        let mut shards = Vec::with_capacity(topic.partitions.len());
        for (number, partition) in (0..).zip(&topic.partitions) {
            if !partition.replicas.contains(&self.config.node_id) {
                shards.push(None);
                continue;
            }
            let known = known.and_then(|entry| entry.shard(number));
            let shard = match known {
                Some(shard) => {
                    shard.set_config(log_config.clone());
                    Ok(Arc::clone(shard))
                }
                None => match opened.remove(&(topic.id, number)) {
                    Some(opened) => opened,
                    None => self.open_shard(&TopicPartition::new(&topic.name, number), topic.id, &log_config, now),
                },
            };
            match shard {
                Ok(shard) => {
                    let leads = self.lead_or_resign(&shard, partition, now);
                    let kept = match &*topic.name {
                        OFFSETS_TOPIC if leads => self.coordinators.has(number),
                        STATE_TOPIC if leads => self.transactions.has(number),
                        OFFSETS_TOPIC => {
                            self.coordinators.end(number);
                            true
                        }
                        STATE_TOPIC => {
                            self.transactions.end(number);
                            true
                        }
                        _ => true,
                    };
                    if !kept {
                        coordinators.push(Arc::clone(&shard));
                    }
                    shards.push(Some(shard));
                }
                Err(error) => {
                    tracing::error!(topic = %topic.name, partition = number, %error, "cannot open the log");
                    shards.push(None);
                }
            }
        }
        Arc::new(TopicEntry { name: Arc::clone(&topic.name), id: topic.id, min_isr, shards })
    }

    /// Opens the logs that this image has and the one before had not, on several threads if they are many: a log that was
    /// not closed cleanly is read through, and each waits for the disk.
    fn open_missing(&self, image: &Image, before: &Snapshot, now: i64) -> Opened {
        let mut missing = Vec::new();
        for topic in image.topics() {
            let known = before.topic_by_id(topic.id);
            let (log_config, _) = match known {
                Some(entry) if entry.shards.len() == topic.partitions.len() => continue,
                _ => self.config.topic(image, &topic.name),
            };
            for (number, partition) in (0..).zip(&topic.partitions) {
                let here = partition.replicas.contains(&self.config.node_id);
                if here && known.is_none_or(|entry| entry.shard(number).is_none()) {
                    missing.push((TopicPartition::new(&topic.name, number), topic.id, log_config.clone()));
                }
            }
        }
        let threads = log_threads(missing.len());
        if threads == 1 {
            return Opened::new();
        }
        let share = missing.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let open = |some: &[(TopicPartition, Uuid, LogConfig)]| {
                let one = |(name, id, config): &(TopicPartition, Uuid, LogConfig)| {
                    ((*id, name.partition), self.open_shard(name, *id, config, now))
                };
                some.iter().map(one).collect::<Vec<_>>()
            };
            let workers: Vec<_> = missing.chunks(share).map(|some| scope.spawn(move || open(some))).collect();
            // What a thread that died has not opened is opened once more, one by one, and says what is wrong.
            workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
        })
    }

    fn open_shard(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        config: &LogConfig,
        now: i64,
    ) -> Result<Arc<Shard>, LogError> {
        let known = self.house.lock().homes.contains_key(partition);
        let (home, dir) = self.dir_of(partition);
        let (journal, leftover) = self.journals.of(home);
        let (recovery_point, log_start_offset, clean) = {
            let house = self.house.lock();
            let of = |offsets: &BTreeMap<TopicPartition, i64>| offsets.get(partition).copied().unwrap_or(0);
            let checkpoints = &house.checkpoints;
            (of(&checkpoints.recovery_points), of(&checkpoints.log_starts), checkpoints.clean)
        };
        let open = OpenLog {
            dir: dir.partition_dir(partition),
            config: config.clone(),
            topic_id: Some(topic_id),
            log_start_offset,
            recovery_point,
            clean_shutdown: clean,
            journal: leftover,
            now,
        };
        let (log, recovered) = Log::open(Arc::clone(&self.disk), partition.clone(), open)?;
        if recovered.truncated_bytes > 0 {
            tracing::warn!(%partition, bytes = recovered.truncated_bytes, "cut off a torn end of the log");
        }
        if recovered.restored_bytes > 0 {
            tracing::info!(%partition, bytes = recovered.restored_bytes, "the journal had the end of the log");
        }
        let durability = if self.config.fsync { Durability::Synced } else { Durability::Appended };
        let replica = Replica::new(self.config.node_id, durability);
        let syncs = self.config.fsync.then(|| Arc::clone(&self.syncs));
        Ok(Shard::new(log, replica, syncs, journal, known && !clean))
    }

    /// Takes over who leads, and says whether it is this node.
    fn lead_or_resign(&self, shard: &Arc<Shard>, partition: &andiron_metadata::image::Partition, now: i64) -> bool {
        if partition.leader != self.config.node_id {
            shard.resign(now);
            return false;
        }
        let leadership = Leadership {
            epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
        };
        if shard.leadership_is(&leadership) {
            return true;
        }
        let name = TopicPartition::new(&shard.topic, shard.partition);
        let checkpointed = self.house.lock().checkpoints.high_watermarks.get(&name).copied().unwrap_or(0);
        shard.lead(now, leadership, checkpointed);
        true
    }

    /// The log directory that has the partition, or the one that is to get it: the emptiest.
    fn dir_of(&self, partition: &TopicPartition) -> (usize, &Arc<LogDir>) {
        let mut house = self.house.lock();
        let home = house.homes.get(partition).copied();
        if let Some((at, dir)) = home.and_then(|at| Some((at, self.dirs.get(at)?))) {
            return (at, dir);
        }
        let mut counts = vec![0usize; self.dirs.len()];
        for at in house.homes.values() {
            if let Some(count) = counts.get_mut(*at) {
                *count += 1;
            }
        }
        let at = (0..counts.len()).min_by_key(|at| counts.get(*at).copied()).unwrap_or(0);
        house.homes.insert(partition.clone(), at);
        (at, &self.dirs[at])
    }

    /// The topic is gone: its logs are marked, and their files removed a little later, when nobody reads them any more.
    fn retire(&self, entry: &TopicEntry, now: i64) {
        let shards: Vec<&Arc<Shard>> = entry.shards.iter().flatten().collect();
        let threads = log_threads(shards.len());
        let share = shards.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for some in shards.chunks(share) {
                scope.spawn(move || some.iter().for_each(|shard| self.retire_one(shard, now)));
            }
        });
        let partitions: Vec<(&str, i32)> = shards.iter().map(|shard| (&*entry.name, shard.partition)).collect();
        groups::partitions_deleted(&self.coordinators, &partitions, now);
    }

    fn retire_one(&self, shard: &Shard, now: i64) {
        let Some(mut log) = shard.retire(now, || self.wake_keeper()) else { return };
        let delay = log.config().file_delete_delay_ms;
        match log.mark_deleted(Uuid::new_v4()) {
            Ok(dir) => self.remove_later(dir, now + delay),
            Err(error) => {
                tracing::error!(topic = %shard.topic, partition = shard.partition, %error, "cannot delete the log");
            }
        }
        self.note_cleaned(shard, None);
        let mut house = self.house.lock();
        let name = TopicPartition::new(&shard.topic, shard.partition);
        house.homes.remove(&name);
        house.checkpoints.recovery_points.remove(&name);
        house.checkpoints.high_watermarks.remove(&name);
        house.checkpoints.log_starts.remove(&name);
    }

    pub(super) fn remove_later(&self, dir: PathBuf, at: i64) {
        self.house.lock().deleted_dirs.push((at, dir));
    }
}
