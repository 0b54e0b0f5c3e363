//! The records of the metadata log, all of those that Apache Kafka 4.3 knows, so that a log it wrote can be read and a
//! log of ours by it. A value in the log is a frame: frame version 1, the record's number and its version as varints,
//! then the record itself.

mod schemas;

#[cfg(test)]
mod tests;

use andiron_protocol::schema::{Json, Message, SchemaError, ToJson as _, get_uvarint, put_uvarint};

pub use schemas::*;

/// The version of the frame around each record.
const FRAME_VERSION: u32 = 1;

/// Why a value of the metadata log is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A frame that this program does not know.
    #[error("a metadata record with frame version {0}")]
    Frame(u32),
    /// A type of record that Kafka 4.3 does not have.
    #[error("a metadata record of the unknown type {0}")]
    Unknown(u32),
    /// Bytes that do not follow the type's schema.
    #[error("a metadata record of type {key}: {error}")]
    Schema {
        /// The type.
        key: u32,
        /// What is wrong.
        error: SchemaError,
    },
    /// Bytes that follow the record.
    #[error("a metadata record of type {key} with {left} bytes too many")]
    Rest {
        /// The type.
        key: u32,
        /// How many.
        left: usize,
    },
}

macro_rules! records {
    ($($key:literal $name:ident($type:ident) $version:literal,)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // each is the record of its name
        pub enum Record { $($name($type),)* }

        impl Record {
            /// The record's number.
            pub fn key(&self) -> u32 {
                match self { $(Self::$name(_) => $key,)* }
            }

            /// The version in which a controller of metadata.version 30 writes it.
            pub fn version(&self) -> i16 {
                // The later fields of this one are tagged; it is written at the version of the newest that is set.
                if let Self::BrokerRegistrationChange(change) = self {
                    return change.version();
                }
                match self {
                    $(Self::$name(_) => $version,)*
                }
            }

            /// Kafka's name of the record's type, as tools print it: `TOPIC_RECORD`.
            pub fn type_name(&self) -> String {
                let name = match self { $(Self::$name(_) => stringify!($type),)* };
                let mut out = String::with_capacity(name.len() + 4);
                for (at, c) in name.char_indices() {
                    out.push_str(if at > 0 && c.is_ascii_uppercase() { "_" } else { "" });
                    out.push(c.to_ascii_uppercase());
                }
                out
            }

            /// The record's fields as JSON, those that this version has.
            pub fn to_json(&self, version: i16) -> Json {
                match self { $(Self::$name(record) => record.to_json(version),)* }
            }

            /// The frame with the record, as it goes into the log.
            pub fn encode(&self) -> Result<Vec<u8>, SchemaError> {
                self.encode_at(self.version())
            }

            /// The same, at a version of the caller's choice.
            pub fn encode_at(&self, version: i16) -> Result<Vec<u8>, SchemaError> {
                let mut out = Vec::new();
                put_uvarint(FRAME_VERSION, &mut out);
                put_uvarint(self.key(), &mut out);
                put_uvarint(u32::from(version.unsigned_abs()), &mut out);
                match self { $(Self::$name(record) => record.encode(version, &mut out)?,)* }
                Ok(out)
            }

            /// Reads a frame.
            pub fn decode(frame: &[u8]) -> Result<Self, RecordError> {
                Self::decode_with_version(frame).map(|(_, record)| record)
            }

            /// Reads a frame and says at which version the record was.
            pub fn decode_with_version(mut frame: &[u8]) -> Result<(i16, Self), RecordError> {
                let from = &mut frame;
                let in_frame = |error| RecordError::Schema { key: u32::MAX, error };
                let frame_version = get_uvarint(from).map_err(in_frame)?;
                if frame_version != FRAME_VERSION {
                    return Err(RecordError::Frame(frame_version));
                }
                let key = get_uvarint(from).map_err(in_frame)?;
                let in_record = |error| RecordError::Schema { key, error };
                let version = get_uvarint(from).map_err(in_record)?;
                let version = i16::try_from(version).unwrap_or(i16::MAX);
                let record = match key {
                    $($key => Self::$name($type::decode(version, from).map_err(in_record)?),)*
                    _ => return Err(RecordError::Unknown(key)),
                };
                if from.is_empty() { Ok((version, record)) } else { Err(RecordError::Rest { key, left: from.len() }) }
            }
        }
        $(impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$name(record)
            }
        })*
    };
}

records! {
    0 RegisterBroker(RegisterBrokerRecord) 4,
    1 UnregisterBroker(UnregisterBrokerRecord) 0,
    2 Topic(TopicRecord) 0,
    3 Partition(PartitionRecord) 2,
    4 Config(ConfigRecord) 0,
    5 PartitionChange(PartitionChangeRecord) 2,
    7 FenceBroker(FenceBrokerRecord) 0,
    8 UnfenceBroker(UnfenceBrokerRecord) 0,
    9 RemoveTopic(RemoveTopicRecord) 0,
    10 DelegationToken(DelegationTokenRecord) 0,
    11 UserScramCredential(UserScramCredentialRecord) 0,
    12 FeatureLevel(FeatureLevelRecord) 0,
    14 ClientQuota(ClientQuotaRecord) 0,
    15 ProducerIds(ProducerIdsRecord) 0,
    17 BrokerRegistrationChange(BrokerRegistrationChangeRecord) 0,
    18 AccessControlEntry(AccessControlEntryRecord) 0,
    19 RemoveAccessControlEntry(RemoveAccessControlEntryRecord) 0,
    20 NoOp(NoOpRecord) 0,
    21 ZkMigrationState(ZkMigrationStateRecord) 0,
    22 RemoveUserScramCredential(RemoveUserScramCredentialRecord) 0,
    23 BeginTransaction(BeginTransactionRecord) 0,
    24 EndTransaction(EndTransactionRecord) 0,
    25 AbortTransaction(AbortTransactionRecord) 0,
    26 RemoveDelegationToken(RemoveDelegationTokenRecord) 0,
    27 RegisterController(RegisterControllerRecord) 0,
    28 ClearElr(ClearElrRecord) 0,
}
