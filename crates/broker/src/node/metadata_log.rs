//! The metadata log: `__cluster_metadata-0` in Kafka's own bytes, formatted as `kafka-storage format --standalone` does,
//! replayed from its last snapshot on, led by this node alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use andiron_metadata::controller::Controller;
use andiron_metadata::image::Image;
use andiron_metadata::records::Record;
use andiron_metadata::{features, snapshot};
use andiron_protocol::Uuid;
use andiron_protocol::batch::{BatchOptions, Batches};
use andiron_replication::machine::StateMachine;
use andiron_replication::partition::{Durability, Leadership, Partition as Replica};
use andiron_replication::quorum::{ControlRecord, QuorumState, SnapshotId, Voter, VoterEndpoint, epoch_start};
use andiron_storage::disk::{read_small, replace_small};
use andiron_storage::{AppendOrigin, Log, LogConfig, LogDir, OpenLog, TopicPartition};

use super::NodeError;
use crate::config::BrokerConfig;
use crate::hosted::batch;
use crate::limits::REPLAY_STEP_BYTES;
use crate::shard::Shard;
use crate::sync::SyncQueue;

/// The topic of the metadata log; its id is the number 1.
pub(crate) const TOPIC: &str = "__cluster_metadata";
const TOPIC_ID: Uuid = Uuid::from_u128(1);

/// The records with which the log begins.
const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// Who leads the quorum, in which epoch.
const QUORUM_STATE: &str = "quorum-state";

/// The metadata log, led, and the controller with everything in it.
pub(super) struct Opened {
    pub(super) shard: Arc<Shard>,
    pub(super) controller: Controller,
    pub(super) bootstrap: Vec<Record>,
    /// The voters, where the log names them: then `kraft.version` is 1.
    pub(super) voters: Option<Vec<Voter>>,
    /// The end of the newest snapshot.
    pub(super) snapshot_end: i64,
}

/// How the controller's records lie in the log.
pub(super) fn encode(now: i64, records: &[Record]) -> Result<Bytes, String> {
    let records = records.iter().map(|record| record.encode().map(|value| (None, Some(Bytes::from(value)))));
    batch(now, BatchOptions::default(), records)
}

fn wrong(path: &Path, reason: impl std::fmt::Display) -> NodeError {
    NodeError::Metadata { path: PathBuf::from(path), reason: reason.to_string() }
}

/// Whether the voters are written in the configuration: then they are not in the log.
fn has_static_voters(config: &BrokerConfig) -> bool {
    !config.settings.list("controller.quorum.voters").is_empty()
}

/// Writes what a folder holds before its first start. A crash in between does no harm: `meta.properties` comes last.
pub(super) fn format(config: &BrokerConfig, dir: &LogDir, directory_id: Uuid, now: i64) -> Result<(), NodeError> {
    let disk = &**dir.disk();
    let path = dir.path().join(BOOTSTRAP);
    let bytes = snapshot::bootstrap(&features::fresh(), now).map_err(|e| wrong(&path, e))?;
    replace_small(disk, &path, &bytes).map_err(|e| wrong(&path, e))?;
    let log_dir = dir.partition_dir(&TopicPartition::new(TOPIC, 0));
    disk.create_dir_all(&log_dir).map_err(|e| wrong(&log_dir, e))?;
    if has_static_voters(config) {
        return Ok(());
    }
    let endpoint = |l: crate::config::Listener| VoterEndpoint { name: l.name, host: l.host, port: l.port };
    let endpoints = config.endpoints(true).into_iter().map(endpoint).collect();
    let voter = Voter::new(config.node_id, directory_id, endpoints);
    let path = log_dir.join(SnapshotId { end_offset: 0, epoch: 0 }.file_name());
    let bytes = snapshot::standalone(&[voter], now).map_err(|e| wrong(&path, e))?;
    replace_small(disk, &path, &bytes).map_err(|e| wrong(&path, e))
}

/// What was found out while the log was read.
struct Replayed {
    image: Image,
    /// Where the log is to be replayed from.
    from: i64,
    voters: Option<Vec<Voter>>,
    /// Whether the log, or a snapshot of it, names the voters.
    named: bool,
}

