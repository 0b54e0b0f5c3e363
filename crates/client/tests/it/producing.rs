//! What is sent comes back: every codec, headers and nulls, partitions as Java chooses them, order and offsets.

use std::collections::HashMap;

use andiron_client::admin::NewTopic;
use andiron_client::producer::partition_for_key;
use andiron_client::{Header, Isolation, ProducerRecord, SendError};

use crate::support::{Read, bootstrap, client, read_all, topic};

const RECORDS: usize = 100_000;

fn value(n: usize) -> String {
    format!("{{\"n\":{n},\"tail\":\"N{}\",\"words\":\"{}\"}}", n % 977, "abcdefghij".repeat(n % 7))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_hundred_thousand_records_of_each_codec_come_back_equal() {
    let bootstrap = bootstrap();
    // Of today: retention takes what is older than a week while the case runs.
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let client = client(&bootstrap, &[("compression.type", codec), ("batch.size", "65536")]);
        let topic = topic(&client, codec, 3).await;
        let producer = client.producer().unwrap();
        let mut last = None;
        for n in 0..RECORDS {
            let (key, value) = ((n % 977).to_string(), value(n));
            let record = ProducerRecord {
                topic: &topic,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                timestamp: Some(since + n as i64),
                ..ProducerRecord::default()
            };
            last = Some((n, producer.send(&record).await.unwrap()));
        }
        producer.flush().await.unwrap();
        let (n, delivery) = last.unwrap();
        let metadata = delivery.wait().await.unwrap();

        let read = read_all(&client, &topic, Isolation::ReadUncommitted).await;
        assert_eq!(read.len(), RECORDS, "{codec}");
        assert!(read.iter().any(|r| r.partition == metadata.partition
            && r.offset == metadata.offset
            && r.value.as_deref() == Some(value(n).as_bytes())));
        let mut next: HashMap<i32, i64> = HashMap::new();
        let mut numbers: Vec<usize> = Vec::new();
        let mut last_of: HashMap<i32, i64> = HashMap::new();
        for record in &read {
            let n = (record.timestamp - since) as usize;
            numbers.push(n);
            assert_eq!(record.value.as_deref(), Some(value(n).as_bytes()), "{codec}");
            let key = (n % 977).to_string();
            assert_eq!(record.key.as_deref(), Some(key.as_bytes()));
            assert_eq!(record.partition as usize, partition_for_key(key.as_bytes(), 3));
            let expected = next.entry(record.partition).or_insert(0);
            assert_eq!(record.offset, *expected, "offsets without a hole");
            *expected += 1;
            let before = last_of.insert(record.partition, record.timestamp);
            assert!(before.is_none_or(|before| before < record.timestamp), "order within a partition");
        }
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..RECORDS), "{codec}: every record once");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn nulls_and_headers_come_back_as_they_were() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "nulls", 1).await;
    let producer = client.producer().unwrap();
    let headers = [
        Header { key: "a", value: Some(b"1") },
        Header { key: "", value: None },
        Header { key: "a", value: Some(b"") },
    ];
    let empty = ProducerRecord { topic: &topic, timestamp: Some(5), ..ProducerRecord::default() };
    let full = ProducerRecord { key: Some(b""), value: Some(b"v"), headers: &headers, ..empty };
    producer.send(&empty).await.unwrap();
    let delivery = producer.send(&full).await.unwrap();
    assert_eq!(delivery.wait().await.unwrap().offset, 1);
    let read = read_all(&client, &topic, Isolation::ReadUncommitted).await;
    let bare = Read { partition: 0, offset: 0, timestamp: 5, key: None, value: None, headers: vec![] };
    let header = |key: &str, value: Option<&str>| (key.as_bytes().to_vec(), value.map(|v| v.as_bytes().to_vec()));
    let rich = Read {
        offset: 1,
        key: Some(vec![]),
        value: Some(b"v".to_vec()),
        headers: vec![header("a", Some("1")), header("", None), header("a", Some(""))],
        ..bare.clone()
    };
    assert_eq!(read, [bare, rich]);
}

