//! Bounds every length of a request before `kafka-protocol` decodes it.
//!
//! Its array decoders reserve room for as many elements as the wire claims, so a frame of ten bytes could ask for
//! gigabytes and end the process. A buffer cannot tell an array's length from any other number, so the bound needs to
//! know the layout: [`check`] walks the request by a table of its fields, allocates nothing, and refuses a length that
//! the bytes at hand cannot hold or that passes a named limit. What it lets through holds as many elements as it says,
//! so the memory of the decoded request is proportional to the frame, whose size is bounded by
//! `socket.request.max.bytes`.

mod layouts;

use crate::limits::{REQUEST_ELEMENTS_MAX, REQUEST_TAGGED_FIELDS_MAX};
use crate::messages::ApiKey;

/// Why a request was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// A length points beyond the end of the frame.
    #[error("a length of {length} with {remaining} bytes left")]
    BeyondEnd {
        /// What the wire claims.
        length: u64,
        /// What is there.
        remaining: usize,
    },
    /// A length below -1.
    #[error("a negative length: {0}")]
    Negative(i64),
    /// A variable-length integer of more than five bytes.
    #[error("an unsigned varint longer than five bytes")]
    Varint,
    /// More array elements in one request than [`REQUEST_ELEMENTS_MAX`].
    #[error("more than {REQUEST_ELEMENTS_MAX} array elements in one request")]
    TooManyElements,
    /// More tagged fields in one request than [`REQUEST_TAGGED_FIELDS_MAX`].
    #[error("more than {REQUEST_TAGGED_FIELDS_MAX} tagged fields in one request")]
    TooManyTaggedFields,
    /// A tagged field that this version knows does not have the size it claims.
    #[error("tagged field {tag} does not have the size it claims")]
    TaggedFieldSize {
        /// Its tag.
        tag: u32,
    },
    /// No request of this API is known here.
    #[error("no layout for {0:?}")]
    Unknown(ApiKey),
}

#[derive(Debug)]
struct Layout {
    flexible_from: i16,
    fields: &'static [Field],
}

#[derive(Debug)]
struct Field {
    from: i16,
    to: i16,
    tag: Option<u32>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// So many bytes, always.
    Fixed(usize),
    /// Text, perhaps null: two bytes of length, or a varint.
    Text,
    /// Bytes, perhaps null: four bytes of length, or a varint.
    Bytes,
    /// Elements, perhaps null: four bytes of count, or a varint.
    Array(&'static Kind),
    Struct(&'static [Field]),
    /// A struct behind a byte that says whether it is there.
    Optional(&'static [Field]),
}

const fn field(from: i16, kind: Kind) -> Field {
    until(from, i16::MAX, kind)
}

const fn until(from: i16, to: i16, kind: Kind) -> Field {
    Field { from, to, tag: None, kind }
}

const fn tagged(from: i16, tag: u32, kind: Kind) -> Field {
    Field { from, to: i16::MAX, tag: Some(tag), kind }
}

/// Walks the body of a request and returns how many bytes of it the request takes, or what is wrong with its lengths.
pub fn check(key: ApiKey, version: i16, body: &[u8]) -> Result<usize, GuardError> {
    let layout = layouts::layout(key).ok_or(GuardError::Unknown(key))?;
    let mut walk =
        Walk { rest: body, version, flexible: version >= layout.flexible_from, elements: 0, tagged_fields: 0 };
    walk.fields(layout.fields)?;
    Ok(body.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements: usize,
    tagged_fields: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &'static [Field]) -> Result<(), GuardError> {
        for field in fields {
            if field.tag.is_none() && self.has(field) {
                self.kind(&field.kind)?;
            }
        }
        if self.flexible { self.tagged(fields) } else { Ok(()) }
    }

    fn has(&self, field: &Field) -> bool {
        (field.from..=field.to).contains(&self.version)
    }

    fn kind(&mut self, kind: &'static Kind) -> Result<(), GuardError> {
        match kind {
            Kind::Fixed(size) => self.skip(*size as u64),
            Kind::Text => {
                let length = self.length(2)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Bytes => {
                let length = self.length(4)?;
                self.skip(length.unwrap_or(0))
            }
            Kind::Array(element) => self.array(element),
            Kind::Struct(fields) => self.fields(fields),
            Kind::Optional(fields) => match self.take(1)?.first() {
                Some(1) => self.fields(fields),
                _ => Ok(()),
            },
        }
    }

    fn array(&mut self, element: &'static Kind) -> Result<(), GuardError> {
        let Some(count) = self.length(4)? else {
            return Ok(());
        };
        // Every element takes at least one byte, so a count beyond the rest is a lie whatever the element is.
        if count > self.rest.len() as u64 {
            return Err(GuardError::BeyondEnd { length: count, remaining: self.rest.len() });
        }
        self.elements = self.elements.saturating_add(count as usize);
        if self.elements > REQUEST_ELEMENTS_MAX {
            return Err(GuardError::TooManyElements);
        }
        for _ in 0..count {
            self.kind(element)?;
        }
        Ok(())
    }

    fn tagged(&mut self, fields: &'static [Field]) -> Result<(), GuardError> {
        let count = self.varint()?;
        self.tagged_fields = self.tagged_fields.saturating_add(count as usize);
        if self.tagged_fields > REQUEST_TAGGED_FIELDS_MAX {
            return Err(GuardError::TooManyTaggedFields);
        }
        for _ in 0..count {
            let tag = self.varint()?;
            let size = u64::from(self.varint()?);
            let before = self.rest.len();
            // kafka-protocol reads a tagged field that it knows by its type and never looks at the size: the two must
            // agree, or what is walked here is not what is decoded there.
            match fields.iter().find(|f| f.tag == Some(tag) && self.has(f)) {
                Some(known) => {
                    self.kind(&known.kind)?;
                    if (before - self.rest.len()) as u64 != size {
                        return Err(GuardError::TaggedFieldSize { tag });
                    }
                }
                None => self.skip(size)?,
            }
        }
        Ok(())
    }

    /// A length of `wide` bytes, or in flexible versions a varint of the length plus one; none is null.
    fn length(&mut self, wide: usize) -> Result<Option<u64>, GuardError> {
        if self.flexible {
            return Ok(u64::from(self.varint()?).checked_sub(1));
        }
        let bytes = self.take(wide)?;
        let length = match *bytes {
            [a, b] => i64::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_be_bytes([a, b, c, d])),
            _ => -2,
        };
        match length {
            -1 => Ok(None),
            length => u64::try_from(length).map(Some).map_err(|_| GuardError::Negative(length)),
        }
    }

    fn varint(&mut self) -> Result<u32, GuardError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?.first().copied().unwrap_or(0);
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(GuardError::Varint)
    }

    fn skip(&mut self, length: u64) -> Result<(), GuardError> {
        let remaining = self.rest.len();
        if length > remaining as u64 {
            return Err(GuardError::BeyondEnd { length, remaining });
        }
        self.take(length as usize).map(|_| ())
    }

    fn take(&mut self, length: usize) -> Result<&[u8], GuardError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(GuardError::BeyondEnd { length: length as u64, remaining: self.rest.len() }),
        }
    }
}

#[cfg(test)]
mod tests;
