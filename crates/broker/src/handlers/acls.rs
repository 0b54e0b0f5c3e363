//! DescribeAcls, CreateAcls, DeleteAcls: there is no authorizer yet, and they say so as Apache Kafka does without one.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_acls_response::AclCreationResult;
use andiron_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use andiron_protocol::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};

use super::{Call, Owed};
use crate::authorize::{Operation, Resource, authorize};

const DISABLED: ErrorCode = ErrorCode::SecurityDisabled;

fn why() -> Option<StrBytes> {
    Some(StrBytes::from_static_str("No Authorizer is configured."))
}

/// The error of whoever may not ask.
fn refused(call: &Call<'_>, operation: Operation) -> Option<ErrorCode> {
    let allowed = authorize(&call.session.principal, operation, Resource::Cluster);
    (!allowed).then_some(ErrorCode::ClusterAuthorizationFailed)
}

pub(super) fn describe(call: &Call<'_>, _request: DescribeAclsRequest, owed: Owed) {
    let (error, message) = match refused(call, Operation::Describe) {
        Some(error) => (error, None),
        None => (DISABLED, Some(StrBytes::from_static_str("No Authorizer is configured on the broker"))),
    };
    owed.send(&DescribeAclsResponse::default().with_error_code(error.code()).with_error_message(message));
}

pub(super) fn create(call: &Call<'_>, request: CreateAclsRequest, owed: Owed) {
    let (error, message) = match refused(call, Operation::Alter) {
        Some(error) => (error, None),
        None => (DISABLED, why()),
    };
    let result = AclCreationResult::default().with_error_code(error.code()).with_error_message(message);
    owed.send(&CreateAclsResponse::default().with_results(vec![result; request.creations.len()]));
}

pub(super) fn delete(call: &Call<'_>, request: DeleteAclsRequest, owed: Owed) {
    let (error, message) = match refused(call, Operation::Alter) {
        Some(error) => (error, None),
        None => (DISABLED, why()),
    };
    let result = DeleteAclsFilterResult::default().with_error_code(error.code()).with_error_message(message);
    owed.send(&DeleteAclsResponse::default().with_filter_results(vec![result; request.filters.len()]));
}
