//! The five ways Kafka compresses the records of a batch, each as bytes in one go and as a bounded stream, so that a batch
//! of a few kilobytes cannot ask for gigabytes of memory.

use std::io::{self, Read, Write};

mod snappy;
#[cfg(test)]
mod tests;
mod zstd_reader;

/// No batch may unfold to more than this many bytes, whether it is kept (clients) or only counted (brokers).
pub const DECOMPRESSED_BATCH_BYTES_MAX: usize = 512 << 20;
/// The largest window a zstd stream may ask its reader to keep: what zstd itself allows without being asked.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Bytes first reserved when unfolding; more is reserved only as output really appears.
const FIRST_RESERVE_MAX: usize = 1 << 20;

/// The compression of a batch, as its attributes' three lowest bits say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of the Java library (xerial).
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Why bytes could not be compressed or unfolded.
#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    /// The attributes name no codec that exists.
    #[error("Unknown compression type id: {0}")]
    UnknownCodec(i16),
    /// The compressed bytes are not what the codec writes.
    #[error("the {codec} data is corrupt: {source}")]
    Corrupt {
        /// The codec as the batch names it.
        codec: &'static str,
        /// What the codec's library says.
        source: io::Error,
    },
    /// More bytes came out than allowed.
    #[error("the batch unfolds to more than {limit} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit: usize,
    },
}

impl Codec {
    /// Every codec, in the order of their ids.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec of an id (attributes & 7).
    pub fn from_id(id: i16) -> Result<Codec, CompressionError> {
        usize::try_from(id).ok().and_then(|i| Codec::ALL.get(i)).copied().ok_or(CompressionError::UnknownCodec(id))
    }

    /// The id in a batch's attributes.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec of a name in `compression.type`; `uncompressed` is a topic's word for none.
    pub fn from_name(name: &str) -> Option<Codec> {
        match name {
            "none" | "uncompressed" => Some(Codec::None),
            "gzip" => Some(Codec::Gzip),
            "snappy" => Some(Codec::Snappy),
            "lz4" => Some(Codec::Lz4),
            "zstd" => Some(Codec::Zstd),
            _ => None,
        }
    }

    /// Appends `input`, compressed, to `out`. `level` is the codec's own scale (gzip 1-9, zstd negative to 22); the others have none.
    pub fn compress(self, level: Option<i32>, input: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
        let done: io::Result<()> = match self {
            Codec::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            Codec::Gzip => {
                let level = level
                    .filter(|l| (1..=9).contains(l))
                    .map_or(flate2::Compression::default(), |l| flate2::Compression::new(l.unsigned_abs()));
                let mut encoder = flate2::write::GzEncoder::new(out, level);
                encoder.write_all(input).and_then(|()| encoder.finish().map(drop))
            }
            Codec::Snappy => snappy::compress(input, out),
            Codec::Lz4 => {
                use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
                // Java's reader refuses blocks that lean on each other.
                let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
                let mut encoder = FrameEncoder::with_frame_info(info, out);
                encoder.write_all(input).and_then(|()| encoder.finish().map(drop).map_err(io::Error::other))
            }
            Codec::Zstd => (|| {
                let mut encoder =
                    zstd::stream::write::Encoder::new(out, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))?;
                encoder.write_all(input)?;
                encoder.finish().map(drop)
            })(),
        };
        done.map_err(|source| self.corrupt(source))
    }

    /// A reader of the unfolded bytes of `input`; it holds a window of the codec's, never the whole.
    pub fn reader<'a>(self, input: &'a [u8]) -> Result<Box<dyn Read + 'a>, CompressionError> {
        Ok(match self {
            Codec::None => Box::new(input),
            Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Codec::Snappy => Box::new(snappy::SnappyReader::new(input)),
            Codec::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
            Codec::Zstd => Box::new(zstd_reader::ZstdReader::new(input).map_err(|source| self.corrupt(source))?),
        })
    }

    /// Appends the unfolded bytes of `input` to `out`, at most `limit` of them.
    pub fn decompress(self, input: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CompressionError> {
        let start = out.len();
        if self == Codec::None {
            if input.len() > limit {
                return Err(CompressionError::TooLarge { limit });
            }
            out.extend_from_slice(input);
            return Ok(());
        }
        out.reserve(input.len().saturating_mul(3).min(FIRST_RESERVE_MAX).min(limit));
        let mut reader = self.reader(input)?.take(limit as u64 + 1);
        reader.read_to_end(out).map_err(|source| self.corrupt(source))?;
        if out.len() - start > limit {
            out.truncate(start);
            return Err(CompressionError::TooLarge { limit });
        }
        Ok(())
    }

    pub(crate) fn corrupt(self, source: io::Error) -> CompressionError {
        CompressionError::Corrupt { codec: self.name(), source }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
