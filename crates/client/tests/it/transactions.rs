//! The transactional producer: what is committed is seen, what is aborted is not, and who is fenced stays out.

use std::collections::BTreeMap;
use std::time::Duration;

use andiron_client::{
    Client, Isolation, OffsetAndMetadata, OffsetSpec, Producer, ProducerRecord, SendError, TopicPartition, Topics,
    TransactionError,
};
use tokio::time::timeout;

use crate::consuming::{PATIENCE, TICK, fill, member, number, poll_some, unique};
use crate::support::{bootstrap, client, read_all, topic};

fn transactional(bootstrap: &str, id: &str, properties: &[(&str, &str)]) -> Producer {
    let all: Vec<(&str, &str)> = [("transactional.id", id)].into_iter().chain(properties.iter().copied()).collect();
    client(bootstrap, &all).producer().unwrap()
}

async fn send(producer: &Producer, topic: &str, value: &str) -> Result<(), SendError> {
    let record = ProducerRecord { topic, value: Some(value.as_bytes()), ..ProducerRecord::default() };
    producer.send(&record).await.map(drop)
}

async fn committed(client: &Client, topic: &str) -> Vec<String> {
    settled(client, topic).await;
    let read = read_all(client, topic, Isolation::ReadCommitted).await;
    read.into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

/// A commit is answered when it is decided; its markers follow. Waits until no transaction is open in the topic.
async fn settled(client: &Client, topic: &str) {
    let partitions = client.topics(&Topics::Names(vec![topic.to_owned()])).await.unwrap()[0].partitions.len();
    let ask: Vec<_> =
        (0..partitions).map(|p| (TopicPartition::new(topic, i32::try_from(p).unwrap()), OffsetSpec::Latest)).collect();
    let ends = async |isolation| -> Vec<Option<i64>> {
        client.list_offsets(&ask, isolation).await.unwrap().iter().map(|found| found.offset).collect()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while ends(Isolation::ReadCommitted).await != ends(Isolation::ReadUncommitted).await {
        assert!(tokio::time::Instant::now() < deadline, "a transaction stays open in {topic}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn what_a_transaction_commits_is_seen_and_what_it_aborts_is_not() {
    crate::support::log();
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "txn", 3).await;
    let producer = transactional(&bootstrap, &unique("txn"), &[]);
    let error = producer.begin_transaction().unwrap_err();
    assert_eq!(error.to_string(), "Cannot begin a transaction in state UNINITIALIZED");
    producer.init_transactions().await.unwrap();
    assert!(matches!(send(&producer, &topic, "outside").await, Err(SendError::Transaction(_))));
    let mut expected = Vec::new();
    for round in 0..10 {
        producer.begin_transaction().unwrap();
        for n in 0..50 {
            let value = format!("{round}-{n}");
            send(&producer, &topic, &value).await.unwrap();
            if round % 2 == 0 {
                expected.push(value);
            }
        }
        match round % 2 {
            0 => producer.commit_transaction().await.unwrap(),
            // Once with everything written, once with most of it unsent.
            _ => {
                if round % 4 == 1 {
                    producer.flush().await.unwrap();
                }
                producer.abort_transaction().await.unwrap();
            }
        }
    }
    // Nothing in it, and all the same a transaction.
    producer.begin_transaction().unwrap();
    producer.commit_transaction().await.unwrap();
    // One that nobody ends.
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "left open").await.unwrap();
    let _ = producer.close(PATIENCE).await;
    let mut seen = committed(&client, &topic).await;
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_second_producer_of_the_same_id_fences_the_first() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "fencing", 1).await;
    let id = unique("fencing");
    let first = transactional(&bootstrap, &id, &[]);
    first.init_transactions().await.unwrap();
    first.begin_transaction().unwrap();
    send(&first, &topic, "of the first").await.unwrap();
    first.flush().await.unwrap();
    let second = transactional(&bootstrap, &id, &[]);
    second.init_transactions().await.unwrap();
    let error = first.commit_transaction().await.unwrap_err();
    assert!(matches!(error, TransactionError::Fenced), "{error:?}");
    assert!(matches!(first.abort_transaction().await, Err(TransactionError::Fenced)));
    second.begin_transaction().unwrap();
    send(&second, &topic, "of the second").await.unwrap();
    second.commit_transaction().await.unwrap();
    assert_eq!(committed(&client, &topic).await, ["of the second"]);
}

/// Reads from one topic and writes to another, every third transaction aborted and read again: each record once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn read_process_write_is_exactly_once() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let (from, to) = (topic(&client, "from", 2).await, topic(&client, "to", 2).await);
    fill(&client, &from, 2, 0..500).await;
    let group = unique("eos");
    let properties =
        [("enable.auto.commit", "false"), ("max.poll.records", "40"), ("isolation.level", "read_committed")];
    for protocol in ["classic"] {
        let mut consumer = member(&bootstrap, &group, &[&properties[..], &[("group.protocol", protocol)]].concat());
        consumer.subscribe([from.as_str()]).await.unwrap();
        let producer = transactional(&bootstrap, &unique("eos"), &[]);
        producer.init_transactions().await.unwrap();
        let mut done = 0;
        let mut rounds = 0;
        while done < 500 {
            let records = timeout(PATIENCE, async {
                loop {
                    let records = consumer.poll(TICK).await.unwrap();
                    if !records.is_empty() {
                        return records;
                    }
                }
            });
            let records = records.await.unwrap();
            producer.begin_transaction().unwrap();
            let mut offsets: BTreeMap<_, OffsetAndMetadata> = BTreeMap::new();
            for record in &records {
                send(&producer, &to, &format!("{:03}", number(record))).await.unwrap();
                offsets.insert(record.partition.clone(), (record.offset + 1).into());
            }
            let metadata = consumer.group_metadata().unwrap();
            producer.send_offsets_to_transaction(&offsets, &metadata).await.unwrap();
            rounds += 1;
            if rounds % 3 == 0 {
                producer.abort_transaction().await.unwrap();
                // Back to what is committed.
                let assigned = consumer.assignment();
                let committed = consumer.committed(&assigned).await.unwrap();
                for partition in &assigned {
                    let offset = committed.get(partition).cloned().unwrap_or_default();
                    consumer.seek(partition, offset).unwrap();
                }
            } else {
                producer.commit_transaction().await.unwrap();
                done += records.len();
            }
        }
        let mut stale = consumer.group_metadata().unwrap();
        stale.generation_id += 7;
        producer.begin_transaction().unwrap();
        let offsets = BTreeMap::from([(consumer.assignment()[0].clone(), OffsetAndMetadata::from(1))]);
        let error = producer.send_offsets_to_transaction(&offsets, &stale).await.unwrap_err();
        assert!(matches!(error, TransactionError::Abortable(_)), "{error:?}");
        producer.abort_transaction().await.unwrap();
        consumer.close(PATIENCE).await.unwrap();
    }
    let mut seen = committed(&client, &to).await;
    seen.sort();
    let expected: Vec<String> = (0..500).map(|n| format!("{n:03}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_read_committed_consumer_waits_for_the_end_of_a_transaction() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "lso", 1).await;
    let producer = transactional(&bootstrap, &unique("lso"), &[("linger.ms", "0")]);
    producer.init_transactions().await.unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, "1").await.unwrap();
    producer.flush().await.unwrap();
    let mut consumer = member(&bootstrap, &unique("lso"), &[("isolation.level", "read_committed")]);
    consumer.subscribe([topic.as_str()]).await.unwrap();
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < until || consumer.assignment().is_empty() {
        assert!(consumer.poll(TICK).await.unwrap().is_empty());
    }
    producer.commit_transaction().await.unwrap();
    assert_eq!(poll_some(&mut consumer, 1).await.iter().map(number).collect::<Vec<_>>(), [1]);
    consumer.close(PATIENCE).await.unwrap();
}
