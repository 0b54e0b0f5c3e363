//! The facts of the quorum that are kept in Kafka's own bytes: the file `quorum-state`, and the control records that open an
//! epoch, name the voters, and frame a snapshot. For now the quorum is this one node: it votes for itself, and every
//! start is a new epoch.

mod snapshot;
mod state;

#[cfg(test)]
mod tests;

use andiron_protocol::batch::{BatchBuilder, BatchError, BatchOptions, ControlType, control_key};
use andiron_protocol::message;
use andiron_protocol::schema::{Bytes, Json, Message, SchemaError, ToJson as _, Uuid};

pub use snapshot::{SnapshotError, SnapshotId, SnapshotReader, SnapshotWriter};
pub use state::{QuorumState, QuorumStateError};

message! {
    /// A leader's first record in its epoch.
    pub struct LeaderChangeMessage(versions 0..=1, flexible 0..) {
        /// The version of this structure.
        version: i16 [0..],
        /// The leader.
        leader_id: i32 [0..],
        /// All voters.
        voters: Vec<LeaderVoter> [0..],
        /// Those who voted for the leader.
        granting_voters: Vec<LeaderVoter> [0..],
    }
    /// A voter, as a leader's first record names it.
    pub struct LeaderVoter(part) {
        /// Its id.
        voter_id: i32 [0..],
        /// Its directory.
        voter_directory_id: Uuid [1..],
    }
    /// Which version of its protocol the quorum speaks: 1 lets voters come and go.
    pub struct KRaftVersionRecord(versions 0..=0, flexible 0..) {
        /// The version of this structure.
        version: i16 [0..],
        /// The level.
        k_raft_version: i16 [0..],
    }
    /// The voters.
    pub struct VotersRecord(versions 0..=0, flexible 0..) {
        /// The version of this structure.
        version: i16 [0..],
        /// The voters.
        voters: Vec<Voter> [0..],
    }
    /// A voter.
    pub struct Voter(part) {
        /// Its id.
        voter_id: i32 [0..],
        /// Its directory.
        voter_directory_id: Uuid [0..],
        /// Where it listens.
        endpoints: Vec<VoterEndpoint> [0..],
        /// Which versions of the quorum's protocol it speaks.
        k_raft_version_feature: KRaftVersionFeature [0..],
    }
    /// Where a voter listens.
    pub struct VoterEndpoint(part) {
        /// The listener.
        name: String [0..],
        /// The host.
        host: String [0..],
        /// The port.
        port: u16 [0..],
    }
    /// The versions of the quorum's protocol that a voter speaks.
    pub struct KRaftVersionFeature(part) {
        /// The lowest.
        min_supported_version: i16 [0..],
        /// The highest.
        max_supported_version: i16 [0..],
    }
    /// The first record of a snapshot.
    pub struct SnapshotHeaderRecord(versions 0..=0, flexible 0..) {
        /// The version of this structure.
        version: i16 [0..],
        /// The timestamp of the last record that the snapshot stands for.
        last_contained_log_timestamp: i64 [0..],
    }
    /// The last record of a snapshot.
    pub struct SnapshotFooterRecord(versions 0..=0, flexible 0..) {
        /// The version of this structure.
        version: i16 [0..],
    }
}

impl Voter {
    /// A voter as Kafka 4.3 names itself.
    pub fn new(id: i32, directory: Uuid, endpoints: Vec<VoterEndpoint>) -> Self {
        let k_raft_version_feature = KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 };
        Self { voter_id: id, voter_directory_id: directory, endpoints, k_raft_version_feature }
    }
}

/// Why a batch of control records could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A record does not fit its schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The batch could not be sealed.
    #[error("a control batch: {0}")]
    Batch(#[from] BatchError),
}

/// A control record that the quorum reads.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is the record of its name
pub enum ControlRecord {
    LeaderChange(LeaderChangeMessage),
    SnapshotHeader(SnapshotHeaderRecord),
    SnapshotFooter(SnapshotFooterRecord),
    KRaftVersion(KRaftVersionRecord),
    Voters(VotersRecord),
    /// A kind that has nothing to do with the quorum.
    Other,
}

