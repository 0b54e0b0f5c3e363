//! Frames of the Kafka protocol: a size, a header, a body. Requests are bounded before they are decoded; an answer is a
//! list of parts, bytes or a range of a file, so that records go from the disk to the socket without passing through
//! this program's memory.

pub mod fetch;

use bytes::{BufMut, Bytes, BytesMut};

use crate::guard::{self, GuardError};
use crate::kafka::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use crate::limits::REQUEST_BYTES_MIN;
use crate::messages::{ApiKey, RequestHeader};

/// Why a frame is no request that can be answered.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The size before the frame is negative or too small for a header.
    #[error("a frame of {0} bytes cannot hold a request")]
    Size(i32),
    /// The size before the frame is above `socket.request.max.bytes`.
    #[error("a frame of {size} bytes is larger than socket.request.max.bytes={max}")]
    TooLarge {
        /// What the wire claims.
        size: i32,
        /// What is allowed.
        max: usize,
    },
    /// The frame ends within its header.
    #[error("the frame ends within the request header")]
    Header,
    /// A length in the request is a lie or beyond its limit.
    #[error("{key:?} version {version}: {source}")]
    Length {
        /// The API.
        key: ApiKey,
        /// The version of the request.
        version: i16,
        /// What is wrong with it.
        source: GuardError,
    },
    /// The request has sound lengths and still cannot be decoded.
    #[error("{key:?} version {version}: {reason}")]
    Body {
        /// The API.
        key: ApiKey,
        /// The version of the request.
        version: i16,
        /// What the decoder said.
        reason: String,
    },
    /// The answer does not fit the version it is to be written in.
    #[error("an answer that its version cannot carry: {0}")]
    Answer(String),
}

/// The header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The API asked for, perhaps one that nobody knows.
    pub key: i16,
    /// The version of the request.
    pub version: i16,
    /// What the answer must repeat.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
}

/// One part of an answer: `F` is a handle of a file, which only the storage below and the socket above look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<F> {
    /// Bytes to send as they are.
    Bytes(Bytes),
    /// A range of a file to send as it is.
    File {
        /// The file.
        file: F,
        /// Where the range begins.
        position: u64,
        /// How long it is.
        len: usize,
    },
}

impl<F> Part<F> {
    /// How many bytes this part puts on the wire.
    pub fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::File { len, .. } => *len,
        }
    }

    /// Whether it puts none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The length of the frame that this size announces.
pub fn length(prefix: [u8; 4], max: usize) -> Result<usize, FrameError> {
    let size = i32::from_be_bytes(prefix);
    match usize::try_from(size) {
        Ok(length) if length > max => Err(FrameError::TooLarge { size, max }),
        Ok(length) if length >= REQUEST_BYTES_MIN => Ok(length),
        _ => Err(FrameError::Size(size)),
    }
}

/// Takes a frame apart into header and body. Of an API that nobody knows only the fixed fields of the header are read.
pub fn read(frame: Bytes) -> Result<(Header, Bytes), FrameError> {
    let &[k0, k1, v0, v1, c0, c1, c2, c3, ..] = &frame[..] else {
        return Err(FrameError::Header);
    };
    let mut header = Header {
        key: i16::from_be_bytes([k0, k1]),
        version: i16::from_be_bytes([v0, v1]),
        correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        client_id: None,
    };
    let Ok(key) = ApiKey::try_from(header.key) else {
        return Ok((header, Bytes::new()));
    };
    // An ApiVersions of the future has a header that can still be read: flexible ones have stayed the same.
    let header_version = key.request_header_version(header.version);
    if header_version >= 2 {
        bound_tagged_fields(&frame)?;
    }
    let mut rest = frame;
    let read = RequestHeader::decode(&mut rest, header_version).map_err(|_| FrameError::Header)?;
    header.client_id = read.client_id;
    Ok((header, rest))
}

/// The tagged fields of a flexible header go into a map one by one, each at least two bytes: no lie about their number
/// survives, but a frame full of empty ones would make a map far larger than itself.
fn bound_tagged_fields(frame: &[u8]) -> Result<(), FrameError> {
    let client_id = frame.get(8..10).map(|b| i16::from_be_bytes([b[0], b[1]])).ok_or(FrameError::Header)?;
    let at = 10 + usize::try_from(client_id).unwrap_or(0);
    match frame.get(at..) {
        // One byte of count: at most 127 fields.
        Some([count, ..]) if count & 0x80 == 0 => Ok(()),
        _ => Err(FrameError::Header),
    }
}

/// Decodes the body of a request after bounding every length in it.
pub fn decode<R: Request + Decodable>(version: i16, mut body: Bytes) -> Result<R, FrameError> {
    let key = ApiKey::try_from(R::KEY).map_err(|_| FrameError::Header)?;
    guard::check(key, version, &body).map_err(|source| FrameError::Length { key, version, source })?;
    R::decode(&mut body, version).map_err(|e| FrameError::Body { key, version, reason: e.to_string() })
}

/// Encodes an answer as one frame, size included.
pub fn encode<A: Encodable + HeaderVersion>(
    correlation_id: i32,
    version: i16,
    answer: &A,
) -> Result<Bytes, FrameError> {
    let size = answer.compute_size(version).map_err(|e| FrameError::Answer(e.to_string()))?;
    let mut out = BytesMut::with_capacity(size + 9);
    out.put_i32(0);
    out.put_i32(correlation_id);
    if A::header_version(version) >= 1 {
        out.put_u8(0);
    }
    answer.encode(&mut out, version).map_err(|e| FrameError::Answer(e.to_string()))?;
    let length = i32::try_from(out.len() - 4).map_err(|_| FrameError::Answer("above 2 GiB".to_owned()))?;
    out[..4].copy_from_slice(&length.to_be_bytes());
    Ok(out.freeze())
}

#[cfg(test)]
mod tests;
