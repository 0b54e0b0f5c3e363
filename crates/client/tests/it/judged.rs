//! What needs more than a broker: a command that restarts it, and a second client to compare with.

use std::collections::HashMap;
use std::process::Command;

use andiron_client::{Isolation, ProducerRecord};

use crate::support::{bootstrap, client, read_all, topic, variable};

/// ANDIRON_TEST_RESTART is run by `sh -c` and must return once the broker has been killed and started again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn an_idempotent_producer_writes_each_record_once_across_a_restart() {
    let bootstrap = bootstrap();
    let restart = variable("ANDIRON_TEST_RESTART");
    let client = client(&bootstrap, &[("compression.type", "lz4"), ("linger.ms", "1")]);
    let topic = topic(&client, "restart", 3).await;
    let producer = client.producer().unwrap();
    let restarting = tokio::task::spawn_blocking(move || {
        let done = Command::new("sh").arg("-c").arg(restart).status().unwrap();
        assert!(done.success());
    });
    let mut sent = 0_u64;
    let mut deliveries = Vec::new();
    // Sends all through the restart and for a while after it.
    let mut after = 0;
    while after < 20_000 {
        after += usize::from(restarting.is_finished());
        let value = sent.to_be_bytes();
        let record =
            ProducerRecord { topic: &topic, key: Some(&value[6..]), value: Some(&value), ..ProducerRecord::default() };
        deliveries.push(producer.send(&record).await.unwrap());
        sent += 1;
        if sent.is_multiple_of(100) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    restarting.await.unwrap();
    producer.flush().await.unwrap();
    for delivery in &deliveries {
        delivery.wait().await.unwrap();
    }
    let read = read_all(&client, &topic, Isolation::ReadUncommitted).await;
    let number = |value: &Option<Vec<u8>>| u64::from_be_bytes(value.as_deref().unwrap().try_into().unwrap());
    let mut last: HashMap<i32, u64> = HashMap::new();
    for record in &read {
        let n = number(&record.value);
        let before = last.insert(record.partition, n);
        assert!(before.is_none_or(|before| before < n), "order within partition {}", record.partition);
    }
    assert_eq!(read.len() as u64, sent, "every record once");
    println!("{sent} records, each once and in order");
}

/// ANDIRON_TEST_PYTHON is a Python with kafka-python, whose default partitioner is Java's.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn keys_go_where_another_client_sends_them() {
    let bootstrap = bootstrap();
    let python = variable("ANDIRON_TEST_PYTHON");
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "keys", 7).await;
    let script = "import sys, kafka\n\
        p = kafka.KafkaProducer(bootstrap_servers=sys.argv[1])\n\
        for n in range(2000): p.send(sys.argv[2], key=('N%d' % (n * n)).encode(), value=b'theirs')\n\
        p.flush()";
    let (python_topic, python_bootstrap) = (topic.clone(), bootstrap.clone());
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(python).args(["-c", script, &python_bootstrap, &python_topic]).status().unwrap()
    });
    assert!(ran.await.unwrap().success());
    let producer = client.producer().unwrap();
    for n in 0..2000 {
        let key = format!("N{}", n * n);
        let record = ProducerRecord {
            topic: &topic,
            key: Some(key.as_bytes()),
            value: Some(b"ours"),
            ..ProducerRecord::default()
        };
        producer.send(&record).await.unwrap();
    }
    producer.flush().await.unwrap();
    let mut of: HashMap<Vec<u8>, Vec<i32>> = HashMap::new();
    for record in read_all(&client, &topic, Isolation::ReadUncommitted).await {
        of.entry(record.key.unwrap()).or_default().push(record.partition);
    }
    assert_eq!(of.len(), 2000);
    for (key, partitions) in of {
        assert!(partitions.len() == 2 && partitions[0] == partitions[1], "{key:?}: {partitions:?}");
    }
}

/// Transactions of another client, committed, aborted and plain ones between them; needs confluent-kafka.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn read_committed_sees_what_was_committed_and_passes_the_rest() {
    let bootstrap = bootstrap();
    let python = variable("ANDIRON_TEST_PYTHON");
    let client = client(&bootstrap, &[("max.partition.fetch.bytes", "2000")]);
    let topic = topic(&client, "committed", 1).await;
    let script = "import sys\n\
        from confluent_kafka import Producer\n\
        conf = {'bootstrap.servers': sys.argv[1], 'linger.ms': 0}\n\
        plain = Producer(conf)\n\
        txn = Producer({**conf, 'transactional.id': sys.argv[2]})\n\
        txn.init_transactions()\n\
        for n in range(20):\n\
        \x20   txn.begin_transaction()\n\
        \x20   for m in range(30): txn.produce(sys.argv[2], partition=0, value='%d %s' % (n, 'x' * 50))\n\
        \x20   txn.flush()\n\
        \x20   plain.produce(sys.argv[2], partition=0, value='plain'); plain.flush()\n\
        \x20   txn.abort_transaction() if n % 2 else txn.commit_transaction()\n";
    let to = topic.clone();
    let ran = tokio::task::spawn_blocking(move || Command::new(python).args(["-c", script, &bootstrap, &to]).status());
    assert!(ran.await.unwrap().unwrap().success());
    let count = |read: &[crate::support::Read]| {
        let plain = read.iter().filter(|r| r.value.as_deref() == Some(b"plain")).count();
        let odd = |r: &&crate::support::Read| {
            let value = String::from_utf8(r.value.clone().unwrap()).unwrap();
            value.split_once(' ').is_some_and(|(n, _)| n.parse::<u32>().unwrap() % 2 == 1)
        };
        (plain, read.iter().filter(odd).count(), read.len())
    };
    assert_eq!(count(&read_all(&client, &topic, Isolation::ReadCommitted).await), (20, 0, 320));
    assert_eq!(count(&read_all(&client, &topic, Isolation::ReadUncommitted).await), (20, 300, 620));
}
