//! DescribeTransactions: where transactional ids stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use andiron_coordinator::transactions::{Described, Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use andiron_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName, TransactionalId,
};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::gather::Gather;
use crate::transactions;

pub(super) fn handle(call: &Call<'_>, request: DescribeTransactionsRequest, owed: Owed) {
    let gather = Gather::new(request.transactional_ids.len(), move |states| {
        owed.send(&DescribeTransactionsResponse::default().with_transaction_states(states));
    });
    for (place, id) in request.transactional_ids.into_iter().enumerate() {
        let gather = gather.clone();
        if !authorize(&call.session.principal, Operation::Describe, Resource::TransactionalId(&id)) {
            gather.put(place, refused(id, ErrorCode::TransactionalIdAuthorizationFailed));
            continue;
        }
        let asked = Request::Describe(Arc::from(id.as_str()));
        let name = id.clone();
        let answered = move |answer: Result<Response, ErrorCode>| {
            let state = match answer {
                Ok(Response::Describe(Ok(transaction))) => described(id, &transaction),
                Ok(Response::Describe(Err(error))) => refused(id, error.code()),
                Ok(_) => refused(id, ErrorCode::UnknownServerError),
                Err(error) => refused(id, error),
            };
            gather.put(place, state);
        };
        transactions::ask(call.node, &name, call.now, asked, Box::new(answered));
    }
}

fn refused(id: TransactionalId, error: ErrorCode) -> TransactionState {
    TransactionState::default().with_transactional_id(id).with_error_code(error.code())
}

fn described(id: TransactionalId, transaction: &Described) -> TransactionState {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in &transaction.partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default().with_topic(TopicName(StrBytes::from_string(topic.to_owned()))).with_partitions(partitions)
    });
    TransactionState::default()
        .with_transactional_id(id)
        .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.start_ms)
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.producer_epoch)
        .with_topics(topics.collect())
}
