//! Reads ahead: one request at a time per broker, for all partitions that have room.

use std::collections::HashMap;

use andiron_protocol::batch::Batches;
use andiron_protocol::error::ErrorCode;
use tokio::time::Instant;

use super::{Worker, earliest};
use crate::cluster::TopicPartition;
use crate::config::{ClientConfig, OffsetReset};
use crate::consume::Fetched;
use crate::consumer::error::ConsumerError;
use crate::consumer::positions::{Held, Position, Stage};
use crate::consumer::record::Completed;
use crate::consumer::shared::State;
use crate::error::FetchError;
use crate::fetch::{self, Answer, Got, Wanted};
use crate::metadata;
use crate::pool::Purpose;
use crate::session::FetchSession;
use crate::transport::Address;
use crate::visible::visible_runs;
use crate::wire::CallError;

/// One broker that is read from.
#[derive(Default)]
pub(super) struct Node {
    session: FetchSession,
    in_flight: bool,
}

/// An answer on its way back.
pub(super) struct Answered {
    node: i32,
    wanted: Vec<Wanted>,
    numbers: Vec<u64>,
    answer: Result<Answer, CallError>,
}

struct Request {
    address: Address,
    wanted: Vec<Wanted>,
    numbers: Vec<u64>,
}

impl Worker {
    pub(super) fn fetch(&mut self, now: Instant, wake_at: &mut Instant) {
        let room = self.client.config().max_partition_fetch_bytes.max(1) as usize;
        let mut requests: HashMap<i32, Request> = HashMap::new();
        let mut leaderless: Vec<String> = Vec::new();
        {
            let mut state = self.shared.state.lock();
            for partition in state.positions.all() {
                let leader = self.client.metadata().leader(&partition);
                if let Some(leader) = &leader {
                    state.positions.leader_is(&partition, leader.epoch);
                }
                let Some(held) = state.positions.get_mut(&partition) else { continue };
                if held.stage != Stage::Fetching || held.paused || !held.announced || held.ahead >= room {
                    continue;
                }
                if let Some(at) = held.not_before.filter(|at| *at > now) {
                    earliest(wake_at, at);
                    continue;
                }
                let Some(leader) = leader else {
                    leaderless.push(partition.topic.to_string());
                    continue;
                };
                held.replica = held.replica.filter(|(_, until)| *until > now);
                let replica = held.replica.and_then(|(node, _)| self.client.metadata().broker(node));
                let (node, address) = match replica {
                    Some(replica) => (replica.id, replica.address),
                    None => (leader.node, leader.address.clone()),
                };
                if self.nodes.get(&node).is_some_and(|node| node.in_flight) {
                    continue;
                }
                let request = requests.entry(node).or_insert_with(|| Request {
                    address,
                    wanted: Vec::new(),
                    numbers: Vec::new(),
                });
                request.numbers.push(held.number);
                let (offset, leader_epoch) = (held.fetch_from.offset, leader.epoch);
                request.wanted.push(Wanted { partition, offset, leader_epoch, leader });
            }
        }
        if !leaderless.is_empty() {
            leaderless.sort();
            leaderless.dedup();
            self.refresh(leaderless, now, wake_at);
        }
        for (node, request) in requests {
            self.send(node, request);
        }
    }

    fn send(&mut self, node: i32, request: Request) {
        let at = self.nodes.entry(node).or_default();
        at.in_flight = true;
        let turn = at.session.next(&request.wanted);
        let (client, purpose) = (self.client.clone(), Purpose::Fetch(self.number));
        self.events.push(Box::pin(async move {
            let Request { address, wanted, numbers } = request;
            let config = client.config();
            let answer = match client.pool().shared(&address, purpose).await {
                Ok(connection) => {
                    let (isolation, rack) = (config.isolation, &config.client_rack);
                    fetch::ask_in_session(&connection, config, &wanted, isolation, &turn, rack).await
                }
                Err(error) => Err(error),
            };
            super::Event::Fetched(Answered { node, wanted, numbers, answer })
        }));
    }

    pub(super) fn fetched(&mut self, answered: Answered, now: Instant) {
        let Answered { node, wanted, numbers, answer } = answered;
        let at = self.nodes.entry(node).or_default();
        at.in_flight = false;
        let parts = match answer {
            Ok(Answer { code: ErrorCode::None, session_id, parts }) => {
                at.session.accepted(session_id);
                parts
            }
            Ok(Answer { code, .. }) => {
                tracing::debug!("node {node} refuses a fetch: {code}");
                match code {
                    ErrorCode::FetchSessionIdNotFound => at.session.unknown(),
                    _ => at.session.broken(),
                }
                let is_session = matches!(
                    code,
                    ErrorCode::FetchSessionIdNotFound
                        | ErrorCode::InvalidFetchSessionEpoch
                        | ErrorCode::FetchSessionTopicIdError
                );
                if !is_session {
                    self.all_later(&wanted, &numbers, now);
                }
                return;
            }
            Err(error) => {
                tracing::debug!("a fetch from node {node} failed: {error}");
                at.session.broken();
                self.all_later(&wanted, &numbers, now);
                return;
            }
        };
        let shared = self.shared.clone();
        let mut state = shared.state.lock();
        for ((want, number), got) in wanted.iter().zip(numbers).zip(parts) {
            let Some(got) = got else { continue };
            self.got(&mut state, want, number, got, now);
        }
        drop(state);
        self.shared.front.notify_one();
    }

