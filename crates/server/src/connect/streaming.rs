//! Streaming queries by their commands. Each waits in its own task, however long.

use std::sync::Arc;

use andiron_engine::{Exception, SparkError, query::StreamingQuery};
use andiron_plan::spec::{StreamingQueryAct, StreamingQueryCommand, StreamingQueryManagerCommand, WriteStreamStart};
use spark_connect_proto::{
    self as proto, execute_plan_response::ResponseType, streaming_query_command_result as result,
    streaming_query_manager_command_result as manager_result,
};

use super::{execute::Stop, operation::Operation, session::DoorSession};

/// `writeStream..start()`.
pub(super) async fn start(
    session: &Arc<DoorSession>,
    operation: &Operation,
    start: &WriteStreamStart,
) -> Result<(), Stop> {
    let started = andiron_engine::query::start(&session.session, start).await?;
    let result = proto::WriteStreamOperationStartResult {
        query_id: Some(instance_id(&started.query)),
        name: started.query.name().unwrap_or("").to_owned(),
        query_started_event_json: started.event_json,
    };
    Ok(operation.answer(ResponseType::WriteStreamOperationStartResult(result)).await?)
}

/// One query asked or told something.
pub(super) async fn query(
    session: &Arc<DoorSession>,
    operation: &Operation,
    command: &StreamingQueryCommand,
) -> Result<(), Stop> {
    use result::ResultType;
    let id = &command.query;
    let queries = session.session.queries();
    let Some(query) = queries.find(&id.id, &id.run_id) else {
        return Err(match queries.get(&id.id) {
            Some(_) => SparkError::illegal_argument(format!("Run id mismatch for query id {}. Run id in the request {} does not match one on the server. The query might have restarted.", id.id, id.run_id)),
            None => SparkError::new(
                Exception::Analysis,
                "STREAMING_QUERY_NOT_FOUND",
                "42K0I",
                format!("Streaming query {} is not found", id.id),
            ),
        }
        .into());
    };
    let answer = match command.act {
        StreamingQueryAct::Status => {
            let status = query.status();
            Some(ResultType::Status(result::StatusResult {
                status_message: status.message,
                is_data_available: status.is_data_available,
                is_trigger_active: status.is_trigger_active,
                is_active: query.is_active(),
            }))
        }
        StreamingQueryAct::LastProgress => Some(progress(query.last_progress().into_iter().collect())),
        StreamingQueryAct::RecentProgress => Some(progress(query.recent_progress())),
        StreamingQueryAct::Stop => {
            query.stop().await;
            None
        }
        StreamingQueryAct::ProcessAllAvailable => {
            query.process_all_available().await?;
            None
        }
        StreamingQueryAct::Explain { .. } => {
            Some(ResultType::Explain(result::ExplainResult { result: query.explain() }))
        }
        StreamingQueryAct::Exception => {
            let failure = query.exception();
            Some(ResultType::Exception(match failure {
                None => result::ExceptionResult::default(),
                Some(failure) => result::ExceptionResult {
                    exception_message: Some(failure.exception_text()),
                    error_class: Some(failure.error_class().to_owned()),
                    stack_trace: None,
                },
            }))
        }
        StreamingQueryAct::AwaitTermination { timeout_ms } => {
            let terminated = query.await_termination(timeout_ms).await?;
            Some(ResultType::AwaitTermination(result::AwaitTerminationResult { terminated }))
        }
    };
    let answer = proto::StreamingQueryCommandResult { query_id: Some(instance_id(&query)), result_type: answer };
    Ok(operation.answer(ResponseType::StreamingQueryCommandResult(answer)).await?)
}

fn progress(recent_progress_json: Vec<String>) -> result::ResultType {
    result::ResultType::RecentProgress(result::RecentProgressResult { recent_progress_json })
}

/// The session's queries.
pub(super) async fn manager(
    session: &Arc<DoorSession>,
    operation: &Operation,
    command: &StreamingQueryManagerCommand,
) -> Result<(), Stop> {
    use manager_result::ResultType;
    let queries = session.session.queries();
    let instance = |query: &StreamingQuery| manager_result::StreamingQueryInstance {
        id: Some(instance_id(query)),
        name: query.name().map(str::to_owned),
    };
    let answer = match command {
        StreamingQueryManagerCommand::Active => {
            let active_queries = queries.active().iter().map(|query| instance(query)).collect();
            Some(ResultType::Active(manager_result::ActiveResult { active_queries }))
        }
        StreamingQueryManagerCommand::Get { id } => queries.get(id).map(|query| ResultType::Query(instance(&query))),
        StreamingQueryManagerCommand::AwaitAnyTermination { timeout_ms } => {
            let terminated = queries.await_any_termination(*timeout_ms).await?;
            Some(ResultType::AwaitAnyTermination(manager_result::AwaitAnyTerminationResult { terminated }))
        }
        StreamingQueryManagerCommand::ResetTerminated => {
            queries.reset_terminated();
            Some(ResultType::ResetTerminated(true))
        }
        StreamingQueryManagerCommand::AddListener { .. } => {
            return Err(
                SparkError::unsupported("listeners that run on the server, as clients before 4.0 add them").into()
            );
        }
        StreamingQueryManagerCommand::RemoveListener { .. } => Some(ResultType::RemoveListener(true)),
        StreamingQueryManagerCommand::ListListeners => {
            Some(ResultType::ListListeners(manager_result::ListStreamingQueryListenerResult::default()))
        }
    };
    let answer = proto::StreamingQueryManagerCommandResult { result_type: answer };
    Ok(operation.answer(ResponseType::StreamingQueryManagerCommandResult(answer)).await?)
}

/// The session's events, until the client wants no more of them.
pub(super) async fn listener_bus(session: &Arc<DoorSession>, operation: &Operation, add: bool) -> Result<(), Stop> {
    let bus = session.session.queries().listeners();
    if !add {
        bus.remove();
        return Ok(());
    }
    let mut events = bus.add();
    let added =
        proto::StreamingQueryListenerEventsResult { events: Vec::new(), listener_bus_listener_added: Some(true) };
    operation.answer(ResponseType::StreamingQueryListenerEventsResult(added)).await?;
    while let Some(event) = events.recv().await {
        // The kinds have the numbers of the protocol.
        let event_type = event.kind as i32;
        let event = proto::StreamingQueryListenerEvent { event_json: event.json, event_type };
        let events =
            proto::StreamingQueryListenerEventsResult { events: vec![event], listener_bus_listener_added: None };
        operation.answer(ResponseType::StreamingQueryListenerEventsResult(events)).await?;
    }
    Ok(())
}

fn instance_id(query: &StreamingQuery) -> proto::StreamingQueryInstanceId {
    proto::StreamingQueryInstanceId { id: query.id().to_owned(), run_id: query.run_id().to_owned() }
}
