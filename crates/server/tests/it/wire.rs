//! A client of a few lines: one blocking socket, frames out, frames in.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use andiron_protocol::batch::{BatchBuilder, BatchOptions};
use andiron_protocol::kafka::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use andiron_protocol::messages::metadata_request::MetadataRequestTopic;
use andiron_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use andiron_protocol::messages::{
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
};
use andiron_server::{BrokerConfig, Running, start};
use bytes::{BufMut, Bytes, BytesMut};

/// A node on free ports with its data in a folder of its own.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn config(folder: &std::path::Path, more: &[(&str, &str)]) -> BrokerConfig {
    let mut overrides = vec![
        ("listeners".to_owned(), "PLAINTEXT://localhost:0,CONTROLLER://localhost:0".to_owned()),
        ("log.dirs".to_owned(), folder.join("log").display().to_string()),
        ("spark.connect.grpc.binding.port".to_owned(), String::new()),
    ];
    overrides.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    BrokerConfig::from_properties(None, overrides).unwrap()
}

pub(crate) fn server(more: &[(&str, &str)]) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let running = start(config(folder.path(), more)).unwrap();
    Server { running, folder }
}

/// A connection to it.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    next: i32,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { stream, next: 1 }
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.next)
            .with_client_id(Some(StrBytes::from_static_str("it")));
        self.next += 1;
        header.encode(&mut frame, R::header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = frame.len() as i32 - 4;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).unwrap();
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> R::Response {
        let mut answer = self.frame().expect("an answer");
        let header = if R::Response::header_version(version) >= 1 { 5 } else { 4 };
        let _ = answer.split_to(header);
        let decoded = R::Response::decode(&mut answer, version).unwrap();
        assert!(answer.is_empty(), "bytes behind the answer");
        decoded
    }

    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version)
    }

    /// The next frame without its size; none if the other end has closed.
    pub(crate) fn frame(&mut self) -> Option<Bytes> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).ok()?;
        let mut frame = vec![0; i32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut frame).ok()?;
        Some(Bytes::from(frame))
    }

    /// Whether the other end has closed, which is awaited.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }

    /// Whether nothing comes for so long, not even the end.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let seen = self.stream.peek(&mut [0; 1]);
        self.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        seen.is_err_and(|e| matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
    }

    /// Asks for a topic, which creates it.
    pub(crate) fn topic(&mut self, name: &str) -> MetadataResponse {
        let topic = MetadataRequestTopic::default().with_name(Some(text(name)));
        let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        self.ask(9, &request)
    }

    pub(crate) fn produce(&mut self, topic: &str, records: Bytes) -> ProduceResponse {
        self.ask(9, &produce_request(topic, records, -1))
    }
}

pub(crate) fn text(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(crate) fn produce_request(topic: &str, records: Bytes, acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(20_000)
        .with_topic_data(vec![TopicProduceData::default().with_name(text(topic)).with_partition_data(vec![partition])])
}

/// A batch of so many small records.
pub(crate) fn batch(count: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..count {
        builder.append(andiron_server::now_ms(), Some(b"key"), Some(b"value"));
    }
    builder.build().unwrap()
}
