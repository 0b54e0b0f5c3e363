//! DeleteTopics: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::messages::delete_topics_response::DeletableTopicResult;
use andiron_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use andiron_protocol::{ErrorCode, Uuid};

use super::{Call, Owed};

/// The first version that may name topics by id.
const TOPIC_STATES_FROM: i16 = 6;

pub(super) fn handle(call: &Call<'_>, request: DeleteTopicsRequest, owed: Owed) {
    let names: Vec<_> = if call.version >= TOPIC_STATES_FROM {
        request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id)).collect()
    } else {
        request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::nil())).collect()
    };
    if !call.node.config().delete_topic_enable {
        owed.send(&refused(names, ErrorCode::TopicDeletionDisabled, call.version));
        return;
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
                owed.send(&answer);
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
