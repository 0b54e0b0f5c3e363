//! Where to begin: committed offsets, resets, and whether what was read is still in the log.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use andiron_protocol::messages::{BrokerId, OffsetForLeaderEpochRequest, TopicName};
use tokio::time::Instant;

use super::{Worker, earliest};
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::{Isolation, OffsetReset};
use crate::consume::OffsetSpec;
use crate::consumer::OffsetAndMetadata;
use crate::consumer::error::ConsumerError;
use crate::consumer::positions::{Position, Stage};
use crate::coordinator::text;
use crate::error::ListOffsetsError;
use crate::metadata::Leader;
use crate::pool::Purpose;
use crate::wire::{CallError, error_code};

/// A partition with the number under which it was asked about.
type Numbered = (TopicPartition, u64);
/// A partition with the epoch asked about and its leader's.
type ByEpoch = (Numbered, i32, i32);

pub(super) enum Event {
    Committed { asked: Vec<Numbered>, answer: Result<BTreeMap<TopicPartition, OffsetAndMetadata>, ErrorCode> },
    Reset { asked: Vec<Numbered>, answer: Result<Vec<Position>, ListOffsetsError> },
    Validated { asked: Vec<Numbered>, answer: HashMap<TopicPartition, Result<End, ErrorCode>> },
}

/// The end of an epoch in a leader's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    epoch: i32,
    offset: i64,
}

/// What is being asked for.
#[derive(Debug, Default)]
pub(super) struct Asking {
    committed: bool,
    reset: bool,
    validation: bool,
}

impl Worker {
    pub(super) fn learn_positions(&mut self, now: Instant, wake_at: &mut Instant) {
        self.ask_committed(now, wake_at);
        self.ask_resets(now, wake_at);
        self.ask_validation(now, wake_at);
    }

    fn ask_committed(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.asking.committed {
            return;
        }
        let reset = self.client.config().consumer.auto_offset_reset;
        let mut state = self.shared.state.lock();
        let waits = |held: &crate::consumer::positions::Held| held.announced && held.stage == Stage::Committed;
        let (asked, later) = state.positions.waiting(now, waits);
        if let Some(later) = later {
            earliest(wake_at, later);
        }
        if asked.is_empty() {
            return;
        }
        let Some(coordinator) = self.coordinator.clone() else {
            for (partition, _) in asked {
                if let Some(held) = state.positions.get_mut(&partition) {
                    held.reset_to(reset);
                }
            }
            self.shared.front.notify_one();
            return;
        };
        self.asking.committed = true;
        let identity = self.group.asks_offsets_as(&state.identity);
        self.events.push(Box::pin(async move {
            let partitions: Vec<TopicPartition> = asked.iter().map(|(partition, _)| partition.clone()).collect();
            let answer = coordinator.committed(&identity, &partitions).await;
            super::Event::Offsets(Event::Committed { asked, answer })
        }));
    }

    fn ask_resets(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.asking.reset {
            return;
        }
        let state = self.shared.state.lock();
        let waits =
            |held: &crate::consumer::positions::Held| matches!(held.stage, Stage::Reset(to) if to != OffsetReset::None);
        let (ready, later) = state.positions.waiting(now, waits);
        if let Some(later) = later {
            earliest(wake_at, later);
        }
        let to = |partition: &TopicPartition| match state.positions.get(partition).map(|held| held.stage) {
            Some(Stage::Reset(to)) => to,
            _ => OffsetReset::None,
        };
        let resets: Vec<(Numbered, OffsetReset)> = ready
            .into_iter()
            .map(|(partition, number)| {
                let to = to(&partition);
                ((partition, number), to)
            })
            .collect();
        drop(state);
        if resets.is_empty() {
            return;
        }
        self.asking.reset = true;
        let client = self.client.clone();
        self.events.push(Box::pin(async move {
            let answer = find_resets(&client, &resets).await;
            let asked = resets.into_iter().map(|(asked, _)| asked).collect();
            super::Event::Offsets(Event::Reset { asked, answer })
        }));
    }

