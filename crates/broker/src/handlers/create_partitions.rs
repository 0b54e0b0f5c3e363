//! CreatePartitions: the controller's matter.

use andiron_metadata::controller::{Request, Response};
use andiron_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use andiron_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Call, Owed};

pub(super) fn handle(call: &Call<'_>, request: CreatePartitionsRequest, owed: Owed) {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    call.node.ask_controller(
        call.now,
        Request::CreatePartitions(request),
        Box::new(move |answered| match answered {
            Ok(Response::CreatePartitions(answer)) => owed.send(&answer),
            Ok(_) => tracing::error!("the controller answered another question"),
            Err(error) => {
                let one = |name| CreatePartitionsTopicResult::default().with_name(name).with_error_code(error.code());
                owed.send(&CreatePartitionsResponse::default().with_results(names.into_iter().map(one).collect()));
            }
        }),
    );
}
