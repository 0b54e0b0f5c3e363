//! The metadata log: `__cluster_metadata-0` in Kafka's own bytes, replayed into the controller, led by this node alone.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use andiron_metadata::controller::Controller;
use andiron_metadata::features;
use andiron_metadata::image::Image;
use andiron_metadata::records::Record;
use andiron_protocol::Uuid;
use andiron_protocol::batch::{BatchBuilder, BatchOptions, Batches};
use andiron_protocol::kafka::protocol::Encodable;
use andiron_protocol::messages::LeaderChangeMessage;
use andiron_protocol::messages::leader_change_message::Voter;
use andiron_replication::machine::StateMachine;
use andiron_replication::partition::{Durability, Leadership, Partition as Replica};
use andiron_storage::{AppendOrigin, Log, LogConfig, LogDir, OpenLog, TopicPartition};

use super::NodeError;
use crate::config::BrokerConfig;
use crate::limits::REPLAY_STEP_BYTES;
use crate::shard::Shard;
use crate::sync::SyncQueue;

/// The topic of the metadata log; its id is the number 1.
const TOPIC: &str = "__cluster_metadata";
const TOPIC_ID: Uuid = Uuid::from_u128(1);

/// The type in the key of the control record that begins an epoch.
const LEADER_CHANGE: i16 = 2;

/// The metadata log, led, and the controller with everything in it.
pub(super) struct Opened {
    pub(super) shard: Arc<Shard>,
    pub(super) controller: Controller,
    pub(super) bootstrap: Vec<Record>,
}

/// How the controller's records lie in the log.
pub(super) fn encode(record: &Record) -> Result<(Option<Bytes>, Option<Bytes>), String> {
    record.encode().map(|value| (None, Some(Bytes::from(value)))).map_err(|e| e.to_string())
}

/// Opens, replays and begins to lead.
pub(super) fn open(
    config: &BrokerConfig,
    dir: &LogDir,
    cluster_id: &str,
    directory_id: Uuid,
    syncs: &Arc<SyncQueue>,
    now: i64,
) -> Result<Opened, NodeError> {
    let partition = TopicPartition::new(TOPIC, 0);
    let path = dir.partition_dir(&partition);
    let open = OpenLog {
        dir: path.clone(),
        config: log_config(config),
        topic_id: Some(TOPIC_ID),
        log_start_offset: 0,
        recovery_point: 0,
        clean_shutdown: dir.was_clean(),
        now,
    };
    let (log, _) = Log::open(Arc::clone(dir.disk()), partition, open)?;
    let last_epoch = log.latest_epoch().unwrap_or(0);
    let mut controller = Controller::new(Image::new(cluster_id), Arc::clone(&config.settings));
    controller.set_controller_id(Some(config.node_id));
    replay(&log, &mut controller, &path)?;
    let durability = if config.fsync { Durability::Synced } else { Durability::Appended };
    let queue = config.fsync.then(|| Arc::clone(syncs));
    let shard = Shard::new(log, Replica::new(config.node_id, durability), queue);
    let epoch = last_epoch + 1;
    let leadership =
        Leadership { epoch, partition_epoch: 0, replicas: vec![config.node_id], isr: vec![config.node_id] };
    let end = shard.log_end();
    shard.lead(now, leadership, end)?;
    begin_epoch(&shard, config.node_id, directory_id, now)?;
    shard.sync(&|| now);
    controller.advance(shard.log_end() - 1, epoch);
    Ok(Opened { shard, controller, bootstrap: features::fresh() })
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

fn replay(log: &Log, controller: &mut Controller, path: &std::path::Path) -> Result<(), NodeError> {
    let wrong = |reason: String| NodeError::Metadata { path: PathBuf::from(path), reason };
    let mut scratch = Vec::new();
    let (mut at, end) = (log.log_start_offset(), log.log_end_offset());
    while at < end {
        let bytes = log.read_batches(at, REPLAY_STEP_BYTES).map_err(|e| wrong(e.to_string()))?;
        let before = at;
        for batch in Batches::new(&bytes) {
            let batch = batch.map_err(|e| wrong(e.to_string()))?;
            let header = batch.header;
            at = at.max(header.next_offset());
            if !header.attributes.is_control() {
                for record in batch.records(&mut scratch).map_err(|e| wrong(e.to_string()))? {
                    let record = record.map_err(|e| wrong(e.to_string()))?;
                    let decoded = Record::decode(record.value.unwrap_or_default())
                        .map_err(|e| NodeError::Replay(format!("offset {}: {e}", record.offset)))?;
                    controller.replay(record.offset, &decoded);
                }
            }
            controller.advance(header.next_offset() - 1, header.partition_leader_epoch);
        }
        if at == before {
            return Err(wrong(format!("nothing can be read at offset {at}")));
        }
    }
    match controller.fault() {
        Some((offset, fault)) => Err(NodeError::Replay(format!("offset {offset}: {fault}"))),
        None => Ok(()),
    }
}

/// The record with which every epoch of the quorum begins.
fn begin_epoch(shard: &Arc<Shard>, node_id: i32, directory_id: Uuid, now: i64) -> Result<(), NodeError> {
    let version = 0;
    let voter = Voter::default().with_voter_id(node_id);
    let _ = directory_id;
    let message = LeaderChangeMessage::default()
        .with_version(version)
        .with_leader_id(node_id.into())
        .with_voters(vec![voter.clone()])
        .with_granting_voters(vec![voter]);
    let mut value = BytesMut::new();
    message.encode(&mut value, version).map_err(|e| NodeError::Replay(e.to_string()))?;
    let mut key = BytesMut::new();
    key.put_i16(0);
    key.put_i16(LEADER_CHANGE);
    let mut builder = BatchBuilder::new(BatchOptions { control: true, ..BatchOptions::default() });
    builder.append(now, Some(&key), Some(&value));
    let batch = builder.build().map_err(|e| NodeError::Replay(e.to_string()))?;
    shard
        .append(now, &batch, AppendOrigin::RaftLeader, 1, None)
        .map_err(|e| NodeError::Replay(format!("the epoch cannot begin: {e:?}")))?;
    Ok(())
}
