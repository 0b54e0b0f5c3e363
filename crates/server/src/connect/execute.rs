//! Plans that run: rows for relations, outcomes for commands.

use std::sync::Arc;

use andiron_engine::{CommandOutcome, SparkError};
use andiron_plan::{
    connect,
    spec::{Command, Relation},
};
use bytes::Bytes;
use futures::StreamExt;
use spark_connect_proto::{
    self as proto, execute_plan_response as answer, execute_plan_response::ResponseType, expression, plan,
};

use super::{
    errors::{canceled, invalid_plan, schema_message},
    operation::{Ended, Operation},
    session::DoorSession,
    streaming,
};

/// Why an execution stopped.
pub(super) enum Stop {
    /// It failed.
    Failed(SparkError),
    /// Nobody wants it any more.
    Ended,
}

impl From<SparkError> for Stop {
    fn from(error: SparkError) -> Self {
        Self::Failed(error)
    }
}

impl From<Ended> for Stop {
    fn from(_: Ended) -> Self {
        Self::Ended
    }
}

/// Runs one operation to its end.
pub(super) async fn run(session: Arc<DoorSession>, operation: Arc<Operation>, plan: plan::OpType) {
    let result = match execute(&session, &operation, plan).await {
        Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Ended) => Err(canceled(&operation.id)),
    };
    operation.finish(result).await;
}

async fn execute(session: &Arc<DoorSession>, operation: &Operation, plan: plan::OpType) -> Result<(), Stop> {
    match plan {
        plan::OpType::Root(root) => {
            let relation = lower(session, &root)?;
            drop(root);
            rows(session, operation, &relation).await
        }
        plan::OpType::Command(message) => {
            let command = connect::command_with(&message, &|hash| artifact(session, hash)).map_err(SparkError::from)?;
            let sql = sql_input(message);
            run_command(session, operation, command, sql).await
        }
        plan::OpType::CompressedOperation(_) => Err(SparkError::unsupported("compressed plans").into()),
    }
}

/// A relation of a session, with what the session has uploaded.
pub(super) fn lower(session: &DoorSession, message: &proto::Relation) -> Result<Relation, SparkError> {
    Ok(connect::relation_with(message, &|hash| artifact(session, hash))?)
}

fn artifact(session: &DoorSession, hash: &str) -> Option<Bytes> {
    session.artifacts.lock().get(&format!("cache/{hash}")).cloned()
}

async fn rows(session: &DoorSession, operation: &Operation, relation: &Relation) -> Result<(), Stop> {
    let execution = session.session.execute(relation).await?;
    let schema = Some(schema_message(&execution.schema));
    operation.push(proto::ExecutePlanResponse { schema, ..Default::default() }).await?;
    let mut chunks = Box::pin(execution.into_chunks());
    let mut start_offset = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        let row_count = chunk.rows as i64;
        let batch = answer::ArrowBatch {
            row_count,
            data: chunk.data,
            start_offset: Some(start_offset),
            chunk_index: None,
            num_chunks_in_batch: None,
        };
        start_offset += row_count;
        operation.answer(ResponseType::ArrowBatch(batch)).await?;
    }
    Ok(())
}

/// The relation of a `spark.sql`, which goes back to the client when it is a query.
#[allow(deprecated, reason = "clients before 4.0 send the text in fields that are now deprecated")]
fn sql_input(message: proto::Command) -> Option<proto::Relation> {
    let Some(proto::command::CommandType::SqlCommand(command)) = message.command_type else { return None };
    Some(command.input.unwrap_or_else(|| proto::Relation {
        common: None,
        rel_type: Some(proto::relation::RelType::Sql(proto::Sql {
            query: command.sql,
            args: command.args,
            pos_args: command.pos_args,
            named_arguments: command.named_arguments,
            pos_arguments: command.pos_arguments,
        })),
    }))
}

async fn run_command(
    session: &Arc<DoorSession>,
    operation: &Operation,
    command: Command,
    sql: Option<proto::Relation>,
) -> Result<(), Stop> {
    match command {
        Command::WriteStreamStart(start) => streaming::start(session, operation, &start).await,
        Command::StreamingQuery(command) => streaming::query(session, operation, &command).await,
        Command::StreamingQueryManager(command) => streaming::manager(session, operation, &command).await,
        Command::StreamingListenerBus { add } => streaming::listener_bus(session, operation, add).await,
        Command::MlCleanCache => {
            // How many were removed. A client that ends sends this last and reads one answer; were ResultComplete that one,
            // the stream's end would reach it while its interpreter winds down, where gRPC's Python can wait for ever.
            let none = expression::Literal {
                literal_type: Some(expression::literal::LiteralType::Integer(0)),
                ..Default::default()
            };
            let result =
                proto::MlCommandResult { result_type: Some(proto::ml_command_result::ResultType::Param(none)) };
            Ok(operation.answer(ResponseType::MlCommandResult(result)).await?)
        }
        Command::GetResources => {
            let none = proto::GetResourcesCommandResult::default();
            Ok(operation.answer(ResponseType::GetResourcesCommandResult(none)).await?)
        }
        Command::RemoveCachedRemoteRelation { relation_id } => {
            session.session.catalog().forget(&relation_id);
            Ok(())
        }
        command => match session.session.command(&command).await? {
            CommandOutcome::Done => match sql {
                None => Ok(()),
                // A statement without rows is a relation without rows for the client.
                Some(_) => {
                    let data = proto::LocalRelation { data: None, schema: Some("struct<>".to_owned()) };
                    sql_result(operation, local(data)).await
                }
            },
            CommandOutcome::Query(_) => {
                sql_result(operation, sql.ok_or_else(|| invalid_plan("a query without its text"))?).await
            }
            CommandOutcome::Rows(relation) => {
                let execution = session.session.execute(&relation).await?;
                let schema =
                    andiron_plan::types::to_json(&andiron_plan::spec::DataType::Struct(execution.schema.clone()));
                let data = Some(execution.into_one_stream().await?);
                sql_result(operation, local(proto::LocalRelation { data, schema: Some(schema) })).await
            }
            CommandOutcome::Remembered { relation_id } => {
                let relation = Some(proto::CachedRemoteRelation { relation_id });
                let result = proto::CheckpointCommandResult { relation };
                Ok(operation.answer(ResponseType::CheckpointCommandResult(result)).await?)
            }
        },
    }
}

fn local(rows: proto::LocalRelation) -> proto::Relation {
    proto::Relation { common: None, rel_type: Some(proto::relation::RelType::LocalRelation(rows)) }
}

async fn sql_result(operation: &Operation, relation: proto::Relation) -> Result<(), Stop> {
    let result = answer::SqlCommandResult { relation: Some(relation) };
    Ok(operation.answer(ResponseType::SqlCommandResult(result)).await?)
}
