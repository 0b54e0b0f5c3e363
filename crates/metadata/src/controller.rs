//! The controller: decides on changes of the cluster's metadata. What goes in and comes out are Kafka's own messages, so
//! that a request can come from a handler next door or, forwarded, from another node.

mod brokers;
mod configs;
mod elections;
mod features;
mod partitions;
mod quotas;
mod reassignments;
mod scram;
mod topics;

pub use quotas::{CLIENT_ID, IP, USER};
pub use topics::invalid_topic_name;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use andiron_protocol::Uuid;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterClientQuotasRequest, AlterClientQuotasResponse,
    AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse, BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, ControllerRegistrationRequest, ControllerRegistrationResponse, CreatePartitionsRequest,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    ElectLeadersRequest, ElectLeadersResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    UnregisterBrokerRequest, UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use andiron_replication::machine::{Decision, StateMachine, Ticket};

use crate::config::BrokerConfig;
use crate::image::{ApplyError, Image};
use crate::records::{NoOpRecord, Record};

/// A request to the controller.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // each is the Kafka API of its name
pub enum Request {
    /// The first request of an epoch: if the log holds no metadata yet, these records (of `bootstrap.checkpoint`) begin it.
    Activate {
        bootstrap: Vec<Record>,
    },
    RegisterController(ControllerRegistrationRequest),
    RegisterBroker(BrokerRegistrationRequest),
    Heartbeat(BrokerHeartbeatRequest),
    /// `ids` are random UUIDs, one for each topic of the request.
    CreateTopics {
        request: CreateTopicsRequest,
        ids: Vec<Uuid>,
    },
    DeleteTopics(DeleteTopicsRequest),
    CreatePartitions(CreatePartitionsRequest),
    AlterConfigs(AlterConfigsRequest),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    AllocateProducerIds(AllocateProducerIdsRequest),
    UpdateFeatures(UpdateFeaturesRequest),
    ElectLeaders(ElectLeadersRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    AlterClientQuotas(AlterClientQuotasRequest),
    AlterUserScramCredentials(AlterUserScramCredentialsRequest),
    UnregisterBroker(UnregisterBrokerRequest),
    AssignReplicasToDirs(AssignReplicasToDirsRequest),
    /// Writes a record that changes nothing (`metadata.max.idle.interval.ms`).
    NoOp,
}

/// The answer to the request of the same name.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is the Kafka API of its name
pub enum Response {
    Activate,
    RegisterController(ControllerRegistrationResponse),
    RegisterBroker(BrokerRegistrationResponse),
    Heartbeat(BrokerHeartbeatResponse),
    CreateTopics(CreateTopicsResponse),
    DeleteTopics(DeleteTopicsResponse),
    CreatePartitions(CreatePartitionsResponse),
    AlterConfigs(AlterConfigsResponse),
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse),
    AllocateProducerIds(AllocateProducerIdsResponse),
    UpdateFeatures(UpdateFeaturesResponse),
    ElectLeaders(ElectLeadersResponse),
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    AlterClientQuotas(AlterClientQuotasResponse),
    AlterUserScramCredentials(AlterUserScramCredentialsResponse),
    UnregisterBroker(UnregisterBrokerResponse),
    AssignReplicasToDirs(AssignReplicasToDirsResponse),
    NoOp,
}

/// The controller's state: the image with all that was decided, and the settings of its node.
#[derive(Debug)]
pub struct Controller {
    image: Image,
    config: Arc<BrokerConfig>,
    /// The image before the transaction of metadata records that is open.
    before_transaction: Option<Image>,
    fault: Option<(i64, ApplyError)>,
}

impl Controller {
    /// A controller that starts from an image (an empty one, or a snapshot's) and replays the log behind it.
    pub fn new(image: Image, config: Arc<BrokerConfig>) -> Self {
        Self { image, config, before_transaction: None, fault: None }
    }

    /// The image with all that was replayed. What is committed is the harness's `view()`.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The log goes on to here by control records, in this epoch.
    pub fn advance(&mut self, offset: i64, epoch: i32) {
        self.image.advance(offset, epoch);
    }

    /// Who leads the quorum.
    pub fn set_controller_id(&mut self, id: Option<i32>) {
        self.image.set_controller_id(id);
    }

