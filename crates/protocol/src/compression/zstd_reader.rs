//! Zstandard as a stream. A decompression context is larger than most batches and dear to make, so each thread keeps one.

use std::cell::Cell;
use std::io::{self, Read};

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

/// A context that has grown larger is given back: a few bytes can ask for a window of 128 MiB, and each thread would hold one.
const KEPT_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Unfolds frame after frame.
pub(super) struct ZstdReader<'a> {
    context: Option<DCtx<'static>>,
    input: &'a [u8],
    at: usize,
    /// The last frame is at its end.
    whole: bool,
}

fn failed(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, get_error_name(code))
}

impl<'a> ZstdReader<'a> {
    pub(super) fn new(input: &'a [u8]) -> io::Result<Self> {
        let mut context = KEPT.take().unwrap_or_else(DCtx::create);
        context.reset(ResetDirective::SessionOnly).map_err(failed)?;
        context.set_parameter(DParameter::WindowLogMax(super::ZSTD_WINDOW_LOG_MAX)).map_err(failed)?;
        Ok(ZstdReader { context: Some(context), input, at: 0, whole: true })
    }
}

impl Read for ZstdReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(context) = &mut self.context else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if self.whole && self.at == self.input.len() {
                return Ok(0);
            }
            let mut input = InBuffer { src: self.input, pos: self.at };
            let mut output = OutBuffer::around(&mut *buf);
            let hint = context.decompress_stream(&mut output, &mut input).map_err(failed)?;
            let (read, written) = (input.pos - self.at, output.pos());
            self.at += read;
            self.whole = hint == 0;
            if written > 0 {
                return Ok(written);
            }
            if read == 0 && !self.whole {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Drop for ZstdReader<'_> {
    fn drop(&mut self) {
        KEPT.set(self.context.take().filter(|context| context.sizeof() <= KEPT_BYTES_MAX));
    }
}

#[cfg(test)]
pub(super) fn kept_bytes() -> usize {
    let context = KEPT.take();
    let bytes = context.as_ref().map_or(0, DCtx::sizeof);
    KEPT.set(context);
    bytes
}
