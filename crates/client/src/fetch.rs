//! One Fetch request, for one partition or for many of one leader, and its answer as slices of the response.

use std::collections::HashMap;
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use andiron_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use tokio::time::Instant;

use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::{ClientConfig, Isolation};
use crate::consume::{AbortedTransaction, Fetched, ListedOffset, OffsetSpec};
use crate::error::{FetchError, ListOffsetsError};
use crate::metadata::Leader;
use crate::session::Turn;
use crate::wire::{BrokerConnection, CallError, error_code};

/// From this version on topics go by id.
const TOPIC_ID_VERSION: i16 = 13;

/// From this version on a request says where its sender is.
const RACK_VERSION: i16 = 11;

/// One partition of a request.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: i64,
    /// The epoch of the leader as far as it is known, by which one that knows less is found out; -1 asks whoever answers.
    pub(crate) leader_epoch: i32,
    pub(crate) leader: Leader,
}

/// One partition of an answer.
pub(crate) enum Got {
    Data(Fetched),
    Error(ErrorCode),
    /// The leader sends us to a replica that is nearer (KIP-392).
    Elsewhere(i32),
}

/// Asks one leader outside of any session. The answer holds an entry per wanted partition, in its order; `None` if the
/// broker left it out. A read of a bounded range is over before a session would pay.
pub(crate) async fn ask(
    connection: &BrokerConnection,
    config: &ClientConfig,
    wanted: &[Wanted],
    isolation: Isolation,
) -> Result<Vec<Option<Got>>, CallError> {
    let turn = Turn::without_session(wanted.len());
    let answer = ask_in_session(connection, config, wanted, isolation, &turn, "").await?;
    match answer.code {
        ErrorCode::None => Ok(answer.parts),
        code => Ok(wanted.iter().map(|_| Some(Got::Error(code))).collect()),
    }
}

/// An answer within a session.
pub(crate) struct Answer {
    /// Of the session as a whole.
    pub(crate) code: ErrorCode,
    pub(crate) session_id: i32,
    /// Per wanted partition; `None` where the broker has nothing to say.
    pub(crate) parts: Vec<Option<Got>>,
}

/// Asks one broker for what the session's turn says; with a rack it may send us to a replica.
pub(crate) async fn ask_in_session(
    connection: &BrokerConnection,
    config: &ClientConfig,
    wanted: &[Wanted],
    isolation: Isolation,
    turn: &Turn,
    rack: &str,
) -> Result<Answer, CallError> {
    let newest = connection.version::<FetchRequest>()?;
    let by_id = newest >= TOPIC_ID_VERSION && wanted.iter().all(|w| !w.leader.topic_id.is_nil());
    let version = if by_id { newest } else { newest.min(TOPIC_ID_VERSION - 1) };
    let name = |partition: &TopicPartition| TopicName(StrBytes::from_string(partition.topic.to_string()));
    let mut topics: Vec<FetchTopic> = Vec::new();
    for want in turn.named.iter().filter_map(|at| wanted.get(*at)) {
        let part = FetchPartition::default()
            .with_partition(want.partition.partition)
            .with_current_leader_epoch(want.leader_epoch)
            .with_fetch_offset(want.offset)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(config.max_partition_fetch_bytes);
        match topics.iter_mut().find(|topic| topic.topic.as_str() == &*want.partition.topic) {
            Some(topic) => topic.partitions.push(part),
            None => topics.push(
                FetchTopic::default()
                    .with_topic(name(&want.partition))
                    .with_topic_id(want.leader.topic_id)
                    .with_partitions(vec![part]),
            ),
        }
    }
    let mut forgotten: Vec<ForgottenTopic> = Vec::new();
    for (partition, id) in &turn.forgotten {
        match forgotten.iter_mut().find(|topic| topic.topic.as_str() == &*partition.topic) {
            Some(topic) => topic.partitions.push(partition.partition),
            None => forgotten.push(
                ForgottenTopic::default()
                    .with_topic(name(partition))
                    .with_topic_id(*id)
                    .with_partitions(vec![partition.partition]),
            ),
        }
    }
    let mut request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(config.fetch_max_wait_ms)
        .with_min_bytes(config.fetch_min_bytes)
        .with_max_bytes(config.fetch_max_bytes)
        .with_isolation_level(isolation.wire())
        .with_session_id(turn.id)
        .with_session_epoch(turn.epoch)
        .with_topics(topics)
        .with_forgotten_topics_data(forgotten);
    if version >= RACK_VERSION {
        request.rack_id = StrBytes::from_string(rack.to_owned());
    }
    let patience = Duration::from_millis(u64::from(config.fetch_max_wait_ms.unsigned_abs()));
    let answer = connection.call_patiently(version, &request, patience).await?;
    let (code, session_id) = (error_code(answer.error_code), answer.session_id);
    Ok(Answer { code, session_id, parts: sort(answer, by_id, wanted) })
}

