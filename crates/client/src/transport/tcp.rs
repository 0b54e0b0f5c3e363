//! Kafka's framing over TCP: a length of four bytes before every request and response.
//!
//! Two tasks a connection: one writes frames in the order they were handed over, one reads answers and matches them to
//! the oldest unanswered request, for Kafka answers a connection in order.

use std::sync::Arc;
use std::time::Duration;

use super::{Address, Connection, Transport, TransportError};

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
}

#[async_trait::async_trait]
impl Transport for TcpTransport {
    async fn connect(&self, address: &Address) -> Result<Arc<dyn Connection>, TransportError> {
        let _ = &self.options;
        Err(TransportError::Connect { address: address.clone(), reason: "not yet".into() })
    }
}
