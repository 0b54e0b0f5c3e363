//! AlterUserScramCredentials: what is kept of a user's password, so that the user can prove to know it.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use andiron_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use andiron_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use andiron_protocol::scram::{ITERATIONS_MAX, ITERATIONS_MIN, Mechanism};

use super::{Refusal, words};
use crate::image::Image;
use crate::records::{Record, RemoveUserScramCredentialRecord, UserScramCredentialRecord};

pub(super) fn alter(
    image: &Image,
    request: &AlterUserScramCredentialsRequest,
) -> (Vec<Record>, AlterUserScramCredentialsResponse) {
    let mut outcomes: BTreeMap<&str, Result<Record, Refusal>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for deletion in &request.deletions {
        let outcome = check_name(&deletion.name, deletion.mechanism).and_then(|_| {
            if image.scram_credential(deletion.mechanism, &deletion.name).is_none() {
                let message = "Attempt to delete a user credential that does not exist".to_string();
                return Err((ErrorCode::ResourceNotFound, Some(message)));
            }
            let (name, mechanism) = (deletion.name.to_string(), deletion.mechanism);
            Ok(RemoveUserScramCredentialRecord { name, mechanism }.into())
        });
        if outcomes.insert(&deletion.name, outcome).is_some() {
            twice.insert(deletion.name.as_str());
        }
    }
    for upsertion in &request.upsertions {
        if outcomes.insert(&upsertion.name, credential(upsertion)).is_some() {
            twice.insert(upsertion.name.as_str());
        }
    }
    let mut records = Vec::new();
    let mut results = Vec::new();
    for (user, outcome) in outcomes {
        let outcome = if twice.contains(user) {
            let message = "A user credential cannot be altered twice in the same request".to_string();
            Err((ErrorCode::DuplicateResource, Some(message)))
        } else {
            outcome
        };
        let (code, message) = match outcome {
            Ok(record) => {
                records.push(record);
                (ErrorCode::None, None)
            }
            Err(refusal) => refusal,
        };
        let result = AlterUserScramCredentialsResult::default()
            .with_user(user.to_string().into())
            .with_error_code(code.code())
            .with_error_message(words(message));
        results.push(result);
    }
    (records, AlterUserScramCredentialsResponse::default().with_results(results))
}

fn check_name(name: &str, mechanism: i8) -> Result<Mechanism, Refusal> {
    if name.is_empty() {
        return Err((ErrorCode::UnacceptableCredential, Some("Username must not be empty".into())));
    }
    let unknown = || (ErrorCode::UnsupportedSaslMechanism, Some("Unknown SCRAM mechanism".into()));
    Mechanism::of_number(mechanism).ok_or_else(unknown)
}

fn credential(asked: &ScramCredentialUpsertion) -> Result<Record, Refusal> {
    let mechanism = check_name(&asked.name, asked.mechanism)?;
    let unacceptable = |message: &str| Err((ErrorCode::UnacceptableCredential, Some(message.to_string())));
    if asked.iterations < ITERATIONS_MIN {
        return unacceptable("Too few iterations");
    }
    if asked.iterations > ITERATIONS_MAX {
        return unacceptable("Too many iterations");
    }
    let keys = mechanism.keys(&asked.salted_password);
    let record = UserScramCredentialRecord {
        name: asked.name.to_string(),
        mechanism: asked.mechanism,
        salt: asked.salt.clone(),
        stored_key: keys.stored.into(),
        server_key: keys.server.into(),
        iterations: asked.iterations,
    };
    Ok(record.into())
}
