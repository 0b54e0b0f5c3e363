//! What every test against a broker needs: the broker's address, a topic of its own, and a reader that decodes.

use andiron_client::admin::NewTopic;
use andiron_client::{Client, ClientConfig, Isolation, OffsetSpec, ReadRange, TopicPartition};
use andiron_protocol::batch::Batches;

/// The broker to test against.
pub fn bootstrap() -> String {
    variable("ANDIRON_TEST_BOOTSTRAP")
}

/// What the judges hand to these tests.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set, as `cargo xtask judges` does"))
}

pub fn client(bootstrap: &str, properties: &[(&str, &str)]) -> Client {
    let all = [("bootstrap.servers", bootstrap)].into_iter().chain(properties.iter().copied());
    Client::new(ClientConfig::from_properties(all).unwrap())
}

/// A new topic with a name nobody has used.
pub async fn topic(client: &Client, what: &str, partitions: i32) -> String {
    let name = format!("{what}-{}", uuid::Uuid::new_v4().simple());
    let topic = NewTopic { name: name.clone(), partitions: Some(partitions), ..NewTopic::default() };
    let made = client.admin().create_topics(&[topic], false).await.unwrap();
    assert_eq!(made[0].result, Ok(()));
    name
}

/// One record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Everything that is in the topic now, by partition and offset.
pub async fn read_all(client: &Client, topic: &str, isolation: Isolation) -> Vec<Read> {
    let info = client.topics(&andiron_client::Topics::Names(vec![topic.to_owned()])).await.unwrap();
    let partitions: Vec<TopicPartition> =
        info[0].partitions.iter().map(|p| TopicPartition::new(topic, p.partition)).collect();
    let ask: Vec<_> = partitions.iter().map(|p| (p.clone(), OffsetSpec::Earliest)).collect();
    let starts = client.list_offsets(&ask, isolation).await.unwrap();
    let ask: Vec<_> = partitions.iter().map(|p| (p.clone(), OffsetSpec::Latest)).collect();
    let ends = client.list_offsets(&ask, isolation).await.unwrap();
    let range = |at: usize| ReadRange {
        partition: partitions[at].clone(),
        start: starts[at].offset.unwrap(),
        end: ends[at].offset.unwrap(),
    };
    let ranges: Vec<ReadRange> = (0..partitions.len()).map(range).collect();
    let mut all = Vec::new();
    // One after the other on purpose: a reader that nobody awaits must not stop its neighbours.
    for mut reader in client.read(ranges, isolation) {
        while let Some(run) = reader.next().await {
            let run = run.unwrap();
            let mut scratch = Vec::new();
            for batch in Batches::new(&run.records) {
                let batch = batch.unwrap();
                for record in batch.records(&mut scratch).unwrap() {
                    let record = record.unwrap();
                    if record.offset < run.from || record.offset >= run.until {
                        continue;
                    }
                    let headers = record.headers.clone().map(|h| h.unwrap());
                    all.push(Read {
                        partition: reader.range().partition.partition,
                        offset: record.offset,
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: headers.map(|(k, v)| (k.to_vec(), v.map(<[u8]>::to_vec))).collect(),
                    });
                }
            }
        }
        assert_eq!(reader.position(), reader.range().end.max(reader.range().start));
    }
    all
}

/// The client's own log, for a test that is looked into: RUST_LOG=andiron_client=debug.
pub fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
