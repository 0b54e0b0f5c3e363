//! AlterUserScramCredentials: what is kept of a user's password, so that the user can prove to know it.

use std::collections::{BTreeMap, BTreeSet};

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use andiron_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use andiron_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};

use super::{Refusal, words};
use crate::image::Image;
use crate::limits::{SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};
use crate::records::{Record, RemoveUserScramCredentialRecord, UserScramCredentialRecord};

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

pub(super) fn alter(
    image: &Image,
    request: &AlterUserScramCredentialsRequest,
) -> (Vec<Record>, AlterUserScramCredentialsResponse) {
    let mut outcomes: BTreeMap<&str, Result<Record, Refusal>> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for deletion in &request.deletions {
        let outcome = check_name(&deletion.name, deletion.mechanism).and_then(|()| {
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

fn check_name(name: &str, mechanism: i8) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err((ErrorCode::UnacceptableCredential, Some("Username must not be empty".into())));
    }
    if !matches!(mechanism, SHA_256 | SHA_512) {
        return Err((ErrorCode::UnsupportedSaslMechanism, Some("Unknown SCRAM mechanism".into())));
    }
    Ok(())
}

fn credential(asked: &ScramCredentialUpsertion) -> Result<Record, Refusal> {
    check_name(&asked.name, asked.mechanism)?;
    let unacceptable = |message: &str| Err((ErrorCode::UnacceptableCredential, Some(message.to_string())));
    if asked.iterations < SCRAM_ITERATIONS_MIN {
        return unacceptable("Too few iterations");
    }
    if asked.iterations > SCRAM_ITERATIONS_MAX {
        return unacceptable("Too many iterations");
    }
    let (stored_key, server_key) = if asked.mechanism == SHA_256 {
        keys::<Sha256>(&asked.salted_password)
    } else {
        keys::<Sha512>(&asked.salted_password)
    };
    let record = UserScramCredentialRecord {
        name: asked.name.to_string(),
        mechanism: asked.mechanism,
        salt: asked.salt.clone(),
        stored_key: stored_key.into(),
        server_key: server_key.into(),
        iterations: asked.iterations,
    };
    Ok(record.into())
}

/// StoredKey and ServerKey of RFC 5802: from neither can the salted password be had back.
fn keys<H: Digest>(salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let client_key = hmac::<H>(salted_password, b"Client Key");
    (H::digest(client_key).to_vec(), hmac::<H>(salted_password, b"Server Key"))
}

/// HMAC of RFC 2104. Blocks are 64 bytes, or 128 with hashes of more than 32.
fn hmac<H: Digest>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let block = if <H as Digest>::output_size() > 32 { 128 } else { 64 };
    let mut key = if key.len() > block { H::digest(key).to_vec() } else { key.to_vec() };
    key.resize(block, 0);
    let padded = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = H::new().chain_update(padded(0x36)).chain_update(message).finalize();
    H::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let (key, message) = (b"Jefe", b"what do ya want for nothing?");
        assert_eq!(
            hex(&hmac::<Sha256>(key, message)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(
            hex(&hmac::<Sha512>(key, message))
                .starts_with("164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554")
        );
        let long = [0xaa; 131];
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(&hmac::<Sha256>(&long, text)),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
