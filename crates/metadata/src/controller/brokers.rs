//! Brokers and controllers come, are fenced and unfenced, shut down, and ask for producer ids.

use andiron_protocol::ErrorCode;
use andiron_protocol::Uuid;
use andiron_protocol::messages::assign_replicas_to_dirs_response;
use andiron_protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    ControllerRegistrationRequest, ControllerRegistrationResponse, ProducerId, UnregisterBrokerRequest,
    UnregisterBrokerResponse,
};

use super::{partitions, words};
use crate::image::{Broker, Image, Partition};
use crate::limits::PRODUCER_ID_BLOCK;
use crate::records::{
    BrokerRegistrationChangeRecord, Endpoint, PartitionChangeRecord, ProducerIdsRecord, Record, RegisterBrokerRecord,
    RegisterControllerRecord, SupportedFeature, UnregisterBrokerRecord,
};

pub(super) fn register_controller(
    _image: &Image,
    request: &ControllerRegistrationRequest,
) -> (Vec<Record>, ControllerRegistrationResponse) {
    let end_points = request.listeners.iter().map(|listener| Endpoint {
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| SupportedFeature {
        name: feature.name.to_string(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    let record = RegisterControllerRecord {
        controller_id: request.controller_id,
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        end_points: end_points.collect(),
        features: features.collect(),
    };
    (vec![record.into()], ControllerRegistrationResponse::default())
}

pub(super) fn register(
    image: &Image,
    request: &BrokerRegistrationRequest,
) -> (Vec<Record>, BrokerRegistrationResponse) {
    let refuse = |code: ErrorCode| {
        let response = BrokerRegistrationResponse::default().with_error_code(code.code()).with_broker_epoch(-1);
        (Vec::new(), response)
    };
    if request.cluster_id.as_str() != image.cluster_id() {
        return refuse(ErrorCode::InconsistentClusterId);
    }
    let id = request.broker_id.0;
    for feature in &request.features {
        let level = image.feature(&feature.name);
        let known = image.features().contains_key(feature.name.as_str());
        if known && !(feature.min_supported_version..=feature.max_supported_version).contains(&level) {
            return refuse(ErrorCode::UnsupportedVersion);
        }
    }
    let mut records: Vec<Record> = Vec::new();
    let epoch = match image.broker(id) {
        Some(old) if old.incarnation_id == request.incarnation_id => old.epoch,
        Some(old) => {
            // It went without a word: what it led has no leader until it is unfenced again.
            if !old.fenced {
                partitions::leave(image, id, &mut records);
            }
            image.offset() + 1
        }
        None => image.offset() + 1,
    };
    let end_points = request.listeners.iter().map(|listener| Endpoint {
        name: listener.name.to_string(),
        host: listener.host.to_string(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| SupportedFeature {
        name: feature.name.to_string(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    let record = RegisterBrokerRecord {
        broker_id: id,
        is_migrating_zk_broker: false,
        incarnation_id: request.incarnation_id,
        broker_epoch: epoch,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.as_ref().map(ToString::to_string),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: request.log_dirs.clone(),
        cordoned_log_dirs: None,
    };
    records.push(record.into());
    (records, BrokerRegistrationResponse::default().with_broker_epoch(epoch))
}

pub(super) fn heartbeat(image: &Image, request: &BrokerHeartbeatRequest) -> (Vec<Record>, BrokerHeartbeatResponse) {
    let broker = match known(image, request.broker_id.0, request.broker_epoch) {
        Ok(broker) => broker,
        Err(code) => return (Vec::new(), BrokerHeartbeatResponse::default().with_error_code(code.code())),
    };
    let (id, mut records) = (broker.id, Vec::new());
    let mut change = BrokerRegistrationChangeRecord { broker_id: id, broker_epoch: broker.epoch, ..Default::default() };
    let mut fenced = broker.fenced;
    if request.want_shut_down {
        if broker.is_active() {
            change.in_controlled_shutdown = 1;
            records.push(change.into());
            partitions::leave(image, id, &mut records);
        } else if !broker.fenced && !image.topics().any(|t| t.partitions.iter().any(|p| p.leader == id)) {
            change.fenced = 1;
            fenced = true;
            records.push(change.into());
        }
    } else if request.want_fence && !broker.fenced {
        fenced = true;
        partitions::leave(image, id, &mut records);
        change.fenced = 1;
        records.push(change.into());
    } else if !request.want_fence && broker.fenced && request.current_metadata_offset >= broker.epoch {
        fenced = false;
        change.fenced = -1;
        records.push(change.into());
        partitions::come(image, id, &mut records);
    }
    let response = BrokerHeartbeatResponse::default()
        .with_is_caught_up(request.current_metadata_offset >= broker.epoch)
        .with_is_fenced(fenced)
        .with_should_shut_down(request.want_shut_down && fenced);
    (records, response)
}

/// A broker is forgotten: what it led goes on without it.
pub(super) fn unregister(image: &Image, request: &UnregisterBrokerRequest) -> (Vec<Record>, UnregisterBrokerResponse) {
    let id = request.broker_id.0;
    let Some(broker) = image.broker(id) else {
        let message = format!("Broker ID {id} is not currently registered");
        let response = UnregisterBrokerResponse::default()
            .with_error_code(ErrorCode::BrokerIdNotRegistered.code())
            .with_error_message(words(Some(message)));
        return (Vec::new(), response);
    };
    let mut records = Vec::new();
    partitions::leave(image, id, &mut records);
    records.push(UnregisterBrokerRecord { broker_id: id, broker_epoch: broker.epoch }.into());
    (records, UnregisterBrokerResponse::default())
}

/// A broker says in which of its directories its replicas lie.
pub(super) fn assign_to_dirs(
    image: &Image,
    request: &AssignReplicasToDirsRequest,
) -> (Vec<Record>, AssignReplicasToDirsResponse) {
    let broker = match known(image, request.broker_id.0, request.broker_epoch) {
        Ok(broker) => broker,
        Err(code) => return (Vec::new(), AssignReplicasToDirsResponse::default().with_error_code(code.code())),
    };
    let mut records = Vec::new();
    let mut directories = Vec::new();
    for directory in &request.directories {
        let mut topics = Vec::new();
        for topic in &directory.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let error = match assigned(image, broker, topic.topic_id, asked.partition_index, directory.id) {
                    Ok(change) => {
                        records.extend(change.map(Record::from));
                        ErrorCode::None
                    }
                    Err(error) => error,
                };
                let answer = assign_replicas_to_dirs_response::PartitionData::default();
                partitions.push(answer.with_partition_index(asked.partition_index).with_error_code(error.code()));
            }
            let answer = assign_replicas_to_dirs_response::TopicData::default();
            topics.push(answer.with_topic_id(topic.topic_id).with_partitions(partitions));
        }
        let answer = assign_replicas_to_dirs_response::DirectoryData::default();
        directories.push(answer.with_id(directory.id).with_topics(topics));
    }
    (records, AssignReplicasToDirsResponse::default().with_directories(directories))
}

fn assigned(
    image: &Image,
    broker: &Broker,
    topic: Uuid,
    number: i32,
    directory: Uuid,
) -> Result<Option<PartitionChangeRecord>, ErrorCode> {
    let topic = image.topic_by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
    let partition = topic.partition(number).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let place = partition.replicas.iter().position(|id| *id == broker.id).ok_or(ErrorCode::NotLeaderOrFollower)?;
    let mut directories = partition.directories.clone();
    match directories.get_mut(place) {
        Some(known) if *known == directory => return Ok(None),
        Some(known) => *known = directory,
        None => return Err(ErrorCode::NotLeaderOrFollower),
    }
    Ok(Some(PartitionChangeRecord { directories: Some(directories), ..Partition::no_change(topic.id, number) }))
}

fn known(image: &Image, id: i32, epoch: i64) -> Result<&Broker, ErrorCode> {
    match image.broker(id) {
        None => Err(ErrorCode::BrokerIdNotRegistered),
        Some(broker) if broker.epoch != epoch => Err(ErrorCode::StaleBrokerEpoch),
        Some(broker) => Ok(broker),
    }
}

pub(super) fn allocate_producer_ids(
    image: &Image,
    request: &AllocateProducerIdsRequest,
) -> (Vec<Record>, AllocateProducerIdsResponse) {
    if let Err(code) = known(image, request.broker_id.0, request.broker_epoch) {
        return (Vec::new(), AllocateProducerIdsResponse::default().with_error_code(code.code()));
    }
    let first = image.next_producer_id();
    let Some(next) = first.checked_add(i64::from(PRODUCER_ID_BLOCK)) else {
        let code = ErrorCode::UnknownServerError.code();
        return (Vec::new(), AllocateProducerIdsResponse::default().with_error_code(code));
    };
    let record = ProducerIdsRecord {
        broker_id: request.broker_id.0,
        broker_epoch: request.broker_epoch,
        next_producer_id: next,
    };
    let response = AllocateProducerIdsResponse::default()
        .with_producer_id_start(ProducerId(first))
        .with_producer_id_len(PRODUCER_ID_BLOCK);
    (vec![record.into()], response)
}
