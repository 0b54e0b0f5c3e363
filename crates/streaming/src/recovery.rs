//! Where a query goes on: a pure function of what its checkpoint holds.

use crate::checkpoint::{CommitMetadata, OffsetSeq};
use crate::machine::OffsetText;

/// What was found in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The highest batch in `offsets/` with its content.
    pub latest_offsets: Option<(i64, OffsetSeq)>,
    /// The content of `offsets/N-1`, where N is the highest batch.
    pub previous_offsets: Option<OffsetSeq>,
    /// The highest batch in `commits/` with its content.
    pub latest_commit: Option<(i64, CommitMetadata)>,
    /// How many sources the query has now.
    pub sources: usize,
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing was ever planned: batch 0 is next.
    NewQuery,
    /// `offsets/batch` stands without its commit: the same range again.
    RunAgain {
        /// The batch's number.
        batch: i64,
        /// Where it starts: the end of the batch before it; `None` for batch 0, which starts at the initial offsets.
        start: Option<Vec<OffsetText>>,
        /// Where it ends.
        end: Vec<OffsetText>,
    },
    /// `batch` is committed: the next one starts at its end.
    StartAfter {
        /// The last committed batch.
        batch: i64,
        /// Where it ended.
        end: Vec<OffsetText>,
    },
}

/// Why a checkpoint cannot be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `offsets/N-1` is gone although N is not committed.
    #[error("batch {0} doesn't exist")]
    PreviousBatchMissing(i64),
    /// The query had another number of sources when the checkpoint was written.
    #[error(
        "There are [{had}] sources in the checkpoint offsets and now there are [{has}] sources requested by the query. Cannot continue."
    )]
    SourcesChanged {
        /// Sources in the checkpoint.
        had: usize,
        /// Sources of the query.
        has: usize,
    },
    /// A commit without the offsets of its batch.
    #[error("batch {0} is committed but its offsets are missing from the offset log")]
    CommitWithoutOffsets(i64),
}

/// Decides where a query begins.
///
/// # Errors
/// When the checkpoint contradicts itself or belongs to another query.
pub fn decide(facts: Facts) -> Result<Start, Refused> {
    let Some((batch, offsets)) = facts.latest_offsets else {
        return match facts.latest_commit {
            Some((committed, _)) => Err(Refused::CommitWithoutOffsets(committed)),
            None => Ok(Start::NewQuery),
        };
    };
    let fits = |offsets: &OffsetSeq| {
        let had = offsets.sources.len();
        if had == facts.sources { Ok(()) } else { Err(Refused::SourcesChanged { had, has: facts.sources }) }
    };
    fits(&offsets)?;
    if let Some((committed, _)) = facts.latest_commit {
        if committed > batch {
            return Err(Refused::CommitWithoutOffsets(committed));
        }
        if committed == batch {
            return Ok(Start::StartAfter { batch, end: offsets.sources });
        }
    }
    let start = match (batch, facts.previous_offsets) {
        (0, _) => None,
        (_, Some(previous)) => {
            fits(&previous)?;
            Some(previous.sources)
        }
        (_, None) => return Err(Refused::PreviousBatchMissing(batch - 1)),
    };
    Ok(Start::RunAgain { batch, start, end: offsets.sources })
}
