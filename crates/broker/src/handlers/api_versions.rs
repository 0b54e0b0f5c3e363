//! ApiVersions: what can be asked here, and at which levels the cluster's features stand.

use andiron_protocol::ErrorCode;
use andiron_protocol::api::Offered;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use andiron_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, Owed};

/// What a client library may call itself, as Kafka checks it.
fn is_valid_software_text(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next()) && edge(text.chars().next_back()) && text.chars().all(inner)
}

fn keys(table: &'static [Offered]) -> Vec<ApiVersion> {
    let entry = |offered: &Offered| {
        ApiVersion::default()
            .with_api_key(offered.key as i16)
            .with_min_version(offered.advertised_min())
            .with_max_version(offered.max)
    };
    table.iter().map(entry).collect()
}

pub(super) fn unsupported(table: &'static [Offered], owed: Owed) {
    let answer =
        ApiVersionsResponse::default().with_error_code(ErrorCode::UnsupportedVersion.code()).with_api_keys(keys(table));
    owed.send(&answer);
}

pub(super) fn handle(call: &Call<'_>, request: ApiVersionsRequest, owed: Owed, table: &'static [Offered]) {
    if call.version >= 3 {
        let (name, version) = (request.client_software_name, request.client_software_version);
        if !is_valid_software_text(&name) || !is_valid_software_text(&version) {
            owed.send(&ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code()));
            return;
        }
        call.session.set_software(name, version);
    }
    let mut answer = ApiVersionsResponse::default().with_api_keys(keys(table));
    if call.version >= 3 {
        let features = call.node.features(&call.node.snapshot().image);
        let supported = |f: &crate::node::Feature| {
            // Before version 4 clients take a minimum of 0 for a mistake, so Kafka leaves such features out there.
            (call.version >= 4 || f.supported_min > 0).then(|| {
                SupportedFeatureKey::default()
                    .with_name(StrBytes::from_static_str(f.name))
                    .with_min_version(f.supported_min)
                    .with_max_version(f.supported_max)
            })
        };
        let finalized = |f: &crate::node::Feature| {
            (f.level > 0).then(|| {
                FinalizedFeatureKey::default()
                    .with_name(StrBytes::from_static_str(f.name))
                    .with_min_version_level(f.level)
                    .with_max_version_level(f.level)
            })
        };
        answer = answer
            .with_supported_features(features.iter().filter_map(supported).collect())
            .with_finalized_features(features.iter().filter_map(finalized).collect())
            .with_finalized_features_epoch(call.node.metadata_offset());
    }
    owed.send(&answer);
}
