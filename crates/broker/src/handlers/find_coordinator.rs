//! FindCoordinator: which node keeps a group or a transactional id. The first one to ask has `__consumer_offsets`, or
//! `__transaction_state`, created.

use std::sync::Arc;

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::find_coordinator_response::Coordinator;
use andiron_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};
use crate::groups::OFFSETS_TOPIC;
use crate::transactions::STATE_TOPIC;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(super) fn handle(call: &Call<'_>, request: FindCoordinatorRequest, owed: Owed) {
    let keys = if call.version >= 4 { request.coordinator_keys } else { vec![request.key] };
    let key_type = request.key_type;
    let listener = call.session.listener.clone();
    let principal = call.session.principal.clone();
    let node = Arc::clone(call.node);
    let topic = if key_type == TRANSACTION { STATE_TOPIC } else { OFFSETS_TOPIC };
    call.node.ensure_internal_topic(topic, call.now, move |ready| {
        let (host, port) = node.address_for(&listener);
        let allowed = |key: &str| match key_type {
            GROUP if authorize(&principal, Operation::Describe, Resource::Group(key)) => Ok(()),
            GROUP => Err(ErrorCode::GroupAuthorizationFailed),
            TRANSACTION if authorize(&principal, Operation::Describe, Resource::TransactionalId(key)) => Ok(()),
            TRANSACTION => Err(ErrorCode::TransactionalIdAuthorizationFailed),
            _ => Err(ErrorCode::InvalidRequest),
        };
        let found = |key: StrBytes| {
            let error = allowed(&key).and(ready).err().unwrap_or(ErrorCode::None);
            let known = error.is_none();
            let mut coordinator = Coordinator::default()
                .with_key(key)
                .with_node_id(BrokerId(-1))
                .with_port(-1)
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::default()));
            if known {
                coordinator = coordinator
                    .with_node_id(BrokerId(node.config().node_id))
                    .with_host(StrBytes::from_string(host.clone()))
                    .with_port(i32::from(port));
            }
            coordinator
        };
        let mut found: Vec<Coordinator> = keys.into_iter().map(found).collect();
        if owed.version >= 4 {
            owed.send(&FindCoordinatorResponse::default().with_coordinators(found));
        } else if let Some(one) = found.pop() {
            let mut answer = FindCoordinatorResponse::default()
                .with_error_code(one.error_code)
                .with_node_id(one.node_id)
                .with_host(one.host)
                .with_port(one.port);
            if owed.version >= 1 {
                // The old form repeats the error in words, and says "NONE" where there is none.
                let words = one.error_message.filter(|words| !words.is_empty()).or_else(|| {
                    let error = ErrorCode::from_code(one.error_code).unwrap_or(ErrorCode::UnknownServerError);
                    Some(StrBytes::from_string(if error.is_none() { "NONE".to_owned() } else { error.message() }))
                });
                answer = answer.with_error_message(words);
            }
            owed.send(&answer);
        }
    });
}
