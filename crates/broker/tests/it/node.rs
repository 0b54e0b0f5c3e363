//! A node to ask. It relaxes fsync, so that every answer that needs no waiting is there when the call returns, and its
//! clock is the test's.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use andiron_broker::config::BrokerConfig;
use andiron_broker::{Answer, Door, Node, Part, RealDisk, Reply, Session};
use andiron_protocol::kafka::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::{MetadataRequest, MetadataResponse, RequestHeader, TopicName};
use bytes::{Buf as _, Bytes, BytesMut};

pub(crate) const START: i64 = 1_700_000_000_000;

pub(crate) struct Fixture {
    pub(crate) node: Arc<Node>,
    pub(crate) session: Session,
    pub(crate) now: i64,
    pub(crate) folder: tempfile::TempDir,
    more: Vec<(String, String)>,
}

pub(crate) fn open(folder: &std::path::Path, more: &[(String, String)], now: i64) -> Arc<Node> {
    let mut overrides = vec![
        ("listeners".to_owned(), "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093".to_owned()),
        ("log.dirs".to_owned(), folder.join("log").display().to_string()),
        ("andiron.fsync".to_owned(), "false".to_owned()),
        ("group.initial.rebalance.delay.ms".to_owned(), "0".to_owned()),
    ];
    overrides.extend_from_slice(more);
    let config = BrokerConfig::from_properties(None, overrides).unwrap();
    Node::open(config, Arc::new(RealDisk::new()), now).unwrap()
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture::with(&[])
    }

    pub(crate) fn with(more: &[(&str, &str)]) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let more = owned(more);
        let node = open(folder.path(), &more, START);
        let session = Session::new("127.0.0.1:50000".parse().unwrap(), "PLAINTEXT", Door::Broker);
        Fixture { node, session, now: START, folder, more }
    }

    /// Stops the node cleanly and opens its folder again.
    pub(crate) fn restart(&mut self) {
        self.node.drain(self.now);
        self.node.stop();
        self.node.close(self.now);
        // The lock on the folder goes with the last of it.
        let folder = self.folder.path().to_path_buf();
        let unused = tempfile::tempdir().unwrap();
        self.node = open(unused.path(), &[], self.now);
        self.now += 1_000;
        self.node = open(&folder, &self.more, self.now);
    }

    /// The same with `more` settings.
    pub(crate) fn restart_with(&mut self, more: &[(&str, &str)]) {
        self.more.extend(owned(more));
        self.restart();
    }

    /// Opens the folder again as it lies there, with no clean end before and `more` settings.
    pub(crate) fn crash(&mut self, more: &[(&str, &str)]) {
        self.node.stop();
        let unused = tempfile::tempdir().unwrap();
        self.node = open(unused.path(), &[], self.now);
        self.more.extend(owned(more));
        self.now += 1_000;
        self.node = open(self.folder.path(), &self.more, self.now);
    }

    /// Sends a request; the answer comes out of the receiver when it is given.
    pub(crate) fn send<R: Request>(&self, version: i16, request: &R) -> Receiver<Answer> {
        let mut frame = BytesMut::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(77)
            .with_client_id(Some(StrBytes::from_static_str("it")));
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let (answered, answer) = channel();
        let reply = Reply::new(move |answer| {
            let _ = answered.send(answer);
        });
        self.node.handle(&self.session, frame.freeze(), self.now, reply).unwrap();
        answer
    }

    /// Asks and has the answer at once.
    pub(crate) fn ask<R: Request>(&self, version: i16, request: &R) -> R::Response {
        let answer = self.send(version, request).try_recv().expect("an answer without waiting");
        decode::<R>(version, answer)
    }

    /// Asks for topics by name, which creates them.
    pub(crate) fn metadata(&self, names: &[&str]) -> MetadataResponse {
        let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(name_of(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(names.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(true);
        self.ask(12, &request)
    }
}

pub(crate) fn name_of(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn decode<R: Request>(version: i16, answer: Answer) -> R::Response {
    let Answer::Frame(parts) = answer else { panic!("version {version}: {answer:?}") };
    let mut frame = BytesMut::new();
    for part in parts {
        match part {
            Part::Bytes(bytes) => frame.extend_from_slice(&bytes),
            Part::File { file, position, len } => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, position).unwrap();
                frame.extend_from_slice(&bytes);
            }
        }
    }
    let mut frame: Bytes = frame.freeze();
    assert_eq!(frame.get_i32() as usize, frame.len(), "the size of the frame");
    assert_eq!(frame.get_i32(), 77, "the correlation id");
    if R::Response::header_version(version) >= 1 {
        assert_eq!(frame.get_u8(), 0, "tagged fields of the header");
    }
    let answer = R::Response::decode(&mut frame, version).unwrap();
    assert!(frame.is_empty(), "{} bytes behind the answer in version {version}", frame.len());
    answer
}