    /// A record of the log that did not fit, and its offset: the log is not whole.
    pub fn fault(&self) -> Option<&(i64, ApplyError)> {
        self.fault.as_ref()
    }
}

impl StateMachine for Controller {
    type Request = Request;
    type Response = Response;
    type Record = Record;
    type View = Image;

    fn handle(&mut self, _now: i64, ticket: Ticket, request: Request) -> Decision<Record, Response> {
        let (records, answer) = match request {
            Request::Activate { bootstrap } => (features::bootstrap(&self.image, bootstrap), Response::Activate),
            Request::RegisterController(request) => {
                let (records, response) = brokers::register_controller(&self.image, &request);
                (records, Response::RegisterController(response))
            }
            Request::RegisterBroker(request) => {
                let (records, response) = brokers::register(&self.image, &request);
                (records, Response::RegisterBroker(response))
            }
            Request::Heartbeat(request) => {
                let (records, response) = brokers::heartbeat(&self.image, &request);
                (records, Response::Heartbeat(response))
            }
            Request::CreateTopics { request, ids } => {
                let (records, response) = topics::create(&self.image, &self.config, &request, &ids);
                (records, Response::CreateTopics(response))
            }
            Request::DeleteTopics(request) => {
                let (records, response) = topics::delete(&self.image, &self.config, &request);
                (records, Response::DeleteTopics(response))
            }
            Request::CreatePartitions(request) => {
                let (records, response) = partitions::create(&self.image, &request);
                (records, Response::CreatePartitions(response))
            }
            Request::AlterConfigs(request) => {
                let (records, response) = configs::alter(&self.image, &self.config, &request);
                (records, Response::AlterConfigs(response))
            }
            Request::IncrementalAlterConfigs(request) => {
                let (records, response) = configs::alter_incrementally(&self.image, &self.config, &request);
                (records, Response::IncrementalAlterConfigs(response))
            }
            Request::AllocateProducerIds(request) => {
                let (records, response) = brokers::allocate_producer_ids(&self.image, &request);
                (records, Response::AllocateProducerIds(response))
            }
            Request::UpdateFeatures(request) => {
                let (records, response) = features::update(&self.image, &self.config, &request);
                (records, Response::UpdateFeatures(response))
            }
            Request::ElectLeaders(request) => {
                let (records, response) = elections::elect(&self.image, &request);
                (records, Response::ElectLeaders(response))
            }
            Request::AlterPartitionReassignments(request) => {
                let (records, response) = reassignments::alter(&self.image, &request);
                (records, Response::AlterPartitionReassignments(response))
            }
            Request::AlterClientQuotas(request) => {
                let (records, response) = quotas::alter(&self.image, &request);
                (records, Response::AlterClientQuotas(response))
            }
            Request::AlterUserScramCredentials(request) => {
                let (records, response) = scram::alter(&self.image, &request);
                (records, Response::AlterUserScramCredentials(response))
            }
            Request::UnregisterBroker(request) => {
                let (records, response) = brokers::unregister(&self.image, &request);
                (records, Response::UnregisterBroker(response))
            }
            Request::AssignReplicasToDirs(request) => {
                let (records, response) = brokers::assign_to_dirs(&self.image, &request);
                (records, Response::AssignReplicasToDirs(response))
            }
            Request::NoOp => (vec![NoOpRecord {}.into()], Response::NoOp),
        };
        Decision::change(ticket, records, answer)
    }

    fn replay(&mut self, offset: i64, record: &Record) {
        match record {
            Record::BeginTransaction(_) => self.before_transaction = Some(self.image.clone()),
            Record::EndTransaction(_) => self.before_transaction = None,
            Record::AbortTransaction(_) => {
                if let Some(before) = self.before_transaction.take() {
                    self.image = before;
                }
            }
            _ => {}
        }
        if let Err(error) = self.image.apply(offset, record) {
            self.fault.get_or_insert((offset, error));
        }
    }

    fn view(&self) -> Image {
        self.before_transaction.as_ref().unwrap_or(&self.image).clone()
    }
}

/// An error with the words that Kafka has for it; without any, clients say what the code means.
type Refusal = (andiron_protocol::ErrorCode, Option<String>);

fn words(message: Option<String>) -> Option<StrBytes> {
    message.map(StrBytes::from_string)
}
