//! A notation for the Kafka structures that no crate has: the records of the metadata log, of
//! `__consumer_offsets`, of the quorum and of snapshots. A structure is written as in Kafka's own schema files, a line
//! a field, and gets bounded decoding and encoding at every version:
//!
//! ```text
//! message! {
//!     /// What a member has committed.
//!     pub struct OffsetCommitValue(versions 0..=4, flexible 4..) {
//!         /// The offset.
//!         offset: i64 [0..],
//!         /// The leader epoch that went with it.
//!         leader_epoch: i32 [3..] = -1,
//!         /// Gone since version 2.
//!         expire_timestamp: i64 [1..=1] = -1,
//!         /// A tagged field: `tag N` after its versions.
//!         topic_id: Uuid [4.., tag 0],
//!         /// `Vec` is an array, `Option` whatever may be null, another structure may be named.
//!         members: Vec<Member> [0..],
//!     }
//!     /// A structure inside another one follows the versions of the one around it.
//!     pub struct Member(part) {
//!         /// Its name.
//!         id: String [0..],
//!     }
//! }
//! ```
//!
//! `flexible` is left out where Kafka says `"flexibleVersions": "none"`. The wire form follows from the Rust type: `bool i8 i16 u16 i32 i64 f64 Uuid String Bytes`, `Vec` and
//! `Option` of them, and structures. A field that a version does not have is not written, and read as its default. Tagged fields
//! are written when they differ from their default, in the order of their tags; unknown ones are skipped when read.
//! Every structure is also `ToJson`, under the names that Kafka's schemas have.

use std::ops::RangeInclusive;

pub mod json;
mod wire;

#[cfg(test)]
mod tests;

pub use bytes::Bytes;
pub use json::{Json, ToJson};
pub use uuid::Uuid;
pub use wire::{
    At, Nullable, Wire, get_tags, get_uvarint, get_varint, put_tags, put_uvarint, put_varint, take, uvarint_len,
};

/// Why a structure could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The bytes end before the structure does.
    #[error("the bytes end {missing} before the field does")]
    Short {
        /// How many more were needed.
        missing: usize,
    },
    /// A length or count is negative, or larger than the bytes that follow could hold.
    #[error("a length of {0} is out of bounds")]
    Length(i64),
    /// A null where none may be.
    #[error("null for a field that cannot be null")]
    Null,
    /// A string that is no UTF-8.
    #[error("a string is not valid UTF-8")]
    NotUtf8,
    /// A variable-length number of too many bytes.
    #[error("a varint is too long")]
    Varint,
    /// A version that the structure does not have.
    #[error("{name} has no version {version}")]
    Version {
        /// The structure.
        name: &'static str,
        /// The version asked for.
        version: i32,
    },
    /// A string longer than its two length bytes can say.
    #[error("a string of {0} bytes is too long")]
    TooLong(usize),
}

/// A structure with versions, as `message!` declares them.
pub trait Message: Sized + ToJson {
    /// Kafka's name of it.
    const NAME: &'static str;
    /// The versions it has.
    const VERSIONS: RangeInclusive<i16>;

    /// Appends the structure at this version.
    fn encode(&self, version: i16, out: &mut Vec<u8>) -> Result<(), SchemaError>;

    /// Reads it from the front of `from` and moves `from` behind it.
    fn decode(version: i16, from: &mut &[u8]) -> Result<Self, SchemaError>;

    /// The structure at this version, in bytes of its own.
    fn to_vec(&self, version: i16) -> Result<Vec<u8>, SchemaError> {
        let mut out = Vec::new();
        self.encode(version, &mut out)?;
        Ok(out)
    }

    /// The structure behind its version as two bytes, as the values of coordinator records and of the quorum are stored.
    fn to_vec_with_version(&self, version: i16) -> Result<Vec<u8>, SchemaError> {
        let mut out = version.to_be_bytes().to_vec();
        self.encode(version, &mut out)?;
        Ok(out)
    }

    /// The opposite of `to_vec_with_version`: the version and the structure.
    fn from_slice_with_version(mut from: &[u8]) -> Result<(i16, Self), SchemaError> {
        let version = i16::from_be_bytes(take(&mut from)?);
        Ok((version, Self::decode(version, &mut from)?))
    }
}

