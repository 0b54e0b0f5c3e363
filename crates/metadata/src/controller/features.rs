//! Finalised features, and the records with which the log begins.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::update_features_response::UpdatableFeatureResult;
use andiron_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::{Refusal, words};
use crate::config::BrokerConfig;
use crate::features::{ELR_VERSION, KRAFT_VERSION, METADATA_VERSION, SUPPORTED};
use crate::image::{Image, Resource, ResourceKind};
use crate::records::{BeginTransactionRecord, ConfigRecord, EndTransactionRecord, FeatureLevelRecord, Record};

/// The records with which the log begins, in one transaction. With eligible leader replicas min.insync.replicas is a
/// matter of the whole cluster, so it is written down.
pub(super) fn bootstrap(image: &Image, bootstrap: Vec<Record>) -> Vec<Record> {
    if image.feature(METADATA_VERSION) > 0 {
        return Vec::new();
    }
    let elr = bootstrap.iter().any(|record| matches!(record, Record::FeatureLevel(level) if level.name == ELR_VERSION));
    let mut records = vec![BeginTransactionRecord { name: Some("Bootstrap records".into()) }.into()];
    records.extend(bootstrap);
    if elr {
        let config = ConfigRecord {
            resource_type: ResourceKind::BROKER.0,
            resource_name: String::new(),
            name: MIN_ISR.into(),
            value: Some("1".into()),
        };
        records.push(config.into());
    }
    records.push(EndTransactionRecord {}.into());
    records
}

const MIN_ISR: &str = "min.insync.replicas";

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

pub(super) fn update(
    image: &Image,
    config: &BrokerConfig,
    request: &UpdateFeaturesRequest,
) -> (Vec<Record>, UpdateFeaturesResponse) {
    let mut records = Vec::new();
    let mut results = Vec::new();
    let mut failed = None;
    for update in &request.feature_updates {
        // Version 0 of the request says it with a flag.
        let kind = match update.upgrade_type {
            UPGRADE if update.allow_downgrade => SAFE_DOWNGRADE,
            kind => kind,
        };
        let outcome = check(image, &update.feature, update.max_version_level, kind);
        let (code, message) = match outcome {
            Ok(false) => (ErrorCode::None, None),
            Ok(true) => {
                let record =
                    FeatureLevelRecord { name: update.feature.to_string(), feature_level: update.max_version_level };
                records.push(record.into());
                if *update.feature == *ELR_VERSION && update.max_version_level > 0 {
                    min_isr_of_the_cluster(image, config, &mut records);
                }
                (ErrorCode::None, None)
            }
            Err(refusal) => {
                failed.get_or_insert(refusal.clone());
                refusal
            }
        };
        let result = UpdatableFeatureResult::default()
            .with_feature(update.feature.clone())
            .with_error_code(code.code())
            .with_error_message(words(message));
        results.push(result);
    }
    let mut response = UpdateFeaturesResponse::default();
    // All or nothing: version 2 of the answer says it once, the older ones beside each feature.
    match failed {
        Some((code, message)) => {
            records.clear();
            let why = message.unwrap_or_else(|| code.message());
            let message = format!("The update failed for all features since the following feature had an error: {why}");
            response = response.with_error_code(code.code()).with_error_message(words(Some(message)));
        }
        None => response = response.with_error_message(Some(StrBytes::new())),
    }
    if request.validate_only {
        records.clear();
    }
    (records, response.with_results(results))
}

/// Eligible leader replicas are counted by one min.insync.replicas for all brokers: it is written down, and what single
/// brokers had goes.
fn min_isr_of_the_cluster(image: &Image, config: &BrokerConfig, records: &mut Vec<Record>) {
    let record = |resource_name: &str, value: Option<String>| {
        let (resource_type, resource_name) = (ResourceKind::BROKER.0, resource_name.to_string());
        ConfigRecord { resource_type, resource_name, name: MIN_ISR.into(), value }.into()
    };
    if image.config(&Resource::new(ResourceKind::BROKER, ""), MIN_ISR).is_none() {
        records.push(record("", config.get(MIN_ISR)));
    }
    for broker in image.resources(ResourceKind::BROKER).filter(|broker| !broker.name.is_empty()) {
        if image.config(broker, MIN_ISR).is_some() {
            records.push(record(&broker.name, None));
        }
    }
}

/// Whether the level changes, or why it cannot.
fn check(image: &Image, name: &str, level: i16, kind: i8) -> Result<bool, Refusal> {
    let invalid = |message: String| {
        (ErrorCode::InvalidUpdateVersion, Some(format!("Invalid update version {level} for feature {name}. {message}")))
    };
    let current = image.feature(name);
    if level < 0 {
        return Err(invalid("A feature version cannot be less than 0.".into()));
    }
    if name == KRAFT_VERSION {
        // It is the quorum's own, and said by control records of its log.
        return match level {
            1 => Ok(false),
            0 => Err(invalid("Can't downgrade the version of this feature.".into())),
            _ => Err(unsupported(image, &invalid, 0, 1)),
        };
    }
    let Some(supported) = SUPPORTED.iter().find(|feature| feature.name == name) else {
        if level == 0 {
            return Err(invalid(format!("Feature {name} not found.")));
        }
        return Err(invalid(format!(
            "Local controller {} does not support this feature.",
            image.controller_id().unwrap_or(-1)
        )));
    };
    if !(supported.min..=supported.max).contains(&level) {
        return Err(unsupported(image, &invalid, supported.min, supported.max));
    }
    if level < current && kind == UPGRADE {
        return Err(invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".into()));
    }
    if level > current && kind != UPGRADE {
        return Err(invalid("Can't downgrade to a newer version.".into()));
    }
    if name == METADATA_VERSION && level < current {
        let why = if kind == UNSAFE_DOWNGRADE {
            "Unsafe metadata downgrade is not supported in this version."
        } else {
            "Refusing to perform the requested downgrade because it might delete metadata information."
        };
        let message = format!("Unsupported metadata.version downgrade from {current} to {level}. {why}");
        return Err((ErrorCode::InvalidUpdateVersion, Some(message)));
    }
    Ok(level != current)
}

fn unsupported(image: &Image, invalid: &dyn Fn(String) -> Refusal, min: i16, max: i16) -> Refusal {
    let id = image.controller_id().unwrap_or(-1);
    invalid(format!("Local controller {id} only supports versions {min}-{max}"))
}
