//! Before a producer's transaction begins in a partition, its coordinator is asked whether the partition belongs to it (KIP-890);
//! a client of `transaction.version` 2 does not add its partitions itself, so that the question adds them.

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_coordinator::transactions::effects::Partition;
use andiron_coordinator::transactions::{AddPartitions, Producer, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_storage::{TransactionProof, VerificationGuard};

use super::ask;
use crate::node::Node;
use crate::shard::Shard;

/// What a client of a request's version knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// It adds partitions itself, and knows INVALID_TXN_STATE.
    DefaultError,
    /// It also knows TRANSACTION_ABORTABLE.
    GenericError,
    /// It leaves adding partitions to the broker.
    AddPartition,
}

impl Support {
    /// Of a Produce.
    pub(crate) fn of_produce(version: i16) -> Support {
        match version {
            ..=10 => Support::DefaultError,
            11 => Support::GenericError,
            _ => Support::AddPartition,
        }
    }

    /// Of a TxnOffsetCommit.
    pub(crate) fn of_offset_commit(version: i16) -> Support {
        match version {
            ..=3 => Support::DefaultError,
            4 => Support::GenericError,
            _ => Support::AddPartition,
        }
    }

    /// Whether the producer's epoch is bumped with every transaction.
    pub(crate) fn epoch_bump(self) -> bool {
        self == Support::AddPartition
    }
}

/// A producer's request, for which partitions are to be vouched for.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) node: Arc<Node>,
    pub(crate) transactional_id: Arc<str>,
    pub(crate) producer: Producer,
    pub(crate) support: Support,
    pub(crate) now: i64,
}

/// A partition, and the sequence number of the batch that it is to take.
pub(crate) type Wanted = (Arc<Shard>, i32);

/// What came of it for each partition: what to append with, or why not to.
pub(crate) type Vouched = Vec<Result<TransactionProof, ErrorCode>>;

/// Has partitions vouched for, if their transaction is not under way in them, and goes on with `then`: at once, or when the
/// coordinator has answered.
pub(crate) fn vouch(asking: Asking, wanted: Vec<Wanted>, then: impl FnOnce(Vouched) + Send + 'static) {
    // Where nobody adds partitions and nobody verifies, whatever comes is taken.
    if !asking.support.epoch_bump() && !asking.node.verifies_transactions() {
        return then(wanted.iter().map(|_| Ok(TransactionProof::None)).collect());
    }
    let found = wanted.iter().map(|_| None).collect();
    Vouching { asking, wanted, found, then: Box::new(then) }.go_on();
}

struct Vouching {
    asking: Asking,
    wanted: Vec<Wanted>,
    found: Vec<Option<Result<TransactionProof, ErrorCode>>>,
    then: Box<dyn FnOnce(Vouched) + Send>,
}

impl Vouching {
    fn start(&self, (shard, sequence): &Wanted) -> Option<VerificationGuard> {
        let Asking { producer, support, now, .. } = &self.asking;
        shard.start_verification(producer.id, producer.epoch, *sequence, support.epoch_bump(), *now)
    }

    fn go_on(mut self) {
        let mut guards = Vec::new();
        for place in 0..self.wanted.len() {
            let (Some(wanted), Some(None)) = (self.wanted.get(place), self.found.get(place)) else { continue };
            match self.start(wanted) {
                Some(guard) => guards.push((place, guard)),
                None => self.find(place, Ok(TransactionProof::None)),
            }
        }
        if guards.is_empty() {
            let missing = Err(ErrorCode::UnknownServerError);
            return (self.then)(self.found.into_iter().map(|found| found.unwrap_or(missing)).collect());
        }
        let names = guards.iter().filter_map(|(place, _)| self.wanted.get(*place)).map(name).collect();
        let asking = self.asking.clone();
        ask_coordinator(&asking, names, move |answer| self.answered(guards, answer));
    }

    fn answered(mut self, guards: Vec<(usize, VerificationGuard)>, answer: Result<BTreeSet<Partition>, ErrorCode>) {
        for (place, guard) in guards {
            let Some(wanted) = self.wanted.get(place) else { continue };
            match self.asking.support.said(&answer, &name(wanted)) {
                Err(error) => self.find(place, Err(error)),
                // A transaction ended in the partition meanwhile, mostly the one before, for which the coordinator had us wait:
                // what it said may be about that one. It is asked again.
                Ok(()) => match self.start(wanted) {
                    Some(again) if again != guard => {}
                    Some(_) => self.find(place, Ok(TransactionProof::Verified(guard))),
                    None => self.find(place, Ok(TransactionProof::None)),
                },
            }
        }
        self.go_on();
    }

    fn find(&mut self, place: usize, found: Result<TransactionProof, ErrorCode>) {
        if let Some(at) = self.found.get_mut(place) {
            *at = Some(found);
        }
    }
}

fn name((shard, _): &Wanted) -> Partition {
    (Arc::clone(&shard.topic), shard.partition)
}

impl Support {
    /// Whether the partition is in the transaction, by what the coordinator said: the partitions that are not, or an error.
    fn said(self, answer: &Result<BTreeSet<Partition>, ErrorCode>, partition: &Partition) -> Result<(), ErrorCode> {
        match answer {
            Ok(missing) if !missing.contains(partition) => Ok(()),
            Ok(_) if self == Support::DefaultError => Err(ErrorCode::InvalidTxnState),
            Ok(_) => Err(ErrorCode::TransactionAbortable),
            // Whoever produces knows the old name only.
            Err(ErrorCode::ProducerFenced) => Err(ErrorCode::InvalidProducerEpoch),
            Err(error) => Err(*error),
        }
    }
}

/// Asks the coordinator whether partitions are in a producer's transaction, or has them added.
fn ask_coordinator(
    asking: &Asking,
    partitions: BTreeSet<Partition>,
    then: impl FnOnce(Result<BTreeSet<Partition>, ErrorCode>) + Send + 'static,
) {
    let adds = asking.support == Support::AddPartition;
    let request = Request::AddPartitions(AddPartitions {
        transactional_id: asking.transactional_id.clone(),
        producer: asking.producer,
        partitions,
        client_version: if adds { 2 } else { 0 },
        verify_only: !adds,
        patient: adds,
    });
    let answered = move |answer: Result<Response, ErrorCode>| {
        then(match answer {
            Ok(Response::AddPartitions(Ok(missing))) => Ok(missing),
            Ok(Response::AddPartitions(Err(error))) => Err(error.code()),
            Ok(_) => Err(ErrorCode::UnknownServerError),
            Err(error) => Err(error),
        });
    };
    ask(&asking.node, &asking.transactional_id, asking.now, request, Box::new(answered));
}
