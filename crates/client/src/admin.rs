//! The admin: typed calls, a file for each kind of thing. Errors of single resources are in the answer; what a call as a
//! whole met is its error.

mod acls;
mod ask;
mod cluster;
mod configs;
mod groups;
mod nodes;
mod partitions;
mod quorum;
mod quotas;
mod records;
mod scram;
mod topics;
mod transactions;

use andiron_protocol::error::ErrorCode;

use crate::client::Client;

pub use acls::{Acl, AclFilter};
pub use cluster::{ClusterDescription, Reassignment};
pub use configs::{ConfigEntry, ConfigKind, ConfigResource, ConfigSynonym, DescribedConfigs};
pub use groups::{CommittedOffset, GroupDescription, GroupListing, GroupMember};
pub use nodes::{FeatureUpdate, LogDir, NodeVersions, ReplicaInfo};
pub use partitions::Election;
pub use quorum::{NodeListener, Quorum, QuorumReplica};
pub use quotas::{QuotaEntity, QuotaMatch};
pub use scram::{ScramChange, ScramCredentials};
pub use topics::{NewPartitions, NewTopic, PartitionDescription, TopicDescription, TopicListing};
pub use transactions::{ActiveProducer, TransactionDescription, TransactionFilter, TransactionListing};

/// What became of one resource of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    /// The resource: a topic's name, a group's id, a partition.
    pub resource: T,
    /// Kafka's code with the broker's own words, if it went wrong.
    pub result: Result<(), (ErrorCode, String)>,
}

/// Kafka's code for a resource with the broker's own words.
pub type Refusal = (ErrorCode, String);

/// Administrative calls over a client's connections.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(crate) client: Client,
}

impl Admin {
    /// The client that it asks through.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
