//! DescribeConfigs: what holds for a topic, a broker or a group, and where it is set.

use andiron_metadata::config::{Effective, Entry, Kind, Source};
use andiron_metadata::image::{Resource, ResourceKind};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::describe_configs_request::DescribeConfigsResource;
use andiron_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use andiron_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{Call, Owed};
use crate::authorize::{self, Operation, authorize};
use crate::loggers::Level;
use crate::topics::Snapshot;

pub(super) fn handle(call: &Call<'_>, request: DescribeConfigsRequest, owed: Owed) {
    let snapshot = call.node.snapshot();
    let documentation = call.version >= 3 && request.include_documentation;
    let results = request.resources.iter().map(|asked| {
        let blank = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        match entries(call, &snapshot, asked) {
            Ok(entries) => {
                let wanted = |entry: &Entry| match &asked.configuration_keys {
                    Some(keys) => keys.iter().any(|key| key.as_str() == entry.name),
                    None => true,
                };
                let configs = entries.into_iter().filter(wanted);
                blank.with_configs(
                    configs.map(|e| told(e, request.include_synonyms, documentation, call.version)).collect(),
                )
            }
            Err((error, message)) => {
                blank.with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
            }
        }
    });
    let results = results.collect();
    owed.send(&DescribeConfigsResponse::default().with_results(results));
}

type Refused = (ErrorCode, Option<String>);

fn entries(call: &Call<'_>, snapshot: &Snapshot, asked: &DescribeConfigsResource) -> Result<Vec<Entry>, Refused> {
    let name = asked.resource_name.as_str();
    let resource = Resource::new(ResourceKind(asked.resource_type), name);
    let config = call.node.config();
    match resource.kind {
        ResourceKind::TOPIC => {
            if !authorize(&call.session.principal, Operation::DescribeConfigs, authorize::Resource::Topic(name)) {
                return Err((ErrorCode::TopicAuthorizationFailed, None));
            }
            if let Some(reason) = andiron_metadata::controller::invalid_topic_name(name) {
                return Err((ErrorCode::InvalidTopicException, Some(reason)));
            }
            if snapshot.image.topic(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, None));
            }
        }
        ResourceKind::BROKER if !name.is_empty() && name != config.node_id.to_string() => {
            let node = config.node_id;
            let message = if name.parse::<i32>().is_ok() {
                format!("Unexpected broker id, expected {node} or empty string, but received {name}")
            } else {
                format!("Broker id must be an integer, but it is: {name}")
            };
            return Err((ErrorCode::InvalidRequest, Some(message)));
        }
        ResourceKind::BROKER_LOGGER => return loggers(call, name),
        ResourceKind::CLIENT_METRICS if name.is_empty() => {
            return Err((ErrorCode::InvalidRequest, Some("Client metrics subscription name must not be empty".into())));
        }
        ResourceKind::GROUP if name.is_empty() => {
            return Err((ErrorCode::InvalidRequest, Some("Group name must not be empty".into())));
        }
        _ => {}
    }
    let described = Effective::new(&config.settings, &snapshot.image).describe(&resource);
    described
        .ok_or_else(|| (ErrorCode::InvalidRequest, Some(format!("Unsupported resource type: {}", asked.resource_type))))
}

/// The levels of this node's loggers.
fn loggers(call: &Call<'_>, name: &str) -> Result<Vec<Entry>, Refused> {
    let node = call.node.config().node_id;
    if name.is_empty() {
        return Err((ErrorCode::InvalidRequest, Some("Broker id must not be empty".into())));
    }
    match name.parse::<i32>() {
        Ok(id) if id == node => {}
        Ok(id) => {
            let message = format!("Unexpected broker id, expected {node} but received {id}");
            return Err((ErrorCode::InvalidRequest, Some(message)));
        }
        Err(_) => {
            let message = format!("Broker id must be an integer, but it is: {name}");
            return Err((ErrorCode::InvalidRequest, Some(message)));
        }
    }
    let entry = |(logger, level): (&'static str, Level)| Entry {
        name: logger.into(),
        value: Some(level.name().to_owned()),
        source: Source::DynamicBrokerLogger,
        read_only: false,
        sensitive: false,
        synonyms: Vec::new(),
        kind: Kind::String,
        doc: "",
    };
    Ok(call.node.loggers().levels().into_iter().map(entry).collect())
}

fn told(entry: Entry, synonyms: bool, documentation: bool, version: i16) -> DescribeConfigsResourceResult {
    let synonym = |s: andiron_metadata::config::Synonym| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_string(s.name))
            .with_value(s.value.map(StrBytes::from_string))
            .with_source(source(s.source))
    };
    let mut answer = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(entry.name.into_owned()))
        .with_value(entry.value.map(StrBytes::from_string))
        .with_read_only(entry.read_only)
        .with_config_source(source(entry.source))
        .with_is_sensitive(entry.sensitive);
    if synonyms {
        answer = answer.with_synonyms(entry.synonyms.into_iter().map(synonym).collect());
    }
    if version >= 3 {
        answer = answer.with_config_type(kind(entry.kind));
        if documentation {
            answer = answer.with_documentation(Some(StrBytes::from_static_str(entry.doc)));
        }
    }
    answer
}

fn source(source: Source) -> i8 {
    source as i8
}

fn kind(kind: Kind) -> i8 {
    kind as i8
}
