//! Configs of topics, brokers, groups and the rest: described and altered.

use andiron_protocol::messages::describe_configs_request::DescribeConfigsResource;
use andiron_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use andiron_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use andiron_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest};

use super::ask::{ask_any, ask_node, refuse, text, words};
use super::{Admin, Refusal};
use crate::error::AdminError;
use crate::wire::error_code;

/// What configs belong to, by Kafka's numbers (`ConfigResource.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum ConfigKind {
    /// A topic, by name.
    Topic = 2,
    /// A broker by its id, or all of them by the empty name.
    Broker = 4,
    /// A broker's loggers, by its id.
    BrokerLogger = 8,
    /// A subscription to client metrics, by name.
    ClientMetrics = 16,
    /// A group, by id.
    Group = 32,
}

/// A resource that has configs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigKind,
    /// Its name; empty for the default of all brokers.
    pub name: String,
}

/// Where a config could come from besides the place it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name there.
    pub name: String,
    /// The value there; `None` if sensitive or unset.
    pub value: Option<String>,
    /// Kafka's number of the place.
    pub source: i8,
}

/// One config of a described resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name.
    pub name: String,
    /// The value in effect; `None` if sensitive or unset.
    pub value: Option<String>,
    /// Kafka's number of where the value comes from (5 = default).
    pub source: i8,
    /// Whether it cannot be altered.
    pub read_only: bool,
    /// Whether its value is hidden.
    pub sensitive: bool,
    /// All places that it could come from, the one in effect first; empty unless they were asked for.
    pub synonyms: Vec<ConfigSynonym>,
}

impl ConfigEntry {
    /// Whether the value is nobody's wish (`DEFAULT_CONFIG`).
    pub fn is_default(&self) -> bool {
        const DEFAULT_CONFIG: i8 = 5;
        self.source == DEFAULT_CONFIG
    }
}

/// The configs of a resource, or why there are none.
pub type DescribedConfigs = Result<Vec<ConfigEntry>, Refusal>;

