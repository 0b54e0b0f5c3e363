//! CreateTopics: the controller's matter; what a client may not ask for is refused here.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_topics_response::CreatableTopicResult;
use andiron_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use andiron_protocol::{ErrorCode, KafkaUuid as _, Uuid};

use super::{Call, OVER_QUOTA, Owed, within_quota};

/// From this version on clients know that they may have to try again.
const STRICT_QUOTA_FROM: i16 = 6;

pub(super) fn handle(call: &Call<'_>, mut request: CreateTopicsRequest, owed: Owed) {
    let default = call.node.config().settings.int("num.partitions");
    let (over_quota, throttle_ms) = within_quota(call, &mut request.topics, STRICT_QUOTA_FROM, |_, topic| {
        let asked = if topic.num_partitions < 0 { default } else { topic.num_partitions };
        topic.assignments.len().max(usize::try_from(asked).unwrap_or(0))
    });
    let over_quota = over_quota.into_iter().map(|topic| {
        CreatableTopicResult::default()
            .with_name(topic.name)
            .with_error_code(ErrorCode::ThrottlingQuotaExceeded.code())
            .with_error_message(Some(StrBytes::from_static_str(OVER_QUOTA)))
    });
    let over_quota: Vec<_> = over_quota.collect();
    let ids = request.topics.iter().map(|_| Uuid::random()).collect();
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let version = call.version;
    call.node.ask_controller(
        call.now,
        Request::CreateTopics { request, ids },
        Box::new(move |answered| match answered {
            Ok(Response::CreateTopics(mut answer)) => {
                answer.topics.extend(over_quota);
                owed.send(&for_version(answer.with_throttle_time_ms(throttle_ms), version));
            }
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let refused = |name| CreatableTopicResult::default().with_name(name).with_error_code(error.code());
                let answer = CreateTopicsResponse::default().with_topics(names.into_iter().map(refused).collect());
                owed.send(&for_version(answer, version));
            }
        }),
    );
}

/// Java's admin client takes a missing list of configs from version 5 on for a broken answer.
fn for_version(mut answer: CreateTopicsResponse, version: i16) -> CreateTopicsResponse {
    for topic in &mut answer.topics {
        if version >= 5 {
            topic.configs.get_or_insert_default();
        } else {
            *topic = CreatableTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(topic.error_code)
                .with_error_message(topic.error_message.take());
        }
        if version < 7 {
            topic.topic_id = Uuid::nil();
        }
    }
    answer
}
