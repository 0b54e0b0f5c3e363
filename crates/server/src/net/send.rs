//! Parts to a socket: bytes by send, ranges of files by sendfile where the disk lends a descriptor.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

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
                Some(descriptor) => range(stream, descriptor.as_fd(), position, len).await?,
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

async fn range(stream: &TcpStream, file: BorrowedFd<'_>, position: u64, len: usize) -> io::Result<()> {
    let mut at = position;
    let mut left = len;
    while left > 0 {
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
