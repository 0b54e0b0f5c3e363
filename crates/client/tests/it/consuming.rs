//! The group consumer: members that share, rebalance, seek, pause and commit, alone and beside other clients' members.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use andiron_client::admin::NewTopic;
use andiron_client::{
    Client, Consumer, ConsumerError, ConsumerRecord, OffsetAndMetadata, ProducerRecord, RebalanceListener,
    TopicPartition,
};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::support::{bootstrap, client, topic, variable};

/// Nothing here waits longer for what must come.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const TICK: Duration = Duration::from_millis(100);

pub fn unique(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}

pub async fn fill(client: &Client, topic: &str, partitions: i32, numbers: std::ops::Range<usize>) {
    let producer = client.producer().unwrap();
    for n in numbers {
        let value = n.to_string();
        let partition = Some((n as i32) % partitions);
        let record = ProducerRecord { topic, partition, value: Some(value.as_bytes()), ..ProducerRecord::default() };
        producer.send(&record).await.unwrap();
    }
    producer.flush().await.unwrap();
}

pub fn number(record: &ConsumerRecord) -> usize {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap().parse().unwrap()
}

pub async fn poll_some(consumer: &mut Consumer, most: usize) -> Vec<ConsumerRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while records.len() < most {
        assert!(Instant::now() < deadline, "{} of {most} records came", records.len());
        records.extend(consumer.poll(TICK).await.unwrap());
    }
    records
}

/// Polls all of them until it is so.
pub async fn poll_until(
    consumers: &mut [&mut Consumer],
    is_so: impl Fn(&[&mut Consumer]) -> bool,
) -> Vec<ConsumerRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while !is_so(consumers) {
        let held: Vec<_> = consumers.iter().map(|consumer| consumer.assignment()).collect();
        assert!(Instant::now() < deadline, "the members hold {held:?}");
        for consumer in consumers.iter_mut() {
            records.extend(consumer.poll(Duration::from_millis(20)).await.unwrap());
        }
    }
    records
}

/// Whether every partition has exactly one holder and the shares differ by no more than one.
pub fn is_shared(consumers: &[&mut Consumer], partitions: usize) -> bool {
    let held: Vec<Vec<TopicPartition>> = consumers.iter().map(|consumer| consumer.assignment()).collect();
    let all: BTreeSet<&TopicPartition> = held.iter().flatten().collect();
    let (least, most) = (held.iter().map(Vec::len).min().unwrap(), held.iter().map(Vec::len).max().unwrap());
    all.len() == partitions && held.iter().map(Vec::len).sum::<usize>() == partitions && most <= least + 1
}

#[derive(Default)]
pub struct Told {
    pub revoked: usize,
    pub assigned: usize,
    pub lost: usize,
}

pub struct Listens(pub Arc<Mutex<Told>>);

#[async_trait::async_trait]
impl RebalanceListener for Listens {
    async fn partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.0.lock().revoked += partitions.len();
        consumer.commit_sync().await.unwrap();
    }

    async fn partitions_assigned(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        self.0.lock().assigned += partitions.len();
    }

    async fn partitions_lost(&mut self, _: &mut Consumer, partitions: &[TopicPartition]) {
        self.0.lock().lost += partitions.len();
    }
}

fn protocols() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let strategy = "partition.assignment.strategy";
    let class = |name: &'static str| vec![(strategy, name)];
    vec![
        ("range", class("org.apache.kafka.clients.consumer.RangeAssignor")),
        ("roundrobin", class("org.apache.kafka.clients.consumer.RoundRobinAssignor")),
        ("sticky", class("org.apache.kafka.clients.consumer.StickyAssignor")),
        ("cooperative-sticky", class("org.apache.kafka.clients.consumer.CooperativeStickyAssignor")),
    ]
}

