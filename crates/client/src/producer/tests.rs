//! The sending task against a scripted broker: answers lost, refused, late and out of order, leaders that move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use andiron_protocol::batch::{Batch as View, BatchHeader};
use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use andiron_protocol::messages::api_versions_response::ApiVersion;
use andiron_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use andiron_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use andiron_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, InitProducerIdResponse, MetadataResponse, ProduceRequest, ProduceResponse,
    ProducerId, RequestHeader, ResponseHeader, TopicName,
};
use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;

use super::*;
use crate::config::ClientConfig;
use crate::error::Determinacy;
use crate::transport::{Address, Connection, PendingResponse, RequestFrame, Transport, TransportError};

/// What the broker does with the next Produce request.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Writes it and says so.
    Write,
    /// Writes it and the connection breaks before the answer.
    WriteAndBreak,
    /// The connection breaks before it is read.
    Break,
    /// Refuses it.
    Refuse(ErrorCode),
    /// Leadership goes to the other node, which it is refused for.
    Move,
}

#[derive(Default)]
struct Cluster {
    leader: i32,
    script: VecDeque<Act>,
    /// The headers of what is written, in the order of the log.
    log: Vec<BatchHeader>,
    produced: Vec<(i32, i32, i16)>,
}

impl Cluster {
    /// Kafka's rule: the next sequence of the epoch, or 0 of a new epoch; what was written before is recognised.
    fn append(&mut self, header: BatchHeader) -> (ErrorCode, i64) {
        let same =
            |h: &&BatchHeader| h.producer_epoch == header.producer_epoch && h.base_sequence == header.base_sequence;
        if let Some(known) = self.log.iter().find(same) {
            return (ErrorCode::None, known.base_offset);
        }
        let last = self.log.iter().rev().find(|h| h.producer_epoch == header.producer_epoch);
        let expected = last.map_or(0, |last| last.last_sequence() + 1);
        if !self.log.is_empty() && header.base_sequence != expected {
            return (ErrorCode::OutOfOrderSequenceNumber, -1);
        }
        let base_offset = self.log.last().map_or(0, BatchHeader::next_offset);
        self.log.push(BatchHeader { base_offset, ..header });
        (ErrorCode::None, base_offset)
    }
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Cluster>>);

impl Fake {
    fn scripted(script: &[Act]) -> Fake {
        let fake = Fake::default();
        *fake.0.lock() = Cluster { leader: 1, script: script.iter().copied().collect(), ..Cluster::default() };
        fake
    }

    fn producer(&self, properties: &[(&str, &str)]) -> Producer {
        let fixed = [("bootstrap.servers", "fake:1"), ("batch.size", "1"), ("linger.ms", "0")];
        let all = fixed.into_iter().chain(properties.iter().copied());
        let client = Client::with_transport(ClientConfig::from_properties(all).unwrap(), Arc::new(self.clone()));
        client.producer().unwrap()
    }

    /// Epoch and sequence of what is in the log, in its order.
    fn written(&self) -> Vec<(i16, i32)> {
        self.0.lock().log.iter().map(|h| (h.producer_epoch, h.base_sequence)).collect()
    }
}

#[async_trait::async_trait]
impl Transport for Fake {
    async fn connect(&self, address: &Address) -> Result<Arc<dyn Connection>, TransportError> {
        Ok(Arc::new(FakeConnection {
            fake: self.clone(),
            node: i32::from(address.port),
            closed: AtomicBool::new(false),
        }))
    }
}

struct FakeConnection {
    fake: Fake,
    node: i32,
    closed: AtomicBool,
}

