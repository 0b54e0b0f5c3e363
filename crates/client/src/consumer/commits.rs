//! Commits, one after the other in the order in which they were asked for, so that an older one never overwrites a younger.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_protocol::error::ErrorCode;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::OffsetAndMetadata;
use super::error::CommitError;
use super::shared::Shared;
use crate::cluster::TopicPartition;
use crate::coordinator::{Coordinator, Identity};

/// Offsets to be committed.
pub(crate) struct Job {
    pub(crate) offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    /// Repeats what can be repeated until then; `None` tries once.
    pub(crate) until: Option<Instant>,
    pub(crate) done: oneshot::Sender<Result<(), CommitError>>,
}

/// Works off what is asked for until nobody can ask any more.
pub(crate) async fn run(coordinator: Arc<Coordinator>, shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        let outcome = commit(&coordinator, &shared, &job).await;
        if let Err(error) = &outcome {
            tracing::debug!("offsets of group {} were not committed: {error}", coordinator.key());
        }
        // Who does not wait for the outcome does not want to know it.
        let _ = job.done.send(outcome);
    }
}

async fn commit(coordinator: &Coordinator, shared: &Shared, job: &Job) -> Result<(), CommitError> {
    if job.offsets.is_empty() {
        // Nobody has to be a member for that.
        return Ok(());
    }
    let mut failures = 0;
    loop {
        let (identity, rebalancing) = identity(shared);
        if identity.is_none() {
            // The member was thrown out: what it read is no longer its own.
            return Err(if rebalancing { CommitError::Rebalancing } else { CommitError::NotAMember });
        }
        let identity = identity.unwrap_or_default();
        let (code, partition) = match coordinator.commit(&identity, &job.offsets).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let error = judge(shared, &identity, code, partition.as_ref());
        let again = match code {
            // The coordinator has moved the member on, and the member knows: its new epoch may commit.
            ErrorCode::StaleMemberEpoch => identity_changed(shared, &identity),
            _ => matches!(error, CommitError::Retriable(_)),
        };
        failures += 1;
        let wait = coordinator.client().metadata().backoff().after(failures);
        match job.until {
            Some(until) if again && Instant::now() + wait < until => tokio::time::sleep(wait).await,
            _ => return Err(error),
        }
    }
}

/// By whom to commit; `None` if this consumer is to be a member and is none.
fn identity(shared: &Shared) -> (Option<Identity>, bool) {
    let state = shared.state.lock();
    let is_none = state.subscription.is_by_group() && state.identity.generation < 0;
    ((!is_none).then(|| state.identity.clone()), state.rebalancing)
}

fn identity_changed(shared: &Shared, identity: &Identity) -> bool {
    let now = &shared.state.lock().identity;
    now != identity && now.generation >= 0
}

fn judge(shared: &Shared, identity: &Identity, code: ErrorCode, partition: Option<&TopicPartition>) -> CommitError {
    match code {
        ErrorCode::RebalanceInProgress => CommitError::Rebalancing,
        ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::StaleMemberEpoch => {
            // The generation has changed under the request: once the rebalance is over it can be tried again.
            let state = shared.state.lock();
            if state.rebalancing && state.identity != *identity {
                CommitError::Rebalancing
            } else {
                CommitError::NotAMember
            }
        }
        code if code.is_retriable() => CommitError::Retriable(code.to_string()),
        code => {
            let partition = partition.map(|partition| format!(" for partition {partition}")).unwrap_or_default();
            CommitError::Refused { code, partition }
        }
    }
}
