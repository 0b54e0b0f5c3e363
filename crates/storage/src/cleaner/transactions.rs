//! What a walk over a log knows of the transactions in it while it compacts: whose records were aborted, and whether a marker
//! still marks anything.

use std::collections::{HashMap, HashSet, VecDeque};

use andiron_protocol::batch::{Batch, BatchHeader, ControlType, Records};

use crate::txn_index::AbortedTransaction;

/// An aborted transaction that the walk is in.
struct Aborting {
    transaction: AbortedTransaction,
    /// A batch of it was seen: its marker, and its place in the index, are still needed.
    seen: bool,
}

/// The transactions of a walk that goes up by offset.
#[derive(Default)]
pub(super) struct Transactions {
    /// Those not reached yet, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    aborting: HashMap<i64, Aborting>,
    /// Producers of transactions that will be committed and of which a batch was seen.
    committing: HashSet<i64>,
    /// Aborted transactions that records are left of: what the index of the segment under way has to hold.
    pub kept: Vec<AbortedTransaction>,
}

impl Transactions {
    /// A walk that begins at `from`, of a log in which these transactions were aborted.
    pub fn new(aborted: &[AbortedTransaction], from: i64) -> Transactions {
        let mut ahead: Vec<_> = aborted.iter().filter(|t| t.last_offset >= from).copied().collect();
        ahead.sort_by_key(|t| t.first_offset);
        Transactions { ahead: ahead.into(), ..Transactions::default() }
    }

    fn reach(&mut self, offset: i64) {
        while let Some(transaction) = self.ahead.pop_front_if(|t| t.first_offset <= offset) {
            self.aborting.entry(transaction.producer_id).or_insert(Aborting { transaction, seen: false });
        }
    }

    /// The walk comes to a data batch; true when its transaction was aborted.
    pub fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborting.get_mut(&header.producer_id) {
            Some(aborting) => {
                aborting.seen = true;
                true
            }
            None => {
                self.committing.insert(header.producer_id);
                false
            }
        }
    }

    /// The walk comes to a control batch; true when it marks nothing any more.
    pub fn on_control(&mut self, batch: &Batch<'_>) -> bool {
        let header = &batch.header;
        self.reach(header.last_offset());
        if header.record_count == 0 {
            return true;
        }
        let kind = match Records::new(header, batch.body()).next() {
            Some(Ok(record)) => record.key.and_then(ControlType::from_key),
            _ => None,
        };
        match kind {
            Some(ControlType::Abort) => match self.aborting.remove(&header.producer_id) {
                Some(Aborting { transaction, seen: true }) => {
                    self.kept.push(transaction);
                    false
                }
                _ => true,
            },
            Some(ControlType::Commit) => !self.committing.remove(&header.producer_id),
            _ => false,
        }
    }
}