/// Opens, replays and begins to lead.
pub(super) fn open(
    config: &BrokerConfig,
    dir: &LogDir,
    cluster_id: &str,
    syncs: &Arc<SyncQueue>,
    now: i64,
) -> Result<Opened, NodeError> {
    let disk = Arc::clone(dir.disk());
    let partition = TopicPartition::new(TOPIC, 0);
    let path = dir.partition_dir(&partition);
    disk.create_dir_all(&path).map_err(|e| wrong(&path, e))?;
    let mut replayed = last_snapshot(dir, &path, cluster_id)?;
    let open = OpenLog {
        dir: path.clone(),
        config: log_config(config),
        topic_id: Some(TOPIC_ID),
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: dir.was_clean(),
        journal: None,
        now,
    };
    let (mut log, _) = Log::open(disk, partition, open)?;
    if log.log_end_offset() < replayed.from {
        // The snapshot stands for more than the log holds.
        log.truncate_fully_and_start_at(replayed.from, now)?;
    }
    let state = quorum_state(dir, &path)?;
    let last_epoch = log.latest_epoch().unwrap_or(0).max(state.as_ref().map_or(0, |s| s.leader_epoch));
    let mut controller = Controller::new(replayed.image.clone(), Arc::clone(&config.settings));
    controller.set_controller_id(Some(config.node_id));
    replay(&log, &mut replayed, &mut controller, &path)?;
    check_voters(config, &replayed, &path)?;
    let epoch = last_epoch + 1;
    let static_voters = has_static_voters(config).then(|| vec![config.node_id]);
    let state = QuorumState::leading(config.node_id, epoch, static_voters).to_json();
    let state_path = path.join(QUORUM_STATE);
    replace_small(&**dir.disk(), &state_path, state.as_bytes()).map_err(|e| wrong(&state_path, e))?;
    let shard = lead(config, log, epoch, &replayed, syncs, now)?;
    controller.advance(shard.log_end() - 1, epoch);
    let bootstrap_path = dir.path().join(BOOTSTRAP);
    let bootstrap = match read_small(&**dir.disk(), &bootstrap_path).map_err(|e| wrong(&bootstrap_path, e))? {
        Some(bytes) => snapshot::read_bootstrap(&bytes).map_err(|e| wrong(&bootstrap_path, e))?,
        None => features::fresh(),
    };
    let (voters, snapshot_end) = (replayed.voters, replayed.from);
    Ok(Opened { shard, controller, bootstrap, voters, snapshot_end })
}

fn lead(
    config: &BrokerConfig,
    log: Log,
    epoch: i32,
    replayed: &Replayed,
    syncs: &Arc<SyncQueue>,
    now: i64,
) -> Result<Arc<Shard>, NodeError> {
    let durability = if config.fsync { Durability::Synced } else { Durability::Appended };
    let queue = config.fsync.then(|| Arc::clone(syncs));
    let shard = Shard::new(log, Replica::new(config.node_id, durability), queue, None, true);
    let me = vec![config.node_id];
    let leadership = Leadership { epoch, partition_epoch: 0, replicas: me.clone(), isr: me };
    let end = shard.log_end();
    shard.lead(now, leadership, end);
    let voters = replayed.voters.as_deref().filter(|_| !replayed.named);
    let batch = epoch_start(end, epoch, now, config.node_id, voters).map_err(|e| NodeError::Replay(e.to_string()))?;
    shard
        .append(now, &batch, AppendOrigin::RaftLeader, 1, None)
        .map_err(|e| NodeError::Replay(format!("the epoch cannot begin: {e:?}")))?;
    shard.sync(&|| now);
    Ok(shard)
}

fn log_config(config: &BrokerConfig) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(config.settings.long("metadata.log.segment.bytes")).unwrap_or(1 << 30),
        // Snapshots, not time, decide what may go.
        retention_ms: -1,
        retention_bytes: -1,
        delete: false,
        max_message_bytes: 8 << 20,
        ..LogConfig::default()
    }
}

fn quorum_state(dir: &LogDir, path: &Path) -> Result<Option<QuorumState>, NodeError> {
    let path = path.join(QUORUM_STATE);
    let Some(bytes) = read_small(&**dir.disk(), &path).map_err(|e| wrong(&path, e))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    QuorumState::from_json(&text).map(Some).map_err(|e| wrong(&path, e))
}

