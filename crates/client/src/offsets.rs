//! ListOffsets: where partitions begin and end, and what lies at a time.

use std::collections::{HashMap, HashSet};

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use andiron_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use futures::future::join_all;
use tokio::time::Instant;

use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::Isolation;
use crate::consume::{ListedOffset, OffsetSpec};
use crate::error::ListOffsetsError;
use crate::metadata::Leader;
use crate::pool::Purpose;
use crate::wire::{CallError, error_code};

/// `MaxTimestamp` is understood from this version on.
const MAX_TIMESTAMP_VERSION: i16 = 7;

fn wire_timestamp(spec: OffsetSpec) -> i64 {
    match spec {
        OffsetSpec::Latest => -1,
        OffsetSpec::Earliest => -2,
        OffsetSpec::MaxTimestamp => -3,
        OffsetSpec::Timestamp(at) => at,
    }
}

type Asked = (TopicPartition, OffsetSpec);

pub(crate) async fn list(
    client: &Client,
    asked: &[Asked],
    isolation: Isolation,
) -> Result<Vec<ListedOffset>, ListOffsetsError> {
    let deadline = client.deadline();
    let mut found: Vec<Option<ListedOffset>> = vec![None; asked.len()];
    let mut failures = 0;
    loop {
        let mut last = String::new();
        let mut by_leader: HashMap<i32, (Leader, Vec<usize>)> = HashMap::new();
        // Kafka refuses a request that names a partition twice, so earliest and latest of one go in two rounds.
        let mut named: HashSet<&TopicPartition> = HashSet::new();
        for (at, (partition, _)) in asked.iter().enumerate().filter(|(at, _)| found[*at].is_none()) {
            if !named.insert(partition) {
                continue;
            }
            match client.leader(partition).await? {
                Some(leader) => by_leader.entry(leader.node).or_insert_with(|| (leader, Vec::new())).1.push(at),
                None => {
                    last = format!("{partition} has no leader");
                    client.metadata().invalidate(&partition.topic);
                }
            }
        }
        let requests = by_leader.values().map(|(leader, wanted)| ask(client, leader, asked, wanted, isolation));
        for (answer, (_, wanted)) in join_all(requests).await.into_iter().zip(by_leader.values()) {
            match answer {
                Ok(answer) => take(client, answer, asked, wanted, &mut found, &mut last)?,
                Err(CallError::Unsupported(key)) => {
                    return Err(ListOffsetsError::Protocol(CallError::Unsupported(key).to_string()));
                }
                Err(error) => {
                    last = error.to_string();
                    wanted.iter().for_each(|at| client.metadata().invalidate(&asked[*at].0.topic));
                }
            }
        }
        if let Some(all) = found.iter().copied().collect::<Option<Vec<ListedOffset>>>() {
            return Ok(all);
        }
        if last.is_empty() {
            continue;
        }
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            let timeout_ms = u64::from(client.config().default_api_timeout_ms.unsigned_abs());
            return Err(ListOffsetsError::TimedOut { timeout_ms, last });
        }
        tokio::time::sleep(wait).await;
    }
}

async fn ask(
    client: &Client,
    leader: &Leader,
    asked: &[Asked],
    wanted: &[usize],
    isolation: Isolation,
) -> Result<ListOffsetsResponse, CallError> {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (partition, spec) in wanted.iter().map(|at| &asked[*at]) {
        let of_partition = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(wire_timestamp(*spec));
        match topics.iter_mut().find(|topic| topic.name.as_str() == &*partition.topic) {
            Some(topic) => topic.partitions.push(of_partition),
            None => topics.push(
                ListOffsetsTopic::default()
                    .with_name(TopicName(StrBytes::from_string(partition.topic.to_string())))
                    .with_partitions(vec![of_partition]),
            ),
        }
    }
    let connection = client.pool().shared(&leader.address, Purpose::Ask).await?;
    let version = connection.version::<ListOffsetsRequest>()?;
    let newest_wanted = wanted.iter().any(|at| asked[*at].1 == OffsetSpec::MaxTimestamp);
    if newest_wanted && version < MAX_TIMESTAMP_VERSION {
        return Err(CallError::Unsupported(andiron_protocol::messages::ApiKey::ListOffsets));
    }
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation.wire())
        .with_timeout_ms(client.config().request_timeout_ms)
        .with_topics(topics);
    connection.call_in(version, &request).await
}

fn take(
    client: &Client,
    answer: ListOffsetsResponse,
    asked: &[Asked],
    wanted: &[usize],
    found: &mut [Option<ListedOffset>],
    last: &mut String,
) -> Result<(), ListOffsetsError> {
    let mut open: Vec<usize> = wanted.to_vec();
    for topic in &answer.topics {
        for part in &topic.partitions {
            let is_it = |at: &usize| {
                asked[*at].0.partition == part.partition_index && &*asked[*at].0.topic == topic.name.as_str()
            };
            let Some(place) = open.iter().position(is_it) else { continue };
            let at = open.remove(place);
            let partition = &asked[at].0;
            match error_code(part.error_code) {
                ErrorCode::None => {
                    found[at] = Some(ListedOffset {
                        offset: (part.offset >= 0).then_some(part.offset),
                        timestamp: part.timestamp,
                        leader_epoch: part.leader_epoch,
                    });
                }
                code if code.is_retriable() || code == ErrorCode::FencedLeaderEpoch => {
                    *last = format!("{partition}: {code}");
                    client.metadata().invalidate(&partition.topic);
                }
                code => return Err(ListOffsetsError::Refused { partition: partition.clone(), code }),
            }
        }
    }
    if let Some(at) = open.first() {
        *last = format!("{}: not in the answer", asked[*at].0);
    }
    Ok(())
}
