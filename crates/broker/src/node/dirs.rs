//! The log directories: what lies in each, and moving a partition from one to another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::messages::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use andiron_protocol::messages::{AssignReplicasToDirsRequest, BrokerId};
use andiron_protocol::{ErrorCode, Uuid};
use andiron_storage::disk::{Space, copy_dir};
use andiron_storage::{Log, LogError, OpenLog, TopicPartition};

use super::Node;
use crate::shard::Shard;

/// A log directory as clients are told of it.
pub(crate) struct Described {
    /// Where it is, from the root on.
    pub(crate) path: String,
    /// How large its file system is, if that is known.
    pub(crate) space: Option<Space>,
    /// The partitions in it.
    pub(crate) shards: Vec<Arc<Shard>>,
    /// The partitions that are on their way to it.
    pub(crate) coming: Vec<Arc<Shard>>,
}

/// From the root on, as Java prints a path. One that cannot be made so is told as it is.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

impl Node {
    /// The directories of `log.dirs` with what lies in them.
    pub(crate) fn describe_log_dirs(&self) -> Vec<Described> {
        let snapshot = self.snapshot();
        let mut described: Vec<Described> = (self.dirs.iter())
            .map(|dir| Described {
                path: absolute(dir.path()).display().to_string(),
                space: self.disk.space(dir.path()),
                shards: Vec::new(),
                coming: Vec::new(),
            })
            .collect();
        let house = self.house.lock();
        for shard in snapshot.shards() {
            let name = TopicPartition::new(&shard.topic, shard.partition);
            if let Some(dir) = house.homes.get(&name).and_then(|at| described.get_mut(*at)) {
                dir.shards.push(Arc::clone(shard));
            }
            if let Some(dir) = house.moves.get(&name).and_then(|at| described.get_mut(*at)) {
                dir.coming.push(Arc::clone(shard));
            }
        }
        // One that has nothing but the metadata log is not among them.
        described.truncate(self.config.log_dirs.len());
        described
    }

    /// A partition is to lie in another of the log directories. The move is housekeeping; until it is over the partition is
    /// told to be on its way.
    pub(crate) fn begin_move(&self, topic: &str, partition: i32, dir: &str) -> Result<(), ErrorCode> {
        let place = self.config.log_dirs.iter().position(|known| absolute(known).as_path() == Path::new(dir));
        let to = place.ok_or(ErrorCode::LogDirNotFound)?;
        let snapshot = self.snapshot();
        let shard = snapshot.topic(topic).and_then(|topic| topic.shard(partition));
        let shard = shard.ok_or(ErrorCode::ReplicaNotAvailable)?;
        let name = TopicPartition::new(&shard.topic, shard.partition);
        let mut house = self.house.lock();
        if house.homes.get(&name) == Some(&to) {
            house.moves.remove(&name);
        } else {
            house.moves.insert(name, to);
            drop(house);
            self.wake_keeper();
        }
        Ok(())
    }

    /// Moves what is to be moved, one partition after the other. Its writers and readers wait for it; it waits for who compacts it.
    pub(super) fn make_moves(&self, now: i64) {
        let due = self.house.lock().moves.clone();
        for (name, to) in due {
            match self.make_move(&name, to, now) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::error!(partition = %name, %error, "cannot move the log to another directory");
                }
            }
            let mut house = self.house.lock();
            // Somebody may want it elsewhere by now.
            if house.moves.get(&name) == Some(&to) {
                house.moves.remove(&name);
            }
        }
    }

    /// False when it is to be tried again a little later.
    fn make_move(&self, name: &TopicPartition, to: usize, now: i64) -> Result<bool, LogError> {
        let snapshot = self.snapshot();
        let topic = snapshot.topic(&name.topic);
        let (Some(topic), Some(target)) = (topic, self.dirs.get(to)) else { return Ok(true) };
        let Some(shard) = topic.shard(name.partition) else { return Ok(true) };
        let Some(_alone) = shard.maintain_alone() else { return Ok(false) };
        let final_dir = target.partition_dir(name);
        let future = target.path().join(name.dir_name_as("future", Uuid::new_v4()));
        let io = |source| LogError::Io { what: "moving", path: future.clone(), source };
        let (old, moved) = shard.exchange(|log, journal| {
            let from = log.dir().to_path_buf();
            log.close_clean()?;
            if let Err(error) = copy_dir(&*self.disk, &from, &future).map_err(io) {
                return Ok((self.reopen(name, log, from, now)?, Err(error)));
            }
            // From here on there is no way back. The old name goes before anybody writes to the new log: of two that a crash
            // leaves either will do.
            self.disk.rename(&future, &final_dir).and_then(|()| self.disk.sync_dir(target.path())).map_err(io)?;
            let left = log.mark_deleted(Uuid::new_v4())?;
            *journal = self.journals.of(to).0;
            Ok((self.reopen(name, log, final_dir.clone(), now)?, Ok(left)))
        })?;
        match moved {
            Ok(left) => self.remove_later(left, now + old.config().file_delete_delay_ms),
            Err(error) => {
                self.remove_later(future, now);
                return Err(error);
            }
        }
        {
            let mut house = self.house.lock();
            // A topic that was deleted meanwhile has no home any more.
            if shard.checkpoint().is_some() {
                house.homes.insert(name.clone(), to);
            }
        }
        // In no directory's checkpoints is a partition that has left it, lest another of its name be taken for it.
        self.move_cleaned(name, to);
        self.write_recovery_points();
        self.write_log_starts();
        self.write_high_watermarks();
        self.tell_directory(topic.id, name.partition, to, now);
        Ok(true)
    }

    fn reopen(&self, name: &TopicPartition, log: &Log, dir: PathBuf, now: i64) -> Result<Log, LogError> {
        let open = OpenLog {
            dir,
            config: log.config().clone(),
            topic_id: log.topic_id(),
            log_start_offset: log.log_start_offset(),
            recovery_point: log.log_end_offset(),
            clean_shutdown: true,
            journal: None,
            now,
        };
        let (mut log, _) = Log::open(Arc::clone(&self.disk), name.clone(), open)?;
        // A sync of the old log that is still under way must find nothing to do here.
        if let Some(ticket) = log.sync_ticket() {
            ticket.run().map_err(|source| LogError::Io { what: "syncing", path: log.dir().to_path_buf(), source })?;
            log.synced(&ticket);
        }
        Ok(log)
    }

    /// Tells the controller in which directory a partition now lies.
    fn tell_directory(&self, topic: Uuid, partition: i32, to: usize, now: i64) {
        let id = self.dirs.get(to).and_then(|dir| dir.meta_properties().ok().flatten()).map(|meta| meta.directory_id);
        let Some(id) = id else { return };
        let topic = TopicData::default()
            .with_topic_id(topic)
            .with_partitions(vec![PartitionData::default().with_partition_index(partition)]);
        let request = AssignReplicasToDirsRequest::default()
            .with_broker_id(BrokerId(self.config.node_id))
            .with_broker_epoch(self.broker_epoch.load(std::sync::atomic::Ordering::Acquire))
            .with_directories(vec![DirectoryData::default().with_id(id).with_topics(vec![topic])]);
        let waiter = Box::new(|answered| match answered {
            Ok(Response::AssignReplicasToDirs(answer)) if answer.error_code == 0 => {}
            other => tracing::warn!(?other, "the controller was not told where a partition lies"),
        });
        self.ask_controller(now, Request::AssignReplicasToDirs(request), waiter);
    }
}
