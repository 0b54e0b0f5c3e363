//! Access control lists: described, created, deleted. Kinds, operations and permissions are Kafka's numbers.

use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_acls_request::AclCreation;
use andiron_protocol::messages::delete_acls_request::DeleteAclsFilter;
use andiron_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::ask::{ask_any, refuse, text, words};
use super::{Admin, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// One entry: somebody may or may not do something to something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Acl {
    /// `ResourceType.code`.
    pub resource_type: i8,
    /// The resource's name, or what its name begins with.
    pub resource_name: String,
    /// `PatternType.code`: 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// `User:name`.
    pub principal: String,
    /// Where from; `*` for anywhere.
    pub host: String,
    /// `AclOperation.code`.
    pub operation: i8,
    /// `AclPermissionType.code`: 2 deny, 3 allow.
    pub permission: i8,
}

/// Which entries are meant; numbers of 1 mean any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// `ResourceType.code`.
    pub resource_type: i8,
    /// The resource's name; `None` for any.
    pub resource_name: Option<String>,
    /// `PatternType.code`: 1 any, 2 match, 3 literal, 4 prefixed.
    pub pattern_type: i8,
    /// The principal; `None` for any.
    pub principal: Option<String>,
    /// The host; `None` for any.
    pub host: Option<String>,
    /// `AclOperation.code`.
    pub operation: i8,
    /// `AclPermissionType.code`.
    pub permission: i8,
}

fn some_text(value: &Option<String>) -> Option<StrBytes> {
    value.as_deref().map(text)
}

impl Admin {
    /// The entries that a filter means.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<Acl>, AdminError> {
        let answer = ask_any(&self.client, "describeAcls", false, |version| {
            let request = DescribeAclsRequest::default()
                .with_resource_type_filter(filter.resource_type)
                .with_resource_name_filter(some_text(&filter.resource_name))
                .with_principal_filter(some_text(&filter.principal))
                .with_host_filter(some_text(&filter.host))
                .with_operation(filter.operation)
                .with_permission_type(filter.permission);
            if version >= 1 { request.with_pattern_type_filter(filter.pattern_type) } else { request }
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let mut all = Vec::new();
        for resource in answer.resources {
            for acl in resource.acls {
                all.push(Acl {
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.to_string(),
                    pattern_type: resource.pattern_type,
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: acl.operation,
                    permission: acl.permission_type,
                });
            }
        }
        Ok(all)
    }

    /// Makes entries; the outcome of each.
    pub async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<(), Refusal>>, AdminError> {
        let answer = ask_any(&self.client, "createAcls", true, |version| {
            let creation = |acl: &Acl| {
                let creation = AclCreation::default()
                    .with_resource_type(acl.resource_type)
                    .with_resource_name(text(&acl.resource_name))
                    .with_principal(text(&acl.principal))
                    .with_host(text(&acl.host))
                    .with_operation(acl.operation)
                    .with_permission_type(acl.permission);
                if version >= 1 { creation.with_resource_pattern_type(acl.pattern_type) } else { creation }
            };
            CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect())
        })
        .await?;
        let outcome = |result: andiron_protocol::messages::create_acls_response::AclCreationResult| {
            let code = error_code(result.error_code);
            if code.is_none() { Ok(()) } else { Err((code, words(result.error_message))) }
        };
        Ok(answer.results.into_iter().map(outcome).collect())
    }

    /// Deletes what filters mean; how many entries each meant.
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Result<usize, Refusal>>, AdminError> {
        let answer = ask_any(&self.client, "deleteAcls", true, |version| {
            let of = |filter: &AclFilter| {
                let request = DeleteAclsFilter::default()
                    .with_resource_type_filter(filter.resource_type)
                    .with_resource_name_filter(some_text(&filter.resource_name))
                    .with_principal_filter(some_text(&filter.principal))
                    .with_host_filter(some_text(&filter.host))
                    .with_operation(filter.operation)
                    .with_permission_type(filter.permission);
                if version >= 1 { request.with_pattern_type_filter(filter.pattern_type) } else { request }
            };
            DeleteAclsRequest::default().with_filters(filters.iter().map(of).collect())
        })
        .await?;
        let outcome = |result: andiron_protocol::messages::delete_acls_response::DeleteAclsFilterResult| {
            let code = error_code(result.error_code);
            if code.is_none() { Ok(result.matching_acls.len()) } else { Err((code, words(result.error_message))) }
        };
        Ok(answer.filter_results.into_iter().map(outcome).collect())
    }
}
