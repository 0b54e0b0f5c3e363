//! All record types that Apache Kafka's group coordinator writes, by the number in their keys.

use andiron_protocol::schema::{Message, SchemaError};

use super::json::{PrintError, PrintedRecord, print, split_key};
use super::{RecordError, classic, consumer, share, streams};

macro_rules! types {
    ($($number:literal $name:literal $module:ident $key:ident $value:ident;)*) => {
        /// Kafka's name of a record type.
        pub fn type_name(key_type: i16) -> Option<&'static str> {
            match key_type {
                $($number => Some($name),)*
                _ => None,
            }
        }

        /// Reads a record of any known type and writes it again in the version it had: equal bytes show that all of it
        /// was understood. None for a type that is not known.
        pub fn round_trip(key: &[u8], value: Option<&[u8]>) -> Option<Result<RecordBytes, RecordError>> {
            let (key_type, fields) = key.split_first_chunk::<2>()?;
            let key_type = i16::from_be_bytes(*key_type);
            match key_type {
                $($number => Some(one::<$module::$key, $module::$value>(key_type, fields, value)),)*
                _ => None,
            }
        }

        /// Reads a record of any known type to be printed.
        pub fn to_json(key: &[u8], value: Option<&[u8]>) -> Result<PrintedRecord, PrintError> {
            let (key_type, fields) = split_key(key)?;
            match key_type {
                $($number => print::<$module::$key, $module::$value>(key_type, fields, value),)*
                _ => Err(PrintError::UnknownType(key_type)),
            }
        }
    };
}

types! {
    0 "LegacyOffsetCommit" classic LegacyOffsetCommitKey LegacyOffsetCommitValue;
    1 "OffsetCommit" classic OffsetCommitKey OffsetCommitValue;
    2 "GroupMetadata" classic GroupMetadataKey GroupMetadataValue;
    3 "ConsumerGroupMetadata" consumer ConsumerGroupMetadataKey ConsumerGroupMetadataValue;
    4 "ConsumerGroupPartitionMetadata" consumer ConsumerGroupPartitionMetadataKey ConsumerGroupPartitionMetadataValue;
    5 "ConsumerGroupMemberMetadata" consumer ConsumerGroupMemberMetadataKey ConsumerGroupMemberMetadataValue;
    6 "ConsumerGroupTargetAssignmentMetadata" consumer ConsumerGroupTargetAssignmentMetadataKey ConsumerGroupTargetAssignmentMetadataValue;
    7 "ConsumerGroupTargetAssignmentMember" consumer ConsumerGroupTargetAssignmentMemberKey ConsumerGroupTargetAssignmentMemberValue;
    8 "ConsumerGroupCurrentMemberAssignment" consumer ConsumerGroupCurrentMemberAssignmentKey ConsumerGroupCurrentMemberAssignmentValue;
    10 "ShareGroupMemberMetadata" share ShareGroupMemberMetadataKey ShareGroupMemberMetadataValue;
    11 "ShareGroupMetadata" share ShareGroupMetadataKey ShareGroupMetadataValue;
    12 "ShareGroupTargetAssignmentMetadata" share ShareGroupTargetAssignmentMetadataKey ShareGroupTargetAssignmentMetadataValue;
    13 "ShareGroupTargetAssignmentMember" share ShareGroupTargetAssignmentMemberKey ShareGroupTargetAssignmentMemberValue;
    14 "ShareGroupCurrentMemberAssignment" share ShareGroupCurrentMemberAssignmentKey ShareGroupCurrentMemberAssignmentValue;
    15 "ShareGroupStatePartitionMetadata" share ShareGroupStatePartitionMetadataKey ShareGroupStatePartitionMetadataValue;
    16 "ConsumerGroupRegularExpression" consumer ConsumerGroupRegularExpressionKey ConsumerGroupRegularExpressionValue;
    17 "StreamsGroupMetadata" streams StreamsGroupMetadataKey StreamsGroupMetadataValue;
    19 "StreamsGroupMemberMetadata" streams StreamsGroupMemberMetadataKey StreamsGroupMemberMetadataValue;
    20 "StreamsGroupTargetAssignmentMetadata" streams StreamsGroupTargetAssignmentMetadataKey StreamsGroupTargetAssignmentMetadataValue;
    21 "StreamsGroupTargetAssignmentMember" streams StreamsGroupTargetAssignmentMemberKey StreamsGroupTargetAssignmentMemberValue;
    22 "StreamsGroupCurrentMemberAssignment" streams StreamsGroupCurrentMemberAssignmentKey StreamsGroupCurrentMemberAssignmentValue;
    23 "StreamsGroupTopology" streams StreamsGroupTopologyKey StreamsGroupTopologyValue;
}

/// Key and value.
pub type RecordBytes = (Vec<u8>, Option<Vec<u8>>);

fn one<K: Message, V: Message>(
    key_type: i16,
    mut fields: &[u8],
    value: Option<&[u8]>,
) -> Result<RecordBytes, RecordError> {
    let bad_key = |error: SchemaError| RecordError::Key { key_type, error };
    let bad_value = |error: SchemaError| RecordError::Value { key_type, error };
    let mut key = key_type.to_be_bytes().to_vec();
    K::decode(0, &mut fields).and_then(|read| read.encode(0, &mut key)).map_err(bad_key)?;
    let again = |bytes| V::from_slice_with_version(bytes).and_then(|(version, read)| read.to_vec_with_version(version));
    Ok((key, value.map(again).transpose().map_err(bad_value)?))
}
