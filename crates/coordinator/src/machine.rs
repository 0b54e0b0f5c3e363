//! The machine of one partition of `__consumer_offsets`.

use andiron_protocol::ErrorCode;
use andiron_replication::machine::{StateMachine, Ticket};

use crate::config::GroupConfig;
use crate::effects::{Call, Effects, Reply, Response};
use crate::record::Record;

/// All groups of one partition of `__consumer_offsets`. Make one when the partition's leadership is won, `replay` the
/// partition, call `loaded`, put it into a harness, then feed it requests; `unload` it when leadership goes.
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

    /// Ends loading: the members found in the log have one session timeout from now to show themselves. The effects
    /// (mostly none) go to `Harness::carry_out`.
    pub fn loaded(&mut self, now: i64) -> Effects {
        let _ = now;
        Effects::default()
    }

    /// Applies a record of a batch that belongs to an open transaction: it takes effect when the transaction commits.
    pub fn replay_in_transaction(&mut self, offset: i64, producer_id: i64, record: &Record) {
        let _ = (offset, producer_id, record);
    }

    /// A control record that ends the producer's transaction.
    pub fn replay_end_of_transaction(&mut self, producer_id: i64, committed: bool) {
        let _ = (producer_id, committed);
    }

    /// The partitions of a deleted topic: their committed offsets go. The effects go to `Harness::carry_out`.
    pub fn partitions_deleted(&mut self, partitions: &[(&str, i32)]) -> Effects {
        let _ = partitions;
        Effects::default()
    }

    /// Leadership is lost: whoever waits to join or for an assignment is told NOT_COORDINATOR, and the machine is empty.
    pub fn unload(&mut self) -> Vec<Reply> {
        Vec::new()
    }
}

impl StateMachine for GroupCoordinator {
    type Request = Call;
    type Response = Response;
    type Record = Record;
    type View = ();

    fn handle(&mut self, _now: i64, _ticket: Ticket, _call: Call) -> Effects {
        Effects::default()
    }

    fn replay(&mut self, _offset: i64, _record: &Record) {}

    fn append_failed(&mut self, _now: i64, _effects: Effects, _error: ErrorCode) -> Vec<Reply> {
        Vec::new()
    }

    fn view(&self) {}
}
