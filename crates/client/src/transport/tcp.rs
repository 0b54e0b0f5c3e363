//! Kafka's framing over TCP: a length of four bytes before every request and response.
//!
//! One task per connection writes frames in the order they were handed over and matches answers to the oldest
//! unanswered request, for Kafka answers a connection in order. The parts of a frame go to the kernel by one vectored
//! write, so a batch is copied from its builder to the socket and nowhere else.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Address, Connection, PendingResponse, RequestFrame, Transport, TransportError};
use crate::limits::{REQUESTS_UNANSWERED_PER_CONNECTION_MAX, RESPONSE_BYTES_MAX, RESPONSE_BYTES_RESERVED_MAX};

/// Bytes read ahead of a frame: enough for the small answers, while large ones are read straight into their own buffer.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// What a socket is opened with.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// `SO_SNDBUF`; `None` for the system's.
    pub send_buffer_bytes: Option<u32>,
    /// `SO_RCVBUF`; `None` for the system's.
    pub receive_buffer_bytes: Option<u32>,
}

/// Connects by TCP, without delay (Nagle off), all addresses of a name tried in turn.
#[derive(Debug)]
pub struct TcpTransport {
    options: TcpOptions,
}

impl TcpTransport {
    /// A transport that opens sockets so.
    pub fn new(options: TcpOptions) -> Self {
        TcpTransport { options }
    }

