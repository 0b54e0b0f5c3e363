//! How requests reach a broker: the one seam between the client and the world.
//!
//! A transport carries frames without their length prefix: a request header with its body, a response header with its
//! body. It neither encodes nor decodes them, keeps the order of requests, and matches answers by correlation id.
//! TCP is one implementation, a broker in the same process another, a scripted fake for tests the third.

mod tcp;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

pub use tcp::{TcpOptions, TcpTransport};

/// Where a broker listens, as `bootstrap.servers` or the metadata give it; names are resolved at connect time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A host name or a literal address, IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One request as it goes out: the parts are written one after the other, so that record batches are never copied.
#[derive(Debug, Clone)]
pub struct RequestFrame {
    /// Kafka's number of the API, for logs and in-process dispatch; it is also in the header.
    pub api_key: i16,
    /// The version that header and body are written in.
    pub api_version: i16,
    /// Unique among the unanswered requests of a connection; the answer carries it.
    pub correlation_id: i32,
    /// False only for Produce with acks=0, which the broker does not answer.
    pub expects_response: bool,
    /// Request header and body, without the four bytes of length.
    pub parts: Vec<Bytes>,
}

impl RequestFrame {
    /// The number that the length prefix will hold.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// True for a frame with no byte in it, which no request is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Opens connections. Cheap to share; knows nothing of clusters or of retries.
#[async_trait::async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Connects to a broker; one attempt, all addresses of the name tried.
    async fn connect(&self, address: &Address) -> Result<Arc<dyn Connection>, TransportError>;
}

/// An open connection. Requests are sent in the order in which `send` was awaited, and may be pipelined.
#[async_trait::async_trait]
pub trait Connection: Send + Sync + 'static {
    /// Hands the request over; waits only while too many are unanswered. The answer is awaited apart.
    async fn send(&self, request: RequestFrame) -> Result<PendingResponse, TransportError>;

    /// True once nothing can be sent any more; the pool then connects anew.
    fn is_closed(&self) -> bool;

    /// Ends it: what is unanswered fails as lost. Called after a timeout, when nothing on it can be trusted to be answered.
    fn close(&self);
}

/// The answer to come: the response header and body, or what became of the connection.
#[derive(Debug)]
pub struct PendingResponse(oneshot::Receiver<Result<Bytes, TransportError>>);

impl PendingResponse {
    /// The two ends, for implementations of [`Connection`].
    pub fn channel() -> (oneshot::Sender<Result<Bytes, TransportError>>, PendingResponse) {
        let (sender, receiver) = oneshot::channel();
        (sender, PendingResponse(receiver))
    }
}

impl Future for PendingResponse {
    type Output = Result<Bytes, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|outcome| outcome.unwrap_or_else(|_| Err(TransportError::lost("the connection was dropped"))))
    }
}

/// Why bytes did not arrive.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TransportError {
    /// No connection came about, so nothing was sent.
    #[error("Connection to {address} could not be established: {reason}")]
    Connect {
        /// Whom we tried to reach.
        address: Address,
        /// The system's words.
        reason: Arc<str>,
    },
    /// The connection ended while the request was on its way or unanswered: it may have been carried out.
    #[error("Connection lost before the response was read: {reason}")]
    Lost {
        /// What ended it.
        reason: Arc<str>,
    },
    /// No answer within `request.timeout.ms`; the request may have been carried out.
    #[error("Request timed out after {timeout_ms} ms")]
    TimedOut {
        /// The time that was granted.
        timeout_ms: u64,
    },
}

impl TransportError {
    /// A connection that ended for the given reason.
    pub fn lost(reason: &str) -> Self {
        TransportError::Lost { reason: reason.into() }
    }

    /// False if the broker surely never saw the request.
    pub fn may_have_been_sent(&self) -> bool {
        !matches!(self, TransportError::Connect { .. })
    }
}
