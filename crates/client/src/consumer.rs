//! The consumer: what Java's `KafkaConsumer` is, with its names, its rules and its defaults.
//!
//! A task behind it keeps the membership and reads ahead; nothing reaches the application but through `poll`, and a
//! rebalance takes no partition away from it before `poll` has let it say good-bye. See `worker` for the task.

mod assignor;
mod calls;
mod classic;
mod commits;
mod error;
mod membership;
mod modern;
mod positions;
pub(crate) mod protocol;
mod record;
mod shared;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::{ConfigError, GroupProtocol, Isolation, OffsetReset};
use crate::coordinator::{Coordinator, Of};
use crate::error::FetchError;
use crate::limits::COMMITS_PENDING_MAX;
pub use assignor::Assignor;
pub use calls::{Committing, GroupMetadata};
pub use error::{CommitError, ConsumerError};
use membership::Change;
use positions::Stage;
pub use record::{ConsumerRecord, ConsumerRecords};
use shared::{Shared, Subscription};

/// An offset to be committed, or that was: the next record to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetAndMetadata {
    /// The offset of the next record.
    pub offset: i64,
    /// The epoch of the last record read, if known.
    pub leader_epoch: Option<i32>,
    /// The application's own words.
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        OffsetAndMetadata { offset, ..OffsetAndMetadata::default() }
    }
}

/// Is told, from within `poll`, `close` and `unsubscribe`, which partitions come and go. Java's `ConsumerRebalanceListener`.
#[async_trait::async_trait]
pub trait RebalanceListener: Send {
    /// These go to others now; their offsets can still be committed.
    async fn partitions_revoked(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        let _ = (consumer, partitions);
    }

    /// These have come; possibly none, after a rebalance that changed nothing. Seeking is allowed.
    async fn partitions_assigned(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        let _ = (consumer, partitions);
    }

    /// These are somebody else's already: nothing can be committed for them any more.
    async fn partitions_lost(&mut self, consumer: &mut Consumer, partitions: &[TopicPartition]) {
        self.partitions_revoked(consumer, partitions).await;
    }
}

/// A consumer. Its calls are for one task; `poll` must be called at least every `max.poll.interval.ms`.
/// Dropped without [`Consumer::close`], it leaves its group only when its session ends.
pub struct Consumer {
    client: Client,
    shared: Arc<Shared>,
    coordinator: Option<Arc<Coordinator>>,
    commits: Option<mpsc::Sender<commits::Job>>,
    listener: Option<Box<dyn RebalanceListener>>,
    tasks: Vec<AbortHandle>,
    auto_commit_at: Option<Instant>,
    closed: bool,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Consumer {
    pub(crate) fn start(client: &Client) -> Result<Consumer, ConfigError> {
        let config = client.config();
        config.check_consumer()?;
        let shared = Arc::new(Shared::default());
        let group = config.consumer.group_id.as_deref();
        let coordinator = group.map(|group| Arc::new(Coordinator::new(client, Of::Group, group)));
        let worker = worker::Worker::new(client, shared.clone(), coordinator.clone());
        let mut tasks = vec![tokio::spawn(worker.run()).abort_handle()];
        let commits = coordinator.clone().map(|coordinator| {
            let (sender, jobs) = mpsc::channel(COMMITS_PENDING_MAX);
            tasks.push(tokio::spawn(commits::run(coordinator, shared.clone(), jobs)).abort_handle());
            sender
        });
        let auto_commit_at = config.consumer.enable_auto_commit.then(|| Instant::now() + auto_commit_interval(client));
        let (client, listener) = (client.clone(), None);
        Ok(Consumer { client, shared, coordinator, commits, listener, tasks, auto_commit_at, closed: false })
    }

    fn check_open(&self) -> Result<(), ConsumerError> {
        if self.closed { Err(ConsumerError::Closed) } else { Ok(()) }
    }

    /// Reads these topics, with the partitions that the group gives to this member. Another subscription takes its place at
    /// the next `poll`; no topics are the same as [`Consumer::unsubscribe`].
    pub async fn subscribe<T: Into<Arc<str>>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ConsumerError> {
        let names: BTreeSet<Arc<str>> = topics.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return self.unsubscribe().await;
        }
        if names.iter().any(|name| name.trim().is_empty()) {
            let what = "Topic collection to subscribe to cannot contain null or empty topic";
            return Err(ConsumerError::InvalidArgument(what.to_owned()));
        }
        self.subscribe_to(Subscription::Names(names))
    }