pub fn member(bootstrap: &str, group: &str, properties: &[(&str, &str)]) -> Consumer {
    let all: Vec<(&str, &str)> = [("group.id", group), ("auto.offset.reset", "earliest")]
        .into_iter()
        .chain(properties.iter().copied())
        .collect();
    client(bootstrap, &all).consumer().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn what_one_member_has_committed_the_next_does_not_read_again() {
    crate::support::log();
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[("compression.type", "lz4")]);
    let topic = topic(&client, "committed-offsets", 3).await;
    let group = unique("group");
    fill(&client, &topic, 3, 0..3_000).await;
    let mut first = member(&bootstrap, &group, &[("enable.auto.commit", "false"), ("max.poll.records", "100")]);
    first.subscribe([topic.as_str()]).await.unwrap();
    let mut seen: Vec<usize> = Vec::new();
    while seen.len() < 1_000 {
        let records = first.poll(TICK).await.unwrap();
        assert!(records.len() <= 100);
        seen.extend(records.iter().map(number));
        first.commit_async().unwrap().await.unwrap();
    }
    let committed = first.committed(&first.assignment()).await.unwrap();
    assert_eq!(committed.values().map(|offset| offset.offset).sum::<i64>(), seen.len() as i64);
    first.close(PATIENCE).await.unwrap();

    let mut second = member(&bootstrap, &group, &[("auto.commit.interval.ms", "100")]);
    second.subscribe([topic.as_str()]).await.unwrap();
    let rest = 3_000 - seen.len();
    seen.extend(poll_some(&mut second, rest).await.iter().map(number));
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..3_000), "every record once");
    let partitions = second.assignment();
    assert_eq!(partitions.len(), 3);
    second.close(PATIENCE).await.unwrap();

    let third = member(&bootstrap, &group, &[]);
    let committed = third.committed(&partitions).await.unwrap();
    assert_eq!(committed.values().map(|offset| offset.offset).sum::<i64>(), 3_000, "closing commits");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn members_share_under_every_assignor_and_each_record_is_read_once() {
    crate::support::log();
    let bootstrap = bootstrap();
    let protocols = protocols();
    join_all(protocols.iter().map(|(name, properties)| members_share(&bootstrap, name, properties))).await;
}

/// One member, then two, then three, then two again share six partitions.
pub async fn members_share(bootstrap: &str, name: &str, properties: &[(&str, &str)]) {
    let client = client(bootstrap, &[]);
    let topic = topic(&client, name, 6).await;
    let group = unique(name);
    fill(&client, &topic, 6, 0..6_000).await;
    let told: Vec<Arc<Mutex<Told>>> = (0..3).map(|_| Arc::default()).collect();
    let new = |at: usize| {
        let mut consumer = member(bootstrap, &group, properties);
        consumer.set_rebalance_listener(Some(Box::new(Listens(told[at].clone()))));
        consumer
    };
    let mut seen: Vec<usize> = Vec::new();
    let mut a = new(0);
    a.subscribe([topic.as_str()]).await.unwrap();
    let came = poll_until(&mut [&mut a], |all| is_shared(all, 6)).await;
    seen.extend(came.iter().map(number));
    let mut b = new(1);
    b.subscribe([topic.as_str()]).await.unwrap();
    let came = poll_until(&mut [&mut a, &mut b], |all| is_shared(all, 6)).await;
    seen.extend(came.iter().map(number));
    if name == "cooperative-sticky" {
        assert_eq!(told[0].lock().revoked, 3, "only what the other gets is given up");
    }
    let mut c = new(2);
    c.subscribe([topic.as_str()]).await.unwrap();
    let came = poll_until(&mut [&mut a, &mut b, &mut c], |all| is_shared(all, 6)).await;
    seen.extend(came.iter().map(number));
    a.close(PATIENCE).await.unwrap();
    let came = poll_until(&mut [&mut b, &mut c], |all| is_shared(all, 6)).await;
    seen.extend(came.iter().map(number));
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 6_000 && Instant::now() < deadline {
        seen.extend(b.poll(TICK).await.unwrap().iter().map(number));
        seen.extend(c.poll(TICK).await.unwrap().iter().map(number));
    }
    seen.sort_unstable();
    assert!(seen.iter().copied().eq(0..6_000), "{name}: {} records", seen.len());
    for told in &told {
        assert_eq!(told.lock().lost, 0, "{name}: nothing was lost in an orderly rebalance");
    }
    b.close(PATIENCE).await.unwrap();
    c.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn positions_seeks_and_pauses_are_those_of_java() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[("auto.offset.reset", "earliest")]);
    let topic = topic(&client, "seeking", 2).await;
    fill(&client, &topic, 2, 0..200).await;
    let (p0, p1) = (TopicPartition::new(topic.as_str(), 0), TopicPartition::new(topic.as_str(), 1));
    let mut consumer = client.consumer().unwrap();
    assert_eq!(
        consumer.poll(TICK).await.unwrap_err().to_string(),
        "Consumer is not subscribed to any topics or assigned any partitions"
    );
    assert!(matches!(consumer.subscribe(["t"]).await, Err(ConsumerError::NoGroup)));
    assert_eq!(consumer.seek(&p0, 1).unwrap_err().to_string(), format!("No current assignment for partition {p0}"));
    let both = [p0.clone(), p1.clone()];
    consumer.assign(&both).await.unwrap();
    assert_eq!(consumer.position(&p0).await.unwrap(), 0);
    let read = poll_some(&mut consumer, 200).await;
    assert_eq!(read.len(), 200);
    assert_eq!(consumer.position(&p1).await.unwrap(), 100);
    assert_eq!(consumer.current_lag(&p1), Some(0));

    consumer.seek(&p0, 90).unwrap();
    let again: Vec<i64> = poll_some(&mut consumer, 10).await.iter().map(|record| record.offset).collect();
    assert!(again.into_iter().eq(90..100));

    consumer.pause(std::slice::from_ref(&p0)).unwrap();
    consumer.seek_to_beginning(&[]).unwrap();
    let only: Vec<ConsumerRecord> = poll_some(&mut consumer, 100).await;
    assert!(only.iter().all(|record| record.partition == p1));
    assert!(consumer.poll(Duration::from_millis(300)).await.unwrap().is_empty(), "the other is paused");
    assert_eq!(consumer.paused(), std::slice::from_ref(&p0));
    consumer.resume(std::slice::from_ref(&p0)).unwrap();
    assert_eq!(poll_some(&mut consumer, 100).await.len(), 100);

    consumer.seek_to_end(&[]).unwrap();
    assert_eq!(consumer.position(&p0).await.unwrap(), 100);
    let ends = consumer.end_offsets(&[p0.clone(), p1.clone()]).await.unwrap();
    assert_eq!(ends, BTreeMap::from([(p0.clone(), 100), (p1.clone(), 100)]));
    consumer.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_consumer_that_may_not_reset_says_why_it_cannot_go_on() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[("auto.offset.reset", "none"), ("group.id", &unique("none"))]);
    let topic = topic(&client, "none", 1).await;
    fill(&client, &topic, 1, 0..10).await;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let mut consumer = client.consumer().unwrap();
    consumer.assign(std::slice::from_ref(&partition)).await.unwrap();
    let error = poll_error(&mut consumer).await;
    assert_eq!(error.to_string(), format!("Undefined offset with no reset policy for partitions: [{partition}]"));
    consumer.seek(&partition, 77).unwrap();
    let error = poll_error(&mut consumer).await;
    assert_eq!(
        error.to_string(),
        format!("Offsets out of range with no configured reset policy for partitions: {{{partition}=77}}")
    );
    let offsets = BTreeMap::from([(partition.clone(), OffsetAndMetadata::from(3))]);
    consumer.commit_sync_offsets(offsets).await.unwrap();
    consumer.seek(&partition, 0).unwrap();
    assert_eq!(poll_some(&mut consumer, 10).await[0].offset, 0);
    assert_eq!(consumer.committed(std::slice::from_ref(&partition)).await.unwrap()[&partition].offset, 3);
}