    fn ask_validation(&mut self, now: Instant, wake_at: &mut Instant) {
        if self.asking.validation {
            return;
        }
        let (waiting, later) = {
            let state = self.shared.state.lock();
            let (ready, later) = state.positions.waiting(now, |held| held.stage == Stage::Validation);
            let with_epoch = |(partition, number): Numbered| {
                let epoch = state.positions.get(&partition)?.position?.offset_epoch?;
                Some(((partition, number), epoch))
            };
            (ready.into_iter().filter_map(with_epoch).collect::<Vec<(Numbered, i32)>>(), later)
        };
        if let Some(later) = later {
            earliest(wake_at, later);
        }
        let mut by_leader: HashMap<i32, (Leader, Vec<ByEpoch>)> = HashMap::new();
        let mut leaderless = Vec::new();
        for (asked, epoch) in waiting {
            match self.client.metadata().leader(&asked.0) {
                Some(leader) => {
                    let current = leader.epoch;
                    let (_, of_leader) = by_leader.entry(leader.node).or_insert_with(|| (leader, Vec::new()));
                    of_leader.push((asked, epoch, current));
                }
                None => leaderless.push(asked.0.topic.to_string()),
            }
        }
        if !leaderless.is_empty() {
            self.refresh(leaderless, now, wake_at);
        }
        // One leader at a time: leaders change seldom, and one after the other.
        let Some((leader, partitions)) = by_leader.into_values().next() else { return };
        self.asking.validation = true;
        let client = self.client.clone();
        self.events.push(Box::pin(async move {
            let answer = epoch_ends(&client, &leader, &partitions).await;
            let asked = partitions.into_iter().map(|(asked, _, _)| asked).collect();
            super::Event::Offsets(Event::Validated { asked, answer })
        }));
    }