fn sort(answer: FetchResponse, by_id: bool, wanted: &[Wanted]) -> Vec<Option<Got>> {
    let mut sorted: Vec<Option<Got>> = wanted.iter().map(|_| None).collect();
    // A session's answer names a few of many partitions.
    let key = |want: &Wanted| {
        let topic = if by_id { Err(want.leader.topic_id) } else { Ok(want.partition.topic.to_string()) };
        (topic, want.partition.partition)
    };
    let places: HashMap<(Result<String, uuid::Uuid>, i32), usize> =
        wanted.iter().enumerate().map(|(at, want)| (key(want), at)).collect();
    for topic in answer.responses {
        let of = if by_id { Err(topic.topic_id) } else { Ok(topic.topic.to_string()) };
        for part in topic.partitions {
            let Some(place) = places.get(&(of.clone(), part.partition_index)) else { continue };
            let code = error_code(part.error_code);
            sorted[*place] = Some(if !code.is_none() {
                Got::Error(code)
            } else if part.preferred_read_replica.0 >= 0 {
                Got::Elsewhere(part.preferred_read_replica.0)
            } else {
                let aborted = part.aborted_transactions.unwrap_or_default();
                Got::Data(Fetched {
                    records: part.records.unwrap_or_default(),
                    high_watermark: part.high_watermark,
                    last_stable_offset: part.last_stable_offset,
                    log_start_offset: part.log_start_offset,
                    aborted: aborted
                        .iter()
                        .map(|a| AbortedTransaction { producer_id: a.producer_id.0, first_offset: a.first_offset })
                        .collect(),
                })
            });
        }
    }
    sorted
}

/// Whether an error of a partition goes away by asking its (perhaps new) leader again.
pub(crate) fn is_passing(code: ErrorCode) -> bool {
    code.is_retriable()
        || matches!(
            code,
            ErrorCode::FencedLeaderEpoch
                | ErrorCode::UnknownTopicId
                | ErrorCode::InconsistentTopicId
                | ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
        )
}

/// The typed error for an offset that is not there, with what is there, if it can be learned.
pub(crate) async fn out_of_range(client: &Client, partition: &TopicPartition, offset: i64) -> FetchError {
    let asked = [(partition.clone(), OffsetSpec::Earliest), (partition.clone(), OffsetSpec::Latest)];
    let listed: Result<Vec<ListedOffset>, ListOffsetsError> =
        client.list_offsets(&asked, Isolation::ReadUncommitted).await;
    let at = |n: usize| listed.as_ref().ok().and_then(|l| l.get(n)).and_then(|l| l.offset).unwrap_or(-1);
    FetchError::OffsetOutOfRange {
        partition: partition.clone(),
        offset,
        log_start_offset: at(0),
        high_watermark: at(1),
    }
}

/// One fetch of one partition, retried while its errors pass.
pub(crate) async fn once(
    client: &Client,
    partition: &TopicPartition,
    offset: i64,
    isolation: Isolation,
) -> Result<Fetched, FetchError> {
    let deadline = client.deadline();
    let mut failures = 0;
    loop {
        let last = match client.leader(partition).await? {
            Some(leader) => match attempt(client, partition, offset, isolation, leader).await {
                Ok(Got::Data(fetched)) => return Ok(fetched),
                Ok(Got::Error(ErrorCode::OffsetOutOfRange)) => {
                    return Err(out_of_range(client, partition, offset).await);
                }
                Ok(Got::Error(code)) if is_passing(code) => code.to_string(),
                // Only who says where he is is sent elsewhere.
                Ok(Got::Elsewhere(node)) => format!("sent to node {node}"),
                Ok(Got::Error(code)) => return Err(FetchError::Refused { partition: partition.clone(), code }),
                Err(CallError::Unsupported(key)) => {
                    return Err(FetchError::Protocol(CallError::Unsupported(key).to_string()));
                }
                Err(error) => error.to_string(),
            },
            None => "no leader".to_owned(),
        };
        client.metadata().invalidate(&partition.topic);
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            return Err(FetchError::TimedOut { partition: partition.clone(), offset, last });
        }
        tokio::time::sleep(wait).await;
    }
}

async fn attempt(
    client: &Client,
    partition: &TopicPartition,
    offset: i64,
    isolation: Isolation,
    leader: Leader,
) -> Result<Got, CallError> {
    let address = leader.address.clone();
    let connection = client.pool().lease(&address).await?;
    let wanted = [Wanted { partition: partition.clone(), offset, leader_epoch: -1, leader }];
    let answer = ask(&connection, client.config(), &wanted, isolation).await?;
    client.pool().give_back(&address, connection);
    answer
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| CallError::Protocol(format!("a Fetch answer without {partition}")))
}
