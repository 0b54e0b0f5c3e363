//! A consumer's calls beside `poll`: commits, positions, offsets.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::positions::Position;
use super::{CommitError, Consumer, ConsumerError, OffsetAndMetadata, commits};
use crate::client::Client;
use crate::cluster::TopicPartition;
use crate::config::OffsetReset;
use crate::consume::{ListedOffset, OffsetSpec};
use crate::coordinator::Identity;

/// A commit on its way; may be dropped.
#[derive(Debug)]
pub struct Committing(oneshot::Receiver<Result<(), CommitError>>);

impl Future for Committing {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| outcome.unwrap_or(Err(CommitError::Closed)))
    }
}

/// Who a consumer is to its group, for a producer that commits its offsets within a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `group.id`.
    pub group_id: String,
    /// The generation of a classic group or the member's epoch, -1 outside of both.
    pub generation_id: i32,
    /// The member's id, empty outside of a group.
    pub member_id: String,
    /// `group.instance.id`.
    pub group_instance_id: Option<String>,
}

impl Consumer {
    /// The client it was made of.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Hands offsets over to be committed, after all that were handed over before.
    pub(super) fn send_commit(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
        until: Option<Instant>,
    ) -> Committing {
        let (done, outcome) = oneshot::channel();
        let job = commits::Job { offsets, until, done };
        if let Some(commits) = &self.commits
            && let Err(refused) = commits.try_send(job)
        {
            let full = matches!(refused, tokio::sync::mpsc::error::TrySendError::Full(_));
            let (tokio::sync::mpsc::error::TrySendError::Full(job)
            | tokio::sync::mpsc::error::TrySendError::Closed(job)) = refused;
            let why = "too many commits are under way";
            let error = if full { CommitError::Retriable(why.to_owned()) } else { CommitError::Closed };
            // The other end is in our hand.
            let _ = job.done.send(Err(error));
        }
        Committing(outcome)
    }

