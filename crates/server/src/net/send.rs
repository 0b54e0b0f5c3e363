//! Parts to a socket: bytes by send, ranges of files by sendfile where the disk lends a descriptor. What lies in the page
//! cache is sent on the spot; what does not is brought there by a helper thread first, so that one reader of old records
//! does not keep a thread of the runtime waiting for the disk.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use andiron_broker::Part;

use crate::limits::{COPY_STEP_BYTES, SENDFILE_STEP_BYTES};

/// Sends all parts, waiting for the socket as often as it takes.
pub(super) async fn parts(stream: &TcpStream, parts: Vec<Part>) -> io::Result<()> {
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.into_iter().enumerate() {
        let more = index < last;
        match part {
            Part::Bytes(data) => bytes(stream, &data, more).await?,
            Part::File { file, position, len } => match file.lend()? {
                Some(descriptor) => range(stream, &descriptor, position, len).await?,
                None => copied(stream, &*file, position, len, more).await?,
            },
        }
    }
    Ok(())
}

async fn bytes(stream: &TcpStream, mut rest: &[u8], more: bool) -> io::Result<()> {
    // MORE: the header of a Fetch answer waits for the records behind it and leaves in one packet with them.
    let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
    while !rest.is_empty() {
        let sent = stream
            .async_io(Interest::WRITABLE, || rustix::net::send(stream, rest, flags).map_err(io::Error::from))
            .await?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

async fn range(stream: &TcpStream, file: &Arc<File>, position: u64, len: usize) -> io::Result<()> {
    let mut at = position;
    let mut left = len;
    let mut warm_until = at;
    while left > 0 {
        if at >= warm_until {
            let step = left.min(SENDFILE_STEP_BYTES);
            if !is_cached(file, at) {
                let file = Arc::clone(file);
                tokio::task::spawn_blocking(move || warm(&file, at, step)).await.map_err(io::Error::other)??;
            }
            warm_until = at + step as u64;
        }
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                rustix::fs::sendfile(stream, file, Some(&mut at), left.min(SENDFILE_STEP_BYTES))
                    .map_err(io::Error::from)
            })
            .await?;
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the segment ends before the range to send"));
        }
        left -= sent;
    }
    Ok(())
}

/// Whether a read there would be answered without the disk. Where the system cannot say, it is taken for yes.
fn is_cached(file: &File, at: u64) -> bool {
    let mut byte = [0; 1];
    let parts = &mut [IoSliceMut::new(&mut byte)];
    rustix::io::preadv2(file, parts, at, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
}

/// Reads a range so that it is in the page cache.
fn warm(file: &File, at: u64, len: usize) -> io::Result<()> {
    let mut buffer = vec![0; len.min(COPY_STEP_BYTES)];
    let mut done = 0;
    while done < len {
        match file.read_at(&mut buffer, at + done as u64)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(())
}

async fn copied(
    stream: &TcpStream,
    file: &dyn andiron_broker::DiskFile,
    position: u64,
    len: usize,
    more: bool,
) -> io::Result<()> {
    let mut buffer = vec![0; len.min(COPY_STEP_BYTES)];
    let mut done = 0;
    while done < len {
        let step = buffer.len().min(len - done);
        let Some(chunk) = buffer.get_mut(..step) else { break };
        file.read_exact_at(chunk, position + done as u64)?;
        done += step;
        bytes(stream, chunk, more || done < len).await?;
    }
    Ok(())
}