#[async_trait::async_trait]
impl Connection for FakeConnection {
    async fn send(&self, frame: RequestFrame) -> Result<PendingResponse, TransportError> {
        if self.is_closed() {
            return Err(TransportError::lost("closed"));
        }
        let mut bytes = BytesMut::new();
        frame.parts.iter().for_each(|part| bytes.put_slice(part));
        let mut bytes = bytes.freeze();
        let key = ApiKey::try_from(frame.api_key).unwrap();
        RequestHeader::decode(&mut bytes, key.request_header_version(frame.api_version)).unwrap();
        let (sender, pending) = PendingResponse::channel();
        let (id, version) = (frame.correlation_id, frame.api_version);
        let answer = match key {
            ApiKey::ApiVersions => Some(encode(id, version, &versions())),
            ApiKey::Metadata => Some(encode(id, version, &metadata(self.fake.0.lock().leader))),
            ApiKey::InitProducerId => {
                let response = InitProducerIdResponse::default().with_producer_id(ProducerId(7)).with_producer_epoch(0);
                Some(encode(id, version, &response))
            }
            ApiKey::Produce => {
                self.produce(ProduceRequest::decode(&mut bytes, version).unwrap()).map(|r| encode(id, version, &r))
            }
            other => panic!("{other:?} is not in the script"),
        };
        let answer = answer.ok_or_else(|| {
            self.close();
            TransportError::lost("the fake broke it")
        });
        let _ = sender.send(answer);
        Ok(pending)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

impl FakeConnection {
    fn produce(&self, request: ProduceRequest) -> Option<ProduceResponse> {
        let mut cluster = self.fake.0.lock();
        let topic = &request.topic_data[0];
        let records = topic.partition_data[0].records.clone().unwrap();
        let view = View::first(&records).unwrap();
        view.check_crc().unwrap();
        let header = view.header;
        cluster.produced.push((self.node, header.base_sequence, header.producer_epoch));
        let act = cluster.script.pop_front().unwrap_or(Act::Write);
        let (code, offset) = match act {
            Act::Break => return None,
            Act::WriteAndBreak => {
                cluster.append(header);
                return None;
            }
            Act::Move => {
                cluster.leader = 3 - self.node;
                (ErrorCode::NotLeaderOrFollower, -1)
            }
            Act::Refuse(code) => (code, -1),
            Act::Write if cluster.leader != self.node => (ErrorCode::NotLeaderOrFollower, -1),
            Act::Write => cluster.append(header),
        };
        let part = PartitionProduceResponse::default()
            .with_index(0)
            .with_error_code(code.code())
            .with_base_offset(offset)
            .with_log_append_time_ms(-1);
        let answer = TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(vec![part]);
        Some(ProduceResponse::default().with_responses(vec![answer]))
    }
}

fn versions() -> ApiVersionsResponse {
    let apis = [(ApiKey::Produce, 9), (ApiKey::Metadata, 12), (ApiKey::InitProducerId, 4), (ApiKey::ApiVersions, 4)];
    let api = |(key, max): (ApiKey, i16)| ApiVersion::default().with_api_key(key as i16).with_max_version(max);
    ApiVersionsResponse::default().with_api_keys(apis.into_iter().map(api).collect())
}

fn metadata(leader: i32) -> MetadataResponse {
    let broker = |node: i32| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(node))
            .with_host(StrBytes::from_static_str("fake"))
            .with_port(node)
    };
    let partition = MetadataResponsePartition::default().with_partition_index(0).with_leader_id(BrokerId(leader));
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_partitions(vec![partition]);
    MetadataResponse::default().with_brokers(vec![broker(1), broker(2)]).with_topics(vec![topic])
}

fn encode<A: Encodable + HeaderVersion>(id: i32, version: i16, answer: &A) -> Bytes {
    let mut out = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(id);
    header.encode(&mut out, A::header_version(version)).unwrap();
    answer.encode(&mut out, version).unwrap();
    out.freeze()
}

/// Sends `count` records, each a batch of its own, and waits for all; the offsets or errors.
async fn send(producer: &Producer, count: usize) -> Vec<Result<i64, ProduceError>> {
    let mut deliveries = Vec::new();
    for _ in 0..count {
        let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
        deliveries.push(producer.send(&record).await.unwrap());
    }
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.push(delivery.wait().await.map(|metadata| metadata.offset));
    }
    outcomes
}

fn offsets(outcomes: &[Result<i64, ProduceError>]) -> Vec<i64> {
    outcomes.iter().map(|outcome| outcome.as_ref().map_or(-2, |offset| *offset)).collect()
}

