//! The worker's wire: big-endian integers, and texts as a length and bytes.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::WORKER_TEXT_BYTES_MAX;

/// PySpark's `SpecialLengths.PYTHON_EXCEPTION_THROWN`.
pub(super) const EXCEPTION_THROWN: i32 = -2;

pub(super) async fn put_text(out: &mut (impl AsyncWrite + Unpin), text: &str) -> std::io::Result<()> {
    put_bytes(out, text.as_bytes()).await
}

pub(super) async fn put_bytes(out: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    let length = i32::try_from(bytes.len())
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidInput, "longer than 2 GiB"))?;
    out.write_i32(length).await?;
    out.write_all(bytes).await
}

pub(super) async fn text(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let length = from.read_i32().await?;
    let length = usize::try_from(length).ok().filter(|l| *l <= WORKER_TEXT_BYTES_MAX).ok_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::InvalidData, format!("a text of {length} bytes from the worker"))
    })?;
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a worker says after each thing it was told to do.
pub(super) enum Answer {
    Done,
    Failed(String),
}

pub(super) async fn answer(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Answer> {
    match from.read_i32().await? {
        0 => Ok(Answer::Done),
        EXCEPTION_THROWN => Ok(Answer::Failed(text(from).await?)),
        other => Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{other} is no answer of a worker"))),
    }
}
