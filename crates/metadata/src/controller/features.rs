//! Finalised features, and the records with which the log begins.

use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::update_features_response::UpdatableFeatureResult;
use andiron_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::{Refusal, words};
use crate::features::{ELR_VERSION, METADATA_VERSION, SUPPORTED};
use crate::image::{Image, ResourceKind};
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
            name: "min.insync.replicas".into(),
            value: Some("1".into()),
        };
        records.push(config.into());
    }
    records.push(EndTransactionRecord {}.into());
    records
}

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;

pub(super) fn update(image: &Image, request: &UpdateFeaturesRequest) -> (Vec<Record>, UpdateFeaturesResponse) {
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
            response = response.with_error_code(code.code()).with_error_message(words(message));
        }
        None => response = response.with_error_message(Some(StrBytes::new())),
    }
    if request.validate_only {
        records.clear();
    }
    (records, response.with_results(results))
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
    let Some(supported) = SUPPORTED.iter().find(|feature| feature.name == name) else {
        return Err(invalid(format!(
            "Local controller {} does not support this feature.",
            image.controller_id().unwrap_or(-1)
        )));
    };
    if level != 0 && !(supported.min..=supported.max).contains(&level) {
        let id = image.controller_id().unwrap_or(-1);
        return Err(invalid(format!(
            "Local controller {id} only supports versions {}-{}",
            supported.min, supported.max
        )));
    }
    if level < current && kind == UPGRADE {
        return Err(invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".into()));
    }
    if level > current && kind != UPGRADE {
        return Err(invalid("Can't downgrade to a newer version.".into()));
    }
    if name == METADATA_VERSION && level != current {
        return Err(invalid(format!("This node works with metadata.version {current} only.")));
    }
    Ok(level != current)
}
