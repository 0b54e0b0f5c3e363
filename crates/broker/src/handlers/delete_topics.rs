//! DeleteTopics: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::delete_topics_request::DeleteTopicState;
use andiron_protocol::messages::delete_topics_response::DeletableTopicResult;
use andiron_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use andiron_protocol::{ErrorCode, Uuid};

use super::{Call, OVER_QUOTA, Owed, within_quota};

/// The first version that may name topics by id.
const TOPIC_STATES_FROM: i16 = 6;

/// From this version on clients know that they may have to try again.
const STRICT_QUOTA_FROM: i16 = 5;

pub(super) fn handle(call: &Call<'_>, mut request: DeleteTopicsRequest, owed: Owed) {
    let by_name = std::mem::take(&mut request.topic_names);
    request.topics.extend(by_name.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name))));
    let named = |topic: DeleteTopicState| (topic.name, topic.topic_id);
    if !call.node.config().delete_topic_enable {
        let topics = request.topics.into_iter().map(named).collect();
        owed.send(&refused(topics, ErrorCode::TopicDeletionDisabled, call.version));
        return;
    }
    let (over_quota, throttle_ms) = within_quota(call, &mut request.topics, STRICT_QUOTA_FROM, |snapshot, topic| {
        let image = &snapshot.image;
        let found = topic.name.as_ref().map_or_else(|| image.topic_by_id(topic.topic_id), |name| image.topic(name));
        found.map_or(0, |topic| topic.partitions.len())
    });
    let names: Vec<_> = request.topics.iter().cloned().map(named).collect();
    let over_quota = over_quota.into_iter().map(named).collect();
    let mut over_quota = refused(over_quota, ErrorCode::ThrottlingQuotaExceeded, call.version).responses;
    for topic in &mut over_quota {
        topic.error_message = (call.version >= STRICT_QUOTA_FROM).then_some(StrBytes::from_static_str(OVER_QUOTA));
    }
    call.node.ask_controller(
        call.now,
        Request::DeleteTopics(request),
        Box::new(move |answered| match answered {
            Ok(Response::DeleteTopics(mut answer)) => {
                for topic in &mut answer.responses {
                    if owed.version < TOPIC_STATES_FROM {
                        topic.topic_id = Uuid::nil();
                    }
                    if owed.version < 5 {
                        topic.error_message = None;
                    }
                }
                answer.responses.extend(over_quota);
                owed.send(&answer.with_throttle_time_ms(throttle_ms));
            }
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let version = owed.version;
                owed.send(&refused(names, error, version));
            }
        }),
    );
}

fn refused(
    names: Vec<(Option<andiron_protocol::messages::TopicName>, Uuid)>,
    error: ErrorCode,
    version: i16,
) -> DeleteTopicsResponse {
    let one = |(name, id)| {
        let result = DeletableTopicResult::default().with_name(name).with_error_code(error.code());
        if version >= TOPIC_STATES_FROM { result.with_topic_id(id) } else { result }
    };
    DeleteTopicsResponse::default().with_responses(names.into_iter().map(one).collect())
}