/// The newest whole snapshot, or nothing.
fn last_snapshot(dir: &LogDir, path: &Path, cluster_id: &str) -> Result<Replayed, NodeError> {
    let entries = dir.disk().list(path).map_err(|e| wrong(path, e))?;
    let mut ids: Vec<SnapshotId> = entries.iter().filter_map(|e| SnapshotId::from_file_name(&e.name)).collect();
    ids.sort_unstable();
    let mut found = Replayed { image: Image::new(cluster_id), from: 0, voters: None, named: false };
    if let Some(id) = ids.pop() {
        let path = path.join(id.file_name());
        let bytes = read_small(&**dir.disk(), &path).map_err(|e| wrong(&path, e))?.unwrap_or_default();
        let loaded = snapshot::read(&bytes, id, cluster_id).map_err(|e| wrong(&path, e))?;
        found.named = loaded.voters.is_some() && id.end_offset > 0;
        found.voters = loaded.voters;
        found.from = id.end_offset;
        if id.end_offset > 0 {
            found.image = loaded.image;
        }
    }
    Ok(found)
}

/// Writes a snapshot of an image that is committed, so that a start need not replay the whole log; of the older ones the
/// newest stays too, as does the one that the folder was formatted with.
pub(super) fn write_snapshot(
    dir: &LogDir,
    image: &Image,
    voters: Option<&[Voter]>,
    now: i64,
) -> Result<i64, NodeError> {
    let disk = &**dir.disk();
    let folder = dir.partition_dir(&TopicPartition::new(TOPIC, 0));
    let id = snapshot::id(image);
    let path = folder.join(id.file_name());
    let bytes = snapshot::write(image, now, now, voters).map_err(|e| wrong(&path, e))?;
    replace_small(disk, &path, &bytes).map_err(|e| wrong(&path, e))?;
    let entries = disk.list(&folder).map_err(|e| wrong(&folder, e))?;
    let mut older: Vec<SnapshotId> = entries.iter().filter_map(|e| SnapshotId::from_file_name(&e.name)).collect();
    older.retain(|other| *other < id && other.end_offset > 0);
    older.sort_unstable();
    older.pop();
    for old in older {
        let path = folder.join(old.file_name());
        disk.remove_file(&path).map_err(|e| wrong(&path, e))?;
    }
    Ok(id.end_offset)
}

/// This node can only lead a quorum of its own yet.
fn check_voters(config: &BrokerConfig, replayed: &Replayed, path: &Path) -> Result<(), NodeError> {
    let others = replayed.voters.iter().flatten().any(|voter| voter.voter_id != config.node_id);
    let listed = config.settings.list("controller.quorum.voters");
    let me = format!("{}@", config.node_id);
    if others || listed.iter().any(|voter| !voter.starts_with(&me)) {
        return Err(wrong(path, "the quorum has other voters than this node, which is not supported yet"));
    }
    Ok(())
}

fn replay(log: &Log, replayed: &mut Replayed, controller: &mut Controller, path: &Path) -> Result<(), NodeError> {
    let mut scratch = Vec::new();
    let (mut at, end) = (log.log_start_offset().max(replayed.from), log.log_end_offset());
    while at < end {
        let bytes = log.read_batches(at, REPLAY_STEP_BYTES).map_err(|e| wrong(path, e))?;
        let before = at;
        for batch in Batches::new(&bytes) {
            let batch = batch.map_err(|e| wrong(path, e))?;
            let header = batch.header;
            at = at.max(header.next_offset());
            for record in batch.records(&mut scratch).map_err(|e| wrong(path, e))? {
                let record = record.map_err(|e| wrong(path, e))?;
                if record.offset < replayed.from {
                    continue;
                }
                if header.attributes.is_control() {
                    if let Ok(ControlRecord::Voters(voters)) = ControlRecord::decode(record.key, record.value) {
                        replayed.voters = Some(voters.voters);
                        replayed.named = true;
                    }
                    continue;
                }
                let decoded = Record::decode(record.value.unwrap_or_default())
                    .map_err(|e| NodeError::Replay(format!("offset {}: {e}", record.offset)))?;
                controller.replay(record.offset, &decoded);
            }
            controller.advance(header.next_offset() - 1, header.partition_leader_epoch);
        }
        if at == before {
            return Err(wrong(path, format!("nothing can be read at offset {at}")));
        }
    }
    match controller.fault() {
        Some((offset, fault)) => Err(NodeError::Replay(format!("offset {offset}: {fault}"))),
        None => Ok(()),
    }
}