#[tokio::test]
#[ignore = "judged"]
async fn what_cannot_be_sent_is_refused_in_javas_words() {
    let bootstrap = bootstrap();
    let client = client(
        &bootstrap,
        &[("max.request.size", "1000"), ("max.block.ms", "300"), ("allow.auto.create.topics", "false")],
    );
    let topic = topic(&client, "refused", 2).await;
    let producer = client.producer().unwrap();
    let big = vec![0; 1000];
    let record = ProducerRecord { topic: &topic, value: Some(&big), ..ProducerRecord::default() };
    let error = producer.send(&record).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "The message is 1086 bytes when serialized which is larger than 1000, which is the value of the max.request.size configuration."
    );
    let record = ProducerRecord { topic: &topic, partition: Some(2), ..ProducerRecord::default() };
    let error = producer.send(&record).await.unwrap_err();
    let words = format!("Partition 2 of topic {topic} with partition count 2 is not present in metadata after 300 ms.");
    assert_eq!(error.to_string(), words);
    let record = ProducerRecord { topic: "nowhere", ..ProducerRecord::default() };
    assert!(matches!(
        producer.send(&record).await.unwrap_err(),
        SendError::Metadata(_) | SendError::TopicMissing { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn acks_0_and_1_are_kept() {
    let bootstrap = bootstrap();
    for (acks, offset) in [("0", -1), ("1", 0)] {
        let client = client(&bootstrap, &[("acks", acks)]);
        let topic = topic(&client, "acks", 1).await;
        let producer = client.producer().unwrap();
        let record = ProducerRecord { topic: &topic, value: Some(b"x"), ..ProducerRecord::default() };
        let delivery = producer.send(&record).await.unwrap();
        assert_eq!(delivery.wait().await.unwrap().offset, offset);
        producer.close(std::time::Duration::from_secs(5)).await.unwrap();
        assert!(matches!(producer.send(&record).await, Err(SendError::Closed)));
        while read_all(&client, &topic, Isolation::ReadUncommitted).await.len() != 1 {}
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn records_without_a_key_fill_batches_and_reach_every_partition() {
    crate::support::log();
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "sticky", 4).await;
    let producer = client.producer().unwrap();
    let value = [7; 1000];
    for _ in 0..4000 {
        let record = ProducerRecord { topic: &topic, value: Some(&value), ..ProducerRecord::default() };
        producer.send(&record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let read = read_all(&client, &topic, Isolation::ReadUncommitted).await;
    assert_eq!(read.len(), 4000);
    let mut of: HashMap<i32, usize> = HashMap::new();
    read.iter().for_each(|record| *of.entry(record.partition).or_default() += 1);
    assert!(of.len() == 4 && of.values().all(|n| *n > 300), "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn batches_that_are_too_large_for_the_topic_are_split() {
    let bootstrap = bootstrap();
    for codec in ["none", "zstd"] {
        let client = client(&bootstrap, &[("batch.size", "200000"), ("linger.ms", "50"), ("compression.type", codec)]);
        let name = format!("too-large-{}", uuid::Uuid::new_v4().simple());
        let configs = vec![("max.message.bytes".to_owned(), "10000".to_owned())];
        let new = NewTopic { name: name.clone(), partitions: Some(2), configs, ..NewTopic::default() };
        assert_eq!(client.admin().create_topics(&[new], false).await.unwrap()[0].result, Ok(()));
        let producer = client.producer().unwrap();
        // Random, so that no codec makes it small.
        let value: Vec<u8> = (0..20).flat_map(|_| uuid::Uuid::new_v4().into_bytes()).collect();
        let mut deliveries = Vec::new();
        for n in 0..2_000_u32 {
            let mut value = value.clone();
            value.rotate_left(n as usize % 300);
            let (key, value) = (n.to_be_bytes(), Some(&value[..]));
            let record = ProducerRecord { topic: &name, key: Some(&key), value, ..ProducerRecord::default() };
            deliveries.push(producer.send(&record).await.unwrap());
        }
        producer.flush().await.unwrap();
        let read = read_all(&client, &name, Isolation::ReadUncommitted).await;
        assert_eq!(read.len(), 2_000, "{codec}");
        let mut of: HashMap<(i32, i64), u32> = HashMap::new();
        for record in &read {
            let key = u32::from_be_bytes(record.key.clone().unwrap().try_into().unwrap());
            of.insert((record.partition, record.offset), key);
        }
        for (n, delivery) in deliveries.iter().enumerate() {
            let at = delivery.wait().await.unwrap();
            assert_eq!(of.get(&(at.partition, at.offset)), Some(&(n as u32)), "{codec}: where it is said to be");
        }
        let oversized = vec![1; 20_000];
        let record = ProducerRecord { topic: &name, value: Some(&oversized), ..ProducerRecord::default() };
        if codec == "none" {
            let error = producer.send(&record).await.unwrap().wait().await.unwrap_err();
            assert!(error.to_string().starts_with("MESSAGE_TOO_LARGE"), "{error}");
        }
    }
}
