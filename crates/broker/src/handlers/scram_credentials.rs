//! DescribeUserScramCredentials and AlterUserScramCredentials: which users have a password, never what it is.

use std::collections::BTreeMap;

use andiron_metadata::controller::{Request, Response};
use andiron_metadata::image::Image;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use andiron_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use andiron_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

pub(super) fn describe(call: &Call<'_>, request: DescribeUserScramCredentialsRequest, owed: Owed) {
    let answer = DescribeUserScramCredentialsResponse::default().with_error_message(None);
    if !authorize(&call.session.principal, Operation::Describe, Resource::Cluster) {
        owed.send(&answer.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()));
        return;
    }
    let snapshot = call.node.snapshot();
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    match request.users.as_deref() {
        Some([_, ..]) => {
            request.users.iter().flatten().for_each(|user| *asked.entry(user.name.to_string()).or_default() += 1);
        }
        // Nobody is everybody.
        Some([]) | None => {
            asked.extend(snapshot.image.scram_credentials().map(|credential| (credential.name.clone(), 1)));
        }
    }
    let results = asked.into_iter().map(|(user, times)| {
        let result = DescribeUserScramCredentialsResult::default()
            .with_user(StrBytes::from_string(user.clone()))
            .with_error_message(None);
        let refused = |result: DescribeUserScramCredentialsResult, error: ErrorCode, message: String| {
            result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
        };
        if times > 1 {
            let message =
                format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
            return refused(result, ErrorCode::DuplicateResource, message);
        }
        let infos = infos(&snapshot.image, &user);
        if infos.is_empty() {
            let message = format!("Attempt to describe a user credential that does not exist: {user}");
            return refused(result, ErrorCode::ResourceNotFound, message);
        }
        result.with_credential_infos(infos)
    });
    let results = results.collect();
    owed.send(&answer.with_results(results));
}

fn infos(image: &Image, user: &str) -> Vec<CredentialInfo> {
    let of = image.scram_credentials().filter(|credential| credential.name == user);
    of.map(|credential| {
        CredentialInfo::default().with_mechanism(credential.mechanism).with_iterations(credential.iterations)
    })
    .collect()
}

pub(super) fn alter(call: &Call<'_>, request: AlterUserScramCredentialsRequest, owed: Owed) {
    let users = request.deletions.iter().map(|deletion| deletion.name.clone());
    let mut users: Vec<StrBytes> = users.chain(request.upsertions.iter().map(|u| u.name.clone())).collect();
    users.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    users.dedup();
    let failed = move |error: ErrorCode| {
        let one = |user| {
            AlterUserScramCredentialsResult::default()
                .with_user(user)
                .with_error_code(error.code())
                .with_error_message(None)
        };
        AlterUserScramCredentialsResponse::default().with_results(users.into_iter().map(one).collect())
    };
    if !authorize(&call.session.principal, Operation::Alter, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let answer = |answered| match answered {
        Response::AlterUserScramCredentials(answer) => Some(answer),
        _ => None,
    };
    forward(call, Request::AlterUserScramCredentials(request), owed, answer, failed);
}
