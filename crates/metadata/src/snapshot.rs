//! The image as a snapshot of the metadata log, and the two files with which a directory begins: `bootstrap.checkpoint`
//! holds the records with which the log is to begin, and `00000000000000000000-0000000000.checkpoint` the voters of a
//! dynamic quorum. All of them are what `kafka-storage format --standalone` and Kafka's controller write.

#[cfg(test)]
mod tests;

use andiron_replication::quorum::{ControlError, SnapshotError, SnapshotId, SnapshotReader, SnapshotWriter, Voter};

use crate::features::METADATA_VERSION;
use crate::image::{ApplyError, Image};
use crate::limits::SNAPSHOT_BATCH_BYTES_MAX;
use crate::records::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, QuotaEntity, Record, RecordError,
    RegisterBrokerRecord, TopicRecord,
};

/// Why a snapshot cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A record does not fit its schema.
    #[error("a metadata record of the snapshot: {0}")]
    Record(#[from] andiron_protocol::schema::SchemaError),
    /// A batch could not be made.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not whole.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A record is none.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record does not fit those before it.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// What a snapshot held.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The image. Its cluster id is the caller's.
    pub image: Image,
    /// The voters, in a dynamic quorum.
    pub voters: Option<Vec<Voter>>,
    /// The timestamp of the last record that the snapshot stands for.
    pub last_contained_log_timestamp: i64,
}

/// What the snapshot of this image is called.
pub fn id(image: &Image) -> SnapshotId {
    SnapshotId { end_offset: image.offset() + 1, epoch: image.epoch().max(0) }
}

/// The bytes of the snapshot of this image. `timestamp` is that of the image's last record.
pub fn write(image: &Image, timestamp: i64, now: i64, voters: Option<&[Voter]>) -> Result<Vec<u8>, WriteError> {
    write_records(id(image).epoch, &records(image), timestamp, now, voters)
}

fn write_records(
    epoch: i32,
    records: &[Record],
    timestamp: i64,
    now: i64,
    voters: Option<&[Voter]>,
) -> Result<Vec<u8>, WriteError> {
    let mut writer = SnapshotWriter::new(epoch, timestamp, now, voters, SNAPSHOT_BATCH_BYTES_MAX)?;
    for record in records {
        writer.append(now, &record.encode()?)?;
    }
    Ok(writer.finish(now)?)
}

/// Reads the snapshot of this id.
pub fn read(bytes: &[u8], id: SnapshotId, cluster_id: &str) -> Result<Loaded, ReadError> {
    let read = SnapshotReader::read(bytes)?;
    let mut image = Image::new(cluster_id);
    for value in &read.values {
        image.apply(id.end_offset - 1, &Record::decode(value)?)?;
    }
    image.advance(id.end_offset - 1, id.epoch);
    let last_contained_log_timestamp = read.last_contained_log_timestamp;
    Ok(Loaded { image, voters: read.voters, last_contained_log_timestamp })
}

/// The bytes of `bootstrap.checkpoint`.
pub fn bootstrap(records: &[Record], now: i64) -> Result<Vec<u8>, WriteError> {
    write_records(0, records, 0, now, None)
}

/// The records of `bootstrap.checkpoint`.
pub fn read_bootstrap(bytes: &[u8]) -> Result<Vec<Record>, ReadError> {
    let read = SnapshotReader::read(bytes)?;
    read.values.iter().map(|value| Ok(Record::decode(value)?)).collect()
}

/// The bytes of `00000000000000000000-0000000000.checkpoint`, which names the voters of a dynamic quorum that begins.
pub fn standalone(voters: &[Voter], now: i64) -> Result<Vec<u8>, WriteError> {
    write_records(0, &[], now, now, Some(voters))
}

/// The records that make this image, in the order in which Kafka writes them.
pub fn records(image: &Image) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let level =
        |(name, level): (&String, &i16)| FeatureLevelRecord { name: name.clone(), feature_level: *level }.into();
    // The level that says how to read the others comes first.
    let (first, others): (Vec<_>, Vec<_>) = image.features().iter().partition(|(name, _)| *name == METADATA_VERSION);
    records.extend(first.into_iter().chain(others).map(level));
    for broker in image.brokers() {
        let record = RegisterBrokerRecord {
            broker_id: broker.id,
            is_migrating_zk_broker: false,
            incarnation_id: broker.incarnation_id,
            broker_epoch: broker.epoch,
            end_points: broker.endpoints.clone(),
            features: broker.features.clone(),
            rack: broker.rack.clone(),
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
            log_dirs: broker.log_dirs.clone(),
            cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
        };
        records.push(record.into());
    }
    records.extend(image.controllers().map(|controller| controller.as_ref().clone().into()));
    for topic in image.topics() {
        records.push(TopicRecord { name: topic.name.to_string(), topic_id: topic.id }.into());
        let partitions = (0..).zip(&topic.partitions);
        records.extend(partitions.map(|(number, partition)| partition.to_record(topic.id, number).into()));
    }
    for (resource, configs) in image.all_configs() {
        records.extend(configs.iter().map(|(name, value)| {
            ConfigRecord {
                resource_type: resource.kind.0,
                resource_name: resource.name.to_string(),
                name: name.clone(),
                value: Some(value.clone()),
            }
            .into()
        }));
    }
    for (entity, quotas) in image.quotas() {
        let part = |(kind, name): (&String, &Option<String>)| QuotaEntity {
            entity_type: kind.clone(),
            entity_name: name.clone(),
        };
        let entity: Vec<QuotaEntity> = entity.iter().map(part).collect();
        records.extend(quotas.iter().map(|(key, value)| {
            ClientQuotaRecord { entity: entity.clone(), key: key.clone(), value: *value, remove: false }.into()
        }));
    }
    if image.next_producer_id() > 0 {
        let next_producer_id = image.next_producer_id();
        records.push(ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id }.into());
    }
    records.extend(image.acls().map(|acl| acl.as_ref().clone().into()));
    records.extend(image.scram_credentials().map(|credential| credential.as_ref().clone().into()));
    records.extend(image.delegation_tokens().map(|token| token.as_ref().clone().into()));
    records
}
