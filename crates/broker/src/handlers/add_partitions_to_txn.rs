//! AddPartitionsToTxn: a client's partitions join its transaction (versions 0 to 3), or another broker adds or verifies those of
//! several (versions 4 and 5).

use std::collections::BTreeSet;
use std::sync::Arc;

use andiron_coordinator::transactions::effects::Partition;
use andiron_coordinator::transactions::{AddPartitions, Producer, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use andiron_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use andiron_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::gather::Gather;
use crate::topics::is_internal;
use crate::transactions;

/// The first version of brokers.
const BROKERS_FROM: i16 = 4;

/// The first version whose clients know PRODUCER_FENCED.
const PRODUCER_FENCED_FROM: i16 = 2;

pub(super) fn handle(call: &Call<'_>, request: AddPartitionsToTxnRequest, owed: Owed) {
    if call.version < BROKERS_FROM {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        one(call, transaction, move |result| {
            owed.send(&AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(result.topic_results));
        });
        return;
    }
    if !authorize(&call.session.principal, Operation::ClusterAction, Resource::Cluster) {
        let code = ErrorCode::ClusterAuthorizationFailed.code();
        owed.send(&AddPartitionsToTxnResponse::default().with_error_code(code));
        return;
    }
    let gather = Gather::new(request.transactions.len(), move |results| {
        owed.send(&AddPartitionsToTxnResponse::default().with_results_by_transaction(results));
    });
    for (place, transaction) in request.transactions.into_iter().enumerate() {
        let gather = gather.clone();
        one(call, transaction, move |result| gather.put(place, result));
    }
}

fn one(
    call: &Call<'_>,
    transaction: AddPartitionsToTxnTransaction,
    then: impl FnOnce(AddPartitionsToTxnResult) + Send + 'static,
) {
    let AddPartitionsToTxnTransaction { transactional_id, producer_id, producer_epoch, verify_only, topics, .. } =
        transaction;
    let result = {
        let (id, topics) = (transactional_id.clone(), topics.clone());
        move |code: &dyn Fn(&str, i32) -> ErrorCode| {
            AddPartitionsToTxnResult::default()
                .with_transactional_id(id)
                .with_topic_results(topics.iter().map(|topic| topic_result(topic, code)).collect())
        }
    };
    let of_client = call.version < BROKERS_FROM;
    if !authorize(&call.session.principal, Operation::Write, Resource::TransactionalId(&transactional_id)) {
        return then(result(&|_, _| ErrorCode::TransactionalIdAuthorizationFailed));
    }
    let (mut partitions, mut refused) = (BTreeSet::new(), BTreeSet::<(Partition, ErrorCode)>::new());
    let snapshot = call.node.snapshot();
    for topic in &topics {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        // Clients write to no topic of a coordinator; a broker adds those of groups for them.
        let allowed = authorize(&call.session.principal, Operation::Write, Resource::Topic(&name))
            && !(of_client && is_internal(&name));
        for &index in &topic.partitions {
            let partition = (name.clone(), index);
            if !allowed {
                refused.insert((partition, ErrorCode::TopicAuthorizationFailed));
            } else if !call.node.partition_exists(&snapshot, &name, index) {
                refused.insert((partition, ErrorCode::UnknownTopicOrPartition));
            } else {
                partitions.insert(partition);
            }
        }
    }
    if !refused.is_empty() {
        // All or none.
        return then(result(&|topic, index| {
            let found = refused.iter().find(|((name, at), _)| **name == *topic && *at == index);
            found.map_or(ErrorCode::OperationNotAttempted, |(_, error)| *error)
        }));
    }
    let version = call.version;
    let id: Arc<str> = Arc::from(transactional_id.as_str());
    let request = Request::AddPartitions(AddPartitions {
        transactional_id: id.clone(),
        producer: Producer { id: producer_id.0, epoch: producer_epoch },
        partitions,
        client_version: if of_client { 0 } else { 2 },
        verify_only,
        patient: false,
    });
    let answered = move |answer: Result<Response, ErrorCode>| {
        let (error, missing) = match answer {
            Ok(Response::AddPartitions(Ok(missing))) => (ErrorCode::None, missing),
            Ok(Response::AddPartitions(Err(error))) => (error.code(), BTreeSet::new()),
            Ok(_) => (ErrorCode::UnknownServerError, BTreeSet::new()),
            Err(error) => (error, BTreeSet::new()),
        };
        let old = error == ErrorCode::ProducerFenced && version < PRODUCER_FENCED_FROM;
        let error = if old { ErrorCode::InvalidProducerEpoch } else { error };
        then(result(&|topic, index| {
            let is_missing = missing.iter().any(|(name, at)| **name == *topic && *at == index);
            if is_missing { ErrorCode::TransactionAbortable } else { error }
        }));
    };
    transactions::ask(call.node, &id, call.now, request, Box::new(answered));
}

fn topic_result(
    topic: &AddPartitionsToTxnTopic,
    code: &dyn Fn(&str, i32) -> ErrorCode,
) -> AddPartitionsToTxnTopicResult {
    let partitions = topic.partitions.iter().map(|&index| {
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(index)
            .with_partition_error_code(code(&topic.name, index).code())
    });
    AddPartitionsToTxnTopicResult::default()
        .with_name(topic.name.clone())
        .with_results_by_partition(partitions.collect())
}