impl Admin {
    /// The configs of many resources, in the order asked. Brokers and their loggers are asked themselves.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        synonyms: bool,
    ) -> Result<Vec<DescribedConfigs>, AdminError> {
        let mut described: Vec<Option<DescribedConfigs>> = vec![None; resources.len()];
        let mut anywhere = Vec::new();
        for (at, resource) in resources.iter().enumerate() {
            let own = matches!(resource.kind, ConfigKind::Broker | ConfigKind::BrokerLogger);
            match resource.name.parse::<i32>() {
                Ok(node) if own => {
                    let broker = self.broker(node, "describeBrokerConfigs").await?;
                    let request = |_| asking(&[resource], synonyms);
                    let answer = ask_node(&self.client, "describeBrokerConfigs", &broker, request).await?;
                    described[at] = answer.results.into_iter().next().map(configs);
                }
                _ => anywhere.push(at),
            }
        }
        if !anywhere.is_empty() {
            let asked: Vec<&ConfigResource> = anywhere.iter().map(|at| &resources[*at]).collect();
            let answer = ask_any(&self.client, "describeConfigs", false, |_| asking(&asked, synonyms)).await?;
            for result in answer.results {
                let is_it = |at: &&usize| {
                    let resource = &resources[**at];
                    resource.kind as i8 == result.resource_type && resource.name == result.resource_name.as_str()
                };
                if let Some(at) = anywhere.iter().find(is_it).copied() {
                    described[at] = Some(configs(result));
                }
            }
        }
        let whole: Option<Vec<DescribedConfigs>> = described.into_iter().collect();
        whole.ok_or_else(|| AdminError::Protocol("a DescribeConfigs answer with a resource missing".to_owned()))
    }

    /// Sets configs of a resource, and takes others (without a value) back to what they are by default.
    pub async fn alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &[(String, Option<String>)],
    ) -> Result<Result<(), Refusal>, AdminError> {
        const SET: i8 = 0;
        const DELETE: i8 = 1;
        let change = |(name, value): &(String, Option<String>)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(if value.is_some() { SET } else { DELETE })
                .with_value(Some(text(value.as_deref().unwrap_or_default())))
        };
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind as i8)
            .with_resource_name(text(&resource.name))
            .with_configs(changes.iter().map(change).collect());
        let request = |_| IncrementalAlterConfigsRequest::default().with_resources(vec![altered.clone()]);
        let own = matches!(resource.kind, ConfigKind::Broker | ConfigKind::BrokerLogger);
        let call = "incrementalAlterConfigs";
        let answer = match resource.name.parse::<i32>() {
            Ok(node) if own => {
                let broker = self.broker(node, call).await?;
                ask_node(&self.client, call, &broker, request).await?
            }
            _ => ask_any(&self.client, call, true, request).await?,
        };
        let missing = || AdminError::Protocol("an IncrementalAlterConfigs answer without the resource".to_owned());
        let outcome = answer.responses.into_iter().next().ok_or_else(missing)?;
        let code = error_code(outcome.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(outcome.error_message))) })
    }

    /// The names of resources of a kind that have configs of their own.
    pub async fn list_config_resources(&self, kind: ConfigKind) -> Result<Vec<String>, AdminError> {
        const KINDS_VERSION: i16 = 1;
        let answer = ask_any(&self.client, "listConfigResources", false, |version| {
            let request = ListConfigResourcesRequest::default();
            if version >= KINDS_VERSION { request.with_resource_types(vec![kind as i8]) } else { request }
        })
        .await?;
        refuse(answer.error_code, None)?;
        Ok(answer.config_resources.into_iter().map(|resource| resource.resource_name.to_string()).collect())
    }

    /// The configs of one topic.
    pub async fn describe_topic_configs(&self, topic: &str) -> Result<Vec<ConfigEntry>, AdminError> {
        self.describe_one(ConfigResource { kind: ConfigKind::Topic, name: topic.to_owned() }).await
    }

    /// The configs of one broker, by its node id.
    pub async fn describe_broker_configs(&self, node: i32) -> Result<Vec<ConfigEntry>, AdminError> {
        self.describe_one(ConfigResource { kind: ConfigKind::Broker, name: node.to_string() }).await
    }

    async fn describe_one(&self, resource: ConfigResource) -> Result<Vec<ConfigEntry>, AdminError> {
        let described = self.describe_configs(std::slice::from_ref(&resource), false).await?.into_iter().next();
        let missing = || AdminError::Protocol(format!("a DescribeConfigs answer without {}", resource.name));
        described
            .ok_or_else(missing)?
            .map_err(|(code, words)| AdminError::Refused { code, detail: format!(": {words}") })
    }
}

fn asking(resources: &[&ConfigResource], synonyms: bool) -> DescribeConfigsRequest {
    let resource = |resource: &&ConfigResource| {
        DescribeConfigsResource::default()
            .with_resource_type(resource.kind as i8)
            .with_resource_name(text(&resource.name))
            .with_configuration_keys(None)
    };
    DescribeConfigsRequest::default()
        .with_resources(resources.iter().map(resource).collect())
        .with_include_synonyms(synonyms)
}

fn configs(described: DescribeConfigsResult) -> DescribedConfigs {
    let code = error_code(described.error_code);
    if !code.is_none() {
        return Err((code, words(described.error_message)));
    }
    let entry = |config: DescribeConfigsResourceResult| ConfigEntry {
        name: config.name.to_string(),
        value: config.value.map(|value| value.to_string()),
        source: config.config_source,
        read_only: config.read_only,
        sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .into_iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name.to_string(),
                value: synonym.value.map(|value| value.to_string()),
                source: synonym.source,
            })
            .collect(),
    };
    Ok(described.configs.into_iter().map(entry).collect())
}
