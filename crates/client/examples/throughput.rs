//! Produces records to a broker, fetches their batches back, and reads them once more with the group consumer, record by
//! record; prints records per second and the client's own CPU per record.
//!
//! `cargo run --release -p andiron-client --example throughput -- localhost:9092 [records] [bytes] [name=value ...]`,
//! where each `name=value` is a property of the client such as `compression.type=lz4`.

use std::error::Error;
use std::time::{Duration, Instant};

use andiron_client::admin::NewTopic;
use andiron_client::{Client, ClientConfig, Isolation, OffsetSpec, ProducerRecord, ReadRange, TopicPartition};
use andiron_protocol::batch::Batches;

const PARTITIONS: i32 = 3;

fn cpu() -> Duration {
    // Fields 14 and 15 of /proc/self/stat: user and system time in ticks of 10 ms.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn report(what: &str, records: usize, bytes: usize, since: Instant, cpu_since: Duration) {
    let (wall, cpu) = (since.elapsed().as_secs_f64(), (cpu() - cpu_since).as_secs_f64());
    println!(
        "{what}: {records} records in {wall:.2} s = {:.0} records/s, {:.1} MB/s, {:.2} us CPU per record",
        records as f64 / wall,
        bytes as f64 / wall / 1e6,
        cpu * 1e6 / records as f64
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let bootstrap = arguments.next().ok_or("usage: throughput BOOTSTRAP [records] [bytes] [name=value ...]")?;
    let records: usize = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let size: usize = arguments.next().map_or(Ok(1024), |n| n.parse())?;
    let mut properties = vec![("bootstrap.servers".to_owned(), bootstrap)];
    for property in arguments {
        let (name, value) = property.split_once('=').ok_or("a property is name=value")?;
        properties.push((name.to_owned(), value.to_owned()));
    }
    let client = Client::new(ClientConfig::from_properties(properties.clone())?);
    let topic = format!("throughput-{}", std::process::id());
    let new = NewTopic { name: topic.clone(), partitions: Some(PARTITIONS), ..NewTopic::default() };
    client.admin().create_topics(&[new], false).await?;

    // Half of the bytes random, so that codecs have some work and some success.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let value: Vec<u8> = (0..size + 4096)
        .map(|at| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if at % 2 == 0 { (random >> 56) as u8 } else { b'a' }
        })
        .collect();
    let producer = client.producer()?;
    let (start, cpu_start) = (Instant::now(), cpu());
    for n in 0..records {
        let from = n % 4096;
        let value = Some(&value[from..from + size]);
        producer.send(&ProducerRecord { topic: &topic, value, ..ProducerRecord::default() }).await?;
    }
    producer.flush().await?;
    report("produce", records, records * size, start, cpu_start);

    let partitions: Vec<TopicPartition> = (0..PARTITIONS).map(|p| TopicPartition::new(topic.as_str(), p)).collect();
    let ask: Vec<_> = partitions.iter().map(|p| (p.clone(), OffsetSpec::Latest)).collect();
    let ends = client.list_offsets(&ask, Isolation::ReadUncommitted).await?;
    let (start, cpu_start) = (Instant::now(), cpu());
    let ranges = partitions.iter().zip(&ends).map(|(partition, end)| ReadRange {
        partition: partition.clone(),
        start: 0,
        end: end.offset.unwrap_or(0),
    });
    let readers = client.read(ranges.collect(), Isolation::ReadUncommitted);
    let tasks: Vec<_> = readers
        .into_iter()
        .map(|mut reader| {
            tokio::spawn(async move {
                let (mut count, mut bytes) = (0, 0);
                while let Some(run) = reader.next().await {
                    let run = run.map_err(|error| error.to_string())?;
                    bytes += run.records.len();
                    for batch in Batches::new(&run.records) {
                        count += batch.map_err(|error| error.to_string())?.header.record_count as usize;
                    }
                }
                Ok::<_, String>((count, bytes))
            })
        })
        .collect();
    let (mut count, mut bytes) = (0, 0);
    for task in tasks {
        let (of_partition, bytes_of_partition) = task.await??;
        count += of_partition;
        bytes += bytes_of_partition;
    }
    report("fetch", count, bytes, start, cpu_start);

    properties.retain(|(name, _)| name != "auto.offset.reset" && name != "group.id");
    properties.push(("auto.offset.reset".to_owned(), "earliest".to_owned()));
    properties.push(("group.id".to_owned(), topic.clone()));
    let mut consumer = Client::new(ClientConfig::from_properties(properties)?).consumer()?;
    consumer.subscribe([topic.as_str()]).await?;
    // Until the first records are here the group is being made.
    let (mut consumed, mut bytes) = (0, 0);
    let mut began = None;
    while consumed < records {
        let polled = consumer.poll(Duration::from_secs(1)).await?;
        let (start, cpu_start) = *began.get_or_insert_with(|| (Instant::now(), cpu()));
        consumed += polled.len();
        bytes += polled.iter().filter_map(|record| record.value.as_ref()).map(|value| value.len()).sum::<usize>();
        if consumed >= records {
            report("consume", consumed, bytes, start, cpu_start);
        }
    }
    consumer.close(Duration::from_secs(5)).await?;
    client.admin().delete_topics(&[topic]).await?;
    if count == records { Ok(()) } else { Err(format!("{records} records went in, {count} came back").into()) }
}