async fn poll_error(consumer: &mut Consumer) -> ConsumerError {
    timeout(PATIENCE, async {
        loop {
            if let Err(error) = consumer.poll(TICK).await {
                return error;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_pattern_finds_topics_that_are_made_later() {
    let bootstrap = bootstrap();
    let prefix = unique("later");
    let client = client(&bootstrap, &[]);
    let make = async |name: String| {
        let new = NewTopic { name: name.clone(), partitions: Some(1), ..NewTopic::default() };
        assert_eq!(client.admin().create_topics(&[new], false).await.unwrap()[0].result, Ok(()));
        fill(&client, &name, 1, 0..10).await;
    };
    make(format!("{prefix}-1")).await;
    let mut consumer = member(&bootstrap, &unique("group"), &[("metadata.max.age.ms", "500")]);
    consumer.subscribe_pattern(&format!("{prefix}-.*")).unwrap();
    assert_eq!(poll_some(&mut consumer, 10).await.len(), 10);
    make(format!("{prefix}-2")).await;
    let more = poll_some(&mut consumer, 10).await;
    assert!(more.iter().all(|record| *record.partition.topic == *format!("{prefix}-2")));
    assert_eq!(consumer.assignment().len(), 2);
    consumer.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_static_member_that_comes_back_finds_its_partitions() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "static", 4).await;
    let group = unique("static");
    let new = |instance: &str| member(&bootstrap, &group, &[("group.instance.id", instance)]);
    let (mut a, mut b) = (new("a"), new("b"));
    a.subscribe([topic.as_str()]).await.unwrap();
    b.subscribe([topic.as_str()]).await.unwrap();
    poll_until(&mut [&mut a, &mut b], |all| is_shared(all, 4)).await;
    let (held, before) = (b.assignment(), a.group_metadata().unwrap());
    b.close(PATIENCE).await.unwrap();
    let mut b = new("b");
    b.subscribe([topic.as_str()]).await.unwrap();
    poll_until(&mut [&mut a, &mut b], |all| !all[1].assignment().is_empty()).await;
    assert_eq!(b.assignment(), held);
    assert_eq!(a.group_metadata().unwrap(), before, "the others have not noticed");
    // A second one of the same name fences the first.
    let mut impostor = new("b");
    impostor.subscribe([topic.as_str()]).await.unwrap();
    let error = timeout(PATIENCE, async {
        loop {
            impostor.poll(Duration::from_millis(20)).await.unwrap();
            a.poll(Duration::from_millis(20)).await.unwrap();
            if let Err(error) = b.poll(Duration::from_millis(20)).await {
                return error;
            }
        }
    });
    assert!(matches!(error.await.unwrap(), ConsumerError::Group { .. }));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn who_does_not_poll_in_time_loses_its_partitions() {
    a_slow_member_loses_its_partitions(&[]).await;
}

/// Another member has all; the slow one may not commit, and gets its share again.
pub(crate) async fn a_slow_member_loses_its_partitions(properties: &[(&str, &str)]) {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "slow", 2).await;
    fill(&client, &topic, 2, 0..10).await;
    let group = unique("slow");
    let told: Arc<Mutex<Told>> = Arc::default();
    let of_slow = [properties, &[("max.poll.interval.ms", "2000"), ("enable.auto.commit", "false")]].concat();
    let mut slow = member(&bootstrap, &group, &of_slow);
    slow.set_rebalance_listener(Some(Box::new(Listens(told.clone()))));
    slow.subscribe([topic.as_str()]).await.unwrap();
    assert_eq!(poll_some(&mut slow, 10).await.len(), 10);
    let mut other = member(&bootstrap, &group, properties);
    other.subscribe([topic.as_str()]).await.unwrap();
    poll_until(&mut [&mut other], |all| is_shared(all, 2)).await;
    let error = slow.commit_sync().await.unwrap_err();
    assert!(error.to_string().starts_with("Offset commit cannot be completed since the consumer is"), "{error}");
    poll_until(&mut [&mut slow, &mut other], |all| is_shared(all, 2)).await;
    assert_eq!(told.lock().lost, 2);
    slow.close(PATIENCE).await.unwrap();
    other.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn a_consumer_without_a_group_begins_where_a_duration_says() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[("auto.offset.reset", "by_duration:PT1H")]);
    let topic = topic(&client, "by-duration", 1).await;
    let producer = client.producer().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    for (value, ago) in [("0", 7_200_000), ("1", 5_400_000), ("2", 1_800_000), ("3", 0)] {
        let (value, timestamp) = (Some(value.as_bytes()), Some(now - ago));
        producer.send(&ProducerRecord { topic: &topic, value, timestamp, ..ProducerRecord::default() }).await.unwrap();
        producer.flush().await.unwrap();
    }
    let mut consumer = client.consumer().unwrap();
    consumer.assign(&[TopicPartition::new(topic.as_str(), 0)]).await.unwrap();
    assert_eq!(poll_some(&mut consumer, 2).await.iter().map(number).collect::<Vec<_>>(), [2, 3]);
}

struct Foreign(Child);

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A member of another client, which prints a record's value a line until its input ends, and then closes.
fn foreign(script: &str, arguments: &[&str]) -> Foreign {
    let python = variable("ANDIRON_TEST_PYTHON");
    let mut command = Command::new(python);
    command.arg("-c").arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    Foreign(command.spawn().unwrap())
}

impl Foreign {
    /// Ends it in good order; what it has read.
    fn end(mut self) -> Vec<usize> {
        drop(self.0.stdin.take());
        let mut read = String::new();
        std::io::Read::read_to_string(self.0.stdout.as_mut().unwrap(), &mut read).unwrap();
        assert!(self.0.wait().unwrap().success());
        read.lines().map(|line| line.parse().unwrap()).collect()
    }
}

const CONFLUENT: &str = "import sys, threading\n\
    from confluent_kafka import Consumer\n\
    done = threading.Event()\n\
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()\n\
    c = Consumer({'bootstrap.servers': sys.argv[1], 'group.id': sys.argv[2], 'auto.offset.reset': 'earliest',\n\
    \x20   'partition.assignment.strategy': sys.argv[4], 'session.timeout.ms': 10000})\n\
    c.subscribe([sys.argv[3]])\n\
    while not done.is_set():\n\
    \x20   m = c.poll(0.1)\n\
    \x20   if m is not None and not m.error(): print(m.value().decode(), flush=True)\n\
    c.close()\n";

const KAFKA_PYTHON: &str = "import sys, threading, kafka\n\
    from kafka.coordinator.assignors.range import RangePartitionAssignor\n\
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor\n\
    done = threading.Event()\n\
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()\n\
    of = {'range': RangePartitionAssignor, 'roundrobin': RoundRobinPartitionAssignor}[sys.argv[4]]\n\
    c = kafka.KafkaConsumer(bootstrap_servers=sys.argv[1], group_id=sys.argv[2], auto_offset_reset='earliest',\n\
    \x20   partition_assignment_strategy=[of], session_timeout_ms=10000)\n\
    c.subscribe([sys.argv[3]])\n\
    while not done.is_set():\n\
    \x20   for records in c.poll(100).values():\n\
    \x20       for r in records: print(r.value.decode(), flush=True)\n\
    c.close()\n";

/// Ours is there first and leads, the other joins, both hold a half; then the other leaves and ours has all again.
/// Then the other is there first and leads. Together they read every record once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn other_clients_members_rebalance_with_ours() {
    crate::support::log();
    let bootstrap = bootstrap();
    let stories = [
        ("confluent eager", CONFLUENT, "range"),
        ("confluent eager", CONFLUENT, "roundrobin"),
        ("confluent cooperative", CONFLUENT, "cooperative-sticky"),
        ("kafka-python eager", KAFKA_PYTHON, "range"),
        ("kafka-python eager", KAFKA_PYTHON, "roundrobin"),
    ];
    // Most of a rebalance is waiting, so the stories wait together.
    let both = |(what, script, strategy)| {
        [true, false].map(|first| rebalance_beside(&bootstrap, what, script, strategy, first))
    };
    join_all(stories.into_iter().flat_map(both)).await;
}

/// Ours and another client's member share a topic until the other goes: every record comes once, to one of them.
async fn rebalance_beside(bootstrap: &str, what: &str, script: &'static str, strategy: &str, ours_first: bool) {
    let client = client(bootstrap, &[]);
    let topic = topic(&client, "together", 4).await;
    let group = unique("together");
    let start = || foreign(script, &[bootstrap, &group, &topic, strategy]);
    let mut theirs = (!ours_first).then(start);
    if theirs.is_some() {
        wait_for_members(&client, &group, 1).await;
    }
    let mut ours = member(bootstrap, &group, &[("partition.assignment.strategy", strategy)]);
    ours.subscribe([topic.as_str()]).await.unwrap();
    if ours_first {
        poll_until(&mut [&mut ours], |all| is_shared(all, 4)).await;
        theirs = Some(start());
    }
    poll_until(&mut [&mut ours], |all| all[0].assignment().len() == 2).await;
    fill(&client, &topic, 4, 0..400).await;
    let mut seen: HashMap<usize, usize> = HashMap::new();
    for record in poll_some(&mut ours, 200).await {
        *seen.entry(number(&record)).or_default() += 1;
    }
    let ending = tokio::task::spawn_blocking(move || theirs.unwrap().end());
    let late = poll_until(&mut [&mut ours], |all| is_shared(all, 4)).await;
    for n in ending.await.unwrap().into_iter().chain(late.iter().map(number)) {
        *seen.entry(n).or_default() += 1;
    }
    // What the other did not come to is ours now.
    let deadline = Instant::now() + PATIENCE;
    while seen.len() < 400 {
        assert!(Instant::now() < deadline, "{what} {strategy}: {} records came", seen.len());
        for record in ours.poll(TICK).await.unwrap() {
            *seen.entry(number(&record)).or_default() += 1;
        }
    }
    assert!(seen.values().all(|times| *times == 1), "{what} {strategy}: {seen:?}");
    ours.close(PATIENCE).await.unwrap();
}

async fn wait_for_members(client: &Client, group: &str, members: usize) {
    timeout(PATIENCE, async {
        loop {
            let described = client.admin().describe_groups(&[group.to_owned()]).await.unwrap();
            if described[0].as_ref().is_ok_and(|group| group.state == "Stable" && group.members.len() == members) {
                return;
            }
            tokio::time::sleep(TICK).await;
        }
    })
    .await
    .unwrap();
}
