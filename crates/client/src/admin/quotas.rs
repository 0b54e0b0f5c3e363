//! Client quotas.

use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use andiron_protocol::messages::describe_client_quotas_request::ComponentData;
use andiron_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::ask::{ask_any, refuse, text, words};
use super::{Admin, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// Whom a quota is for: `user`, `client-id`, `ip`, each with a name or, without one, as the default of all.
pub type QuotaEntity = Vec<(String, Option<String>)>;

/// Which names of an entity's type are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This name.
    Named(String),
    /// The default.
    Default,
    /// Any.
    Any,
}

impl Admin {
    /// The quotas of all entities that have exactly these types, with these names.
    pub async fn describe_client_quotas(
        &self,
        components: &[(&str, QuotaMatch)],
    ) -> Result<Vec<(QuotaEntity, Vec<(String, f64)>)>, AdminError> {
        let component = |(of_type, matches): &(&str, QuotaMatch)| {
            let (kind, name) = match matches {
                QuotaMatch::Named(name) => (0, Some(text(name))),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData::default().with_entity_type(text(of_type)).with_match_type(kind).with_match(name)
        };
        let answer = ask_any(&self.client, "describeClientQuotas", false, |_| {
            DescribeClientQuotasRequest::default()
                .with_components(components.iter().map(component).collect())
                .with_strict(true)
        })
        .await?;
        refuse(answer.error_code, answer.error_message)?;
        let name = |name: Option<StrBytes>| name.map(|name| name.to_string());
        let mut found = Vec::new();
        for entry in answer.entries.unwrap_or_default() {
            let entity = entry.entity.into_iter().map(|e| (e.entity_type.to_string(), name(e.entity_name))).collect();
            let values = entry.values.into_iter().map(|value| (value.key.to_string(), value.value)).collect();
            found.push((entity, values));
        }
        Ok(found)
    }

    /// Sets quotas of an entity, and removes those without a value.
    pub async fn alter_client_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
    ) -> Result<Result<(), Refusal>, AdminError> {
        let part = |(of_type, name): &(String, Option<String>)| {
            EntityData::default().with_entity_type(text(of_type)).with_entity_name(name.as_deref().map(text))
        };
        let change = |(key, value): &(String, Option<f64>)| {
            OpData::default().with_key(text(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
        };
        let answer = ask_any(&self.client, "alterClientQuotas", true, |_| {
            let entry = EntryData::default()
                .with_entity(entity.iter().map(part).collect())
                .with_ops(changes.iter().map(change).collect());
            AlterClientQuotasRequest::default().with_entries(vec![entry])
        })
        .await?;
        let missing = || AdminError::Protocol("an AlterClientQuotas answer without the entity".to_owned());
        let outcome = answer.entries.into_iter().next().ok_or_else(missing)?;
        let code = error_code(outcome.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(outcome.error_message))) })
    }
}
