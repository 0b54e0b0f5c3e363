//! What is between the clients and the node: request frames in, answer frames out, and the connections that a crash cuts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use andiron_broker::{Answer, Door, Node, Part, Reply, Session};
use andiron_protocol::kafka::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use andiron_protocol::messages::{RequestHeader, TopicName};
use andiron_simulator::SimDisk;
use bytes::{Buf as _, Bytes, BytesMut};

/// splitmix64.
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A request that was sent and not answered.
#[derive(Clone, Copy, Debug)]
struct Sent {
    client: usize,
    what: u64,
}

/// An answer for a client: which of its requests it is to, and what stands behind the frame's size.
pub(crate) struct Answered {
    pub(crate) client: usize,
    pub(crate) what: u64,
    pub(crate) frame: Bytes,
}

/// The connections to a node that runs.
pub(crate) struct Wire {
    pub(crate) node: Arc<Node>,
    pub(crate) disk: SimDisk,
    pub(crate) now: i64,
    pub(crate) draw: Draw,
    session: Session,
    correlation: i32,
    sent: BTreeMap<i32, Sent>,
    answers: Arc<Mutex<Vec<(i32, Answer)>>>,
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

impl Wire {
    pub(crate) fn new(node: Arc<Node>, disk: SimDisk, now: i64, draw: Draw) -> Wire {
        let session = Session::new(([127, 0, 0, 1], 50_000).into(), "PLAINTEXT", Door::Broker);
        Wire { node, disk, now, draw, session, correlation: 0, sent: BTreeMap::new(), answers: Arc::default() }
    }

    /// Another node stands where this one stood; whatever was on its way is lost.
    pub(crate) fn reconnect(&mut self, node: Arc<Node>, disk: SimDisk) {
        self.sent.clear();
        self.answers = Arc::default();
        (self.node, self.disk) = (node, disk);
    }

    fn frame<R: Request>(&mut self, version: i16, request: &R) -> Bytes {
        self.correlation += 1;
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("sim")));
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        frame.freeze()
    }

    fn hand_over(&mut self, frame: Bytes) {
        let (correlation, answers, disk) = (self.correlation, Arc::clone(&self.answers), self.disk.clone());
        let reply = Reply::new(move |answer| {
            // What is answered when the power is gone reaches nobody.
            if !disk.crashed() {
                answers.lock().unwrap().push((correlation, answer));
            }
        });
        self.node.handle(&self.session, frame, self.now, reply).unwrap();
    }

    /// Sends a client's request; `what` comes back with the answer.
    pub(crate) fn send<R: Request>(&mut self, client: usize, what: u64, version: i16, request: &R) {
        let frame = self.frame(version, request);
        self.sent.insert(self.correlation, Sent { client, what });
        self.hand_over(frame);
    }

    /// Asks what needs no waiting; none when it has to wait.
    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        let frame = self.frame(version, request);
        self.hand_over(frame);
        let mut answers = self.answers.lock().unwrap();
        let at = answers.iter().position(|(correlation, _)| *correlation == self.correlation)?;
        let (_, answer) = answers.remove(at);
        Some(decode::<R>(version, &bytes(answer)?))
    }

    /// What was answered since it was asked last.
    pub(crate) fn arrived(&mut self) -> Vec<Answered> {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap());
        let known = answers.into_iter().filter_map(|(correlation, answer)| {
            let Sent { client, what } = self.sent.remove(&correlation)?;
            Some(Answered { client, what, frame: bytes(answer)? })
        });
        known.collect()
    }
}

/// The whole frame; none if the power went while it was read from the disk, or if the connection was closed.
fn bytes(answer: Answer) -> Option<Bytes> {
    let Answer::Frame(parts) = answer else { return None };
    let mut frame = BytesMut::new();
    for part in parts {
        match part {
            Part::Bytes(bytes) => frame.extend_from_slice(&bytes),
            Part::File { file, position, len } => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, position).ok()?;
                frame.extend_from_slice(&bytes);
            }
        }
    }
    Some(frame.freeze())
}

/// Reads the answer to a request of this kind.
pub(crate) fn decode<R: Request>(version: i16, frame: &Bytes) -> R::Response {
    let mut frame = frame.clone();
    assert_eq!(frame.get_i32() as usize, frame.len(), "the size of the frame");
    frame.get_i32();
    if R::Response::header_version(version) >= 1 {
        assert_eq!(frame.get_u8(), 0, "tagged fields of the header");
    }
    let answer = R::Response::decode(&mut frame, version).unwrap();
    assert!(frame.is_empty(), "{} bytes behind the answer", frame.len());
    answer
}