    fn all_later(&mut self, wanted: &[Wanted], numbers: &[u64], now: Instant) {
        let backoff = self.backoff;
        let mut state = self.shared.state.lock();
        for (want, number) in wanted.iter().zip(numbers) {
            self.client.metadata().invalidate(&want.partition.topic);
            if let Some(held) = state.positions.numbered(&want.partition, *number) {
                held.replica = None;
                held.later(now, |failures| backoff.after(failures));
            }
        }
    }

    fn got(&self, state: &mut State, want: &Wanted, number: u64, got: Got, now: Instant) {
        let (config, backoff) = (self.client.config(), self.backoff);
        let partition = &want.partition;
        let Some(held) = state.positions.numbered(partition, number) else { return };
        if held.stage != Stage::Fetching || held.fetch_from.offset != want.offset {
            return;
        }
        let error = match got {
            Got::Data(fetched) => match keep(config, held, partition, &fetched) {
                Ok(Some(completed)) => {
                    state.buffer.push_back(completed);
                    return;
                }
                Ok(None) => return,
                Err(error) => Some(error.into()),
            },
            Got::Elsewhere(replica) => {
                // Who knows no such broker goes on with the leader and learns of it in time.
                if self.client.metadata().broker(replica).is_none() {
                    self.client.metadata().invalidate(&partition.topic);
                }
                held.replica = Some((replica, now + metadata::max_age(config)));
                return;
            }
            Got::Error(ErrorCode::OffsetOutOfRange) => self.out_of_range(held, partition),
            Got::Error(code) if fetch::is_passing(code) => {
                self.client.metadata().invalidate(&partition.topic);
                held.replica = None;
                None
            }
            // The log may be all right again later, and Java's tries again as well.
            Got::Error(ErrorCode::UnknownServerError) => None,
            Got::Error(code) => Some(FetchError::Refused { partition: partition.clone(), code }.into()),
        };
        if held.stage == Stage::Fetching {
            held.later(now, |failures| backoff.after(failures));
        }
        if let Some(error) = error
            && state.errors.is_empty()
        {
            state.fail(error);
        }
    }

    fn out_of_range(&self, held: &mut Held, partition: &TopicPartition) -> Option<ConsumerError> {
        if held.replica.take().is_some() {
            // A follower may be behind: the leader has the last word.
            return None;
        }
        // What was read ahead is handed out first.
        if held.ahead > 0 {
            return None;
        }
        let offset = held.fetch_from.offset;
        match self.client.config().consumer.auto_offset_reset {
            OffsetReset::None => Some(ConsumerError::OffsetOutOfRange { partition: partition.clone(), offset }),
            reset => {
                tracing::info!("Fetch position {offset} is out of range for partition {partition}, resetting offset");
                held.reset_to(reset);
                None
            }
        }
    }
}

/// What came, for the application; `None` if nothing did.
fn keep(
    config: &ClientConfig,
    held: &mut Held,
    partition: &TopicPartition,
    fetched: &Fetched,
) -> Result<Option<Completed>, FetchError> {
    held.high_watermark = Some(fetched.high_watermark);
    held.last_stable_offset = Some(fetched.last_stable_offset);
    held.log_start_offset = Some(fetched.log_start_offset);
    held.failures = 0;
    held.not_before = None;
    let from = held.fetch_from.offset;
    let corrupt = |reason: String| FetchError::Corrupt { partition: partition.clone(), offset: from, reason };
    let records = &fetched.records;
    let runs = visible_runs(records, from, i64::MAX, config.isolation, &fetched.aborted, config.check_crcs)
        .map_err(|error| corrupt(error.to_string()))?;
    let Some(until) = runs.last().map(|run| run.until) else {
        return if records.is_empty() { Ok(None) } else { Err(corrupt("the batch is cut short".to_owned())) };
    };
    let epochs = Batches::new(records).filter_map(|batch| Some(batch.ok()?.header.partition_leader_epoch));
    let until = Position { offset: until, offset_epoch: epochs.last().filter(|epoch| *epoch >= 0) };
    let completed = Completed::new(partition.clone(), held.number, records.clone(), runs, from, until);
    held.fetch_from = until;
    held.ahead += completed.size;
    Ok(Some(completed))
}
