//! The machine of one partition of `__consumer_offsets`.

use crate::config::GroupConfig;
use crate::effects::{Effects, Reply, Request, RequestContext};
use crate::record::Record;

/// All groups of one partition of `__consumer_offsets`. Make one when the partition's leadership is won, `replay` the
/// partition, call `loaded`, then `handle` requests; `unload` it when leadership goes.
#[derive(Debug)]
pub struct GroupCoordinator {
    config: GroupConfig,
}

impl GroupCoordinator {
    /// An empty coordinator, loading until `loaded` is called.
    pub fn new(config: GroupConfig) -> Self {
        Self { config }
    }

    /// Settings from now on.
    pub fn set_config(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Ends loading: the members found in the log have one session timeout from now to show themselves.
    pub fn loaded(&mut self, now: i64) -> Effects {
        let _ = now;
        Effects::default()
    }

    /// Decides on a request. Soft state (who joins, who beats) changes at once, durable state only in `replay`.
    pub fn handle(&mut self, now: i64, ctx: &RequestContext, request: Request) -> Effects {
        let _ = (now, ctx, request);
        Effects::default()
    }

    /// Applies a record that lies at `offset` of the partition: when loading, and for each record of `Effects` as soon
    /// as it is appended.
    pub fn replay(&mut self, offset: i64, record: &Record) {
        let _ = (offset, record);
    }

    /// Applies a record of a batch that belongs to an open transaction: it takes effect when the transaction commits.
    pub fn replay_in_transaction(&mut self, offset: i64, producer_id: i64, record: &Record) {
        let _ = (offset, producer_id, record);
    }

    /// A control record that ends the producer's transaction.
    pub fn replay_end_of_transaction(&mut self, producer_id: i64, committed: bool) {
        let _ = (producer_id, committed);
    }

    /// The records of these effects could not be appended: their parked answers become errors with this code, and the
    /// group they were for rebalances.
    pub fn append_failed(&mut self, now: i64, effects: Effects, error_code: i16) -> Effects {
        let _ = (now, effects, error_code);
        Effects::default()
    }

    /// The next moment at which `on_deadline` has something to do.
    pub fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// Does what is due: sessions and rebalances that time out, offsets that expire.
    pub fn on_deadline(&mut self, now: i64) -> Effects {
        let _ = now;
        Effects::default()
    }

    /// The partitions of a deleted topic: their committed offsets go.
    pub fn partitions_deleted(&mut self, partitions: &[(&str, i32)]) -> Effects {
        let _ = partitions;
        Effects::default()
    }

    /// Leadership is lost: every outstanding answer is NOT_COORDINATOR, and the machine is empty.
    pub fn unload(&mut self) -> Vec<Reply> {
        Vec::new()
    }
}
