//! Snappy in the framing of the Java library: a magic, two version words, then blocks each with a big-endian length. Some
//! clients send one bare snappy block instead; that is read too.

use std::io::{self, Read};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_BYTES: usize = 16;
/// What the Java library puts in one block.
const BLOCK_BYTES: usize = 32 << 10;
/// A single block may not unfold to more than this: a block is held in memory whole.
const BLOCK_BYTES_MAX: usize = 128 << 20;
/// Snappy cannot do better than a 64-byte copy from three bytes; a block that claims more is lying.
const RATIO_MAX: usize = 22;

/// Appends `input` in xerial's framing to `out`.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let at = out.len();
        out.resize(at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder.compress(block, &mut out[at + 4..])?;
        out[at..at + 4].copy_from_slice(&(written as u32).to_be_bytes());
        out.truncate(at + 4 + written);
    }
    Ok(())
}

/// Unfolds block after block.
pub(super) struct SnappyReader<'a> {
    input: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    at: usize,
}

impl<'a> SnappyReader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let framed = input.len() >= HEADER_BYTES && input[..MAGIC.len()] == MAGIC;
        SnappyReader { input: if framed { &input[HEADER_BYTES..] } else { input }, framed, block: Vec::new(), at: 0 }
    }

    fn next_block(&mut self) -> io::Result<bool> {
        let packed = if self.framed {
            // A second stream may follow the first, as Java's reader allows.
            if self.input.len() >= HEADER_BYTES && self.input[..MAGIC.len()] == MAGIC {
                self.input = &self.input[HEADER_BYTES..];
            }
            let Some((length, rest)) = self.input.split_first_chunk::<4>() else {
                return if self.input.is_empty() { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            };
            let length = u32::from_be_bytes(*length) as usize;
            if length > rest.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (packed, rest) = rest.split_at(length);
            self.input = rest;
            packed
        } else {
            if self.input.is_empty() {
                return Ok(false);
            }
            std::mem::take(&mut self.input)
        };
        let unfolded = snap::raw::decompress_len(packed)?;
        if unfolded > BLOCK_BYTES_MAX || unfolded > packed.len().saturating_mul(RATIO_MAX) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a snappy block claims an impossible size"));
        }
        self.block.resize(unfolded, 0);
        snap::raw::Decoder::new().decompress(packed, &mut self.block)?;
        self.at = 0;
        Ok(true)
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.block.len() - self.at);
        buf[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