fn in_order(count: i32) -> Vec<(i16, i32)> {
    (0..count).map(|sequence| (0, sequence)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_record_is_written_once_and_in_order_whatever_breaks() {
    use Act::{Break, Move, Refuse, Write, WriteAndBreak};
    for script in [
        vec![],
        vec![Refuse(ErrorCode::NotLeaderOrFollower)],
        vec![Break],
        vec![WriteAndBreak],
        vec![Write, Break, Write],
        vec![Write, WriteAndBreak],
        vec![Write, Refuse(ErrorCode::NotEnoughReplicas), Write, Write],
        vec![Write, Write, Refuse(ErrorCode::RequestTimedOut)],
        vec![Write, Move],
        vec![Move, Write, Move, Break, WriteAndBreak],
        vec![
            Write,
            Refuse(ErrorCode::NotLeaderOrFollower),
            WriteAndBreak,
            Break,
            Refuse(ErrorCode::UnknownTopicOrPartition),
        ],
    ] {
        let fake = Fake::scripted(&script);
        let outcomes = send(&fake.producer(&[]), 8).await;
        assert_eq!(offsets(&outcomes), (0..8).collect::<Vec<_>>(), "{script:?}");
        assert_eq!(fake.written(), in_order(8), "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_the_broker_knows_is_a_success_without_an_offset() {
    let fake = Fake::scripted(&[Act::Write, Act::Refuse(ErrorCode::DuplicateSequenceNumber)]);
    assert_eq!(offsets(&send(&fake.producer(&[]), 2).await), [0, -1]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_fails_alone_and_the_rest_goes_on_under_the_next_epoch() {
    let fake = Fake::scripted(&[Act::Write, Act::Refuse(ErrorCode::MessageTooLarge)]);
    let producer = fake.producer(&[]);
    let outcomes = send(&producer, 6).await;
    assert_eq!(offsets(&outcomes), [0, -2, 1, 2, 3, 4]);
    assert_eq!(outcomes[1].as_ref().unwrap_err().determinacy(), Determinacy::DidNotHappen);
    assert_eq!(fake.written(), [(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)]);
    let error = producer.flush().await.unwrap_err();
    assert_eq!(error.to_string(), "MESSAGE_TOO_LARGE for t-0");
    producer.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_got_an_answer_expires_as_undecided() {
    let fake = Fake::scripted(&[Act::Break; 10_000]);
    let producer = fake.producer(&[("delivery.timeout.ms", "3000"), ("request.timeout.ms", "1000")]);
    let outcomes = send(&producer, 2).await;
    let first = outcomes[0].as_ref().unwrap_err();
    assert!(matches!(first, ProduceError::Expired { records: 1, .. }), "{first:?}");
    assert_eq!(first.determinacy(), Determinacy::MayHaveHappened);
    assert_eq!(outcomes[1].as_ref().unwrap_err().determinacy(), Determinacy::DidNotHappen, "it was never sent");
}

#[tokio::test(start_paused = true)]
async fn without_retries_the_first_failure_is_the_outcome() {
    let fake = Fake::scripted(&[Act::Refuse(ErrorCode::NotEnoughReplicas), Act::Break]);
    let producer = fake.producer(&[("retries", "0")]);
    let outcomes = send(&producer, 3).await;
    assert!(matches!(&outcomes[0], Err(ProduceError::Refused { code: ErrorCode::NotEnoughReplicas, .. })));
    assert!(matches!(&outcomes[1], Err(ProduceError::Transport { determinacy: Determinacy::MayHaveHappened, .. })));
}

#[tokio::test(start_paused = true)]
async fn with_one_request_in_flight_order_holds_without_idempotence() {
    let script = [Act::Write, Act::Refuse(ErrorCode::NotLeaderOrFollower), Act::Refuse(ErrorCode::NotEnoughReplicas)];
    let fake = Fake::scripted(&script);
    let one = [("enable.idempotence", "false"), ("max.in.flight.requests.per.connection", "1")];
    let _ = send(&fake.producer(&one), 4).await;
    let numbers: Vec<(i16, i32)> = fake.written();
    assert!(!numbers.is_empty() && numbers.iter().all(|n| *n == (-1, -1)));
    assert_eq!(fake.0.lock().produced.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_full_buffer_blocks_and_then_says_what_was_full() {
    let fake = Fake::scripted(&[Act::Break; 10_000]);
    let producer = fake.producer(&[("buffer.memory", "200"), ("max.block.ms", "500")]);
    let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
    producer.send(&record).await.unwrap();
    producer.send(&record).await.unwrap();
    assert!(producer.try_send(&record).is_none());
    let error = producer.send(&record).await.unwrap_err();
    assert!(matches!(error, SendError::MemoryExhausted { size: 86, max_block_ms: 500, total: 200, .. }), "{error:?}");
    let closed = producer.close(Duration::from_millis(10)).await.unwrap_err();
    assert!(matches!(closed, ProduceError::Closed { .. }), "{closed:?}");
    assert!(matches!(producer.send(&record).await, Err(SendError::Closed)));
}
