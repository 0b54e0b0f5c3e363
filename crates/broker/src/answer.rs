//! How an answer leaves the broker: as parts of a frame, at once or later, from whatever thread has the last word.

use std::sync::Arc;

use bytes::Bytes;

use andiron_protocol::frame;
use andiron_storage::DiskFile;

/// One part of an answer; a file is lent by the disk below.
pub type Part = frame::Part<Arc<dyn DiskFile>>;

/// What becomes of a request.
#[derive(Debug)]
pub enum Answer {
    /// A whole frame, size included.
    Frame(Vec<Part>),
    /// Nothing is sent: a Produce with acks=0 that went well.
    Silent,
    /// The connection is to be closed: a Produce with acks=0 that failed, so that its sender learns of it.
    Close,
}

impl Answer {
    /// An answer of one piece.
    pub fn bytes(frame: Bytes) -> Answer {
        Answer::Frame(vec![Part::Bytes(frame)])
    }
}

/// The place an answer has to go to. Whoever holds it owes the answer; dropped unanswered it closes the connection.
pub struct Reply(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Reply {
    /// A place that hands what it gets to `send`.
    pub fn new(send: impl FnOnce(Answer) + Send + 'static) -> Reply {
        Reply(Some(Box::new(send)))
    }

    /// Answers.
    pub fn send(mut self, answer: Answer) {
        if let Some(send) = self.0.take() {
            send(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Answer::Close);
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}
