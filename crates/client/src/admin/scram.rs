//! SCRAM credentials of users. A password does not leave this client: what is sent is the salted password.

use andiron_protocol::error::ErrorCode;
use andiron_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use andiron_protocol::messages::describe_user_scram_credentials_request::UserName;
use andiron_protocol::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use andiron_protocol::scram::Mechanism;
use uuid::Uuid;

use super::ask::{ask_any, refuse, text, words};
use super::{Admin, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// A user's SCRAM credentials: (mechanism by Kafka's number, iterations) of each, or why they are not told.
pub type ScramCredentials = (String, Result<Vec<(i8, i32)>, Refusal>);

/// A change of one of a user's SCRAM credentials. How it is shown tells nothing of the password.
#[derive(Clone, PartialEq, Eq)]
pub enum ScramChange {
    /// The credential goes.
    Delete(Mechanism),
    /// The credential becomes that of this password, with a salt made up for it.
    Set {
        /// The mechanism.
        mechanism: Mechanism,
        /// How often the password is hashed.
        iterations: i32,
        /// The password; not an empty one.
        password: String,
    },
}

impl std::fmt::Debug for ScramChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScramChange::Delete(mechanism) => write!(f, "Delete({})", mechanism.name()),
            ScramChange::Set { mechanism, iterations, .. } => write!(f, "Set({}, {iterations})", mechanism.name()),
        }
    }
}

impl Admin {
    /// Changes SCRAM credentials of one user (KIP-554).
    pub async fn alter_scram_credentials(
        &self,
        user: &str,
        changes: &[ScramChange],
    ) -> Result<Result<(), Refusal>, AdminError> {
        let (mut deletions, mut upsertions) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                ScramChange::Delete(mechanism) => deletions
                    .push(ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism.number())),
                ScramChange::Set { password, .. } if password.is_empty() => {
                    return Ok(Err((ErrorCode::UnacceptableCredential, "Password must not be empty".to_owned())));
                }
                ScramChange::Set { mechanism, iterations, password } => {
                    let salt = Uuid::new_v4().into_bytes();
                    let salted = mechanism.salted_password(password.as_bytes(), &salt, *iterations);
                    upsertions.push(
                        ScramCredentialUpsertion::default()
                            .with_name(text(user))
                            .with_mechanism(mechanism.number())
                            .with_iterations(*iterations)
                            .with_salt(salt.to_vec().into())
                            .with_salted_password(salted.into()),
                    );
                }
            }
        }
        let answer = ask_any(&self.client, "alterUserScramCredentials", true, |_| {
            AlterUserScramCredentialsRequest::default()
                .with_deletions(deletions.clone())
                .with_upsertions(upsertions.clone())
        })
        .await?;
        let missing = || AdminError::Protocol("an AlterUserScramCredentials answer without the user".to_owned());
        let outcome = answer.results.into_iter().find(|result| *result.user == *user).ok_or_else(missing)?;
        let code = error_code(outcome.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(outcome.error_message))) })
    }

    /// The SCRAM credentials of users, of all of them if none are named.
    pub async fn describe_scram_credentials(&self, users: &[String]) -> Result<Vec<ScramCredentials>, AdminError> {
        let user = |name: &String| UserName::default().with_name(text(name));
        let answer = ask_any(&self.client, "describeUserScramCredentials", false, |_| {
            let users = (!users.is_empty()).then(|| users.iter().map(user).collect());
            DescribeUserScramCredentialsRequest::default().with_users(users)
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let described = answer.results.into_iter().map(|user| {
            let code = error_code(user.error_code);
            let credentials = user.credential_infos.iter().map(|info| (info.mechanism, info.iterations)).collect();
            let outcome = if code.is_none() { Ok(credentials) } else { Err((code, words(user.error_message))) };
            (user.user.to_string(), outcome)
        });
        Ok(described.collect())
    }
}