    pub(super) async fn commit_within(
        &mut self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
        timeout: Duration,
    ) -> Result<(), ConsumerError> {
        if self.commits.is_none() {
            return Ok(());
        }
        let until = Instant::now() + timeout;
        let committing = self.send_commit(offsets, Some(until));
        match tokio::time::timeout_at(until, committing).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(ConsumerError::TimedOut {
                what: "successfully committing offsets".to_owned(),
                timeout_ms: timeout.as_millis() as u64,
            }),
        }
    }

    fn check_group(&self) -> Result<(), ConsumerError> {
        self.check_open()?;
        if self.coordinator.is_none() { Err(ConsumerError::NoGroup) } else { Ok(()) }
    }

    fn api_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.client.config().default_api_timeout_ms.unsigned_abs()))
    }

    /// Commits everything that `poll` has returned, repeating what can be repeated up to `default.api.timeout.ms`.
    pub async fn commit_sync(&mut self) -> Result<(), ConsumerError> {
        self.check_group()?;
        let offsets = self.consumed();
        self.commit_within(offsets, self.api_timeout()).await
    }

    /// Commits these offsets: of each partition the next record to be read.
    pub async fn commit_sync_offsets(
        &mut self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), ConsumerError> {
        self.check_group()?;
        check_offsets(offsets.values())?;
        self.commit_within(offsets, self.api_timeout()).await
    }

    /// Begins to commit everything that `poll` has returned, once; commits arrive in the order in which they were begun.
    pub fn commit_async(&mut self) -> Result<Committing, ConsumerError> {
        self.check_group()?;
        Ok(self.send_commit(self.consumed(), None))
    }

    /// Begins to commit these offsets.
    pub fn commit_async_offsets(
        &mut self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<Committing, ConsumerError> {
        self.check_group()?;
        check_offsets(offsets.values())?;
        Ok(self.send_commit(offsets, None))
    }

    /// What the group has committed for these partitions; one without a committed offset is not in the answer.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, ConsumerError> {
        self.check_group()?;
        let Some(coordinator) = &self.coordinator else { return Err(ConsumerError::NoGroup) };
        let deadline = Instant::now() + self.api_timeout();
        let mut failures = 0;
        loop {
            // Nobody in particular asks: a member that is thrown out may still know.
            let code = match coordinator.committed(&Identity::default(), partitions).await {
                Ok(found) => return Ok(found),
                Err(code) => code,
            };
            failures += 1;
            let wait = self.client.metadata().backoff().after(failures);
            if !code.is_retriable() {
                return Err(ConsumerError::group(code, coordinator.key()));
            }
            if Instant::now() + wait >= deadline {
                let what =
                    format!("the last committed offset for partitions {partitions:?} could be determined ({code})");
                return Err(ConsumerError::TimedOut { what, timeout_ms: self.api_timeout().as_millis() as u64 });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The offset of the next record that `poll` will return; learned from committed offsets or a reset if need be.
    pub async fn position(&self, partition: &TopicPartition) -> Result<i64, ConsumerError> {
        self.check_open()?;
        let deadline = Instant::now() + self.api_timeout();
        loop {
            {
                let state = self.shared.state.lock();
                let Some(held) = state.positions.get(partition) else {
                    let what = "You can only check the position for partitions assigned to this consumer.";
                    return Err(ConsumerError::IllegalState(what.to_owned()));
                };
                if let Some(position) = held.position {
                    return Ok(position.offset);
                }
                if held.stage == super::Stage::Reset(OffsetReset::None) {
                    return Err(ConsumerError::NoOffset { partitions: vec![partition.clone()] });
                }
            }
            if tokio::time::timeout_at(deadline, self.shared.front.notified()).await.is_err() {
                let what = format!("the position for partition {partition} could be determined");
                return Err(ConsumerError::TimedOut { what, timeout_ms: self.api_timeout().as_millis() as u64 });
            }
        }
    }

    /// The next record that `poll` returns of the partition is to be this one.
    pub fn seek(
        &mut self,
        partition: &TopicPartition,
        offset: impl Into<OffsetAndMetadata>,
    ) -> Result<(), ConsumerError> {
        self.check_open()?;
        let offset = offset.into();
        if offset.offset < 0 {
            return Err(ConsumerError::InvalidArgument("seek offset must not be a negative number".to_owned()));
        }
        let position = Position { offset: offset.offset, offset_epoch: offset.leader_epoch };
        let found = self.shared.state.lock().positions.seek(partition, position);
        self.sought(found, partition)
    }

    /// Goes to the first record of each partition when it is needed next.
    pub fn seek_to_beginning(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.seek_to(partitions, OffsetReset::Earliest)
    }

    /// Goes to the end of each partition when it is needed next.
    pub fn seek_to_end(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.seek_to(partitions, OffsetReset::Latest)
    }

    fn seek_to(&mut self, partitions: &[TopicPartition], to: OffsetReset) -> Result<(), ConsumerError> {
        self.check_open()?;
        let all = if partitions.is_empty() { self.shared.state.lock().positions.all() } else { partitions.to_vec() };
        for partition in &all {
            let found = self.shared.state.lock().positions.reset(partition, to);
            self.sought(found, partition)?;
        }
        Ok(())
    }

    fn sought(&self, found: bool, partition: &TopicPartition) -> Result<(), ConsumerError> {
        if !found {
            return Err(ConsumerError::IllegalState(format!("No current assignment for partition {partition}")));
        }
        self.shared.worker.notify_one();
        Ok(())
    }

    /// `poll` returns nothing of these partitions until they are resumed; the group is not told.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.set_paused(partitions, true)
    }

    /// The opposite of [`Consumer::pause`].
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.set_paused(partitions, false)
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<(), ConsumerError> {
        self.check_open()?;
        for partition in partitions {
            let mut state = self.shared.state.lock();
            let held = state.positions.get_mut(partition);
            let found = held.map(|held| held.paused = paused).is_some();
            drop(state);
            self.sought(found, partition)?;
        }
        Ok(())
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let state = self.shared.state.lock();
        state.positions.iter().filter(|(_, held)| held.paused).map(|(partition, _)| partition.clone()).collect()
    }

    /// The partitions that are read, in order.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.state.lock().positions.all()
    }

    /// The topics subscribed to by name.
    pub fn subscription(&self) -> BTreeSet<Arc<str>> {
        match &self.shared.state.lock().subscription {
            super::Subscription::Names(names) => names.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// How many records the partition is ahead of `poll`, as far as the last fetch has said; `None` before one has.
    pub fn current_lag(&self, partition: &TopicPartition) -> Option<i64> {
        let committed_only = self.isolation() == crate::config::Isolation::ReadCommitted;
        self.shared.state.lock().positions.get(partition)?.lag(committed_only)
    }

    /// Who this consumer is to its group at the moment.
    pub fn group_metadata(&self) -> Result<GroupMetadata, ConsumerError> {
        self.check_group()?;
        let group_id = self.client.config().consumer.group_id.clone().ok_or(ConsumerError::NoGroup)?;
        let group_instance_id = self.client.config().consumer.group_instance_id.clone();
        let Identity { member_id, generation, .. } = self.shared.state.lock().identity.clone();
        Ok(GroupMetadata { group_id, generation_id: generation, member_id, group_instance_id })
    }

    /// Asks for a rebalance at the next `poll`; nothing with `group.protocol=consumer`, where the coordinator decides.
    pub fn enforce_rebalance(&mut self, reason: &str) -> Result<(), ConsumerError> {
        self.check_group()?;
        let reason = if reason.is_empty() { "rebalance enforced by user" } else { reason };
        self.shared.state.lock().enforce = Some(reason.to_owned());
        self.shared.worker.notify_one();
        Ok(())
    }

    /// Where partitions begin.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        self.offsets(partitions, OffsetSpec::Earliest).await
    }

    /// Where partitions end: the high watermark, or under `read_committed` the last stable offset.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        self.offsets(partitions, OffsetSpec::Latest).await
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        self.check_open()?;
        let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let listed = self.client.list_offsets(&asked, self.isolation()).await?;
        let found = partitions.iter().zip(listed).filter_map(|(partition, at)| Some((partition.clone(), at.offset?)));
        Ok(found.collect())
    }

    /// Of each partition the first record that is not older than this many ms since the epoch; nothing where none is.
    pub async fn offsets_for_times(
        &self,
        times: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ConsumerError> {
        self.check_open()?;
        if let Some((partition, negative)) = times.iter().find(|(_, time)| **time < 0) {
            return Err(ConsumerError::InvalidArgument(format!(
                "The target time for partition {partition} is {negative}. The target time cannot be negative."
            )));
        }
        let asked: Vec<_> =
            times.iter().map(|(partition, at)| (partition.clone(), OffsetSpec::Timestamp(*at))).collect();
        let listed = self.client.list_offsets(&asked, self.isolation()).await?;
        Ok(times.keys().cloned().zip(listed).filter(|(_, listed)| listed.offset.is_some()).collect())
    }
}

fn check_offsets<'a>(mut offsets: impl Iterator<Item = &'a OffsetAndMetadata>) -> Result<(), ConsumerError> {
    match offsets.find(|offset| offset.offset < 0) {
        Some(negative) => Err(ConsumerError::InvalidArgument(format!("Invalid offset: {}", negative.offset))),
        None => Ok(()),
    }
}
