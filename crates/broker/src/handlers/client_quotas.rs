//! DescribeClientQuotas and AlterClientQuotas: how much of the broker somebody may have.

use std::collections::{BTreeMap, BTreeSet};

use andiron_metadata::controller::{self, CLIENT_ID, IP, USER};
use andiron_metadata::image::QuotaEntity;
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::alter_client_quotas_response as altered;
use andiron_protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use andiron_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};

use super::{Call, Owed, forward};
use crate::authorize::{Operation, Resource, authorize};

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

pub(super) fn describe(call: &Call<'_>, request: DescribeClientQuotasRequest, owed: Owed) {
    let answer = DescribeClientQuotasResponse::default().with_error_message(None);
    let filter = if authorize(&call.session.principal, Operation::DescribeConfigs, Resource::Cluster) {
        Filter::read(&request)
    } else {
        Err((ErrorCode::ClusterAuthorizationFailed, "Cluster authorization failed.".to_owned()))
    };
    let filter = match filter {
        Ok(filter) => filter,
        Err((error, message)) => {
            let message = Some(StrBytes::from_string(message));
            owed.send(&answer.with_error_code(error.code()).with_error_message(message).with_entries(None));
            return;
        }
    };
    let snapshot = call.node.snapshot();
    let found = snapshot.image.quotas().filter(|(entity, _)| filter.matches(entity));
    let entries = found.map(|(entity, values)| {
        let part = |(kind, name): (&String, &Option<String>)| {
            EntityData::default()
                .with_entity_type(StrBytes::from_string(kind.clone()))
                .with_entity_name(name.clone().map(StrBytes::from_string))
        };
        let value = |(key, value): (&String, &f64)| {
            ValueData::default().with_key(StrBytes::from_string(key.clone())).with_value(*value)
        };
        EntryData::default()
            .with_entity(entity.iter().map(part).collect())
            .with_values(values.iter().map(value).collect())
    });
    owed.send(&answer.with_entries(Some(entries.collect())));
}

/// Whose quotas are asked for.
struct Filter {
    /// Kinds whose name is given; none is the default.
    exact: BTreeMap<String, Option<String>>,
    /// Kinds that must be there, whatever the name.
    any: BTreeSet<String>,
    /// Whether no other kind may be there.
    strict: bool,
}

impl Filter {
    fn read(request: &DescribeClientQuotasRequest) -> Result<Filter, (ErrorCode, String)> {
        let invalid = |message: String| Err((ErrorCode::InvalidRequest, message));
        let mut filter = Filter { exact: BTreeMap::new(), any: BTreeSet::new(), strict: request.strict };
        for component in &request.components {
            let kind = component.entity_type.to_string();
            if kind.is_empty() {
                return invalid("Invalid empty entity type.".into());
            }
            if filter.exact.contains_key(&kind) || filter.any.contains(&kind) {
                return invalid(format!("Entity type {kind} cannot appear more than once in the filter."));
            }
            if !matches!(kind.as_str(), USER | CLIENT_ID | IP) {
                return Err((ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}")));
            }
            let also = |what: &str| invalid(format!("Request specified {what}, but also specified a match string."));
            match (component.match_type, &component._match) {
                (EXACT, Some(name)) => _ = filter.exact.insert(kind, Some(name.to_string())),
                (EXACT, None) => {
                    return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".into());
                }
                (DEFAULT, None) => _ = filter.exact.insert(kind, None),
                (DEFAULT, Some(_)) => return also("MATCH_TYPE_DEFAULT"),
                (ANY, None) => _ = filter.any.insert(kind),
                (ANY, Some(_)) => return also("MATCH_TYPE_SPECIFIED"),
                (other, _) => return invalid(format!("Unknown match type {other}")),
            }
        }
        let asks = |kind: &str| filter.exact.contains_key(kind) || filter.any.contains(kind);
        if asks(IP) && (asks(USER) || asks(CLIENT_ID)) {
            return invalid(
                "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component."
                    .into(),
            );
        }
        Ok(filter)
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let wanted = self.exact.len() + self.any.len();
        self.exact.iter().all(|(kind, name)| entity.get(kind) == Some(name))
            && self.any.iter().all(|kind| entity.contains_key(kind))
            && (!self.strict || entity.len() == wanted && wanted > 0)
    }
}

pub(super) fn alter(call: &Call<'_>, request: AlterClientQuotasRequest, owed: Owed) {
    let asked = request.entries.clone();
    let failed = move |error: ErrorCode| {
        let entries = asked.into_iter().map(|entry| {
            let part = |part: andiron_protocol::messages::alter_client_quotas_request::EntityData| {
                altered::EntityData::default().with_entity_type(part.entity_type).with_entity_name(part.entity_name)
            };
            altered::EntryData::default()
                .with_error_code(error.code())
                .with_error_message(None)
                .with_entity(entry.entity.into_iter().map(part).collect())
        });
        AlterClientQuotasResponse::default().with_entries(entries.collect())
    };
    if !authorize(&call.session.principal, Operation::AlterConfigs, Resource::Cluster) {
        owed.send(&failed(ErrorCode::ClusterAuthorizationFailed));
        return;
    }
    let answer = |answered| match answered {
        controller::Response::AlterClientQuotas(answer) => Some(answer),
        _ => None,
    };
    forward(call, controller::Request::AlterClientQuotas(request), owed, answer, failed);
}
