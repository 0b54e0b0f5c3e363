//! ListTransactions: every coordinator of this node lists its own.

use andiron_coordinator::transactions::{ListFilter, Listed, Request, Response, TransactionState as State};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::list_transactions_response::TransactionState;
use andiron_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::gather::Gather;
use crate::transactions;

pub(super) fn handle(call: &Call<'_>, request: ListTransactionsRequest, owed: Owed) {
    let named = !request.state_filters.is_empty();
    let (known, unknown): (Vec<StrBytes>, Vec<StrBytes>) =
        request.state_filters.into_iter().partition(|name| State::from_name(name).is_some());
    if named && known.is_empty() {
        // Nothing is in a state that nobody knows.
        owed.send(&ListTransactionsResponse::default().with_unknown_state_filters(unknown));
        return;
    }
    let filter = ListFilter {
        states: known.iter().filter_map(|name| State::from_name(name)).collect(),
        producer_ids: request.producer_id_filters.iter().map(|id| id.0).collect(),
        duration_ms: if call.version >= 1 { request.duration_filter } else { -1 },
        pattern: request.transactional_id_pattern.map(|pattern| pattern.to_string()),
    };
    let coordinators = call.node.transactions().all();
    let principal = call.session.principal.clone();
    let gather = Gather::new(coordinators.len(), move |answers: Vec<Result<Vec<Listed>, ErrorCode>>| {
        let mut answer = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
        let mut states = Vec::new();
        for listed in answers {
            match listed {
                Ok(listed) => states.extend(listed.into_iter().filter(|one| {
                    authorize(&principal, Operation::Describe, Resource::TransactionalId(&one.transactional_id))
                })),
                Err(error) => answer.error_code = error.code(),
            }
        }
        states.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        if answer.error_code == 0 {
            answer.transaction_states = states.iter().map(shown).collect();
        }
        owed.send(&answer);
    });
    for (place, coordinator) in coordinators.into_iter().enumerate() {
        let gather = gather.clone();
        let answered = move |answer: Result<Response, ErrorCode>| {
            gather.put(
                place,
                match answer {
                    Ok(Response::List(listed)) => listed.map_err(|error| error.code()),
                    Ok(_) => Err(ErrorCode::UnknownServerError),
                    Err(error) => Err(error),
                },
            );
        };
        transactions::ask_one(call.node, &coordinator, call.now, Request::List(filter.clone()), Box::new(answered));
    }
}

fn shown(listed: &Listed) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(listed.transactional_id.to_string())))
        .with_producer_id(ProducerId(listed.producer_id))
        .with_transaction_state(StrBytes::from_static_str(listed.state.name()))
}