    /// Reads every topic whose whole name matches the regular expression, those that are made later too. With
    /// `group.protocol=consumer` as well it is matched here.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), ConsumerError> {
        drop(crate::client::whole_match(pattern)?);
        self.subscribe_to(Subscription::Pattern(pattern.to_owned()))
    }

    /// Reads every topic whose name the coordinator finds to match the RE2 pattern; only with `group.protocol=consumer`.
    pub fn subscribe_coordinator_pattern(&mut self, pattern: &str) -> Result<(), ConsumerError> {
        if self.client.config().consumer.group_protocol == GroupProtocol::Classic {
            let what = "Subscribe to RE2/J pattern is not supported when using the CLASSIC protocol defined in config group.protocol";
            return Err(ConsumerError::IllegalState(what.to_owned()));
        }
        if pattern.is_empty() {
            let what = "Topic pattern to subscribe to cannot be empty";
            return Err(ConsumerError::InvalidArgument(what.to_owned()));
        }
        self.subscribe_to(Subscription::CoordinatorPattern(pattern.to_owned()))
    }

    fn subscribe_to(&mut self, subscription: Subscription) -> Result<(), ConsumerError> {
        self.check_open()?;
        if self.coordinator.is_none() {
            return Err(ConsumerError::NoGroup);
        }
        let mut state = self.shared.state.lock();
        let other_kind = state.subscription != Subscription::None
            && std::mem::discriminant(&state.subscription) != std::mem::discriminant(&subscription);
        if other_kind {
            let what = "Subscription to topics, partitions and pattern are mutually exclusive";
            return Err(ConsumerError::IllegalState(what.to_owned()));
        }
        state.subscription = subscription;
        state.subscribed_anew = true;
        drop(state);
        self.shared.worker.notify_one();
        Ok(())
    }

    /// Who is to be told of partitions that come and go; `None` for nobody. Holds from the next rebalance on.
    pub fn set_rebalance_listener(&mut self, listener: Option<Box<dyn RebalanceListener>>) {
        self.listener = listener;
    }

    /// Reads these partitions, without a group's leave. No partitions are the same as [`Consumer::unsubscribe`].
    pub async fn assign(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.check_open()?;
        if partitions.is_empty() {
            return self.unsubscribe().await;
        }
        if self.shared.state.lock().subscription.is_by_group() {
            let what = "Subscription to topics, partitions and pattern are mutually exclusive";
            return Err(ConsumerError::IllegalState(what.to_owned()));
        }
        self.auto_commit();
        let mut state = self.shared.state.lock();
        state.subscription = Subscription::Assigned;
        state.positions.assign(partitions, true);
        state.subscribed_anew = true;
        drop(state);
        self.shared.worker.notify_one();
        Ok(())
    }

    /// Reads nothing any more and leaves the group.
    pub async fn unsubscribe(&mut self) -> Result<(), ConsumerError> {
        self.check_open()?;
        self.leave("the consumer unsubscribed from all topics").await;
        Ok(())
    }

    async fn leave(&mut self, reason: &'static str) {
        let by_group = self.shared.state.lock().subscription.is_by_group();
        if by_group {
            let (held, lost) = {
                let state = self.shared.state.lock();
                (state.positions.all(), state.identity.generation < 0)
            };
            if !held.is_empty() {
                self.tell_gone(&held, lost).await;
            }
        }
        let (left, waiting) = tokio::sync::oneshot::channel();
        {
            let mut state = self.shared.state.lock();
            state.subscription = Subscription::None;
            state.subscribed_anew = true;
            state.positions.assign(&[], true);
            state.buffer.clear();
            state.changes.clear();
            state.leave = Some(shared::Leave { reason, left });
        }
        self.shared.worker.notify_one();
        // The worker answers always; if it is gone there is nothing to leave.
        let _ = waiting.await;
    }

    /// Records, as many as there are up to `max.poll.records`, waiting for the first up to `timeout`. Takes part in
    /// rebalances and, with `enable.auto.commit`, commits what earlier calls returned. Dropping the call loses nothing.
    pub async fn poll(&mut self, timeout: Duration) -> Result<ConsumerRecords, ConsumerError> {
        self.check_open()?;
        let deadline = Instant::now() + timeout;
        if self.shared.state.lock().subscription == Subscription::None {
            return Err(ConsumerError::NothingToRead);
        }
        {
            let mut state = self.shared.state.lock();
            state.polled = Some(Instant::now());
            if state.subscription.is_by_group() {
                self.shared.worker.notify_one();
            }
        }
        loop {
            while self.take_change().await {}
            if self.auto_commit_at.is_some_and(|at| at <= Instant::now()) {
                self.auto_commit();
            }
            let records = self.collect()?;
            if !records.is_empty() {
                return Ok(records);
            }
            if tokio::time::timeout_at(deadline, self.shared.front.notified()).await.is_err() {
                return Ok(ConsumerRecords::default());
            }
        }
    }

    /// Takes notice of one change of partitions; false if there is none. It is there until the listener has returned, so that
    /// a `poll` that was dropped meanwhile begins anew with it.
    async fn take_change(&mut self) -> bool {
        let Some(change) = self.shared.state.lock().changes.front().cloned() else { return false };
        let Change { lost, revoked, assigned, added } = change;
        if !revoked.is_empty() {
            tracing::info!("{} partitions {:?}", if lost { "Lost" } else { "Revoke" }, names(&revoked));
            self.tell_gone(&revoked, lost).await;
            let mut state = self.shared.state.lock();
            state.positions.remove(&revoked);
            let State { buffer, positions, .. } = &mut *state;
            buffer.retain(|completed| positions.get(&completed.partition).is_some());
        }
        if let Some(assigned) = &assigned {
            tracing::info!("Adding newly assigned partitions: {:?}", names(&added));
            self.shared.state.lock().positions.assign(assigned, false);
            if let Some(mut listener) = self.listener.take() {
                listener.partitions_assigned(self, &added).await;
                self.listener.get_or_insert(listener);
            }
            self.shared.state.lock().positions.announce();
        }
        let mut state = self.shared.state.lock();
        state.changes.pop_front();
        if state.changes.is_empty() {
            state.changed = true;
        }
        drop(state);
        self.shared.worker.notify_one();
        true
    }

    /// What is to happen before partitions go.
    async fn tell_gone(&mut self, partitions: &[TopicPartition], lost: bool) {
        if !lost && self.auto_commit_at.is_some() {
            let timeout = Duration::from_millis(u64::from(self.client.config().default_api_timeout_ms.unsigned_abs()));
            let offsets = self.consumed();
            if !offsets.is_empty()
                && let Err(error) = self.commit_within(offsets, timeout).await
            {
                tracing::warn!("offsets were not committed before a rebalance: {error}");
            }
        }
        let Some(mut listener) = self.listener.take() else { return };
        // Nothing more of them is handed out, but they are still held.
        if lost {
            listener.partitions_lost(self, partitions).await;
        } else {
            listener.partitions_revoked(self, partitions).await;
        }
        // The listener may have put another in its place.
        self.listener.get_or_insert(listener);
    }

    /// What was fetched and may be handed out.
    fn collect(&mut self) -> Result<ConsumerRecords, ConsumerError> {
        let most = self.client.config().consumer.max_poll_records.max(1) as usize;
        let mut records = Vec::new();
        let mut state = self.shared.state.lock();
        while let Some(error) = state.errors.pop_front() {
            // One about a position that has been left by a seek since is of no use any more.
            let (ConsumerError::OffsetOutOfRange { partition, offset }
            | ConsumerError::LogTruncation { partition, offset, .. }) = &error
            else {
                return Err(error);
            };
            let position = state.positions.get(partition).and_then(|held| held.position);
            if position.is_some_and(|position| position.offset == *offset) {
                return Err(error);
            }
        }
        let undefined = |(partition, held): (&TopicPartition, &positions::Held)| {
            (held.stage == Stage::Reset(OffsetReset::None)).then(|| partition.clone())
        };
        let partitions: Vec<TopicPartition> = state.positions.iter().filter_map(undefined).collect();
        if !partitions.is_empty() {
            return Err(ConsumerError::NoOffset { partitions });
        }
        let mut kept = Vec::new();
        let mut room_made = false;
        let mut failed = None;
        let State { positions, buffer, .. } = &mut *state;
        while records.len() < most && failed.is_none() {
            let Some(mut completed) = buffer.pop_front() else { break };
            let Some(held) = positions.numbered(&completed.partition, completed.number) else { continue };
            if held.paused {
                kept.push(completed);
                continue;
            }
            match completed.take(most - records.len(), &mut records) {
                Ok(position) => held.position = Some(position),
                Err(error) => {
                    let (partition, offset) = (completed.partition.clone(), held.position.map_or(-1, |p| p.offset));
                    failed = Some(FetchError::Corrupt { partition, offset, reason: error.to_string() });
                    held.ahead = held.ahead.saturating_sub(completed.size);
                    held.fetch_from = held.position.unwrap_or(held.fetch_from);
                    continue;
                }
            }
            if completed.is_over() {
                held.ahead = held.ahead.saturating_sub(completed.size);
                room_made = true;
            } else {
                buffer.push_front(completed);
            }
        }
        // What is paused stays where it was: before what came later.
        for completed in kept.into_iter().rev() {
            buffer.push_front(completed);
        }
        drop(state);
        if room_made {
            self.shared.worker.notify_one();
        }
        match failed {
            Some(error) if records.is_empty() => Err(error.into()),
            _ => Ok(ConsumerRecords { records }),
        }
    }

    /// Everything that was handed out, to be committed.
    fn consumed(&self) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
        let consumed = self.shared.state.lock().positions.consumed();
        let offset = |(partition, position): (TopicPartition, positions::Position)| {
            let (offset, leader_epoch) = (position.offset, position.offset_epoch);
            (partition, OffsetAndMetadata { offset, leader_epoch, metadata: String::new() })
        };
        consumed.into_iter().map(offset).collect()
    }

    /// Commits what was handed out, without waiting.
    fn auto_commit(&mut self) {
        let Some(at) = &mut self.auto_commit_at else { return };
        *at = Instant::now() + auto_commit_interval(&self.client);
        let offsets = self.consumed();
        if !offsets.is_empty() {
            drop(self.send_commit(offsets, None));
        }
    }

    /// Commits, if `enable.auto.commit`, tells the listener, and leaves the group unless it is a static member's. Waits up to
    /// `timeout` for commits; the error is that of one that was asked for and did not arrive in time.
    pub async fn close(mut self, timeout: Duration) -> Result<(), ConsumerError> {
        let deadline = Instant::now() + timeout;
        let commit = if self.auto_commit_at.take().is_some() {
            let offsets = self.consumed();
            if !offsets.is_empty()
                && let Err(error) = self.commit_within(offsets, timeout).await
            {
                // Nobody asked for this commit by name.
                tracing::warn!("offsets were not committed at the end: {error}");
            }
            Ok(())
        } else {
            // What was sent without waiting is to arrive.
            self.commit_within(BTreeMap::new(), timeout).await
        };
        if tokio::time::timeout_at(
            deadline.max(Instant::now() + CLOSE_GRACE),
            self.leave("the consumer is being closed"),
        )
        .await
        .is_err()
        {
            tracing::debug!("the group was not told of a consumer that closes");
        }
        self.closed = true;
        commit
    }

    fn isolation(&self) -> Isolation {
        self.client.config().isolation
    }
}

/// Beyond the time granted, for the LeaveGroup of a consumer that closes.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

use shared::State;

fn names(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(TopicPartition::to_string).collect()
}

fn auto_commit_interval(client: &Client) -> Duration {
    Duration::from_millis(u64::from(client.config().consumer.auto_commit_interval_ms.unsigned_abs()))
}
