//! Who may commit and ask for offsets of a consumer group.

use std::sync::Arc;

use uuid::Uuid;

use super::Group;
use super::member::Member;
use crate::error::{CommitError, MemberError};

/// From this version on a commit can be told that its epoch is stale.
const COMMIT_KNOWS_STALE_EPOCH_VERSION: i16 = 9;

/// What a commit of a member may do.
#[derive(Clone, Debug)]
pub(crate) enum CommitCheck {
    /// All.
    Passed,
    /// The member has moved on: only what it has had since the epoch that it names.
    Since(Arc<Member>, i32),
}

impl CommitCheck {
    /// Whether the offset of this partition may be committed.
    pub fn partition(&self, topic: Uuid, partition: i32) -> Result<(), CommitError> {
        match self {
            Self::Passed => Ok(()),
            Self::Since(member, epoch) => match member.epoch_of(topic, partition) {
                Some(since) if *epoch >= since => Ok(()),
                _ => Err(stale(member)),
            },
        }
    }
}

fn stale(member: &Member) -> CommitError {
    if member.classic.is_some() { MemberError::IllegalGeneration.into() } else { CommitError::StaleEpoch }
}

impl Group {
    /// Checks who commits. Of a transaction (`transactional`) nothing need be known but its producer.
    pub fn check_commit(
        &self,
        id: &str,
        instance: Option<&str>,
        epoch: i32,
        version: i16,
        transactional: bool,
    ) -> Result<CommitCheck, CommitError> {
        if epoch < 0 && self.members.is_empty() {
            return Ok(CommitCheck::Passed);
        }
        if transactional && epoch == -1 && id.is_empty() && instance.is_none() {
            return Ok(CommitCheck::Passed);
        }
        let member = self.members.get(id).ok_or(MemberError::UnknownMember)?;
        if !transactional && member.classic.is_none() && version < COMMIT_KNOWS_STALE_EPOCH_VERSION {
            return Err(CommitError::UnsupportedVersion);
        }
        match epoch.cmp(&member.epoch) {
            std::cmp::Ordering::Equal => Ok(CommitCheck::Passed),
            std::cmp::Ordering::Greater => Err(stale(member)),
            std::cmp::Ordering::Less => Ok(CommitCheck::Since(member.clone(), epoch)),
        }
    }

    /// Checks who asks for offsets; whoever says nothing of itself may.
    pub fn check_fetch(&self, id: Option<&str>, epoch: i32) -> Result<(), CommitError> {
        if id.is_none() && epoch < 0 {
            return Ok(());
        }
        let member = self.members.get(id.unwrap_or_default()).ok_or(MemberError::UnknownMember)?;
        if member.epoch == epoch { Ok(()) } else { Err(stale(member)) }
    }
}
