//! How each type of field looks on the wire, in the old form (fixed lengths) and in the flexible one (varint lengths,
//! tagged fields). No length is believed before the bytes that it promises are there.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::SchemaError;

/// No array reserves room for more elements than this before they have been read.
const RESERVED_ELEMENTS_MAX: usize = 256;

/// No structure may carry more tagged fields than this.
const TAGGED_FIELDS_MAX: u32 = 10_000;

/// The version that is read or written, and whether it is a flexible one.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The version.
    pub version: i16,
    /// Whether lengths are varints and structures end in tagged fields.
    pub flexible: bool,
}

/// A type that a field can have.
pub trait Wire: Sized {
    /// Appends the value.
    fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError>;
    /// Reads it from the front of `from`.
    fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError>;
}

/// A type whose `Option` is a field that may be null. Structures put a byte before them that says so.
pub trait Nullable: Wire {
    /// Appends null.
    fn put_null(_at: At, out: &mut Vec<u8>) {
        out.push(0xff);
    }
    /// Appends a value that is there.
    fn put_some(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        out.push(1);
        self.put(at, out)
    }
    /// Reads either.
    fn get_option(at: At, from: &mut &[u8]) -> Result<Option<Self>, SchemaError> {
        if i8::from_be_bytes(take(from)?) < 0 { Ok(None) } else { Self::get(at, from).map(Some) }
    }
}

impl<T: Nullable> Wire for Option<T> {
    fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        match self {
            None => {
                T::put_null(at, out);
                Ok(())
            }
            Some(value) => value.put_some(at, out),
        }
    }
    fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        T::get_option(at, from)
    }
}

/// Takes a fixed number of bytes from the front.
pub fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], SchemaError> {
    let Some((head, rest)) = from.split_first_chunk::<N>() else {
        return Err(SchemaError::Short { missing: N - from.len() });
    };
    *from = rest;
    Ok(*head)
}

fn take_slice<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], SchemaError> {
    let Some((head, rest)) = from.split_at_checked(length) else {
        return Err(SchemaError::Short { missing: length - from.len() });
    };
    *from = rest;
    Ok(head)
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Wire for $type {
            fn put(&self, _at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
                out.extend_from_slice(&self.to_be_bytes());
                Ok(())
            }
            fn get(_at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
                Ok(<$type>::from_be_bytes(take(from)?))
            }
        }
    )*};
}
numbers!(i8 i16 u16 i32 i64 f64);

impl Wire for bool {
    fn put(&self, _at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        out.push(u8::from(*self));
        Ok(())
    }
    fn get(_at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        Ok(take::<1>(from)? != [0])
    }
}

impl Wire for Uuid {
    fn put(&self, _at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        out.extend_from_slice(self.as_bytes());
        Ok(())
    }
    fn get(_at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        Ok(Uuid::from_bytes(take(from)?))
    }
}

/// The two bytes of an old string's length, the four of old bytes and arrays, or the varint of length + 1.
#[derive(Clone, Copy)]
enum Width {
    Two,
    Four,
}

fn put_length(length: Option<usize>, width: Width, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
    let whole = length.unwrap_or(0);
    if at.flexible {
        let coded = if length.is_none() {
            0
        } else {
            u32::try_from(whole).ok().and_then(|n| n.checked_add(1)).ok_or(SchemaError::TooLong(whole))?
        };
        put_uvarint(coded, out);
        return Ok(());
    }
    match (width, length) {
        (Width::Two, None) => out.extend_from_slice(&(-1i16).to_be_bytes()),
        (Width::Four, None) => out.extend_from_slice(&(-1i32).to_be_bytes()),
        (Width::Two, Some(n)) => {
            out.extend_from_slice(&i16::try_from(n).map_err(|_| SchemaError::TooLong(n))?.to_be_bytes())
        }
        (Width::Four, Some(n)) => {
            out.extend_from_slice(&i32::try_from(n).map_err(|_| SchemaError::TooLong(n))?.to_be_bytes())
        }
    }
    Ok(())
}

fn get_length(width: Width, at: At, from: &mut &[u8]) -> Result<Option<usize>, SchemaError> {
    let length = if at.flexible {
        i64::from(get_uvarint(from)?) - 1
    } else {
        match width {
            Width::Two => i64::from(i16::from_be_bytes(take(from)?)),
            Width::Four => i64::from(i32::from_be_bytes(take(from)?)),
        }
    };
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length).map(Some).map_err(|_| SchemaError::Length(length)),
    }
}

fn get_text<'a>(at: At, from: &mut &'a [u8]) -> Result<Option<&'a str>, SchemaError> {
    let Some(length) = get_length(Width::Two, at, from)? else { return Ok(None) };
    std::str::from_utf8(take_slice(from, length)?).map(Some).map_err(|_| SchemaError::NotUtf8)
}

