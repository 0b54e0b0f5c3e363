//! CreatePartitions: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::ErrorCode;
use andiron_protocol::kafka::protocol::StrBytes;
use andiron_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use andiron_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Call, OVER_QUOTA, Owed, within_quota};

/// From this version on clients know that they may have to try again.
const STRICT_QUOTA_FROM: i16 = 3;

pub(super) fn handle(call: &Call<'_>, mut request: CreatePartitionsRequest, owed: Owed) {
    let (over_quota, throttle_ms) = within_quota(call, &mut request.topics, STRICT_QUOTA_FROM, |snapshot, topic| {
        let there = snapshot.image.topic(&topic.name).map_or(0, |topic| topic.partitions.len());
        usize::try_from(topic.count).unwrap_or(0).saturating_sub(there)
    });
    let over_quota = over_quota.into_iter().map(|topic| {
        CreatePartitionsTopicResult::default()
            .with_name(topic.name)
            .with_error_code(ErrorCode::ThrottlingQuotaExceeded.code())
            .with_error_message(Some(StrBytes::from_static_str(OVER_QUOTA)))
    });
    let over_quota: Vec<_> = over_quota.collect();
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    call.node.ask_controller(
        call.now,
        Request::CreatePartitions(request),
        Box::new(move |answered| match answered {
            Ok(Response::CreatePartitions(mut answer)) => {
                answer.results.extend(over_quota);
                owed.send(&answer.with_throttle_time_ms(throttle_ms));
            }
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let one = |name| CreatePartitionsTopicResult::default().with_name(name).with_error_code(error.code());
                owed.send(&CreatePartitionsResponse::default().with_results(names.into_iter().map(one).collect()));
            }
        }),
    );
}
