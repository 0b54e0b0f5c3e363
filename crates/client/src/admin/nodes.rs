//! Single nodes: what they understand, which features they support, where they keep what; and what is no longer one.

use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::update_features_request::FeatureUpdateKey;
use andiron_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeLogDirsRequest, UnregisterBrokerRequest,
    UpdateFeaturesRequest,
};

use super::ask::{ask_any, ask_node, refuse, text, words};
use super::{Admin, Outcome, Refusal};
use crate::cluster::{BrokerInfo, TopicPartition};
use crate::error::AdminError;
use crate::wire::error_code;
use andiron_protocol::error::ErrorCode;

/// What a node understands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeVersions {
    /// (API by Kafka's number, oldest version, newest version) of each.
    pub apis: Vec<(i16, i16, i16)>,
    /// (feature, least level, greatest level) that the node supports.
    pub supported: Vec<(String, i16, i16)>,
    /// (feature, level) that the cluster has agreed on.
    pub finalized: Vec<(String, i16)>,
    /// When it was agreed on, as an offset of the metadata log; -1 if never.
    pub finalized_epoch: i64,
}

/// A replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// The partition.
    pub partition: TopicPartition,
    /// Its bytes on disk.
    pub size: i64,
    /// How far it is behind the high watermark, or behind the replica that it will replace.
    pub offset_lag: i64,
    /// Whether it is on its way to become the replica.
    pub is_future: bool,
}

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its absolute path.
    pub path: String,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// The replicas in it.
    pub replicas: Vec<ReplicaInfo>,
}

/// A change of a feature's level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature.
    pub feature: String,
    /// The level it is to have; 0 disables it.
    pub level: i16,
    /// 1 up, 2 down if nothing is lost by it, 3 down whatever is lost (`FeatureUpdate.UpgradeType`).
    pub upgrade_type: i8,
}

fn versions(answer: ApiVersionsResponse) -> Result<NodeVersions, AdminError> {
    refuse(answer.error_code, None)?;
    Ok(NodeVersions {
        apis: answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect(),
        supported: answer
            .supported_features
            .iter()
            .map(|f| (f.name.to_string(), f.min_version, f.max_version))
            .collect(),
        finalized: answer.finalized_features.iter().map(|f| (f.name.to_string(), f.max_version_level)).collect(),
        finalized_epoch: answer.finalized_features_epoch,
    })
}

fn asking_versions() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("andiron"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")))
}

impl Admin {
    /// What each broker understands, or why it does not say.
    pub async fn broker_versions(&self) -> Result<Vec<(BrokerInfo, Result<NodeVersions, AdminError>)>, AdminError> {
        let mut all = Vec::new();
        for broker in self.brokers("metadata").await? {
            let asked = ask_node(&self.client, "apiVersions", &broker.address, |_| asking_versions()).await;
            all.push((broker, asked.and_then(versions)));
        }
        Ok(all)
    }

    /// The features of one node, or of whichever answers.
    pub async fn describe_features(&self, node: Option<i32>) -> Result<NodeVersions, AdminError> {
        let call = "describeFeatures";
        match node {
            None => versions(ask_any(&self.client, call, false, |_| asking_versions()).await?),
            Some(node) => {
                let address = self.broker(node, call).await?;
                versions(ask_node(&self.client, call, &address, |_| asking_versions()).await?)
            }
        }
    }

    /// Changes levels of features; with `validate_only` only says whether they could be changed.
    pub async fn update_features(
        &self,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Vec<Outcome<String>>, AdminError> {
        let update = |update: &FeatureUpdate| {
            FeatureUpdateKey::default()
                .with_feature(text(&update.feature))
                .with_max_version_level(update.level)
                .with_upgrade_type(update.upgrade_type)
        };
        let answer = ask_any(&self.client, "updateFeatures", !validate_only, |_| {
            UpdateFeaturesRequest::default()
                .with_feature_updates(updates.iter().map(update).collect())
                .with_timeout_ms(self.client.config().request_timeout_ms)
                .with_validate_only(validate_only)
        })
        .await?;
        let whole = error_code(answer.error_code);
        let whole_words = words(answer.error_message);
        let outcome = |update: &FeatureUpdate| {
            let own = answer.results.iter().find(|result| result.feature.as_str() == update.feature);
            // From version 2 on an error is told once for all.
            let (code, message) = match own {
                Some(own) if whole.is_none() => (error_code(own.error_code), words(own.error_message.clone())),
                _ => (whole, whole_words.clone()),
            };
            let result = if code.is_none() { Ok(()) } else { Err((code, message)) };
            Outcome { resource: update.feature.clone(), result }
        };
        Ok(updates.iter().map(outcome).collect())
    }

    /// The log directories of a broker.
    pub async fn describe_log_dirs(&self, broker: i32) -> Result<Vec<LogDir>, AdminError> {
        let call = "describeLogDirs";
        let address = self.broker(broker, call).await?;
        let request = |_| DescribeLogDirsRequest::default().with_topics(None);
        let answer = ask_node(&self.client, call, &address, request).await?;
        refuse(answer.error_code, None)?;
        let dir = |dir: andiron_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult| {
            let mut replicas = Vec::new();
            for topic in &dir.topics {
                for partition in &topic.partitions {
                    replicas.push(ReplicaInfo {
                        partition: TopicPartition::new(topic.name.as_str(), partition.partition_index),
                        size: partition.partition_size,
                        offset_lag: partition.offset_lag,
                        is_future: partition.is_future_key,
                    });
                }
            }
            LogDir { path: dir.log_dir.to_string(), error: error_code(dir.error_code), replicas }
        };
        Ok(answer.results.into_iter().map(dir).collect())
    }

    /// Forgets a broker that will not come back.
    pub async fn unregister_broker(&self, broker: i32) -> Result<Result<(), Refusal>, AdminError> {
        let request = |_| UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker));
        let answer = ask_any(&self.client, "unregisterBroker", true, request).await?;
        let code = error_code(answer.error_code);
        Ok(if code.is_none() { Ok(()) } else { Err((code, words(answer.error_message))) })
    }
}