    async fn open(&self, address: std::net::SocketAddr) -> std::io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.options.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.options.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn open_any(&self, address: &Address) -> Result<TcpStream, String> {
        let resolved = tokio::net::lookup_host((address.host.as_str(), address.port))
            .await
            .map_err(|e| format!("Couldn't resolve server {address} as DNS resolution failed: {e}"))?;
        let mut last = format!("no address is known for {address}");
        for address in resolved {
            match self.open(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

#[async_trait::async_trait]
impl Transport for TcpTransport {
    async fn connect(&self, address: &Address) -> Result<Arc<dyn Connection>, TransportError> {
        let opened = match tokio::time::timeout(self.options.connect_timeout, self.open_any(address)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no answer within {} ms", self.options.connect_timeout.as_millis())),
        };
        let stream =
            opened.map_err(|reason| TransportError::Connect { address: address.clone(), reason: reason.into() })?;
        Ok(Arc::new(TcpConnection::start(stream)))
    }
}

struct Outgoing {
    frame: RequestFrame,
    answer: oneshot::Sender<Result<Bytes, TransportError>>,
    permit: OwnedSemaphorePermit,
}

struct Unanswered {
    correlation_id: i32,
    answer: oneshot::Sender<Result<Bytes, TransportError>>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct State {
    unanswered: Mutex<VecDeque<Unanswered>>,
    closed: AtomicBool,
    close: Notify,
}

struct TcpConnection {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    unanswered_max: Arc<Semaphore>,
    state: Arc<State>,
}

impl TcpConnection {
    fn start(stream: TcpStream) -> Self {
        // Unbounded by type only: every entry holds a permit.
        let (outgoing, incoming) = mpsc::unbounded_channel();
        let state = Arc::new(State::default());
        let connection = TcpConnection {
            outgoing,
            unanswered_max: Arc::new(Semaphore::new(REQUESTS_UNANSWERED_PER_CONNECTION_MAX)),
            state: state.clone(),
        };
        tokio::spawn(run(stream, incoming, state));
        connection
    }
}

impl Drop for TcpConnection {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait::async_trait]
impl Connection for TcpConnection {
    async fn send(&self, frame: RequestFrame) -> Result<PendingResponse, TransportError> {
        let permit = self.unanswered_max.clone().acquire_owned().await;
        let permit = permit.map_err(|_| TransportError::lost("the connection is closed"))?;
        let (answer, pending) = PendingResponse::channel();
        self.outgoing
            .send(Outgoing { frame, answer, permit })
            .map_err(|_| TransportError::lost("the connection is closed"))?;
        Ok(pending)
    }

    fn is_closed(&self) -> bool {
        // The second is for a runtime that ended and took the task with it.
        self.state.closed.load(Ordering::Acquire) || self.outgoing.is_closed()
    }

    fn close(&self) {
        self.state.closed.store(true, Ordering::Release);
        self.state.close.notify_one();
    }
}

async fn run(stream: TcpStream, mut incoming: mpsc::UnboundedReceiver<Outgoing>, state: Arc<State>) {
    let (reader, writer) = stream.into_split();
    let reason = tokio::select! {
        ended = write_frames(writer, &mut incoming, &state) => ended,
        ended = read_frames(reader, &state) => ended,
        () = state.close.notified() => "closed by this client".to_owned(),
    };
    state.closed.store(true, Ordering::Release);
    incoming.close();
    let lost = TransportError::lost(&reason);
    for waiting in std::mem::take(&mut *state.unanswered.lock()) {
        let _ = waiting.answer.send(Err(lost.clone()));
    }
    while let Ok(unsent) = incoming.try_recv() {
        let _ = unsent.answer.send(Err(lost.clone()));
    }
}

async fn write_frames(
    mut writer: OwnedWriteHalf,
    incoming: &mut mpsc::UnboundedReceiver<Outgoing>,
    state: &State,
) -> String {
    while let Some(Outgoing { frame, answer, permit }) = incoming.recv().await {
        let length = frame.len() as u32;
        let mut parts: VecDeque<Bytes> = VecDeque::with_capacity(frame.parts.len() + 1);
        parts.push_back(Bytes::copy_from_slice(&length.to_be_bytes()));
        parts.extend(frame.parts);
        let unanswered = if frame.expects_response {
            let waiting = Unanswered { correlation_id: frame.correlation_id, answer, _permit: permit };
            state.unanswered.lock().push_back(waiting);
            None
        } else {
            Some(answer)
        };
        if let Err(error) = write_parts(&mut writer, parts).await {
            if let Some(answer) = unanswered {
                let _ = answer.send(Err(TransportError::lost(&error.to_string())));
            }
            return error.to_string();
        }
        if let Some(answer) = unanswered {
            let _ = answer.send(Ok(Bytes::new()));
        }
    }
    "closed by this client".to_owned()
}

async fn write_parts(writer: &mut OwnedWriteHalf, mut parts: VecDeque<Bytes>) -> std::io::Result<()> {
    const PARTS_PER_WRITE: usize = 64;
    parts.retain(|part| !part.is_empty());
    while !parts.is_empty() {
        let slices: Vec<IoSlice<'_>> = parts.iter().take(PARTS_PER_WRITE).map(|part| IoSlice::new(part)).collect();
        let mut written = writer.write_vectored(&slices).await?;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = parts.front_mut() {
            if first.len() > written {
                drop(first.split_to(written));
                break;
            }
            written -= first.len();
            parts.pop_front();
        }
    }
    Ok(())
}

async fn read_frames(reader: OwnedReadHalf, state: &State) -> String {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    loop {
        let frame = match read_frame(&mut reader).await {
            Ok(frame) => frame,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return "the broker closed the connection".to_owned();
            }
            Err(error) => return error.to_string(),
        };
        let Some(correlation_id) = frame.first_chunk::<4>().map(|id| i32::from_be_bytes(*id)) else {
            return "a response without a header".to_owned();
        };
        let Some(waiting) = state.unanswered.lock().pop_front() else {
            return format!("a response with correlation id {correlation_id} that nobody waits for");
        };
        if waiting.correlation_id != correlation_id {
            let expected = waiting.correlation_id;
            let _ = waiting.answer.send(Err(TransportError::lost("an answer to another request")));
            return format!("Correlation id for response ({correlation_id}) does not match request ({expected})");
        }
        // Who no longer waits has given up on it.
        let _ = waiting.answer.send(Ok(frame));
    }
}

async fn read_frame(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Bytes> {
    let length = reader.read_i32().await?;
    let invalid = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    let length = usize::try_from(length).map_err(|_| invalid(format!("Invalid response (size = {length})")))?;
    if length > RESPONSE_BYTES_MAX {
        return Err(invalid(format!("Invalid response (size = {length} larger than {RESPONSE_BYTES_MAX})")));
    }
    let mut frame = BytesMut::with_capacity(length.min(RESPONSE_BYTES_RESERVED_MAX));
    while frame.len() < length {
        let rest = (length - frame.len()) as u64;
        if frame.capacity() == frame.len() {
            frame.reserve(frame.len().min(rest as usize));
        }
        if (&mut *reader).take(rest).read_buf(&mut frame).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests;