fn put_text(text: &str, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
    put_length(Some(text.len()), Width::Two, at, out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

macro_rules! texts {
    ($($type:ty)*) => {$(
        impl Wire for $type {
            fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
                put_text(self, at, out)
            }
            fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
                get_text(at, from)?.map(Into::into).ok_or(SchemaError::Null)
            }
        }
        impl Nullable for $type {
            fn put_null(at: At, out: &mut Vec<u8>) {
                put_null_length(Width::Two, at, out);
            }
            fn put_some(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
                put_text(self, at, out)
            }
            fn get_option(at: At, from: &mut &[u8]) -> Result<Option<Self>, SchemaError> {
                Ok(get_text(at, from)?.map(Into::into))
            }
        }
    )*};
}
texts!(String Arc<str>);

fn put_null_length(width: Width, at: At, out: &mut Vec<u8>) {
    match (at.flexible, width) {
        (true, _) => out.push(0),
        (false, Width::Two) => out.extend_from_slice(&[0xff; 2]),
        (false, Width::Four) => out.extend_from_slice(&[0xff; 4]),
    }
}

impl Wire for Bytes {
    fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        put_length(Some(self.len()), Width::Four, at, out)?;
        out.extend_from_slice(self);
        Ok(())
    }
    fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        Self::get_option(at, from)?.ok_or(SchemaError::Null)
    }
}

impl Nullable for Bytes {
    fn put_null(at: At, out: &mut Vec<u8>) {
        put_null_length(Width::Four, at, out);
    }
    fn put_some(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        self.put(at, out)
    }
    fn get_option(at: At, from: &mut &[u8]) -> Result<Option<Self>, SchemaError> {
        let Some(length) = get_length(Width::Four, at, from)? else { return Ok(None) };
        Ok(Some(Bytes::copy_from_slice(take_slice(from, length)?)))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        put_length(Some(self.len()), Width::Four, at, out)?;
        self.iter().try_for_each(|element| element.put(at, out))
    }
    fn get(at: At, from: &mut &[u8]) -> Result<Self, SchemaError> {
        Self::get_option(at, from)?.ok_or(SchemaError::Null)
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn put_null(at: At, out: &mut Vec<u8>) {
        put_null_length(Width::Four, at, out);
    }
    fn put_some(&self, at: At, out: &mut Vec<u8>) -> Result<(), SchemaError> {
        self.put(at, out)
    }
    fn get_option(at: At, from: &mut &[u8]) -> Result<Option<Self>, SchemaError> {
        let Some(count) = get_length(Width::Four, at, from)? else { return Ok(None) };
        // Every element takes a byte at least, so a count above the bytes that are left is a lie.
        if count > from.len() {
            return Err(SchemaError::Length(count as i64));
        }
        let mut elements = Vec::with_capacity(count.min(RESERVED_ELEMENTS_MAX));
        for _ in 0..count {
            elements.push(T::get(at, from)?);
        }
        Ok(Some(elements))
    }
}

/// Appends the tagged fields of a structure: their count, then each with its tag and size, in the order of the tags.
pub fn put_tags(mut tagged: Vec<(u32, Vec<u8>)>, out: &mut Vec<u8>) {
    tagged.sort_by_key(|(tag, _)| *tag);
    put_uvarint(tagged.len() as u32, out);
    for (tag, bytes) in tagged {
        put_uvarint(tag, out);
        put_uvarint(bytes.len() as u32, out);
        out.extend_from_slice(&bytes);
    }
}

/// Reads tagged fields and gives each to `field`, which ignores those that it does not know.
pub fn get_tags(
    from: &mut &[u8],
    mut field: impl FnMut(u32, &mut &[u8]) -> Result<(), SchemaError>,
) -> Result<(), SchemaError> {
    let count = get_uvarint(from)?;
    if count > TAGGED_FIELDS_MAX {
        return Err(SchemaError::Length(i64::from(count)));
    }
    for _ in 0..count {
        let tag = get_uvarint(from)?;
        let size = get_uvarint(from)?;
        let mut bytes = take_slice(from, size as usize)?;
        field(tag, &mut bytes)?;
    }
    Ok(())
}

/// Appends an unsigned varint.
pub fn put_uvarint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes `put_uvarint` takes.
pub fn uvarint_len(value: u32) -> usize {
    (32 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Reads an unsigned varint of at most five bytes.
pub fn get_uvarint(from: &mut &[u8]) -> Result<u32, SchemaError> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let [byte] = take(from)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).map_err(|_| SchemaError::Varint);
        }
    }
    Err(SchemaError::Varint)
}

/// Appends a signed number as a zigzag varint of up to ten bytes.
pub fn put_varint(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push((zigzag as u8) | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// Reads a zigzag varint of at most ten bytes.
pub fn get_varint(from: &mut &[u8]) -> Result<i64, SchemaError> {
    let mut zigzag = 0u64;
    for shift in (0..70).step_by(7) {
        let [byte] = take(from)?;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    Err(SchemaError::Varint)
}