/// Declares structures in the notation that this module describes.
#[macro_export]
macro_rules! message {
    () => {};
    (
        $(#[$meta:meta])*
        pub struct $name:ident(versions $versions:expr $(, flexible $flexible:expr)?) {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty [ $since:expr $(, tag $tag:literal)? ] $(= $default:expr)? ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $crate::message_struct! { $(#[$meta])* $name { $( $(#[$field_meta])* $field: $type [ $since $(, $tag)? ] $(= $default)?, )* } }
        impl $crate::schema::Message for $name {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: std::ops::RangeInclusive<i16> = $versions;

            fn encode(&self, version: i16, out: &mut Vec<u8>) -> Result<(), $crate::schema::SchemaError> {
                let at = Self::at(version)?;
                $crate::schema::Wire::put(self, at, out)
            }

            fn decode(version: i16, from: &mut &[u8]) -> Result<Self, $crate::schema::SchemaError> {
                let at = Self::at(version)?;
                $crate::schema::Wire::get(at, from)
            }
        }
        impl $name {
            fn at(version: i16) -> Result<$crate::schema::At, $crate::schema::SchemaError> {
                if !<Self as $crate::schema::Message>::VERSIONS.contains(&version) {
                    return Err($crate::schema::SchemaError::Version { name: stringify!($name), version: i32::from(version) });
                }
                #[allow(unused_mut)]
                let mut flexible = false;
                $( flexible |= std::ops::RangeBounds::<i16>::contains(&($flexible), &version); )?
                Ok($crate::schema::At { version, flexible })
            }
        }
        $crate::message! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident(part) {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty [ $since:expr $(, tag $tag:literal)? ] $(= $default:expr)? ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $crate::message_struct! { $(#[$meta])* $name { $( $(#[$field_meta])* $field: $type [ $since $(, $tag)? ] $(= $default)?, )* } }
        $crate::message! { $($rest)* }
    };
}

/// One structure of `message!`; not to be used by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! message_struct {
    (
        $(#[$meta:meta])*
        $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty [ $since:expr $(, $tag:literal)? ] $(= $default:expr)?, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[$field_meta])* pub $field: $type, )* }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: None::<$type>$(.or(Some($default)))?.unwrap_or_default(), )* }
            }
        }

        impl $crate::schema::Nullable for $name {}

        #[allow(unused_variables, unused_mut)]
        impl $crate::schema::ToJson for $name {
            fn to_json(&self, version: i16) -> $crate::schema::Json {
                let plain = Self::default();
                let mut members = Vec::new();
                $( if std::ops::RangeBounds::<i16>::contains(&($since), &version) {
                    let tag: &[u32] = &[$($tag)?];
                    if tag.is_empty() || self.$field != plain.$field {
                        let name = $crate::schema::json::camel_case(stringify!($field));
                        members.push((name, $crate::schema::ToJson::to_json(&self.$field, version)));
                    }
                } )*
                $crate::schema::Json::Object(members)
            }
        }

        #[allow(unused_variables, unused_mut)]
        impl $crate::schema::Wire for $name {
            fn put(&self, at: $crate::schema::At, out: &mut Vec<u8>) -> Result<(), $crate::schema::SchemaError> {
                let plain = Self::default();
                let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
                $( if std::ops::RangeBounds::<i16>::contains(&($since), &at.version) {
                    let tag: &[u32] = &[$($tag)?];
                    if let [tag] = tag {
                        if self.$field != plain.$field {
                            let mut bytes = Vec::new();
                            $crate::schema::Wire::put(&self.$field, at, &mut bytes)?;
                            tagged.push((*tag, bytes));
                        }
                    } else {
                        $crate::schema::Wire::put(&self.$field, at, out)?;
                    }
                } )*
                if at.flexible {
                    $crate::schema::put_tags(tagged, out);
                }
                Ok(())
            }

            fn get(at: $crate::schema::At, from: &mut &[u8]) -> Result<Self, $crate::schema::SchemaError> {
                let mut read = Self::default();
                $( if std::ops::RangeBounds::<i16>::contains(&($since), &at.version) {
                    let tag: &[u32] = &[$($tag)?];
                    if tag.is_empty() {
                        read.$field = $crate::schema::Wire::get(at, from)?;
                    }
                } )*
                if at.flexible {
                    $crate::schema::get_tags(from, |number, bytes| {
                        $( let tag: &[u32] = &[$($tag)?];
                        if tag == [number] && std::ops::RangeBounds::<i16>::contains(&($since), &at.version) {
                            read.$field = $crate::schema::Wire::get(at, bytes)?;
                        } )*
                        Ok(())
                    })?;
                }
                Ok(read)
            }
        }
    };
}