impl ControlRecord {
    /// The key and the value in a control batch.
    pub fn encode(&self) -> Result<([u8; 4], Vec<u8>), SchemaError> {
        Ok(match self {
            Self::LeaderChange(record) => (control_key(ControlType::LeaderChange), record.to_vec(record.version)?),
            Self::SnapshotHeader(record) => (control_key(ControlType::SnapshotHeader), record.to_vec(0)?),
            Self::SnapshotFooter(record) => (control_key(ControlType::SnapshotFooter), record.to_vec(0)?),
            Self::KRaftVersion(record) => (control_key(ControlType::KRaftVersion), record.to_vec(0)?),
            Self::Voters(record) => (control_key(ControlType::KRaftVoters), record.to_vec(0)?),
            Self::Other => (control_key(ControlType::Unknown(0)), Vec::new()),
        })
    }

    /// Its fields as JSON, at the version that it names itself.
    pub fn to_json(&self) -> Json {
        match self {
            Self::LeaderChange(record) => record.to_json(record.version),
            Self::SnapshotHeader(record) => record.to_json(record.version),
            Self::SnapshotFooter(record) => record.to_json(record.version),
            Self::KRaftVersion(record) => record.to_json(record.version),
            Self::Voters(record) => record.to_json(record.version),
            Self::Other => Json::Object(Vec::new()),
        }
    }

    /// Reads a record of a control batch. The value begins with its own version.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, SchemaError> {
        let Some(kind) = key.and_then(ControlType::from_key) else { return Ok(Self::Other) };
        let from = &mut value.unwrap_or_default();
        let version = from.first_chunk().map_or(0, |bytes| i16::from_be_bytes(*bytes));
        Ok(match kind {
            ControlType::LeaderChange => Self::LeaderChange(Message::decode(version, from)?),
            ControlType::SnapshotHeader => Self::SnapshotHeader(Message::decode(version, from)?),
            ControlType::SnapshotFooter => Self::SnapshotFooter(Message::decode(version, from)?),
            ControlType::KRaftVersion => Self::KRaftVersion(Message::decode(version, from)?),
            ControlType::KRaftVoters => Self::Voters(Message::decode(version, from)?),
            ControlType::Abort | ControlType::Commit | ControlType::Unknown(_) => Self::Other,
        })
    }
}

/// A batch of control records.
pub fn control_batch(
    base_offset: i64,
    epoch: i32,
    timestamp: i64,
    records: &[ControlRecord],
) -> Result<Bytes, ControlError> {
    let options = BatchOptions { base_offset, partition_leader_epoch: epoch, control: true, ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    for record in records {
        let (key, value) = record.encode()?;
        builder.append(timestamp, Some(&key), Some(&value));
    }
    Ok(builder.build()?)
}

/// The first batch of an epoch whose leader is the only voter. `voters` are those of the checkpoint with which a dynamic
/// quorum was formatted, if the log does not name them yet.
pub fn epoch_start(
    base_offset: i64,
    epoch: i32,
    timestamp: i64,
    leader: i32,
    voters: Option<&[Voter]>,
) -> Result<Bytes, ControlError> {
    let myself = vec![LeaderVoter { voter_id: leader, voter_directory_id: Uuid::nil() }];
    let change = LeaderChangeMessage { version: 0, leader_id: leader, voters: myself.clone(), granting_voters: myself };
    let mut records = vec![ControlRecord::LeaderChange(change)];
    records.extend(voters.into_iter().flat_map(dynamic_voters));
    control_batch(base_offset, epoch, timestamp, &records)
}

/// The records that name the voters of a dynamic quorum.
pub fn dynamic_voters(voters: &[Voter]) -> [ControlRecord; 2] {
    let version = KRaftVersionRecord { version: 0, k_raft_version: 1 };
    let voters = VotersRecord { version: 0, voters: voters.to_vec() };
    [ControlRecord::KRaftVersion(version), ControlRecord::Voters(voters)]
}
