//! How a record changes the image.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::Uuid;

use super::{Broker, Image, Partition, Resource, ResourceKind, Topic};
use crate::records::{BrokerRegistrationChangeRecord, ClientQuotaRecord, ConfigRecord, Record, RegisterBrokerRecord};

/// A record that does not fit the image before it: the log is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// It speaks of a topic that is not there.
    #[error("a record about the unknown topic id {0}")]
    Topic(Uuid),
    /// It speaks of a partition that is not there, or out of turn.
    #[error("a record about the unknown partition {1} of topic id {0}")]
    Partition(Uuid, i32),
    /// It speaks of a broker that is not there or in another epoch.
    #[error("a record about the unknown broker {0}")]
    Broker(i32),
}

impl Image {
    /// Applies the record at this offset.
    pub fn apply(&mut self, offset: i64, record: &Record) -> Result<(), ApplyError> {
        self.offset = offset;
        match record {
            Record::RegisterBroker(record) => self.register_broker(record),
            Record::UnregisterBroker(record) => {
                self.brokers.remove_mut(&record.broker_id);
            }
            Record::BrokerRegistrationChange(record) => self.change_broker(record)?,
            Record::FenceBroker(record) => self.broker_mut(record.id)?.fenced = true,
            Record::UnfenceBroker(record) => self.broker_mut(record.id)?.fenced = false,
            Record::RegisterController(record) => {
                self.controllers.insert_mut(record.controller_id, Arc::new(record.clone()));
            }
            Record::Topic(record) => {
                let name: Arc<str> = record.name.as_str().into();
                let topic = Topic { name: name.clone(), id: record.topic_id, partitions: Vec::new() };
                self.names.insert_mut(record.topic_id, name.clone());
                self.topics.insert_mut(name, Arc::new(topic));
            }
            Record::Partition(record) => {
                let wrong = ApplyError::Partition(record.topic_id, record.partition_id);
                let topic = self.topic_mut(record.topic_id)?;
                let number = usize::try_from(record.partition_id).map_err(|_| wrong.clone())?;
                let partition = Partition::from_record(record);
                let count = topic.partitions.len();
                match topic.partitions.get_mut(number) {
                    Some(old) => *old = partition,
                    None if number == count => topic.partitions.push(partition),
                    None => return Err(wrong),
                }
            }
            Record::PartitionChange(record) => {
                let topic = self.topic_mut(record.topic_id)?;
                let number = usize::try_from(record.partition_id).unwrap_or(usize::MAX);
                let partition = topic.partitions.get_mut(number);
                partition.ok_or(ApplyError::Partition(record.topic_id, record.partition_id))?.change(record);
            }
            Record::RemoveTopic(record) => {
                let name = self.names.get(&record.topic_id).ok_or(ApplyError::Topic(record.topic_id))?.clone();
                self.configs.remove_mut(&Resource { kind: ResourceKind::TOPIC, name: name.clone() });
                self.names.remove_mut(&record.topic_id);
                self.topics.remove_mut(&name);
            }
            Record::ClearElr(record) => self.clear_elr(&record.topic_name),
            Record::Config(record) => self.set_config(record),
            Record::FeatureLevel(record) => {
                let features = Arc::make_mut(&mut self.features);
                match record.feature_level {
                    0 => features.remove(&record.name),
                    level => features.insert(record.name.clone(), level),
                };
            }
            Record::ProducerIds(record) => {
                self.next_producer_id = record.next_producer_id;
            }
            Record::ClientQuota(record) => self.set_quota(record),
            Record::UserScramCredential(record) => {
                self.scram.insert_mut((record.mechanism, record.name.clone()), Arc::new(record.clone()));
            }
            Record::RemoveUserScramCredential(record) => {
                self.scram.remove_mut(&(record.mechanism, record.name.clone()));
            }
            Record::AccessControlEntry(record) => {
                self.acls.insert_mut(record.id, Arc::new(record.clone()));
            }
            Record::RemoveAccessControlEntry(record) => {
                self.acls.remove_mut(&record.id);
            }
            Record::DelegationToken(record) => {
                self.tokens.insert_mut(record.token_id.clone(), Arc::new(record.clone()));
            }
            Record::RemoveDelegationToken(record) => {
                self.tokens.remove_mut(&record.token_id);
            }
            // Transactions are the reader's matter (`Replica`); the others change nothing.
            Record::NoOp(_)
            | Record::ZkMigrationState(_)
            | Record::BeginTransaction(_)
            | Record::EndTransaction(_)
            | Record::AbortTransaction(_) => {}
        }
        Ok(())
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut Topic, ApplyError> {
        let name = self.names.get(&id).ok_or(ApplyError::Topic(id))?;
        self.topics.get_mut(name).map(Arc::make_mut).ok_or(ApplyError::Topic(id))
    }

    fn broker_mut(&mut self, id: i32) -> Result<&mut Broker, ApplyError> {
        self.brokers.get_mut(&id).map(Arc::make_mut).ok_or(ApplyError::Broker(id))
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord) {
        let broker = Broker {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.end_points.clone(),
            features: record.features.clone(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        };
        self.brokers.insert_mut(record.broker_id, Arc::new(broker));
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ApplyError> {
        let broker = self.broker_mut(record.broker_id)?;
        if broker.epoch != record.broker_epoch {
            return Err(ApplyError::Broker(record.broker_id));
        }
        match record.fenced {
            0 => {}
            fenced => broker.fenced = fenced > 0,
        }
        if record.in_controlled_shutdown > 0 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned_log_dirs.clone_from(&record.cordoned_log_dirs);
        }
        Ok(())
    }

    fn clear_elr(&mut self, name: &str) {
        let names: Vec<Arc<str>> = match name {
            "" => self.topics.keys().cloned().collect(),
            name => vec![name.into()],
        };
        for name in names {
            let Some(topic) = self.topics.get_mut(&name) else { continue };
            for partition in &mut Arc::make_mut(topic).partitions {
                partition.elr.clear();
                partition.last_known_elr.clear();
            }
        }
    }

    fn set_config(&mut self, record: &ConfigRecord) {
        let resource = Resource::new(ResourceKind(record.resource_type), &record.resource_name);
        let mut configs = self.configs.get(&resource).cloned().unwrap_or_default();
        let map = Arc::make_mut(&mut configs);
        match &record.value {
            Some(value) => map.insert(record.name.clone(), value.clone()),
            None => map.remove(&record.name),
        };
        if map.is_empty() {
            self.configs.remove_mut(&resource);
        } else {
            self.configs.insert_mut(resource, configs);
        }
    }

    fn set_quota(&mut self, record: &ClientQuotaRecord) {
        let pairs = record.entity.iter().map(|part| (part.entity_type.clone(), part.entity_name.clone()));
        let entity: BTreeMap<_, _> = pairs.collect();
        let mut quotas = self.quotas.get(&entity).cloned().unwrap_or_default();
        let map = Arc::make_mut(&mut quotas);
        if record.remove {
            map.remove(&record.key);
        } else {
            map.insert(record.key.clone(), record.value);
        }
        if map.is_empty() {
            self.quotas.remove_mut(&entity);
        } else {
            self.quotas.insert_mut(entity, quotas);
        }
    }
}
