//! Whom an administrative request goes to, how often, and what is made of no answer.

use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::{Request, StrBytes};
use andiron_protocol::messages::FindCoordinatorRequest;
use tokio::time::Instant;

use super::{Admin, Refusal};
use crate::client::Client;
use crate::cluster::BrokerInfo;
use crate::error::{AdminError, Determinacy};
use crate::pool::Purpose;
use crate::transport::Address;
use crate::wire::{CallError, error_code};

/// From this version on FindCoordinator takes many keys.
const FIND_COORDINATOR_KEYS_VERSION: i16 = 4;

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn words(message: Option<StrBytes>) -> String {
    message.map(|message| message.to_string()).unwrap_or_default()
}

/// Asks whichever broker answers. A call that `changes` something is repeated only while it surely was not carried out.
pub(super) async fn ask_any<R: Request>(
    client: &Client,
    call: &'static str,
    changes: bool,
    request: impl Fn(i16) -> R,
) -> Result<R::Response, AdminError> {
    let deadline = client.deadline();
    let patience = Duration::from_millis(u64::from(client.config().request_timeout_ms.unsigned_abs()));
    let mut failures = 0;
    loop {
        let mut last = None;
        for address in client.metadata().addresses() {
            match ask::<R>(client, &address, patience, &request).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::Unsupported(_)) => return Err(AdminError::Unsupported { call }),
                Err(CallError::Protocol(what)) => return Err(AdminError::Protocol(what)),
                Err(CallError::Transport(error)) => {
                    if changes && error.may_have_been_sent() {
                        let determinacy = Determinacy::MayHaveHappened;
                        return Err(AdminError::TimedOut { call, last: error.to_string(), determinacy });
                    }
                    last = Some(error.to_string());
                }
            }
        }
        failures += 1;
        let wait = client.metadata().backoff().after(failures);
        if Instant::now() + wait >= deadline {
            let last = last.unwrap_or_else(|| "no address to ask".to_owned());
            return Err(AdminError::TimedOut { call, last, determinacy: Determinacy::DidNotHappen });
        }
        tokio::time::sleep(wait).await;
    }
}

pub(super) async fn ask<R: Request>(
    client: &Client,
    address: &Address,
    patience: Duration,
    request: &impl Fn(i16) -> R,
) -> Result<R::Response, CallError> {
    let connection = client.pool().shared(address, Purpose::Ask).await?;
    let version = connection.version::<R>()?;
    connection.call_patiently(version, &request(version), patience).await
}

/// How long a broker may think about a change before the request's own time is counted.
pub(super) fn patience(client: &Client) -> Duration {
    Duration::from_millis(u64::from(client.config().request_timeout_ms.unsigned_abs()))
}

/// Asks one broker and no other; nothing is repeated.
pub(super) async fn ask_node<R: Request>(
    client: &Client,
    call: &'static str,
    address: &Address,
    request: impl Fn(i16) -> R,
) -> Result<R::Response, AdminError> {
    ask::<R>(client, address, patience(client), &request).await.map_err(|error| failed(call, error))
}

/// Asks one broker in a version no newer than `most`.
pub(super) async fn ask_node_up_to<R: Request>(
    client: &Client,
    call: &'static str,
    most: i16,
    address: &Address,
    request: impl Fn(i16) -> R,
) -> Result<R::Response, AdminError> {
    let asked = async {
        let connection = client.pool().shared(address, Purpose::Ask).await?;
        let version = connection.version::<R>()?.min(most);
        connection.call_patiently(version, &request(version), patience(client)).await
    };
    asked.await.map_err(|error| failed(call, error))
}

/// What a call that is not repeated reports of the attempt that failed.
pub(super) fn failed(call: &'static str, error: CallError) -> AdminError {
    match error {
        CallError::Unsupported(_) => AdminError::Unsupported { call },
        CallError::Protocol(what) => AdminError::Protocol(what),
        CallError::Transport(error) => {
            let sent = error.may_have_been_sent();
            let determinacy = if sent { Determinacy::MayHaveHappened } else { Determinacy::DidNotHappen };
            AdminError::TimedOut { call, last: error.to_string(), determinacy }
        }
    }
}

/// An answer's own error, for the whole call.
pub(super) fn refuse(code: i16, message: Option<StrBytes>) -> Result<(), AdminError> {
    match error_code(code) {
        ErrorCode::None => Ok(()),
        code => {
            let words = words(message);
            Err(AdminError::Refused { code, detail: if words.is_empty() { words } else { format!(": {words}") } })
        }
    }
}

/// What a coordinator is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinates {
    /// A consumer group.
    Group,
    /// A transactional id.
    Transaction,
}

/// Who coordinates a group or a transactional id. Asked again while the coordinator's own topic is being made.
async fn coordinator(client: &Client, what: Coordinates, key: &str) -> Result<Result<BrokerInfo, Refusal>, AdminError> {
    let deadline = client.deadline();
    let mut failures = 0;
    loop {
        let answer = ask_any(client, "findCoordinator", false, |version| {
            let request =
                FindCoordinatorRequest::default().with_key_type(if what == Coordinates::Transaction { 1 } else { 0 });
            if version >= FIND_COORDINATOR_KEYS_VERSION {
                request.with_coordinator_keys(vec![text(key)])
            } else {
                request.with_key(text(key))
            }
        })
        .await?;
        let (code, message, node, host, port) = match answer.coordinators.into_iter().next() {
            Some(found) => (found.error_code, found.error_message, found.node_id, found.host, found.port),
            None => (answer.error_code, answer.error_message, answer.node_id, answer.host, answer.port),
        };
        match error_code(code) {
            ErrorCode::None => {
                let port = u16::try_from(port).unwrap_or(0);
                let address = Address { host: host.to_string(), port };
                return Ok(Ok(BrokerInfo { id: node.0, address, rack: None }));
            }
            code if !code.is_retriable() => return Ok(Err((code, words(message)))),
            code => {
                failures += 1;
                let wait = client.metadata().backoff().after(failures);
                if Instant::now() + wait >= deadline {
                    return Ok(Err((code, words(message))));
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

impl Admin {
    /// Does something at the coordinator of a group or a transactional id, again while it is being found or loads.
    pub(super) async fn at_coordinator<T, F>(
        &self,
        what: Coordinates,
        key: &str,
        act: impl Fn(BrokerInfo) -> F,
    ) -> Result<Result<T, Refusal>, AdminError>
    where
        F: Future<Output = Result<Result<T, Refusal>, AdminError>>,
    {
        let deadline = self.client.deadline();
        let mut failures = 0;
        loop {
            let node = match coordinator(&self.client, what, key).await? {
                Ok(node) => node,
                Err(refusal) => return Ok(Err(refusal)),
            };
            match act(node).await? {
                Err((
                    ErrorCode::CoordinatorLoadInProgress
                    | ErrorCode::CoordinatorNotAvailable
                    | ErrorCode::NotCoordinator,
                    _,
                )) if Instant::now() < deadline => {
                    failures += 1;
                    tokio::time::sleep(self.client.metadata().backoff().after(failures)).await;
                }
                outcome => return Ok(outcome),
            }
        }
    }
}
