//! The calls of Spark Connect, one method each.

use std::sync::Arc;

use andiron_engine::{Engine, SparkError};
use spark_connect_proto as proto;
use tonic::{Status, Streaming, codegen::BoxStream};
use uuid::Uuid;

use super::{
    analyze, artifacts, config,
    errors::{all_details, invalid_handle, invalid_plan, status},
    execute,
    operation::Operation,
    session::{Caller, DoorSession, Sessions},
};

/// Everything behind the door.
pub(super) struct Door {
    pub(super) engine: Arc<Engine>,
    pub(super) sessions: Sessions,
}

/// The caller as a request names it.
macro_rules! caller {
    ($request:expr) => {
        Caller {
            user: $request.user_context.as_ref(),
            session_id: &$request.session_id,
            observed: $request.client_observed_server_side_session_id.as_deref(),
            client_type: $request.client_type.as_deref(),
        }
    };
}

impl Door {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, sessions: Sessions::default() }
    }

    fn session(&self, caller: &Caller<'_>) -> Result<Arc<DoorSession>, Status> {
        self.sessions.of(self, caller).map_err(|error| status(&error, None))
    }

    fn existing(&self, caller: &Caller<'_>) -> Result<Arc<DoorSession>, Status> {
        self.sessions.existing(caller).map_err(|error| status(&error, None))
    }

    /// Stops what all sessions run.
    pub(super) async fn stop_all(&self) {
        for session in self.sessions.all() {
            session.stop().await;
        }
    }

    pub(super) async fn config(&self, request: proto::ConfigRequest) -> Result<proto::ConfigResponse, Status> {
        let session = self.session(&caller!(request))?;
        let operation = request.operation.and_then(|operation| operation.op_type);
        let answer = match operation {
            Some(operation) => config::answer(&session, operation),
            None => Err(invalid_plan("a config request without an operation")),
        };
        let (pairs, warnings) = answer.map_err(|error| status(&error, Some(&session)))?;
        Ok(proto::ConfigResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
            pairs,
            warnings,
        })
    }

    pub(super) async fn analyze_plan(
        &self,
        request: proto::AnalyzePlanRequest,
    ) -> Result<proto::AnalyzePlanResponse, Status> {
        let session = self.session(&caller!(request))?;
        let result = match request.analyze {
            Some(analyze) => analyze::answer(&session, analyze).await,
            None => Err(invalid_plan("an analyze request without a question")),
        };
        Ok(proto::AnalyzePlanResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
            result: Some(result.map_err(|error| status(&error, Some(&session)))?),
        })
    }

    pub(super) async fn execute_plan(
        &self,
        request: proto::ExecutePlanRequest,
    ) -> Result<BoxStream<proto::ExecutePlanResponse>, Status> {
        use proto::execute_plan_request::request_option::RequestOption;
        let session = self.session(&caller!(request))?;
        let fail = |error: SparkError| status(&error, Some(&session));
        let id = match request.operation_id {
            Some(id) if Uuid::parse_str(&id).is_ok() => id,
            Some(id) => return Err(fail(invalid_handle("FORMAT", &id, "Handle must be an UUID string."))),
            None => Uuid::new_v4().to_string(),
        };
        let is_reattachable = request.request_options.iter().any(|option| {
            matches!(&option.request_option, Some(RequestOption::ReattachOptions(options)) if options.reattachable)
        });
        let Some(plan) = request.plan.and_then(|plan| plan.op_type) else {
            return Err(fail(invalid_plan("an execution without a plan")));
        };
        let operation = Arc::new(Operation::new(&session, id, request.tags, is_reattachable));
        session.admit(&operation).map_err(fail)?;
        let answers = operation.attach(None).map_err(fail)?;
        let task = tokio::spawn(execute::run(Arc::clone(&session), Arc::clone(&operation), plan));
        operation.runs_as(task.abort_handle());
        Ok(answers)
    }

    pub(super) async fn reattach_execute(
        &self,
        request: proto::ReattachExecuteRequest,
    ) -> Result<BoxStream<proto::ExecutePlanResponse>, Status> {
        let session = self.existing(&caller!(request))?;
        let found = match session.operation(&request.operation_id) {
            Some(operation) => operation.attach(request.last_response_id.as_deref()),
            None => Err(invalid_handle("OPERATION_NOT_FOUND", &request.operation_id, "Operation not found.")),
        };
        found.map_err(|error| status(&error, Some(&session)))
    }

    pub(super) async fn release_execute(
        &self,
        request: proto::ReleaseExecuteRequest,
    ) -> Result<proto::ReleaseExecuteResponse, Status> {
        use proto::release_execute_request::Release;
        let session = self.existing(&caller!(request))?;
        let operation = match &request.release {
            Some(Release::ReleaseUntil(until)) => {
                let operation = session.operation(&request.operation_id);
                if let Some(operation) = &operation {
                    operation.release_until(&until.response_id);
                }
                operation
            }
            Some(Release::ReleaseAll(_)) | None => {
                let operation = session.forget(&request.operation_id);
                if let Some(operation) = &operation {
                    operation.cancel();
                }
                operation
            }
        };
        Ok(proto::ReleaseExecuteResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
            operation_id: operation.map(|operation| operation.id.clone()),
        })
    }

    pub(super) async fn release_session(
        &self,
        request: proto::ReleaseSessionRequest,
    ) -> Result<proto::ReleaseSessionResponse, Status> {
        let caller = Caller {
            user: request.user_context.as_ref(),
            session_id: &request.session_id,
            observed: None,
            client_type: request.client_type.as_deref(),
        };
        let closed = self.sessions.close(&caller, request.allow_reconnect).map_err(|error| status(&error, None))?;
        if let Some(session) = &closed {
            session.stop().await;
            self.engine.release_session(session.session.user(), session.session.id());
        }
        Ok(proto::ReleaseSessionResponse {
            session_id: request.session_id,
            server_side_session_id: closed.map_or_else(String::new, |session| session.server_side_id.clone()),
        })
    }

    pub(super) async fn interrupt(&self, request: proto::InterruptRequest) -> Result<proto::InterruptResponse, Status> {
        use proto::interrupt_request::{Interrupt, InterruptType};
        let session = self.session(&caller!(request))?;
        let wanted = |operation: &Operation| match (InterruptType::try_from(request.interrupt_type), &request.interrupt)
        {
            (Ok(InterruptType::All), _) => true,
            (Ok(InterruptType::Tag), Some(Interrupt::OperationTag(tag))) => operation.tags.contains(tag),
            (Ok(InterruptType::OperationId), Some(Interrupt::OperationId(id))) => operation.id == *id,
            _ => false,
        };
        let interrupted = session.operations().into_iter().filter(|operation| wanted(operation) && operation.cancel());
        Ok(proto::InterruptResponse {
            interrupted_ids: interrupted.map(|operation| operation.id.clone()).collect(),
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
        })
    }

    pub(super) async fn add_artifacts(
        &self,
        requests: Streaming<proto::AddArtifactsRequest>,
    ) -> Result<proto::AddArtifactsResponse, Status> {
        artifacts::receive(requests, |request| self.session(&caller!(request))).await
    }

    pub(super) async fn artifact_status(
        &self,
        request: proto::ArtifactStatusesRequest,
    ) -> Result<proto::ArtifactStatusesResponse, Status> {
        use proto::artifact_statuses_response::ArtifactStatus;
        let session = self.session(&caller!(request))?;
        let known = session.artifacts.lock();
        let statuses = request
            .names
            .iter()
            .map(|name| (name.clone(), ArtifactStatus { exists: known.contains_key(name) }))
            .collect();
        Ok(proto::ArtifactStatusesResponse {
            statuses,
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
        })
    }

    pub(super) async fn fetch_error_details(
        &self,
        request: proto::FetchErrorDetailsRequest,
    ) -> Result<proto::FetchErrorDetailsResponse, Status> {
        let session = self.session(&caller!(request))?;
        let error = session.error(&request.error_id);
        Ok(proto::FetchErrorDetailsResponse {
            server_side_session_id: session.server_side_id.clone(),
            session_id: request.session_id,
            root_error_idx: error.as_ref().map(|_| 0),
            errors: error.iter().map(all_details).collect(),
        })
    }

    pub(super) async fn clone_session(
        &self,
        request: proto::CloneSessionRequest,
    ) -> Result<proto::CloneSessionResponse, Status> {
        let session = self.session(&caller!(request))?;
        let id = request.new_session_id.filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string());
        if Uuid::parse_str(&id).is_err() {
            return Err(status(&invalid_handle("FORMAT", &id, "Handle must be an UUID string."), Some(&session)));
        }
        let copy = self.sessions.copy(self, &session, &id).map_err(|error| status(&error, Some(&session)))?;
        Ok(proto::CloneSessionResponse {
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
            new_session_id: id,
            new_server_side_session_id: copy.server_side_id.clone(),
        })
    }

    pub(super) async fn get_status(
        &self,
        request: proto::GetStatusRequest,
    ) -> Result<proto::GetStatusResponse, Status> {
        use proto::get_status_response::{OperationStatus, operation_status::OperationState};
        let session = self.session(&caller!(request))?;
        let ids = match request.operation_status {
            None => Vec::new(),
            Some(wanted) if wanted.operation_ids.is_empty() => {
                session.operations().iter().map(|operation| operation.id.clone()).collect()
            }
            Some(wanted) => wanted.operation_ids,
        };
        let state = |id: &str| match session.operation(id).map(|operation| operation.outcome()) {
            None => OperationState::Unknown,
            Some(None) => OperationState::Running,
            Some(Some(Ok(()))) => OperationState::Succeeded,
            Some(Some(Err(error))) if error.class() == Some("OPERATION_CANCELED") => OperationState::Cancelled,
            Some(Some(Err(_))) => OperationState::Failed,
        };
        Ok(proto::GetStatusResponse {
            operation_statuses: ids
                .into_iter()
                .map(|id| OperationStatus { state: state(&id).into(), operation_id: id, extensions: Vec::new() })
                .collect(),
            session_id: request.session_id,
            server_side_session_id: session.server_side_id.clone(),
            extensions: Vec::new(),
        })
    }
}