    pub(super) fn offsets_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Committed { asked, answer } => {
                self.asking.committed = false;
                self.committed(&asked, answer, now);
            }
            Event::Reset { asked, answer } => {
                self.asking.reset = false;
                self.resets(&asked, answer, now);
            }
            Event::Validated { asked, answer } => {
                self.asking.validation = false;
                self.validated(&asked, &answer, now);
            }
        }
        self.shared.front.notify_one();
    }

    fn committed(
        &mut self,
        asked: &[Numbered],
        answer: Result<BTreeMap<TopicPartition, OffsetAndMetadata>, ErrorCode>,
        now: Instant,
    ) {
        let reset = self.client.config().consumer.auto_offset_reset;
        let backoff = self.backoff;
        let mut state = self.shared.state.lock();
        if let Err(code) = &answer
            && !code.is_retriable()
            && !matches!(code, ErrorCode::StaleMemberEpoch | ErrorCode::UnknownMemberId)
            && state.errors.is_empty()
        {
            let group = self.client.config().consumer.group_id.clone().unwrap_or_default();
            state.fail(ConsumerError::group(*code, &group));
        }
        for (partition, number) in asked {
            let Some(held) = state.positions.numbered(partition, *number) else { continue };
            match &answer {
                Ok(offsets) => match offsets.get(partition) {
                    Some(found) => held.begin(Position { offset: found.offset, offset_epoch: found.leader_epoch }),
                    None => held.reset_to(reset),
                },
                Err(_) => held.later(now, |failures| backoff.after(failures)),
            }
        }
    }

    fn resets(&mut self, asked: &[Numbered], answer: Result<Vec<Position>, ListOffsetsError>, now: Instant) {
        let backoff = self.backoff;
        let mut state = self.shared.state.lock();
        if let Err(error) = &answer {
            tracing::debug!("offsets to begin at are not known yet: {error}");
            if matches!(error, ListOffsetsError::Refused { .. }) && state.errors.is_empty() {
                state.fail(error.clone().into());
            }
        }
        for (at, (partition, number)) in asked.iter().enumerate() {
            let Some(held) = state.positions.numbered(partition, *number) else { continue };
            match answer.as_ref().ok().and_then(|found| found.get(at)) {
                Some(position) => {
                    tracing::info!("Resetting offset for partition {partition} to position {}.", position.offset);
                    held.begin(*position);
                }
                None => held.later(now, |failures| backoff.after(failures)),
            }
        }
    }

    fn validated(
        &mut self,
        asked: &[Numbered],
        answer: &HashMap<TopicPartition, Result<End, ErrorCode>>,
        now: Instant,
    ) {
        let reset = self.client.config().consumer.auto_offset_reset;
        let backoff = self.backoff;
        let mut state = self.shared.state.lock();
        let mut truncated = None;
        for (partition, number) in asked {
            let Some(held) = state.positions.numbered(partition, *number) else { continue };
            let Some(position) = held.position else { continue };
            match answer.get(partition) {
                // A broker too old to know epochs cannot be asked.
                Some(Err(ErrorCode::UnsupportedVersion)) => held.stage = Stage::Fetching,
                Some(Ok(end)) => match judge(position, *end, reset) {
                    Valid::Yes => {
                        held.stage = Stage::Fetching;
                        held.failures = 0;
                    }
                    Valid::From(divergence) => {
                        tracing::info!(
                            "Truncation detected for partition {partition} at offset {}, resetting offset to the first offset known to diverge {}",
                            position.offset,
                            divergence.offset
                        );
                        held.begin(divergence);
                    }
                    Valid::Reset => held.reset_to(reset),
                    Valid::No(divergent_offset) => {
                        let (partition, offset) = (partition.clone(), position.offset);
                        truncated = Some(ConsumerError::LogTruncation { partition, offset, divergent_offset });
                        held.later(now, |failures| backoff.after(failures));
                    }
                },
                Some(Err(_)) | None => {
                    self.client.metadata().invalidate(&partition.topic);
                    held.later(now, |failures| backoff.after(failures));
                }
            }
        }
        if let Some(truncated) = truncated
            && state.errors.is_empty()
        {
            state.fail(truncated);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Valid {
    Yes,
    /// The log was cut: what follows from here is other than what was read.
    From(Position),
    Reset,
    No(Option<i64>),
}

/// Whether a position is one of the leader's log, by where the epoch of what was read last ends there.
fn judge(position: Position, end: End, reset: OffsetReset) -> Valid {
    if end.offset < 0 || end.epoch < 0 {
        // The leader knows nothing of the epoch.
        return if reset == OffsetReset::None { Valid::No(None) } else { Valid::Reset };
    }
    if end.offset >= position.offset {
        return Valid::Yes;
    }
    match reset {
        OffsetReset::None => Valid::No(Some(end.offset)),
        _ => Valid::From(Position { offset: end.offset, offset_epoch: Some(end.epoch) }),
    }
}

/// The offsets of resets, in the order asked.
async fn find_resets(client: &Client, resets: &[(Numbered, OffsetReset)]) -> Result<Vec<Position>, ListOffsetsError> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let spec = |to: OffsetReset| match to {
        OffsetReset::Earliest => OffsetSpec::Earliest,
        OffsetReset::Latest | OffsetReset::None => OffsetSpec::Latest,
        OffsetReset::ByDuration(age) => OffsetSpec::Timestamp((now_ms - age.as_millis() as i64).max(0)),
    };
    let isolation = client.config().isolation;
    let asked: Vec<_> = resets.iter().map(|((partition, _), to)| (partition.clone(), spec(*to))).collect();
    let listed = client.list_offsets(&asked, isolation).await?;
    let mut found = Vec::with_capacity(listed.len());
    for (offset, (partition, _)) in listed.into_iter().zip(&asked) {
        let offset = match offset.offset {
            Some(at) => {
                Position { offset: at, offset_epoch: (offset.leader_epoch >= 0).then_some(offset.leader_epoch) }
            }
            // Nothing is so young: what comes will be.
            None => latest(client, partition, isolation).await?,
        };
        found.push(offset);
    }
    Ok(found)
}

async fn latest(
    client: &Client,
    partition: &TopicPartition,
    isolation: Isolation,
) -> Result<Position, ListOffsetsError> {
    let listed = client.list_offsets(&[(partition.clone(), OffsetSpec::Latest)], isolation).await?;
    let offset = listed.first().and_then(|listed| listed.offset).unwrap_or(0);
    Ok(Position { offset, offset_epoch: None })
}

/// Where epochs end in a leader's log.
async fn epoch_ends(
    client: &Client,
    leader: &Leader,
    partitions: &[ByEpoch],
) -> HashMap<TopicPartition, Result<End, ErrorCode>> {
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for ((partition, _), epoch, current) in partitions {
        let part = OffsetForLeaderPartition::default()
            .with_partition(partition.partition)
            .with_current_leader_epoch(*current)
            .with_leader_epoch(*epoch);
        match topics.iter_mut().find(|topic| topic.topic.as_str() == &*partition.topic) {
            Some(topic) => topic.partitions.push(part),
            None => topics.push(
                OffsetForLeaderTopic::default()
                    .with_topic(TopicName(text(&partition.topic)))
                    .with_partitions(vec![part]),
            ),
        }
    }
    // A replica says who it is; a consumer is none.
    let consumer = |version| BrokerId(if version >= 3 { -1 } else { -2 });
    let asked = async {
        let connection = client.pool().shared(&leader.address, Purpose::Ask).await?;
        let request =
            |version| OffsetForLeaderEpochRequest::default().with_replica_id(consumer(version)).with_topics(topics);
        connection.call_with::<OffsetForLeaderEpochRequest>(request).await
    };
    match asked.await {
        Ok(answer) => {
            let each = answer.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |part| (topic, part)));
            each.map(|(topic, part)| {
                let end = match error_code(part.error_code) {
                    ErrorCode::None => Ok(End { epoch: part.leader_epoch, offset: part.end_offset }),
                    code => Err(code),
                };
                (TopicPartition::new(topic.topic.as_str(), part.partition), end)
            })
            .collect()
        }
        Err(error) => {
            let code = match error {
                CallError::Unsupported(_) => ErrorCode::UnsupportedVersion,
                _ => ErrorCode::NetworkException,
            };
            partitions.iter().map(|((partition, _), _, _)| (partition.clone(), Err(code))).collect()
        }
    }
}

#[cfg(test)]
#[path = "offsets_tests.rs"]
mod tests;
